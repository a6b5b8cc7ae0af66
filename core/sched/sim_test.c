/* What only the simulation promises: equal runs, replay from the log, exact quiescence, virtual time. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "sched/sched.h"

#define LOG_CAP 65536
#define SEC 1000000000ull

static uint8_t log_a[LOG_CAP], log_b[LOG_CAP];

static struct sched_result walk(sched_task_fn *fn, void *arg, uint64_t seed, uint8_t *log)
{
	struct sched_config cfg = { .seed = seed, .log = log, .log_cap = log ? LOG_CAP : 0, .max_points = 1000000 };
	struct sched_result res;

	sched_run(&cfg, fn, arg, &res);
	return res;
}

static struct sched_result replay(sched_task_fn *fn, void *arg, const uint8_t *decisions, size_t n, uint8_t *log)
{
	struct sched_config cfg = {
		.strategy = SCHED_REPLAY,
		.decisions = decisions,
		.nr_decisions = n,
		.log = log,
		.log_cap = log ? LOG_CAP : 0,
		.max_points = 1000000,
	};
	struct sched_result res;

	sched_run(&cfg, fn, arg, &res);
	return res;
}

static struct sched_task *spawn(const char *name, sched_task_fn *fn, void *arg)
{
	struct sched_task *t = NULL;

	CHECK_OP(sched_spawn(&t, name, fn, arg), ==, 0);
	return t;
}

/* ---- a program that uses everything, and writes down what it saw ---- */

struct busy {
	struct mutex lock; /* protects seen, len and t; nests in nothing */
	char seen[4096];
	size_t len;
	struct sched_task *main, *t[3];
	struct atomic32 left; /* tasks that may still unpark others; main joins when there is none */
};

static void busy_task(void *arg)
{
	struct busy *b = arg;

	for (int i = 0; i < 8; i++) {
		uint32_t whom = sched_choose(3, "whom");
		struct sched_task *t;

		sched_park(sched_now() + 100 * (1 + sched_choose(3, "nap")));
		mutex_lock(&b->lock);
		t = b->t[whom];
		b->len += (size_t)snprintf(b->seen + b->len, sizeof(b->seen) - b->len, "%s %" PRIu64 ";",
					   sched_name(sched_self()), sched_now());
		mutex_unlock(&b->lock);
		if (t)
			sched_unpark(t);
	}
	a32_sub(&b->left, 1);
	sched_unpark(b->main);
}

static void busy_program(void *arg)
{
	static const char *const names[] = { "one", "two", "three" };
	struct busy *b = arg;

	memset(b, 0, sizeof(*b));
	mutex_init(&b->lock);
	b->main = sched_self();
	a32_store(&b->left, 3);
	for (int i = 0; i < 3; i++) {
		mutex_lock(&b->lock);
		b->t[i] = spawn(names[i], busy_task, b);
		mutex_unlock(&b->lock);
	}
	sched_advance(50);
	while (a32_load(&b->left))
		sched_park(SCHED_NEVER);
	for (int i = 0; i < 3; i++)
		sched_join(b->t[i]);
	mutex_destroy(&b->lock);
}

static void test_equal_seeds_are_equal_runs(void)
{
	static struct busy a, b;
	uint64_t last_hash = 0;

	for (uint64_t seed = 0; seed < 200; seed++) {
		struct sched_result ra = walk(busy_program, &a, seed, log_a);
		struct sched_result rb = walk(busy_program, &b, seed, log_b);

		CHECK_OP((int)ra.end, ==, (int)SCHED_DONE);
		CHECK_OP(ra.hash, ==, rb.hash);
		CHECK_OP(ra.decisions, ==, rb.decisions);
		CHECK_OP(ra.points, ==, rb.points);
		CHECK_OP(ra.switches, ==, rb.switches);
		CHECK_OP(ra.decisions, <=, (uint64_t)LOG_CAP);
		CHECK(memcmp(log_a, log_b, ra.decisions) == 0);
		CHECK_STR(a.seen, b.seen);
		CHECK_OP(ra.hash, !=, last_hash);
		last_hash = ra.hash;
	}
}

static void test_log_replays(void)
{
	static struct busy a, b;

	for (uint64_t seed = 0; seed < 200; seed++) {
		struct sched_result ra = walk(busy_program, &a, seed, log_a);
		struct sched_result rb = replay(busy_program, &b, log_a, ra.decisions, log_b);

		CHECK_OP(ra.hash, ==, rb.hash);
		CHECK_OP(ra.points, ==, rb.points);
		CHECK_OP(ra.decisions, ==, rb.decisions);
		CHECK(memcmp(log_a, log_b, ra.decisions) == 0);
		CHECK_STR(a.seen, b.seen);
	}
}

/* Any bytes are a run; what it logs is that run again. */
static void test_any_bytes_replay(void)
{
	static struct busy a, b;
	uint8_t bytes[512];

	for (unsigned int i = 0; i < 100; i++) {
		struct sched_result ra, rb;

		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)((k * 167 + i * 59) ^ (k >> 3));
		ra = replay(busy_program, &a, bytes, sizeof(bytes), log_a);
		rb = replay(busy_program, &b, log_a, ra.decisions, log_b);
		CHECK_OP((int)ra.end, ==, (int)SCHED_DONE);
		CHECK_OP(ra.hash, ==, rb.hash);
		CHECK(memcmp(log_a, log_b, ra.decisions) == 0);
	}
}

static void test_log_is_cut_at_its_end(void)
{
	static struct busy a;
	struct sched_config cfg = { .seed = 3, .log = log_b, .log_cap = 10 };
	struct sched_result whole = walk(busy_program, &a, 3, log_a), cut;

	memset(log_b, 0xee, sizeof(log_b));
	sched_run(&cfg, busy_program, &a, &cut);
	CHECK_OP(cut.decisions, ==, whole.decisions);
	CHECK(memcmp(log_a, log_b, 10) == 0);
	CHECK_OP(log_b[10], ==, 0xee);
}

/* ---- what the decisions mean ---- */

static char ran[8];

static void note_run(void *arg)
{
	strncat(ran, arg, 1);
}

static void spawn_three(void *arg)
{
	static char names[] = "abc";
	struct sched_task *t[3];

	ran[0] = '\0';
	for (int i = 0; i < 3; i++)
		t[i] = spawn("noting", note_run, &names[i]);
	sched_point("point");
	strcat(ran, "m");
	for (int i = 0; i < 3; i++)
		sched_join(t[i]);
}

static void test_decisions_pick_from_the_ready(void)
{
	/* Three spawns, a point, the first join's point; then who follows main, and who follows that one. */
	static const struct {
		uint8_t decisions[7];
		const char *ran;
	} cases[] = {
		{ { 0, 0, 0, 0, 0, 0, 0 }, "mabc" }, { { 0, 0, 0, 0, 0, 1, 0 }, "mbac" },
		{ { 0, 0, 0, 0, 0, 2, 1 }, "mcba" }, { { 0, 0, 0, 2, 2, 0, 0 }, "bmac" },
		{ { 1, 0, 0, 0, 0, 0, 0 }, "ambc" },
	};

	for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
		replay(spawn_three, NULL, cases[i].decisions, sizeof(cases[i].decisions), NULL);
		CHECK_STR(ran, cases[i].ran);
	}
}

static struct mutex some_lock = MUTEX_INIT; /* protects nothing */
static struct atomic32 some32;
static struct atomic64 some64;
static uint32_t some_shared;

static void op_nothing(void *arg)
{
	fence_full();
	sched_now();
	sched_local();
	sched_choose(1, "one");
}

static void op_mutex(void *arg)
{
	mutex_lock(&some_lock);
	mutex_assert_held(&some_lock);
	mutex_unlock(&some_lock);
}

static void op_atomic32(void *arg)
{
	uint32_t expect = 0;

	a32_store(&some32, a32_load(&some32));
	a32_sub(&some32, a32_add(&some32, 0));
	a32_or(&some32, a32_and(&some32, 0));
	a32_xchg(&some32, 0);
	a32_cas(&some32, &expect, 0);
}

static void op_atomic64(void *arg)
{
	uint64_t expect = 0;

	a64_store(&some64, a64_load(&some64));
	a64_sub(&some64, a64_add(&some64, 0));
	a64_or(&some64, a64_and(&some64, 0));
	a64_xchg(&some64, 0);
	a64_cas(&some64, &expect, 0);
}

static void op_shared(void *arg)
{
	shm_store32(&some_shared, shm_load32(&some_shared));
}

static void op_token(void *arg)
{
	sched_unpark(sched_self());
	sched_park(SCHED_NEVER);
}

static void op_notify(void *arg)
{
	sched_notify(sched_self()); /* Two accesses: the flag, the token. */
	sched_notified();
	sched_clear_notify();
}

static void op_task(void *arg)
{
	sched_join(spawn("op", op_nothing, NULL));
}

static void op_point(void *arg)
{
	sched_point("op");
	sched_advance(1);
}

static void test_calls_are_points(void)
{
	static const struct {
		sched_task_fn *fn;
		uint64_t points;
	} cases[] = {
		{ op_nothing, 0 }, { op_mutex, 2 },  { op_atomic32, 8 }, { op_atomic64, 8 }, { op_shared, 2 },
		{ op_token, 2 },   { op_notify, 4 }, { op_task, 2 },	 { op_point, 2 },
	};

	for (size_t i = 0; i < CHECK_COUNT(cases); i++)
		CHECK_OP(replay(cases[i].fn, NULL, NULL, 0, NULL).points, ==, cases[i].points);
}

/* ---- the trace ---- */

struct traced {
	uint64_t lines, last_point;
	uint8_t chosen[LOG_CAP];
	bool named;
};

static void on_decision(void *arg, const struct sched_decision *d)
{
	struct traced *t = arg;

	CHECK_OP(d->index, ==, t->lines);
	CHECK_OP(d->point, >=, t->last_point);
	CHECK_OP(d->chosen, <, d->n);
	CHECK_OP(d->n, >, 1u);
	CHECK(d->self && d->what);
	if (strcmp(d->what, "whom") == 0) {
		t->named = true;
		CHECK(!d->next);
		CHECK_OP(d->n, ==, 3u);
	}
	t->last_point = d->point;
	t->chosen[t->lines++] = (uint8_t)d->chosen;
}

static void test_trace_is_the_log(void)
{
	static struct busy a;
	static struct traced t;
	struct sched_config cfg = {
		.seed = 3,
		.log = log_a,
		.log_cap = LOG_CAP,
		.trace = on_decision,
		.trace_arg = &t,
	};
	struct sched_result res;

	memset(&t, 0, sizeof(t));
	sched_run(&cfg, busy_program, &a, &res);
	CHECK_OP(t.lines, ==, res.decisions);
	CHECK(memcmp(t.chosen, log_a, t.lines) == 0);
	CHECK(t.named);
}

/* ---- quiescence ---- */

/* The classic: the flag is looked at, the waker passes in between, and the waiter's mark comes too late. */
struct lossy {
	struct atomic32 flag, waiting; /* in the wrong order, which is the point */
	struct sched_task *waiter;
};

static void lossy_waker(void *arg)
{
	struct lossy *l = arg;

	a32_store(&l->flag, 1);
	if (a32_load(&l->waiting))
		sched_unpark(l->waiter);
}

static void lossy_waiter(void *arg)
{
	struct lossy l = { .waiter = sched_self() };
	struct sched_task *t = spawn("waker", lossy_waker, &l);

	while (!a32_load(&l.flag)) {
		a32_store(&l.waiting, 1);
		sched_point("lossy.wait");
		sched_park(SCHED_NEVER);
		a32_store(&l.waiting, 0);
	}
	sched_join(t);
}

static void test_lost_wakeup_is_found(void)
{
	unsigned int found = 0;

	for (uint64_t seed = 0; seed < 500; seed++) {
		struct sched_result res = walk(lossy_waiter, NULL, seed, log_a), again;

		if (res.end == SCHED_DONE)
			continue;
		found++;
		CHECK_OP((int)res.end, ==, (int)SCHED_QUIESCENT);
		CHECK_STR(res.stuck, "main: park, after lossy.wait\n");
		again = replay(lossy_waiter, NULL, log_a, res.decisions, log_b);
		CHECK_OP((int)again.end, ==, (int)SCHED_QUIESCENT);
		CHECK_OP(again.hash, ==, res.hash);
		CHECK_STR(again.stuck, res.stuck);
	}
	CHECK_OP(found, >, 0u);
	CHECK_OP(found, <, 500u);
}

static struct mutex first = MUTEX_INIT, second = MUTEX_INIT; /* protect nothing; taken in both orders */

static void lock_backwards(void *arg)
{
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void lock_forwards(void *arg)
{
	struct sched_task *t;

	mutex_init(&first); /* A run that ended early leaves them held. */
	mutex_init(&second);
	t = spawn("backwards", lock_backwards, NULL);
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	sched_join(t);
}

static void test_deadlock_names_the_owners(void)
{
	unsigned int found = 0;

	for (uint64_t seed = 0; seed < 500; seed++) {
		struct sched_result res = walk(lock_forwards, NULL, seed, NULL);

		if (res.end == SCHED_DONE)
			continue;
		found++;
		CHECK_OP((int)res.end, ==, (int)SCHED_QUIESCENT);
		CHECK_STR(res.stuck, "main: mutex of backwards\nbackwards: mutex of main\n");
	}
	CHECK_OP(found, >, 0u);
	CHECK_OP(found, <, 500u);
}

static void park_forever(void *arg)
{
	sched_park(SCHED_NEVER);
}

static void join_the_stuck(void *arg)
{
	struct sched_task *t[50];

	for (int i = 0; i < 50; i++)
		t[i] = spawn("stuck", park_forever, NULL);
	for (int i = 0; i < 50; i++)
		sched_join(t[i]);
}

static void test_stuck_is_cut_at_its_end(void)
{
	static const char start[] = "main: join of stuck\nstuck: park\nstuck: park\n";
	struct sched_result res = replay(join_the_stuck, NULL, NULL, 0, NULL);

	CHECK_OP((int)res.end, ==, (int)SCHED_QUIESCENT);
	CHECK(strncmp(res.stuck, start, strlen(start)) == 0);
	CHECK_OP(strlen(res.stuck), ==, sizeof(res.stuck) - 1);
}

/* ---- time ---- */

struct sleepers {
	uint64_t deadline[4];
	int order[4], n;
};

static struct sleepers sleepers;

static void sleep_until(void *arg)
{
	uint64_t *deadline = arg;

	while (sched_park(*deadline))
		;
	CHECK_OP(sched_now(), ==, *deadline);
	sleepers.order[sleepers.n++] = (int)(deadline - sleepers.deadline);
}

static void sleep_all(void *arg)
{
	static const uint64_t deadlines[] = { 3600 * SEC, 5, 7 * SEC, 5 };
	struct sched_task *t[4];

	memset(&sleepers, 0, sizeof(sleepers));
	CHECK_OP(sched_now(), ==, (uint64_t)0);
	for (int i = 0; i < 4; i++) {
		sleepers.deadline[i] = deadlines[i];
		t[i] = spawn("sleeper", sleep_until, &sleepers.deadline[i]);
	}
	for (int i = 0; i < 4; i++)
		sched_join(t[i]);
	CHECK_OP(sched_now(), ==, 3600 * SEC);
}

static void test_time_jumps_in_order_of_deadlines(void)
{
	unsigned int later_first = 0;

	for (uint64_t seed = 0; seed < 200; seed++) {
		struct sched_result res = walk(sleep_all, NULL, seed, NULL);

		CHECK_OP((int)res.end, ==, (int)SCHED_DONE);
		CHECK_OP(sleepers.order[0] + sleepers.order[1], ==, 4);
		CHECK_OP(sleepers.order[2], ==, 2);
		CHECK_OP(sleepers.order[3], ==, 0);
		later_first += sleepers.order[0] == 3;
	}
	/* Equal deadlines end in either order. */
	CHECK_OP(later_first, >, 20u);
	CHECK_OP(later_first, <, 180u);
}

static void advance(void *arg)
{
	uint64_t deadline = 100;
	struct sched_task *t;

	memset(&sleepers, 0, sizeof(sleepers));
	t = spawn("sleeper", park_forever, NULL);
	sched_unpark(t);
	sched_join(t);
	CHECK_OP(sched_now(), ==, (uint64_t)0);
	sched_advance(99);
	CHECK_OP(sched_now(), ==, (uint64_t)99);
	CHECK(!sched_park(99));
	CHECK_OP(sched_now(), ==, (uint64_t)99);
	while (sched_park(deadline))
		;
	CHECK_OP(sched_now(), ==, deadline);
}

static void overdue(void *arg)
{
	int *woken = arg;

	while (sched_park(100))
		;
	CHECK_OP(sched_now(), ==, (uint64_t)150);
	++*woken;
}

/* An advance wakes whose deadline it passes, before any time jump. */
static void advance_past(void *arg)
{
	int woken = 0;
	struct sched_task *t = spawn("overdue", overdue, &woken);

	sched_park(50); /* Lets the other park. */
	while (sched_now() < 50)
		sched_park(50);
	sched_advance(100);
	while (!woken)
		sched_point("woken");
	CHECK_OP(sched_now(), ==, (uint64_t)150);
	sched_join(t);
}

static void test_advance(void)
{
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct sched_result res = walk(advance, NULL, seed, NULL);

		CHECK_OP((int)res.end, ==, (int)SCHED_DONE);
		res = walk(advance_past, NULL, seed, NULL);
		CHECK_OP((int)res.end, ==, (int)SCHED_DONE);
	}
}

/* ---- the rest ---- */

static void spin(void *arg)
{
	for (;;)
		sched_point("spin.here");
}

static void spin_beside(void *arg)
{
	sched_join(spawn("spinner", spin, NULL));
}

static void test_runaway(void)
{
	struct sched_config cfg = { .seed = 1, .max_points = 1000 };
	struct sched_result res;

	sched_run(&cfg, spin, NULL, &res);
	CHECK_OP((int)res.end, ==, (int)SCHED_RUNAWAY);
	CHECK_OP(res.points, ==, (uint64_t)1001);
	CHECK_STR(res.stuck, "main: ready, after spin.here\n");
	sched_run(&cfg, spin_beside, NULL, &res);
	CHECK_OP((int)res.end, ==, (int)SCHED_RUNAWAY);
	CHECK_STR(res.stuck, "main: join of spinner\nspinner: ready, after spin.here\n");
}

static unsigned int nr_spurious;

static void park_often(void *arg)
{
	for (int i = 0; i < 64; i++)
		nr_spurious += sched_park(sched_now() + 1);
}

static void test_spurious_wakeups(void)
{
	unsigned int with = 0, without = 0;

	for (uint64_t seed = 0; seed < 200; seed++) {
		nr_spurious = 0;
		walk(park_often, NULL, seed, NULL);
		CHECK_OP(nr_spurious, <, 24u);
		if (nr_spurious)
			with++;
		else
			without++;
	}
	CHECK_OP(with, >, 50u);
	CHECK_OP(without, >, 50u);
	nr_spurious = 0;
	replay(park_often, NULL, NULL, 0, NULL);
	CHECK_OP(nr_spurious, ==, 0u);
}

static void use_after_join(void *arg)
{
	struct sched_task *t = spawn("gone", park_often, NULL);

	sched_join(t);
	sched_unpark(t);
}

static void join_twice(void *arg)
{
	struct sched_task *t = spawn("gone", park_often, NULL);

	sched_join(t);
	sched_join(t);
}

static void lock_destroyed(void *arg)
{
	struct mutex m = MUTEX_INIT; /* protects nothing */

	mutex_destroy(&m);
	mutex_lock(&m);
}

static void in_run(void *fn)
{
	walk(fn, NULL, 0, NULL);
}

static void test_misuse(void)
{
	CHECK_DIES(in_run, use_after_join, SIGABRT, "TASK_FREE");
	CHECK_DIES(in_run, join_twice, SIGABRT, "TASK_FREE");
	CHECK_DIES(in_run, lock_destroyed, SIGABRT, "destroyed");
	CHECK_DIES(park_forever, NULL, SIGABRT, "sim.on");
}

/* Stacks go from a task that was given up to the next, and with them the red zones that AddressSanitizer put around the
 * arrays of frames that never returned. Code it did not compile, as the C library's, does not clean its own frames. */
static __attribute__((noinline)) void deep_then_park(int depth)
{
	volatile char c[100];

	c[depth] = 1;
	if (depth)
		deep_then_park(depth - 1);
	else
		sched_park(SCHED_NEVER);
	CHECK_OP(c[depth], ==, 1);
}

static void deep_task(void *arg)
{
	deep_then_park(99);
}

static void join_deep_task(void *arg)
{
	sched_join(spawn("deep", deep_task, NULL));
}

static __attribute__((noinline)) void fill_all(volatile char *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		c[i] = 1;
}

__attribute__((noinline, no_sanitize_address)) static void foreign_frame(void *arg)
{
	char c[16384];

	fill_all(c, sizeof(c));
}

static void test_stacks_are_clean_again(void)
{
	static const uint8_t child_first[] = { 1 };

	CHECK_OP((int)replay(join_deep_task, NULL, child_first, 1, NULL).end, ==, (int)SCHED_QUIESCENT);
	CHECK_OP((int)replay(foreign_frame, NULL, NULL, 0, NULL).end, ==, (int)SCHED_DONE);
}

static size_t resident_pages(void)
{
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f) {
		CHECK_OP(fscanf(f, "%lu %lu", &size, &resident), ==, 2);
		fclose(f);
	}
	return resident;
}

/* Finished runs and abandoned ones: stacks and tasks all come back. */
static void test_runs_leave_nothing(void)
{
	static struct busy b;
	size_t before = 0;

	for (uint64_t seed = 0; seed < 100000; seed++) {
		if (seed % 10 == 0)
			walk(busy_program, &b, seed, NULL);
		else if (seed % 10 == 1)
			walk(join_the_stuck, NULL, seed, NULL);
		else
			walk(lossy_waiter, NULL, seed, NULL);
		if (seed == 10000)
			before = resident_pages();
	}
	CHECK_OP(resident_pages(), <=, before + 64);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_equal_seeds_are_equal_runs),
	CHECK_TEST(test_log_replays),
	CHECK_TEST(test_any_bytes_replay),
	CHECK_TEST(test_log_is_cut_at_its_end),
	CHECK_TEST(test_decisions_pick_from_the_ready),
	CHECK_TEST(test_calls_are_points),
	CHECK_TEST(test_trace_is_the_log),
	CHECK_TEST(test_lost_wakeup_is_found),
	CHECK_TEST(test_deadlock_names_the_owners),
	CHECK_TEST(test_stuck_is_cut_at_its_end),
	CHECK_TEST(test_time_jumps_in_order_of_deadlines),
	CHECK_TEST(test_advance),
	CHECK_TEST(test_runaway),
	CHECK_TEST(test_spurious_wakeups),
	CHECK_TEST(test_misuse),
	CHECK_TEST(test_stacks_are_clean_again),
	CHECK_TEST(test_runs_leave_nothing),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
