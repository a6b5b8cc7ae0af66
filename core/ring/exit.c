/* The end of rings and of tasks.
 *
 * A ring ends when its file does: descriptors, mappings and requests on it are gone. io_ring_ctx_wait_and_kill hands it to
 * the kworker of the process, which cancels all there is, in this order: io-wq of every task, local task work, drain,
 * polls, timeouts; and again, at once while something was found, then after a while and whenever a request is freed, until
 * no request is left. Requests between two places are not found at first: they come to one.
 *
 * A task that exits takes its io-wq with it, and the requests that hold a ring's file. Its polls and timeouts stay; when
 * they end, the kworker completes them. */
#include <errno.h>

#include "core/ring/cancel.h"
#include "core/ring/poll.h"
#include "core/ring/ring.h"
#include "core/ring/timeout.h"

enum { EXIT_ROUND_NS = 50000000, EXIT_ROUNDS = 200 };

bool io_match_task(const struct io_kiocb *req, const struct io_uring_task *tctx, bool cancel_all)
{
	if (tctx && req->tctx != tctx)
		return false;
	return cancel_all || a32_load(&req->tracked);
}

struct io_match {
	const struct io_ring_ctx *ctx;
	const struct io_uring_task *tctx;
	bool cancel_all;
};

static bool io_cancel_task_cb(struct io_wq_work *work, void *data)
{
	const struct io_kiocb *req = container_of(work, struct io_kiocb, work);
	const struct io_match *m = data;

	return req->ctx == m->ctx && io_match_task(req, m->tctx, m->cancel_all);
}

/* True: pending work was cancelled. What runs has been told, and will end by itself. */
static bool io_uring_try_cancel_iowq(struct io_ring_ctx *ctx, struct io_uring_task *tctx, bool cancel_all)
{
	struct io_match m = { .ctx = ctx, .tctx = tctx, .cancel_all = cancel_all };
	bool found = false;

	mutex_lock(&ctx->proc->nodes_lock);
	list_for_each(l, &ctx->tctx_list) {
		struct io_uring_task *t = list_entry(l, struct io_tctx_node, ctx_node)->tctx;

		if (t->io_wq && (!tctx || t == tctx))
			found |= io_wq_cancel_cb(t->io_wq, io_cancel_task_cb, &m, true) == IO_WQ_CANCEL_OK;
	}
	mutex_unlock(&ctx->proc->nodes_lock);
	return found;
}

/* One round over the requests of ctx; of one task, called by it, or of all (NULL), by the kworker. True: try again. */
static bool io_uring_try_cancel_requests(struct io_ring_ctx *ctx, struct io_uring_task *tctx, bool cancel_all)
{
	bool found = io_uring_try_cancel_iowq(ctx, tctx, cancel_all);

	if (!tctx)
		io_move_task_work_from_local(ctx);
	mutex_lock(&ctx->uring_lock);
	if (tctx && io_allowed_local_tw(ctx, tctx))
		found |= io_run_local_work_locked(ctx, UINT32_MAX, UINT32_MAX) > 0;
	found |= io_cancel_defer_files(ctx, tctx, cancel_all);
	found |= io_poll_remove_all(ctx, tctx, cancel_all);
	mutex_unlock(&ctx->uring_lock);
	found |= io_kill_timeouts(ctx, tctx, cancel_all);
	if (!tctx)
		found |= io_run_fallback_work(ctx->proc) > 0;
	return found;
}

/* ---- rings ---- */

/* Called where the file's last reference goes, under whatever locks. */
void io_ring_ctx_wait_and_kill(struct io_ring_ctx *ctx)
{
	struct io_proc *p = ctx->proc;

	ENSURE(!a32_xchg(&ctx->dying, 1));
	mutex_lock(&p->lock);
	list_add_tail(&ctx->exit_node, &p->exiting_rings);
	mutex_unlock(&p->lock);
	io_daemon_kick(&p->kworker);
}

void io_ring_unpin(struct io_ring_ctx *ctx)
{
	struct io_proc *p = ctx->proc;

	mutex_lock(&p->nodes_lock);
	ENSURE_OP(ctx->pins, >, 0u);
	ctx->pins--;
	mutex_unlock(&p->nodes_lock);
	/* It may be gone now. */
	io_daemon_kick_if_there(&p->kworker);
}

/* No task uses the ring any more. False: one that exits still looks at it. */
static bool io_ring_detach(struct io_ring_ctx *ctx)
{
	bool pinned;

	mutex_lock(&ctx->proc->nodes_lock);
	pinned = ctx->pins > 0;
	while (!pinned && !list_empty(&ctx->tctx_list))
		io_uring_del_tctx_node(list_first(&ctx->tctx_list, struct io_tctx_node, ctx_node));
	mutex_unlock(&ctx->proc->nodes_lock);
	return !pinned;
}

/* One try to end the ring. Returns when to try again: SCHED_NEVER, if it is gone or if only the end of a request can
 * help. */
static uint64_t io_ring_exit_work(struct io_ring_ctx *ctx)
{
	struct io_proc *p = ctx->proc;
	bool any = false;
	bool idle;

	while (io_uring_try_cancel_requests(ctx, NULL, true))
		any = true;
	mutex_lock(&ctx->uring_lock);
	io_cqring_overflow_flush(ctx, true);
	idle = ctx->nr_live == 0;
	mutex_unlock(&ctx->uring_lock);
	if (!idle || !io_ring_detach(ctx)) {
		ctx->exit_rounds = any ? 0 : ctx->exit_rounds + 1;
		return ctx->exit_rounds < EXIT_ROUNDS ? sched_now() + EXIT_ROUND_NS : SCHED_NEVER;
	}
	mutex_lock(&p->lock);
	list_del(&ctx->exit_node);
	mutex_unlock(&p->lock);
	io_ring_ctx_free(ctx);
	mutex_lock(&p->lock);
	ENSURE_OP(p->nr_rings, >, 0u);
	p->nr_rings--;
	io_proc_wake_waiter(p);
	mutex_unlock(&p->lock);
	return SCHED_NEVER;
}

static struct io_ring_ctx *io_next_exiting(struct io_proc *p, struct io_ring_ctx *after)
{
	struct list *node;

	mutex_lock(&p->lock);
	node = after ? after->exit_node.next : p->exiting_rings.next;
	mutex_unlock(&p->lock);
	return node == &p->exiting_rings ? NULL : list_entry(node, struct io_ring_ctx, exit_node);
}

/* Only this task takes rings off the list. */
uint64_t io_kworker_pass(void *arg)
{
	struct io_proc *p = arg;
	uint64_t deadline = SCHED_NEVER;
	struct io_ring_ctx *ctx, *next;

	io_run_fallback_work(p);
	for (ctx = io_next_exiting(p, NULL); ctx; ctx = next) {
		uint64_t again;

		next = io_next_exiting(p, ctx);
		again = io_ring_exit_work(ctx);
		if (again < deadline)
			deadline = again;
	}
	return deadline;
}

/* ---- tasks ---- */

/* The n-th ring of the task, pinned; or NULL. */
static struct io_ring_ctx *io_pin_ring(struct io_uring_task *tctx, unsigned int n)
{
	struct io_ring_ctx *found = NULL;

	mutex_lock(&tctx->proc->nodes_lock);
	list_for_each(l, &tctx->nodes) {
		if (n--)
			continue;
		found = list_entry(l, struct io_tctx_node, task_node)->ctx;
		found->pins++;
		break;
	}
	mutex_unlock(&tctx->proc->nodes_lock);
	return found;
}

/* Requests that hold a ring's file go with the task. */
static void io_uring_cancel_generic(struct io_uring_task *tctx)
{
	unsigned int rounds = 0;

	while (a32_load(&tctx->tracked)) {
		struct io_ring_ctx *ctx;
		bool found = false;

		for (unsigned int n = 0; (ctx = io_pin_ring(tctx, n)); n++) {
			found |= io_uring_try_cancel_requests(ctx, tctx, false);
			io_ring_unpin(ctx);
		}
		if (!found && a32_load(&tctx->tracked))
			sched_park(++rounds < EXIT_ROUNDS ? sched_now() + EXIT_ROUND_NS : SCHED_NEVER);
	}
}

/* From here on the task's work is the kworker's. */
static void io_task_set_exiting(struct io_uring_task *tctx)
{
	struct list moved = LIST_INIT(moved);
	struct io_proc *p = tctx->proc;
	bool any;

	mutex_lock(&tctx->run_lock);
	mutex_lock(&tctx->lock);
	tctx->exiting = true;
	list_splice_tail(&tctx->task_list, &moved);
	mutex_unlock(&tctx->lock);
	mutex_unlock(&tctx->run_lock);
	any = !list_empty(&moved);
	mutex_lock(&p->lock);
	list_splice_tail(&moved, &p->fallback);
	mutex_unlock(&p->lock);
	if (any)
		io_daemon_kick(&p->kworker);
}

void io_task_exit(struct io_uring_task *tctx)
{
	struct io_proc *p = tctx->proc;
	struct io_wq *wq;

	a32_xchg(&tctx->mode, IO_MODE_KERNEL);
	wq = io_task_wq(tctx);
	if (wq)
		io_wq_exit_start(wq);
	io_task_set_exiting(tctx);
	/* The poller may have made one for a request it submitted. */
	if (!wq)
		wq = io_task_wq(tctx);
	if (wq)
		io_wq_exit_start(wq);
	io_uring_cancel_generic(tctx);
	io_uring_clean_tctx(tctx);
	mutex_lock(&tctx->lock);
	ENSURE(list_empty(&tctx->task_list));
	ENSURE(list_empty(&tctx->creations));
	tctx->owner = NULL;
	mutex_unlock(&tctx->lock);
	mutex_lock(&p->lock);
	list_del(&tctx->node);
	mutex_unlock(&p->lock);
	io_task_put(tctx, 1);
}
