/* Variants: valid whatever is done to them, equal of equal seeds, and each mutator does something. */
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "stream/codec.h"
#include "stream/generate.h"
#include "stream/mutate.h"
#include "stream/owed.h"
#include "stream/parse.h"
#include "stream/print.h"

static struct stream a, b, other;

static bool check_valid(const struct stream *s, const char *what, unsigned int seed)
{
	const char *why = "";
	bool ok = CHECK_OP(stream_check(s, &why), ==, 0);

	for (unsigned int i = 0; ok && i < s->nr_steps; i++)
		if (s->steps[i].wait_nr)
			ok = CHECK_OP(s->steps[i].wait_nr, <=, stream_owed(s, i, s->steps[i].ring));
	if (!ok)
		printf("%s, seed %u: %s\n", what, seed, why);
	return ok;
}

/* Variants of variants as well: that is what becomes of a stream in a campaign. */
static void test_valid(void)
{
	for (unsigned int seed = 0; seed < 2000; seed++) {
		struct generate_options opt;

		generate_options_init(&opt);
		if (seed % 20 == 0) {
			opt.size = STREAM_MAX_REQS;
			opt.max_tasks = STREAM_MAX_TASKS;
		}
		stream_generate(seed, &opt, &a);
		stream_generate(seed + 1, &opt, &other);
		for (unsigned int i = 0; i < 8; i++) {
			stream_mutate(&a, i % 2 ? &other : NULL, seed * 8 + i);
			if (!check_valid(&a, "mutate", seed))
				return;
		}
	}
}

static void test_deterministic(void)
{
	for (unsigned int seed = 0; seed < 500; seed++) {
		stream_generate(seed, NULL, &a);
		stream_generate(seed, NULL, &b);
		stream_generate(seed + 7, NULL, &other);
		stream_mutate(&a, &other, seed);
		stream_mutate(&b, &other, seed);
		if (!CHECK(stream_same(&a, &b)))
			return;
	}
}

static void test_each_mutator(void)
{
	for (unsigned int k = 0; k < STREAM_MUTATORS; k++) {
		unsigned int said = 0, changed = 0;

		for (unsigned int seed = 0; seed < 500; seed++) {
			bool done;

			stream_generate(seed, NULL, &a);
			b = a;
			stream_generate(seed + 1, NULL, &other);
			done = stream_mutate_by(&a, &other, k, seed);
			if (!check_valid(&a, stream_mutator_name(k), seed))
				return;
			if (!done && !CHECK(stream_same(&a, &b)))
				printf("%s, seed %u\n", stream_mutator_name(k), seed);
			said += done;
			changed += !stream_same(&a, &b);
		}
		if (!CHECK_OP(said, >, 30u) || !CHECK_OP(changed, >, 30u) || !CHECK_OP(changed * 3, >, said))
			printf("%s: %u done, %u changed\n", stream_mutator_name(k), said, changed);
	}
}

/* A variant is near to what it was made of, and mostly not the same. */
static void test_near(void)
{
	unsigned int same = 0, far = 0;

	for (unsigned int seed = 0; seed < 1000; seed++) {
		unsigned int ops = 0;

		stream_generate(seed, NULL, &a);
		b = a;
		stream_mutate(&a, NULL, seed);
		same += stream_same(&a, &b);
		for (unsigned int i = 0; i < a.nr_reqs && i < b.nr_reqs; i++)
			ops += a.reqs[i].op == b.reqs[i].op;
		far += a.nr_reqs > b.nr_reqs + 16 || b.nr_reqs > a.nr_reqs + 16 || ops * 4 < b.nr_reqs;
	}
	CHECK_OP(same, <, 150u);
	CHECK_OP(far, <, 150u);
}

static bool parse(const char *text, struct stream *s)
{
	struct diag d;

	diag_init(&d, "stream");
	if (CHECK_OP(stream_parse(text, strlen(text), s, &d), ==, 0))
		return true;
	diag_print(&d, stdout);
	return false;
}

static unsigned int mutator_named(const char *name)
{
	for (unsigned int k = 0; k < STREAM_MUTATORS; k++)
		if (strcmp(stream_mutator_name(k), name) == 0)
			return k;
	CHECK(!"a mutator of that name");
	return 0;
}

/* What was aimed at a request is aimed at it still when others come and go before it. */
static void test_targets_follow(void)
{
	static const char text[] = "augur 1\nring r entries=8\npipe p\nsubmit r\n  a: nop\n  b: nop\n  c: nop\n"
				   "submit r\n  d: read fd=p.out len=8\nsubmit r\n  e: cancel target=d\n";

	for (unsigned int seed = 0; seed < 200; seed++) {
		unsigned int k = mutator_named(seed % 2 ? "duplicate_request" : "delete_request");

		if (!parse(text, &a))
			return;
		CHECK(stream_mutate_by(&a, NULL, k, seed));
		for (unsigned int i = 0; i < a.nr_reqs; i++)
			if (a.reqs[i].op == SOP_ASYNC_CANCEL)
				CHECK(a.reqs[i].target == STREAM_NONE || a.reqs[a.reqs[i].target].op == SOP_READ);
	}
}

/* A finding is kept as text, for no seed makes its stream again. */
static void test_survives_as_text(void)
{
	static char buf[STREAM_PRINT_CAP];
	struct text t;

	for (unsigned int seed = 0; seed < 500; seed++) {
		stream_generate(seed, NULL, &a);
		stream_mutate(&a, NULL, seed);
		text_init(&t, buf, sizeof(buf));
		stream_print(&a, &t);
		if (!parse(buf, &b) || !CHECK(stream_same(&a, &b))) {
			printf("seed %u\n", seed);
			return;
		}
	}
}

static void test_smallest(void)
{
	for (unsigned int seed = 0; seed < 200; seed++) {
		if (!parse("augur 1\nring r entries=1\n", &a))
			return;
		stream_mutate(&a, NULL, seed);
		if (!check_valid(&a, "an empty stream", seed))
			return;
	}
}

static const struct check_test tests[] = {
	CHECK_TEST(test_valid),	   CHECK_TEST(test_deterministic),  CHECK_TEST(test_each_mutator),
	CHECK_TEST(test_near),	   CHECK_TEST(test_targets_follow), CHECK_TEST(test_survives_as_text),
	CHECK_TEST(test_smallest),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
