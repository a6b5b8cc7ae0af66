/* SPLICE and TEE: they sleep in an unbounded worker, for bytes and for room. */
#include <errno.h>
#include <string.h>

#include "core/ring/test_ring.h"

static void tr_move(struct tr *r, uint8_t op, uint64_t ud, unsigned int flags, int in, int out, unsigned int len)
{
	struct io_uring_sqe *sqe = tr_sqe(r, op, ud, flags);
	uint64_t none = op == IORING_OP_SPLICE ? (uint64_t)-1 : 0;

	sqe->fd = out;
	sqe->off = none;
	sqe->splice_off_in = none;
	sqe->splice_fd_in = in;
	sqe->len = len;
}

ENGINE_TEST(test_splice_waits_for_bytes, 60)
{
	struct tr_pipe p, q;
	struct tr r;
	char buf[8];

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_pipe(&q);
	tr_move(&r, IORING_OP_SPLICE, 1, L, p.out, q.in, 8);
	tr_nop(&r, 2, 0);
	T_OP(tr_submit(&r), ==, 2);
	if (test_seed() & 1)
		settle();
	T_OP(engine_write(p.in, "abc", 3, -1, false), ==, 3);
	tr_want(&r, 2);
	T_RES(&r, 1, ==, 3);
	T_RES(&r, 2, ==, -ECANCELED);
	T_OP(engine_read(q.out, buf, 8, -1, true), ==, 3);
	T_OP(memcmp(buf, "abc", 3), ==, 0);
	T_OP(engine_read(p.out, buf, 8, -1, true), ==, (ssize_t)-EAGAIN);
	tr_close(&r);
}

/* Woken for room by a direct read, and by the end of the last reader. */
ENGINE_TEST(test_splice_waits_for_room, 60)
{
	static char page[65536];
	struct tr_pipe p, q;
	struct tr r;
	bool closes = test_seed() & 1;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_pipe(&q);
	T_OP(engine_write(q.in, page, sizeof(page), -1, true), ==, (ssize_t)sizeof(page));
	T_OP(engine_write(p.in, "ab", 2, -1, true), ==, 2);
	tr_move(&r, IORING_OP_SPLICE, 1, 0, p.out, q.in, 2);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	T_OP(tr_res(&r, 1), ==, NO_CQE);
	if (closes)
		T_OP(engine_close(q.out), ==, 0);
	else
		T_OP(engine_read(q.out, page, sizeof(page), -1, true), >, 0);
	tr_want(&r, 1);
	T_RES(&r, 1, ==, closes ? -EPIPE : 2);
	tr_close(&r);
}

ENGINE_TEST(test_tee_copies, 60)
{
	struct tr_pipe p, q;
	struct tr r;
	char buf[8];

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_pipe(&q);
	T_OP(engine_write(p.in, "abcd", 4, -1, true), ==, 4);
	tr_move(&r, IORING_OP_TEE, 1, 0, p.out, q.in, 4);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 1);
	T_RES(&r, 1, ==, 4);
	T_OP(engine_read(q.out, buf, 8, -1, true), ==, 4);
	T_OP(engine_read(p.out, buf, 8, -1, true), ==, 4);
	tr_close(&r);
}

ENGINE_TEST(test_splice_is_interrupted, 60)
{
	struct tr_pipe p, q;
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_pipe(&q);
	tr_move(&r, IORING_OP_SPLICE, 1, 0, p.out, q.in, 8);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	tr_cancel(&r, 2, 0, 1, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 2);
	T_RES(&r, 1, ==, -EINTR);
	T_RES(&r, 2, ==, -EALREADY);
	tr_close(&r);
}

ENGINE_TEST(test_splice_refuses, 20)
{
	struct tr_pipe p, q;
	struct tr r;
	int f = tr_temp_file(10);
	char buf[16];

	tr_open(&r, 16, any_kind());
	tr_pipe(&p);
	tr_pipe(&q);
	tr_move(&r, IORING_OP_SPLICE, 1, 0, p.out, p.in, 8);
	tr_move(&r, IORING_OP_SPLICE, 2, 0, p.in, q.in, 8);
	tr_move(&r, IORING_OP_SPLICE, 3, 0, p.out, 99, 8);
	tr_move(&r, IORING_OP_SPLICE, 4, 0, 99, q.in, 8);
	tr_move(&r, IORING_OP_TEE, 5, 0, f, q.in, 8);
	tr_move(&r, IORING_OP_SPLICE, 6, 0, p.out, q.in, 0);
	T_OP(tr_submit(&r), ==, 6);
	tr_want(&r, 6);
	T_RES(&r, 1, ==, -EINVAL);
	T_RES(&r, 2, ==, -EBADF);
	T_RES(&r, 3, ==, -EBADF);
	T_RES(&r, 4, ==, -EBADF);
	T_RES(&r, 5, ==, -EINVAL);
	T_RES(&r, 6, ==, 0);
	/* From a file: by its own position, up to its end. */
	tr_move(&r, IORING_OP_SPLICE, 7, HL, f, q.in, 6);
	tr_move(&r, IORING_OP_SPLICE, 8, HL, f, q.in, 6);
	tr_move(&r, IORING_OP_SPLICE, 9, 0, f, q.in, 6);
	T_OP(tr_submit(&r), ==, 3);
	tr_want(&r, 9);
	T_RES(&r, 7, ==, 6);
	T_RES(&r, 8, ==, 4);
	T_RES(&r, 9, ==, 0);
	T_OP(engine_read(q.out, buf, sizeof(buf), -1, true), ==, 10);
	tr_close(&r);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_splice_waits_for_bytes), CHECK_TEST(test_splice_waits_for_room), CHECK_TEST(test_tee_copies),
	CHECK_TEST(test_splice_is_interrupted),	 CHECK_TEST(test_splice_refuses),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
