/* io_uring_enter: submit, then wait. */
#include <errno.h>
#include <sys/epoll.h>

#include "core/ring/ring.h"

enum {
	ENTER_FLAGS = IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP | IORING_ENTER_SQ_WAIT | IORING_ENTER_EXT_ARG |
		      AU_ENTER_ABS_TIMER | AU_ENTER_NO_IOWAIT,
};

/* One wait. */
struct io_wait {
	struct io_cq_waiter waiter;
	struct io_ring_ctx *ctx;
	struct io_uring_task *tctx;
	uint32_t cq_tail; /* the tail that is waited for */
	uint32_t cq_min_tail; /* the tail when the wait began */
	uint32_t nr_timeouts; /* ctx->cq_timeouts then */
	uint64_t deadline, min_deadline; /* min: until then for all, afterwards for one CQE; 0: not asked for */
};

struct io_ext_arg {
	uint64_t deadline; /* SCHED_NEVER: none */
	uint64_t min_wait; /* ns */
};

int io_uring_get_ring(struct io_uring_task *tctx, unsigned int fd, struct file **file, struct io_ring_ctx **ctx)
{
	struct file *f = fdtable_get(tctx->proc->fds, (int)fd);

	if (!f)
		return -EBADF;
	if (f->kind != FILE_RING) {
		file_put(f);
		return -EOPNOTSUPP;
	}
	*file = f;
	*ctx = f->priv;
	return 0;
}

/* ---- waiting ---- */

/* Enough CQEs, or a timeout request has come to its end: that ends every wait. */
static bool io_should_wake(struct io_wait *w)
{
	int32_t dist = (int32_t)(shm_load32(&w->ctx->rings->cq_tail) - w->cq_tail);

	return dist >= 0 || a32_load(&w->ctx->cq_timeouts) != w->nr_timeouts;
}

/* Sleeps until there is something to look at: 0; -EINTR, -ETIME. */
static int io_cqring_wait_schedule(struct io_wait *w)
{
	uint64_t until = w->min_deadline ? w->min_deadline : w->deadline;

	if (a32_load(&w->ctx->check_cq) || io_local_work_pending(w->ctx) || a32_load(&w->tctx->pending))
		return 0;
	if (a32_load(&w->tctx->proc->exiting))
		return -EINTR;
	if (io_should_wake(w))
		return 0;
	if (sched_park(until) || sched_now() < until)
		return 0;
	if (!w->min_deadline)
		return -ETIME;
	/* The first stage is over: one CQE will do from now on. */
	w->min_deadline = 0;
	w->cq_tail = w->cq_min_tail + 1;
	return 0;
}

static void io_wait_run_work(struct io_wait *w, unsigned int nr_wait)
{
	struct io_ring_ctx *ctx = w->ctx;

	if (io_allowed_local_tw(ctx, w->tctx) && io_local_work_pending(ctx)) {
		mutex_lock(&ctx->uring_lock);
		io_run_local_work_locked(ctx, nr_wait, nr_wait);
		mutex_unlock(&ctx->uring_lock);
	}
	io_run_task_work(w->tctx);
}

static int io_wait_loop(struct io_wait *w)
{
	struct io_ring_ctx *ctx = w->ctx;

	for (;;) {
		uint32_t nr_wait = w->cq_tail - shm_load32(&ctx->rings->cq_tail);
		int ret = io_cqring_wait_schedule(w);

		io_wait_run_work(w, (int32_t)nr_wait > 0 ? nr_wait : 1);
		if (ret < 0)
			return ret;
		if (a32_load(&ctx->check_cq) & IO_CHECK_CQ_OVERFLOW) {
			mutex_lock(&ctx->uring_lock);
			io_cqring_overflow_flush(ctx, false);
			mutex_unlock(&ctx->uring_lock);
		}
		if (io_should_wake(w))
			return 0;
	}
}

static int io_cqring_wait(struct io_ring_ctx *ctx, struct io_uring_task *tctx, unsigned int min_events,
			  const struct io_ext_arg *ext)
{
	struct io_wait w = { .ctx = ctx, .tctx = tctx, .deadline = ext->deadline };
	unsigned int max_events;
	int ret;

	if (min_events > ctx->cq_entries)
		min_events = ctx->cq_entries;
	if ((ctx->flags & IORING_SETUP_DEFER_TASKRUN) && !io_allowed_local_tw(ctx, tctx))
		return -EEXIST;
	max_events = min_events > IO_LOCAL_TW_DEFAULT_MAX ? min_events : IO_LOCAL_TW_DEFAULT_MAX;
	if (io_local_work_pending(ctx)) {
		mutex_lock(&ctx->uring_lock);
		io_run_local_work_locked(ctx, min_events, max_events);
		mutex_unlock(&ctx->uring_lock);
	}
	io_run_task_work(tctx);
	if (a32_load(&ctx->check_cq) & IO_CHECK_CQ_OVERFLOW) {
		mutex_lock(&ctx->uring_lock);
		io_cqring_overflow_flush(ctx, false);
		mutex_unlock(&ctx->uring_lock);
	}
	if (io_cqring_events_user(ctx) >= min_events)
		return 0;

	w.nr_timeouts = a32_load(&ctx->cq_timeouts);
	w.cq_min_tail = shm_load32(&ctx->rings->cq_tail);
	w.cq_tail = shm_load32(&ctx->rings->cq_head) + min_events;
	if (ext->min_wait)
		w.min_deadline = sched_now() + ext->min_wait;
	if (w.min_deadline >= w.deadline)
		w.min_deadline = 0;
	io_cq_waiter_add(ctx, &w.waiter);
	ret = io_wait_loop(&w);
	io_cq_waiter_del(ctx, &w.waiter);
	/* Any CQE is success, however the wait ended. */
	return io_cqring_events_user(ctx) ? 0 : ret;
}

/* ---- enter ---- */

static int io_get_ext_arg(unsigned int flags, const void *argp, size_t argsz, struct io_ext_arg *ext)
{
	struct io_uring_getevents_arg arg;
	int ret;

	*ext = (struct io_ext_arg){ .deadline = SCHED_NEVER };
	if (!(flags & IORING_ENTER_EXT_ARG))
		return 0;
	if (argsz != sizeof(arg))
		return -EINVAL;
	if (!io_copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	ext->min_wait = (uint64_t)arg.pad * 1000; /* min_wait_usec */
	if (!arg.ts)
		return 0;
	ret = io_get_timespec((const void *)(uintptr_t)arg.ts, &ext->deadline);
	if (!ret && !(flags & AU_ENTER_ABS_TIMER))
		ext->deadline = io_deadline(ext->deadline);
	return ret;
}

static int io_enter_submit(struct io_ring_ctx *ctx, struct io_uring_task *tctx, unsigned int to_submit,
			   unsigned int min_complete, unsigned int flags)
{
	int ret = io_uring_add_tctx_node(ctx, tctx);

	if (ret)
		return ret;
	mutex_lock(&ctx->uring_lock);
	ret = io_submit_sqes(ctx, tctx, to_submit);
	if (ret == (int)to_submit && (flags & IORING_ENTER_GETEVENTS) && io_allowed_local_tw(ctx, tctx)) {
		unsigned int max = min_complete > IO_LOCAL_TW_DEFAULT_MAX ? min_complete : IO_LOCAL_TW_DEFAULT_MAX;

		io_run_local_work_locked(ctx, min_complete, max);
	}
	mutex_unlock(&ctx->uring_lock);
	return ret;
}

/* The wait's result counts only if nothing was to be submitted; if less was submitted than asked for there is no wait. */
static int io_enter_ring(struct io_ring_ctx *ctx, struct io_uring_task *tctx, unsigned int to_submit,
			 unsigned int min_complete, unsigned int flags, const void *arg, size_t argsz)
{
	struct io_ext_arg ext;
	int ret = 0, waited;

	if (a32_load(&ctx->disabled))
		return -EBADFD;
	if (to_submit) {
		ret = io_enter_submit(ctx, tctx, to_submit, min_complete, flags);
		if (ret != (int)to_submit)
			return ret;
	}
	if (!(flags & IORING_ENTER_GETEVENTS))
		return ret;
	waited = io_get_ext_arg(flags, arg, argsz, &ext);
	if (!waited)
		waited = io_cqring_wait(ctx, tctx, min_complete, &ext);
	return ret ? ret : waited;
}

int io_uring_enter(struct io_uring_task *tctx, unsigned int fd, unsigned int to_submit, unsigned int min_complete,
		   unsigned int flags, const void *arg, size_t argsz)
{
	struct io_ring_ctx *ctx;
	struct file *file;
	int ret;

	if (flags & ~(unsigned int)ENTER_FLAGS)
		return -EINVAL;
	ret = io_uring_get_ring(tctx, fd, &file, &ctx);
	if (ret)
		return ret;
	ret = io_enter_ring(ctx, tctx, to_submit, min_complete, flags, arg, argsz);
	file_put(file);
	return ret;
}
