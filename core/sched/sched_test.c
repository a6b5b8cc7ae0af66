/* What both schedulers promise (seam.h). Each test's body is run as the first task of many schedules; on real threads
 * those differ by luck only. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/base/check.h"
#include "sched/sched.h"

#define NR_SEEDS 40
#define MSEC 1000000ull

static void run_seed(sched_task_fn *fn, void *arg, uint64_t seed)
{
	struct sched_config cfg = { .strategy = SCHED_WALK, .seed = seed };
	struct sched_result res;

	sched_run(&cfg, fn, arg, &res);
	CHECK_OP((int)res.end, ==, (int)SCHED_DONE);
	CHECK_STR(res.stuck, "");
}

static void run_many(sched_task_fn *fn)
{
	for (uint64_t seed = 0; seed < NR_SEEDS; seed++)
		run_seed(fn, NULL, seed);
}

/* Without decisions nobody wakes for nothing. */
static void run_calm(sched_task_fn *fn)
{
	struct sched_config cfg = { .strategy = SCHED_REPLAY };
	struct sched_result res;

	sched_run(&cfg, fn, NULL, &res);
	CHECK_OP((int)res.end, ==, (int)SCHED_DONE);
}

static struct sched_task *spawn(const char *name, sched_task_fn *fn, void *arg)
{
	struct sched_task *t = NULL;

	CHECK_OP(sched_spawn(&t, name, fn, arg), ==, 0);
	CHECK(t != NULL);
	return t;
}

static void nothing(void *arg)
{
}

/* ---- mutexes ---- */

struct counted {
	struct mutex lock; /* protects value; nests in nothing */
	int value;
};

static void count_under_lock(void *arg)
{
	struct counted *c = arg;

	for (int i = 0; i < 50; i++) {
		int seen;

		mutex_lock(&c->lock);
		mutex_assert_held(&c->lock);
		seen = c->value;
		sched_point("count");
		c->value = seen + 1;
		mutex_unlock(&c->lock);
	}
}

static void exclusion(void *arg)
{
	static struct counted c = { .lock = MUTEX_INIT };
	struct sched_task *t[4];

	mutex_init(&c.lock);
	c.value = 0;
	for (int i = 0; i < 4; i++)
		t[i] = spawn("counter", count_under_lock, &c);
	for (int i = 0; i < 4; i++)
		sched_join(t[i]);
	CHECK_OP(c.value, ==, 200);
	mutex_destroy(&c.lock);
}

static void test_mutex_excludes(void)
{
	run_many(exclusion);
}

static struct mutex a_lock = MUTEX_INIT; /* protects nothing */

static void lock_twice(void *arg)
{
	mutex_lock(&a_lock);
	mutex_lock(&a_lock);
}

static void unlock_free(void *arg)
{
	mutex_unlock(&a_lock);
}

static void destroy_held(void *arg)
{
	mutex_lock(&a_lock);
	mutex_destroy(&a_lock);
}

static void take_and_end(void *arg)
{
	mutex_lock(&a_lock);
}

/* Locks in a task of its own what arg, a body, then meets as another's. */
static void with_lock_of_another(void *arg)
{
	struct sched_task *self = sched_self();

	mutex_lock(&a_lock);
	sched_join(spawn("other", arg, self));
}

static void assert_held(void *arg)
{
	mutex_assert_held(&a_lock);
}

static void park_holding(void *arg)
{
	mutex_lock(&a_lock);
	sched_park(sched_now() + 1);
}

static void in_run(void *fn)
{
	run_calm(fn);
}

static void in_run_with_lock_of_another(void *fn)
{
	struct sched_config cfg = { .strategy = SCHED_REPLAY };
	struct sched_result res;

	sched_run(&cfg, with_lock_of_another, fn, &res);
}

static void test_mutex_misuse(void)
{
	CHECK_DIES(in_run, lock_twice, SIGABRT, "mutex_lock");
	CHECK_DIES(in_run, unlock_free, SIGABRT, "mutex_unlock");
	CHECK_DIES(in_run, destroy_held, SIGABRT, "mutex_destroy");
	CHECK_DIES(in_run, assert_held, SIGABRT, "mutex_assert_held");
	CHECK_DIES(in_run, park_holding, SIGABRT, "held == 0");
	CHECK_DIES(in_run, take_and_end, SIGABRT, "held == 0");
	CHECK_DIES(in_run_with_lock_of_another, assert_held, SIGABRT, "mutex_assert_held");
	CHECK_DIES(in_run_with_lock_of_another, unlock_free, SIGABRT, "mutex_unlock");
}

/* ---- atomics ---- */

#define ATOMIC_OPS(bits)                                                                                               \
	do {                                                                                                           \
		struct atomic##bits a = ATOMIC_INIT(5);                                                                \
		uint##bits##_t expect = 1;                                                                             \
                                                                                                                       \
		CHECK_OP(a##bits##_add(&a, 3), ==, (uint##bits##_t)5);                                                 \
		CHECK_OP(a##bits##_sub(&a, 2), ==, (uint##bits##_t)8);                                                 \
		CHECK_OP(a##bits##_or(&a, 9), ==, (uint##bits##_t)6);                                                  \
		CHECK_OP(a##bits##_and(&a, 12), ==, (uint##bits##_t)15);                                               \
		CHECK_OP(a##bits##_xchg(&a, 7), ==, (uint##bits##_t)12);                                               \
		CHECK(!a##bits##_cas(&a, &expect, 2));                                                                 \
		CHECK_OP(expect, ==, (uint##bits##_t)7);                                                               \
		CHECK(a##bits##_cas(&a, &expect, 2));                                                                  \
		CHECK_OP(a##bits##_load(&a), ==, (uint##bits##_t)2);                                                   \
		a##bits##_store(&a, (uint##bits##_t) - 1);                                                             \
		CHECK_OP(a##bits##_add(&a, 1), ==, (uint##bits##_t) - 1);                                              \
		CHECK_OP(a##bits##_load(&a), ==, (uint##bits##_t)0);                                                   \
	} while (0)

static void atomic_ops(void *arg)
{
	uint32_t shared = 0;

	ATOMIC_OPS(32);
	ATOMIC_OPS(64);
	shm_store32(&shared, 4);
	CHECK_OP(shm_load32(&shared), ==, 4u);
}

static void test_atomic_ops(void)
{
	run_calm(atomic_ops);
	atomic_ops(NULL);
}

struct tally {
	struct atomic32 added; /* counters: no other access depends on them */
	struct atomic64 swapped;
	struct atomic32 gate; /* 0: free. The exchange that takes it pairs with the store that frees it */
	int guarded; /* by gate */
};

static void tally_up(void *arg)
{
	struct tally *t = arg;

	for (int i = 0; i < 200; i++) {
		uint64_t seen = a64_load(&t->swapped);

		a32_add(&t->added, 1);
		while (!a64_cas(&t->swapped, &seen, seen + 1))
			;
		while (a32_xchg(&t->gate, 1))
			sched_point("gate");
		t->guarded++;
		a32_store(&t->gate, 0);
	}
}

static void atomics_shared(void *arg)
{
	struct tally tally = { .guarded = 0 };
	struct sched_task *t[4];

	for (int i = 0; i < 4; i++)
		t[i] = spawn("tally", tally_up, &tally);
	for (int i = 0; i < 4; i++)
		sched_join(t[i]);
	CHECK_OP(a32_load(&tally.added), ==, 800u);
	CHECK_OP(a64_load(&tally.swapped), ==, (uint64_t)800);
	CHECK_OP(tally.guarded, ==, 800);
}

static void test_atomics_shared(void)
{
	run_many(atomics_shared);
}

/* Two tasks each store their own word and then load the other's: not both may miss the other's store. */
#define NR_ROUNDS 20000

static struct {
	struct atomic32 round[2] __attribute__((aligned(128))); /* rounds finished; keeps the two side by side */
	struct atomic32 word[2][64] __attribute__((aligned(128))); /* word[i][0] is i's; the rest is distance */
	uint8_t saw[2][NR_ROUNDS];
} dekker;

static void dekker_side(void *arg)
{
	int me = arg != NULL;

	for (uint32_t i = 0; i < NR_ROUNDS; i++) {
		a32_store(&dekker.word[me][0], i + 1);
		fence_full();
		dekker.saw[me][i] = a32_load(&dekker.word[!me][0]) > i;
		a32_store(&dekker.round[me], i + 1);
		while (a32_load(&dekker.round[!me]) <= i)
			sched_point("round");
	}
}

static void dekker_both(void *arg)
{
	struct sched_task *other;
	uint32_t both_missed = 0;

	memset(&dekker, 0, sizeof(dekker));
	other = spawn("other", dekker_side, &dekker);
	dekker_side(NULL);
	sched_join(other);
	for (uint32_t i = 0; i < NR_ROUNDS; i++)
		both_missed += !dekker.saw[0][i] && !dekker.saw[1][i];
	CHECK_OP(both_missed, ==, 0u);
}

static void test_store_then_load(void)
{
	run_seed(dekker_both, NULL, 1);
}

/* ---- parking ---- */

static void one_token(void *arg)
{
	sched_unpark(sched_self());
	sched_unpark(sched_self());
	CHECK(sched_park(SCHED_NEVER));
	CHECK(!sched_park(sched_now() + MSEC / 10));
	CHECK(!sched_park(0));
	sched_unpark(sched_self());
	CHECK(sched_park(0));
}

static void test_one_token(void)
{
	run_calm(one_token);
}

static void never_early(void *arg)
{
	for (int i = 0; i < 5; i++) {
		uint64_t deadline = sched_now() + (uint64_t)i * MSEC / 10;

		while (sched_park(deadline))
			;
		CHECK_OP(sched_now(), >=, deadline);
	}
}

static void test_deadline_is_never_early(void)
{
	run_many(never_early);
}

struct ball {
	struct sched_task *player[2];
	int hits;
	struct atomic32 whose; /* the store pairs with the load: who sees its own number may touch the rest */
};

static void play(struct ball *b, uint32_t me)
{
	for (int i = 0; i < 20; i++) {
		while (a32_load(&b->whose) != me)
			sched_park(SCHED_NEVER);
		b->hits++;
		a32_store(&b->whose, !me);
		sched_unpark(b->player[!me]);
	}
}

static void play_second(void *arg)
{
	struct ball *b = arg;

	b->player[1] = sched_self();
	play(b, 1);
}

static void ping_pong(void *arg)
{
	/* The second player hits first, so that the first does not need its name before that is there. */
	struct ball b = { .player = { sched_self() }, .whose = ATOMIC_INIT(1) };
	struct sched_task *t = spawn("second", play_second, &b);

	play(&b, 0);
	sched_join(t);
	CHECK_OP(b.hits, ==, 40);
}

static void test_ping_pong(void)
{
	run_many(ping_pong);
}

/* What is written before an unpark is seen after the park that took its token, without anything else. */
static void hand_over(void *arg)
{
	struct ball *b = arg;

	b->hits = 7;
	sched_unpark(b->player[0]);
}

static void token_publishes(void *arg)
{
	struct ball b = { .player = { sched_self() } };
	struct sched_task *t = spawn("giver", hand_over, &b);

	CHECK(sched_park(SCHED_NEVER));
	CHECK_OP(b.hits, ==, 7);
	sched_join(t);
}

static void test_token_publishes(void)
{
	for (int i = 0; i < NR_SEEDS; i++)
		run_calm(token_publishes);
}

/* A queue in the usual manner: a flag looked at under the lock, a park outside it. */
struct queue {
	struct mutex lock; /* protects filled; nests in nothing */
	int filled;
	struct sched_task *reader;
};

static void fill(void *arg)
{
	struct queue *q = arg;

	for (int i = 0; i < 20; i++) {
		mutex_lock(&q->lock);
		q->filled++;
		mutex_unlock(&q->lock);
		sched_unpark(q->reader);
	}
}

static void drain(void *arg)
{
	struct queue q = { .lock = MUTEX_INIT, .reader = sched_self() };
	struct sched_task *t[3];
	int got = 0;

	for (int i = 0; i < 3; i++)
		t[i] = spawn("writer", fill, &q);
	while (got < 60) {
		mutex_lock(&q.lock);
		got += q.filled;
		q.filled = 0;
		mutex_unlock(&q.lock);
		if (got < 60)
			sched_park(SCHED_NEVER);
	}
	for (int i = 0; i < 3; i++)
		sched_join(t[i]);
	CHECK_OP(got, ==, 60);
}

static void test_queue(void)
{
	run_many(drain);
}

static void wait_notified(void *arg)
{
	while (!sched_notified())
		sched_park(SCHED_NEVER);
	sched_clear_notify();
	CHECK(!sched_notified());
}

static void notify(void *arg)
{
	struct sched_task *t = spawn("sleeper", wait_notified, NULL);

	CHECK(!sched_notified());
	sched_notify(t);
	sched_join(t);
	CHECK(!sched_notified());
}

static void test_notify(void)
{
	run_many(notify);
}

/* ---- blocking sections ---- */

struct asleep {
	struct sched_task *task;
	int depth, calls;
};

static void goes_to_sleep(void *arg)
{
	struct asleep *a = arg;

	CHECK(sched_self() == a->task);
	CHECK_OP(a->depth++, ==, 0);
	a->calls++;
}

static void runs_again(void *arg)
{
	struct asleep *a = arg;

	CHECK(sched_self() == a->task);
	CHECK_OP(--a->depth, ==, 0);
	a->calls++;
}

static void no_hooks(void *arg)
{
	sched_block_begin();
	sched_block_end();
}

static void hooks(void *arg)
{
	struct asleep a = { .task = sched_self() };
	struct sched_task *t;

	sched_set_hooks(goes_to_sleep, runs_again, &a);
	sched_block_begin();
	CHECK_OP(a.depth, ==, 1);
	t = spawn("hookless", no_hooks, NULL);
	sched_join(t);
	CHECK_OP(a.calls, ==, 1);
	sched_block_end();
	CHECK_OP(a.calls, ==, 2);
	sched_set_hooks(NULL, NULL, NULL);
	no_hooks(NULL);
	CHECK_OP(a.calls, ==, 2);
}

static void block_twice(void *arg)
{
	sched_block_begin();
	sched_block_begin();
}

static void end_unbegun(void *arg)
{
	sched_block_end();
}

static void end_blocked(void *arg)
{
	sched_block_begin();
}

static void test_hooks(void)
{
	run_many(hooks);
	CHECK_DIES(in_run, block_twice, SIGABRT, "sched_block_begin");
	CHECK_DIES(in_run, end_unbegun, SIGABRT, "sched_block_end");
	CHECK_DIES(in_run, end_blocked, SIGABRT, "blocked");
}

/* ---- choices ---- */

static uint32_t seen_choices; /* bit i: some run chose i among 6 */

static void choose(void *arg)
{
	CHECK_OP(sched_choose(1, "only"), ==, 0u);
	for (uint32_t n = 1; n <= 256; n++)
		CHECK_OP(sched_choose(n, "any"), <, n);
	for (int i = 0; i < 10; i++)
		seen_choices |= 1u << sched_choose(6, "die");
}

static void choose_of_none(void *arg)
{
	sched_choose(0, "none");
}

static void choose_of_many(void *arg)
{
	sched_choose(257, "many");
}

static void test_choose(void)
{
	seen_choices = 0;
	run_many(choose);
	CHECK_OP(seen_choices, ==, 63u);
	CHECK_DIES(in_run, choose_of_none, SIGABRT, "sched_choose");
	CHECK_DIES(in_run, choose_of_many, SIGABRT, "sched_choose");
}

/* ---- tasks ---- */

struct family {
	int depth;
	int sum; /* what the tree below adds up to; read after the join */
	void *parent_local;
};

static void grow(void *arg)
{
	struct family *f = arg;
	struct family child[2] = { { .depth = f->depth - 1 }, { .depth = f->depth - 1 } };
	struct sched_task *t[2];

	CHECK(sched_local() == NULL);
	sched_set_local(f);
	CHECK_STR(sched_name(sched_self()), f->depth == 3 ? "main" : "a-very-long-nam");
	f->sum = 1;
	if (f->depth) {
		for (int i = 0; i < 2; i++)
			t[i] = spawn("a-very-long-name", grow, &child[i]);
		CHECK(t[0] != t[1] && t[0] != sched_self());
		for (int i = 2; i-- > 0;)
			sched_join(t[i]);
		f->sum += child[0].sum + child[1].sum;
	}
	CHECK(sched_local() == f);
}

static void test_join(void)
{
	for (uint64_t seed = 0; seed < NR_SEEDS / 4; seed++) {
		struct family root = { .depth = 3 };

		run_seed(grow, &root, seed);
		CHECK_OP(root.sum, ==, 15);
	}
}

static void leave_child(void *arg)
{
	spawn("orphan", nothing, NULL);
}

static void run_inside(void *arg)
{
	run_calm(nothing);
}

static void test_run_misuse(void)
{
	CHECK_DIES(in_run, leave_child, SIGABRT, "sched_run");
	CHECK_DIES(in_run, run_inside, SIGABRT, "sched_run");
}

static void set_errno(void *arg)
{
	struct mutex *m = arg;

	for (int i = 0; i < 10; i++) {
		mutex_lock(m);
		errno = EXDEV;
		sched_point("errno");
		CHECK_OP(errno, ==, EXDEV);
		mutex_unlock(m);
	}
}

static void errno_is_kept(void *arg)
{
	struct mutex m = MUTEX_INIT; /* protects nothing: a place to meet */
	struct sched_task *t = spawn("errno", set_errno, &m);

	for (int i = 0; i < 10; i++) {
		errno = ENOTTY;
		mutex_lock(&m);
		sched_unpark(t);
		mutex_unlock(&m);
		while (sched_park(sched_now() + 1))
			;
		CHECK_OP(errno, ==, ENOTTY);
	}
	sched_join(t);
}

static void test_errno_is_kept(void)
{
	run_many(errno_is_kept);
}

/* Set-up and tear-down happen outside any run. */
static void test_outside(void)
{
	struct mutex m = MUTEX_INIT; /* protects nothing */
	struct sched_task *self = sched_self();
	struct family root = { .depth = 3 };

	CHECK(self != NULL);
	sched_set_local(&m);
	mutex_lock(&m);
	mutex_assert_held(&m);
	mutex_unlock(&m);
	run_seed(grow, &root, 1);
	CHECK(sched_self() == self);
	CHECK(sched_local() == &m);
	sched_set_local(NULL);
	sched_point("outside");
	CHECK_OP(sched_choose(9, "outside"), <, 9u);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_mutex_excludes),
	CHECK_TEST(test_mutex_misuse),
	CHECK_TEST(test_atomic_ops),
	CHECK_TEST(test_atomics_shared),
	CHECK_TEST(test_store_then_load),
	CHECK_TEST(test_one_token),
	CHECK_TEST(test_deadline_is_never_early),
	CHECK_TEST(test_ping_pong),
	CHECK_TEST(test_token_publishes),
	CHECK_TEST(test_queue),
	CHECK_TEST(test_notify),
	CHECK_TEST(test_hooks),
	CHECK_TEST(test_choose),
	CHECK_TEST(test_join),
	CHECK_TEST(test_run_misuse),
	CHECK_TEST(test_errno_is_kept),
	CHECK_TEST(test_outside),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
