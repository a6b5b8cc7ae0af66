/* Any bytes are a stream, and what the generator makes comes back as it was. */
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/prng.h"
#include "stream/codec.h"
#include "stream/generate.h"
#include "stream/owed.h"

static struct stream a, b;
static uint8_t bytes[2 * STREAM_MAX_BYTES];

/* Bounds that hold for whatever was decoded. */
static bool cheap(const struct stream *s)
{
	for (unsigned int i = 0; i < s->nr_steps; i++)
		if (s->steps[i].wait_nr && s->steps[i].wait_nr > stream_owed(s, i, s->steps[i].ring))
			return false;
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (s->reqs[i].ts > 20000000 && s->reqs[i].ts != STREAM_NEVER_NS)
			return false;
	return true;
}

static void test_any_bytes(void)
{
	struct prng p = prng_seed(1);
	unsigned long reqs = 0, steps = 0;

	for (unsigned int i = 0; i < 20000; i++) {
		size_t n = prng_below(&p, i % 20 ? 400 : sizeof(bytes));
		const char *why = "";

		for (size_t k = 0; k < n; k++)
			bytes[k] = (uint8_t)(i % 3 ? prng_next(&p) : prng_next(&p) & prng_next(&p) & prng_next(&p));
		stream_decode(bytes, n, &a);
		if (!CHECK_OP(stream_check(&a, &why), ==, 0) || !CHECK(cheap(&a))) {
			printf("%u: %s\n", i, why);
			return;
		}
		stream_decode(bytes, n, &b);
		if (!CHECK(stream_same(&a, &b)))
			return;
		reqs += a.nr_reqs;
		steps += a.nr_steps;
	}
	/* Bytes are not wasted: of some 20 records most are heard. */
	CHECK_OP(reqs, >, 20000ul * 5);
	CHECK_OP(steps, >, 20000ul * 4);
}

static void test_round_trips(void)
{
	struct generate_options opt;

	generate_options_init(&opt);
	for (unsigned int seed = 0; seed < 20000; seed++) {
		size_t n;

		opt.size = seed % 50 ? 12 : STREAM_MAX_REQS;
		opt.max_tasks = seed % 50 ? 2 : STREAM_MAX_TASKS;
		opt.weight[GEN_DRAIN] = opt.weight[GEN_SKIP] = seed % 10 ? 0 : 100;
		stream_generate(seed, &opt, &a);
		n = stream_encode(&a, bytes, STREAM_MAX_BYTES);
		if (!CHECK_OP(n, >, (size_t)0))
			return;
		CHECK_OP(stream_encode(&a, bytes, n - 1), ==, (size_t)0);
		stream_decode(bytes, n, &b);
		if (!CHECK(stream_same(&a, &b))) {
			printf("seed %u\n", seed);
			return;
		}
	}
}

static void test_truncations(void)
{
	for (unsigned int seed = 0; seed < 100; seed++) {
		size_t n;

		stream_generate(seed, NULL, &a);
		n = stream_encode(&a, bytes, STREAM_MAX_BYTES);
		for (size_t len = 0; len < n; len++) {
			stream_decode(bytes, len, &b);
			CHECK_OP(stream_check(&b, NULL), ==, 0);
			CHECK_OP(b.nr_reqs, <=, a.nr_reqs);
			CHECK_OP(b.nr_steps, <=, a.nr_steps);
		}
	}
	/* Nothing is a stream as well. */
	stream_decode(NULL, 0, &b);
	CHECK_OP(stream_check(&b, NULL), ==, 0);
	CHECK_OP(b.nr_steps, ==, 0);
}

/* A changed byte of one request changes that request and no other, but for waits. */
static void test_locality(void)
{
	struct prng p = prng_seed(3);
	unsigned int local = 0, all = 0;

	for (unsigned int seed = 0; seed < 2000; seed++) {
		unsigned int same = 0;
		size_t n, at;

		stream_generate(seed, NULL, &a);
		n = stream_encode(&a, bytes, STREAM_MAX_BYTES);
		at = CODEC_HEADER + (size_t)(a.nr_rings + a.nr_objs) * CODEC_DECL;
		at += CODEC_RECORD * prng_below(&p, (uint32_t)(a.nr_steps + a.nr_reqs));
		/* Anything but its kind. */
		bytes[at + 1 + prng_below(&p, CODEC_RECORD - 1)] ^= (uint8_t)(1u << prng_below(&p, 8));
		stream_decode(bytes, n, &b);
		for (unsigned int i = 0; i < a.nr_reqs && i < b.nr_reqs; i++)
			same += a.reqs[i].op == b.reqs[i].op && a.reqs[i].target == b.reqs[i].target &&
				a.reqs[i].len == b.reqs[i].len && a.reqs[i].ts == b.reqs[i].ts;
		all++;
		local += b.nr_reqs == a.nr_reqs && same + 1 >= a.nr_reqs;
	}
	CHECK_OP(local * 100, >, all * 97);
}

/* Drain and skip are heard only when the header says so. */
static void test_features(void)
{
	struct prng p = prng_seed(5);
	unsigned int with = 0;

	for (unsigned int i = 0; i < 2000; i++) {
		for (size_t k = 0; k < 400; k++)
			bytes[k] = (uint8_t)prng_next(&p);
		bytes[2] = i % 2 ? 0xd3 : 0x53;
		stream_decode(bytes, 400, &a);
		for (unsigned int k = 0; k < a.nr_reqs; k++) {
			bool has = a.reqs[k].sqe_flags &
				   (1u << 1 | 1u << 6); /* IOSQE_IO_DRAIN, IOSQE_CQE_SKIP_SUCCESS */

			CHECK(!has || i % 2);
			with += has;
		}
	}
	CHECK_OP(with, >, 2000u);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_any_bytes), CHECK_TEST(test_round_trips), CHECK_TEST(test_truncations),
	CHECK_TEST(test_locality),  CHECK_TEST(test_features),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
