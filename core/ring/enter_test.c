/* io_uring_setup and io_uring_enter: what they return, what becomes visible when, and what does not fit the CQ. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/ring/test_ring.h"

static int setup(unsigned int entries, unsigned int cq_entries, unsigned int flags, struct io_uring_params *p)
{
	int fd;

	memset(p, 0, sizeof(*p));
	p->flags = flags;
	p->cq_entries = cq_entries;
	fd = engine_io_uring_setup(entries, p);
	if (fd >= 0)
		engine_close(fd);
	return fd;
}

ENGINE_TEST(test_setup, 1)
{
	static const struct {
		unsigned int entries, cq, flags;
		int ret; /* 0: fine */
		unsigned int sq_got, cq_got;
	} cases[] = {
		{ 0, 0, 0, -EINVAL, 0, 0 },
		{ 1, 0, 0, 0, 1, 2 },
		{ 5, 0, 0, 0, 8, 16 },
		{ 32769, 0, 0, -EINVAL, 0, 0 },
		{ 40000, 0, IORING_SETUP_CLAMP, 0, 32768, 65536 },
		{ 8, 0, IORING_SETUP_CQSIZE, -EINVAL, 0, 0 },
		{ 8, 4, IORING_SETUP_CQSIZE, -EINVAL, 0, 0 },
		{ 8, 9, IORING_SETUP_CQSIZE, 0, 8, 16 },
		{ 8, 0, 1u << 30, -EINVAL, 0, 0 },
		{ 8, 0, IORING_SETUP_IOPOLL, -EINVAL, 0, 0 },
		{ 8, 0, IORING_SETUP_TASKRUN_FLAG, -EINVAL, 0, 0 },
		{ 8, 0, IORING_SETUP_DEFER_TASKRUN, -EINVAL, 0, 0 },
		{ 8, 0, DEFER | IORING_SETUP_TASKRUN_FLAG, 0, 8, 16 },
		{ 8, 0, COOP | IORING_SETUP_TASKRUN_FLAG, 0, 8, 16 },
	};
	struct io_uring_params p;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int ret = setup(cases[i].entries, cases[i].cq, cases[i].flags, &p);

		if (cases[i].ret) {
			T_OP(ret, ==, cases[i].ret);
			continue;
		}
		T_OP(ret, >=, 3);
		T_OP(p.sq_entries, ==, cases[i].sq_got);
		T_OP(p.cq_entries, ==, cases[i].cq_got);
		T(p.features & IORING_FEAT_SINGLE_MMAP);
	}
}

ENGINE_TEST(test_enter_errors, 1)
{
	struct io_uring_getevents_arg arg = { 0 };
	struct tr_pipe p;
	struct tr r;

	tr_open(&r, 8, IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER);
	tr_pipe(&p);
	T_OP(engine_io_uring_enter((unsigned int)r.fd, 0, 0, 1u << 20, NULL, 0), ==, -EINVAL);
	T_OP(engine_io_uring_enter(999, 0, 0, 0, NULL, 0), ==, -EBADF);
	T_OP(engine_io_uring_enter((unsigned int)p.in, 0, 0, 0, NULL, 0), ==, -EOPNOTSUPP);
	T_OP(tr_submit(&r), ==, -EBADFD);
	T_OP(engine_io_uring_register((unsigned int)r.fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0), ==, 0);
	T_OP(engine_io_uring_register((unsigned int)r.fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0), ==, -EBADFD);
	T_OP(tr_submit(&r), ==, 0);
	T_OP(engine_io_uring_enter((unsigned int)r.fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, 3),
	     ==, -EINVAL);
	T_OP(engine_io_uring_register((unsigned int)r.fd, 1000, NULL, 0), ==, -EINVAL);
	/* Nothing to submit: returns at once, whatever was to be waited for. */
	T_OP(engine_io_uring_enter((unsigned int)r.fd, 5, 3, IORING_ENTER_GETEVENTS, NULL, 0), ==, 0);
	tr_close(&r);
}

ENGINE_TEST(test_wait_returns, 60)
{
	uint64_t begin;
	struct tr r;

	tr_open(&r, 8, any_kind());
	begin = engine_now();
	T_OP(tr_wait_ns(&r, 1, 200000), ==, -ETIME);
	T_OP(engine_now() - begin, >=, (uint64_t)200000);
	tr_nop(&r, 1, 0);
	T_OP(engine_io_uring_enter((unsigned int)r.fd, 1, 0, 0, NULL, 0), ==, 1);
	r.filled = 0;
	/* One is there: success, though two were asked for. */
	T_OP(tr_wait_ns(&r, 2, 200000), ==, 0);
	/* Submitted: the wait's end is not told. */
	tr_nop(&r, 2, 0);
	tr_timeout(&r, 3, 0, 20 * MS, 0);
	T_OP(tr_enter(&r, 8), ==, 2);
	tr_want(&r, 3);
	/* More than the CQ holds is as much as it holds. */
	for (uint64_t ud = 10; ud < 18; ud++)
		tr_nop(&r, ud, 0);
	T_OP(engine_io_uring_enter((unsigned int)r.fd, 8, 0, 0, NULL, 0), ==, 8);
	r.filled = 0;
	for (uint64_t ud = 20; ud < 28; ud++)
		tr_nop(&r, ud, 0);
	T_OP(engine_io_uring_enter((unsigned int)r.fd, 8, 0, 0, NULL, 0), ==, 8);
	r.filled = 0;
	T_OP(tr_wait_ns(&r, 1000, NEVER_NS), ==, 0);
	tr_want(&r, 19);
	tr_close(&r);
}

ENGINE_TEST(test_min_wait, 30)
{
	struct __kernel_timespec ts = { .tv_sec = 5 };
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&ts,
					      .pad = 40000 }; /* 40 ms for all, then one will do */
	struct tr_pipe p;
	uint64_t begin;
	struct tr r;
	char c;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_read(&r, 1, L, p.out, &c, 1);
	tr_lt(&r, 2, 0, 20 * MS);
	T_OP(tr_submit(&r), ==, 2);
	begin = engine_now();
	T_OP(engine_io_uring_enter((unsigned int)r.fd, 0, 4, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg,
				   sizeof(arg)),
	     ==, 0);
	T_OP(engine_now() - begin, <, (uint64_t)5000 * MS);
	tr_want(&r, 2);
	tr_close(&r);
}

ENGINE_TEST(test_bad_sq_index, 1)
{
	struct tr r;

	tr_open(&r, 8, 0);
	for (uint64_t ud = 1; ud <= 3; ud++)
		tr_nop(&r, ud, 0);
	tr_word(&r, r.p.sq_off.array)[1] = 77;
	T_OP(tr_submit(&r), ==, 1);
	T_OP(*tr_word(&r, r.p.sq_off.dropped), ==, 1u);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 2);
	T_RES(&r, 2, ==, NO_CQE);
	tr_close(&r);
}

/* ---- task work ---- */

static uint32_t cq_tail(struct tr *r)
{
	return shm_load32(tr_word(r, r->p.cq_off.tail));
}

/* A default ring's work interrupts user mode; with COOP_TASKRUN it waits for the next call. */
ENGINE_TEST(test_user_mode_is_interrupted, 60)
{
	unsigned int kind = test_seed() & 1 ? COOP | IORING_SETUP_TASKRUN_FLAG : DEFAULT;
	struct tr r, other;
	uint32_t *flags;

	/* A ring that has the poller made. */
	tr_open(&other, 8, DEFAULT);
	tr_timeout(&other, 1, 0, NEVER_NS, 0);
	T_OP(tr_submit(&other), ==, 1);
	tr_open(&r, 8, kind);
	tr_timeout(&r, 1, 0, 5 * MS, 0);
	T_OP(tr_submit(&r), ==, 1);
	user_sleep(20 * MS);
	flags = tr_word(&r, r.p.sq_off.flags);
	T_OP(cq_tail(&r), ==, kind == DEFAULT ? 1u : 0u);
	T_OP(shm_load32(flags) & IORING_SQ_TASKRUN, ==, kind == DEFAULT ? 0u : (uint32_t)IORING_SQ_TASKRUN);
	T_OP(engine_poll(r.fd, 0), ==, 0); /* any call */
	T_OP(cq_tail(&r), ==, 1u);
	T_OP(shm_load32(flags) & IORING_SQ_TASKRUN, ==, 0u);
	tr_close(&r);
	tr_close(&other);
}

/* Only an enter with GETEVENTS runs it. */
ENGINE_TEST(test_defer_visibility, 60)
{
	struct tr r;

	tr_open(&r, 8, DEFER | IORING_SETUP_TASKRUN_FLAG);
	tr_timeout(&r, 1, 0, 100000, 0);
	tr_nop(&r, 2, A);
	T_OP(tr_submit(&r), ==, 2);
	user_sleep(10 * MS);
	T(shm_load32(tr_word(&r, r.p.sq_off.flags)) & IORING_SQ_TASKRUN);
	tr_nop(&r, 3, 0);
	T_OP(tr_submit(&r), ==, 1);
	T_OP(r.nr, ==, 1u);
	T_OP(tr_enter(&r, 0), ==, 0);
	T_OP(r.nr, ==, 3u);
	tr_close(&r);
}

ENGINE_TEST(test_defer_chain_step_by_step, 60)
{
	struct tr r;

	tr_open(&r, 8, DEFER);
	for (uint64_t ud = 1; ud <= 6; ud++)
		tr_nop(&r, ud, ud < 6 ? L : 0);
	T_OP(tr_submit(&r), ==, 6);
	for (unsigned int seen = 1; seen < 6; seen++) {
		T_OP(r.nr, ==, seen);
		T_OP(tr_enter(&r, 0), ==, 0);
	}
	T_OP(r.nr, ==, 6u);
	for (uint64_t ud = 1; ud <= 6; ud++)
		tr_nop(&r, 10 + ud, ud < 6 ? L : 0);
	T_OP(tr_enter(&r, 6), ==, 6);
	T_OP(r.nr, ==, 12u);
	/* A severed chain is one item. */
	for (uint64_t ud = 1; ud <= 6; ud++)
		tr_nop_res(&r, 20 + ud, ud < 6 ? L : 0, ud == 1 ? -5 : 0);
	T_OP(tr_submit(&r), ==, 6);
	T_OP(r.nr, ==, 13u);
	T_OP(tr_enter(&r, 0), ==, 0);
	T_OP(r.nr, ==, 18u);
	tr_close(&r);
}

ENGINE_TEST(test_defer_cap, 40)
{
	struct tr_pipe p;
	struct tr r;

	tr_open(&r, 64, DEFER);
	tr_pipe(&p);
	for (uint64_t ud = 0; ud < 50; ud++)
		tr_poll(&r, ud, 0, p.out, EPOLLIN);
	T_OP(tr_submit(&r), ==, 50);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	T_OP(tr_enter(&r, 0), ==, 0);
	T_OP(r.nr, ==, 20u);
	T_OP(tr_enter(&r, 0), ==, 0);
	T_OP(r.nr, ==, 40u);
	T_OP(tr_enter(&r, 0), ==, 0);
	T_OP(r.nr, ==, 50u);
	T_OP(tr_pos(&r, 49), ==, 0);
	T_OP(tr_pos(&r, 0), ==, 49);
	tr_close(&r);
}

static struct tr shared;

static void other_task(void *arg)
{
	bool defer = shared.p.flags & IORING_SETUP_DEFER_TASKRUN;
	unsigned int fd = (unsigned int)shared.fd;
	unsigned int count[2] = { 0, 0 };

	(void)arg;
	T_OP(engine_io_uring_enter(fd, 1, 0, 0, NULL, 0), ==, -EEXIST);
	T_OP(engine_io_uring_enter(fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0), ==, defer ? -EEXIST : 0);
	T_OP(engine_io_uring_register(fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 2), ==, -EEXIST);
}

ENGINE_TEST(test_single_issuer, 20)
{
	struct engine_task *t;

	tr_open(&shared, 8, test_seed() & 1 ? DEFER : IORING_SETUP_SINGLE_ISSUER);
	T_OP(engine_task_spawn(&t, test_process(), "other", other_task, NULL), ==, 0);
	engine_task_join(t);
	tr_close(&shared);
}

static void waiting_task(void *arg)
{
	(void)arg;
	T_OP(engine_io_uring_enter((unsigned int)shared.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0), ==, 0);
}

/* A worker's completion wakes whoever waits at the ring. */
ENGINE_TEST(test_wait_by_another_task, 60)
{
	struct engine_task *t;
	struct tr_pipe p;
	char c;

	tr_open(&shared, 8, DEFAULT);
	tr_pipe(&p);
	tr_nop_res(&shared, 1, A | HL | SK, 0);
	tr_read(&shared, 2, 0, p.out, &c, 1);
	T_OP(tr_submit(&shared), ==, 2);
	T_OP(engine_task_spawn(&t, test_process(), "waiting", waiting_task, NULL), ==, 0);
	settle();
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	engine_task_join(t);
	tr_want(&shared, 1);
	tr_close(&shared);
}

/* The limits are the first ring's, for ever; registering says what they were. */
ENGINE_TEST(test_io_wq_limits, 10)
{
	unsigned int count[2] = { 0, 0 };
	struct tr small, big;

	tr_open(&small, 1, DEFAULT);
	tr_open(&big, 64, DEFAULT);
	T_OP(engine_io_uring_register((unsigned int)big.fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 2), ==, 0);
	T_OP(count[0], ==, 1u);
	T_OP(count[1], ==, 96365u);
	count[0] = 3;
	count[1] = 0;
	T_OP(engine_io_uring_register((unsigned int)big.fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 2), ==, 0);
	T_OP(engine_io_uring_register((unsigned int)small.fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 2), ==, 0);
	T_OP(count[0], ==, 3u);
	count[0] = 1u << 31;
	T_OP(engine_io_uring_register((unsigned int)big.fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 2), ==, -EINVAL);
	tr_close(&small);
	tr_close(&big);
}

/* Reads are unbounded work: a bounded worker that blocks does not hold them up, but it does hold up a NOP. */
ENGINE_TEST(test_accounts, 30)
{
	struct tr_pipe p, q;
	struct tr r;
	char c, d;

	tr_open(&r, 8, DEFAULT);
	block_bounded(&r, 2, &p, &c);
	tr_pipe(&q);
	T_OP(engine_write(q.in, "x", 1, -1, true), ==, 1);
	tr_nop(&r, 3, A);
	tr_read(&r, 4, A, q.out, &d, 1);
	T_OP(tr_submit(&r), ==, 2);
	settle();
	tr_want(&r, 2);
	T_RES(&r, 4, ==, 1);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 4);
	tr_close(&r);
}

/* ---- overflow ---- */

ENGINE_TEST(test_overflow_keeps_order, 60)
{
	struct tr r;

	tr_open_cq(&r, 8, 8, any_kind());
	for (uint64_t ud = 0; ud < 24; ud++) {
		tr_nop(&r, ud, 0);
		T_OP(engine_io_uring_enter((unsigned int)r.fd, 1, 0, 0, NULL, 0), ==, 1);
		r.filled = 0;
	}
	T(shm_load32(tr_word(&r, r.p.sq_off.flags)) & IORING_SQ_CQ_OVERFLOW);
	T_OP(tr_reap(&r), ==, 8u);
	/* There is room, but what is new goes behind what waits. */
	tr_nop(&r, 24, 0);
	T_OP(tr_submit(&r), ==, 1);
	T_OP(r.nr, ==, 8u);
	T_OP(tr_enter(&r, 0), ==, 0);
	T_OP(r.nr, ==, 16u);
	tr_want(&r, 25);
	for (uint64_t ud = 0; ud < 25; ud++)
		T_OP(tr_pos(&r, ud), ==, (int)ud);
	T(!(shm_load32(tr_word(&r, r.p.sq_off.flags)) & IORING_SQ_CQ_OVERFLOW));
	T_OP(*tr_word(&r, r.p.cq_off.overflow), ==, 0u);
	tr_close(&r);
}

/* A worker that finds no room leaves it to the task; a drain behind it comes loose all the same. */
ENGINE_TEST(test_overflow_by_worker, 60)
{
	struct tr r;

	tr_open_cq(&r, 4, 4, any_kind());
	for (uint64_t ud = 0; ud < 12; ud++) {
		tr_nop(&r, ud, ud & 1 ? A : 0);
		T_OP(engine_io_uring_enter((unsigned int)r.fd, 1, 0, 0, NULL, 0), ==, 1);
		r.filled = 0;
	}
	tr_nop(&r, 12, DR);
	T_OP(engine_io_uring_enter((unsigned int)r.fd, 1, 0, 0, NULL, 0), ==, 1);
	r.filled = 0;
	settle();
	tr_want(&r, 13);
	for (uint64_t ud = 0; ud <= 12; ud++)
		T_OP(tr_count(&r, ud), ==, 1u);
	T_OP(tr_pos(&r, 12), ==, 12);
	tr_close(&r);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_setup),
	CHECK_TEST(test_enter_errors),
	CHECK_TEST(test_wait_returns),
	CHECK_TEST(test_min_wait),
	CHECK_TEST(test_bad_sq_index),
	CHECK_TEST(test_user_mode_is_interrupted),
	CHECK_TEST(test_defer_visibility),
	CHECK_TEST(test_defer_chain_step_by_step),
	CHECK_TEST(test_defer_cap),
	CHECK_TEST(test_single_issuer),
	CHECK_TEST(test_wait_by_another_task),
	CHECK_TEST(test_io_wq_limits),
	CHECK_TEST(test_accounts),
	CHECK_TEST(test_overflow_keeps_order),
	CHECK_TEST(test_overflow_by_worker),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
