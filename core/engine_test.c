/* The engine's outer face: processes, words, direct calls, and the end of a run that got stuck. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/ensure.h"
#include "core/ring/test_ring.h"

static uint32_t word;
static struct tr_pipe pp;
static char got[16];
static int order;

static void waiter(void *arg)
{
	(void)arg;
	while (shm_load32(&word) == 0) {
		int ret = engine_wait_word(&word, 0);

		T(ret == 0 || ret == -EAGAIN);
	}
	T_OP(engine_wait_word(&word, 0), ==, -EAGAIN);
}

ENGINE_TEST(test_words, 100)
{
	struct engine_task *t[3];

	shm_store32(&word, 0);
	for (int i = 0; i < 3; i++)
		T_OP(engine_task_spawn(&t[i], test_process(), "waiter", waiter, NULL), ==, 0);
	if (test_seed() & 1)
		engine_relax();
	shm_store32(&word, 1);
	engine_wake_word(&word);
	for (int i = 0; i < 3; i++)
		engine_task_join(t[i]);
}

static void reader(void *arg)
{
	(void)arg;
	T_OP(engine_read(pp.out, got, 8, -1, false), ==, 5);
	order++;
}

/* A sleeping read is interrupted by task work of the task's ring, runs it, and goes on sleeping. */
static void reading_submitter(void *arg)
{
	struct tr r;
	char c;

	(void)arg;
	tr_open(&r, 8, test_seed() & 1 ? COOP : DEFAULT);
	tr_timeout(&r, 1, 0, 100000, 0);
	tr_poll(&r, 2, 0, pp.in, EPOLLPRI);
	T_OP(tr_submit(&r), ==, 2);
	T_OP(engine_read(pp.out, &c, 1, -1, false), ==, 1);
	tr_reap(&r);
	T_RES(&r, 1, ==, -ETIME);
	tr_close(&r);
}

ENGINE_TEST(test_direct_calls, 60)
{
	struct engine_task *t;
	struct tr keep;

	tr_open(&keep, 1, DEFAULT);
	tr_pipe(&pp);
	T_OP(engine_read(pp.out, got, 8, -1, true), ==, (ssize_t)-EAGAIN);
	T_OP(engine_read(pp.in, got, 8, -1, true), ==, (ssize_t)-EBADF);
	T_OP(engine_poll(pp.out, EPOLLIN), ==, 0);
	T_OP(engine_task_spawn(&t, test_process(), "reader", reader, NULL), ==, 0);
	T_OP(engine_write(pp.in, "hello", 5, -1, false), ==, 5);
	engine_task_join(t);
	T_OP(memcmp(got, "hello", 5), ==, 0);
	T_OP(engine_task_spawn(&t, test_process(), "submitter", reading_submitter, NULL), ==, 0);
	settle();
	T_OP(engine_write(pp.in, "x", 1, -1, true), ==, 1);
	engine_task_join(t);
	T_OP(engine_close(pp.in), ==, 0);
	T_OP(engine_close(pp.in), ==, -EBADF);
	T_OP(engine_read(pp.out, got, 8, -1, false), ==, 0);
	tr_close(&keep);
}

ENGINE_TEST(test_mmap, 1)
{
	struct io_uring_params p = { 0 };
	int fd = engine_io_uring_setup(4, &p);
	size_t len = p.sq_off.array + 4 * sizeof(uint32_t);
	void *a, *b;

	T_OP(fd, >=, 3);
	T(!engine_mmap(fd, 1 << 20, IORING_OFF_SQ_RING));
	T(!engine_mmap(fd, len, 0x1000));
	T(!engine_mmap(999, len, IORING_OFF_SQ_RING));
	a = engine_mmap(fd, len, IORING_OFF_SQ_RING);
	b = engine_mmap(fd, len, IORING_OFF_CQ_RING);
	T(a && a == b);
	T_OP(*(uint32_t *)(void *)((char *)a + p.sq_off.ring_entries), ==, 4u);
	T_OP(*(uint32_t *)(void *)((char *)a + p.cq_off.ring_entries), ==, 8u);
	T_OP(engine_munmap(a, len), ==, 0);
	T_OP(engine_munmap(b, len), ==, 0);
	T_OP(engine_close(fd), ==, 0);
}

static void child_task(void *arg)
{
	(void)arg;
	T_OP(engine_write(pp.in, "c", 1, -1, true), ==, 1);
	T_OP(engine_close(pp.in), ==, 0);
}

/* A child has copies of the descriptors, but not of rings; what it closes stays open here. */
ENGINE_TEST(test_child_process, 60)
{
	struct engine_process *child;
	struct engine_task *t;
	struct tr r;

	tr_pipe(&pp);
	tr_open(&r, 8, DEFAULT);
	T_OP(engine_process_new(&child, test_process()), ==, 0);
	T_OP(engine_task_spawn(&t, child, "child", child_task, NULL), ==, 0);
	engine_task_join(t);
	T_OP(engine_task_spawn(&t, child, "late", child_task, NULL), ==, -ESRCH);
	engine_process_free(child);
	T_OP(engine_read(pp.out, got, 8, -1, true), ==, 1);
	T_OP(engine_read(pp.out, got, 8, -1, true), ==, (ssize_t)-EAGAIN);
	tr_close(&r);
}

/* ---- a run that gets stuck ---- */

static void stuck_task(void *arg)
{
	struct tr r;

	(void)arg;
	tr_open(&r, 8, DEFAULT);
	tr_pipe(&pp);
	tr_nop(&r, 1, A | L);
	tr_read(&r, 2, 0, pp.out, got, 1);
	tr_poll(&r, 3, 0, pp.out, EPOLLIN);
	tr_submit(&r);
	engine_io_uring_enter((unsigned int)r.fd, 0, 8, IORING_ENTER_GETEVENTS, NULL, 0);
}

static void stuck_main(void *arg)
{
	struct engine_process *p;
	struct engine_task *t;

	ENSURE_OP(engine_process_new(&p, NULL), ==, 0);
	if (!arg) {
		engine_process_free(p);
		return;
	}
	ENSURE_OP(engine_task_spawn(&t, p, "stuck", stuck_task, NULL), ==, 0);
	engine_task_join(t);
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Only a simulation can tell that a run is stuck; there it does, and nothing of the run is left. */
static void test_stuck_run(void)
{
	int before = 0;

	for (uint64_t seed = 0; seed < 50; seed++) {
		struct sched_config cfg = { .strategy = SCHED_WALK, .seed = seed };
		struct sched_result res;

		engine_run(&cfg, stuck_main, NULL, &res);
		CHECK_OP((int)res.end, ==, (int)SCHED_DONE);
		if (!res.points) {
			check_skip("real threads");
			return;
		}
		engine_run(&cfg, stuck_main, &cfg, &res);
		CHECK_OP((int)res.end, ==, (int)SCHED_QUIESCENT);
		CHECK(strstr(res.stuck, "iou-wrk-stuck") != NULL);
		if (seed == 0)
			before = open_descriptors();
		CHECK_OP(open_descriptors(), ==, before);
	}
}

static const struct check_test tests[] = {
	CHECK_TEST(test_words),		CHECK_TEST(test_direct_calls), CHECK_TEST(test_mmap),
	CHECK_TEST(test_child_process), CHECK_TEST(test_stuck_run),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
