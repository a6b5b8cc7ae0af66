/* What is left of the objects when the rings are gone, seen from outside. Requests may hold on to a file for a moment
 * after their ring was closed (it is torn down behind our back), so everything here waits, with a bound. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "runner/run.h"

enum { SPINS = 64, MAX_NAP_NS = 1000000 };

struct content {
	unsigned int nr;
	bool cut; /* more runs than fit */
	uint64_t bytes;
	struct {
		uint64_t len;
		uint8_t byte;
	} run[RUN_MAX_RUNS];
};

static void content_add(struct content *c, const char *buf, size_t n)
{
	c->bytes += n;
	while (n > 0) {
		size_t len = note_run_length(buf, n);

		if (c->nr > 0 && c->run[c->nr - 1].byte == (uint8_t)buf[0]) {
			c->run[c->nr - 1].len += len;
		} else if (c->nr < RUN_MAX_RUNS) {
			c->run[c->nr].len = len;
			c->run[c->nr++].byte = (uint8_t)buf[0];
		} else {
			c->cut = true;
			return;
		}
		buf += len;
		n -= len;
	}
}

static void note_final(struct run *x, unsigned int obj, uint64_t a, uint32_t flags, const struct content *c)
{
	bool shown = c && !c->cut && !(flags & FINAL_UNSEEN);
	struct rec_event *e = note(x, REC_FINAL);

	e->obj = (uint8_t)obj;
	e->a = a;
	e->flags = flags | (c && c->cut ? FINAL_UNSEEN : 0);
	note_commit(x, e);
	for (unsigned int i = 0; shown && i < c->nr; i++) {
		e = note(x, REC_RUN);
		e->obj = (uint8_t)obj;
		e->a = c->run[i].len;
		e->flags = c->run[i].byte;
		note_commit(x, e);
	}
}

/* Lets a moment pass: a few spins first, then naps that grow. False when the bound is reached. */
struct patience {
	uint64_t deadline;
	unsigned int turns;
	uint64_t nap;
};

static struct patience patience_begin(struct run *x)
{
	return (struct patience){ .deadline = x->be->now() + x->be->probe_bound_ns, .nap = 10000 };
}

static bool patience(struct run *x, struct patience *p)
{
	if (p->turns++ < SPINS) {
		x->be->relax();
		return true;
	}
	if (x->be->now() >= p->deadline)
		return false;
	x->be->nap(p->nap);
	if (p->nap < MAX_NAP_NS)
		p->nap *= 2;
	return true;
}

/* Takes the end's descriptor out of the run; -1: the stream has closed it. */
static int take(struct run *x, unsigned int obj, enum obj_end end)
{
	int fd = x->open[obj][end] ? x->fd[obj][end] : -1;

	x->open[obj][end] = false;
	return fd;
}

/* Reads all that is left, up to the end that comes when nobody can write any more. */
static uint32_t read_residue(struct run *x, int out, struct content *c)
{
	struct patience p = patience_begin(x);

	for (;;) {
		ssize_t n = x->be->read(out, x->scratch, STREAM_MAX_LEN, -1);

		if (n == 0)
			return 0;
		if (n > 0)
			content_add(c, x->scratch, (size_t)n);
		else if (n != -EAGAIN && n != -EINTR)
			return FINAL_UNSEEN;
		else if (!patience(x, &p))
			return FINAL_WRITERS;
	}
}

/* Whether anybody can still read from the pipe that `in` writes to. */
static uint32_t readers_left(struct run *x, int in)
{
	struct patience p = patience_begin(x);

	do {
		int ready = x->be->poll(in, POLLOUT);

		if (ready < 0)
			return 0;
		if (ready & POLLERR)
			return 0;
	} while (patience(x, &p));
	return FINAL_READERS;
}

static void probe_pipe(struct run *x, unsigned int obj)
{
	int in = take(x, obj, END_IN), out = take(x, obj, END_OUT);
	struct content c = { 0 };
	uint32_t flags;

	if (out < 0 && in >= 0)
		out = x->be->reopen(in, O_RDONLY);
	if (in >= 0)
		x->be->close(in);
	if (out < 0) {
		note_final(x, obj, 0, FINAL_UNSEEN, NULL);
		return;
	}
	flags = read_residue(x, out, &c);
	in = x->be->reopen(out, O_WRONLY);
	x->be->close(out);
	if (in >= 0) {
		flags |= readers_left(x, in);
		x->be->close(in);
	}
	note_final(x, obj, c.bytes, flags, &c);
}

static void probe_eventfd(struct run *x, unsigned int obj)
{
	int fd = take(x, obj, END_OUT);
	uint64_t count = 0, got;
	unsigned int reads = 0;
	ssize_t n = -EBADF;

	while (fd >= 0 && reads++ < RECORD_MAX_EVENTS && (n = x->be->read(fd, &got, sizeof(got), -1)) > 0)
		count += got;
	note_final(x, obj, count, n == -EAGAIN ? 0 : FINAL_UNSEEN, NULL);
	if (fd >= 0)
		x->be->close(fd);
}

static void probe_file(struct run *x, unsigned int obj)
{
	int fd = take(x, obj, END_OUT);
	struct content c = { 0 };
	uint64_t size = 0;
	ssize_t n = 0;

	if (fd < 0 || x->be->file_size(fd, &size) < 0) {
		note_final(x, obj, 0, FINAL_UNSEEN, NULL);
	} else {
		while (!c.cut && (n = x->be->read(fd, x->scratch, STREAM_MAX_LEN, (int64_t)c.bytes)) > 0)
			content_add(&c, x->scratch, (size_t)n);
		note_final(x, obj, size, n < 0 ? FINAL_UNSEEN : 0, &c);
	}
	if (fd >= 0)
		x->be->close(fd);
}

/* What OPENATs have brought is closed where they ran. */
static void probe_fifo(struct run *x, unsigned int obj)
{
	int out = take(x, obj, END_OUT), in = take(x, obj, END_IN);

	for (unsigned int i = 0; i < x->s->nr_reqs && !x->exits_process; i++) {
		if (!x->opened[i] || x->s->reqs[i].fd.kind != FD_OBJ || x->s->reqs[i].fd.obj != obj)
			continue;
		x->be->close(x->opened[i]);
		x->opened[i] = 0;
	}
	if (out >= 0)
		x->be->close(out);
	if (in >= 0)
		x->be->close(in);
	x->be->fifo_drop(x->path[obj]);
	note_final(x, obj, 0, 0, NULL);
}

void probe_objects(struct run *x)
{
	static void (*const probes[OBJ_KINDS])(struct run * x, unsigned int obj) = {
		[OBJ_PIPE] = probe_pipe,
		[OBJ_EVENTFD] = probe_eventfd,
		[OBJ_FILE] = probe_file,
		[OBJ_FIFO] = probe_fifo,
	};

	note_phase(x, PHASE_PROBE, STREAM_NONE);
	for (unsigned int i = 0; i < x->s->nr_objs; i++)
		probes[x->s->objs[i].kind](x, i);
}
