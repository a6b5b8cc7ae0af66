/* io-wq as requests meet it: which of them go there and how they are marked, whose pool it is, what is registered, what
 * becomes of it when rings, tasks and processes end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"
#include "core/engine_internal.h"
#include "core/ring/test_ring.h"

static struct tr shared;
static char bytes[64];

static struct io_wq *my_pool(void)
{
	return io_task_wq(engine_self()->tctx);
}

/* At once, or within so many times 5 ms. */
static bool pool_shows_in(const char *what, unsigned int tries)
{
	static char buf[16384];
	struct text out;

	for (;;) {
		text_init(&out, buf, sizeof(buf));
		io_wq_dump(my_pool(), &out);
		if (strstr(buf, what))
			return true;
		if (!tries--)
			break;
		user_sleep(5 * MS);
	}
	fprintf(stderr, "no \"%s\" in:\n%s", what, buf);
	return false;
}

static bool pool_shows(const char *what)
{
	return pool_shows_in(what, 0);
}

static bool pool_comes_to(const char *what)
{
	return pool_shows_in(what, 400);
}

static void in_other_task(sched_task_fn *fn, void *arg)
{
	struct engine_task *t;

	ENSURE_OP(engine_task_spawn(&t, test_process(), "other", fn, arg), ==, 0);
	engine_task_join(t);
}

/* ---- the roads to io-wq ---- */

static struct atomic32 queued[64]; /* by user_data; written by whoever queues, read when the request has ended */
static struct atomic32 armed[64]; /* likewise, each time a poll is armed for it */
static struct atomic32 worker_cpu; /* of the last request a worker began with; as above */

static void count_queued(void *ctx, unsigned int point, uint64_t user_data, int32_t res)
{
	if (point == ENGINE_TRACE_QUEUED && user_data < 64)
		__atomic_fetch_add(&queued[user_data].v, 1, __ATOMIC_SEQ_CST);
	if (point == ENGINE_TRACE_ARMED && user_data < 64)
		__atomic_fetch_add(&armed[user_data].v, 1, __ATOMIC_SEQ_CST);
	if (point == ENGINE_TRACE_WORKER)
		__atomic_store_n(&worker_cpu.v, sched_cpu(), __ATOMIC_SEQ_CST);
}

static void traced(void (*body)(void), unsigned int seeds)
{
	engine_trace(count_queued, NULL);
	on_seeds(body, seeds);
	engine_trace(NULL, NULL);
}

static uint32_t times(int ud)
{
	return a32_load(&queued[ud]);
}

static void roads(void)
{
	struct tr_pipe p;
	struct tr r;
	int file;

	for (int i = 0; i < 64; i++) {
		a32_store(&queued[i], 0);
		a32_store(&armed[i], 0);
	}
	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	file = tr_temp_file(16);
	tr_nop(&r, 1, A); /* as asked */
	tr_write(&r, 2, 0, file, "x", 1); /* the attempt says EAGAIN, and there is no poll */
	tr_nop(&r, 3, L); /* inline */
	tr_nop(&r, 4, A); /* a follower is asynchronous when its turn comes */
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 4);
	tr_nop(&r, 6, L); /* the batch ends before the chain does */
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 5);
	tr_read(&r, 7, A, p.out, bytes, 1); /* a worker arms poll for it, and it comes again */
	tr_read(&r, 8, 0, p.out, bytes, 1); /* the submitter arms poll: it comes never */
	T_OP(tr_submit(&r), ==, 2);
	for (int i = 0; i < 100 && (!a32_load(&armed[7]) || !a32_load(&armed[8])); i++)
		settle();
	T_OP(times(7), ==, 1u);
	T_OP(engine_write(p.in, "xx", 2, -1, true), ==, 2);
	tr_want(&r, 7);
	tr_nop(&r, 5, DR); /* when it is released; what comes after it may have to go the same way */
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 8);
	for (int ud = 1; ud <= 8; ud++)
		T_OP(times(ud), ==, ud == 3 || ud == 8 ? 0u : ud == 7 ? 2u : 1u);
	tr_close(&r);
}

static void test_every_road_to_io_wq(void)
{
	traced(roads, 120);
}

/* Both accounts have one worker, that sleeps, so what comes is pending and can be looked at. */
ENGINE_TEST(test_work_is_marked_as_the_kernel_does, 60)
{
	struct tr_pipe p[3];
	struct tr r;
	int file;

	tr_open(&r, 16, DEFAULT);
	for (int i = 1; i < 3; i++)
		tr_pipe(&p[i]);
	file = tr_temp_file(16);
	block_bounded(&r, 2, &p[0], &bytes[0]);
	T(pool_comes_to(" bound    1 of 1 workers, 0 starting, 0 running"));
	T(pool_shows("worker  iou-wrk-main, in: unbound\n")); /* the follower, on the head's worker */
	tr_max_workers(&r, 1, 1);
	T_OP(engine_write(p[1].in, "x", 1, -1, true), ==, 1);
	tr_read(&r, 3, A | L, p[1].out, &bytes[1], 1);
	tr_read(&r, 4, 0, p[2].out, &bytes[2], 1);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	T(pool_comes_to(" unbound  1 of 1 workers, 0 starting, 0 running"));
	tr_nop(&r, 5, A);
	tr_write(&r, 6, 0, file, "x", 1);
	T_OP(tr_submit(&r), ==, 2);
	T(pool_shows("  pending bound concurrent\n  pending bound bucket "));
	tr_write(&r, 7, A, file, "x", 1); /* its file is not known yet */
	T_OP(tr_submit(&r), ==, 1);
	T(pool_shows("  pending unbound concurrent\n"));
	tr_nop(&r, 8, L);
	T_OP(tr_submit(&r), ==, 1);
	T(pool_shows("  pending bound\n"));
	tr_cancel(&r, 9, 0, 5, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 4);
	T_RES(&r, 9, ==, 0);
	T_RES(&r, 5, ==, -ECANCELED);
	T_OP(engine_write(p[0].in, "x", 1, -1, true), ==, 1);
	T_OP(engine_write(p[2].in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 9);
	tr_close(&r);
}

/* ---- whose pool it is ---- */

static void nop_of_other_task(void *arg)
{
	tr_nop(&shared, 5, A);
	T_OP(tr_submit(&shared), ==, 1);
	for (int i = 0; i < 400 && tr_res(&shared, 5) == NO_CQE; i++) {
		user_sleep(5 * MS);
		tr_reap(&shared);
	}
}

/* The rings of a task share one pool; another task's requests to the same ring go to its own. */
ENGINE_TEST(test_a_task_has_one_pool_for_all_its_rings, 60)
{
	struct io_wq *wq;
	struct tr_pipe p;
	struct tr r;

	tr_open(&shared, 8, DEFAULT);
	tr_open(&r, 8, DEFAULT);
	block_bounded(&shared, 2, &p, bytes);
	wq = my_pool();
	tr_nop(&r, 3, A);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	T_OP(tr_reap(&r), ==, 0u);
	T(my_pool() == wq && wq);
	in_other_task(nop_of_other_task, NULL);
	tr_want(&shared, 2);
	T_RES(&shared, 5, ==, 0);
	T_OP(tr_reap(&r), ==, 0u);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 1);
	tr_want(&shared, 3);
	tr_close(&r);
	tr_close(&shared);
}

ENGINE_TEST(test_idle_workers_go_with_the_last_ring, 60)
{
	struct tr r, keep;

	tr_open(&keep, 1, DEFAULT);
	tr_open(&r, 8, DEFAULT);
	tr_nop(&r, 1, A);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 1);
	tr_close(&r);
	user_sleep(30 * MS);
	T(pool_shows(" bound    1 of 1 workers"));
	tr_close(&keep);
	user_sleep(30 * MS);
	T(pool_comes_to("io-wq of main, exit on idle"));
	T(pool_comes_to(" bound    0 of 1 workers"));
	tr_open(&r, 8, DEFAULT);
	tr_nop(&r, 1, A);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 1);
	T(pool_shows("io-wq of main, buckets"));
	user_sleep(30 * MS);
	T(pool_shows(" bound    1 of 1 workers"));
	tr_close(&r);
}

/* ---- what is registered ---- */

static void expect_limits(int fd, unsigned int bounded, unsigned int unbounded)
{
	unsigned int count[2] = { 0, 0 };

	T_OP(engine_io_uring_register((unsigned int)fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 2), ==, 0);
	T_OP(count[0], ==, bounded);
	T_OP(count[1], ==, unbounded);
}

static void limits_of_other_task(void *arg)
{
	struct tr r;

	expect_limits(shared.fd, 0, 0); /* it has no pool */
	tr_open(&r, *(unsigned int *)arg, DEFAULT);
	expect_limits(r.fd, *(unsigned int *)arg < 8 ? *(unsigned int *)arg : 8, IO_NR_PROC);
	tr_max_workers(&r, 3, 0);
	tr_close(&r);
	tr_open(&r, 64, DEFAULT);
	expect_limits(r.fd, 3, IO_NR_PROC);
	tr_close(&r);
}

ENGINE_TEST(test_limits_are_fixed_by_the_first_ring, 20)
{
	tr_open(&shared, 1, DEFAULT);
	for (unsigned int entries = 1; entries <= 64; entries *= 4)
		in_other_task(limits_of_other_task, &entries);
	expect_limits(shared.fd, 1, IO_NR_PROC);
	tr_close(&shared);
}

static void joins_first(void *arg)
{
	tr_nop(&shared, 1, 0);
	T_OP(tr_submit(&shared), ==, 1);
	expect_limits(shared.fd, 5, 6);
}

static void joins_later(void *arg)
{
	struct tr r;

	tr_open(&r, 2, DEFAULT);
	tr_nop(&shared, 1, 0);
	T_OP(tr_submit(&shared), ==, 1);
	expect_limits(shared.fd, 2, IO_NR_PROC);
	tr_max_workers(&shared, 4, 0);
	expect_limits(r.fd, 4, 6); /* all that the ring keeps, not only what was given now */
	tr_max_workers(&r, 1, 1);
	expect_limits(shared.fd, 1, 1);
	expect_limits(r.fd, 4, 6); /* a ring that is only read through gives it again */
	tr_close(&r);
}

static void joins_not(void *arg)
{
	struct tr r;

	tr_open(&r, 2, DEFAULT);
	tr_max_workers(&shared, 5, 6);
	expect_limits(r.fd, 5, 6);
	tr_close(&r);
}

ENGINE_TEST(test_registered_limits_reach_the_ring_s_tasks, 20)
{
	unsigned int count[2] = { 5, 6 };

	tr_open(&shared, 8, DEFAULT);
	T_OP(engine_io_uring_register((unsigned int)shared.fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 1), ==,
	     -EINVAL);
	T_OP(engine_io_uring_register((unsigned int)shared.fd, IORING_REGISTER_IOWQ_MAX_WORKERS, NULL, 2), ==, -EINVAL);
	T_OP(engine_io_uring_register((unsigned int)shared.fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 2), ==, 0);
	T_OP(count[0], ==, 8u); /* what they were */
	T_OP(count[1], ==, (unsigned int)IO_NR_PROC);
	in_other_task(joins_first, NULL);
	in_other_task(joins_later, NULL);
	expect_limits(shared.fd, 4, 6); /* it uses the ring */
	in_other_task(joins_not, NULL);
	expect_limits(shared.fd, 5, 6);
	count[0] = INT32_MAX;
	count[1] = 7;
	T_OP(engine_io_uring_register((unsigned int)shared.fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 2), ==, 0);
	expect_limits(shared.fd, IO_NR_PROC, 7);
	count[0] = 1;
	count[1] = 1u << 31;
	T_OP(engine_io_uring_register((unsigned int)shared.fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 2), ==,
	     -EINVAL);
	expect_limits(shared.fd, IO_NR_PROC, 7);
	tr_close(&shared);
}

static int aff(int fd, const struct sched_cpus *cpus, unsigned int len)
{
	return engine_io_uring_register((unsigned int)fd, IORING_REGISTER_IOWQ_AFF, (void *)(uintptr_t)cpus, len);
}

static void aff_of_other_task(void *arg)
{
	T_OP(aff(shared.fd, arg, sizeof(struct sched_cpus)), ==, -EINVAL); /* it has no pool */
	T_OP(engine_io_uring_register((unsigned int)shared.fd, IORING_UNREGISTER_IOWQ_AFF, NULL, 0), ==, -EINVAL);
}

static void affinity(void)
{
	struct sched_cpus all, one, none = { { 0 } };
	unsigned int cpu;

	sched_all_cpus(&all);
	cpu = sched_cpus_end(&all) - 1;
	one = sched_only_cpu(cpu);
	none.bits[SCHED_CPUS / 64 - 1] = 1ull << 63;
	tr_open(&shared, 8, DEFAULT);
	in_other_task(aff_of_other_task, &all);
	T_OP(aff(shared.fd, &none, sizeof(none)), ==, 0); /* past the last there can be: not looked at */
	T_OP(aff(shared.fd, NULL, sizeof(none)), ==, -EINVAL);
	T_OP(aff(shared.fd, &one, 0), ==, -EINVAL);
	if (test_seed() & 1) { /* there is a pool already, or there is none yet */
		tr_nop(&shared, 1, A);
		T_OP(tr_submit(&shared), ==, 1);
		tr_want(&shared, 1);
	}
	T_OP(aff(shared.fd, &one, sizeof(one)), ==, 0);
	tr_nop(&shared, 2, A);
	T_OP(tr_submit(&shared), ==, 1);
	tr_want(&shared, 1 + (test_seed() & 1));
	if (!(test_seed() & 1))
		T_OP(a32_load(&worker_cpu), ==, cpu);
	T_OP(engine_io_uring_register((unsigned int)shared.fd, IORING_UNREGISTER_IOWQ_AFF, &one, 1), ==, -EINVAL);
	T_OP(engine_io_uring_register((unsigned int)shared.fd, IORING_UNREGISTER_IOWQ_AFF, NULL, 0), ==, 0);
	tr_close(&shared);
}

static void test_processors_of_workers_are_registered(void)
{
	traced(affinity, 30);
}

/* ---- no thread ---- */

ENGINE_TEST(test_requests_without_a_thread_end_cancelled, 60)
{
	uint64_t began = engine_now();
	struct tr r;

	tr_open(&r, 8, any_kind());
	sched_fail_spawns("iou-wrk", 4, -EAGAIN);
	tr_nop(&r, 1, A | L);
	tr_nop(&r, 2, 0);
	T_OP(tr_submit(&r), ==, 2);
	T_OP(r.nr, ==, 0u);
	tr_want(&r, 2);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 2, ==, -ECANCELED);
	T_OP(engine_now() - began, >=, 30 * MS);
	sched_fail_spawns("iou-wrk", 3, -EAGAIN);
	tr_nop(&r, 3, A);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 3);
	T_RES(&r, 3, ==, 0);
	tr_close(&r);
}

/* ---- exit ---- */

static void storm(void *arg)
{
	struct tr_pipe p;
	struct tr r;
	int file;

	tr_open(&r, 64, any_kind());
	tr_pipe(&p);
	file = tr_temp_file(64);
	if (test_seed() % 3 == 0)
		sched_fail_spawns("iou-wrk", 2, -EAGAIN);
	for (unsigned int i = 0; i < 60; i++) {
		unsigned int flags = A | (i % 7 == 0 ? L : 0);

		if (i % 4 == 0)
			tr_read(&r, i, flags, p.out, &bytes[i], 1);
		else if (i % 4 == 1)
			tr_write(&r, i, i % 8 == 1 ? 0 : flags, file, "x", 1);
		else
			tr_nop(&r, i, flags);
	}
	tr_submit(&r);
	if (test_seed() & 4)
		engine_relax();
	if (test_seed() & 8)
		user_sleep(5 * MS);
	if (test_seed() & 16)
		engine_process_exit();
	/* The pool is gone when this task is, the ring when the process is; the harness asserts that nothing is left. */
}

ENGINE_TEST(test_exit_in_a_storm_leaves_no_worker, 150)
{
	in_other_task(storm, NULL);
	sched_fail_spawns("", 0, 0);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_every_road_to_io_wq),
	CHECK_TEST(test_work_is_marked_as_the_kernel_does),
	CHECK_TEST(test_a_task_has_one_pool_for_all_its_rings),
	CHECK_TEST(test_idle_workers_go_with_the_last_ring),
	CHECK_TEST(test_limits_are_fixed_by_the_first_ring),
	CHECK_TEST(test_registered_limits_reach_the_ring_s_tasks),
	CHECK_TEST(test_processors_of_workers_are_registered),
	CHECK_TEST(test_requests_without_a_thread_end_cancelled),
	CHECK_TEST(test_exit_in_a_storm_leaves_no_worker),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
