/* Timeouts, with a count and without, and drains, which wait for them. */
#include <errno.h>

#include "core/ring/test_ring.h"

ENGINE_TEST(test_timeout_fires_not_early, 60)
{
	uint64_t begin = engine_now();
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_timeout(&r, 1, 0, 20 * MS, 0);
	tr_timeout(&r, 2, 0, 0, 0);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	T_RES(&r, 1, ==, -ETIME);
	T_RES(&r, 2, ==, -ETIME);
	T_OP(tr_pos(&r, 2), ==, 0);
	T_OP(engine_now() - begin, >=, (uint64_t)20 * MS);
	tr_close(&r);
}

ENGINE_TEST(test_timeout_severs_unless_told, 30)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_timeout(&r, 1, L, 100, 0);
	tr_nop(&r, 2, 0);
	tr_timeout(&r, 3, L, 100, 0);
	r.sqes[2].timeout_flags = IORING_TIMEOUT_ETIME_SUCCESS;
	tr_nop(&r, 4, 0);
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, -ETIME);
	T_RES(&r, 2, ==, -ECANCELED);
	T_RES(&r, 3, ==, -ETIME);
	T_RES(&r, 4, ==, 0);
	tr_close(&r);
}

/* Completions of the batch are posted after the timeout is issued, so they count, even those submitted before it. */
ENGINE_TEST(test_count_same_batch, 60)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_nop(&r, 1, 0);
	tr_timeout(&r, 2, 0, NEVER_NS, 1);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	T_RES(&r, 2, ==, 0);

	tr_nop(&r, 3, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_timeout(&r, 4, 0, NEVER_NS, 1);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	tr_enter(&r, 0);
	T_RES(&r, 4, ==, NO_CQE);
	tr_nop(&r, 5, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 5);
	T_RES(&r, 4, ==, 0);
	tr_close(&r);
}

/* Of three counts the smallest goes first, whatever the order of submission; those without a count stay. */
ENGINE_TEST(test_counts_are_sorted, 60)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_timeout(&r, 1, 0, NEVER_NS, 0);
	tr_timeout(&r, 2, 0, NEVER_NS, 3);
	tr_timeout(&r, 3, 0, NEVER_NS, 1);
	tr_timeout(&r, 4, 0, NEVER_NS, 2);
	T_OP(tr_submit(&r), ==, 4);
	for (unsigned int i = 1; i <= 3; i++) {
		tr_nop(&r, 10 + i, 0);
		T_OP(tr_submit(&r), ==, 1);
		tr_want(&r, 2 * i);
	}
	T_OP(tr_pos(&r, 3), ==, 1);
	T_OP(tr_pos(&r, 4), ==, 3);
	T_OP(tr_pos(&r, 2), ==, 5);
	tr_timeout_remove(&r, 20, 0, 1);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 8);
	T_RES(&r, 20, ==, 0);
	T_RES(&r, 1, ==, -ECANCELED);
	tr_close(&r);
}

/* A timeout that fired is no completion to a count; one that was cancelled is, and so is the cancel. */
ENGINE_TEST(test_what_counts, 60)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_timeout(&r, 1, 0, NEVER_NS, 3);
	tr_timeout(&r, 2, 0, 100, 0);
	tr_timeout(&r, 3, 0, NEVER_NS, 0);
	tr_nop(&r, 4, SK);
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 1);
	T_RES(&r, 2, ==, -ETIME);
	tr_timeout_remove(&r, 5, 0, 3);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 3);
	settle();
	tr_enter(&r, 0);
	T_RES(&r, 1, ==, NO_CQE);
	tr_nop(&r, 6, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 5);
	T_RES(&r, 1, ==, 0);
	tr_close(&r);
}

/* Timeouts that have fired and not been posted take the sequence back, even below where it began. */
ENGINE_TEST(test_sequence_runs_backwards, 30)
{
	struct tr r;

	tr_open(&r, 8, DEFER);
	tr_timeout(&r, 1, 0, NEVER_NS, 2);
	tr_timeout(&r, 2, 0, 0, 0);
	tr_timeout(&r, 3, 0, 0, 0);
	T_OP(tr_submit(&r), ==, 3);
	settle();
	tr_nop(&r, 4, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 3);
	settle();
	tr_enter(&r, 0);
	T_RES(&r, 1, ==, NO_CQE);
	tr_nop(&r, 5, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 5);
	T_RES(&r, 1, ==, 0);
	tr_close(&r);
}

ENGINE_TEST(test_remove, 60)
{
	struct tr r;

	tr_open(&r, 8, DEFER);
	tr_timeout(&r, 1, 0, NEVER_NS, 0);
	tr_timeout_remove(&r, 2, 0, 1);
	tr_timeout_remove(&r, 3, 0, 99);
	T_OP(tr_submit(&r), ==, 3);
	tr_want(&r, 3);
	T_RES(&r, 2, ==, 0);
	T_RES(&r, 1, ==, -ECANCELED);
	T_RES(&r, 3, ==, -ENOENT);
	/* Fired, its work not run yet. */
	tr_timeout(&r, 4, 0, 100, 0);
	T_OP(tr_submit(&r), ==, 1);
	settle();
	tr_timeout_remove(&r, 5, 0, 4);
	T_OP(tr_submit(&r), ==, 1);
	T_RES(&r, 5, ==, -ENOENT);
	tr_want(&r, 5);
	T_RES(&r, 4, ==, -ETIME);
	tr_close(&r);
}

/* The timer's callback races with the removal: one of them ends the timeout. */
ENGINE_TEST(test_remove_races_with_timer, 200)
{
	struct tr r;
	int res;

	tr_open(&r, 8, any_kind());
	tr_timeout(&r, 1, 0, 0, 0);
	tr_timeout_remove(&r, 2, 0, 1);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	res = tr_res(&r, 2);
	T(res == 0 || res == -EALREADY || res == -ENOENT);
	T_RES(&r, 1, ==, res == 0 ? -ECANCELED : -ETIME);
	tr_close(&r);
}

/* Likewise with the completion that reaches the count. */
ENGINE_TEST(test_count_races_with_timer, 200)
{
	struct tr r;
	int res;

	tr_open(&r, 8, any_kind());
	tr_timeout(&r, 1, 0, 0, 1);
	tr_nop(&r, 2, A);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	res = tr_res(&r, 1);
	T(res == 0 || res == -ETIME);
	tr_close(&r);
}

/* A request's timer starts anew where the one before it, in the same memory, is still on its way out of its callback. */
ENGINE_TEST(test_timer_reuse, 6000)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	for (unsigned int i = 0; i < 6; i++) {
		tr_timeout(&r, 10 + i, 0, 0, 0);
		T_OP(tr_submit(&r), ==, 1);
		tr_want(&r, 3 * i + 1);
		tr_timeout(&r, 20 + i, 0, NEVER_NS, 1);
		tr_nop(&r, 30 + i, 0);
		T_OP(tr_submit(&r), ==, 2);
		if (!tr_want(&r, 3 * i + 3))
			break;
	}
	tr_close(&r);
}

ENGINE_TEST(test_timeout_prep, 1)
{
	struct __kernel_timespec bad = { .tv_nsec = -1 };
	struct tr r;

	tr_open(&r, 8, IORING_SETUP_SUBMIT_ALL);
	tr_timeout(&r, 1, 0, 0, 0);
	r.sqes[0].addr = (uintptr_t)&bad;
	tr_timeout(&r, 2, 0, 0, 0);
	r.sqes[1].addr = 0;
	tr_timeout(&r, 3, 0, 0, 0);
	r.sqes[2].len = 2;
	tr_timeout(&r, 4, 0, 0, 0);
	r.sqes[3].timeout_flags = 1 << 30;
	T_OP(tr_submit(&r), ==, 4);
	tr_want(&r, 4);
	T_RES(&r, 1, ==, -EINVAL);
	T_RES(&r, 2, ==, -EFAULT);
	T_RES(&r, 3, ==, -EINVAL);
	T_RES(&r, 4, ==, -EINVAL);
	tr_close(&r);
}

/* A timeout request's end ends every wait. */
ENGINE_TEST(test_wait_ends_with_a_timeout, 60)
{
	struct tr r;

	tr_open(&r, 8, any_kind());
	tr_timeout(&r, 1, 0, 20 * MS, 0); /* it must not fire before the wait begins */
	T_OP(tr_enter(&r, 3), ==, 1);
	T_OP(r.nr, ==, 1u);
	T_RES(&r, 1, ==, -ETIME);
	tr_close(&r);
}

/* ---- drain ---- */

ENGINE_TEST(test_drain_is_a_fence, 60)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_read(&r, 1, 0, p.out, &c, 1);
	tr_nop(&r, 2, DR);
	tr_nop(&r, 3, 0);
	tr_cancel(&r, 4, 0, 1, 0); /* held back like everything after the drain */
	T_OP(tr_submit(&r), ==, 4);
	settle();
	tr_enter(&r, 0);
	T_OP(r.nr, ==, 0u);
	T_OP(tr_sync_cancel(&r, 2, 0, 1 * MS), ==, -ENOENT); /* deferred requests are not found */
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 4);
	T_OP(tr_pos(&r, 1), ==, 0);
	T_OP(tr_pos(&r, 2), ==, 1);
	T_RES(&r, 1, ==, 1);
	T_RES(&r, 4, ==, -ENOENT);
	/* With the list empty and all others freed, one more goes through io-wq, then drain is over. */
	settle();
	tr_enter(&r, 0);
	tr_nop(&r, 5, 0);
	T_OP(tr_submit(&r), ==, 1);
	tr_want(&r, 5);
	tr_nop(&r, 6, 0);
	T_OP(tr_submit(&r), ==, 1);
	T_RES(&r, 6, ==, 0);
	tr_close(&r);
}

/* Inside a chain it drains the head, and what comes after the chain. */
ENGINE_TEST(test_drain_in_a_chain, 60)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, any_kind());
	tr_pipe(&p);
	tr_read(&r, 1, 0, p.out, &c, 1);
	tr_nop(&r, 2, L);
	tr_nop(&r, 3, DR | L);
	tr_nop(&r, 4, 0);
	tr_nop(&r, 5, 0);
	T_OP(tr_submit(&r), ==, 5);
	settle();
	tr_enter(&r, 0);
	T_OP(r.nr, ==, 0u);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 5);
	for (unsigned int i = 1; i <= 5; i++)
		T_OP(tr_pos(&r, i), ==, (int)i - 1);
	tr_close(&r);
}

/* What comes after such a chain counts as drained as well, so drain lasts for one request more. */
ENGINE_TEST(test_drain_after_a_chain, 30)
{
	struct tr r;

	tr_open(&r, 8, DEFER);
	tr_nop(&r, 1, L);
	tr_nop(&r, 2, DR);
	T_OP(tr_submit(&r), ==, 2);
	tr_want(&r, 2);
	for (uint64_t ud = 3; ud <= 5; ud++) {
		settle(); /* until the one before is freed */
		tr_enter(&r, 0);
		tr_nop(&r, ud, 0);
		T_OP(tr_submit(&r), ==, 1);
		T_RES(&r, ud, ==, ud < 5 ? NO_CQE : 0);
		tr_want(&r, (unsigned int)ud);
	}
	tr_close(&r);
}

/* A failed chain is not held back. */
ENGINE_TEST(test_drain_and_prep_failure, 30)
{
	struct tr_pipe p;
	struct tr r;
	char c;

	tr_open(&r, 8, IORING_SETUP_SUBMIT_ALL);
	tr_pipe(&p);
	tr_read(&r, 1, 0, p.out, &c, 1);
	tr_nop(&r, 2, DR);
	tr_sqe(&r, 200, 3, 0);
	T_OP(tr_submit(&r), ==, 3);
	T_RES(&r, 3, ==, -EINVAL);
	T_RES(&r, 2, ==, NO_CQE);
	T_OP(engine_write(p.in, "x", 1, -1, true), ==, 1);
	tr_want(&r, 3);
	tr_close(&r);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_timeout_fires_not_early),
	CHECK_TEST(test_timeout_severs_unless_told),
	CHECK_TEST(test_count_same_batch),
	CHECK_TEST(test_counts_are_sorted),
	CHECK_TEST(test_what_counts),
	CHECK_TEST(test_sequence_runs_backwards),
	CHECK_TEST(test_remove),
	CHECK_TEST(test_remove_races_with_timer),
	CHECK_TEST(test_count_races_with_timer),
	CHECK_TEST(test_timer_reuse),
	CHECK_TEST(test_timeout_prep),
	CHECK_TEST(test_wait_ends_with_a_timeout),
	CHECK_TEST(test_drain_is_a_fence),
	CHECK_TEST(test_drain_in_a_chain),
	CHECK_TEST(test_drain_after_a_chain),
	CHECK_TEST(test_drain_and_prep_failure),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
