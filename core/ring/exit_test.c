/* What becomes of requests when their task, their process or their ring goes away. */
#include <errno.h>
#include <sys/epoll.h>

#include "core/ring/test_ring.h"

static struct tr shared;
static struct tr_pipe pipes[3];
static char bytes[8];

/* Does anybody hold the read end? */
static bool reader_gone(int fd)
{
	return engine_poll(fd, 0) & EPOLLERR;
}

static void want_reader_gone(int fd)
{
	for (int i = 0; i < 100 && !reader_gone(fd); i++)
		settle();
	T(reader_gone(fd));
}

/* The ring's last reference goes with requests in each state: nothing is left holding the pipes. */
ENGINE_TEST(test_close_with_requests, 150)
{
	struct tr keep, r;

	tr_open(&keep, 1, DEFAULT);
	tr_open(&r, 16, any_kind());
	for (int i = 0; i < 3; i++)
		tr_pipe(&pipes[i]);
	tr_read(&r, 1, L, pipes[0].out, &bytes[0], 1);
	tr_lt(&r, 2, L, NEVER_NS);
	tr_nop(&r, 3, 0);
	tr_read(&r, 4, A, pipes[0].out, &bytes[1], 1);
	tr_nop(&r, 5, A | L);
	tr_read(&r, 6, 0, pipes[1].out, &bytes[2], 1);
	tr_timeout(&r, 7, 0, NEVER_NS, 3);
	tr_poll(&r, 8, 0, pipes[2].out, EPOLLIN);
	tr_nop(&r, 9, DR);
	tr_nop(&r, 10, 0);
	T_OP(tr_submit(&r), ==, 10);
	if (test_seed() & 4)
		settle();
	for (int i = 0; i < 3; i++)
		T_OP(engine_close(pipes[i].out), ==, 0);
	if (test_seed() & 8)
		T_OP(engine_write(pipes[2].in, "x", 1, -1, true), <=, 1);
	tr_close(&r);
	for (int i = 0; i < 3; i++)
		want_reader_gone(pipes[i].in);
	tr_close(&keep);
}

/* A closed descriptor ends nothing while the rings are mapped. */
ENGINE_TEST(test_mapping_holds_the_ring, 30)
{
	struct tr keep, r;

	tr_open(&keep, 1, DEFAULT);
	tr_open(&r, 8, any_kind());
	tr_pipe(&pipes[0]);
	tr_read(&r, 1, 0, pipes[0].out, &bytes[0], 1);
	T_OP(tr_submit(&r), ==, 1);
	T_OP(engine_close(pipes[0].out), ==, 0);
	T_OP(engine_close(r.fd), ==, 0);
	T_OP(engine_munmap(r.sqes, 0), ==, 0);
	settle();
	T(!reader_gone(pipes[0].in));
	T_OP(engine_munmap(r.mem, 0), ==, 0);
	T_OP(engine_munmap(r.mem, 0), ==, -EINVAL);
	want_reader_gone(pipes[0].in);
	tr_close(&keep);
}

/* ---- the exit of one task ---- */

static void dying_task(void *arg)
{
	struct tr *r = &shared;

	(void)arg;
	tr_max_workers(r, 1, 0);
	tr_read(r, 1, L, pipes[0].out, &bytes[0], 1); /* armed */
	tr_nop(r, 2, 0);
	tr_timeout(r, 3, 0, 300 * MS, 0);
	tr_nop(r, 4, A | L);
	tr_read(r, 5, 0, pipes[1].out, &bytes[1], 1); /* running in a worker */
	T_OP(tr_submit(r), ==, 5);
	tr_want(r, 1);
	settle();
	tr_nop(r, 6, A); /* pending behind it */
	T_OP(tr_submit(r), ==, 1);
	tr_poll(r, 7, 0, r->fd, EPOLLPRI); /* holds the ring itself */
	T_OP(tr_submit(r), ==, 1);
}

/* Its io-wq goes with it, and what holds the ring; polls and timers stay, and the kworker ends them. */
ENGINE_TEST(test_task_exit, 60)
{
	struct engine_task *t;
	struct tr keep;

	tr_open(&keep, 1, DEFAULT);
	tr_open(&shared, 8, DEFAULT);
	for (int i = 0; i < 2; i++)
		tr_pipe(&pipes[i]);
	T_OP(engine_task_spawn(&t, test_process(), "dying", dying_task, NULL), ==, 0);
	engine_task_join(t);
	tr_want(&shared, 4);
	T_RES(&shared, 4, ==, 0);
	T_RES(&shared, 5, ==, -EINTR);
	T(tr_res(&shared, 6) == -ECANCELED || tr_res(&shared, 6) == 0);
	T_RES(&shared, 7, ==, -ECANCELED);
	tr_want(&shared, 5);
	T_RES(&shared, 3, ==, -ETIME);
	T_OP(engine_write(pipes[0].in, "x", 1, -1, true), ==, 1);
	tr_want(&shared, 7);
	T_RES(&shared, 1, ==, -ECANCELED);
	T_RES(&shared, 2, ==, -ECANCELED);
	T_OP(engine_read(pipes[0].out, bytes, 1, -1, true), ==, 1); /* not consumed */
	tr_close(&shared);
	tr_close(&keep);
}

static void idle_submitter(void *arg)
{
	(void)arg;
	tr_nop(&shared, 1, L | A);
	tr_nop(&shared, 2, 0);
	T_OP(engine_io_uring_enter((unsigned int)shared.fd, 2, 0, 0, NULL, 0), ==, 2);
	shared.filled = 0;
}

/* A request in io-wq when its task goes: run or cancelled, and its follower after it, but ended. */
ENGINE_TEST(test_task_exit_races_with_io_wq, 200)
{
	struct engine_task *t;

	tr_open(&shared, 8, DEFAULT);
	T_OP(engine_task_spawn(&t, test_process(), "idle", idle_submitter, NULL), ==, 0);
	engine_task_join(t);
	tr_want(&shared, 2);
	if (tr_res(&shared, 1) == 0)
		T(tr_res(&shared, 2) == 0 || tr_res(&shared, 2) == -ECANCELED || tr_res(&shared, 2) == -EFAULT);
	else
		T(tr_res(&shared, 1) == -ECANCELED && tr_res(&shared, 2) == -ECANCELED);
	tr_close(&shared);
}

/* ---- the exit of a process ---- */

static struct engine_process *child;
static uint32_t never, opened;
static int blocked_ret[3];

static void child_waits(void *arg)
{
	int which = *(int *)arg;
	struct tr r;

	switch (which) {
	case 0:
		tr_open(&r, 8, any_kind());
		tr_read(&r, 1, 0, pipes[0].out, bytes, 1);
		tr_read(&r, 2, A, pipes[0].out, bytes, 1);
		tr_timeout(&r, 3, 0, NEVER_NS, 0);
		T_OP(tr_submit(&r), ==, 3);
		shm_store32(&opened, 1);
		engine_wake_word(&opened);
		blocked_ret[0] = tr_wait_ns(&r, 1, NEVER_NS);
		T_OP(engine_io_uring_enter((unsigned int)r.fd, 0, 0, 0, NULL, 0), ==, -ESRCH);
		break;
	case 1:
		blocked_ret[1] = engine_wait_word(&never, 0);
		break;
	case 2:
		blocked_ret[2] = (int)engine_read(pipes[1].out, bytes, 1, -1, false);
		T(engine_process_exiting());
		T_OP(engine_close(3), ==, -ESRCH);
		break;
	case 3:
		while (!shm_load32(&opened))
			engine_wait_word(&opened, 0);
		if (test_seed() & 4)
			settle();
		engine_process_exit();
		break;
	}
}

/* Every sleep of the process ends; its descriptors and its rings' requests are gone when it can be freed. */
ENGINE_TEST(test_process_exit, 100)
{
	struct engine_task *t[4];
	int which[4];
	struct tr keep;

	tr_open(&keep, 1, DEFAULT);
	for (int i = 0; i < 2; i++)
		tr_pipe(&pipes[i]);
	opened = 0;
	T_OP(engine_process_new(&child, test_process()), ==, 0);
	for (int i = 0; i < 4; i++) {
		blocked_ret[i % 3] = 1;
		which[i] = i;
	}
	for (int i = 0; i < 4; i++)
		T_OP(engine_task_spawn(&t[i], child, "child", child_waits, &which[i]), ==, 0);
	for (int i = 0; i < 4; i++)
		engine_task_join(t[i]);
	engine_process_free(child);
	if (test_seed() & 4)
		T_OP(blocked_ret[0], ==, -EINTR);
	T(blocked_ret[0] == -EINTR || blocked_ret[0] == -ESRCH);
	for (int i = 1; i < 3; i++)
		T(blocked_ret[i] == -EINTR || blocked_ret[i] == -ESRCH);
	for (int i = 0; i < 2; i++) {
		T_OP(engine_close(pipes[i].out), ==, 0);
		T(reader_gone(pipes[i].in));
	}
	tr_close(&keep);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_close_with_requests), CHECK_TEST(test_mapping_holds_the_ring),
	CHECK_TEST(test_task_exit),	      CHECK_TEST(test_task_exit_races_with_io_wq),
	CHECK_TEST(test_process_exit),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
