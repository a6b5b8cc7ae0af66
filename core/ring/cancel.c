/* ASYNC_CANCEL, and the search that linked timeouts use as well.
 *
 * A request is looked for in this order: the task's own io-wq (pending, then running), the cancel table (polls), the
 * timeouts, the io-wqs of the ring's other tasks. The first answer but ENOENT stands; only EALREADY of the own io-wq
 * lets the search go on, for the request may just have left the worker.
 *
 * 6.18 then asks io-wq a second time and may say ENOENT of a request it has signalled. Here an EALREADY stays one,
 * unless the second look finds the request pending again and cancels it. */
#include <errno.h>

#include "core/ring/cancel.h"
#include "core/ring/poll.h"
#include "core/ring/timeout.h"

enum {
	CANCEL_FLAGS = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY |
		       IORING_ASYNC_CANCEL_FD_FIXED | AU_ASYNC_CANCEL_USERDATA | AU_ASYNC_CANCEL_OP,
	CANCEL_MANY = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY,
};

struct io_cancel {
	uint64_t addr;
	uint32_t flags;
	int fd;
	uint8_t opcode;
};

static bool io_cancel_names(const struct io_kiocb *req, const struct io_cancel_data *cd)
{
	bool by_user_data = !(cd->flags & (IORING_ASYNC_CANCEL_FD | AU_ASYNC_CANCEL_OP)) ||
			    (cd->flags & AU_ASYNC_CANCEL_USERDATA);

	if (cd->flags & IORING_ASYNC_CANCEL_ANY)
		return true;
	if ((cd->flags & IORING_ASYNC_CANCEL_FD) && a64_load(&req->cancel_file) != (uintptr_t)cd->file)
		return false;
	if ((cd->flags & AU_ASYNC_CANCEL_OP) && req->opcode != cd->opcode)
		return false;
	return !by_user_data || req->user_data == cd->data;
}

/* Of several cancels of many at once the newest has a request to itself, or they would find it in turns for ever. Twice
 * within one pass: two workers may have the request as their current one, for one of them is on its way out. */
static bool io_cancel_seq_match(struct io_kiocb *req, const struct io_cancel_data *cd)
{
	uint64_t now = (uint64_t)cd->seq << 32 | cd->pass;
	uint64_t last = a64_load(&req->cancel_seq);

	do {
		int32_t newer = (int32_t)((uint32_t)(last >> 32) - cd->seq);

		if (newer >= 0)
			return newer == 0 && last == now;
	} while (!a64_cas(&req->cancel_seq, &last, now));
	return true;
}

bool io_cancel_req_match(struct io_kiocb *req, struct io_cancel_data *cd)
{
	if (req->ctx != cd->ctx || req == cd->self || !io_cancel_names(req, cd))
		return false;
	if (cd->only && req != cd->only)
		return false;
	if ((cd->flags & CANCEL_MANY) && !io_cancel_seq_match(req, cd))
		return false;
	cd->found = req;
	return true;
}

static bool io_cancel_cb(struct io_wq_work *work, void *data)
{
	return io_cancel_req_match(container_of(work, struct io_kiocb, work), data);
}

/* A worker that has armed a poll lets go of the request a little later. By then it may run in another worker, or be
 * queued; so whoever else has it is told as well, or nobody would wake the one that sleeps with it. */
static void io_cancel_tell_others(struct io_wq *wq, struct io_cancel_data *cd)
{
	cd->only = cd->found;
	io_wq_cancel_cb(wq, io_cancel_cb, cd, true);
	cd->only = NULL;
}

static int io_async_cancel_one(struct io_wq *wq, struct io_cancel_data *cd)
{
	bool many = cd->flags & CANCEL_MANY;

	cd->pass++;
	if (!wq)
		return -ENOENT;
	switch (io_wq_cancel_cb(wq, io_cancel_cb, cd, many)) {
	case IO_WQ_CANCEL_OK:
		return 0;
	case IO_WQ_CANCEL_RUNNING:
		cd->running = true;
		if (!many)
			io_cancel_tell_others(wq, cd);
		return -EALREADY;
	case IO_WQ_CANCEL_NOTFOUND:
		return -ENOENT;
	}
	ENSURE_UNREACHABLE();
}

/* What waits for something, without a worker. */
static int io_cancel_parked(struct io_cancel_data *cd, unsigned int issue_flags)
{
	int ret = io_poll_cancel(cd->ctx, cd, issue_flags);

	if (ret == -ENOENT && !(cd->flags & IORING_ASYNC_CANCEL_FD))
		ret = io_timeout_cancel(cd->ctx, cd);
	return ret;
}

int io_try_cancel(struct io_uring_task *tctx, struct io_cancel_data *cd, unsigned int issue_flags)
{
	struct io_wq *wq = io_task_wq(tctx);
	int first = io_async_cancel_one(wq, cd);
	int ret;

	if (!first)
		return 0;
	ret = io_cancel_parked(cd, issue_flags);
	if (ret != -ENOENT || first != -EALREADY || (cd->flags & CANCEL_MANY))
		return ret;
	return io_async_cancel_one(wq, cd) ? -EALREADY : 0;
}

int io_async_cancel_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_cancel *c = io_cmd(req, struct io_cancel);

	if ((req->flags & REQ_F_BUFFER_SELECT) || sqe->off || sqe->splice_fd_in)
		return -EINVAL;
	c->addr = sqe->addr;
	c->flags = sqe->cancel_flags;
	if (c->flags & ~(uint32_t)CANCEL_FLAGS)
		return -EINVAL;
	if ((c->flags & IORING_ASYNC_CANCEL_ANY) && (c->flags & (IORING_ASYNC_CANCEL_FD | AU_ASYNC_CANCEL_OP)))
		return -EINVAL;
	c->fd = sqe->fd;
	if (c->flags & AU_ASYNC_CANCEL_OP) {
		if (sqe->len >= AU_OP_LAST_6_18)
			return -EINVAL;
		c->opcode = (uint8_t)sqe->len;
	}
	return 0;
}

static uint32_t io_next_cancel_seq(struct io_ring_ctx *ctx)
{
	return a32_add(&ctx->cancel_seq, 1) + 1;
}

/* Every io-wq of the ring. ALL, ANY: how many more passes found something; else as io_try_cancel. */
static int io_cancel_all_tasks(struct io_cancel_data *cd, unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = cd->ctx;
	bool many = cd->flags & CANCEL_MANY;
	int ret = -ENOENT, nr = 0;

	io_ring_submit_lock(ctx, issue_flags);
	mutex_lock(&ctx->proc->nodes_lock);
	list_for_each(l, &ctx->tctx_list) {
		struct io_tctx_node *node = list_entry(l, struct io_tctx_node, ctx_node);

		ret = io_async_cancel_one(node->tctx->io_wq, cd);
		nr += ret != -ENOENT;
		if (nr && !many)
			break;
	}
	mutex_unlock(&ctx->proc->nodes_lock);
	io_ring_submit_unlock(ctx, issue_flags);
	return many ? nr : ret;
}

/* Some look at io-wq found something running. It may have parked itself already, so that the mark on it comes too late,
 * and a cancel of many sees nothing twice: look there again. (6.18 does not.) */
static int io_cancel_parked_since(struct io_cancel_data *cd, unsigned int issue_flags, int ret)
{
	if (!(cd->flags & CANCEL_MANY))
		return io_cancel_parked(cd, issue_flags) ? ret : 0;
	cd->seq = io_next_cancel_seq(cd->ctx);
	do {
		cd->pass++;
	} while (io_cancel_parked(cd, issue_flags) != -ENOENT);
	return ret;
}

static int __io_async_cancel(struct io_uring_task *tctx, struct io_cancel_data *cd, unsigned int issue_flags)
{
	bool many = cd->flags & CANCEL_MANY;
	int nr = 0, ret;

	for (;;) {
		ret = io_try_cancel(tctx, cd, issue_flags);
		if (ret == -ENOENT)
			break;
		if (!many)
			return ret;
		nr++;
	}
	ret = io_cancel_all_tasks(cd, issue_flags);
	if (many)
		ret += nr;
	return cd->running ? io_cancel_parked_since(cd, issue_flags, ret) : ret;
}

int io_async_cancel(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_cancel *c = io_cmd(req, struct io_cancel);
	struct io_cancel_data cd = {
		.ctx = req->ctx,
		.self = req,
		.flags = c->flags,
		.data = c->addr,
		.opcode = c->opcode,
		.seq = io_next_cancel_seq(req->ctx),
	};
	int ret = 0;

	if (c->flags & IORING_ASYNC_CANCEL_FD) {
		if ((req->flags & REQ_F_FIXED_FILE) || (c->flags & IORING_ASYNC_CANCEL_FD_FIXED))
			io_assign_fixed_file(req, (unsigned int)c->fd, issue_flags);
		else
			req->file = fdtable_get(req->tctx->proc->fds, c->fd);
		cd.file = req->file;
		if (!cd.file)
			ret = -EBADF;
	}
	if (!ret)
		ret = __io_async_cancel(req->tctx, &cd, issue_flags);
	if (ret < 0)
		req_set_fail(req);
	io_req_set_res(req, ret, 0);
	return IOU_COMPLETE;
}

/* ---- SYNC_CANCEL ---- */

static int __io_sync_cancel(struct io_uring_task *tctx, struct io_cancel_data *cd)
{
	int ret;

	mutex_lock(&cd->ctx->uring_lock);
	cd->seq = io_next_cancel_seq(cd->ctx);
	ret = __io_async_cancel(tctx, cd, 0);
	mutex_unlock(&cd->ctx->uring_lock);
	return ret;
}

/* The request was told to stop, and is looked for again whenever something completes. On a DEFER_TASKRUN ring a worker's
 * completion is local task work: it wakes the caller here, who runs it and looks again. */
static int io_sync_cancel_wait(struct io_uring_task *tctx, struct io_cancel_data *cd, uint64_t deadline)
{
	struct io_ring_ctx *ctx = cd->ctx;
	struct io_cq_waiter w;
	int ret;

	io_cq_waiter_add(ctx, &w);
	while ((ret = __io_sync_cancel(tctx, cd)) == -EALREADY) {
		bool worked = false;

		if (io_allowed_local_tw(ctx, tctx) && io_local_work_pending(ctx)) {
			mutex_lock(&ctx->uring_lock);
			worked = io_run_local_work_locked(ctx, UINT32_MAX, UINT32_MAX) > 0;
			mutex_unlock(&ctx->uring_lock);
		}
		worked |= io_run_task_work(tctx) > 0;
		if (a32_load(&tctx->proc->exiting)) {
			ret = -EINTR;
			break;
		}
		if (!worked && !sched_park(deadline) && sched_now() >= deadline) {
			ret = -ETIME;
			break;
		}
	}
	io_cq_waiter_del(ctx, &w);
	return ret == -ENOENT || ret > 0 ? 0 : ret;
}

int io_sync_cancel(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	struct io_uring_sync_cancel_reg sc;
	struct io_cancel_data cd = { .ctx = ctx };
	uint64_t deadline = SCHED_NEVER;
	int ret;

	if (!arg || nr != 1)
		return -EINVAL;
	if (!io_copy_from_user(&sc, arg, sizeof(sc)))
		return -EFAULT;
	if ((sc.flags & ~(uint32_t)CANCEL_FLAGS) || (sc.pad[0] & ~0xffull) || sc.pad[1] || sc.pad[2] || sc.pad[3])
		return -EINVAL;
	cd.flags = sc.flags;
	cd.data = sc.addr;
	cd.opcode = (uint8_t)sc.pad[0]; /* newer headers: opcode */
	if (sc.flags & IORING_ASYNC_CANCEL_FD) {
		if (!(sc.flags & IORING_ASYNC_CANCEL_FD_FIXED))
			cd.file = fdtable_get(ctx->proc->fds, sc.fd);
		if (!cd.file)
			return -EBADF;
	}
	ret = __io_sync_cancel(tctx, &cd);
	if (ret == -EALREADY) {
		ret = 0;
		if (sc.timeout.tv_sec != -1 || sc.timeout.tv_nsec != -1) {
			ret = io_get_timespec((const char *)arg + offsetof(struct io_uring_sync_cancel_reg, timeout),
					      &deadline);
			deadline = io_deadline(deadline);
		}
		if (!ret)
			ret = io_sync_cancel_wait(tctx, &cd, deadline);
	}
	if (cd.file)
		file_put(cd.file);
	return ret;
}
