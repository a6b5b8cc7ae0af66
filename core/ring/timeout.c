/* Timeouts: pure ones, ones with a count, linked ones.
 *
 * A count is of CQEs posted: the sequence is the CQ's tail less the timeouts that fired or were completed by their count
 * (cancelled ones are CQEs like any other). A timeout's target is the sequence at its issue plus its count; both wrap, so
 * they are compared by their distance.
 *
 * Who ends a timeout takes it off its list under timeout_lock and first makes sure of its timer:
 *	timer          io_timeout_fn            ETIME, by task work
 *	count          io_flush_timeouts        0, if the timer can still be stopped
 *	cancel         io_timeout_extract       ECANCELED, likewise; EALREADY if not: the callback runs
 *	ring's end     io_kill_timeouts         ECANCELED, likewise
 *
 * A cancelled worker that arms a timeout looks once more at its mark, as in poll.c. */
#include <errno.h>
#include <string.h>

#include "core/ring/cancel.h"
#include "core/ring/timeout.h"

enum {
	TIMEOUT_CLOCKS = IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME,
	TIMEOUT_FLAGS = IORING_TIMEOUT_ABS | TIMEOUT_CLOCKS | IORING_TIMEOUT_ETIME_SUCCESS,
};

int io_get_timespec(const void *from, uint64_t *ns)
{
	struct __kernel_timespec ts;

	if (!io_copy_from_user(&ts, from, sizeof(ts)))
		return -EFAULT;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0)
		return -EINVAL;
	*ns = SCHED_NEVER - 1;
	if ((uint64_t)ts.tv_sec < SCHED_NEVER / 2 / 1000000000u && (uint64_t)ts.tv_nsec < SCHED_NEVER / 2)
		*ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	return 0;
}

uint64_t io_deadline(uint64_t ns)
{
	uint64_t now = sched_now();

	return ns < SCHED_NEVER - 1 - now ? now + ns : SCHED_NEVER - 1;
}

static struct io_kiocb *io_timeout_of(struct list *node)
{
	return list_entry(node, struct io_kiocb, timeout.list);
}

static bool io_is_timeout_noseq(const struct io_kiocb *req)
{
	return req->timeout.off == 0;
}

/* When the timer of a request that is armed now is due. */
static uint64_t io_timeout_deadline(const struct io_kiocb *req)
{
	return req->timeout.flags & IORING_TIMEOUT_ABS ? req->timeout.ns : io_deadline(req->timeout.ns);
}

static void io_count_timeout(struct io_ring_ctx *ctx)
{
	mutex_assert_held(&ctx->timeout_lock);
	a32_add(&ctx->cq_timeouts, 1);
}

static void io_timeout_start(struct io_kiocb *req)
{
	io_trace(IO_TRACE_ARMED, req->user_data, 0);
	io_timer_start(&req->ctx->proc->timers, &req->timeout.timer, io_timeout_deadline(req));
}

static int io_timeout_try_stop(struct io_kiocb *req)
{
	return io_timer_try_to_cancel(&req->ctx->proc->timers, &req->timeout.timer);
}

/* ---- firing ---- */

static void io_timeout_fn(struct io_timer *t)
{
	struct io_kiocb *req = container_of(t, struct io_kiocb, timeout.timer);
	struct io_ring_ctx *ctx = req->ctx;

	mutex_lock(&ctx->timeout_lock);
	list_del(&req->timeout.list);
	io_count_timeout(ctx);
	/* Under the lock: a cancel that finds it on no list may already see the result. */
	if (!(req->timeout.flags & IORING_TIMEOUT_ETIME_SUCCESS))
		req_set_fail(req);
	io_req_queue_tw_complete(req, -ETIME);
	mutex_unlock(&ctx->timeout_lock);
}

/* Sequences wrap, and they run backwards when a timeout fires before it posts. So they are compared by their distance;
 * 6.18 measures both from the last flush, without sign, and a sequence behind it seems to have reached everything. */
static bool io_seq_reached(uint32_t seq, uint32_t target)
{
	return (int32_t)(seq - target) >= 0;
}

void io_flush_timeouts(struct io_ring_ctx *ctx)
{
	struct list *node, *next;
	uint32_t seq;

	mutex_lock(&ctx->timeout_lock);
	seq = a32_load(&ctx->cached_cq_tail) - a32_load(&ctx->cq_timeouts);
	for (node = ctx->timeout_list.next; node != &ctx->timeout_list; node = next) {
		struct io_kiocb *req = io_timeout_of(node);

		next = node->next;
		if (io_is_timeout_noseq(req))
			break;
		if (!io_seq_reached(seq, req->timeout.target_seq))
			break;
		if (io_timeout_try_stop(req) < 0)
			continue;
		list_del(&req->timeout.list);
		io_count_timeout(ctx);
		io_req_queue_tw_complete(req, 0);
	}
	mutex_unlock(&ctx->timeout_lock);
}

/* ---- TIMEOUT ---- */

static int __io_timeout_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe, bool linked)
{
	struct io_timeout_data *t = &req->timeout;
	struct io_ring_ctx *ctx = req->ctx;
	int ret;

	if (sqe->buf_index || sqe->len != 1 || sqe->splice_fd_in || (sqe->off && linked))
		return -EINVAL;
	if (sqe->timeout_flags & ~(uint32_t)TIMEOUT_FLAGS)
		return -EINVAL;
	if ((sqe->timeout_flags & TIMEOUT_CLOCKS) == TIMEOUT_CLOCKS)
		return -EINVAL;
	/* There is one clock here; only the start of a relative time does not say which. */
	if ((sqe->timeout_flags & IORING_TIMEOUT_ABS) && (sqe->timeout_flags & TIMEOUT_CLOCKS))
		return -EINVAL;
	if (sqe->off)
		a32_store(&ctx->off_timeout_used, 1);
	ret = io_get_timespec((const void *)(uintptr_t)sqe->addr, &t->ns);
	if (ret)
		return ret;
	t->flags = sqe->timeout_flags;
	t->off = (uint32_t)sqe->off;
	t->head = t->prev = NULL;
	ENSURE(!list_is_linked(&t->list));
	return 0;
}

int io_timeout_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	int ret = __io_timeout_prep(req, sqe, false);

	if (!ret)
		io_timer_init(&req->ctx->proc->timers, &req->timeout.timer, io_timeout_fn);
	return ret;
}

/* The place of a new timeout with a count: behind those that are reached before it or with it. */
static struct list *io_timeout_slot(struct io_ring_ctx *ctx, uint32_t tail, uint32_t off)
{
	struct list *at;

	for (at = ctx->timeout_list.prev; at != &ctx->timeout_list; at = at->prev) {
		struct io_kiocb *other = io_timeout_of(at);

		if (!io_is_timeout_noseq(other) && io_seq_reached(tail + off, other->timeout.target_seq))
			break;
	}
	return at;
}

int io_timeout(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_timeout_data *t = &req->timeout;
	struct io_ring_ctx *ctx = req->ctx;
	struct list *at;

	mutex_lock(&ctx->timeout_lock);
	if (io_req_cancel_marked(req, issue_flags)) {
		mutex_unlock(&ctx->timeout_lock);
		return -ECANCELED;
	}
	if (io_is_timeout_noseq(req)) {
		at = ctx->timeout_list.prev;
	} else {
		uint32_t tail = a32_load(&ctx->cached_cq_tail) - a32_load(&ctx->cq_timeouts);

		t->target_seq = tail + t->off;
		at = io_timeout_slot(ctx, tail, t->off);
	}
	list_add(&t->list, at);
	io_timeout_start(req);
	mutex_unlock(&ctx->timeout_lock);
	return IOU_ISSUE_SKIP_COMPLETE;
}

/* ---- cancelling ---- */

/* Takes a matching timeout off; -ENOENT, or -EALREADY: its callback runs. timeout_lock held. */
static int io_timeout_extract(struct io_ring_ctx *ctx, struct io_cancel_data *cd, struct io_kiocb **out)
{
	struct io_kiocb *req = NULL;

	mutex_assert_held(&ctx->timeout_lock);
	list_for_each(node, &ctx->timeout_list) {
		if (io_cancel_req_match(io_timeout_of(node), cd)) {
			req = io_timeout_of(node);
			break;
		}
	}
	if (!req)
		return -ENOENT;
	if (io_timeout_try_stop(req) < 0)
		return -EALREADY;
	list_del(&req->timeout.list);
	*out = req;
	return 0;
}

int io_timeout_cancel(struct io_ring_ctx *ctx, struct io_cancel_data *cd)
{
	struct io_kiocb *req;
	int ret;

	mutex_lock(&ctx->timeout_lock);
	ret = io_timeout_extract(ctx, cd, &req);
	mutex_unlock(&ctx->timeout_lock);
	if (!ret)
		io_req_task_queue_fail(req, -ECANCELED);
	return ret;
}

/* Of those whose target is in flight the target's end will take care. */
bool io_kill_timeouts(struct io_ring_ctx *ctx, struct io_uring_task *tctx, bool cancel_all)
{
	struct list gone = LIST_INIT(gone);
	bool found;

	mutex_lock(&ctx->timeout_lock);
	list_for_each_safe(node, &ctx->timeout_list) {
		struct io_kiocb *req = io_timeout_of(node);

		if (io_match_task(req, tctx, cancel_all) && io_timeout_try_stop(req) >= 0) {
			list_del(node);
			list_add_tail(node, &gone);
		}
	}
	mutex_unlock(&ctx->timeout_lock);
	found = !list_empty(&gone);
	while (!list_empty(&gone)) {
		struct io_kiocb *req = io_timeout_of(gone.next);

		list_del(&req->timeout.list);
		io_req_task_queue_fail(req, -ECANCELED);
	}
	return found;
}

/* ---- TIMEOUT_REMOVE ---- */

struct io_timeout_rem {
	uint64_t addr;
	uint32_t flags;
};

int io_timeout_remove_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_timeout_rem *tr = io_cmd(req, struct io_timeout_rem);

	if (req->flags & (REQ_F_FIXED_FILE | REQ_F_BUFFER_SELECT))
		return -EINVAL;
	if (sqe->buf_index || sqe->len || sqe->splice_fd_in)
		return -EINVAL;
	tr->addr = sqe->addr;
	tr->flags = sqe->timeout_flags;
	/* LINK_TIMEOUT_UPDATE alone is a plain removal; updates are not here yet. */
	if (tr->flags & ~(uint32_t)IORING_LINK_TIMEOUT_UPDATE)
		return -EINVAL;
	return 0;
}

int io_timeout_remove(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_timeout_rem *tr = io_cmd(req, struct io_timeout_rem);
	struct io_cancel_data cd = { .ctx = req->ctx, .data = tr->addr };
	int ret = io_timeout_cancel(req->ctx, &cd);

	(void)issue_flags;
	if (ret < 0)
		req_set_fail(req);
	io_req_set_res(req, ret, 0);
	return IOU_COMPLETE;
}

/* ---- LINK_TIMEOUT ---- */

static void io_req_task_link_timeout(struct io_kiocb *req, struct io_tw_state tw)
{
	struct io_kiocb *prev = req->timeout.prev;
	int ret = 0;

	if (prev && tw.cancel) {
		ret = -ECANCELED;
	} else if (prev) {
		struct io_cancel_data cd = { .ctx = req->ctx, .data = prev->user_data };

		ret = io_try_cancel(req->tctx, &cd, 0);
	}
	ENSURE_OP(ret, <=, 0);
	io_req_set_res(req, ret ? ret : -ETIME, 0);
	io_req_complete_defer(req);
	if (prev)
		io_put_req(prev);
}

static void io_link_timeout_fn(struct io_timer *t)
{
	struct io_kiocb *req = container_of(t, struct io_kiocb, timeout.timer);
	struct io_ring_ctx *ctx = req->ctx;
	struct io_kiocb *prev;

	mutex_lock(&ctx->timeout_lock);
	prev = req->timeout.head;
	req->timeout.head = NULL;
	if (prev) {
		ENSURE(prev->link == req);
		io_remove_next_linked(prev);
		if (!req_ref_inc_not_zero(prev))
			prev = NULL;
	}
	list_del(&req->timeout.list);
	req->timeout.prev = prev;
	req->tw = io_req_task_link_timeout;
	io_req_task_work_add(req);
	mutex_unlock(&ctx->timeout_lock);
}

int io_link_timeout_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_ring_ctx *ctx = req->ctx;
	int ret = __io_timeout_prep(req, sqe, true);

	if (ret)
		return ret;
	if (!ctx->link.head || ctx->link.last->opcode == IORING_OP_LINK_TIMEOUT)
		return -EINVAL;
	req->timeout.head = ctx->link.last;
	ctx->link.last->flags |= REQ_F_ARM_LTIMEOUT;
	io_timer_init(&ctx->proc->timers, &req->timeout.timer, io_link_timeout_fn);
	return 0;
}

int io_link_timeout_issue(struct io_kiocb *req, unsigned int issue_flags)
{
	(void)req;
	(void)issue_flags;
	return -ECANCELED;
}

void io_queue_linked_timeout(struct io_kiocb *req)
{
	struct io_ring_ctx *ctx = req->ctx;

	mutex_lock(&ctx->timeout_lock);
	/* No head: the target has ended already and has taken care of us. */
	if (req->timeout.head) {
		list_add_tail(&req->timeout.list, &ctx->ltimeout_list);
		io_timeout_start(req);
	}
	mutex_unlock(&ctx->timeout_lock);
	io_put_req(req);
}

struct io_kiocb *io_disarm_linked_timeout(struct io_kiocb *req)
{
	struct io_kiocb *lt = req->link;

	mutex_assert_held(&req->ctx->timeout_lock);
	io_remove_next_linked(req);
	lt->timeout.head = NULL;
	if (io_timeout_try_stop(lt) < 0)
		return NULL;
	list_del(&lt->timeout.list);
	return lt;
}
