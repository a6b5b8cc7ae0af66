#include <errno.h>
#include <string.h>

#include "core/ring/ring.h"

enum { IORING_MAX_FIXED_FILES = 1 << 20, IO_RLIMIT_NOFILE = 1024 };

/* Which descriptors go into which slots, and what is said when they leave. NULL: none, no tags. */
struct io_files_update {
	unsigned int offset, nr;
	const int32_t *fds;
	const uint64_t *tags;
};

/* ---- nodes ---- */

void io_rsrc_node_put(struct io_ring_ctx *ctx, struct io_rsrc_node *node)
{
	mutex_assert_held(&ctx->uring_lock);
	ENSURE_OP(node->refs, >, 0u);
	if (--node->refs)
		return;
	if (node->tag)
		io_post_aux_cqe(ctx, node->tag, 0, 0);
	file_put(node->file);
	io_mem_free(&ctx->proc->mem, node);
}

struct io_rsrc_node *io_file_node_get(struct io_ring_ctx *ctx, unsigned int slot)
{
	struct io_rsrc_node *node = slot < ctx->files.nr ? ctx->files.nodes[slot] : NULL;

	mutex_assert_held(&ctx->uring_lock);
	if (node)
		node->refs++;
	return node;
}

/* ---- slots ---- */

static bool io_empty_slot(struct io_ring_ctx *ctx, unsigned int slot)
{
	struct io_rsrc_node *node = ctx->files.nodes[slot];

	if (!node)
		return false;
	ctx->files.nodes[slot] = NULL;
	ctx->files.alloc_hint = slot;
	io_rsrc_node_put(ctx, node);
	return true;
}

/* Takes over the caller's reference. */
static void io_fill_slot(struct io_ring_ctx *ctx, unsigned int slot, struct file *file, uint64_t tag)
{
	struct io_rsrc_node *node = io_mem_alloc(&ctx->proc->mem, sizeof(*node));

	*node = (struct io_rsrc_node){ .refs = 1, .tag = tag, .file = file };
	ENSURE(!ctx->files.nodes[slot]);
	ctx->files.nodes[slot] = node;
	ctx->files.alloc_hint = slot + 1;
}

/* From the hint to the end of the range, then from its beginning. Without a table the range is empty. */
static int io_find_free_slot(const struct io_file_table *t)
{
	unsigned int nr = t->alloc_end > t->alloc_start ? t->alloc_end - t->alloc_start : 0;
	unsigned int from = t->alloc_hint >= t->alloc_start && t->alloc_hint < t->alloc_end ? t->alloc_hint :
											      t->alloc_start;

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int slot = t->alloc_start + (from - t->alloc_start + i) % nr;

		if (!t->nodes[slot])
			return (int)slot;
	}
	return -ENFILE;
}

static int io_install_fixed_file(struct io_ring_ctx *ctx, struct file *file, unsigned int file_slot)
{
	bool alloc = file_slot == (uint32_t)IORING_FILE_INDEX_ALLOC;
	int slot = alloc ? io_find_free_slot(&ctx->files) : (int)(file_slot - 1);

	if (alloc && slot < 0)
		return slot;
	if (file->kind == FILE_RING)
		return -EBADF;
	if (!ctx->files.nr)
		return -ENXIO;
	if ((unsigned int)slot >= ctx->files.nr)
		return -EINVAL;
	io_empty_slot(ctx, (unsigned int)slot);
	io_fill_slot(ctx, (unsigned int)slot, file_get(file), 0);
	return alloc ? slot : 0;
}

int io_fixed_fd_install(struct io_ring_ctx *ctx, struct file *file, unsigned int file_slot)
{
	int ret;

	mutex_assert_held(&ctx->uring_lock);
	ret = io_install_fixed_file(ctx, file, file_slot);
	file_put(file);
	return ret;
}

int io_fixed_fd_remove(struct io_ring_ctx *ctx, unsigned int slot)
{
	mutex_assert_held(&ctx->uring_lock);
	if (!ctx->files.nr)
		return -ENXIO;
	if (slot >= ctx->files.nr)
		return -EINVAL;
	return io_empty_slot(ctx, slot) ? 0 : -EBADF;
}

/* ---- the table ---- */

static void io_drop_table(struct io_ring_ctx *ctx)
{
	struct io_file_table *t = &ctx->files;

	for (unsigned int i = 0; i < t->nr; i++)
		io_empty_slot(ctx, i);
	io_mem_free(&ctx->proc->mem, t->nodes);
	*t = (struct io_file_table){ 0 };
}

void io_files_free(struct io_ring_ctx *ctx)
{
	mutex_lock(&ctx->uring_lock);
	if (ctx->files.nr)
		io_drop_table(ctx);
	io_cqring_overflow_flush(ctx, true);
	mutex_unlock(&ctx->uring_lock);
}

/* A descriptor of the caller's, but for a ring's. */
static struct file *io_file_to_register(struct io_ring_ctx *ctx, int fd)
{
	struct file *file = fdtable_get(ctx->proc->fds, fd);

	if (!file || file->kind != FILE_RING)
		return file;
	file_put(file);
	return NULL;
}

/* One element of an array of the caller's. */
static bool io_read_element(void *to, const void *array, size_t size, unsigned int i)
{
	return io_copy_from_user(to, array ? (const char *)array + size * i : NULL, size);
}

/* An empty slot gets its descriptor; -1: it stays empty. */
static int io_set_slot(struct io_ring_ctx *ctx, unsigned int slot, int32_t fd, uint64_t tag)
{
	struct file *file;

	if (fd == -1)
		return 0;
	file = io_file_to_register(ctx, fd);
	if (!file)
		return -EBADF;
	io_fill_slot(ctx, slot, file, tag);
	return 0;
}

static int io_register_one(struct io_ring_ctx *ctx, const struct io_files_update *up, unsigned int i)
{
	uint64_t tag = 0;
	int32_t fd = -1;

	if ((up->tags && !io_read_element(&tag, up->tags, sizeof(tag), i)) ||
	    (up->fds && !io_read_element(&fd, up->fds, sizeof(fd), i)))
		return -EFAULT;
	return fd == -1 && tag ? -EINVAL : io_set_slot(ctx, i, fd, tag);
}

/* Nothing is said of what was never there. */
static void io_clear_tags(struct io_file_table *t)
{
	for (unsigned int i = 0; i < t->nr; i++)
		if (t->nodes[i])
			t->nodes[i]->tag = 0;
}

/* All or nothing. */
static int io_sqe_files_register(struct io_ring_ctx *ctx, const struct io_files_update *up)
{
	int ret = 0;

	if (ctx->files.nr)
		return -EBUSY;
	if (!up->nr)
		return -EINVAL;
	if (up->nr > IORING_MAX_FIXED_FILES || up->nr > IO_RLIMIT_NOFILE)
		return -EMFILE;
	ctx->files.nodes = io_mem_alloc(&ctx->proc->mem, up->nr * sizeof(ctx->files.nodes[0]));
	ctx->files.nr = up->nr;
	for (unsigned int i = 0; i < up->nr && !ret; i++)
		ret = io_register_one(ctx, up, i);
	if (ret) {
		io_clear_tags(&ctx->files);
		io_drop_table(ctx);
		return ret;
	}
	ctx->files.alloc_start = ctx->files.alloc_hint = 0;
	ctx->files.alloc_end = up->nr;
	return 0;
}

/* The slot is emptied before its new descriptor is looked up. */
static int io_update_one(struct io_ring_ctx *ctx, const struct io_files_update *up, unsigned int i)
{
	uint64_t tag = 0;
	int32_t fd;

	if ((up->tags && !io_read_element(&tag, up->tags, sizeof(tag), i)) ||
	    !io_read_element(&fd, up->fds, sizeof(fd), i))
		return -EFAULT;
	if ((fd == IORING_REGISTER_FILES_SKIP || fd == -1) && tag)
		return -EINVAL;
	if (fd == IORING_REGISTER_FILES_SKIP)
		return 0;
	io_empty_slot(ctx, up->offset + i);
	return io_set_slot(ctx, up->offset + i, fd, tag);
}

/* How many were done before the first that failed; its error if there were none. */
static int io_sqe_files_update(struct io_ring_ctx *ctx, const struct io_files_update *up)
{
	unsigned int done;
	int ret = 0;

	if (up->offset + up->nr < up->offset)
		return -EOVERFLOW;
	if (!ctx->files.nr)
		return -ENXIO;
	if (up->offset + up->nr > ctx->files.nr)
		return -EINVAL;
	for (done = 0; done < up->nr; done++) {
		ret = io_update_one(ctx, up, done);
		if (ret)
			break;
	}
	return done ? (int)done : ret;
}

/* ---- io_uring_register ---- */

static int io_locked(struct io_ring_ctx *ctx, int (*fn)(struct io_ring_ctx *ctx, const struct io_files_update *up),
		     const struct io_files_update *up)
{
	int ret;

	mutex_lock(&ctx->uring_lock);
	ret = fn(ctx, up);
	mutex_unlock(&ctx->uring_lock);
	return ret;
}

int io_register_files(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	const struct io_files_update up = { .nr = nr, .fds = arg };

	(void)tctx;
	return arg ? io_locked(ctx, io_sqe_files_register, &up) : -EFAULT;
}

int io_register_files2(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	struct io_uring_rsrc_register rr;
	struct io_files_update up;

	(void)tctx;
	if (nr != sizeof(rr))
		return -EINVAL;
	if (!io_copy_from_user(&rr, arg, sizeof(rr)))
		return -EFAULT;
	if (!rr.nr || rr.resv2 || (rr.flags & ~(uint32_t)IORING_RSRC_REGISTER_SPARSE))
		return -EINVAL;
	if ((rr.flags & IORING_RSRC_REGISTER_SPARSE) && rr.data)
		return -EINVAL;
	up = (struct io_files_update){ .nr = rr.nr,
				       .fds = (const int32_t *)(uintptr_t)rr.data,
				       .tags = (const uint64_t *)(uintptr_t)rr.tags };
	return io_locked(ctx, io_sqe_files_register, &up);
}

static int io_sqe_files_unregister(struct io_ring_ctx *ctx, const struct io_files_update *up)
{
	(void)up;
	if (!ctx->files.nr)
		return -ENXIO;
	io_drop_table(ctx);
	return 0;
}

int io_unregister_files(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	(void)tctx;
	return arg || nr ? -EINVAL : io_locked(ctx, io_sqe_files_unregister, NULL);
}

int io_register_files_update(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	struct io_uring_rsrc_update old;
	struct io_files_update up;

	(void)tctx;
	if (!nr)
		return -EINVAL;
	if (!io_copy_from_user(&old, arg, sizeof(old)))
		return -EFAULT;
	if (old.resv)
		return -EINVAL;
	up = (struct io_files_update){ .offset = old.offset, .nr = nr, .fds = (const int32_t *)(uintptr_t)old.data };
	return io_locked(ctx, io_sqe_files_update, &up);
}

int io_register_files_update2(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int size)
{
	struct io_uring_rsrc_update2 up2;
	struct io_files_update up;

	(void)tctx;
	if (size != sizeof(up2))
		return -EINVAL;
	if (!io_copy_from_user(&up2, arg, sizeof(up2)))
		return -EFAULT;
	if (!up2.nr || up2.resv || up2.resv2)
		return -EINVAL;
	up = (struct io_files_update){ .offset = up2.offset,
				       .nr = up2.nr,
				       .fds = (const int32_t *)(uintptr_t)up2.data,
				       .tags = (const uint64_t *)(uintptr_t)up2.tags };
	return io_locked(ctx, io_sqe_files_update, &up);
}

int io_register_file_alloc_range(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr)
{
	struct io_uring_file_index_range range;
	int ret = 0;

	(void)tctx;
	if (!arg || nr)
		return -EINVAL;
	if (!io_copy_from_user(&range, arg, sizeof(range)))
		return -EFAULT;
	if (range.off + range.len < range.off)
		return -EOVERFLOW;
	mutex_lock(&ctx->uring_lock);
	if (range.resv || range.off + range.len > ctx->files.nr) {
		ret = -EINVAL;
	} else {
		ctx->files.alloc_start = ctx->files.alloc_hint = range.off;
		ctx->files.alloc_end = range.off + range.len;
	}
	mutex_unlock(&ctx->uring_lock);
	return ret;
}
