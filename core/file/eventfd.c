/* Event counters, on a real eventfd that never blocks. Readers and writers share one wait queue, as in the kernel; the
 * mask of a wake-up says who is meant. */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/file/internal.h"

struct eventfd {
	struct wait_queue wait;
	int fd;
};

static ssize_t eventfd_file_read(struct file *f, void *buf, size_t len, int64_t off)
{
	struct eventfd *e = f->priv;
	ssize_t n;

	(void)off;
	if (len < sizeof(uint64_t))
		return -EINVAL;
	n = read(e->fd, buf, sizeof(uint64_t));
	if (n < 0)
		return -errno;
	wait_wake(&e->wait, EPOLLOUT, 1);
	return n;
}

/* The kernel takes exactly eight bytes since 6.9; here, too, whatever runs below. ~0 is refused with -EINVAL by the real
 * one. */
static ssize_t eventfd_file_write(struct file *f, const void *buf, size_t len, int64_t off)
{
	struct eventfd *e = f->priv;
	ssize_t n;

	(void)off;
	if (len != sizeof(uint64_t))
		return -EINVAL;
	n = write(e->fd, buf, sizeof(uint64_t));
	if (n < 0)
		return -errno;
	wait_wake(&e->wait, EPOLLIN, 1);
	return n;
}

static unsigned int eventfd_poll(struct file *f)
{
	struct eventfd *e = f->priv;

	return real_poll(e->fd, POLLIN | POLLOUT);
}

static void eventfd_release(struct file *f)
{
	struct eventfd *e = f->priv;

	wait_wake(&e->wait, EPOLLHUP, 0);
	heap_set_drop(e, NULL);
	close(e->fd);
	wait_queue_destroy(&e->wait);
	heap_free(e);
}

static const struct file_ops eventfd_ops = {
	.read = eventfd_file_read,
	.write = eventfd_file_write,
	.poll = eventfd_poll,
	.release = eventfd_release,
};

static void eventfd_drop(void *object)
{
	struct eventfd *e = object;

	close(e->fd);
}

static int open_real(uint64_t count, bool semaphore)
{
	int fd, err;

	if (count == UINT64_MAX)
		return -EINVAL;
	fd = eventfd(count <= UINT32_MAX ? (unsigned int)count : 0,
		     EFD_NONBLOCK | EFD_CLOEXEC | (semaphore ? EFD_SEMAPHORE : 0));
	if (fd < 0)
		return -errno;
	if (count <= UINT32_MAX || write(fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int file_make_eventfd(struct file **out, uint64_t count, bool nonblock, bool semaphore)
{
	int fd = open_real(count, semaphore);
	struct eventfd *e;
	struct file *f;

	if (fd < 0)
		return fd;
	e = heap_new(sizeof(*e));
	f = e ? file_new(FILE_EVENTFD, &eventfd_ops) : NULL;
	if (!f) {
		if (e)
			heap_free(e);
		close(fd);
		return -ENOMEM;
	}
	e->fd = fd;
	heap_set_drop(e, eventfd_drop);
	wait_queue_init(&e->wait);
	f->priv = e;
	f->wait = &e->wait;
	f->real_fd = fd;
	f->can_read = f->can_write = true;
	f->nonblock = nonblock;
	f->nowait = true;
	f->nowait_write =
		nonblock; /* it has no write_iter: a blocking one answers a write that may not wait with -EAGAIN */
	f->identity = file_new_identity();
	*out = f;
	return 0;
}
