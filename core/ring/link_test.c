/* Chains and linked timeouts. */
#include <errno.h>

#include "core/ring/test_ring.h"

ENGINE_TEST(test_chain_runs_in_order, 60)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_nop(&r, 1, L);
	tr_nop(&r, 2, L);
	tr_nop(&r, 3, 0);
	tr_nop(&r, 4, 0);
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 4);
	/* Followers start when the batch's completions are out. */
	T_OP(tr_pos(&r, 1), ==, 0);
	T_OP(tr_pos(&r, 4), ==, 1);
	T_OP(tr_pos(&r, 2), ==, 2);
	T_OP(tr_pos(&r, 3), ==, 3);
	tr_close(&r);
}

ENGINE_TEST(test_failure_severs_in_order, 60)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_nop(&r, 1, L);
	tr_nop_res(&r, 2, L, -5);
	tr_nop(&r, 3, L);
	tr_nop(&r, 4, HL);
	tr_nop(&r, 5, 0);
	T_OP(tr_submit(&r), ==, 5);
	tr_want(&r, 5);
	for (unsigned int i = 0; i < 5; i++)
		T_OP(tr_pos(&r, i + 1), ==, (int)i);
	T_RES(&r, 1, ==, 0);
	T_RES(&r, 2, ==, -5);
	for (unsigned int i = 3; i <= 5; i++)
		T_RES(&r, i, ==, -ECANCELED);
	tr_close(&r);
}

ENGINE_TEST(test_hardlink_goes_on, 60)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_nop_res(&r, 1, HL, -5);
	tr_nop(&r, 2, L);
	tr_nop(&r, 3, 0);
	tr_nop(&r, 4, HL);
	tr_nop_res(&r, 5, L, -6);
	tr_nop(&r, 6, HL);
	tr_nop(&r, 7, 0);
	T_OP(tr_submit(&r), ==, 7);
	tr_want(&r, 7);
	T_RES(&r, 1, ==, -5);
	T_RES(&r, 2, ==, 0);
	T_RES(&r, 3, ==, 0);
	T_RES(&r, 4, ==, 0);
	T_RES(&r, 5, ==, -6);
	T_RES(&r, 6, ==, -ECANCELED);
	T_RES(&r, 7, ==, -ECANCELED);
	tr_close(&r);
}

ENGINE_TEST(test_short_read_severs, 60)
{
	struct tr_pipe p;
	char buf[8];
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	T_OP(engine_write(p.in, "abcd", 4, -1, true), ==, 4);
	tr_read(&r, 1, L, p.out, buf, 8);
	tr_nop(&r, 2, 0);
	tr_read(&r, 3, L, p.out, buf, 0); /* nothing asked for, nothing missing */
	tr_nop(&r, 4, 0);
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, 4);
	T_RES(&r, 2, ==, -ECANCELED);
	T_RES(&r, 3, ==, 0);
	T_RES(&r, 4, ==, 0);
	tr_close(&r);
}

/* The end of a batch ends its open chain, whose head goes to io-wq; the next batch begins a new one. */
ENGINE_TEST(test_unterminated_chain, 60)
{
	struct tr r;

	tr_open(&r, 8, DEFER);
	tr_nop_res(&r, 1, L, -5);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	T_OP(tr_reap(&r), ==, 0u); /* a worker did it, so its completion is local work */
	tr_nop(&r, 2, 0);
	T_OP(tr_submit(&r), ==, 1);
	T_RES(&r, 2, ==, 0);
	T_RES(&r, 1, ==, NO_CQE);
	tr_want(&r, 2);
	T_RES(&r, 1, ==, -5);
	tr_close(&r);
}

ENGINE_TEST(test_prep_failure_and_the_batch, 30)
{
	unsigned int all = test_seed() & 1 ? IORING_SETUP_SUBMIT_ALL : 0;
	struct tr r;

	tr_open(&r, 8, all);
	tr_sqe(&r, 200, 1, 0);
	tr_nop(&r, 2, 0);
	T_OP(tr_submit(&r), ==, all ? 2 : 1);
	tr_submit(&r);
	tr_want(&r, 2);
	T_RES(&r, 1, ==, -EINVAL);
	T_RES(&r, 2, ==, 0);

	r.nr = 0;
	tr_nop(&r, 1, L);
	tr_sqe(&r, 200, 2, L);
	tr_nop(&r, 3, 0);
	tr_nop(&r, 4, 0);
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 2, ==, -EINVAL);
	T_RES(&r, 3, ==, -ECANCELED);
	T_RES(&r, 4, ==, 0);

	r.nr = 0;
	tr_nop(&r, 1, HL);
	tr_sqe(&r, 200, 2, 0);
	tr_nop(&r, 3, 0);
	T_OP(tr_submit(&r), ==, all ? 3 : 2);
	tr_submit(&r);
	tr_want(&r, 3);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 2, ==, -EINVAL);
	T_RES(&r, 3, ==, 0);
	tr_close(&r);
}

ENGINE_TEST(test_validation_order, 1)
{
	struct tr r;

	tr_open(&r, 16, IORING_SETUP_SUBMIT_ALL);
	tr_nop(&r, 1, 0x80);
	tr_nop(&r, 2, IOSQE_BUFFER_SELECT);
	tr_sqe(&r, IORING_OP_NOP, 3, 0)->ioprio = 1;
	tr_sqe(&r, IORING_OP_NOP, 4, 0)->personality = 1;
	tr_sqe(&r, IORING_OP_NOP, 5, 0)->rw_flags = 1 << 30;
	tr_sqe(&r, IORING_OP_EPOLL_CTL, 6, 0);
	tr_read(&r, 7, IOSQE_FIXED_FILE, 0, NULL, 0);
	tr_read(&r, 8, 0, 999, NULL, 0);
	tr_nop(&r, 9, SK);
	tr_nop(&r, 10, DR);
	T_OP(tr_submit(&r), ==, 10);
	tr_want(&r, 9);
	T_RES(&r, 1, ==, -EINVAL);
	T_RES(&r, 2, ==, -EOPNOTSUPP);
	for (unsigned int i = 3; i <= 6; i++)
		T_RES(&r, i, ==, -EINVAL);
	T_RES(&r, 7, ==, -EBADF);
	T_RES(&r, 8, ==, -EBADF);
	T_RES(&r, 9, ==, NO_CQE);
	T_RES(&r, 10, ==, -EOPNOTSUPP);
	tr_close(&r);
}

ENGINE_TEST(test_skip, 60)
{
	struct tr r;

	tr_open(&r, 16, any_kind());
	tr_nop(&r, 1, SK);
	tr_nop_res(&r, 2, SK | L, -5);
	tr_nop(&r, 3, L);
	tr_nop(&r, 4, 0);
	tr_nop_res(&r, 5, L, -6);
	tr_nop(&r, 6, SK);
	tr_nop(&r, 7, SK | A);
	T_OP(tr_submit(&r), ==, 7);
	settle();
	tr_enter(&r, 0);
	tr_want(&r, 3);
	T_RES(&r, 2, ==, -5);
	T_RES(&r, 5, ==, -6);
	T_RES(&r, 6, ==, -ECANCELED);
	tr_close(&r);
}

/* A follower of a request that a worker finished: the worker goes on with it and blocks, but on a DEFER_TASKRUN ring the
 * task does and arms a poll, unless the worker is the last to let go of the first. The cancel tells which. */
ENGINE_TEST(test_who_runs_the_follower, 60)
{
	unsigned int kind = any_kind();
	struct tr_pipe p;
	bool by_task;
	struct tr r;
	char c;

	tr_open(&r, 8, kind);
	tr_pipe(&p);
	tr_nop(&r, 1, A | L);
	tr_read(&r, 2, 0, p.out, &c, 1);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 1);
	settle();
	tr_enter(&r, 0);
	tr_cancel(&r, 3, 0, 2, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 3);
	by_task = tr_res(&r, 3) == 0;
	T_OP(kind == DEFER || !by_task, ==, true);
	T_RES(&r, 3, ==, by_task ? 0 : -EALREADY);
	T_RES(&r, 2, ==, by_task ? -ECANCELED : -EINTR);
	tr_close(&r);
}

/* ---- linked timeouts ---- */

ENGINE_TEST(test_lt_target_first, 60)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_nop(&r, 1, L);
	tr_lt(&r, 2, 0, NEVER_NS);
	tr_read(&r, 3, L, p.out, &c, 1);
	tr_lt(&r, 4, L, NEVER_NS);
	tr_nop(&r, 5, 0);
	T_OP(tr_submit(&r), ==, 5);
	tr_want(&r, 2);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 5);
	T_RES(&r, 1, ==, 0);
	T_RES(&r, 2, ==, -ECANCELED);
	T_RES(&r, 3, ==, 1);
	T_RES(&r, 4, ==, -ECANCELED);
	T_RES(&r, 5, ==, 0);
	T_OP(tr_pos(&r, 4), >, tr_pos(&r, 3));
	tr_close(&r);
}

ENGINE_TEST(test_lt_fires, 60)
{
	unsigned int hard = test_seed() & 1 ? HL : L;
	uint64_t begin;
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	begin = engine_now();
	tr_read(&r, 1, hard | (test_seed() & 4 ? A : 0), p.out, &c, 1);
	tr_lt(&r, 2, L, 100000);
	tr_nop(&r, 3, 0);
	T_OP(tr_submit(&r), ==, 3);
	tr_want(&r, 3);
	T_OP(engine_now() - begin, >=, (uint64_t)100000);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 2, ==, -ETIME);
	T_RES(&r, 3, ==, hard == HL ? 0 : -ECANCELED);
	T_OP(tr_pos(&r, 2), <, tr_pos(&r, 1));
	tr_close(&r);
}

/* The timer starts when the first issue returns: a worker that blocks is not timed out. It is shorter than settle() waits,
 * and longer than a worker takes from the end of its issue to disarming it. */
ENGINE_TEST(test_lt_not_while_a_worker_blocks, 30)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, DEFAULT);
	tr_pipe(&p);
	tr_nop(&r, 1, A | L);
	tr_read(&r, 2, L, p.out, &c, 1);
	tr_lt(&r, 3, 0, 20 * 1000 * 1000);
	T_OP(tr_submit(&r), ==, 3);
	settle();
	tr_reap(&r);
	T_OP(r.nr, ==, 1u);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 3);
	T_RES(&r, 2, ==, 1);
	T_RES(&r, 3, ==, -ECANCELED);
	tr_close(&r);
}

/* The target is cancelled before its first issue: the timeout never starts, and severs nothing. */
ENGINE_TEST(test_lt_never_started, 60)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, DEFAULT);
	block_bounded(&r, 2, &p, &c);
	tr_nop(&r, 3, A | HL);
	tr_lt(&r, 4, L, NEVER_NS);
	tr_nop(&r, 5, 0);
	tr_cancel(&r, 6, 0, 3, 0);
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 5);
	T_RES(&r, 6, ==, 0);
	T_RES(&r, 3, ==, -ECANCELED);
	T_RES(&r, 4, ==, -ECANCELED);
	T_RES(&r, 5, ==, 0);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 6);
	tr_close(&r);
}

ENGINE_TEST(test_lt_of_timeout_and_cancel, 60)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_timeout(&r, 1, L, NEVER_NS, 0);
	tr_lt(&r, 2, 0, 200000);
	tr_cancel(&r, 3, 0, 2, 0); /* a linked timeout cannot be cancelled */
	tr_timeout_remove(&r, 4, 0, 2);
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 2, ==, -ETIME);
	T_RES(&r, 3, ==, -ENOENT);
	T_RES(&r, 4, ==, -ENOENT);
	tr_close(&r);
}

ENGINE_TEST(test_lt_prep, 1)
{
	struct tr r;

	tr_open(&r, 16, IORING_SETUP_SUBMIT_ALL);
	tr_lt(&r, 1, 0, NEVER_NS);
	tr_nop(&r, 2, L);
	tr_lt(&r, 3, L, NEVER_NS);
	tr_lt(&r, 4, 0, NEVER_NS);
	tr_nop(&r, 5, L);
	tr_sqe(&r, IORING_OP_LINK_TIMEOUT, 6, 0);
	T_OP(tr_submit(&r), ==, 6);
	tr_want(&r, 6);
	T_RES(&r, 1, ==, -EINVAL);
	T_RES(&r, 2, ==, -ECANCELED);
	T_RES(&r, 3, ==, -ECANCELED);
	T_RES(&r, 4, ==, -EINVAL);
	T_RES(&r, 5, ==, -ECANCELED);
	T_RES(&r, 6, ==, -EINVAL);
	tr_close(&r);
}

/* Is task work pending, as the ring says? */
static bool work_pending(const struct tr *r)
{
	const uint32_t *flags = (const uint32_t *)(r->mem + r->p.sq_off.flags);

	return __atomic_load_n(flags, __ATOMIC_ACQUIRE) & IORING_SQ_TASKRUN;
}

/* Both the target and its timeout have work queued: who came first decides. The timer is long enough for the data to be
 * first, or has fired before they are written. */
ENGINE_TEST(test_lt_against_woken_poll, 40)
{
	bool data_first = test_seed() & 1;
	uint64_t start, took;
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, DEFER | IORING_SETUP_TASKRUN_FLAG);
	tr_pipe(&p);
	tr_read(&r, 1, L, p.out, &c, 1);
	tr_lt(&r, 2, 0, data_first ? 20 * 1000 * 1000 : 100);
	start = engine_now();
	T_OP(tr_submit(&r), ==, 2);
	while (!data_first && !work_pending(&r))
		settle();
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	took = engine_now() - start;
	settle();
	tr_want(&r, 2);
	if (data_first && took >= 20 * 1000 * 1000)
		data_first = tr_res(&r, 1) == 1; /* this machine was too slow for that */
	T_RES(&r, 1, ==, data_first ? 1 : -ECANCELED);
	T_RES(&r, 2, ==, data_first ? -ENOENT : -ETIME);
	T_OP(engine_read(p.out, &c, 1, -1, true), ==, (ssize_t)(data_first ? -EAGAIN : 1));
	tr_close(&r);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_chain_runs_in_order),
	CHECK_TEST(test_failure_severs_in_order),
	CHECK_TEST(test_hardlink_goes_on),
	CHECK_TEST(test_short_read_severs),
	CHECK_TEST(test_unterminated_chain),
	CHECK_TEST(test_prep_failure_and_the_batch),
	CHECK_TEST(test_validation_order),
	CHECK_TEST(test_skip),
	CHECK_TEST(test_who_runs_the_follower),
	CHECK_TEST(test_lt_target_first),
	CHECK_TEST(test_lt_fires),
	CHECK_TEST(test_lt_not_while_a_worker_blocks),
	CHECK_TEST(test_lt_never_started),
	CHECK_TEST(test_lt_of_timeout_and_cancel),
	CHECK_TEST(test_lt_prep),
	CHECK_TEST(test_lt_against_woken_poll),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
