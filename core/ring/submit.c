/* Submission: SQEs become requests, requests are issued for the first time. */
#include <errno.h>
#include <string.h>

#include "core/ring/poll.h"
#include "core/ring/ring.h"
#include "core/ring/timeout.h"

enum {
	SQE_VALID_FLAGS = IOSQE_FIXED_FILE | IOSQE_IO_DRAIN | IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_ASYNC |
			  IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS,
};

bool io_copy_from_user(void *to, const void *from, size_t len)
{
	if (!from && len)
		return false;
	memcpy(to, from, len);
	return true;
}

bool io_copy_to_user(void *to, const void *from, size_t len)
{
	if (!to && len)
		return false;
	memcpy(to, from, len);
	return true;
}

/* ---- requests ---- */

struct io_req_slab {
	struct list node;
	struct io_kiocb reqs[IO_REQ_SLAB];
};

static void io_refill_req_cache(struct io_ring_ctx *ctx)
{
	struct io_req_slab *slab = io_mem_alloc(&ctx->proc->mem, sizeof(*slab));

	list_add(&slab->node, &ctx->slabs);
	for (int i = IO_REQ_SLAB - 1; i >= 0; i--) {
		struct io_kiocb *req = &slab->reqs[i];

		list_init(&req->work.node);
		list_init(&req->cancel_node);
		list_init(&req->poll.wait.node);
		list_init(&req->timeout.list);
		list_init(&req->timeout.timer.node);
		list_add(&req->node, &ctx->free_reqs);
	}
}

struct io_kiocb *io_alloc_req(struct io_ring_ctx *ctx)
{
	struct io_kiocb *req;

	mutex_assert_held(&ctx->uring_lock);
	if (list_empty(&ctx->free_reqs))
		io_refill_req_cache(ctx);
	req = list_first(&ctx->free_reqs, struct io_kiocb, node);
	list_del(&req->node);
	ENSURE(!req->ctx);
	ctx->nr_live++;
	return req;
}

static void io_req_add_to_cache(struct io_ring_ctx *ctx, struct io_kiocb *req)
{
	list_add(&req->node, &ctx->free_reqs);
	ctx->nr_live--;
}

/* ---- issue ---- */

bool io_assign_fixed_file(struct io_kiocb *req, unsigned int slot, unsigned int issue_flags)
{
	ENSURE(!req->file);
	io_ring_submit_lock(req->ctx, issue_flags);
	req->file_node = io_file_node_get(req->ctx, slot);
	io_ring_submit_unlock(req->ctx, issue_flags);
	if (!req->file_node)
		return false;
	req->file = req->file_node->file;
	a64_store(&req->cancel_file, (uintptr_t)req->file);
	return true;
}

/* A ring's own file would never go away while its requests hold it: they go with their task. A worker that gets to it when
 * its task has looked for such requests comes too late where nobody else would complete it. (6.18 runs it, and the ring
 * stays for ever.) */
static bool io_req_track_inflight(struct io_kiocb *req)
{
	struct io_uring_task *tctx = req->tctx;
	bool late;

	mutex_lock(&tctx->lock);
	late = tctx->exiting && (req->ctx->flags & IORING_SETUP_DEFER_TASKRUN);
	if (!late) {
		a32_store(&req->tracked, 1);
		a32_add(&tctx->tracked, 1);
	}
	mutex_unlock(&tctx->lock);
	return !late;
}

bool io_assign_file(struct io_kiocb *req, unsigned int issue_flags)
{
	struct file *file;

	if (req->file || !req->def->needs_file)
		return true;
	if (req->flags & REQ_F_FIXED_FILE)
		return io_assign_fixed_file(req, (unsigned int)req->fd, issue_flags);
	file = fdtable_get(req->tctx->proc->fds, req->fd);
	if (!file)
		return false;
	if (file->kind == FILE_RING && !io_req_track_inflight(req)) {
		file_put(file);
		return false;
	}
	req->file = file;
	a64_store(&req->cancel_file, (uintptr_t)req->file);
	return true;
}

/* 0: the request has completed or will by itself, and must not be touched. Else -errno of the attempt. */
int io_issue_sqe(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_kiocb *lt = NULL;
	int ret;

	if (!io_assign_file(req, issue_flags))
		return -EBADF;
	if (req->flags & REQ_F_ARM_LTIMEOUT)
		lt = io_prep_linked_timeout(req);
	ret = req->def->issue(req, issue_flags);
	if (lt)
		io_queue_linked_timeout(lt);
	if (ret == IOU_ISSUE_SKIP_COMPLETE)
		return 0;
	if (ret == IOU_COMPLETE) {
		if (issue_flags & IO_URING_F_COMPLETE_DEFER)
			io_req_complete_defer(req);
		else
			io_req_complete_post(req, issue_flags);
	}
	ENSURE_OP(ret, <=, 0);
	return ret;
}

/* The first attempt failed: wait for readiness, or let a worker wait. */
static void io_queue_async(struct io_kiocb *req, int ret)
{
	if (ret != -EAGAIN || (req->flags & REQ_F_NOWAIT)) {
		io_req_defer_failed(req, ret);
		return;
	}
	switch (io_arm_poll_handler(req, 0)) {
	case IO_APOLL_READY:
		io_req_task_queue(req);
		break;
	case IO_APOLL_ABORTED:
		io_queue_iowq(req);
		break;
	case IO_APOLL_OK:
		break;
	}
}

void io_queue_sqe(struct io_kiocb *req)
{
	int ret = io_issue_sqe(req, IO_URING_F_NONBLOCK | IO_URING_F_COMPLETE_DEFER);

	if (ret)
		io_queue_async(req, ret);
}

/* Chains that failed while they were put together, drained and asynchronous requests. */
static void io_queue_sqe_fallback(struct io_kiocb *req)
{
	if (req->flags & REQ_F_FAIL) {
		/* Nothing of the chain runs; not even a hard link helps. */
		req->flags &= ~(uint32_t)REQ_F_HARDLINK;
		req->flags |= REQ_F_LINK;
		io_req_defer_failed(req, req->res);
	} else if (req->ctx->drain_active) {
		io_drain_req(req);
	} else {
		io_queue_iowq(req);
	}
}

/* ---- one SQE ---- */

static void io_preinit_req(struct io_ring_ctx *ctx, struct io_uring_task *tctx, struct io_kiocb *req,
			   const struct io_uring_sqe *sqe)
{
	req->ctx = ctx;
	req->tctx = tctx;
	req->user_data = sqe->user_data;
	req->opcode = sqe->opcode;
	req->def = &ctx->proc->ops[0];
	req->fd = sqe->fd;
	req->flags = sqe->flags;
	req->res = 0;
	req->cflags = 0;
	req->link = NULL;
	req->poll_mask = 0;
	ENSURE(!req->file && !req->file_node);
	a64_store(&req->cancel_file, 0);
	a64_store(&req->cancel_seq, 0);
	a32_store(&req->work.flags, 0);
}

static int io_init_req_flags(struct io_ring_ctx *ctx, struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	if (sqe->flags & ~SQE_VALID_FLAGS)
		return -EINVAL;
	if ((sqe->flags & IOSQE_BUFFER_SELECT) && !req->def->buffer_select)
		return -EOPNOTSUPP;
	if (sqe->flags & IOSQE_CQE_SKIP_SUCCESS)
		ctx->drain_disabled = true;
	if (sqe->flags & IOSQE_IO_DRAIN) {
		if (ctx->drain_disabled)
			return -EOPNOTSUPP;
		io_init_drain(ctx);
	}
	if (ctx->drain_active)
		req->flags |= REQ_F_FORCE_ASYNC;
	if (ctx->drain_next && !ctx->link.head) {
		ctx->drain_next = false;
		ctx->drain_active = true;
		req->flags |= REQ_F_IO_DRAIN | REQ_F_FORCE_ASYNC;
	}
	return 0;
}

static int io_init_req(struct io_ring_ctx *ctx, struct io_uring_task *tctx, struct io_kiocb *req,
		       const struct io_uring_sqe *sqe)
{
	struct io_proc *proc = ctx->proc;
	int ret;

	io_preinit_req(ctx, tctx, req, sqe);
	if (req->opcode >= proc->nr_ops || !proc->ops[req->opcode].name) {
		req->opcode = IORING_OP_NOP;
		return -EINVAL;
	}
	req->def = &proc->ops[req->opcode];
	ret = io_init_req_flags(ctx, req, sqe);
	if (ret)
		return ret;
	if (sqe->ioprio && !req->def->ioprio)
		return -EINVAL;
	if (sqe->personality)
		return -EINVAL;
	return req->def->prep(req, sqe);
}

/* Takes an SQE that failed its preparation. A chain goes on being put together and then fails as a whole; an error that
 * ends a chain, or stands alone, ends the batch: it is returned. */
static int io_submit_fail_init(struct io_ring_ctx *ctx, struct io_kiocb *req, int ret)
{
	struct io_kiocb *head = ctx->link.head;

	req_set_fail(req);
	io_req_set_res(req, ret, 0);
	if (head && !(head->flags & REQ_F_FAIL)) {
		req_set_fail(head);
		io_req_set_res(head, -ECANCELED, 0);
	}
	if (!(req->flags & IO_REQ_LINK_FLAGS)) {
		if (head) {
			ctx->link.last->link = req;
			ctx->link.head = NULL;
			req = head;
		}
		io_queue_sqe_fallback(req);
		return ret;
	}
	if (head)
		ctx->link.last->link = req;
	else
		ctx->link.head = req;
	ctx->link.last = req;
	return 0;
}

static int io_submit_sqe(struct io_ring_ctx *ctx, struct io_uring_task *tctx, struct io_kiocb *req,
			 const struct io_uring_sqe *sqe)
{
	int ret = io_init_req(ctx, tctx, req, sqe);

	if (ret)
		return io_submit_fail_init(ctx, req, ret);
	io_trace(IO_TRACE_SUBMIT, req->user_data, 0);
	if (ctx->link.head) {
		ctx->link.last->link = req;
		ctx->link.last = req;
		if (req->flags & IO_REQ_LINK_FLAGS)
			return 0;
		req = ctx->link.head;
		ctx->link.head = NULL;
	} else if (req->flags & IO_REQ_LINK_FLAGS) {
		ctx->link.head = ctx->link.last = req;
		return 0;
	}
	if (req->flags & (REQ_F_FORCE_ASYNC | REQ_F_FAIL))
		io_queue_sqe_fallback(req);
	else
		io_queue_sqe(req);
	return 0;
}

/* ---- a batch ---- */

unsigned int io_sqring_entries(struct io_ring_ctx *ctx)
{
	uint32_t n = shm_load32(&ctx->rings->sq_tail) - ctx->cached_sq_head;

	return n < ctx->sq_entries ? n : ctx->sq_entries;
}

/* NULL: the SQ array names no SQE. The slot is used up all the same. */
static const struct io_uring_sqe *io_get_sqe(struct io_ring_ctx *ctx)
{
	uint32_t head = ctx->cached_sq_head++ & (ctx->sq_entries - 1);

	if (ctx->sq_array) {
		head = ctx->sq_array[head];
		if (head >= ctx->sq_entries) {
			shm_store32(&ctx->rings->sq_dropped, shm_load32(&ctx->rings->sq_dropped) + 1);
			return NULL;
		}
	}
	return &ctx->sqes[head];
}

/* A chain that is still open ends with the batch: it goes to io-wq, its head unissued. */
static void io_submit_state_end(struct io_ring_ctx *ctx)
{
	struct io_kiocb *head = ctx->link.head;

	ctx->link.head = NULL;
	if (head)
		io_queue_sqe_fallback(head);
	io_submit_flush_completions(ctx);
}

int io_submit_sqes(struct io_ring_ctx *ctx, struct io_uring_task *tctx, unsigned int nr)
{
	unsigned int entries = io_sqring_entries(ctx);
	unsigned int done = 0;

	mutex_assert_held(&ctx->uring_lock);
	if (nr > entries)
		nr = entries;
	if (!nr)
		return 0;
	a32_add(&tctx->refs, nr);
	while (done < nr) {
		struct io_kiocb *req = io_alloc_req(ctx);
		const struct io_uring_sqe *sqe = io_get_sqe(ctx);

		if (!sqe) {
			io_req_add_to_cache(ctx, req);
			break;
		}
		done++;
		if (io_submit_sqe(ctx, tctx, req, sqe) && !(ctx->flags & IORING_SETUP_SUBMIT_ALL))
			break;
	}
	if (done < nr)
		io_task_put(tctx, nr - done);
	io_submit_state_end(ctx);
	shm_store32(&ctx->rings->sq_head, ctx->cached_sq_head);
	return (int)done;
}
