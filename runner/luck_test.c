/* What luck draws: the same of the same seed, nothing of none, and no order that the stream does not leave open. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/check.h"
#include "runner/run.h"
#include "stream/parse.h"

static uint64_t clock_ns;

static uint64_t fake_now(void)
{
	return clock_ns += 10;
}

static void fake_relax(void)
{
}

static struct backend fake = { .now = fake_now, .relax = fake_relax };
static struct stream stream;
static struct run run, other;

static void start(struct run *x, const char *text, uint64_t seed)
{
	struct diag d;

	diag_init(&d, "stream");
	if (!CHECK_OP(stream_parse(text, strlen(text), &stream, &d), ==, 0))
		diag_print(&d, stdout);
	memset(x, 0, sizeof(*x));
	x->be = &fake;
	x->s = &stream;
	luck_begin(x, seed);
}

static const char crew[] = "augur 1\ntask t\nring r entries=8\nring q task=t entries=8\npipe p\npipe w\neventfd e\n"
			   "submit r\n  a: read fd=p.out len=8\nsubmit q task=t\n  b: read fd=w.out len=8\n"
			   "write p.in len=8\nwrite w.in len=8 task=t\nread e\npeek q task=t\nreap r\n";

static bool moved(const struct run *x)
{
	for (unsigned int i = 0; i < x->s->nr_steps; i++)
		if (x->order[i] != i)
			return true;
	return false;
}

static void test_same_seed(void)
{
	for (uint64_t seed = 1; seed < 200; seed++) {
		start(&run, crew, seed);
		start(&other, crew, seed);
		CHECK(memcmp(run.order, other.order, sizeof(run.order)) == 0);
		CHECK(memcmp(run.pin, other.pin, sizeof(run.pin)) == 0);
	}
}

static void check_none(void)
{
	uint64_t before = clock_ns;

	CHECK(!moved(&run));
	CHECK_OP(run.pin[0], ==, -1);
	CHECK_OP(run.pin[1], ==, -1);
	luck_spin(&run);
	CHECK(clock_ns == before);
}

static void test_no_luck(void)
{
	start(&run, crew, 0);
	check_none();
	fake.record_flags = RECF_EXACT;
	for (uint64_t seed = 1; seed < 50; seed++) {
		start(&run, crew, seed);
		check_none();
	}
	fake.record_flags = 0;
}

static void test_spins(void)
{
	uint64_t longest = 0;

	start(&run, crew, 5);
	for (unsigned int i = 0; i < 500; i++) {
		uint64_t before = clock_ns;

		luck_spin(&run);
		if (clock_ns - before > longest)
			longest = clock_ns - before;
	}
	CHECK_OP(longest, >, (uint64_t)9000);
	CHECK_OP(longest, <, (uint64_t)10100);
}

/* Every order is a permutation in which all that touches the same thing stands as it did. */
static void check_order(const struct run *x)
{
	unsigned int at[STREAM_MAX_STEPS], seen = 0;

	for (unsigned int i = 0; i < x->s->nr_steps; i++)
		at[x->order[i]] = i;
	for (unsigned int i = 0; i < x->s->nr_steps; i++)
		seen |= 1u << x->order[i];
	CHECK_OP(seen, ==, (1u << x->s->nr_steps) - 1);
	CHECK_OP(at[0], <, at[2]); /* both about p, one of them by a request */
	CHECK_OP(at[1], <, at[3]);
	CHECK_OP(at[2], <, at[4]); /* of one task */
	CHECK_OP(at[1], <, at[5]); /* of one ring */
	CHECK_OP(at[2], <, at[6]);
	CHECK_OP(at[0], <, at[6]);
}

static void test_order(void)
{
	unsigned int swapped[STREAM_MAX_STEPS] = { 0 };

	for (uint64_t seed = 1; seed < 500; seed++) {
		start(&run, crew, seed);
		check_order(&run);
		for (unsigned int i = 0; i < stream.nr_steps; i++)
			swapped[i] += run.order[i] == i + 1;
	}
	CHECK_OP(swapped[0], >, 100u);
	CHECK_OP(swapped[2], >, 50u);
	CHECK_OP(swapped[5], >, 50u);
}

/* Pairs of neighbours of which none may change places. */
static void test_order_is_kept(void)
{
	static const char *const streams[] = {
		"augur 1\ntask t\nring r entries=8\npipe p\nwrite p.in len=8 task=t\nwait r 0\n",
		"augur 1\ntask t\nring r entries=8\npipe p\nwrite p.in len=8 task=t\nsubmit r wait=0\n  a: nop\n",
		"augur 1\ntask t\nring r entries=8\nsubmit r\n  a: nop\npeek r task=t\n",
		"augur 1\ntask t\nring r entries=8\npipe p\nsubmit r\n  a: nop\nclose p.in task=t\n",
		"augur 1\ntask t\nring r entries=8\npipe p\nsubmit r\n  a: nop\nexit thread task=t\n",
		"augur 1\ntask t\nring r entries=8\npipe p\nwrite p.in len=8\nread p.out len=8 task=t\n",
		"augur 1\nring r entries=8\nring q entries=8\nsubmit r\n  a: nop\nsubmit q\n  b: nop\n",
		"augur 1\ntask t\nring r entries=8\nring q task=t entries=8\nclose r\npeek q task=t\n",
		"augur 1\ntask t\nring r entries=8\npipe p\nmax_workers r bounded=1\nwrite p.in len=8 task=t\n",
		"augur 1\ntask t\nring r entries=8\nring q task=t entries=8\niowq_aff r none\npeek q task=t\n",
		/* The ring's request waits for p; whoever reaps sees what the write did to it. */
		"augur 1\ntask t\nring r entries=8\npipe p\nsubmit r\n  a: read fd=p.out len=8\nwrite p.in len=8 task=t\nreap r\n",
	};

	for (size_t k = 0; k < sizeof(streams) / sizeof(streams[0]); k++)
		for (uint64_t seed = 1; seed < 50; seed++) {
			start(&run, streams[k], seed);
			if (!CHECK(!moved(&run)))
				printf("stream %zu\n", k);
		}
}

static void test_pins(void)
{
	unsigned int alone = 0, together = 0, apart = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(3, &set);
	CPU_SET(5, &set);
	executor_cpus(&set);
	for (uint64_t seed = 1; seed < 500; seed++) {
		start(&run, crew, seed);
		for (unsigned int t = 0; t < 2; t++)
			CHECK(run.pin[t] == -1 || run.pin[t] == 3 || run.pin[t] == 5);
		CHECK_OP(run.pin[2], ==, -1);
		alone += run.pin[0] < 0 && run.pin[1] < 0;
		together += run.pin[0] >= 0 && run.pin[0] == run.pin[1];
		apart += run.pin[0] >= 0 && run.pin[1] >= 0 && run.pin[0] != run.pin[1];
	}
	CHECK_OP(alone, >, 100u);
	CHECK_OP(together, >, 60u);
	CHECK_OP(apart, >, 5u);
}

/* The solo task of a reused ring is the caller's own thread, which must stay where it is; threads made for a stream do
 * not touch it anyway. */
static void test_caller_is_not_pinned(void)
{
	struct record *rec = mmap(NULL, sizeof(*rec), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cpu_set_t before, after;
	const char *why;

	if (!CHECK(rec != MAP_FAILED))
		return;
	if (backend_kernel_probe(&why) < 0) {
		check_skip(why);
		return;
	}
	CHECK(sched_getaffinity(0, sizeof(before), &before) == 0);
	if (CPU_COUNT(&before) < 2) {
		check_skip("one CPU only: a pin changes nothing");
		return;
	}
	executor_cpus(&before);
	for (uint64_t seed = 1; seed < 100; seed++) {
		struct executor_options opt = { .luck = seed, .reuse = seed % 2 };

		start(&run, "augur 1\nring r entries=8\nsubmit r\n  a: nop\nwait r 1\n", 0);
		CHECK_OP(executor_run(&backend_kernel, &stream, &opt, rec), ==, 0);
		CHECK(sched_getaffinity(0, sizeof(after), &after) == 0);
		if (!CHECK(CPU_EQUAL(&before, &after)))
			break;
	}
	executor_forget();
	munmap(rec, sizeof(*rec));
}

static const struct check_test tests[] = {
	CHECK_TEST(test_same_seed),
	CHECK_TEST(test_no_luck),
	CHECK_TEST(test_spins),
	CHECK_TEST(test_order),
	CHECK_TEST(test_order_is_kept),
	CHECK_TEST(test_pins),
	CHECK_TEST(test_caller_is_not_pinned),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
