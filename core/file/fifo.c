/* FIFOs: names at which readers and writers meet. Only the meeting is here: opening an end waits until the other end is
 * opened by somebody, or is open. No bytes go through.
 *
 * As in the kernel's fs/pipe.c, who waits looks for a change of how often the other end was opened: one that was opened
 * and closed again in the meantime counts. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/file/internal.h"

struct fifo {
	struct list node; /* on `fifos`, under heap_lock */
	char name[FIFO_NAME];
	unsigned int refs; /* under heap_lock: its name has one, each file another */
	bool named; /* under heap_lock */
	struct wait_queue wait;
	struct atomic32 open[2], opened[2]; /* by end, 1: for writing: how many there are, and were */
};

/* What one file knows. */
struct fifo_end {
	struct fifo *fifo;
	uint32_t seen; /* how often the other end had been opened when this one was */
};

static struct list fifos = LIST_INIT(fifos);

void fifos_forget(void)
{
	list_init(&fifos);
}

/* With a reference. heap_lock is held. */
static struct fifo *fifo_find(const char *name)
{
	list_for_each(node, &fifos) {
		struct fifo *q = list_entry(node, struct fifo, node);

		if (q->named && !strcmp(q->name, name)) {
			q->refs++;
			return q;
		}
	}
	return NULL;
}

static struct fifo *fifo_get(const char *name)
{
	struct fifo *q;

	mutex_lock(&heap_lock);
	q = fifo_find(name);
	mutex_unlock(&heap_lock);
	return q;
}

static void fifo_put(struct fifo *q)
{
	bool last;

	mutex_lock(&heap_lock);
	last = --q->refs == 0;
	if (last)
		list_del(&q->node);
	mutex_unlock(&heap_lock);
	if (!last)
		return;
	wait_queue_destroy(&q->wait);
	heap_free(q);
}

int file_fifo_make(const char *name)
{
	struct fifo *q, *there;

	if (strlen(name) >= FIFO_NAME)
		return -ENAMETOOLONG;
	q = heap_new(sizeof(*q));
	if (!q)
		return -ENOMEM;
	memcpy(q->name, name, strlen(name) + 1);
	q->refs = 1;
	q->named = true;
	wait_queue_init(&q->wait);
	mutex_lock(&heap_lock);
	there = fifo_find(name);
	if (!there)
		list_add_tail(&q->node, &fifos);
	mutex_unlock(&heap_lock);
	if (!there)
		return 0;
	fifo_put(there);
	wait_queue_destroy(&q->wait);
	heap_free(q);
	return -EEXIST;
}

int file_fifo_unlink(const char *name)
{
	struct fifo *q;

	mutex_lock(&heap_lock);
	q = fifo_find(name);
	if (q) {
		q->named = false;
		q->refs--;
	}
	mutex_unlock(&heap_lock);
	if (!q)
		return -ENOENT;
	fifo_put(q);
	return 0;
}

static bool met(struct file *f)
{
	struct fifo_end *end = f->priv;

	return a32_load(&end->fifo->opened[!f->can_write]) != end->seen;
}

static void fifo_release(struct file *f)
{
	struct fifo_end *end = f->priv;

	a32_sub(&end->fifo->open[f->can_write], 1);
	fifo_put(end->fifo);
	heap_free(end);
}

static const struct file_ops fifo_ops = {
	.release = fifo_release,
};

/* Takes over the caller's reference of q. NULL: no memory. */
static struct file *fifo_new_end(struct fifo *q, bool writes)
{
	struct fifo_end *end = heap_new(sizeof(*end));
	struct file *f = end ? file_new(FILE_FIFO, &fifo_ops) : NULL;

	if (!f) {
		if (end)
			heap_free(end);
		fifo_put(q);
		return NULL;
	}
	end->fifo = q;
	f->priv = end;
	f->can_read = !writes;
	f->can_write = writes;
	f->identity = file_new_identity();
	f->wait = &q->wait;
	end->seen = a32_load(&q->opened[!writes]);
	a32_add(&q->open[writes], 1);
	a32_add(&q->opened[writes], 1);
	return f;
}

int file_fifo_open(struct file **out, const char *name, int flags, bool nonblock)
{
	bool writes = (flags & O_ACCMODE) == O_WRONLY;
	struct fifo *q = fifo_get(name);
	struct file *f;
	int ret;

	if (!q)
		return -ENOENT;
	if ((flags & O_ACCMODE) == O_RDWR || (writes && nonblock && !a32_load(&q->open[0]))) {
		fifo_put(q);
		return (flags & O_ACCMODE) == O_RDWR ? -EINVAL : -ENXIO;
	}
	f = fifo_new_end(q, writes);
	if (!f)
		return -ENOMEM;
	f->nonblock = flags & O_NONBLOCK;
	wait_wake(&q->wait, 0, 0);
	if (!nonblock && !a32_load(&q->open[!writes])) {
		ret = wait_until(f, WAIT_IN | WAIT_OUT, false, met);
		if (ret) {
			file_put(f);
			return ret;
		}
	}
	*out = f;
	return 0;
}
