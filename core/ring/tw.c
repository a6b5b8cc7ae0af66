/* Task work: what a request still has to do in the context of its task. */
#include <errno.h>

#include "core/ring/ring.h"

/* ---- adding ---- */

/* The task is gone, or the ring's submitter does not run its work: the kworker does. */
static void io_fallback_add(struct io_kiocb *req)
{
	struct io_proc *p = req->ctx->proc;

	mutex_lock(&p->lock);
	list_add_tail(&req->node, &p->fallback);
	mutex_unlock(&p->lock);
	io_daemon_kick(&p->kworker);
}

void io_task_kick(struct io_uring_task *tctx, uint32_t pending)
{
	mutex_assert_held(&tctx->lock);
	a32_or(&tctx->pending, pending);
	if (a32_load(&tctx->mode) == IO_MODE_KERNEL) {
		if (tctx->owner)
			sched_notify(tctx->owner);
	} else if (pending & IO_PENDING_SIGNAL) {
		io_daemon_kick(&tctx->proc->poller);
	}
}

static void __io_task_work_add(struct io_kiocb *req, uint32_t pending, bool flag)
{
	struct io_uring_task *tctx = req->tctx;

	mutex_lock(&tctx->lock);
	if (tctx->exiting) {
		mutex_unlock(&tctx->lock);
		io_fallback_add(req);
		return;
	}
	list_add_tail(&req->node, &tctx->task_list);
	if (flag)
		a32_or(&req->ctx->rings->sq_flags, IORING_SQ_TASKRUN);
	io_task_kick(tctx, pending);
	mutex_unlock(&tctx->lock);
}

void io_task_work_add(struct io_kiocb *req)
{
	__io_task_work_add(req, IO_PENDING_WORK | IO_PENDING_SIGNAL, false);
}

static void io_req_normal_work_add(struct io_kiocb *req)
{
	bool coop = req->ctx->flags & IORING_SETUP_COOP_TASKRUN;

	__io_task_work_add(req, coop ? IO_PENDING_WORK : IO_PENDING_WORK | IO_PENDING_SIGNAL,
			   req->ctx->flags & IORING_SETUP_TASKRUN_FLAG);
}

/* Whoever may run it needs work_lock to take it, so the ring stays until the lock is released. */
static void io_req_local_work_add(struct io_kiocb *req)
{
	struct io_ring_ctx *ctx = req->ctx;

	mutex_lock(&ctx->work_lock);
	list_add_tail(&req->node, &ctx->work_list);
	a32_add(&ctx->nr_local, 1);
	if (ctx->flags & IORING_SETUP_TASKRUN_FLAG)
		a32_or(&ctx->rings->sq_flags, IORING_SQ_TASKRUN);
	if (a32_load(&ctx->cq_waiters))
		wait_wake(&ctx->cq_wait, 0, 0);
	if (a32_load(&ctx->dying))
		io_daemon_kick(&ctx->proc->kworker);
	mutex_unlock(&ctx->work_lock);
}

void io_req_task_work_add(struct io_kiocb *req)
{
	ENSURE(!list_is_linked(&req->node));
	ENSURE(req->tw != NULL);
	if (req->ctx->flags & IORING_SETUP_DEFER_TASKRUN)
		io_req_local_work_add(req);
	else
		io_req_normal_work_add(req);
}

/* ---- what the work is ---- */

void io_req_task_submit(struct io_kiocb *req, struct io_tw_state tw)
{
	mutex_assert_held(&req->ctx->uring_lock);
	if (tw.cancel)
		io_req_defer_failed(req, -EFAULT);
	else if (req->flags & REQ_F_FORCE_ASYNC)
		io_queue_iowq(req);
	else
		io_queue_sqe(req);
}

void io_req_task_queue(struct io_kiocb *req)
{
	req->tw = io_req_task_submit;
	io_req_task_work_add(req);
}

void io_req_task_complete(struct io_kiocb *req, struct io_tw_state tw)
{
	(void)tw;
	io_req_complete_defer(req);
}

void io_req_queue_tw_complete(struct io_kiocb *req, int32_t res)
{
	io_req_set_res(req, res, 0);
	req->tw = io_req_task_complete;
	io_req_task_work_add(req);
}

void io_req_task_cancel(struct io_kiocb *req, struct io_tw_state tw)
{
	(void)tw;
	io_req_defer_failed(req, req->res);
}

void io_req_task_queue_fail(struct io_kiocb *req, int32_t res)
{
	io_req_set_res(req, res, 0);
	req->tw = io_req_task_cancel;
	io_req_task_work_add(req);
}

/* ---- running ---- */

/* Runs a list in order and leaves it empty. Completions are flushed when the work goes on to another ring; after that,
 * and after the end, the ring may be gone. */
static unsigned int io_handle_tw_list(struct list *batch, bool exiting)
{
	struct io_ring_ctx *ctx = NULL;
	unsigned int nr = 0;

	while (!list_empty(batch)) {
		struct io_kiocb *req = list_first(batch, struct io_kiocb, node);

		list_del(&req->node);
		if (req->ctx != ctx) {
			if (ctx) {
				io_submit_flush_completions(ctx);
				mutex_unlock(&ctx->uring_lock);
			}
			ctx = req->ctx;
			mutex_lock(&ctx->uring_lock);
			if (ctx->flags & IORING_SETUP_TASKRUN_FLAG)
				a32_and(&ctx->rings->sq_flags, ~(uint32_t)IORING_SQ_TASKRUN);
		}
		req->tw(req, (struct io_tw_state){ .cancel = exiting || a32_load(&ctx->dying) });
		nr++;
	}
	if (ctx) {
		io_submit_flush_completions(ctx);
		mutex_unlock(&ctx->uring_lock);
	}
	return nr;
}

static unsigned int io_run_creations(struct io_uring_task *tctx)
{
	unsigned int nr = 0;

	mutex_lock(&tctx->lock);
	while (!list_empty(&tctx->creations)) {
		struct io_wq_callback *cb = list_first(&tctx->creations, struct io_wq_callback, node);

		list_del(&cb->node);
		mutex_unlock(&tctx->lock);
		cb->run(cb);
		nr++;
		mutex_lock(&tctx->lock);
	}
	mutex_unlock(&tctx->lock);
	return nr;
}

static unsigned int tctx_task_work_run(struct io_uring_task *tctx)
{
	struct list batch = LIST_INIT(batch);
	unsigned int nr;
	bool exiting;

	a32_xchg(&tctx->pending, 0);
	nr = io_run_creations(tctx);
	mutex_lock(&tctx->lock);
	list_splice_tail(&tctx->task_list, &batch);
	exiting = tctx->exiting;
	mutex_unlock(&tctx->lock);
	return nr + io_handle_tw_list(&batch, exiting);
}

unsigned int io_run_task_work(struct io_uring_task *tctx)
{
	unsigned int nr = 0;

	sched_clear_notify();
	if (!a32_load(&tctx->pending))
		return 0;
	mutex_lock(&tctx->run_lock);
	while (a32_load(&tctx->pending))
		nr += tctx_task_work_run(tctx);
	mutex_unlock(&tctx->run_lock);
	return nr;
}

/* ---- local work of DEFER_TASKRUN rings ---- */

bool io_allowed_local_tw(struct io_ring_ctx *ctx, struct io_uring_task *tctx)
{
	return (ctx->flags & IORING_SETUP_DEFER_TASKRUN) && ctx->submitter == tctx;
}

static unsigned int io_run_local_list(struct io_ring_ctx *ctx, struct list *list, unsigned int max)
{
	unsigned int nr = 0;

	while (nr < max && !list_empty(list)) {
		struct io_kiocb *req = list_first(list, struct io_kiocb, node);

		list_del(&req->node);
		a32_sub(&ctx->nr_local, 1);
		/* Only the submitter runs this, and it is the only one to write its own `exiting`. */
		req->tw(req, (struct io_tw_state){ .cancel = ctx->submitter->exiting || a32_load(&ctx->dying) });
		nr++;
	}
	return nr;
}

static bool io_run_local_work_continue(struct io_ring_ctx *ctx, unsigned int events, unsigned int min_events)
{
	if (!io_local_work_pending(ctx))
		return false;
	if (events < min_events)
		return true;
	if (ctx->flags & IORING_SETUP_TASKRUN_FLAG)
		a32_or(&ctx->rings->sq_flags, IORING_SQ_TASKRUN);
	return false;
}

/* What the cap leaves over is kept on retry_list and comes first the next time, alone: one pass does not start on new
 * work while it finds old work that it cannot finish. */
unsigned int io_run_local_work_locked(struct io_ring_ctx *ctx, unsigned int min_events, unsigned int max_events)
{
	unsigned int total = 0;

	mutex_assert_held(&ctx->uring_lock);
	if (!io_local_work_pending(ctx))
		return 0;
	if (ctx->flags & IORING_SETUP_TASKRUN_FLAG)
		a32_and(&ctx->rings->sq_flags, ~(uint32_t)IORING_SQ_TASKRUN);
	do {
		unsigned int events = 0;

		do {
			min_events -= events < min_events ? events : min_events;
			events = io_run_local_list(ctx, &ctx->retry_list, max_events);
			if (list_empty(&ctx->retry_list)) {
				mutex_lock(&ctx->work_lock);
				list_splice_tail(&ctx->work_list, &ctx->retry_list);
				mutex_unlock(&ctx->work_lock);
				events += io_run_local_list(ctx, &ctx->retry_list, max_events - events);
			}
			total += events;
		} while (list_empty(&ctx->retry_list) && io_run_local_work_continue(ctx, events, min_events));
		io_submit_flush_completions(ctx);
		if (!io_run_local_work_continue(ctx, events, min_events))
			break;
	} while (true);
	return total;
}

/* ---- the kworker's and the poller's part ---- */

void io_move_task_work_from_local(struct io_ring_ctx *ctx)
{
	struct list moved = LIST_INIT(moved);

	mutex_lock(&ctx->uring_lock);
	list_splice_tail(&ctx->retry_list, &moved);
	mutex_lock(&ctx->work_lock);
	list_splice_tail(&ctx->work_list, &moved);
	a32_store(&ctx->nr_local, 0);
	mutex_unlock(&ctx->work_lock);
	mutex_unlock(&ctx->uring_lock);
	if (list_empty(&moved))
		return;
	mutex_lock(&ctx->proc->lock);
	list_splice_tail(&moved, &ctx->proc->fallback);
	mutex_unlock(&ctx->proc->lock);
}

unsigned int io_run_fallback_work(struct io_proc *p)
{
	struct list batch = LIST_INIT(batch);

	mutex_lock(&p->lock);
	list_splice_tail(&p->fallback, &batch);
	mutex_unlock(&p->lock);
	return io_handle_tw_list(&batch, true);
}

static struct io_uring_task *io_poller_pick(struct io_proc *p)
{
	struct io_uring_task *found = NULL;

	mutex_lock(&p->lock);
	list_for_each(node, &p->tasks) {
		struct io_uring_task *tctx = list_entry(node, struct io_uring_task, node);

		if (!found && (a32_load(&tctx->pending) & IO_PENDING_SIGNAL) && a32_load(&tctx->mode) == IO_MODE_USER) {
			io_task_get(tctx);
			found = tctx;
		}
	}
	mutex_unlock(&p->lock);
	return found;
}

/* What would interrupt a task in user mode. A task that enters the engine meanwhile looks for its work itself. */
uint64_t io_poller_pass(void *arg)
{
	struct io_proc *p = arg;
	struct io_uring_task *tctx;

	while ((tctx = io_poller_pick(p))) {
		io_run_task_work(tctx);
		io_task_put(tctx, 1);
	}
	return SCHED_NEVER;
}
