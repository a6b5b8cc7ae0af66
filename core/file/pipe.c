/* Pipes. The bytes are in a real pipe, so page slots, capacity and bad addresses behave as the kernel's do. Which ends
 * are open is counted here: both real descriptors stay open until the last end is gone, then they are closed or, emptied,
 * kept for the next pipe. So no write ever meets a real pipe without readers (there is no SIGPIPE to guard against), and
 * an end can be opened anew at any time.
 *
 * Wake-ups are those of the kernel's fs/pipe.c: a write wakes pollers and one sleeping reader; a read wakes writers if
 * the pipe was full and a slot has become free; the end of the last reader or writer wakes everybody. A sleeping reader
 * or writer that leaves something for others wakes the next one (wait.c). */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/file/internal.h"

#define DEFAULT_CAPACITY 65536u

struct pipe {
	struct mutex lock;
	struct wait_queue rd_wait, wr_wait;
	unsigned int ends; /* files that refer to this */
	unsigned int readers, writers;
	uint32_t w_counter; /* times a writer came when there was none: a reader that never saw one gets no HUP */
	uint32_t identity;
	size_t bytes; /* in the real pipe */
	unsigned int capacity;
	int fds[2];
};

/* What one end knows. */
struct pipe_end {
	struct pipe *pipe;
	uint32_t w_seen; /* w_counter at the time of a reading end's open without writers; otherwise 0 */
};

/* ---- real pipes, kept ---- */

#define NR_KEPT 16

struct real_pipe {
	int fds[2];
	unsigned int capacity;
};

static struct real_pipe kept[NR_KEPT]; /* under heap_lock */
static unsigned int nr_kept;
static pid_t kept_by; /* a child of fork shares the real pipes with its parent and must not use them */

static void drop_kept(void)
{
	while (nr_kept) {
		nr_kept--;
		close(kept[nr_kept].fds[0]);
		close(kept[nr_kept].fds[1]);
	}
}

void file_drop_cache(void)
{
	mutex_lock(&heap_lock);
	drop_kept();
	mutex_unlock(&heap_lock);
}

static void pipe_drop(void *object)
{
	struct pipe *p = object;

	close(p->fds[0]);
	close(p->fds[1]);
}

static bool take_kept(struct pipe *p)
{
	bool found = false;

	mutex_lock(&heap_lock);
	if (nr_kept && kept_by != getpid())
		drop_kept();
	for (unsigned int i = nr_kept; i-- > 0;) {
		if (kept[i].capacity != p->capacity)
			continue;
		p->fds[0] = kept[i].fds[0];
		p->fds[1] = kept[i].fds[1];
		kept[i] = kept[--nr_kept];
		heap_set_drop(p, pipe_drop);
		found = true;
		break;
	}
	mutex_unlock(&heap_lock);
	return found;
}

/* Keeps an empty real pipe or closes it. */
static void keep_or_close(struct pipe *p)
{
	bool keep = false;
	char sink[4096];

	while (p->bytes) {
		ssize_t n = read(p->fds[0], sink, sizeof(sink));

		if (n <= 0)
			break;
		p->bytes -= (size_t)n;
	}
	mutex_lock(&heap_lock);
	if (p->bytes == 0 && nr_kept < NR_KEPT) {
		pid_t self = getpid();

		if (kept_by != self)
			drop_kept();
		kept_by = self;
		kept[nr_kept++] = (struct real_pipe){ { p->fds[0], p->fds[1] }, p->capacity };
		heap_set_drop(p, NULL);
		keep = true;
	}
	mutex_unlock(&heap_lock);
	if (!keep) {
		heap_set_drop(p, NULL);
		close(p->fds[0]);
		close(p->fds[1]);
	}
}

/* The size is always set: past a per-user limit the kernel makes pipes of one or two pages. */
static int open_real(struct pipe *p)
{
	int err;

	if (take_kept(p))
		return 0;
	if (pipe2(p->fds, O_NONBLOCK | O_CLOEXEC) < 0)
		return -errno;
	if (fcntl(p->fds[1], F_GETPIPE_SZ) == (int)p->capacity ||
	    fcntl(p->fds[1], F_SETPIPE_SZ, (int)p->capacity) >= 0) {
		heap_set_drop(p, pipe_drop);
		return 0;
	}
	err = -errno;
	close(p->fds[0]);
	close(p->fds[1]);
	return err;
}

/* ---- transfers ---- */

static struct pipe *pipe_of(struct file *f)
{
	return ((struct pipe_end *)f->priv)->pipe;
}

/* Is there a free slot? An empty pipe has one for sure. */
static bool pipe_has_room(const struct pipe *p)
{
	return p->bytes == 0 || (real_poll(p->fds[1], POLLOUT) & POLLOUT);
}

/* Writers are woken only when the pipe was full before and has room now. The answer costs a system call, so it is asked
 * for only when there is somebody to wake. Who enters the queue later looks for room after that, under the same lock. */
static ssize_t pipe_read(struct file *f, void *buf, size_t len, int64_t off)
{
	struct pipe *p = pipe_of(f);
	bool was_full, wake = false;
	ssize_t n;

	(void)off;
	if (len == 0)
		return 0;
	mutex_lock(&p->lock);
	if (p->bytes == 0) {
		n = p->writers ? -EAGAIN : 0;
	} else {
		was_full = wait_active(&p->wr_wait) && !pipe_has_room(p);
		n = read(p->fds[0], buf, len);
		if (n > 0)
			p->bytes -= (size_t)n;
		else
			n = n < 0 ? -errno : -EIO;
		ENSURE_OP(n, !=, (ssize_t)-EAGAIN);
		wake = n > 0 && was_full && pipe_has_room(p);
	}
	mutex_unlock(&p->lock);
	if (wake)
		wait_wake(&p->wr_wait, EPOLLOUT | EPOLLWRNORM, 1);
	return n;
}

static ssize_t pipe_write(struct file *f, const void *buf, size_t len, int64_t off)
{
	struct pipe *p = pipe_of(f);
	ssize_t n;

	(void)off;
	if (len == 0)
		return 0;
	mutex_lock(&p->lock);
	if (p->readers == 0) {
		n = -EPIPE;
	} else {
		n = write(p->fds[1], buf, len);
		if (n < 0)
			n = -errno;
		else
			p->bytes += (size_t)n;
	}
	mutex_unlock(&p->lock);
	if (n > 0)
		wait_wake(&p->rd_wait, EPOLLIN | EPOLLRDNORM, 1);
	return n;
}

static unsigned int pipe_poll(struct file *f)
{
	struct pipe_end *end = f->priv;
	struct pipe *p = end->pipe;
	unsigned int mask = 0;

	mutex_lock(&p->lock);
	if (f->can_read) {
		if (p->bytes)
			mask |= EPOLLIN | EPOLLRDNORM;
		if (!p->writers && end->w_seen != p->w_counter)
			mask |= EPOLLHUP;
	}
	if (f->can_write) {
		if (pipe_has_room(p))
			mask |= EPOLLOUT | EPOLLWRNORM;
		if (!p->readers)
			mask |= EPOLLERR;
	}
	mutex_unlock(&p->lock);
	return mask;
}

/* ---- from pipe to pipe ---- */

static bool ready_to_give(struct file *f)
{
	struct pipe *p = pipe_of(f);
	bool ready;

	mutex_lock(&p->lock);
	ready = p->bytes || !p->writers;
	mutex_unlock(&p->lock);
	return ready;
}

static bool ready_to_take(struct file *f)
{
	struct pipe *p = pipe_of(f);
	bool ready;

	mutex_lock(&p->lock);
	ready = !p->readers || pipe_has_room(p);
	mutex_unlock(&p->lock);
	return ready;
}

/* The real thing, page by page; -EAGAIN: nothing is there any more, or no room. Both locks are held. */
static ssize_t move_locked(struct pipe *from, struct pipe *to, size_t len, bool tees)
{
	ssize_t n;

	if (!to->readers)
		return -EPIPE;
	if (!from->bytes && !from->writers)
		return 0;
	if (tees)
		n = tee(from->fds[0], to->fds[1], len, SPLICE_F_NONBLOCK);
	else
		n = splice(from->fds[0], NULL, to->fds[1], NULL, len, SPLICE_F_NONBLOCK);
	if (n < 0)
		return -errno;
	to->bytes += (size_t)n;
	if (!tees)
		from->bytes -= (size_t)n;
	return n;
}

static ssize_t move_once(struct pipe *from, struct pipe *to, size_t len, bool tees)
{
	struct pipe *first = from->identity < to->identity ? from : to, *second = first == from ? to : from;
	bool was_full, room;
	ssize_t n;

	mutex_lock(&first->lock);
	mutex_lock(&second->lock);
	was_full = wait_active(&from->wr_wait) && !pipe_has_room(from);
	n = move_locked(from, to, len, tees);
	room = n > 0 && was_full && pipe_has_room(from);
	mutex_unlock(&second->lock);
	mutex_unlock(&first->lock);
	if (n > 0)
		wait_wake(&to->rd_wait, EPOLLIN | EPOLLRDNORM, 1);
	if (room)
		wait_wake(&from->wr_wait, EPOLLOUT | EPOLLWRNORM, 1);
	return n;
}

static ssize_t move_between(struct file *in, struct file *out, size_t len, bool tees)
{
	bool nonblock = in->nonblock || out->nonblock;
	ssize_t n;

	if (pipe_of(in) == pipe_of(out))
		return -EINVAL;
	do {
		n = wait_until(in, WAIT_IN, nonblock, ready_to_give);
		if (n == 0)
			n = wait_until(out, WAIT_OUT, nonblock, ready_to_take);
		if (n)
			return n;
		n = move_once(pipe_of(in), pipe_of(out), len, tees);
		/* Somebody was faster. A tee does not ask again. */
	} while (n == -EAGAIN && !nonblock && !tees);
	return n == -EAGAIN && !nonblock ? 0 : n;
}

static ssize_t move_from_file(struct file *in, struct file *out, size_t len, int64_t off)
{
	struct pipe *p = pipe_of(out);
	uint64_t start;
	ssize_t n;

	do {
		loff_t pos;

		n = wait_until(out, WAIT_OUT, out->nonblock, ready_to_take);
		if (n)
			return n;
		start = regular_start(in, off);
		pos = (loff_t)start;
		mutex_lock(&p->lock);
		n = !p->readers ? -EPIPE : splice(in->real_fd, &pos, p->fds[1], NULL, len, SPLICE_F_NONBLOCK);
		if (n < 0 && p->readers)
			n = -errno;
		if (n > 0)
			p->bytes += (size_t)n;
		mutex_unlock(&p->lock);
	} while (n == -EAGAIN && !out->nonblock);
	if (n > 0) {
		regular_finish(in, off, start + (uint64_t)n);
		wait_wake(&p->rd_wait, EPOLLIN | EPOLLRDNORM, 1);
	}
	return n;
}

ssize_t file_move_wait(struct file *in, struct file *out, size_t len, int64_t off, bool tees)
{
	bool from_pipe = in->kind == FILE_PIPE_READ, to_pipe = out->kind == FILE_PIPE_WRITE;

	if (!in->can_read || !out->can_write)
		return -EBADF;
	if (from_pipe && to_pipe)
		return off == -1 || tees ? move_between(in, out, len, tees) : -ESPIPE;
	if (in->regular && to_pipe && !tees)
		return move_from_file(in, out, len, off);
	return -EINVAL;
}

/* ---- ends come and go ---- */

static void pipe_free(struct pipe *p)
{
	keep_or_close(p);
	wait_queue_destroy(&p->rd_wait);
	wait_queue_destroy(&p->wr_wait);
	mutex_destroy(&p->lock);
	heap_free(p);
}

static void pipe_release(struct file *f)
{
	struct pipe_end *end = f->priv;
	struct pipe *p = end->pipe;
	bool wake, last;

	mutex_lock(&p->lock);
	if (f->can_read)
		p->readers--;
	if (f->can_write)
		p->writers--;
	wake = !p->readers != !p->writers;
	if (wake) {
		/* The pipe must live until its waiters are woken: this end leaves only then. */
		mutex_unlock(&p->lock);
		/* Mask 0, as in the kernel: whoever is woken has to look for itself what is ready. */
		wait_wake(&p->rd_wait, 0, 0);
		wait_wake(&p->wr_wait, 0, 0);
		mutex_lock(&p->lock);
	}
	last = --p->ends == 0;
	mutex_unlock(&p->lock);
	heap_free(end);
	if (last)
		pipe_free(p);
}

static const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.release = pipe_release,
};

/* One more end; p->lock is held, or p is still the caller's alone. NULL: no memory. */
static struct file *pipe_new_end(struct pipe *p, bool reads, bool nonblock)
{
	struct pipe_end *end = heap_new(sizeof(*end));
	struct file *f = end ? file_new(reads ? FILE_PIPE_READ : FILE_PIPE_WRITE, &pipe_ops) : NULL;

	if (!f) {
		if (end)
			heap_free(end);
		return NULL;
	}
	end->pipe = p;
	f->priv = end;
	f->can_read = reads;
	f->can_write = !reads;
	f->nonblock = nonblock;
	f->nowait = f->nowait_write = true;
	f->identity = p->identity;
	f->real_fd = p->fds[reads ? 0 : 1];
	f->wait = reads ? &p->rd_wait : &p->wr_wait;
	p->ends++;
	if (reads) {
		if (!p->writers)
			end->w_seen = p->w_counter;
		p->readers++;
	} else if (p->writers++ == 0) {
		p->w_counter++;
	}
	return f;
}

int file_make_pipe(struct file *ends[2], unsigned int capacity, bool nonblock)
{
	struct pipe *p = heap_new(sizeof(*p));
	int ret;

	if (!p)
		return -ENOMEM;
	p->capacity = capacity ? capacity : DEFAULT_CAPACITY;
	ret = open_real(p);
	if (ret < 0) {
		heap_free(p);
		return ret;
	}
	mutex_init(&p->lock);
	wait_queue_init(&p->rd_wait);
	wait_queue_init(&p->wr_wait);
	p->identity = file_new_identity();
	ends[1] = pipe_new_end(p, false, nonblock);
	ends[0] = ends[1] ? pipe_new_end(p, true, nonblock) : NULL;
	if (ends[0])
		return 0;
	if (ends[1])
		file_put(ends[1]);
	else
		pipe_free(p);
	return -ENOMEM;
}

int file_reopen_pipe(struct file **out, struct file *end, int flags)
{
	bool reads = (flags & O_ACCMODE) == O_RDONLY;
	struct pipe *p;
	int ret = 0;

	if (end->ops != &pipe_ops || (flags & O_ACCMODE) == O_RDWR)
		return -EINVAL;
	p = pipe_of(end);
	mutex_lock(&p->lock);
	if (!reads && !p->readers) {
		ret = -ENXIO;
	} else {
		*out = pipe_new_end(p, reads, flags & O_NONBLOCK);
		if (!*out)
			ret = -ENOMEM;
	}
	mutex_unlock(&p->lock);
	return ret;
}
