/* Completions, and the end of requests.
 *
 * A flush makes all CQEs of the list visible before it frees the first request of the list, for freeing starts followers
 * and releases what drain holds back. */
#include "core/ring/ring.h"

/* ---- references ---- */

void io_req_set_refcount(struct io_kiocb *req, uint32_t nr)
{
	if (req->flags & REQ_F_REFCOUNT)
		return;
	req->flags |= REQ_F_REFCOUNT;
	a32_store(&req->refs, nr);
}

bool req_ref_inc_not_zero(struct io_kiocb *req)
{
	uint32_t seen = a32_load(&req->refs);

	while (seen)
		if (a32_cas(&req->refs, &seen, seen + 1))
			return true;
	return false;
}

bool req_ref_put_and_test(struct io_kiocb *req)
{
	uint32_t before = a32_sub(&req->refs, 1);

	ENSURE_OP(before, >, 0u);
	return before == 1;
}

void io_free_req(struct io_kiocb *req)
{
	req->flags |= REQ_F_ONLY_FREE;
	req->flags &= ~(uint32_t)REQ_F_REFCOUNT;
	req->tw = io_req_task_complete;
	io_req_task_work_add(req);
}

void io_put_req(struct io_kiocb *req)
{
	if (req_ref_put_and_test(req)) {
		ENSURE(req->flags & REQ_F_REFCOUNT);
		io_free_req(req);
	}
}

/* ---- completing ---- */

void io_req_complete_defer(struct io_kiocb *req)
{
	struct io_ring_ctx *ctx = req->ctx;

	mutex_assert_held(&ctx->uring_lock);
	ENSURE(!list_is_linked(&req->node));
	ENSURE(!list_is_linked(&req->cancel_node));
	list_add_tail(&req->node, &ctx->compl_reqs);
}

void io_req_defer_failed(struct io_kiocb *req, int32_t res)
{
	mutex_assert_held(&req->ctx->uring_lock);
	req_set_fail(req);
	io_req_set_res(req, res, 0);
	io_req_complete_defer(req);
}

/* A worker completes: at once on a default ring, unless there is no room in the CQ. The worker holds a reference of its
 * own, so the completion's is never the last. */
void io_req_complete_post(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = req->ctx;
	bool posted = false;

	ENSURE(issue_flags & IO_URING_F_IOWQ);
	ENSURE(req->flags & REQ_F_REFCOUNT);
	ENSURE(!(req->flags & REQ_F_POSTED));
	if (!(ctx->flags & IORING_SETUP_DEFER_TASKRUN)) {
		io_cq_lock(ctx);
		posted = (req->flags & REQ_F_CQE_SKIP) ||
			 io_post_cqe(ctx, req->user_data, req->res, req->cflags, false);
		io_cq_unlock_post(ctx);
	}
	if (!posted) {
		req->tw = io_req_task_complete;
		io_req_task_work_add(req);
		return;
	}
	req->flags |= REQ_F_POSTED;
	ENSURE(!req_ref_put_and_test(req));
}

/* ---- freeing ---- */

static void io_free_req_locked(struct io_kiocb *req)
{
	struct io_ring_ctx *ctx = req->ctx;
	struct io_uring_task *tctx = req->tctx;

	ENSURE(req->flags & REQ_F_POSTED);
	ENSURE(!req->link);
	ENSURE(!list_is_linked(&req->cancel_node));
	ENSURE(!list_is_linked(&req->poll.wait.node));
	ENSURE(!list_is_linked(&req->timeout.list));
	if (req->file_node)
		io_rsrc_node_put(ctx, req->file_node);
	else if (req->file)
		file_put(req->file);
	req->file_node = NULL;
	req->file = NULL;
	if (a32_load(&req->tracked)) {
		a32_store(&req->tracked, 0);
		mutex_lock(&tctx->lock);
		a32_sub(&tctx->tracked, 1);
		if (tctx->exiting && tctx->owner)
			sched_unpark(tctx->owner);
		mutex_unlock(&tctx->lock);
	}
	req->ctx = NULL;
	req->tctx = NULL;
	list_add(&req->node, &ctx->free_reqs);
	ENSURE_OP(ctx->nr_live, >, 0u);
	ctx->nr_live--;
	io_task_put(tctx, 1);
}

static void io_free_batch_list(struct io_ring_ctx *ctx, struct list *batch)
{
	while (!list_empty(batch)) {
		struct io_kiocb *req = list_first(batch, struct io_kiocb, node);

		/* Once our reference is gone, another agent may queue it to be freed. */
		list_del(&req->node);
		if ((req->flags & REQ_F_REFCOUNT) && !req_ref_put_and_test(req))
			continue;
		if (req->flags & IO_REQ_LINK_FLAGS)
			io_queue_next(req);
		io_free_req_locked(req);
	}
	if (a32_load(&ctx->dying) && ctx->nr_live == 0)
		io_daemon_kick(&ctx->proc->kworker);
}

static void __io_submit_flush_completions(struct io_ring_ctx *ctx)
{
	struct list batch = LIST_INIT(batch);
	bool any = false;

	list_splice_tail(&ctx->compl_reqs, &batch);
	io_cq_lock(ctx);
	list_for_each(node, &batch) {
		struct io_kiocb *req = list_entry(node, struct io_kiocb, node);

		if (req->flags & REQ_F_ONLY_FREE) {
			ENSURE(req->flags & REQ_F_POSTED);
			continue;
		}
		ENSURE(!(req->flags & REQ_F_POSTED));
		req->flags |= REQ_F_POSTED;
		any = true;
		if (!(req->flags & REQ_F_CQE_SKIP))
			io_post_cqe(ctx, req->user_data, req->res, req->cflags, true);
	}
	if (any)
		io_cq_unlock_post(ctx);
	else
		mutex_unlock(&ctx->completion_lock);
	io_free_batch_list(ctx, &batch);
}

void io_submit_flush_completions(struct io_ring_ctx *ctx)
{
	mutex_assert_held(&ctx->uring_lock);
	while (!list_empty(&ctx->compl_reqs)) {
		__io_submit_flush_completions(ctx);
		if (ctx->drain_active)
			io_queue_deferred(ctx);
	}
}
