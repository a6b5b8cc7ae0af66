/* OPENAT of a FIFO: at once by its submitter, by a worker when the other end is there. */
#include <errno.h>
#include <fcntl.h>

#include "core/ring/test_ring.h"

static void tr_openat(struct tr *r, uint64_t ud, unsigned int flags, const char *name, int how)
{
	struct io_uring_sqe *sqe = tr_sqe(r, IORING_OP_OPENAT, ud, flags);

	sqe->fd = AT_FDCWD;
	sqe->addr = (uint64_t)(uintptr_t)name;
	sqe->open_flags = (uint32_t)how;
}

ENGINE_TEST(test_inline, 40)
{
	struct tr r;
	int fd;

	tr_open(&r, 8, any_kind());
	T_OP(engine_fifo("q"), ==, 0);
	T_OP(engine_fifo("q"), ==, -EEXIST);
	tr_openat(&r, 1, 0, "nothing", O_RDONLY);
	tr_openat(&r, 2, L, "q", O_WRONLY);
	tr_nop(&r, 3, 0);
	T_OP(tr_submit(&r), ==, 3);
	tr_want(&r, 3);
	T_RES(&r, 1, ==, -ENOENT);
	T_RES(&r, 2, ==, -ENXIO);
	T_RES(&r, 3, ==, -ECANCELED);
	tr_openat(&r, 4, L, "q", O_RDONLY);
	tr_openat(&r, 5, 0, "q", O_WRONLY);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 5);
	T_RES(&r, 4, >=, 3);
	T_RES(&r, 5, >=, 3);
	fd = engine_fifo_open("q", O_WRONLY);
	T_OP(fd, >=, 3);
	engine_close(fd);
	engine_close(tr_res(&r, 4));
	T_OP(engine_fifo_open("q", O_WRONLY), ==, -ENXIO);
	engine_close(tr_res(&r, 5));
	T_OP(engine_fifo_unlink("q"), ==, 0);
	T_OP(engine_fifo_unlink("q"), ==, -ENOENT);
	tr_close(&r);
}

/* One that was opened and closed again counts. */
ENGINE_TEST(test_workers_meet, 60)
{
	bool writes = test_seed() & 1;
	struct tr r;
	int fd;

	tr_open(&r, 8, any_kind());
	T_OP(engine_fifo("q"), ==, 0);
	tr_openat(&r, 1, A, "q", writes ? O_WRONLY : O_RDONLY);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	T_OP(tr_res(&r, 1), ==, NO_CQE);
	fd = engine_fifo_open("q", writes ? O_RDONLY : O_WRONLY);
	T_OP(fd, >=, 3);
	engine_close(fd);
	tr_want(&r, 1);
	T_RES(&r, 1, >=, 3);
	engine_close(tr_res(&r, 1));
	tr_openat(&r, 2, A, "q", O_RDONLY);
	tr_openat(&r, 3, A, "q", O_WRONLY);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 3);
	T_RES(&r, 2, >=, 3);
	T_RES(&r, 3, >=, 3);
	engine_close(tr_res(&r, 2));
	engine_close(tr_res(&r, 3));
	T_OP(engine_fifo_unlink("q"), ==, 0);
	tr_close(&r);
}

/* It holds the bounded worker, and is interrupted there. */
ENGINE_TEST(test_cancel, 60)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_max_workers(&r, 1, 0);
	T_OP(engine_fifo("q"), ==, 0);
	tr_openat(&r, 1, A, "q", O_RDONLY);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	tr_nop(&r, 2, A);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	tr_cancel(&r, 3, 0, 2, 0);
	tr_cancel(&r, 4, 0, 1, 0);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, -EINTR);
	T_RES(&r, 2, ==, -ECANCELED);
	T_RES(&r, 3, ==, 0);
	T_RES(&r, 4, ==, -EALREADY);
	T_OP(engine_fifo_open("q", O_WRONLY), ==, -ENXIO);
	T_OP(engine_fifo_unlink("q"), ==, 0);
	tr_close(&r);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_inline),
	CHECK_TEST(test_workers_meet),
	CHECK_TEST(test_cancel),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
