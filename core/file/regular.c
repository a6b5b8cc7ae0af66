/* Regular files, on the real descriptor given. They are always ready, so nothing waits for them: what a worker does with
 * one is a blocking section that no cancel interrupts.
 *
 * A write by file_write_wait goes in two halves, with a point where others run between them. The kernel's inode lock
 * would hide it if two writes to one file ran at once; here their halves interleave, so that a broken io-wq hash can be
 * seen in what the file holds at the end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/file/internal.h"

/* A real file that some struct file stands on: it gives all of them one identity. */
struct inode {
	struct list node; /* on `inodes`, under heap_lock */
	unsigned int files;
	dev_t dev;
	ino_t ino;
	uint32_t identity;
};

static struct list inodes = LIST_INIT(inodes);

struct regular {
	struct mutex lock; /* protects pos */
	uint64_t pos;
	struct inode *inode;
	int fd;
};

void inodes_forget(void)
{
	list_init(&inodes);
}

static struct inode *inode_find(const struct stat *st)
{
	list_for_each(node, &inodes) {
		struct inode *i = list_entry(node, struct inode, node);

		if (i->dev == st->st_dev && i->ino == st->st_ino)
			return i;
	}
	return NULL;
}

static struct inode *inode_get(const struct stat *st)
{
	struct inode *fresh = heap_new(sizeof(*fresh));
	uint32_t identity;
	struct inode *i;

	if (!fresh)
		return NULL;
	mutex_lock(&heap_lock);
	i = inode_find(st);
	if (i)
		i->files++;
	mutex_unlock(&heap_lock);
	if (i) {
		heap_free(fresh);
		return i;
	}
	identity = file_new_identity();
	*fresh = (struct inode){ .files = 1, .dev = st->st_dev, .ino = st->st_ino, .identity = identity };
	mutex_lock(&heap_lock);
	i = inode_find(st); /* somebody may have been faster */
	if (i)
		i->files++;
	else
		list_add_tail(&fresh->node, &inodes);
	mutex_unlock(&heap_lock);
	if (!i)
		return fresh;
	heap_free(fresh);
	return i;
}

static void inode_put(struct inode *i)
{
	bool last;

	mutex_lock(&heap_lock);
	last = --i->files == 0;
	if (last)
		list_del(&i->node);
	mutex_unlock(&heap_lock);
	if (last)
		heap_free(i);
}

/* The position is read before and set after the transfer and not held in between, as io_uring does it. */
static uint64_t start_pos(struct regular *r, int64_t off)
{
	uint64_t pos;

	if (off == FILE_OFF_APPEND)
		return 0;
	if (off != -1)
		return (uint64_t)off;
	mutex_lock(&r->lock);
	pos = r->pos;
	mutex_unlock(&r->lock);
	return pos;
}

static void finish_pos(struct regular *r, int64_t off, uint64_t pos)
{
	if (off != -1)
		return;
	mutex_lock(&r->lock);
	r->pos = pos;
	mutex_unlock(&r->lock);
}

static ssize_t regular_read(struct file *f, void *buf, size_t len, int64_t off)
{
	struct regular *r = f->priv;
	uint64_t pos = start_pos(r, off);
	ssize_t n = pread(r->fd, buf, len, (off_t)pos);

	if (n < 0)
		return -errno;
	finish_pos(r, off, pos + (uint64_t)n);
	return n;
}

/* One write to the real file: at pos, or at its end. */
static ssize_t put(struct regular *r, const char *buf, size_t len, uint64_t pos, bool append)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };

	return pwritev2(r->fd, &iov, 1, (off_t)pos, append ? RWF_APPEND : 0);
}

static ssize_t regular_write(struct file *f, const void *buf, size_t len, int64_t off)
{
	struct regular *r = f->priv;
	uint64_t pos = start_pos(r, off);
	ssize_t n = put(r, buf, len, pos, off == FILE_OFF_APPEND);

	if (n < 0)
		return -errno;
	finish_pos(r, off, pos + (uint64_t)n);
	return n;
}

ssize_t regular_read_wait(struct file *f, void *buf, size_t len, int64_t off)
{
	ssize_t n;

	sched_block_begin();
	sched_point("read of a regular file");
	n = regular_read(f, buf, len, off);
	sched_point("regular file read");
	sched_block_end();
	return n;
}

static ssize_t write_halves(struct regular *r, const char *buf, size_t len, uint64_t pos, bool append)
{
	size_t half = len / 2;
	ssize_t n, m;

	n = half ? put(r, buf, half, pos, append) : 0;
	if (n < 0)
		return -errno;
	if ((size_t)n < half)
		return n;
	sched_point("between the halves of a regular file's write");
	m = put(r, buf + half, len - half, pos + half, append);
	if (m < 0)
		return n ? n : -errno;
	return n + m;
}

ssize_t regular_write_wait(struct file *f, const void *buf, size_t len, int64_t off)
{
	struct regular *r = f->priv;
	uint64_t pos;
	ssize_t n;

	sched_block_begin();
	sched_point("write of a regular file");
	pos = start_pos(r, off);
	n = write_halves(r, buf, len, pos, off == FILE_OFF_APPEND);
	if (n >= 0)
		finish_pos(r, off, pos + (uint64_t)n);
	sched_point("regular file written");
	sched_block_end();
	return n;
}

/* No file of the engine outlives its machine: there is nothing to be put anywhere, but others may run meanwhile. */
int file_sync(struct file *f)
{
	if (!f->regular)
		return -EINVAL;
	sched_block_begin();
	sched_point("sync of a regular file");
	sched_block_end();
	return 0;
}

int file_allocate(struct file *f, int64_t off, int64_t len)
{
	int ret;

	if (off < 0 || len <= 0)
		return -EINVAL;
	if (!f->can_write)
		return -EBADF;
	if (!f->regular)
		return f->kind == FILE_PIPE_WRITE ? -ESPIPE : -ENODEV;
	sched_block_begin();
	sched_point("allocation for a regular file");
	if (sched_notified())
		ret = -EINTR;
	else
		ret = fallocate(f->real_fd, 0, off, len) < 0 ? -errno : 0;
	sched_block_end();
	return ret;
}

int file_truncate(struct file *f, int64_t len)
{
	int ret;

	if (len < 0 || !f->regular || !f->can_write)
		return -EINVAL;
	sched_block_begin();
	sched_point("truncation of a regular file");
	ret = ftruncate(f->real_fd, len) < 0 ? -errno : 0;
	sched_block_end();
	return ret;
}

uint64_t regular_start(struct file *f, int64_t off)
{
	return start_pos(f->priv, off);
}

void regular_finish(struct file *f, int64_t off, uint64_t pos)
{
	finish_pos(f->priv, off, pos);
}

static void regular_release(struct file *f)
{
	struct regular *r = f->priv;

	heap_set_drop(r, NULL);
	close(r->fd);
	inode_put(r->inode);
	mutex_destroy(&r->lock);
	heap_free(r);
}

static const struct file_ops regular_ops = {
	.read = regular_read,
	.write = regular_write,
	.release = regular_release,
};

static void regular_drop(void *object)
{
	struct regular *r = object;

	close(r->fd);
}

/* Does a read take RWF_NOWAIT? Files of memory file systems do not. */
static bool takes_nowait(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC;
}

static int regular_open(struct file **out, int fd)
{
	int mode = fcntl(fd, F_GETFL);
	struct regular *r;
	struct stat st;
	struct file *f;

	if (mode < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	r = heap_new(sizeof(*r));
	f = r ? file_new(FILE_REGULAR, &regular_ops) : NULL;
	if (f)
		r->inode = inode_get(&st);
	if (!f || !r->inode) {
		if (f)
			heap_free(f);
		if (r)
			heap_free(r);
		return -ENOMEM;
	}
	r->fd = fd;
	heap_set_drop(r, regular_drop);
	mutex_init(&r->lock);
	f->priv = r;
	f->real_fd = fd;
	f->regular = true;
	f->can_read = (mode & O_ACCMODE) != O_WRONLY;
	f->can_write = (mode & O_ACCMODE) != O_RDONLY;
	f->nonblock = mode & O_NONBLOCK;
	f->nowait = takes_nowait(fd);
	f->identity = r->inode->identity;
	*out = f;
	return 0;
}

int file_make_regular(struct file **out, int real_fd)
{
	int ret = regular_open(out, real_fd);

	if (ret < 0)
		close(real_fd);
	return ret;
}
