/* The completion queue: posting, the overflow list, waking who waits. */
#include "core/ring/ring.h"
#include "core/ring/timeout.h"

#include <sys/epoll.h>

void io_cq_lock(struct io_ring_ctx *ctx)
{
	mutex_lock(&ctx->completion_lock);
}

unsigned int io_cqring_events_user(struct io_ring_ctx *ctx)
{
	return shm_load32(&ctx->rings->cq_tail) - shm_load32(&ctx->rings->cq_head);
}

/* A head that user space set to nonsense counts as a full ring. */
static bool io_cq_has_room(struct io_ring_ctx *ctx)
{
	uint32_t used = a32_load(&ctx->cached_cq_tail) - shm_load32(&ctx->rings->cq_head);

	return used < ctx->cq_entries;
}

static void io_write_cqe(struct io_ring_ctx *ctx, const struct io_uring_cqe *cqe)
{
	uint32_t tail = a32_load(&ctx->cached_cq_tail);
	struct io_uring_cqe *slot = &ctx->rings->cqes[tail & (ctx->cq_entries - 1)];

	slot->user_data = cqe->user_data;
	slot->res = cqe->res;
	slot->flags = cqe->flags;
	a32_store(&ctx->cached_cq_tail, tail + 1);
}

static void io_cqe_overflow(struct io_ring_ctx *ctx, const struct io_uring_cqe *cqe)
{
	struct io_overflow_cqe *o = io_mem_alloc(&ctx->proc->mem, sizeof(*o));

	if (list_empty(&ctx->overflow)) {
		a32_or(&ctx->check_cq, IO_CHECK_CQ_OVERFLOW);
		a32_or(&ctx->rings->sq_flags, IORING_SQ_CQ_OVERFLOW);
	}
	o->cqe.user_data = cqe->user_data;
	o->cqe.res = cqe->res;
	o->cqe.flags = cqe->flags;
	list_add_tail(&o->node, &ctx->overflow);
}

/* While anything is on the overflow list, everything goes there: the order of posting is kept. */
bool io_post_cqe(struct io_ring_ctx *ctx, uint64_t user_data, int32_t res, uint32_t cflags, bool spill)
{
	struct io_uring_cqe cqe = { .user_data = user_data, .res = res, .flags = cflags };

	mutex_assert_held(&ctx->completion_lock);
	if (list_empty(&ctx->overflow) && io_cq_has_room(ctx)) {
		io_write_cqe(ctx, &cqe);
		return true;
	}
	if (spill)
		io_cqe_overflow(ctx, &cqe);
	return spill;
}

/* Published first, counted waiters read then; a waiter counts itself first and reads the tail then. */
void io_cqring_wake(struct io_ring_ctx *ctx)
{
	fence_full();
	if (a32_load(&ctx->cq_waiters))
		wait_wake(&ctx->cq_wait, EPOLLIN, 0);
}

static bool io_cq_waiter_wake(struct wait_entry *e, unsigned int mask)
{
	(void)mask;
	sched_unpark(container_of(e, struct io_cq_waiter, entry)->task);
	return true;
}

void io_cq_waiter_add(struct io_ring_ctx *ctx, struct io_cq_waiter *w)
{
	*w = (struct io_cq_waiter){ .entry.wake = io_cq_waiter_wake, .task = sched_self() };
	list_init(&w->entry.node);
	wait_add(&ctx->cq_wait, &w->entry);
	a32_add(&ctx->cq_waiters, 1);
}

void io_cq_waiter_del(struct io_ring_ctx *ctx, struct io_cq_waiter *w)
{
	a32_sub(&ctx->cq_waiters, 1);
	wait_remove(&ctx->cq_wait, &w->entry);
}

void io_cq_unlock_post(struct io_ring_ctx *ctx)
{
	uint32_t tail = a32_load(&ctx->cached_cq_tail);
	bool posted = tail != shm_load32(&ctx->rings->cq_tail);

	if (posted)
		shm_store32(&ctx->rings->cq_tail, tail);
	mutex_unlock(&ctx->completion_lock);
	io_cqring_wake(ctx);
	if (a32_load(&ctx->poll_activated))
		wait_wake(&ctx->poll_wq, EPOLLIN | EPOLLRDNORM, 0);
	if (a32_load(&ctx->off_timeout_used))
		io_flush_timeouts(ctx);
}

void io_post_aux_cqe(struct io_ring_ctx *ctx, uint64_t user_data, int32_t res, uint32_t cflags)
{
	io_cq_lock(ctx);
	io_post_cqe(ctx, user_data, res, cflags, true);
	io_cq_unlock_post(ctx);
}

/* Moves to the CQ what fits, oldest first; of a dying ring everything is dropped. */
void io_cqring_overflow_flush(struct io_ring_ctx *ctx, bool dying)
{
	mutex_assert_held(&ctx->uring_lock);
	io_cq_lock(ctx);
	while (!list_empty(&ctx->overflow)) {
		struct io_overflow_cqe *o = list_first(&ctx->overflow, struct io_overflow_cqe, node);

		if (!dying) {
			if (!io_cq_has_room(ctx))
				break;
			io_write_cqe(ctx, &o->cqe);
		}
		list_del(&o->node);
		io_mem_free(&ctx->proc->mem, o);
	}
	if (list_empty(&ctx->overflow)) {
		a32_and(&ctx->check_cq, ~(uint32_t)IO_CHECK_CQ_OVERFLOW);
		a32_and(&ctx->rings->sq_flags, ~(uint32_t)IORING_SQ_CQ_OVERFLOW);
	}
	io_cq_unlock_post(ctx);
}
