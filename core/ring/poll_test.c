/* Polls, and reads and writes that wait by poll, by a worker, or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "core/ring/test_ring.h"

ENGINE_TEST(test_poll_add, 60)
{
	struct tr_pipe p;
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_poll(&r, 1, 0, p.in, EPOLLOUT);
	tr_poll(&r, 2, test_seed() & 4 ? A : 0, p.out, EPOLLIN);
	tr_poll(&r, 3, 0, tr_temp_file(1), EPOLLIN); /* has no poll: always ready */
	tr_poll(&r, 4, 0, 999, EPOLLIN);
	T_OP(tr_submit(&r), ==, 4);
	T_RES(&r, 1, ==, EPOLLOUT);
	T_RES(&r, 3, ==, EPOLLIN);
	T_RES(&r, 4, ==, -EBADF);
	settle();
	tr_enter(&r, 0);
	T_OP(r.nr, ==, 3u);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 4);
	T_RES(&r, 2, ==, EPOLLIN);
	/* HUP needs no asking for. */
	tr_poll(&r, 5, 0, p.out, EPOLLPRI);
	T_OP(tr_submit(&r), ==, 1);
	T_OP(engine_close(p.in), ==, 0);
	tr_want(&r, 5);
	T_RES(&r, 5, ==, EPOLLHUP);
	tr_close(&r);
}

/* Who came last is woken first. */
ENGINE_TEST(test_wake_order, 60)
{
	struct tr_pipe p;
	char buf[4][4];
	struct tr r;

	tr_open(&r, 8, DEFER);
	tr_pipe(&p);
	for (unsigned int i = 0; i < 4; i++)
		tr_read(&r, i, 0, p.out, buf[i], 4);
	T_OP(tr_submit(&r), ==, 4);
	T_OP(engine_write(p.in, "abcdefgh", 8, -1, true), ==, 8);
	tr_want(&r, 2);
	T_OP(tr_pos(&r, 3), ==, 0);
	T_OP(tr_pos(&r, 2), ==, 1);
	T_OP(memcmp(buf[3], "abcd", 4), ==, 0);
	/* The others were woken for nothing and are armed anew: in that order. */
	T_OP(engine_write(p.in, "ijkl", 4, -1, true), ==, 4);
	tr_want(&r, 3);
	T_OP(tr_pos(&r, 0), ==, 2);
	T_OP(engine_close(p.in), ==, 0);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, 0);
	tr_close(&r);
}

ENGINE_TEST(test_poll_remove, 60)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, DEFER);
	tr_pipe(&p);
	tr_poll(&r, 1, L, p.out, EPOLLIN);
	tr_nop(&r, 2, 0);
	tr_read(&r, 3, 0, p.out, &c, 1);
	tr_sqe(&r, IORING_OP_POLL_REMOVE, 4, 0)->addr = 1;
	tr_sqe(&r, IORING_OP_POLL_REMOVE, 5, 0)->addr = 3; /* not by POLL_ADD */
	T_OP(tr_submit(&r), ==, 5);
	tr_want(&r, 4);
	T_RES(&r, 4, ==, 0);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 2, ==, -ECANCELED);
	T_RES(&r, 5, ==, -ENOENT);
	/* Woken already. */
	tr_poll(&r, 6, 0, p.out, EPOLLIN);
	T_OP(tr_submit(&r), ==, 1);
	T_OP(engine_write(p.in, "xy", 2, -1, true), ==, 2);
	tr_sqe(&r, IORING_OP_POLL_REMOVE, 7, 0)->addr = 6;
	T_OP(tr_submit(&r), ==, 1);
	T_RES(&r, 7, ==, -EALREADY);
	tr_want(&r, 7);
	T_RES(&r, 6, ==, EPOLLIN);
	tr_close(&r);
}

/* An empty pipe is waited for, O_NONBLOCK or not; only RWF_NOWAIT is not. */
ENGINE_TEST(test_read_waits, 60)
{
	char c[4], d;
	struct tr r;
	int fds[2];

	tr_open(&r, 8, any_kind());
	T_OP(engine_pipe(fds, 0, test_seed() & 4 ? O_NONBLOCK : 0), ==, 0);
	tr_read(&r, 1, test_seed() & 8 ? A : 0, fds[0], c, 4);
	tr_read(&r, 2, 0, fds[0], &d, 1);
	r.sqes[1].rw_flags = RWF_NOWAIT;
	tr_read(&r, 3, 0, fds[1], &d, 1);
	tr_write(&r, 4, 0, fds[0], &d, 1);
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 3);
	T_RES(&r, 2, ==, -EAGAIN);
	T_RES(&r, 3, ==, -EBADF);
	T_RES(&r, 4, ==, -EBADF);
	T_OP(engine_write(fds[1], "data", 4, -1, true), ==, 4);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, 4);
	T_OP(memcmp(c, "data", 4), ==, 0);
	tr_close(&r);
}

ENGINE_TEST(test_full_pipe_and_epipe, 60)
{
	static char big[100000];
	struct tr_pipe p;
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_write(&r, 1, L, p.in, big, sizeof(big));
	tr_nop(&r, 2, 0);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	T_RES(&r, 1, ==, 65536); /* what fits, at once; short, so the chain is severed */
	T_RES(&r, 2, ==, -ECANCELED);
	tr_write(&r, 3, 0, p.in, big, 8);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	tr_enter(&r, 0);
	T_RES(&r, 3, ==, NO_CQE);
	T_OP(engine_read(p.out, big, 8192, -1, true), ==, 8192);
	tr_want(&r, 3);
	T_RES(&r, 3, ==, 8);
	T_OP(engine_close(p.out), ==, 0);
	tr_write(&r, 4, 0, p.in, big, 8);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 4);
	T_RES(&r, 4, ==, -EPIPE);
	tr_close(&r);
}

/* A blocking eventfd calls itself ready but takes no write that may not sleep: task work goes round, then a worker. */
ENGINE_TEST(test_eventfd_write, 40)
{
	uint64_t one = 1, seen = 0;
	struct tr r;
	int fd;

	tr_open(&r, 8, any_kind());
	fd = engine_eventfd(0, 0);
	tr_write(&r, 1, 0, fd, &one, 8);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 1);
	T_RES(&r, 1, ==, 8);
	T_OP(engine_read(fd, &seen, 8, -1, true), ==, 8);
	T_OP(seen, ==, one);
	tr_write(&r, 2, 0, fd, &one, 8);
	r.sqes[1].rw_flags = RWF_NOWAIT;
	tr_read(&r, 3, 0, fd, &seen, 4);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 3);
	T_RES(&r, 2, ==, -EAGAIN);
	T_RES(&r, 3, ==, -EINVAL);
	tr_close(&r);
}

/* Buffered writes are hashed: completed in the order of submission, the later one wins. */
ENGINE_TEST(test_hashed_writes, 100)
{
	char buf[10], out = 0;
	struct tr r;
	int fd;

	tr_open(&r, 16, any_kind());
	fd = tr_temp_file(0);
	for (unsigned int i = 0; i < 10; i++) {
		buf[i] = (char)('a' + i);
		tr_write(&r, i, 0, fd, &buf[i], 1);
		r.sqes[i].off = 0;
	}
	T_OP(tr_submit(&r), ==, 10);
	tr_want(&r, 10);
	for (unsigned int i = 0; i < 10; i++)
		T_OP(tr_pos(&r, i), ==, (int)i);
	tr_read(&r, 20, 0, fd, &out, 1);
	r.sqes[10].off = 0;
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 11);
	T_OP((int)out, ==, 'j');
	tr_close(&r);
}

/* The number is looked up when the request is issued. */
ENGINE_TEST(test_late_lookup, 60)
{
	struct tr_pipe p, q;
	char c, d;
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_pipe(&q);
	tr_read(&r, 1, L, p.out, &c, 1);
	tr_read(&r, 2, L, q.out, &d, 1);
	tr_nop(&r, 3, 0);
	T_OP(tr_submit(&r), ==, 3);
	T_OP(engine_close(q.out), ==, 0);
	T_OP(engine_close(p.out), ==, 0); /* the armed one has its file */
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 3);
	T_RES(&r, 1, ==, 1);
	T_RES(&r, 2, ==, -EBADF);
	T_RES(&r, 3, ==, -ECANCELED);
	tr_close(&r);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_poll_add),	CHECK_TEST(test_wake_order),	      CHECK_TEST(test_poll_remove),
	CHECK_TEST(test_read_waits),	CHECK_TEST(test_full_pipe_and_epipe), CHECK_TEST(test_eventfd_write),
	CHECK_TEST(test_hashed_writes), CHECK_TEST(test_late_lookup),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
