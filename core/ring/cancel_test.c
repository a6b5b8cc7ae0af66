/* ASYNC_CANCEL and SYNC_CANCEL against a request in each of its states. */
#include <errno.h>
#include <sys/epoll.h>

#include "core/ring/test_ring.h"

static int cancel_now(struct tr *r, uint64_t ud, uint64_t target, unsigned int flags)
{
	tr_cancel(r, ud, 0, target, flags);
	T_OP(tr_submit(r), ==, 1);
	return tr_res(r, ud);
}

/* Not its head: nobody finds it. */
ENGINE_TEST(test_in_a_link, 60)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_read(&r, 1, L, p.out, &c, 1);
	tr_nop(&r, 2, 0);
	T_OP(tr_submit(&r), ==, 2);
	T_OP(cancel_now(&r, 3, 2, 0), ==, -ENOENT);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 3);
	T_RES(&r, 2, ==, 0);
	tr_close(&r);
}

ENGINE_TEST(test_pending_on_io_wq, 60)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, DEFAULT);
	block_bounded(&r, 2, &p, &c);
	tr_nop(&r, 3, A | L);
	tr_nop(&r, 4, 0);
	tr_nop(&r, 5, A | HL);
	tr_nop(&r, 6, 0);
	T_OP(tr_submit(&r), ==, 4);
	settle();
	tr_reap(&r);
	T_OP(r.nr, ==, 1u);
	T_OP(cancel_now(&r, 7, 3, 0), ==, 0);
	T_OP(cancel_now(&r, 8, 5, 0), ==, 0);
	tr_want(&r, 7);
	T_RES(&r, 3, ==, -ECANCELED);
	T_RES(&r, 4, ==, -ECANCELED);
	T_RES(&r, 5, ==, -ECANCELED);
	T_RES(&r, 6, ==, 0); /* the hard link goes on, in the task */
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 8);
	tr_close(&r);
}

ENGINE_TEST(test_running_interruptible, 60)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, DEFAULT);
	block_bounded(&r, 2, &p, &c);
	T_OP(cancel_now(&r, 3, 2, 0), ==, -EALREADY);
	tr_want(&r, 3);
	T_RES(&r, 2, ==, -EINTR);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	T_OP(engine_read(p.out, &c, 1, -1, true), ==, 1);
	tr_close(&r);
}

/* A write to a regular file ends as it would have, unless it had not begun. */
ENGINE_TEST(test_running_uninterruptible, 200)
{
	struct tr r;
	int res, fd;

	tr_open(&r, 8, any_kind());
	fd = tr_temp_file(0);
	tr_write(&r, 1, 0, fd, "abcd", 4);
	tr_cancel(&r, 2, 0, 1, 0);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	res = tr_res(&r, 2);
	if (res == 0)
		T_RES(&r, 1, ==, -ECANCELED);
	else if (res == -ENOENT)
		T_RES(&r, 1, ==, 4);
	else
		T(res == -EALREADY && (tr_res(&r, 1) == 4 || tr_res(&r, 1) == -ECANCELED));
	tr_close(&r);
}

ENGINE_TEST(test_poll_armed, 60)
{
	unsigned int async = test_seed() & 1 ? A : 0;
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_read(&r, 1, async, p.out, &c, 1);
	tr_poll(&r, 2, async, p.out, EPOLLIN);
	T_OP(tr_submit(&r), ==, 2);
	settle();
	T_OP(cancel_now(&r, 3, 1, 0), ==, 0);
	T_OP(cancel_now(&r, 4, 2, 0), ==, 0);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 2, ==, -ECANCELED);
	T_OP(tr_pos(&r, 3), <, tr_pos(&r, 1));
	tr_close(&r);
}

/* The worker that arms and the cancel meet: whatever the cancel says, the request ends. */
ENGINE_TEST(test_worker_arms_poll, 600)
{
	struct tr_pipe p;
	struct tr r;
	int res;
	char c;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	if (test_seed() & 4)
		tr_read(&r, 1, A, p.out, &c, 1);
	else
		tr_poll(&r, 1, A, p.out, EPOLLIN);
	tr_cancel(&r, 2, test_seed() & 8 ? A : 0, 1, 0);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	res = tr_res(&r, 2);
	T(res == 0 || res == -EALREADY);
	T_RES(&r, 1, ==, -ECANCELED);
	tr_close(&r);
}

ENGINE_TEST(test_worker_arms_timeout, 3000)
{
	struct tr r;
	int res;

	tr_open(&r, 8, any_kind());
	tr_timeout(&r, 1, A, NEVER_NS, 0);
	tr_cancel(&r, 2, test_seed() & 8 ? A : 0, 1, 0);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	res = tr_res(&r, 2);
	T(res == 0 || res == -EALREADY);
	T_RES(&r, 1, ==, -ECANCELED);
	tr_close(&r);
}

/* The request is woken, finds nothing and goes back to io-wq, while a cancel in a worker looks for it. Only if it was not
 * found may it stay. (So many schedules because the window is that small.) */
ENGINE_TEST(test_worker_arms_again, 100000)
{
	unsigned int all = test_seed() & 1 ? IORING_ASYNC_CANCEL_ALL : 0;
	struct tr_pipe p;
	struct tr r;
	int res;
	char c;

	tr_open(&r, 8, DEFAULT);
	tr_pipe(&p);
	tr_read(&r, 1, A, p.out, &c, 1);
	T_OP(tr_submit(&r), ==, 1);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_cancel(&r, 2, A, 1, all);
	T_OP(tr_submit(&r), ==, 1);
	engine_read(p.out, &c, 1, -1, true);
	settle();
	tr_reap(&r);
	res = tr_res(&r, 2);
	if (res == -ENOENT || (all && res == 0))
		T_OP(engine_close(p.in), ==, 0);
	tr_want(&r, 2);
	tr_close(&r);
}

ENGINE_TEST(test_timeout_armed, 60)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_timeout(&r, 1, L, NEVER_NS, 0);
	tr_nop(&r, 2, 0);
	T_OP(tr_submit(&r), ==, 2);
	T_OP(cancel_now(&r, 3, 1, 0), ==, 0);
	tr_want(&r, 3);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 2, ==, -ECANCELED);
	tr_close(&r);
}

/* Woken, its task work queued: cancelled all the same, even twice, and the data stays. Then one that is past that. */
ENGINE_TEST(test_poll_woken, 60)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 16, DEFER);
	tr_pipe(&p);
	tr_read(&r, 1, 0, p.out, &c, 1);
	T_OP(tr_submit(&r), ==, 1);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	T_OP(cancel_now(&r, 2, 1, 0), ==, 0);
	T_OP(cancel_now(&r, 3, 1, 0), ==, 0);
	tr_want(&r, 3);
	T_RES(&r, 1, ==, -ECANCELED);
	T_OP(engine_read(p.out, &c, 1, -1, true), ==, 1);
	tr_close(&r);
}

/* Completed, its task work queued; queued to be submitted; done and not reaped. */
ENGINE_TEST(test_between, 60)
{
	struct tr r;

	tr_open(&r, 16, DEFER);
	tr_sqe(&r, IORING_OP_NOP, 1, 0)->rw_flags = AU_NOP_TW;
	tr_nop(&r, 2, L);
	tr_nop(&r, 3, 0);
	T_OP(tr_submit(&r), ==, 3);
	T_RES(&r, 1, ==, NO_CQE);
	T_RES(&r, 2, ==, 0);
	T_OP(cancel_now(&r, 4, 1, 0), ==, -ENOENT);
	T_OP(cancel_now(&r, 5, 2, 0), ==, -ENOENT);
	T_OP(cancel_now(&r, 6, 3, 0), ==, -ENOENT);
	tr_want(&r, 6);
	for (unsigned int i = 1; i <= 3; i++)
		T_RES(&r, i, ==, 0);
	tr_close(&r);
}

/* How many passes found something; what was found is found once. */
ENGINE_TEST(test_all, 60)
{
	struct tr_pipe p;
	char buf[8];
	struct tr r;

	tr_open(&r, 16, any_kind());
	tr_pipe(&p);
	for (int i = 0; i < 3; i++)
		tr_read(&r, 1, 0, p.out, &buf[i], 1);
	tr_timeout(&r, 1, 0, NEVER_NS, 0);
	tr_poll(&r, 2, 0, p.out, EPOLLIN);
	T_OP(tr_submit(&r), ==, 5);
	T_OP(cancel_now(&r, 3, 1, IORING_ASYNC_CANCEL_ALL), ==, 4);
	tr_want(&r, 5);
	T_OP(tr_count(&r, 1), ==, 4u);
	T_OP(cancel_now(&r, 4, 1, IORING_ASYNC_CANCEL_ALL), ==, 0);
	T_OP(cancel_now(&r, 5, 0, IORING_ASYNC_CANCEL_ANY), ==, 1);
	tr_want(&r, 8);
	T_RES(&r, 2, ==, -ECANCELED);
	tr_close(&r);
}

/* Three pending, one running, two armed: the pass over io-wq finds a running one and is not counted. */
ENGINE_TEST(test_any_with_running, 60)
{
	struct tr_pipe p, q;
	struct tr r;
	char c, d;

	tr_open(&r, 16, DEFAULT);
	block_bounded(&r, 2, &p, &c);
	tr_pipe(&q);
	for (uint64_t ud = 3; ud <= 5; ud++)
		tr_nop(&r, ud, A);
	tr_poll(&r, 6, 0, q.out, EPOLLIN);
	tr_read(&r, 7, 0, q.out, &d, 1);
	T_OP(tr_submit(&r), ==, 5);
	T_OP(cancel_now(&r, 8, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL), ==, 2);
	tr_want(&r, 8);
	T_RES(&r, 2, ==, -EINTR);
	for (uint64_t ud = 3; ud <= 7; ud++)
		T_RES(&r, ud, ==, -ECANCELED);
	tr_close(&r);
}

ENGINE_TEST(test_by_file_and_op, 60)
{
	struct tr_pipe p, q;
	struct tr r;
	char c;

	tr_open(&r, 16, any_kind());
	tr_pipe(&p);
	tr_pipe(&q);
	tr_read(&r, 1, 0, p.out, &c, 1);
	tr_poll(&r, 2, 0, q.out, EPOLLIN);
	tr_poll(&r, 3, 0, p.out, EPOLLIN);
	T_OP(tr_submit(&r), ==, 3);
	tr_cancel(&r, 4, 0, 0, IORING_ASYNC_CANCEL_FD);
	r.sqes[3].fd = q.out;
	tr_cancel(&r, 5, 0, 0, AU_ASYNC_CANCEL_OP);
	r.sqes[4].len = IORING_OP_READ;
	tr_cancel(&r, 6, 0, 2, IORING_ASYNC_CANCEL_FD | AU_ASYNC_CANCEL_USERDATA);
	r.sqes[5].fd = p.out;
	tr_cancel(&r, 7, 0, 3, IORING_ASYNC_CANCEL_FD);
	r.sqes[6].fd = 999;
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 6);
	T_RES(&r, 4, ==, 0);
	T_RES(&r, 2, ==, -ECANCELED);
	T_RES(&r, 5, ==, 0);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 6, ==, -ENOENT);
	T_RES(&r, 7, ==, -EBADF);
	T_OP(cancel_now(&r, 8, 3, 0), ==, 0);
	tr_want(&r, 8);
	tr_close(&r);
}

ENGINE_TEST(test_cancel_prep, 1)
{
	struct tr r;

	tr_open(&r, 8, IORING_SETUP_SUBMIT_ALL);
	tr_cancel(&r, 1, 0, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_FD);
	tr_cancel(&r, 2, 0, 0, IORING_ASYNC_CANCEL_ANY | AU_ASYNC_CANCEL_OP);
	tr_cancel(&r, 3, 0, 0, 1u << 20);
	tr_cancel(&r, 4, 0, 0, AU_ASYNC_CANCEL_OP);
	r.sqes[3].len = 255;
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 4);
	for (uint64_t ud = 1; ud <= 4; ud++)
		T_RES(&r, ud, ==, -EINVAL);
	tr_close(&r);
}

/* A request that has not been issued has no file yet: not found by file, found by name. */
ENGINE_TEST(test_pending_has_no_file, 60)
{
	struct tr_pipe p;
	char c, d[4];
	struct tr r;
	int fd;

	tr_open(&r, 8, DEFAULT);
	block_bounded(&r, 2, &p, &c);
	tr_pipe(&p);
	fd = engine_eventfd(0, 0);
	tr_nop(&r, 3, A | L);
	tr_read(&r, 4, A, fd, d, 4);
	T_OP(tr_submit(&r), ==, 2);
	tr_cancel(&r, 5, 0, 0, IORING_ASYNC_CANCEL_FD);
	r.sqes[4].fd = fd;
	T_OP(tr_submit(&r), ==, 1);
	T_RES(&r, 5, ==, -ENOENT);
	T_OP(cancel_now(&r, 6, 3, 0), ==, 0);
	T_OP(cancel_now(&r, 7, 2, 0), ==, -EALREADY);
	tr_want(&r, 7);
	T_RES(&r, 4, ==, -ECANCELED);
	tr_close(&r);
}

ENGINE_TEST(test_not_itself, 30)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_cancel(&r, 1, A, 1, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 1);
	T_RES(&r, 1, ==, -ENOENT);
	tr_close(&r);
}

/* It waits until what it has signalled is gone. */
ENGINE_TEST(test_sync_cancel, 60)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, DEFAULT);
	block_bounded(&r, 2, &p, &c);
	T_OP(tr_sync_cancel(&r, 2, 0, 1000 * MS), ==, 0);
	tr_want(&r, 2);
	T_RES(&r, 2, ==, -EINTR);
	T_OP(tr_sync_cancel(&r, 2, 0, 1000 * MS), ==, -ENOENT);
	tr_timeout(&r, 3, 0, NEVER_NS, 0);
	tr_timeout(&r, 4, 0, NEVER_NS, 0);
	T_OP(tr_submit(&r), ==, 2);
	T_OP(tr_sync_cancel(&r, 0, IORING_ASYNC_CANCEL_ANY, 1000 * MS), ==, 2);
	tr_want(&r, 4);
	T_OP(tr_sync_cancel(&r, 0, 1u << 20, 0), ==, -EINVAL);
	tr_close(&r);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_in_a_link),
	CHECK_TEST(test_pending_on_io_wq),
	CHECK_TEST(test_running_interruptible),
	CHECK_TEST(test_running_uninterruptible),
	CHECK_TEST(test_poll_armed),
	CHECK_TEST(test_worker_arms_poll),
	CHECK_TEST(test_worker_arms_timeout),
	CHECK_TEST(test_worker_arms_again),
	CHECK_TEST(test_timeout_armed),
	CHECK_TEST(test_poll_woken),
	CHECK_TEST(test_between),
	CHECK_TEST(test_all),
	CHECK_TEST(test_any_with_running),
	CHECK_TEST(test_by_file_and_op),
	CHECK_TEST(test_cancel_prep),
	CHECK_TEST(test_pending_has_no_file),
	CHECK_TEST(test_not_itself),
	CHECK_TEST(test_sync_cancel),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
