/* What only the real threads promise: threads that were there before, the clock, and each task's own luck. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "core/base/check.h"
#include "sched/sched.h"

/* A thread that sched_spawn did not make has a task all the same; LeakSanitizer sees whether it goes with the
 * thread. */
static void *foreign_thread(void *arg)
{
	struct sched_task *self = sched_self();

	CHECK(self != NULL);
	CHECK(self != arg);
	CHECK(sched_self() == self);
	CHECK(sched_local() == NULL);
	sched_set_local(arg);
	CHECK(sched_local() == arg);
	sched_unpark(self);
	CHECK(sched_park(SCHED_NEVER));
	return NULL;
}

static void test_foreign_thread(void)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++) {
		CHECK_OP(pthread_create(&thread, NULL, foreign_thread, sched_self()), ==, 0);
		pthread_join(thread, NULL);
	}
}

static void foreign_wakes(void *arg)
{
	struct sched_task **sleeper = arg;

	sched_unpark(*sleeper);
}

static void *foreign_spawner(void *arg)
{
	struct sched_task *self = sched_self(), *t;

	CHECK_OP(sched_spawn(&t, "child", foreign_wakes, &self), ==, 0);
	CHECK(sched_park(SCHED_NEVER));
	sched_join(t);
	return NULL;
}

static void test_foreign_thread_spawns(void)
{
	pthread_t thread;

	CHECK_OP(pthread_create(&thread, NULL, foreign_spawner, NULL), ==, 0);
	pthread_join(thread, NULL);
}

static void test_clock(void)
{
	struct timespec ts;
	uint64_t before = sched_now(), now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	CHECK_OP(before, <=, now);
	CHECK_OP(now, <=, sched_now());
	CHECK(!sched_park(now + 2000000));
	CHECK_OP(sched_now(), >=, now + 2000000);
}

/* A signal ends the system call under a park and not the park. */
struct napper {
	struct atomic32 napping; /* the store pairs with the load that waits for it: then `thread` is set */
	struct atomic32 woken; /* set before the unpark, read after the park */
	pthread_t thread;
};

static void on_signal(int sig)
{
}

static void nap(void *arg)
{
	struct napper *n = arg;

	n->thread = pthread_self();
	a32_store(&n->napping, 1);
	CHECK(sched_park(sched_now() + 60000000000u));
	CHECK_OP(a32_load(&n->woken), ==, 1u);
}

static void test_signal_does_not_end_park(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct napper n = { .thread = 0 };
	struct sched_task *t;

	CHECK_OP(sigaction(SIGUSR1, &sa, NULL), ==, 0);
	CHECK_OP(sched_spawn(&t, "napper", nap, &n), ==, 0);
	while (!a32_load(&n.napping))
		;
	for (int i = 0; i < 20; i++) {
		pthread_kill(n.thread, SIGUSR1);
		sched_park(sched_now() + 100000);
	}
	a32_store(&n.woken, 1);
	sched_unpark(t);
	sched_join(t);
}

static void thread_is_named(void *arg)
{
	char name[16] = "";

	pthread_getname_np(pthread_self(), name, sizeof(name));
	CHECK_STR(name, "iou-wrk-1");
}

static void spawn_named(void *arg)
{
	struct sched_task *t;

	CHECK_OP(sched_spawn(&t, "iou-wrk-1", thread_is_named, NULL), ==, 0);
	sched_join(t);
}

static void run_seed(sched_task_fn *fn, void *arg, uint64_t seed)
{
	struct sched_config cfg = { .seed = seed };
	struct sched_result res;

	sched_run(&cfg, fn, arg, &res);
}

static void test_thread_is_named(void)
{
	run_seed(spawn_named, NULL, 1);
}

struct luck {
	uint8_t drawn[3][32]; /* by the first task and by its two children */
};

static void draw(uint8_t *drawn)
{
	for (int i = 0; i < 32; i++)
		drawn[i] = (uint8_t)sched_choose(256, "luck");
}

static void draw_child(void *arg)
{
	draw(arg);
}

static void draw_all(void *arg)
{
	struct luck *l = arg;
	struct sched_task *t[2];

	draw(l->drawn[0]);
	for (int i = 0; i < 2; i++)
		CHECK_OP(sched_spawn(&t[i], "child", draw_child, l->drawn[1 + i]), ==, 0);
	for (int i = 0; i < 2; i++)
		sched_join(t[i]);
}

static void test_luck_is_the_seed_and_the_task(void)
{
	struct luck a, b, c;

	run_seed(draw_all, &a, 1);
	run_seed(draw_all, &b, 1);
	run_seed(draw_all, &c, 2);
	CHECK(memcmp(a.drawn, b.drawn, sizeof(a.drawn)) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(memcmp(a.drawn[i], c.drawn[i], sizeof(a.drawn[i])) != 0);
		CHECK(memcmp(a.drawn[i], a.drawn[(i + 1) % 3], sizeof(a.drawn[i])) != 0);
	}
}

static const struct check_test tests[] = {
	CHECK_TEST(test_foreign_thread),
	CHECK_TEST(test_foreign_thread_spawns),
	CHECK_TEST(test_clock),
	CHECK_TEST(test_signal_does_not_end_park),
	CHECK_TEST(test_thread_is_named),
	CHECK_TEST(test_luck_is_the_seed_and_the_task),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
