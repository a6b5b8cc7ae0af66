/* Registered files: the table, what requests hold of it, and what says so. */
#include <errno.h>
#include <string.h>

#include "core/ring/test_ring.h"

enum { FX = IOSQE_FIXED_FILE };

static int sparse(struct tr *r, unsigned int nr)
{
	struct io_uring_rsrc_register rr = { .nr = nr, .flags = IORING_RSRC_REGISTER_SPARSE };

	return engine_io_uring_register((unsigned int)r->fd, IORING_REGISTER_FILES2, &rr, sizeof(rr));
}

static int update(struct tr *r, unsigned int slot, int fd, uint64_t tag)
{
	struct io_uring_rsrc_update2 up = {
		.offset = slot, .nr = 1, .data = (uintptr_t)&fd, .tags = tag ? (uintptr_t)&tag : 0
	};

	return engine_io_uring_register((unsigned int)r->fd, IORING_REGISTER_FILES_UPDATE2, &up, sizeof(up));
}

static int unregister(struct tr *r)
{
	return engine_io_uring_register((unsigned int)r->fd, IORING_UNREGISTER_FILES, NULL, 0);
}

static void tr_close_slot(struct tr *r, uint64_t ud, unsigned int flags, unsigned int slot)
{
	tr_sqe(r, IORING_OP_CLOSE, ud, flags)->file_index = slot + 1;
}

ENGINE_TEST(test_table, 30)
{
	int fds[3] = { -1, 999, -1 };
	struct tr_pipe p;
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	T_OP(unregister(&r), ==, -ENXIO);
	T_OP(update(&r, 0, p.out, 0), ==, -ENXIO);
	T_OP(engine_io_uring_register((unsigned int)r.fd, IORING_REGISTER_FILES, NULL, 1), ==, -EFAULT);
	T_OP(engine_io_uring_register((unsigned int)r.fd, IORING_REGISTER_FILES, fds, 0), ==, -EINVAL);
	T_OP(engine_io_uring_register((unsigned int)r.fd, IORING_REGISTER_FILES, fds, 3), ==, -EBADF);
	T_OP(engine_io_uring_register((unsigned int)r.fd, IORING_REGISTER_FILES, &r.fd, 1), ==, -EBADF);
	T_OP(sparse(&r, 4), ==, 0);
	T_OP(sparse(&r, 4), ==, -EBUSY);
	T_OP(update(&r, 3, p.out, 0), ==, 1);
	T_OP(update(&r, 4, p.out, 0), ==, -EINVAL);
	T_OP(update(&r, UINT32_MAX, p.out, 0), ==, -EOVERFLOW);
	T_OP(update(&r, 3, -1, 7), ==, -EINVAL);
	T_OP(unregister(&r), ==, 0);
	fds[1] = p.in;
	T_OP(engine_io_uring_register((unsigned int)r.fd, IORING_REGISTER_FILES, fds, 3), ==, 0);
	tr_write(&r, 1, FX, 1, "x", 1);
	tr_write(&r, 2, FX, 0, "x", 1);
	tr_write(&r, 3, FX, 3, "x", 1);
	T_OP(tr_submit(&r), ==, 3);
	tr_want(&r, 3);
	T_RES(&r, 1, ==, 1);
	T_RES(&r, 2, ==, -EBADF);
	T_RES(&r, 3, ==, -EBADF);
	tr_close(&r);
}

/* A slot that cannot get its file loses the one it had. */
ENGINE_TEST(test_update_bad, 30)
{
	struct tr_pipe p;
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	T_OP(sparse(&r, 1), ==, 0);
	T_OP(update(&r, 0, p.in, 0), ==, 1);
	T_OP(update(&r, 0, 999, 0), ==, -EBADF);
	tr_write(&r, 1, FX, 0, "x", 1);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 1);
	T_RES(&r, 1, ==, -EBADF);
	tr_close(&r);
}

/* What a request has looked up stays with it: armed, or in a worker. The tag comes when the last one is gone. */
ENGINE_TEST(test_node_outlives_slot, 120)
{
	unsigned int async = test_seed() & 1 ? A : 0;
	struct tr_pipe p, q;
	char buf[2][4];
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_pipe(&q);
	T_OP(sparse(&r, 2), ==, 0);
	T_OP(update(&r, 1, p.out, 99), ==, 1);
	T_OP(engine_close(p.out), ==, 0);
	tr_read(&r, 1, FX | async, 1, buf[0], 4);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	T_OP(update(&r, 1, q.out, 0), ==, 1);
	tr_read(&r, 2, FX, 1, buf[1], 4);
	T_OP(tr_submit(&r), ==, 1);
	if (test_seed() & 2)
		T_OP(unregister(&r), ==, 0);
	tr_reap(&r);
	T_OP(tr_res(&r, 99), ==, NO_CQE);
	T_OP(engine_write(q.in, "late", 4, -1, true), ==, 4);
	tr_want(&r, 1);
	T_RES(&r, 2, ==, 4);
	T_OP(engine_write(p.in, "here", 4, -1, true), ==, 4);
	tr_want(&r, 3);
	T_RES(&r, 1, ==, 4);
	T_OP(memcmp(buf[0], "here", 4), ==, 0);
	T_RES(&r, 99, ==, 0);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, -EPIPE);
	tr_close(&r);
}

ENGINE_TEST(test_close_slot, 60)
{
	struct tr_pipe p;
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_close_slot(&r, 1, 0, 0);
	T_OP(tr_submit(&r), ==, 1);
	T_OP(sparse(&r, 2), ==, 0);
	T_OP(update(&r, 1, p.in, 0), ==, 1);
	T_OP(engine_close(p.in), ==, 0);
	tr_close_slot(&r, 2, 0, 0);
	tr_close_slot(&r, 3, 0, 2);
	tr_close_slot(&r, 4, test_seed() & 1 ? A : 0, 1);
	T_OP(tr_submit(&r), ==, 3);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, -ENXIO);
	T_RES(&r, 2, ==, -EBADF);
	T_RES(&r, 3, ==, -EINVAL);
	T_RES(&r, 4, ==, 0);
	T_OP(engine_read(p.out, &p, 1, -1, true), ==, 0);
	tr_close(&r);
}

/* The ring's table goes with the ring, and with it what only the table held. */
ENGINE_TEST(test_close_ring, 60)
{
	struct tr_pipe p;
	struct tr r;
	char buf[4];

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	T_OP(sparse(&r, 2), ==, 0);
	T_OP(update(&r, 0, p.in, 5), ==, 1);
	T_OP(update(&r, 1, p.out, 6), ==, 1);
	T_OP(engine_close(p.in), ==, 0);
	tr_read(&r, 1, FX, 1, buf, 4);
	T_OP(tr_submit(&r), ==, 1);
	tr_close(&r);
	settle();
	T_OP(engine_read(p.out, buf, 1, -1, true), ==, 0);
}

/* A cancel by descriptor compares files: it does not matter by which way a request came to its own. */
ENGINE_TEST(test_cancel_fixed, 60)
{
	struct io_uring_sqe *sqe;
	struct tr_pipe p;
	char buf[2][4];
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	T_OP(sparse(&r, 2), ==, 0);
	T_OP(update(&r, 1, p.out, 0), ==, 1);
	tr_read(&r, 1, FX, 1, buf[0], 4);
	tr_read(&r, 2, 0, p.out, buf[1], 4);
	tr_cancel(&r, 3, 0, 0, IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_FD_FIXED);
	T_OP(tr_submit(&r), ==, 3);
	sqe = tr_sqe(&r, IORING_OP_ASYNC_CANCEL, 4, test_seed() & 1 ? FX : 0);
	sqe->fd = 1;
	sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL |
			    (test_seed() & 1 ? 0 : IORING_ASYNC_CANCEL_FD_FIXED);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 2, ==, -ECANCELED);
	T_RES(&r, 3, ==, -EBADF);
	T_RES(&r, 4, ==, 2);
	tr_close(&r);
}

static int alloc_range(struct tr *r, unsigned int off, unsigned int len)
{
	struct io_uring_file_index_range range = { .off = off, .len = len };

	return engine_io_uring_register((unsigned int)r->fd, IORING_REGISTER_FILE_ALLOC_RANGE, &range, 0);
}

static void tr_open_slot(struct tr *r, uint64_t ud, unsigned int file_slot)
{
	struct io_uring_sqe *sqe = tr_sqe(r, IORING_OP_OPENAT, ud, 0);

	sqe->addr = (uintptr_t) "q";
	sqe->file_index = file_slot;
}

ENGINE_TEST(test_alloc, 30)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	T_OP(engine_fifo("q"), ==, 0);
	tr_open_slot(&r, 1, IORING_FILE_INDEX_ALLOC);
	tr_open_slot(&r, 2, 1);
	T_OP(tr_submit(&r), ==, 2);
	T_OP(alloc_range(&r, 0, 1), ==, -EINVAL);
	T_OP(sparse(&r, 4), ==, 0);
	T_OP(alloc_range(&r, 3, 2), ==, -EINVAL);
	T_OP(alloc_range(&r, 2, UINT32_MAX), ==, -EOVERFLOW);
	T_OP(alloc_range(&r, 1, 2), ==, 0);
	for (unsigned int i = 0; i < 3; i++)
		tr_open_slot(&r, 3 + i, IORING_FILE_INDEX_ALLOC);
	tr_open_slot(&r, 6, 1);
	tr_open_slot(&r, 7, 6);
	T_OP(tr_submit(&r), ==, 5);
	tr_want(&r, 7);
	T_RES(&r, 1, ==, -ENFILE);
	T_RES(&r, 2, ==, -ENXIO);
	T_RES(&r, 3, ==, 1);
	T_RES(&r, 4, ==, 2);
	T_RES(&r, 5, ==, -ENFILE);
	T_RES(&r, 6, ==, 0);
	T_RES(&r, 7, ==, -EINVAL);
	T_OP(engine_fifo_open("q", 1), >=, 3);
	T_OP(engine_fifo_unlink("q"), ==, 0);
	tr_close(&r);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_table),	     CHECK_TEST(test_update_bad), CHECK_TEST(test_node_outlives_slot),
	CHECK_TEST(test_close_slot), CHECK_TEST(test_close_ring), CHECK_TEST(test_cancel_fixed),
	CHECK_TEST(test_alloc),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
