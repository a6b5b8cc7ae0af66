/* The generator: the same streams from every compiler, valid ones, and everything in them often enough. */
#include <inttypes.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "stream/generate.h"
#include "stream/groups.h"
#include "stream/optable.h"
#include "stream/owed.h"
#include "stream/print.h"

static struct stream s;
static char buf[STREAM_PRINT_CAP];

/* FNV-1a over the text of seeds 1 to 1000. Whoever changes what the generator makes pins the new value here. */
static const uint64_t pinned = 0x0a67b0052ca6574aull;

static uint64_t hash_text(uint64_t h, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3ull;
	return h;
}

static void test_pinned(void)
{
	uint64_t h = 0xcbf29ce484222325ull;
	struct text t;

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		stream_generate(seed, NULL, &s);
		text_init(&t, buf, sizeof(buf));
		stream_print(&s, &t);
		h = hash_text(h, t.buf, t.len);
	}
	if (!CHECK(h == pinned))
		printf("the hash is now 0x%016" PRIx64 "\n", h);
}

static void test_valid(void)
{
	struct generate_options opt;

	for (unsigned int seed = 0; seed < 20000; seed++) {
		const char *why = "";

		generate_options_init(&opt);
		opt.size = 1 + seed % STREAM_MAX_REQS;
		opt.max_tasks = 1 + seed % STREAM_MAX_TASKS;
		opt.swarm = seed % 2;
		stream_generate(seed, &opt, &s);
		if (!CHECK_OP(stream_check(&s, &why), ==, 0) || !CHECK_OP(s.nr_reqs, <=, (int)opt.size) ||
		    !CHECK_OP(s.nr_tasks, <=, (int)opt.max_tasks)) {
			printf("seed %u: %s\n", seed, why);
			return;
		}
		for (unsigned int i = 0; i < s.nr_steps; i++)
			if (s.steps[i].wait_nr)
				CHECK_OP(s.steps[i].wait_nr, <=, stream_owed(&s, i, s.steps[i].ring));
	}
}

/* Options switch off what they say. */
static void test_options(void)
{
	struct generate_options opt;

	generate_options_init(&opt);
	opt.exit_thread = opt.exit_process = opt.close_ring = 0;
	opt.max_tasks = 1;
	opt.coupled = 1000;
	opt.weight[GEN_SHAPE] = 500;
	opt.weight[GEN_CANCEL] = opt.weight[GEN_ASYNC] = opt.weight[GEN_PREP] = 0;
	opt.weight[GEN_DRAIN] = opt.weight[GEN_SKIP] = 0;
	for (unsigned int seed = 0; seed < 3000; seed++) {
		stream_generate(seed, &opt, &s);
		CHECK_OP(s.nr_tasks, ==, 1);
		for (unsigned int i = 0; i < s.nr_steps; i++)
			CHECK_OP(s.steps[i].kind, <, (int)STEP_CLOSE_RING);
		for (unsigned int i = 0; i < s.nr_reqs; i++) {
			CHECK_OP(s.reqs[i].op, !=, (int)SOP_ASYNC_CANCEL);
			CHECK(!(s.reqs[i].sqe_flags & (IOSQE_ASYNC | IOSQE_IO_DRAIN | IOSQE_CQE_SKIP_SUCCESS)));
		}
	}
}

/* How many of 2,000 streams have it. */
struct counts {
	unsigned int op[SOP_NR], async_op[SOP_NR], linked_op[SOP_NR];
	unsigned int link, hardlink, chain[6], timer_behind;
	unsigned int plain, coop, defer, submit_all, small_cq, rings2, tasks2, entries[65];
	unsigned int step[STEP_KINDS], submit_wait;
	unsigned int bad_fd, zero, big, never, zero_ts, slow, count, value_max;
	unsigned int cancel_any, cancel_all, cancel_fd, cancel_op, at_earlier, at_chain, at_later, at_none;
	unsigned int in_flight_exit, in_flight_close;
};

static void count_req(struct counts *c, unsigned int i)
{
	const struct sreq *r = &s.reqs[i];
	unsigned int first = stream_chain_first(&s, i), last = stream_chain_last(&s, i);

	c->op[r->op]++;
	c->async_op[r->op] += !!(r->sqe_flags & IOSQE_ASYNC);
	c->linked_op[r->op] += last > first;
	c->link += !!(r->sqe_flags & IOSQE_IO_LINK);
	c->hardlink += !!(r->sqe_flags & IOSQE_IO_HARDLINK);
	if (i == first)
		c->chain[last - first]++;
	c->timer_behind += r->op == SOP_LINK_TIMEOUT && i > first;
	c->bad_fd += (r->op == SOP_READ || r->op == SOP_WRITE) && r->fd.kind == FD_BAD;
	c->zero += (r->op == SOP_READ || r->op == SOP_WRITE) && r->len == 0;
	c->big += r->len > 65536;
	c->value_max += r->value >= UINT64_MAX - 1;
	if (r->op == SOP_TIMEOUT || r->op == SOP_LINK_TIMEOUT) {
		c->never += r->ts == STREAM_NEVER_NS;
		c->zero_ts += r->ts == 0;
		c->slow += r->ts >= 1000000 && r->ts < STREAM_NEVER_NS;
		c->count += r->count > 0;
		CHECK(r->ts <= 50000 || r->ts == STREAM_NEVER_NS || (r->ts >= 1000000 && r->ts <= 20000000));
	}
	if (r->op == SOP_ASYNC_CANCEL) {
		c->cancel_any += !!(r->op_flags & IORING_ASYNC_CANCEL_ANY);
		c->cancel_all += !!(r->op_flags & IORING_ASYNC_CANCEL_ALL);
		c->cancel_fd += !!(r->op_flags & IORING_ASYNC_CANCEL_FD);
		c->cancel_op += !!(r->op_flags & 1u << 5);
		if (stream_cancel_by_target(r->op_flags)) {
			c->at_none += r->target == STREAM_NONE;
			c->at_chain += r->target >= first && r->target <= last && r->target != i;
			c->at_earlier += r->target < first;
			c->at_later += r->target > last && r->target != STREAM_NONE;
		}
	}
}

static void count_stream(struct counts *c)
{
	for (unsigned int i = 0; i < s.nr_rings; i++) {
		uint32_t f = s.rings[i].flags;

		c->plain += !(f & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER));
		c->coop += !!(f & IORING_SETUP_COOP_TASKRUN);
		c->defer += !!(f & IORING_SETUP_DEFER_TASKRUN);
		c->submit_all += !!(f & IORING_SETUP_SUBMIT_ALL);
		c->small_cq += s.rings[i].cq_entries && s.rings[i].cq_entries <= 4;
		c->entries[s.rings[i].entries]++;
	}
	c->rings2 += s.nr_rings > 1;
	c->tasks2 += s.nr_tasks > 1;
	for (unsigned int i = 0; i < s.nr_steps; i++) {
		c->step[s.steps[i].kind]++;
		c->submit_wait += s.steps[i].wait;
		if (s.steps[i].kind == STEP_EXIT_THREAD || s.steps[i].kind == STEP_EXIT_PROCESS)
			c->in_flight_exit += s.nr_reqs > stream_owed(&s, i, 0);
		if (s.steps[i].kind == STEP_CLOSE_RING)
			c->in_flight_close += s.nr_reqs > stream_owed(&s, i, s.steps[i].ring);
	}
	for (unsigned int i = 0; i < s.nr_reqs; i++)
		count_req(c, i);
}

static void test_statistics(void)
{
	static struct counts c;

	for (unsigned int seed = 0; seed < 2000; seed++) {
		stream_generate(seed, NULL, &s);
		count_stream(&c);
	}
	for (unsigned int op = 0; op < SOP_NR; op++) {
		bool rare = op >= SOP_FSYNC;
		unsigned int least = rare ? 50 : 300;
		bool ok = CHECK_OP(c.op[op], >, least) && CHECK_OP(c.linked_op[op], >, least / 3);

		if (op != SOP_LINK_TIMEOUT)
			ok = CHECK_OP(c.async_op[op], >, least / 8) && ok;
		if (!ok)
			printf("... of %s\n", stream_ops[op].word);
	}
	CHECK_OP(c.link, >, 1500u);
	CHECK_OP(c.hardlink, >, 500u);
	for (unsigned int i = 0; i < 5; i++)
		CHECK_OP(c.chain[i], >, 30u);
	CHECK_OP(c.chain[5], ==, 0u);
	CHECK_OP(c.timer_behind, >, 300u);
	CHECK_OP(c.plain, >, 500u);
	CHECK_OP(c.coop, >, 300u);
	CHECK_OP(c.defer, >, 500u);
	CHECK_OP(c.submit_all, >, 300u);
	CHECK_OP(c.small_cq, >, 60u);
	CHECK_OP(c.entries[1], >, 50u);
	CHECK_OP(c.entries[64], >, 50u);
	CHECK_OP(c.rings2, >, 150u);
	CHECK_OP(c.tasks2, >, 300u);
	for (unsigned int i = 0; i < STEP_KINDS; i++)
		if (!CHECK_OP(c.step[i], >, 80u))
			printf("... of step kind %u\n", i);
	CHECK_OP(c.step[STEP_EXIT_THREAD], <, 250u);
	CHECK_OP(c.step[STEP_EXIT_PROCESS], <, 250u);
	CHECK_OP(c.submit_wait, >, 300u);
	CHECK_OP(c.in_flight_exit, >, 150u);
	CHECK_OP(c.in_flight_close, >, 60u);
}

static void test_statistics_of_fields(void)
{
	static struct counts c;

	for (unsigned int seed = 0; seed < 2000; seed++) {
		stream_generate(seed, NULL, &s);
		count_stream(&c);
	}
	CHECK_OP(c.bad_fd, >, 60u);
	CHECK_OP(c.zero, >, 60u);
	CHECK_OP(c.big, >, 60u);
	CHECK_OP(c.value_max, >, 12u);
	CHECK_OP(c.never, >, 300u);
	CHECK_OP(c.zero_ts, >, 150u);
	CHECK_OP(c.slow, >, 1u);
	CHECK_OP(c.slow, <, 40u);
	CHECK_OP(c.count, >, 20u);
	CHECK_OP(c.cancel_any, >, 40u);
	CHECK_OP(c.cancel_all, >, 40u);
	CHECK_OP(c.cancel_fd, >, 20u);
	CHECK_OP(c.cancel_op, >, 20u);
	CHECK_OP(c.at_earlier, >, 500u);
	CHECK_OP(c.at_chain, >, 40u);
	CHECK_OP(c.at_later, >, 20u);
	CHECK_OP(c.at_none, >, 40u);
}

/* Streams are deep: in every second one many requests can act on each other. */
static void test_deep(void)
{
	struct generate_options opt;
	unsigned int deep = 0, coupled = 0;

	for (unsigned int seed = 0; seed < 2000; seed++) {
		stream_generate(seed, NULL, &s);
		deep += stream_largest_group(&s) >= 8;
	}
	CHECK_OP(deep, >=, 900u);
	generate_options_init(&opt);
	opt.coupled = 1000;
	for (unsigned int seed = 0; seed < 2000; seed++) {
		stream_generate(seed, &opt, &s);
		coupled += stream_largest_group(&s) >= 8;
	}
	CHECK_OP(coupled, >=, 1150u);
}

/* What some planted bugs need, and chance alone makes too rarely: how many of 2,000 streams have it. */
struct courses {
	unsigned int gap; /* an async read, a cancel of exactly it, and only then a direct write to what it reads */
	unsigned int head; /* likewise of the async head of a chain of two reads or more */
	unsigned int overlap; /* three writes of one file or more, some async, that overlap */
	unsigned int closed; /* a ring is closed soon behind a submit with an async head of a chain */
};

static bool fed_behind(unsigned int step, unsigned int obj)
{
	for (unsigned int i = step + 1; i < s.nr_steps; i++)
		if (s.steps[i].kind == STEP_WRITE && s.steps[i].fd.obj == obj)
			return true;
	return false;
}

static void count_courses(struct courses *c)
{
	bool gap = false, head = false, closed = false;
	unsigned int overlap = 0;

	for (unsigned int i = 0; i < s.nr_reqs; i++) {
		const struct sreq *r = &s.reqs[i], *t = &s.reqs[r->target == STREAM_NONE ? 0 : r->target];
		unsigned int step = stream_step_of(&s, i);
		bool async_head = r->sqe_flags & IOSQE_ASYNC && r->sqe_flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);

		overlap += r->op == SOP_WRITE && r->fd.kind == FD_OBJ && s.objs[r->fd.obj].kind == OBJ_FILE &&
			   r->off >= 0 && r->off < 512 && r->off + r->len > 500;
		for (unsigned int k = step + 1; async_head && k < s.nr_steps && k <= step + 3; k++)
			closed |= s.steps[k].kind == STEP_CLOSE_RING;
		if (r->op != SOP_ASYNC_CANCEL || r->target >= i || t->op != SOP_READ || t->fd.kind != FD_OBJ ||
		    !(t->sqe_flags & IOSQE_ASYNC) || step - stream_step_of(&s, r->target) > 1 ||
		    !fed_behind(step, t->fd.obj))
			continue;
		gap = true;
		head |= t[1].op == SOP_READ && t->sqe_flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
	}
	c->gap += gap;
	c->head += head;
	c->closed += closed;
	c->overlap += overlap >= 3;
}

static void test_courses(void)
{
	struct courses c = { 0 };

	for (unsigned int seed = 0; seed < 2000; seed++) {
		stream_generate(seed, NULL, &s);
		count_courses(&c);
	}
	CHECK_OP(c.gap, >, 150u);
	CHECK_OP(c.head, >, 15u);
	CHECK_OP(c.overlap, >, 60u);
	CHECK_OP(c.closed, >, 15u);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_pinned),
	CHECK_TEST(test_valid),
	CHECK_TEST(test_options),
	CHECK_TEST(test_statistics),
	CHECK_TEST(test_statistics_of_fields),
	CHECK_TEST(test_deep),
	CHECK_TEST(test_courses),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
