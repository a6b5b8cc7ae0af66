/* What only the real threads promise: threads that were there before, the clock, and each task's own luck. */
#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

/* ---- unparks under a mutex ---- */

struct crowd {
	struct mutex outer, inner; /* protect nothing; inner nests in outer */
	struct atomic32 woken; /* a counter: no other access depends on it */
	struct sched_task *task[SCHED_LATE + 4];
};

static void wait_and_lock(void *arg)
{
	struct crowd *c = arg;

	while (!sched_park(SCHED_NEVER))
		;
	mutex_lock(&c->outer);
	mutex_unlock(&c->outer);
	a32_add(&c->woken, 1);
}

/* However many they are, nobody is forgotten, and it is the last mutex that counts. */
static void test_unpark_under_mutex(void)
{
	struct crowd c = { .outer = MUTEX_INIT, .inner = MUTEX_INIT };

	for (unsigned int round = 0; round < 20; round++) {
		unsigned int n = round % CHECK_COUNT(c.task) + 1;

		a32_store(&c.woken, 0);
		for (unsigned int i = 0; i < n; i++)
			CHECK_OP(sched_spawn(&c.task[i], "crowd", wait_and_lock, &c), ==, 0);
		sched_park(sched_now() + 2000000); /* most of them sleep by now */
		mutex_lock(&c.outer);
		mutex_lock(&c.inner);
		for (unsigned int i = 0; i < n; i++)
			sched_unpark(c.task[i]);
		mutex_unlock(&c.inner);
		CHECK_OP(a32_load(&c.woken), ==, 0u);
		mutex_unlock(&c.outer);
		while (a32_load(&c.woken) < n)
			sched_park(sched_now() + 100000);
		for (unsigned int i = 0; i < n; i++)
			sched_join(c.task[i]);
	}
}

/* ---- the threads that are kept ---- */

/* A number out of /proc/self/status. */
static long status_of(const char *key)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long n = -1;

	CHECK(f != NULL);
	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			n = strtol(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return n;
}

/* Waits until the process has so many threads: one that was joined may still be counted for a moment. */
static void check_threads(long expected)
{
	for (int i = 0; i < 1000 && status_of("Threads:") != expected; i++)
		sched_park(sched_now() + 5000000);
	CHECK_OP(status_of("Threads:"), ==, expected);
}

/* None kept before, at most `max` from now on. */
static void keep_anew(unsigned int max)
{
	sched_keep_threads(0);
	sched_keep_threads(max);
}

static void keep_as_ever(void)
{
	keep_anew(SCHED_KEEP_THREADS);
}

static void run_task(const char *name, sched_task_fn *fn, void *arg)
{
	struct sched_task *t = NULL;

	CHECK_OP(sched_spawn(&t, name, fn, arg), ==, 0);
	if (t)
		sched_join(t);
}

struct guest {
	const char *name;
	pid_t tid;
};

/* All is as on a thread of its own. */
static void be_guest(void *arg)
{
	struct guest *g = arg;
	char name[16] = "";

	CHECK_OP(errno, ==, 0);
	CHECK(sched_local() == NULL);
	CHECK(!sched_notified());
	CHECK(!sched_park(0));
	pthread_getname_np(pthread_self(), name, sizeof(name));
	CHECK_STR(name, g->name);
	CHECK_STR(sched_name(sched_self()), g->name);
	g->tid = gettid();
	errno = EXDEV;
	sched_set_local(g);
	sched_notify(sched_self());
}

static void test_thread_is_reused(void)
{
	static const char *const names[] = { "one", "other", "other", "one", "one-and-another" };
	struct guest first = { .name = "first" };

	keep_anew(4);
	run_task(first.name, be_guest, &first);
	for (unsigned int i = 0; i < CHECK_COUNT(names); i++) {
		struct guest g = { .name = names[i] };

		run_task(g.name, be_guest, &g);
		CHECK_OP(g.tid, ==, first.tid);
	}
	keep_as_ever();
}

static void wait_token(void *arg)
{
	while (!sched_park(SCHED_NEVER))
		;
}

/* `n` tasks at a time. */
static void run_crowd(unsigned int n)
{
	struct sched_task *t[16];

	CHECK_OP(n, <=, 16u);
	for (unsigned int i = 0; i < n; i++)
		CHECK_OP(sched_spawn(&t[i], "crowd", wait_token, NULL), ==, 0);
	for (unsigned int i = 0; i < n; i++)
		sched_unpark(t[i]);
	for (unsigned int i = 0; i < n; i++)
		sched_join(t[i]);
}

static void test_so_many_are_kept(void)
{
	long before;

	run_crowd(1); /* what the first thread brings with it stays */
	keep_anew(0);
	before = status_of("Threads:");
	run_crowd(6);
	check_threads(before);
	keep_anew(3);
	run_crowd(6);
	check_threads(before + 3);
	run_crowd(2);
	check_threads(before + 3);
	sched_keep_threads(1);
	check_threads(before + 1);
	sched_keep_threads(0);
	check_threads(before);
	keep_as_ever();
}

static void add_one(void *arg)
{
	++*(int *)arg;
}

static void breed(void *arg)
{
	int *count = arg;

	for (int i = 0; i < 500; i++)
		run_task(i % 2 ? "odd" : "even", add_one, count);
}

/* Tasks come and go on several threads at once, while not all of those can be kept. */
static void test_reuse_under_load(void)
{
	struct sched_task *t[4];
	int count[4] = { 0 };

	keep_anew(2);
	for (int i = 0; i < 4; i++)
		CHECK_OP(sched_spawn(&t[i], "parent", breed, &count[i]), ==, 0);
	for (int i = 0; i < 4; i++)
		sched_join(t[i]);
	for (int i = 0; i < 4; i++)
		CHECK_OP(count[i], ==, 500);
	keep_as_ever();
}

/* The child of a fork has none of the kept threads. */
static void test_fork_between(void)
{
	int count = 0, status = 0;
	pid_t child;

#if SCHED_TSAN
	check_skip("ThreadSanitizer lets no child of several threads make new ones");
	return;
#endif
	keep_anew(8);
	run_crowd(8);
	child = fork();
	CHECK_OP(child, >=, 0);
	if (child == 0) {
		alarm(60);
		run_task("child", add_one, &count);
		run_task("child", add_one, &count);
		sched_keep_threads(0);
		_exit(count == 2 && status_of("Threads:") <= 2 ? 0 : 1);
	}
	run_task("parent", add_one, &count);
	CHECK_OP(waitpid(child, &status, 0), ==, child);
	CHECK_OP(status, ==, 0);
	CHECK_OP(count, ==, 1);
	keep_as_ever();
}

static void test_many_spawns_are_flat(void)
{
	int count = 0;
	long threads, size;

	keep_anew(4);
	for (int i = 0; i < 100; i++)
		run_task("many", add_one, &count);
	threads = status_of("Threads:");
	size = status_of("VmSize:");
	for (int i = 100; i < 100000; i++)
		run_task("many", add_one, &count);
	CHECK_OP(count, ==, 100000);
	CHECK_OP(status_of("Threads:"), ==, threads);
	CHECK_OP(status_of("VmSize:"), <, size + (1l << 20)); /* of KiB: the stacks of a fiftieth would be seen */
	keep_as_ever();
}

/* What the kernel says of the memory at `at`: its policy's mode, or -1. */
static int policy_at(void *at)
{
	int mode = -1;

	return syscall(SYS_get_mempolicy, &mode, NULL, 0, at, MPOL_F_ADDR) == 0 ? mode : -1;
}

static void placed_stack(void *arg)
{
	char deep[4096];
	int node = -1;

	deep[0] = *(int *)arg != 0;
	CHECK_OP(policy_at(deep), ==, MPOL_PREFERRED);
	CHECK_OP(syscall(SYS_get_mempolicy, &node, NULL, 0, deep, MPOL_F_ADDR | MPOL_F_NODE), ==, 0);
	CHECK_OP(node, ==, (int)sched_stack_node());
}

static void usual_stack(void *arg)
{
	char deep[4096];

	deep[0] = *(int *)arg != 0;
	CHECK_OP(policy_at(deep), ==, MPOL_DEFAULT);
}

/* The stack is the node's, also where there is one; a stack that the C library gives to somebody else is so no more. */
static void test_stack_is_on_the_node(void)
{
	struct sched_task *t;
	char here;
	int arg = 0;

	if (policy_at(&here) < 0)
		return; /* no NUMA in this kernel, or the calls are forbidden */
	keep_anew(0);
	ENSURE_OP(sched_create_on(&t, "placed", placed_stack, &arg, sched_node()), ==, 0);
	sched_start(t);
	sched_join(t);
	run_task("usual", usual_stack, &arg);
	keep_as_ever();
}

static const struct check_test tests[] = {
	CHECK_TEST(test_foreign_thread),
	CHECK_TEST(test_foreign_thread_spawns),
	CHECK_TEST(test_clock),
	CHECK_TEST(test_signal_does_not_end_park),
	CHECK_TEST(test_thread_is_named),
	CHECK_TEST(test_luck_is_the_seed_and_the_task),
	CHECK_TEST(test_unpark_under_mutex),
	CHECK_TEST(test_thread_is_reused),
	CHECK_TEST(test_so_many_are_kept),
	CHECK_TEST(test_reuse_under_load),
	CHECK_TEST(test_fork_between),
	CHECK_TEST(test_many_spawns_are_flat),
	CHECK_TEST(test_stack_is_on_the_node),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
