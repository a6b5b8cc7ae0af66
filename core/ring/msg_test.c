/* MSG_RING: to rings of every kind, of its own task and of others. */
#include <errno.h>

#include "core/ring/test_ring.h"

static struct io_uring_sqe *tr_msg(struct tr *r, uint64_t ud, unsigned int flags, int to, uint64_t say, uint32_t res)
{
	struct io_uring_sqe *sqe = tr_sqe(r, IORING_OP_MSG_RING, ud, flags);

	sqe->fd = to;
	sqe->off = say;
	sqe->len = res;
	return sqe;
}

static struct io_uring_sqe *tr_send_fd(struct tr *r, uint64_t ud, int to, uint64_t say, unsigned int src,
				       unsigned int file_slot)
{
	struct io_uring_sqe *sqe = tr_msg(r, ud, 0, to, say, 0);

	sqe->addr = IORING_MSG_SEND_FD;
	sqe->addr3 = src;
	sqe->file_index = file_slot;
	return sqe;
}

static void sparse(struct tr *r, unsigned int nr)
{
	struct io_uring_rsrc_register rr = { .nr = nr, .flags = IORING_RSRC_REGISTER_SPARSE };

	T_OP(engine_io_uring_register((unsigned int)r->fd, IORING_REGISTER_FILES2, &rr, sizeof(rr)), ==, 0);
}

ENGINE_TEST(test_data, 60)
{
	struct io_uring_sqe *sqe;
	struct tr from, to;

	tr_open(&from, 8, any_kind());
	tr_open(&to, 8, any_kind());
	tr_msg(&from, 1, test_seed() & 8 ? A : 0, to.fd, 77, 5);
	sqe = tr_msg(&from, 2, 0, to.fd, 78, 6);
	sqe->msg_ring_flags = AU_MSG_RING_FLAGS_PASS;
	sqe->file_index = 0x1234;
	tr_msg(&from, 3, 0, from.fd, 79, 7);
	T_OP(tr_submit(&from), ==, 3);
	tr_want(&from, 4);
	tr_want(&to, 2);
	for (unsigned int ud = 1; ud <= 3; ud++)
		T_RES(&from, ud, ==, 0);
	T_RES(&from, 79, ==, 7);
	T_RES(&to, 77, ==, 5);
	T_RES(&to, 78, ==, 6);
	T_OP(to.seen[tr_pos(&to, 78)].flags, ==, 0x1234u);
	tr_close(&from);
	tr_close(&to);
}

ENGINE_TEST(test_refused, 30)
{
	struct tr from, to, off;
	struct tr_pipe p;

	tr_open(&from, 16, any_kind());
	tr_open(&to, 8, 0);
	tr_open(&off, 8, IORING_SETUP_R_DISABLED);
	tr_pipe(&p);
	tr_msg(&from, 1, 0, to.fd, 77, 5)->msg_ring_flags = IORING_MSG_RING_CQE_SKIP;
	tr_msg(&from, 2, 0, to.fd, 77, 5)->file_index = 1;
	tr_msg(&from, 3, 0, to.fd, 77, 5)->addr = 5;
	tr_msg(&from, 4, 0, p.in, 77, 5);
	tr_msg(&from, 5, 0, 999, 77, 5);
	tr_msg(&from, 6, 0, off.fd, 77, 5);
	tr_msg(&from, 7, 0, to.fd, 77, 5)->msg_ring_flags = 4;
	T_OP(tr_submit(&from), ==, 7);
	tr_want(&from, 7);
	T_RES(&from, 1, ==, -EINVAL);
	T_RES(&from, 2, ==, -EINVAL);
	T_RES(&from, 3, ==, -EINVAL);
	T_RES(&from, 4, ==, -EBADFD);
	T_RES(&from, 5, ==, -EBADF);
	T_RES(&from, 6, ==, -EBADFD);
	T_RES(&from, 7, ==, -EINVAL);
	T_OP(tr_reap(&to), ==, 0u);
	tr_close(&from);
	tr_close(&to);
	tr_close(&off);
}

/* More than there is room for: they are kept. */
ENGINE_TEST(test_full, 60)
{
	struct tr from, to;

	tr_open(&from, 16, any_kind());
	tr_open(&to, 1, any_kind());
	for (unsigned int i = 0; i < 8; i++)
		tr_msg(&from, i, 0, to.fd, 100 + i, i);
	T_OP(tr_submit(&from), ==, 8);
	tr_want(&from, 8);
	tr_want(&to, 8);
	for (unsigned int i = 0; i < 8; i++) {
		T_RES(&from, i, ==, 0);
		T_RES(&to, 100 + i, ==, (int)i);
	}
	tr_close(&from);
	tr_close(&to);
}

ENGINE_TEST(test_send_fd, 120)
{
	struct tr from, to;
	struct tr_pipe p;
	int fds[1];

	tr_open(&from, 8, any_kind());
	tr_open(&to, 8, any_kind());
	tr_pipe(&p);
	fds[0] = p.in;
	T_OP(engine_io_uring_register((unsigned int)from.fd, IORING_REGISTER_FILES, fds, 1), ==, 0);
	tr_send_fd(&from, 1, to.fd, 77, 0, 2);
	T_OP(tr_submit(&from), ==, 1);
	tr_want(&from, 1);
	T_RES(&from, 1, ==, -ENXIO);
	sparse(&to, 2);
	tr_send_fd(&from, 2, to.fd, 78, 0, 2)->flags = test_seed() & 8 ? IOSQE_ASYNC : 0;
	tr_send_fd(&from, 3, to.fd, 79, 1, 2);
	tr_send_fd(&from, 4, from.fd, 80, 0, 1);
	tr_send_fd(&from, 5, to.fd, 81, 0, 3);
	tr_send_fd(&from, 6, to.fd, 82, 0, 1)->msg_ring_flags = IORING_MSG_RING_CQE_SKIP;
	T_OP(tr_submit(&from), ==, 5);
	tr_want(&from, 6);
	tr_want(&to, 1);
	T_RES(&from, 2, ==, 0);
	T_RES(&to, 78, ==, 0);
	T_RES(&from, 3, ==, -EBADF);
	T_RES(&from, 4, ==, -EINVAL);
	T_RES(&from, 5, ==, -EINVAL);
	T_RES(&from, 6, ==, 0);
	T_OP(to.nr, ==, 1u);
	T_OP(engine_close(p.in), ==, 0);
	tr_close(&from);
	/* The pipe can be written to for as long as the other table has it. */
	tr_write(&to, 9, IOSQE_FIXED_FILE, 1, "x", 1);
	T_OP(tr_submit(&to), ==, 1);
	tr_want(&to, 2);
	T_RES(&to, 9, ==, 1);
	tr_close(&to);
}

/* From no ring. */
ENGINE_TEST(test_sync, 30)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_MSG_RING, .off = 77, .len = 5 };
	struct tr_pipe p;
	struct tr to;

	tr_open(&to, 8, any_kind());
	tr_pipe(&p);
	sqe.fd = to.fd;
	T_OP(engine_io_uring_register(UINT32_MAX, AU_REGISTER_SEND_MSG_RING, &sqe, 1), ==, 0);
	T_OP(engine_io_uring_register(UINT32_MAX, AU_REGISTER_SEND_MSG_RING, &sqe, 2), ==, -EINVAL);
	T_OP(engine_io_uring_register(UINT32_MAX, IORING_REGISTER_FILES, &sqe, 1), ==, -EINVAL);
	tr_want(&to, 1);
	T_RES(&to, 77, ==, 5);
	sqe.fd = p.in;
	T_OP(engine_io_uring_register(UINT32_MAX, AU_REGISTER_SEND_MSG_RING, &sqe, 1), ==, -EBADFD);
	sqe.fd = 999;
	T_OP(engine_io_uring_register(UINT32_MAX, AU_REGISTER_SEND_MSG_RING, &sqe, 1), ==, -EBADF);
	sqe.addr = IORING_MSG_SEND_FD;
	T_OP(engine_io_uring_register(UINT32_MAX, AU_REGISTER_SEND_MSG_RING, &sqe, 1), ==, -EINVAL);
	sqe.flags = IOSQE_ASYNC;
	T_OP(engine_io_uring_register(UINT32_MAX, AU_REGISTER_SEND_MSG_RING, &sqe, 1), ==, -EINVAL);
	tr_close(&to);
}

static struct tr theirs;

static void other_task(void *arg)
{
	uint32_t *stage = arg;

	tr_open(&theirs, 8, DEFER);
	sparse(&theirs, 1);
	shm_store32(stage, 1);
	engine_wake_word(stage);
	while (shm_load32(stage) != 2)
		engine_wait_word(stage, 1);
	if (test_seed() & 1)
		tr_want(&theirs, 2);
}

/* To the DEFER_TASKRUN ring of another task, which takes it, or exits before. */
ENGINE_TEST(test_other_task, 200)
{
	struct engine_task *t;
	uint32_t stage = 0;
	struct tr from;
	struct tr_pipe p;

	tr_open(&from, 8, any_kind());
	tr_pipe(&p);
	T_OP(engine_io_uring_register((unsigned int)from.fd, IORING_REGISTER_FILES, &p.in, 1), ==, 0);
	T_OP(engine_task_spawn(&t, test_process(), "other", other_task, &stage), ==, 0);
	while (!shm_load32(&stage))
		engine_wait_word(&stage, 0);
	tr_msg(&from, 1, 0, theirs.fd, 77, 5);
	tr_send_fd(&from, 2, theirs.fd, 78, 0, 1);
	T_OP(tr_submit(&from), ==, 2);
	shm_store32(&stage, 2);
	engine_wake_word(&stage);
	tr_want(&from, 2);
	T_RES(&from, 1, ==, 0);
	if (test_seed() & 1)
		T_RES(&from, 2, ==, 0);
	else
		T_OP(tr_res(&from, 2) == 0 || tr_res(&from, 2) == -EOWNERDEAD, ==, true);
	engine_task_join(t);
	tr_close(&from);
	tr_close(&theirs);
}

static void late_task(void *arg)
{
	struct tr *r = arg;

	tr_open(r, 8, DEFER);
	for (unsigned int i = 0; i < 3; i++)
		tr_msg(r, i, IOSQE_ASYNC, r->fd, 77, 5);
	T_OP(tr_submit(r), ==, 3);
}

/* The task exits with requests in io-wq that are to look up their own ring. Whatever of them is run after it has looked for
 * such requests must not hold the ring: nobody would complete it. */
ENGINE_TEST(test_exit_before_lookup, 400)
{
	struct engine_task *t;
	struct tr r;

	T_OP(engine_task_spawn(&t, test_process(), "late", late_task, &r), ==, 0);
	engine_task_join(t);
	tr_close(&r);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_data),
	CHECK_TEST(test_refused),
	CHECK_TEST(test_full),
	CHECK_TEST(test_send_fd),
	CHECK_TEST(test_other_task),
	CHECK_TEST(test_sync),
	CHECK_TEST(test_exit_before_lookup),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
