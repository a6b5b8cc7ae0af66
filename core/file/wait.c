/* Wait queues, and the one way in which a task sleeps for a file. */
#include <errno.h>

#include "core/file/internal.h"

void wait_queue_init(struct wait_queue *q)
{
	mutex_init(&q->lock);
	list_init(&q->head);
}

void wait_queue_destroy(struct wait_queue *q)
{
	ENSURE(list_empty(&q->head));
	mutex_destroy(&q->lock);
}

static void add_locked(struct wait_queue *q, struct wait_entry *e)
{
	if (e->exclusive)
		list_add_tail(&e->node, &q->head);
	else
		list_add(&e->node, &q->head);
}

void wait_add(struct wait_queue *q, struct wait_entry *e)
{
	mutex_lock(&q->lock);
	add_locked(q, e);
	mutex_unlock(&q->lock);
}

bool wait_remove(struct wait_queue *q, struct wait_entry *e)
{
	bool linked;

	mutex_lock(&q->lock);
	linked = list_is_linked(&e->node);
	list_del(&e->node);
	mutex_unlock(&q->lock);
	return linked;
}

void wait_unlink_locked(struct wait_entry *e)
{
	list_del(&e->node);
}

void wait_wake(struct wait_queue *q, unsigned int mask, unsigned int nr_exclusive)
{
	mutex_lock(&q->lock);
	list_for_each_safe(node, &q->head) {
		struct wait_entry *e = list_entry(node, struct wait_entry, node);
		bool exclusive = e->exclusive; /* the callback may end the entry's life */

		if (e->wake(e, mask) && exclusive && nr_exclusive && --nr_exclusive == 0)
			break;
	}
	mutex_unlock(&q->lock);
}

bool wait_active(struct wait_queue *q)
{
	bool active;

	mutex_lock(&q->lock);
	active = !list_empty(&q->head);
	mutex_unlock(&q->lock);
	return active;
}

/* A task asleep in a read or write. Being woken unlinks the entry, so "linked" means "not woken since it was added". */
struct sleeper {
	struct wait_entry entry;
	struct sched_task *task;
	unsigned int mask;
};

static bool sleeper_wake(struct wait_entry *e, unsigned int mask)
{
	struct sleeper *s = container_of(e, struct sleeper, entry);

	if (mask && !(mask & s->mask))
		return false;
	wait_unlink_locked(e);
	sched_unpark(s->task);
	return true;
}

/* Puts the entry back if it was woken. One that was not keeps its place in the queue. */
static void sleeper_rearm(struct wait_queue *q, struct sleeper *s)
{
	mutex_lock(&q->lock);
	if (!list_is_linked(&s->entry.node))
		add_locked(q, &s->entry);
	mutex_unlock(&q->lock);
}

struct io {
	struct file *f;
	bool write;
	char *buf;
	size_t len, done;
	int64_t off;
};

/* Moves what can be moved without sleeping. -EAGAIN: the rest has to wait; otherwise the result of the whole. */
static ssize_t io_attempt(struct io *io)
{
	do {
		ssize_t n = io->write ? io->f->ops->write(io->f, io->buf + io->done, io->len - io->done, io->off) :
					io->f->ops->read(io->f, io->buf, io->len, io->off);

		if (n == -EAGAIN)
			return -EAGAIN;
		if (n <= 0)
			return io->done ? (ssize_t)io->done : n;
		io->done += (size_t)n;
	} while (io->f->kind == FILE_PIPE_WRITE &&
		 io->done < io->len); /* an eventfd takes 8 bytes, however many are offered */
	return (ssize_t)io->done;
}

/* Sleeps until the attempt ends. As in the kernel those who wait for a pipe are exclusive, those for an eventfd are not. */
static ssize_t io_sleep(struct io *io)
{
	struct wait_queue *q = io->f->wait;
	unsigned int want = io->write ? WAIT_OUT : WAIT_IN;
	struct sleeper s = { .task = sched_self(), .mask = want };
	bool slept = false;
	ssize_t ret;

	ENSURE(q);
	s.entry.wake = sleeper_wake;
	s.entry.exclusive = io->f->kind != FILE_EVENTFD;
	list_init(&s.entry.node);
	for (;;) {
		sleeper_rearm(q, &s);
		ret = io_attempt(io);
		if (ret != -EAGAIN)
			break;
		if (sched_notified()) {
			ret = io->done ? (ssize_t)io->done : -EINTR;
			break;
		}
		sched_block_begin();
		sched_park(SCHED_NEVER);
		sched_block_end();
		slept = true;
	}
	/* An exclusive waiter may have been given a wake-up that others need as well: it leaves while the file is still
	 * ready, so the next one is woken, as at the end of the kernel's pipe_read. */
	if ((!wait_remove(q, &s.entry) || slept) && s.entry.exclusive && (io->f->ops->poll(io->f) & want))
		wait_wake(q, want & ~(unsigned int)(EPOLLHUP | EPOLLERR), 1);
	return ret;
}

int wait_until(struct file *f, unsigned int want, bool nonblock, bool (*ready)(struct file *f))
{
	struct sleeper s = { .task = sched_self(), .mask = want };
	int ret = 0;

	ENSURE(f->wait);
	s.entry.wake = sleeper_wake;
	list_init(&s.entry.node);
	for (;;) {
		sleeper_rearm(f->wait, &s);
		if (ready(f))
			break;
		if (nonblock)
			ret = -EAGAIN;
		else if (sched_notified())
			ret = -EINTR;
		if (ret)
			break;
		sched_block_begin();
		sched_park(SCHED_NEVER);
		sched_block_end();
	}
	wait_remove(f->wait, &s.entry);
	return ret;
}

static ssize_t io_wait(struct io *io)
{
	ssize_t ret = io_attempt(io);

	if (ret != -EAGAIN)
		return ret;
	if (io->f->nonblock)
		return io->done ? (ssize_t)io->done : -EAGAIN;
	return io_sleep(io);
}

ssize_t file_read_wait(struct file *f, void *buf, size_t len, int64_t off)
{
	struct io io = { .f = f, .buf = buf, .len = len, .off = off };

	if (!f->can_read)
		return -EBADF;
	if (!f->ops->read)
		return -EINVAL;
	if (f->regular)
		return regular_read_wait(f, buf, len, off);
	return io_wait(&io);
}

ssize_t file_write_wait(struct file *f, const void *buf, size_t len, int64_t off)
{
	struct io io = { .f = f, .write = true, .buf = (char *)buf, .len = len, .off = off };

	if (!f->can_write)
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	if (f->regular)
		return regular_write_wait(f, buf, len, off);
	return io_wait(&io);
}
