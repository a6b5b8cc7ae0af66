/* io_uring_setup, the memory of a ring, its file. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/ring/ring.h"

enum {
	IORING_MAX_ENTRIES = 32768,
	IORING_MAX_CQ_ENTRIES = 2 * IORING_MAX_ENTRIES,

	SETUP_FLAGS = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL |
		      IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SINGLE_ISSUER |
		      IORING_SETUP_DEFER_TASKRUN | AU_SETUP_NO_SQARRAY,

	/* What holds here; not what has nothing behind it (personalities, tagged resources, zero copy, ...). */
	FEATURES = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS |
		   IORING_FEAT_FAST_POLL | IORING_FEAT_POLL_32BITS | IORING_FEAT_EXT_ARG | IORING_FEAT_NATIVE_WORKERS |
		   IORING_FEAT_CQE_SKIP | IORING_FEAT_LINKED_FILE | AU_FEAT_MIN_TIMEOUT | AU_FEAT_NO_IOWAIT,
};

/* ---- parameters ---- */

static int io_uring_check_flags(unsigned int flags)
{
	if (flags & ~(unsigned int)SETUP_FLAGS)
		return -EINVAL;
	if ((flags & IORING_SETUP_TASKRUN_FLAG) && !(flags & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN)))
		return -EINVAL;
	if ((flags & IORING_SETUP_DEFER_TASKRUN) && !(flags & IORING_SETUP_SINGLE_ISSUER))
		return -EINVAL;
	return 0;
}

static unsigned int roundup_pow_of_two(unsigned int n)
{
	unsigned int p = 1;

	while (p < n)
		p *= 2;
	return p;
}

/* n within 1..max, or clamped to it. */
static bool io_fit(unsigned int *n, unsigned int max, bool clamp)
{
	if (!*n)
		return false;
	if (*n > max) {
		if (!clamp)
			return false;
		*n = max;
	}
	return true;
}

static int io_uring_fill_params(unsigned int entries, struct io_uring_params *p)
{
	bool clamp = p->flags & IORING_SETUP_CLAMP;

	if (!io_fit(&entries, IORING_MAX_ENTRIES, clamp))
		return -EINVAL;
	p->sq_entries = roundup_pow_of_two(entries);
	if (!(p->flags & IORING_SETUP_CQSIZE)) {
		p->cq_entries = 2 * p->sq_entries;
		return 0;
	}
	if (!io_fit(&p->cq_entries, IORING_MAX_CQ_ENTRIES, clamp))
		return -EINVAL;
	p->cq_entries = roundup_pow_of_two(p->cq_entries);
	return p->cq_entries < p->sq_entries ? -EINVAL : 0;
}

static void io_uring_fill_offsets(const struct io_ring_ctx *ctx, struct io_uring_params *p)
{
	p->features = FEATURES;
	memset(&p->sq_off, 0, sizeof(p->sq_off));
	p->sq_off.head = offsetof(struct io_rings, sq_head);
	p->sq_off.tail = offsetof(struct io_rings, sq_tail);
	p->sq_off.ring_mask = offsetof(struct io_rings, sq_ring_mask);
	p->sq_off.ring_entries = offsetof(struct io_rings, sq_ring_entries);
	p->sq_off.flags = offsetof(struct io_rings, sq_flags);
	p->sq_off.dropped = offsetof(struct io_rings, sq_dropped);
	if (ctx->sq_array)
		p->sq_off.array = (uint32_t)((char *)ctx->sq_array - (char *)ctx->rings);
	memset(&p->cq_off, 0, sizeof(p->cq_off));
	p->cq_off.head = offsetof(struct io_rings, cq_head);
	p->cq_off.tail = offsetof(struct io_rings, cq_tail);
	p->cq_off.ring_mask = offsetof(struct io_rings, cq_ring_mask);
	p->cq_off.ring_entries = offsetof(struct io_rings, cq_ring_entries);
	p->cq_off.overflow = offsetof(struct io_rings, cq_overflow);
	p->cq_off.cqes = offsetof(struct io_rings, cqes);
	p->cq_off.flags = offsetof(struct io_rings, cq_flags);
}

/* ---- the ring ---- */

static size_t align64(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

static unsigned int io_cancel_buckets(unsigned int cq_entries)
{
	unsigned int bits = 1;

	while (bits < 8 && (64u << bits) <= cq_entries)
		bits++;
	return 1u << bits;
}

static void io_ring_ctx_init(struct io_ring_ctx *ctx)
{
	mutex_init(&ctx->uring_lock);
	list_init(&ctx->compl_reqs);
	list_init(&ctx->free_reqs);
	list_init(&ctx->slabs);
	list_init(&ctx->defer_list);
	list_init(&ctx->retry_list);
	mutex_init(&ctx->completion_lock);
	list_init(&ctx->overflow);
	mutex_init(&ctx->timeout_lock);
	list_init(&ctx->timeout_list);
	list_init(&ctx->ltimeout_list);
	mutex_init(&ctx->work_lock);
	list_init(&ctx->work_list);
	wait_queue_init(&ctx->cq_wait);
	wait_queue_init(&ctx->poll_wq);
	list_init(&ctx->tctx_list);
	list_init(&ctx->exit_node);
	for (unsigned int i = 0; i <= ctx->cancel_mask; i++)
		list_init(&ctx->cancel_table[i]);
}

/* One allocation: the context, its cancel table, the rings with the SQ array, the SQEs. */
static struct io_ring_ctx *io_ring_ctx_alloc(struct io_proc *proc, const struct io_uring_params *p)
{
	unsigned int buckets = io_cancel_buckets(p->cq_entries);
	size_t ctx_size = align64(sizeof(struct io_ring_ctx) + buckets * sizeof(struct list));
	size_t cqes_end = offsetof(struct io_rings, cqes) + p->cq_entries * sizeof(struct io_uring_cqe);
	size_t array_size = p->flags & AU_SETUP_NO_SQARRAY ? 0 : p->sq_entries * sizeof(uint32_t);
	size_t rings_size = align64(cqes_end + array_size);
	size_t sqes_size = p->sq_entries * sizeof(struct io_uring_sqe);
	char *mem = io_mem_alloc(&proc->mem, ctx_size + rings_size + sqes_size + 64);
	char *start = (char *)align64((uintptr_t)mem);
	struct io_ring_ctx *ctx = (struct io_ring_ctx *)(void *)start;

	ctx->mem = mem;
	ctx->proc = proc;
	ctx->flags = p->flags;
	ctx->sq_entries = p->sq_entries;
	ctx->cq_entries = p->cq_entries;
	ctx->cancel_table = (struct list *)(void *)(ctx + 1);
	ctx->cancel_mask = buckets - 1;
	ctx->rings = (struct io_rings *)(void *)(start + ctx_size);
	ctx->rings_size = rings_size;
	ctx->sqes_size = sqes_size;
	if (array_size)
		ctx->sq_array = (uint32_t *)(void *)((char *)ctx->rings + cqes_end);
	ctx->sqes = (struct io_uring_sqe *)(void *)((char *)ctx->rings + rings_size);
	ctx->rings->sq_ring_mask = p->sq_entries - 1;
	ctx->rings->cq_ring_mask = p->cq_entries - 1;
	ctx->rings->sq_ring_entries = p->sq_entries;
	ctx->rings->cq_ring_entries = p->cq_entries;
	io_ring_ctx_init(ctx);
	return ctx;
}

/* Whoever held one of these locks last may still be on its way out of it. */
static void io_lock_destroy(struct mutex *m)
{
	mutex_lock(m);
	mutex_unlock(m);
	mutex_destroy(m);
}

void io_ring_ctx_free(struct io_ring_ctx *ctx)
{
	struct io_mem *mem = &ctx->proc->mem;

	io_files_free(ctx);
	io_lock_destroy(&ctx->uring_lock);
	io_lock_destroy(&ctx->completion_lock);
	io_lock_destroy(&ctx->timeout_lock);
	io_lock_destroy(&ctx->work_lock);
	ENSURE_OP(ctx->nr_live, ==, 0u);
	ENSURE_OP(ctx->nr_drained, ==, 0u);
	ENSURE_OP(ctx->pins, ==, 0u);
	ENSURE(!ctx->link.head);
	ENSURE(list_empty(&ctx->compl_reqs) && list_empty(&ctx->defer_list) && list_empty(&ctx->retry_list));
	ENSURE(list_empty(&ctx->overflow));
	ENSURE(list_empty(&ctx->timeout_list) && list_empty(&ctx->ltimeout_list));
	ENSURE(list_empty(&ctx->work_list));
	ENSURE(list_empty(&ctx->tctx_list));
	for (unsigned int i = 0; i <= ctx->cancel_mask; i++)
		ENSURE(list_empty(&ctx->cancel_table[i]));
	wait_queue_destroy(&ctx->cq_wait);
	wait_queue_destroy(&ctx->poll_wq);
	if (ctx->hash_map)
		io_wq_hash_put(ctx->hash_map);
	if (ctx->submitter)
		io_task_put(ctx->submitter, 1);
	while (!list_empty(&ctx->slabs)) {
		struct list *slab = ctx->slabs.next; /* first in its block */

		list_del(slab);
		io_mem_free(mem, slab);
	}
	io_mem_free(mem, ctx->mem);
}

/* ---- its file ---- */

static unsigned int io_uring_poll(struct file *f)
{
	struct io_ring_ctx *ctx = f->priv;
	unsigned int mask = 0;

	a32_xchg(&ctx->poll_activated, 1);
	if (shm_load32(&ctx->rings->sq_tail) - shm_load32(&ctx->rings->sq_head) < ctx->sq_entries)
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (io_cqring_events_user(ctx) || io_local_work_pending(ctx))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}

static void io_uring_release(struct file *f)
{
	io_ring_ctx_wait_and_kill(f->priv);
}

const struct file_ops io_uring_fops = {
	.poll = io_uring_poll,
	.release = io_uring_release,
};

void *io_uring_mmap(struct file *file, size_t len, uint64_t offset)
{
	struct io_ring_ctx *ctx = file->priv;

	switch (offset) {
	case IORING_OFF_SQ_RING:
	case IORING_OFF_CQ_RING:
		return len && len <= ctx->rings_size ? ctx->rings : NULL;
	case IORING_OFF_SQES:
		return len && len <= ctx->sqes_size ? ctx->sqes : NULL;
	}
	return NULL;
}

int io_uring_setup(struct io_uring_task *tctx, unsigned int entries, struct io_uring_params *params)
{
	struct io_proc *proc = tctx->proc;
	struct io_uring_params p;
	struct io_ring_ctx *ctx;
	struct file *f;
	int ret;

	if (!io_copy_from_user(&p, params, sizeof(p)))
		return -EFAULT;
	for (unsigned int i = 0; i < sizeof(p.resv) / sizeof(p.resv[0]); i++)
		if (p.resv[i])
			return -EINVAL;
	ret = io_uring_check_flags(p.flags);
	if (!ret)
		ret = io_uring_fill_params(entries, &p);
	if (ret)
		return ret;
	f = file_new(FILE_RING, &io_uring_fops);
	ENSURE(f != NULL);
	ctx = io_ring_ctx_alloc(proc, &p);
	f->priv = ctx;
	f->wait = &ctx->poll_wq;
	f->can_read = f->can_write = true;
	mutex_lock(&proc->lock);
	proc->nr_rings++;
	mutex_unlock(&proc->lock);
	if (p.flags & IORING_SETUP_R_DISABLED) {
		a32_store(&ctx->disabled, 1);
	} else if (p.flags & IORING_SETUP_SINGLE_ISSUER) {
		io_task_get(tctx);
		ctx->submitter = tctx;
	}
	if (!(p.flags & IORING_SETUP_R_DISABLED))
		ENSURE_OP(io_uring_add_tctx_node(ctx, tctx), ==, 0);
	io_uring_fill_offsets(ctx, &p);
	ENSURE(io_copy_to_user(params, &p, sizeof(p)));
	return fdtable_install(proc->fds, f);
}
