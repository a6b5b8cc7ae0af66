/* Polls. All are one-shot and edge-triggered; multishot is not here yet.
 *
 * Who may act on a poll is decided by one word, poll_refs: a count, and two marks.
 *
 *	count 0       armed, nobody acts
 *	0 -> 1        whoever does this owns the poll: it stores the mask and queues the one task-work item
 *	more          others were here meanwhile: the owner must not trust the mask, and polls the file again
 *	RETRY         set instead of counting on when the count is high
 *	CANCEL        the owner completes it with ECANCELED
 *
 * A poll armed by a worker starts with 1, so that nobody acts while it is being armed:
 *
 *	worker: 1, wait queue, poll the file, cancel table, 1 -> 0 (or the task work, if the word has changed)
 *	inline: 0, likewise, under uring_lock, which the task work needs
 *
 * A cancelled worker that arms: the mark on the work item may have been set before the request could be found here, so
 * it is looked at again under the lock once the request is in the table, and then counts as a cancel of the poll. (6.18
 * does not look again and may leave the request armed for ever.) */
#include <errno.h>
#include <sys/epoll.h>

#include "core/base/prng.h"
#include "core/ring/cancel.h"
#include "core/ring/poll.h"

enum { IO_POLL_REF_MASK = (1u << 30) - 1, IO_POLL_RETRY_FLAG = 1u << 30, IO_POLL_REF_BIAS = 128 };
#define IO_POLL_CANCEL_FLAG (1u << 31)

/* Polls of one request before io-wq takes it: a file may call itself ready and say -EAGAIN for ever. */
enum { APOLL_MAX_RETRY = 128 };

#define IO_POLL_UNMASK ((unsigned int)(EPOLLERR | EPOLLHUP | EPOLLRDHUP) | POLLNVAL_BIT)
#define POLLNVAL_BIT 0x20u
#define DEFAULT_POLLMASK ((unsigned int)(EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM))
/* What user space may ask for: everything but the bits that say how to wait. */
#define IO_POLL_EVENTS (~(unsigned int)(EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE | EPOLLWAKEUP))

enum { IOU_POLL_DONE, IOU_POLL_REISSUE };

bool io_file_can_poll(const struct io_kiocb *req)
{
	return req->file && req->file->ops->poll && req->file->wait;
}

static unsigned int io_file_poll(struct file *f)
{
	return f->ops->poll ? f->ops->poll(f) : DEFAULT_POLLMASK;
}

/* ---- the cancel table; uring_lock held ---- */

static struct list *io_cancel_bucket(struct io_ring_ctx *ctx, uint64_t user_data)
{
	return &ctx->cancel_table[prng_mix(user_data) & ctx->cancel_mask];
}

static void io_poll_req_insert(struct io_kiocb *req)
{
	mutex_assert_held(&req->ctx->uring_lock);
	ENSURE(!list_is_linked(&req->cancel_node));
	list_add(&req->cancel_node, io_cancel_bucket(req->ctx, req->user_data));
	io_trace(IO_TRACE_ARMED, req->user_data, 0);
}

/* ---- ownership ---- */

static bool io_poll_get_ownership(struct io_kiocb *req)
{
	if ((a32_load(&req->poll_refs) & IO_POLL_REF_MASK) >= IO_POLL_REF_BIAS &&
	    (a32_or(&req->poll_refs, IO_POLL_RETRY_FLAG) & IO_POLL_REF_MASK))
		return false;
	return !(a32_add(&req->poll_refs, 1) & IO_POLL_REF_MASK);
}

static io_req_tw_func_t io_poll_task_func;

static void __io_poll_execute(struct io_kiocb *req, unsigned int mask)
{
	req->poll_mask = mask;
	req->tw = io_poll_task_func;
	io_req_task_work_add(req);
}

static void io_poll_cancel_req(struct io_kiocb *req)
{
	a32_or(&req->poll_refs, IO_POLL_CANCEL_FLAG);
	if (io_poll_get_ownership(req))
		__io_poll_execute(req, 0);
}

static void io_poll_remove_entry(struct io_kiocb *req)
{
	if (req->file->wait)
		wait_remove(req->file->wait, &req->poll.wait);
}

/* Under the wait queue's lock. */
static bool io_poll_wake(struct wait_entry *e, unsigned int mask)
{
	struct io_kiocb *req = container_of(e, struct io_kiocb, poll.wait);

	if (mask && !(mask & req->poll.events))
		return false;
	if (io_poll_get_ownership(req)) {
		if (mask)
			wait_unlink_locked(e);
		/* The end of a peer says no more than "look": the kernel's has no mask at all. */
		__io_poll_execute(req, mask & (EPOLLHUP | EPOLLERR) ? 0 : mask);
	}
	return true;
}

/* ---- task work ---- */

static int io_poll_check_events(struct io_kiocb *req, struct io_tw_state tw)
{
	uint32_t v;

	if (tw.cancel)
		return -ECANCELED;
	v = a32_load(&req->poll_refs);
	ENSURE(v & IO_POLL_REF_MASK);
	if (v & IO_POLL_CANCEL_FLAG)
		return -ECANCELED;
	if (v != 1)
		req->poll_mask = 0;
	if (v & IO_POLL_RETRY_FLAG)
		a32_and(&req->poll_refs, ~(uint32_t)IO_POLL_RETRY_FLAG);
	if (!req->poll_mask)
		req->poll_mask = io_file_poll(req->file) & req->poll.events;
	/* Woken, but somebody else was faster. */
	return req->poll_mask ? IOU_POLL_DONE : IOU_POLL_REISSUE;
}

static void io_poll_task_func(struct io_kiocb *req, struct io_tw_state tw)
{
	int ret = io_poll_check_events(req, tw);

	mutex_assert_held(&req->ctx->uring_lock);
	io_poll_remove_entry(req);
	ENSURE(list_is_linked(&req->cancel_node));
	list_del(&req->cancel_node);
	if (ret < 0) {
		io_req_defer_failed(req, ret);
	} else if (req->opcode == IORING_OP_POLL_ADD && ret == IOU_POLL_DONE) {
		io_req_set_res(req, (int32_t)(req->poll_mask & req->poll.events), 0);
		io_req_complete_defer(req);
	} else {
		io_req_task_submit(req, tw);
	}
}

/* ---- arming ---- */

/* 0: armed, and the request may be gone. More: ready now with this mask, not armed. -errno: cannot be polled so. */
static int __io_arm_poll_handler(struct io_kiocb *req, unsigned int events, unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = req->ctx;
	bool owning = issue_flags & IO_URING_F_UNLOCKED;
	struct file *f = req->file;
	unsigned int mask;

	req->poll.events = events | IO_POLL_UNMASK;
	req->poll.wait.exclusive = false;
	req->poll.wait.wake = io_poll_wake;
	a32_store(&req->poll_refs, owning);
	if (f->wait && f->ops->poll)
		wait_add(f->wait, &req->poll.wait);
	mask = io_file_poll(f) & req->poll.events;
	if (!(f->wait && f->ops->poll))
		return mask ? (int)mask : -EINVAL;
	if (mask && (owning || io_poll_get_ownership(req))) {
		io_poll_remove_entry(req);
		return (int)mask;
	}
	io_ring_submit_lock(ctx, issue_flags);
	io_poll_req_insert(req);
	if (io_req_cancel_marked(req, issue_flags))
		a32_or(&req->poll_refs, IO_POLL_CANCEL_FLAG);
	io_ring_submit_unlock(ctx, issue_flags);
	if (owning) {
		uint32_t expect = 1;

		if (!a32_cas(&req->poll_refs, &expect, 0))
			__io_poll_execute(req, 0);
	}
	return 0;
}

enum io_apoll io_arm_poll_handler(struct io_kiocb *req, unsigned int issue_flags)
{
	const struct io_issue_def *def = req->def;
	unsigned int mask = EPOLLPRI | EPOLLERR;

	if ((!def->pollin && !def->pollout) || !io_file_can_poll(req))
		return IO_APOLL_ABORTED;
	if (!(req->flags & REQ_F_POLLED)) {
		req->flags |= REQ_F_POLLED;
		req->poll.retries = APOLL_MAX_RETRY;
	}
	if (--req->poll.retries == 0) {
		req->poll.retries = 1;
		return IO_APOLL_ABORTED;
	}
	if (def->pollin)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (def->pollout)
		mask |= EPOLLOUT | EPOLLWRNORM;
	return __io_arm_poll_handler(req, mask, issue_flags) ? IO_APOLL_READY : IO_APOLL_OK;
}

/* ---- POLL_ADD ---- */

struct io_poll_add {
	unsigned int events;
};

int io_poll_add_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_poll_add *p = io_cmd(req, struct io_poll_add);

	if (sqe->buf_index || sqe->off || sqe->addr)
		return -EINVAL;
	if (sqe->len) /* IORING_POLL_ADD_MULTI, too */
		return -EINVAL;
	p->events = sqe->poll32_events & IO_POLL_EVENTS;
	return 0;
}

int io_poll_add(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_poll_add *p = io_cmd(req, struct io_poll_add);
	int ret = __io_arm_poll_handler(req, p->events, issue_flags);

	if (ret < 0)
		return ret;
	if (ret == 0)
		return IOU_ISSUE_SKIP_COMPLETE;
	io_req_set_res(req, ret, 0);
	return IOU_COMPLETE;
}

/* ---- finding ---- */

static struct io_kiocb *io_poll_find_in(struct list *bucket, struct io_cancel_data *cd, bool poll_only)
{
	list_for_each(node, bucket) {
		struct io_kiocb *req = list_entry(node, struct io_kiocb, cancel_node);

		if (poll_only && req->opcode != IORING_OP_POLL_ADD)
			continue;
		if (io_cancel_req_match(req, cd))
			return req;
	}
	return NULL;
}

static struct io_kiocb *io_poll_find(struct io_cancel_data *cd, bool poll_only)
{
	struct io_ring_ctx *ctx = cd->ctx;
	struct io_kiocb *req;

	mutex_assert_held(&ctx->uring_lock);
	if (!(cd->flags & (IORING_ASYNC_CANCEL_FD | AU_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_ANY)))
		return io_poll_find_in(io_cancel_bucket(ctx, cd->data), cd, poll_only);
	for (unsigned int i = 0; i <= ctx->cancel_mask; i++) {
		req = io_poll_find_in(&ctx->cancel_table[i], cd, poll_only);
		if (req)
			return req;
	}
	return NULL;
}

int io_poll_cancel(struct io_ring_ctx *ctx, struct io_cancel_data *cd, unsigned int issue_flags)
{
	struct io_kiocb *req;

	io_ring_submit_lock(ctx, issue_flags);
	req = io_poll_find(cd, false);
	if (req)
		io_poll_cancel_req(req);
	io_ring_submit_unlock(ctx, issue_flags);
	return req ? 0 : -ENOENT;
}

bool io_poll_remove_all(struct io_ring_ctx *ctx, struct io_uring_task *tctx, bool cancel_all)
{
	bool found = false;

	mutex_assert_held(&ctx->uring_lock);
	for (unsigned int i = 0; i <= ctx->cancel_mask; i++) {
		list_for_each(node, &ctx->cancel_table[i]) {
			struct io_kiocb *req = list_entry(node, struct io_kiocb, cancel_node);

			/* One that is cancelled already only waits for its task work. */
			if (!io_match_task(req, tctx, cancel_all) || (a32_load(&req->poll_refs) & IO_POLL_CANCEL_FLAG))
				continue;
			io_poll_cancel_req(req);
			found = true;
		}
	}
	return found;
}

/* ---- POLL_REMOVE ---- */

struct io_poll_remove {
	uint64_t user_data;
};

int io_poll_remove_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_poll_remove *p = io_cmd(req, struct io_poll_remove);

	if (sqe->buf_index || sqe->splice_fd_in || sqe->fd > 0)
		return -EINVAL;
	if (sqe->len || sqe->off || sqe->poll32_events) /* updates, too */
		return -EINVAL;
	p->user_data = sqe->addr;
	return 0;
}

int io_poll_remove(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = req->ctx;
	struct io_cancel_data cd = { .ctx = ctx, .data = io_cmd(req, struct io_poll_remove)->user_data };
	struct io_kiocb *target;
	int ret = -ENOENT;

	io_ring_submit_lock(ctx, issue_flags);
	target = io_poll_find(&cd, true);
	if (target)
		ret = io_poll_get_ownership(target) ? 0 : -EALREADY;
	if (target && !ret) {
		io_poll_remove_entry(target);
		list_del(&target->cancel_node);
		req_set_fail(target);
		io_req_queue_tw_complete(target, -ECANCELED);
	}
	io_ring_submit_unlock(ctx, issue_flags);
	if (ret < 0)
		req_set_fail(req);
	io_req_set_res(req, ret, 0);
	return IOU_COMPLETE;
}
