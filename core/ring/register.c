/* io_uring_register: the few that are here. Everything else is -EINVAL, as an opcode that is not known. */
#include <errno.h>
#include <string.h>

#include "core/ring/cancel.h"
#include "core/ring/msg.h"
#include "core/ring/ring.h"

static int io_register_enable_rings(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	int ret = 0;

	if (arg || nr)
		return -EINVAL;
	mutex_lock(&ctx->uring_lock);
	if (!a32_load(&ctx->disabled)) {
		ret = -EBADFD;
	} else {
		if (ctx->flags & IORING_SETUP_SINGLE_ISSUER) {
			io_task_get(tctx);
			ctx->submitter = tctx;
		}
		a32_xchg(&ctx->disabled, 0);
	}
	mutex_unlock(&ctx->uring_lock);
	return ret;
}

static int io_probe(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	struct io_uring_probe *probe = arg;
	unsigned int nr_ops = ctx->proc->nr_ops;

	(void)tctx;
	if (!arg || nr > 256)
		return -EINVAL;
	if (nr > nr_ops)
		nr = nr_ops;
	for (size_t i = 0; i < sizeof(*probe) + nr * sizeof(probe->ops[0]); i++)
		if (((const char *)arg)[i])
			return -EINVAL;
	probe->last_op = (uint8_t)(nr_ops - 1);
	for (unsigned int i = 0; i < nr; i++) {
		probe->ops[i].op = (uint8_t)i;
		if (ctx->proc->ops[i].name)
			probe->ops[i].flags = IO_URING_OP_SUPPORTED;
	}
	probe->ops_len = (uint8_t)nr;
	return 0;
}

/* nodes_lock is held. Counts of 0 leave as is. */
static void io_task_max_workers(struct io_uring_task *tctx, const unsigned int new[2])
{
	unsigned int count[2] = { new[0], new[1] };

	for (int i = 0; i < 2; i++)
		if (new[i])
			tctx->limits[i] = new[i];
	if (tctx->io_wq)
		io_wq_max_workers(tctx->io_wq, count);
}

/* Counts that are given go to the caller's io-wq, and are kept by the ring: for tasks whose first ring this will be, and
 * for every task that uses it, which gets all that is kept, at each call anew. So a call that only reads may change the
 * limits of a task, its caller's too, if they were set through another ring meanwhile (6.18 does the same). */
static int io_register_iowq_max_workers(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	unsigned int new[2], old[2] = { 0, 0 };

	if (!arg || nr != 2)
		return -EINVAL;
	if (!io_copy_from_user(new, arg, sizeof(new)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (new[i] > INT32_MAX)
			return -EINVAL;
		if (new[i] > IO_NR_PROC)
			new[i] = IO_NR_PROC;
	}
	mutex_lock(&ctx->proc->nodes_lock);
	if (tctx->limits[0]) {
		memcpy(old, tctx->limits, sizeof(old));
		io_task_max_workers(tctx, new);
	}
	for (int i = 0; i < 2; i++)
		if (new[i])
			ctx->iowq_limits[i] = new[i];
	list_for_each(l, &ctx->tctx_list)
		io_task_max_workers(list_entry(l, struct io_tctx_node, ctx_node)->tctx, ctx->iowq_limits);
	mutex_unlock(&ctx->proc->nodes_lock);
	return io_copy_to_user(arg, old, sizeof(old)) ? 0 : -EFAULT;
}

/* cpus NULL: all. The task's pool may not be made yet: it has one, for user space, since its first ring. */
static int io_task_affinity(struct io_uring_task *tctx, const struct sched_cpus *cpus)
{
	struct sched_cpus all;
	int ret = 0;

	sched_all_cpus(&all);
	if (!cpus)
		cpus = &all;
	for (size_t i = 0; i < sizeof(all.bits) / sizeof(all.bits[0]); i++)
		if (cpus->bits[i] & ~all.bits[i])
			return -EINVAL;
	mutex_lock(&tctx->proc->nodes_lock);
	if (!tctx->limits[0]) {
		ret = -EINVAL;
	} else {
		tctx->pinned = true;
		tctx->cpus = *cpus;
		if (tctx->io_wq)
			ret = io_wq_cpu_affinity(tctx->io_wq, cpus);
	}
	mutex_unlock(&tctx->proc->nodes_lock);
	return ret;
}

/* Nothing is said of processors past the last one there can be, as 6.18 compares masks. */
static void io_clip_cpus(struct sched_cpus *cpus)
{
	struct sched_cpus all;

	sched_all_cpus(&all);
	for (unsigned int cpu = sched_cpus_end(&all); cpu < SCHED_CPUS; cpu++)
		cpus->bits[cpu / 64] &= ~(1ull << cpu % 64);
}

/* nr: bytes of the mask; what is missing is 0, what is too much is not looked at. */
static int io_register_iowq_aff(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	struct sched_cpus cpus = { { 0 } };

	(void)ctx;
	if (!arg || !nr)
		return -EINVAL;
	if (!io_copy_from_user(&cpus, arg, nr < sizeof(cpus) ? nr : sizeof(cpus)))
		return -EFAULT;
	io_clip_cpus(&cpus);
	return io_task_affinity(tctx, &cpus);
}

static int io_unregister_iowq_aff(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	(void)ctx;
	if (arg || nr)
		return -EINVAL;
	return io_task_affinity(tctx, NULL);
}

static const struct {
	unsigned int opcode;
	int (*fn)(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr);
} register_ops[] = {
	{ IORING_REGISTER_FILES, io_register_files },
	{ IORING_UNREGISTER_FILES, io_unregister_files },
	{ IORING_REGISTER_FILES_UPDATE, io_register_files_update },
	{ IORING_REGISTER_PROBE, io_probe },
	{ IORING_REGISTER_ENABLE_RINGS, io_register_enable_rings },
	{ IORING_REGISTER_FILES2, io_register_files2 },
	{ IORING_REGISTER_FILES_UPDATE2, io_register_files_update2 },
	{ IORING_REGISTER_SYNC_CANCEL, io_sync_cancel },
	{ IORING_REGISTER_FILE_ALLOC_RANGE, io_register_file_alloc_range },
	{ IORING_REGISTER_IOWQ_AFF, io_register_iowq_aff },
	{ IORING_UNREGISTER_IOWQ_AFF, io_unregister_iowq_aff },
	{ IORING_REGISTER_IOWQ_MAX_WORKERS, io_register_iowq_max_workers },
};

static int __io_uring_register(struct io_ring_ctx *ctx, struct io_uring_task *tctx, unsigned int opcode, void *arg,
			       unsigned int nr)
{
	if (!a32_load(&ctx->disabled) && (ctx->flags & IORING_SETUP_SINGLE_ISSUER) && ctx->submitter != tctx)
		return -EEXIST;
	for (unsigned int i = 0; i < sizeof(register_ops) / sizeof(register_ops[0]); i++)
		if (register_ops[i].opcode == opcode)
			return register_ops[i].fn(ctx, tctx, arg, nr);
	return -EINVAL;
}

int io_uring_register(struct io_uring_task *tctx, unsigned int fd, unsigned int opcode, void *arg, unsigned int nr)
{
	struct io_ring_ctx *ctx;
	struct file *file;
	int ret;

	if (opcode >= AU_REGISTER_LAST_6_18)
		return -EINVAL;
	/* What is called on no ring. */
	if (fd == UINT32_MAX)
		return opcode == AU_REGISTER_SEND_MSG_RING ? io_uring_sync_msg_ring(tctx, arg, nr) : -EINVAL;
	ret = io_uring_get_ring(tctx, fd, &file, &ctx);
	if (ret)
		return ret;
	ret = __io_uring_register(ctx, tctx, opcode, arg, nr);
	file_put(file);
	return ret;
}
