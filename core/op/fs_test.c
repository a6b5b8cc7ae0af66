/* What workers do to whole files, and transfers in pieces. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "core/ring/test_ring.h"

static void tr_whole(struct tr *r, uint8_t op, uint64_t ud, unsigned int flags, int fd, uint64_t off, uint64_t len)
{
	struct io_uring_sqe *sqe = tr_sqe(r, op, ud, flags);

	sqe->fd = fd;
	sqe->off = off;
	sqe->addr = len;
}

static void tr_vector(struct tr *r, uint8_t op, uint64_t ud, int fd, const struct iovec *iov, unsigned int n)
{
	struct io_uring_sqe *sqe = tr_sqe(r, op, ud, 0);

	sqe->fd = fd;
	sqe->addr = (uint64_t)(uintptr_t)iov;
	sqe->len = n;
}

/* The operation's own error severs nothing; that there is no file does. */
ENGINE_TEST(test_own_result_severs_nothing, 60)
{
	struct tr_pipe p;
	struct tr r;
	int f = tr_temp_file(10);

	tr_open(&r, 16, any_kind());
	tr_pipe(&p);
	tr_whole(&r, IORING_OP_FSYNC, 1, L, p.out, 0, 0);
	tr_whole(&r, IORING_OP_FALLOCATE, 2, L, f, 0, 0);
	tr_whole(&r, IORING_OP_FALLOCATE, 3, L, p.in, 0, 8);
	tr_whole(&r, AU_OP_FTRUNCATE, 4, L, p.in, 8, 0);
	tr_nop(&r, 5, 0);
	tr_whole(&r, IORING_OP_FSYNC, 6, L, 99, 0, 0);
	tr_nop(&r, 7, 0);
	T_OP(tr_submit(&r), ==, 7);
	tr_want(&r, 7);
	T_RES(&r, 1, ==, -EINVAL);
	T_RES(&r, 2, ==, -EINVAL);
	T_RES(&r, 3, ==, -ESPIPE);
	T_RES(&r, 4, ==, -EINVAL);
	T_RES(&r, 5, ==, 0);
	T_RES(&r, 6, ==, -EBADF);
	T_RES(&r, 7, ==, -ECANCELED);
	tr_close(&r);
}

ENGINE_TEST(test_sizes, 60)
{
	struct tr r;
	int f = tr_temp_file(10);
	uint64_t size;

	tr_open(&r, 16, any_kind());
	tr_whole(&r, IORING_OP_FALLOCATE, 1, L, f, 5, 100);
	tr_whole(&r, IORING_OP_FSYNC, 2, 0, f, 0, 0);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	T_OP(engine_file_size(f, &size), ==, 0);
	T_OP(size, ==, 105u);
	tr_whole(&r, AU_OP_FTRUNCATE, 3, 0, f, 7, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 3);
	T_OP(engine_file_size(f, &size), ==, 0);
	T_OP(size, ==, 7u);
	for (uint64_t ud = 1; ud <= 3; ud++)
		T_RES(&r, ud, ==, 0);
	tr_close(&r);
}

/* They are a worker's from the start: queued behind the one bounded worker, a cancel finds them. */
ENGINE_TEST(test_queued_sync_is_cancelled, 40)
{
	struct tr_pipe p;
	struct tr r;
	char buf[1];
	int f = tr_temp_file(10);

	tr_open(&r, 16, DEFAULT);
	block_bounded(&r, 2, &p, buf);
	tr_whole(&r, IORING_OP_FSYNC, 3, 0, f, 0, 0);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	tr_cancel(&r, 4, 0, 3, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 3);
	T_RES(&r, 3, ==, -ECANCELED);
	T_RES(&r, 4, ==, 0);
	T_OP(engine_write(p.in, "x", 1, -1, false), ==, 1);
	tr_want(&r, 4);
	T_RES(&r, 2, ==, 1);
	tr_close(&r);
}

ENGINE_TEST(test_pieces, 60)
{
	char a[3] = "abc", b[1] = "d", c[2] = "", d[4] = "";
	struct iovec from[3] = { { a, 3 }, { NULL, 0 }, { b, 1 } }, to[2] = { { c, 2 }, { d, 4 } };
	struct tr_pipe p;
	struct tr r;

	tr_open(&r, 16, any_kind());
	tr_pipe(&p);
	tr_vector(&r, IORING_OP_READV, 1, p.out, to, 2);
	T_OP(tr_submit(&r), ==, 1);
	tr_vector(&r, IORING_OP_WRITEV, 2, p.in, from, 3);
	tr_vector(&r, IORING_OP_READV, 3, p.out, NULL, 1);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 3);
	T_RES(&r, 1, ==, 4);
	T_RES(&r, 2, ==, 4);
	T_RES(&r, 3, ==, -EFAULT);
	T_OP(memcmp(c, "ab", 2), ==, 0);
	T_OP(memcmp(d, "cd", 3), ==, 0);
	tr_close(&r);
}

/* What looks for its descriptor itself fails no chain; a close does, and a ring closes no rings. */
ENGINE_TEST(test_small_things, 40)
{
	struct tr_pipe p;
	struct tr r;
	int f = tr_temp_file(10);

	tr_open(&r, 16, any_kind());
	tr_pipe(&p);
	tr_whole(&r, IORING_OP_STATX, 1, L, 99, 0, 0);
	tr_whole(&r, IORING_OP_STATX, 2, L, p.out, 0, 0);
	tr_whole(&r, IORING_OP_SYNC_FILE_RANGE, 3, L, p.out, 0, 0);
	tr_whole(&r, IORING_OP_SYNC_FILE_RANGE, 4, L, f, 0, 0);
	tr_whole(&r, IORING_OP_MADVISE, 5, L, -1, 0, 0);
	tr_whole(&r, IORING_OP_CLOSE, 6, L, f, 0, 0);
	tr_whole(&r, IORING_OP_CLOSE, 7, HL, f, 0, 0);
	tr_whole(&r, IORING_OP_CLOSE, 8, L, r.fd, 0, 0);
	tr_nop(&r, 9, 0);
	T_OP(tr_submit(&r), ==, 9);
	tr_want(&r, 9);
	T_RES(&r, 1, ==, -EBADF);
	T_RES(&r, 2, ==, 0);
	T_RES(&r, 3, ==, -ESPIPE);
	T_RES(&r, 4, ==, 0);
	T_RES(&r, 5, ==, 0);
	T_RES(&r, 6, ==, 0);
	T_RES(&r, 7, ==, -EBADF);
	T_RES(&r, 8, ==, -EBADF);
	T_RES(&r, 9, ==, -ECANCELED);
	tr_close(&r);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_own_result_severs_nothing),
	CHECK_TEST(test_sizes),
	CHECK_TEST(test_queued_sync_is_cancelled),
	CHECK_TEST(test_pieces),
	CHECK_TEST(test_small_things),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
