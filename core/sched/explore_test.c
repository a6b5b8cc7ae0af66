/* The search through all schedules: their numbers, computed by hand, and that no two are equal. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/sched/sim/explore.h"
#include "sched/sched.h"

#define MAX_RUNS 4096

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* How many schedules there are. All must differ, and end as they should. */
static int explore(sched_task_fn *fn, void *arg, unsigned int preemptions)
{
	static uint64_t hash[MAX_RUNS];
	struct sched_explore *e = sched_explore_new(preemptions);
	struct sched_config cfg = { .strategy = SCHED_EXPLORE, .explore = e, .max_points = 10000 };
	struct sched_result res;
	int nr = 0;

	while (nr < MAX_RUNS && sched_explore_next(e)) {
		sched_run(&cfg, fn, arg, &res);
		CHECK_OP((int)res.end, ==, SCHED_DONE);
		hash[nr++] = res.hash;
	}
	sched_explore_free(e);
	qsort(hash, (size_t)nr, sizeof(hash[0]), by_value);
	for (int i = 1; i < nr; i++)
		CHECK_OP(hash[i - 1], !=, hash[i]);
	return nr;
}

/* ---- one child ---- */

static void steps(void *arg)
{
	for (int i = 0; i < *(int *)arg; i++)
		sched_point("step");
}

static void one_child(void *arg)
{
	struct sched_task *t;

	sched_spawn(&t, "a", steps, arg);
	sched_join(t);
}

/* main can be preempted where it spawns and where it joins, the child at its k steps, if main could go on.
 *	0: main until it waits, then the child.						1
 *	1: also, main preempted at one of two places, and the child to its end.		+ 2
 *	2: also, after that the child preempted at one of k, and main until it waits.	+ 2k
 *	3: also, main preempted a second time, where it joins; so first where it spawns.	+ k
 *	4: also, then the child preempted at a later one of the k.			+ k(k-1)/2
 *	5: there is nothing left to preempt. */
static void test_one_child(void)
{
	static const int expected[][6] = { { 1, 3, 3, 3, 3, 3 }, { 1, 3, 5, 6, 6, 6 }, { 1, 3, 9, 12, 15, 15 } };
	static int k[] = { 0, 1, 3 };

	for (unsigned int i = 0; i < CHECK_COUNT(k); i++)
		for (unsigned int bound = 0; bound < 6; bound++)
			CHECK_OP(explore(one_child, &k[i], bound), ==, expected[i][bound]);
}

/* ---- free choices ---- */

static char order[8];

static void note(void *arg)
{
	strcat(order, arg);
}

static void two_children(void *arg)
{
	struct sched_task *a, *b;

	order[0] = '\0';
	sched_spawn(&a, "a", note, "a");
	sched_spawn(&b, "b", note, "b");
	sched_join(a);
	sched_join(b);
	((int *)arg)[order[0] == 'b']++;
}

/* No preemption: main waits for a, then a or b is next. After a it is b's turn or main's, which then waits for b; after
 * b only a's. */
static void test_who_is_next_is_free(void)
{
	int first[2] = { 0, 0 };

	CHECK_OP(explore(two_children, first, 0), ==, 3);
	CHECK_OP(first[0], ==, 2);
	CHECK_OP(first[1], ==, 1);
}

static void choices(void *arg)
{
	((int *)arg)[sched_choose(3, "one") * 4 + sched_choose(4, "two")]++;
}

static void test_all_choices_are_made(void)
{
	int seen[12] = { 0 };

	CHECK_OP(explore(choices, seen, 0), ==, 12);
	for (int i = 0; i < 12; i++)
		CHECK_OP(seen[i], ==, 1);
}

/* Three parks, each of which can return for nothing: of the eight runs those with at most so many that do. */
static void naps(void *arg)
{
	int *returned = arg;

	for (int i = 0; i < 3; i++)
		*returned += sched_park(sched_now() + 10);
}

static void test_parks_for_nothing_are_bounded(void)
{
	static const int expected[] = { 1, 4, 7, 8, 8 }, returned[] = { 0, 3, 9, 12, 12 };

	for (unsigned int bound = 0; bound < CHECK_COUNT(expected); bound++) {
		int got = 0;

		CHECK_OP(explore(naps, &got, bound), ==, expected[bound]);
		CHECK_OP(got, ==, returned[bound]);
	}
}

/* ---- what it is for ---- */

struct counter {
	uint32_t value;
	int lost;
};

static void add(void *arg)
{
	struct counter *c = arg;
	uint32_t v = c->value;

	sched_point("between");
	c->value = v + 1;
}

static void two_adders(void *arg)
{
	struct counter *c = arg;
	struct sched_task *a, *b;

	c->value = 0;
	sched_spawn(&a, "a", add, c);
	sched_spawn(&b, "b", add, c);
	sched_join(a);
	sched_join(b);
	c->lost += c->value == 1;
}

static void test_a_lost_update_needs_one_preemption(void)
{
	struct counter c = { 0 };

	explore(two_adders, &c, 0);
	CHECK_OP(c.lost, ==, 0);
	explore(two_adders, &c, 1);
	CHECK_OP(c.lost, >, 0);
}

/* A program that depends on more than its decisions cannot be searched. */
static void differs(void *arg)
{
	sched_choose(2 + (uint32_t)(*(int *)arg)++, "differs");
	sched_choose(2, "last");
}

static void explore_differing(void *arg)
{
	explore(differs, arg, 0);
}

static void test_a_program_that_differs_is_refused(void)
{
	int n = 0;

	CHECK_DIES(explore_differing, &n, SIGABRT, "s->n == n");
}

static const struct check_test tests[] = {
	CHECK_TEST(test_one_child),
	CHECK_TEST(test_who_is_next_is_free),
	CHECK_TEST(test_all_choices_are_made),
	CHECK_TEST(test_parks_for_nothing_are_bounded),
	CHECK_TEST(test_a_lost_update_needs_one_preemption),
	CHECK_TEST(test_a_program_that_differs_is_refused),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
