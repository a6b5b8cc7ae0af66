/* Requests on io-wq, and which task uses which ring.
 *
 * The CANCEL mark stays on a request that is queued again: whoever set it has told its caller EALREADY, so something must
 * come of it. (6.18 starts with a clean word each time.) */
#include <errno.h>

#include "core/ring/poll.h"
#include "core/ring/ring.h"

static struct io_kiocb *io_req_of(struct io_wq_work *work)
{
	return container_of(work, struct io_kiocb, work);
}

/* ---- queueing ---- */

/* The file is known only if the request was issued before: what goes to io-wq unissued is neither hashed nor known to be
 * regular. */
static void io_prep_async_work(struct io_kiocb *req)
{
	const struct io_issue_def *def = req->def;
	uint32_t flags = 0;

	a32_and(&req->work.flags, IO_WQ_WORK_CANCEL);
	if (req->flags & REQ_F_FORCE_ASYNC)
		flags |= IO_WQ_WORK_CONCURRENT;
	if (req->file && req->file->regular) {
		if (def->hash_reg_file)
			io_wq_hash_work(&req->work, req->file->identity);
	} else if (def->unbound_nonreg_file) {
		flags |= IO_WQ_WORK_UNBOUND;
	}
	a32_or(&req->work.flags, flags);
}

/* The whole chain: a worker goes on with the next one as it is. */
static void io_prep_async_link(struct io_kiocb *req)
{
	bool locked = req->flags & REQ_F_LINK_TIMEOUT;

	if (locked)
		mutex_lock(&req->ctx->timeout_lock);
	for (struct io_kiocb *cur = req; cur; cur = cur->link)
		io_prep_async_work(cur);
	if (locked)
		mutex_unlock(&req->ctx->timeout_lock);
}

/* ---- the pool's callbacks ---- */

static void io_wq_submit_work(struct io_wq_work *work)
{
	struct io_kiocb *req = io_req_of(work);
	const struct io_issue_def *def = req->def;
	unsigned int issue_flags = IO_URING_F_UNLOCKED | IO_URING_F_IOWQ;
	bool needs_poll = false;
	int ret;

	/* One reference is the worker's, one the completion's. */
	if (req->flags & REQ_F_REFCOUNT)
		ENSURE_OP(a32_add(&req->refs, 1), >, 0u);
	else
		io_req_set_refcount(req, 2);

	if (a32_load(&work->flags) & IO_WQ_WORK_CANCEL) {
		io_req_task_queue_fail(req, -ECANCELED);
		return;
	}
	io_trace(IO_TRACE_WORKER, req->user_data, 0);
	if (!io_assign_file(req, issue_flags)) {
		io_req_task_queue_fail(req, -EBADF);
		return;
	}
	if ((req->flags & REQ_F_FORCE_ASYNC) && (def->pollin || def->pollout) && io_file_can_poll(req)) {
		needs_poll = true;
		issue_flags |= IO_URING_F_NONBLOCK;
	}
	for (;;) {
		ret = io_issue_sqe(req, issue_flags);
		if (ret != -EAGAIN || (req->flags & REQ_F_NOWAIT) || !needs_poll)
			break;
		if (io_arm_poll_handler(req, issue_flags) == IO_APOLL_OK)
			return;
		/* Ready now, or too often: one blocking attempt. */
		needs_poll = false;
		issue_flags &= ~(unsigned int)IO_URING_F_NONBLOCK;
	}
	/* From a clean context: it severs the chain. */
	if (ret)
		io_req_task_queue_fail(req, ret);
}

static struct io_wq_work *io_wq_free_work(struct io_wq_work *work)
{
	struct io_kiocb *req = io_req_of(work);
	struct io_kiocb *next = NULL;

	/* Its flags may be looked at only by who turns out to be the last. */
	if (req_ref_put_and_test(req)) {
		ENSURE(req->flags & REQ_F_REFCOUNT);
		if (req->flags & IO_REQ_LINK_FLAGS)
			next = io_req_find_next(req);
		io_free_req(req);
	}
	return next ? &next->work : NULL;
}

static bool io_queue_creation(void *owner, struct io_wq_callback *cb)
{
	struct io_uring_task *tctx = owner;
	bool exiting;

	mutex_lock(&tctx->lock);
	exiting = tctx->exiting;
	if (!exiting) {
		list_add_tail(&cb->node, &tctx->creations);
		io_task_kick(tctx, IO_PENDING_WORK | IO_PENDING_SIGNAL);
	}
	mutex_unlock(&tctx->lock);
	return !exiting;
}

static struct io_wq_callback *io_withdraw_creation(void *owner, bool (*match)(struct io_wq_callback *cb, void *arg),
						   void *arg)
{
	struct io_uring_task *tctx = owner;
	struct io_wq_callback *found;

	mutex_lock(&tctx->lock);
	found = io_wq_take_callback(&tctx->creations, match, arg);
	mutex_unlock(&tctx->lock);
	return found;
}

/* The kernel's delayed work: here a timer, that frees itself. */
struct io_delayed_creation {
	struct io_timer timer;
	struct io_mem *mem;
	struct io_wq_delayed *what;
};

static void io_delayed_creation_fn(struct io_timer *t)
{
	struct io_delayed_creation *d = container_of(t, struct io_delayed_creation, timer);
	struct io_wq_delayed *what = d->what;

	io_mem_free(d->mem, d);
	what->run(what);
}

static void io_trace_creation(void *owner, enum io_wq_origin origin, bool unbound, int err)
{
	io_trace(IO_TRACE_CREATE, 0,
		 (int32_t)origin | (unbound ? IO_TRACE_CREATE_UNBOUND : 0) |
			 (int32_t)((uint32_t)-err << IO_TRACE_CREATE_ERR));
}

static void io_delay_creation(void *owner, struct io_wq_delayed *what, uint64_t ns)
{
	struct io_proc *p = ((struct io_uring_task *)owner)->proc;
	struct io_delayed_creation *d = io_mem_alloc(&p->mem, sizeof(*d));

	d->mem = &p->mem;
	d->what = what;
	io_timer_init(&p->timers, &d->timer, io_delayed_creation_fn);
	io_timer_start(&p->timers, &d->timer, sched_now() + ns);
}

/* ---- a task's pool ---- */

static struct io_wq *io_init_wq_offload(struct io_uring_task *tctx)
{
	struct io_ring_ctx *ctx = tctx->first_ctx;
	struct io_wq_data data = {
		.owner = tctx,
		.owner_name = tctx->name,
		.do_work = io_wq_submit_work,
		.free_work = io_wq_free_work,
		.queue_creation = io_queue_creation,
		.withdraw_creation = io_withdraw_creation,
		.delay = io_delay_creation,
		.created = io_trace_creation,
	};
	struct io_wq *wq;

	if (ctx && !ctx->hash_map)
		ctx->hash_map = io_wq_hash_new();
	data.hash = ctx ? ctx->hash_map : io_wq_hash_new();
	ENSURE(data.hash != NULL);
	ENSURE_OP(io_wq_create(&wq, tctx->limits[0], tctx->limits[1], &data), ==, 0);
	if (!ctx)
		io_wq_hash_put(data.hash);
	if (list_empty(&tctx->nodes))
		io_wq_set_exit_on_idle(wq, true);
	if (tctx->pinned)
		ENSURE_OP(io_wq_cpu_affinity(wq, &tctx->cpus), ==, 0);
	return wq;
}

struct io_wq *io_task_wq(struct io_uring_task *tctx)
{
	struct io_wq *wq;

	mutex_lock(&tctx->proc->nodes_lock);
	wq = tctx->io_wq;
	mutex_unlock(&tctx->proc->nodes_lock);
	return wq;
}

/* Made by the first request that needs it; its limits are those of the task's first ring. */
static struct io_wq *io_task_make_wq(struct io_uring_task *tctx)
{
	struct io_wq *wq;

	mutex_lock(&tctx->proc->nodes_lock);
	if (!tctx->io_wq && !tctx->wq_gone)
		tctx->io_wq = io_init_wq_offload(tctx);
	wq = tctx->io_wq;
	mutex_unlock(&tctx->proc->nodes_lock);
	return wq;
}

void io_queue_iowq(struct io_kiocb *req)
{
	struct io_uring_task *tctx = req->tctx;
	struct io_wq *wq = io_task_make_wq(tctx);

	mutex_assert_held(&req->ctx->uring_lock);
	ENSURE(!list_is_linked(&req->node));
	if (!wq) {
		io_req_task_queue_fail(req, -ECANCELED);
		return;
	}
	io_prep_async_link(req);
	io_trace(IO_TRACE_QUEUED, req->user_data, (int32_t)(a32_load(&req->work.flags) & IO_TRACE_WORK_FLAGS));
	io_wq_enqueue(wq, &req->work);
}

/* ---- which task uses which ring ---- */

static void io_first_ring(struct io_ring_ctx *ctx, struct io_uring_task *tctx)
{
	unsigned int max_bounded = 4 * IO_NR_CPUS;

	tctx->first_ctx = ctx;
	tctx->limits[0] = ctx->sq_entries < max_bounded ? ctx->sq_entries : max_bounded;
	tctx->limits[1] = IO_NR_PROC;
	for (int i = 0; i < 2; i++)
		if (ctx->iowq_limits[i])
			tctx->limits[i] = ctx->iowq_limits[i];
}

int io_uring_add_tctx_node(struct io_ring_ctx *ctx, struct io_uring_task *tctx)
{
	struct io_proc *p = tctx->proc;
	struct io_tctx_node *node;

	if ((ctx->flags & IORING_SETUP_SINGLE_ISSUER) && ctx->submitter != tctx)
		return -EEXIST;
	mutex_lock(&p->nodes_lock);
	list_for_each(l, &tctx->nodes) {
		if (list_entry(l, struct io_tctx_node, task_node)->ctx == ctx) {
			mutex_unlock(&p->nodes_lock);
			return 0;
		}
	}
	node = io_mem_alloc(&p->mem, sizeof(*node));
	node->ctx = ctx;
	node->tctx = tctx;
	if (!tctx->limits[0])
		io_first_ring(ctx, tctx);
	if (tctx->io_wq && list_empty(&tctx->nodes))
		io_wq_set_exit_on_idle(tctx->io_wq, false);
	list_add_tail(&node->task_node, &tctx->nodes);
	list_add_tail(&node->ctx_node, &ctx->tctx_list);
	mutex_unlock(&p->nodes_lock);
	return 0;
}

void io_uring_del_tctx_node(struct io_tctx_node *node)
{
	struct io_uring_task *tctx = node->tctx;

	mutex_assert_held(&tctx->proc->nodes_lock);
	list_del(&node->task_node);
	list_del(&node->ctx_node);
	if (tctx->first_ctx == node->ctx)
		tctx->first_ctx = NULL;
	if (tctx->io_wq && list_empty(&tctx->nodes))
		io_wq_set_exit_on_idle(tctx->io_wq, true);
	io_mem_free(&tctx->proc->mem, node);
}

void io_uring_clean_tctx(struct io_uring_task *tctx)
{
	struct io_proc *p = tctx->proc;
	struct io_wq *wq;

	mutex_lock(&p->nodes_lock);
	while (!list_empty(&tctx->nodes))
		io_uring_del_tctx_node(list_first(&tctx->nodes, struct io_tctx_node, task_node));
	tctx->wq_gone = true;
	wq = tctx->io_wq;
	mutex_unlock(&p->nodes_lock);
	/* Nobody finds it through a ring any more. Its own workers may, until they are gone. */
	if (!wq)
		return;
	io_wq_put_and_exit(wq);
	mutex_lock(&p->nodes_lock);
	tctx->io_wq = NULL;
	mutex_unlock(&p->nodes_lock);
}
