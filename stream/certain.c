#include "stream/certain.h"

#include "core/base/uapi.h"
#include "stream/optable.h"

#define LINKS (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)

/* A pipe holds a page at least, whatever the limits of the user. */
enum { SURE_PIPE = 4096 };

static bool expects_one(const struct stream *s)
{
	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		const struct expect *x = &s->reqs[i].expect;

		if (x->nr != 1 || (x->alt[0].kind == ALT_RANGE && x->alt[0].lo != x->alt[0].hi))
			return false;
	}
	return true;
}

/* All that is ever written to the pipe fits, and nobody closes it. */
static bool always_fits(const struct stream *s, unsigned int obj)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (stream_puts_into(&s->reqs[i], obj))
			sum += s->reqs[i].len;
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		const struct step *t = &s->steps[i];

		if (t->fd.kind != FD_OBJ || t->fd.obj != obj)
			continue;
		if (t->kind == STEP_CLOSE)
			return false;
		if (t->kind == STEP_WRITE)
			sum += t->len;
	}
	return sum <= SURE_PIPE;
}

/* It ends at once, in one way, when it is issued by the task that submits it. */
static bool ends_at_once(const struct stream *s, const struct sreq *q)
{
	if (q->sqe_flags & ~LINKS)
		return false;
	switch (q->op) {
	case SOP_NOP:
		return true;
	case SOP_READ:
	case SOP_POLL_ADD:
		return q->fd.kind != FD_OBJ;
	case SOP_WRITE:
		return q->fd.kind != FD_OBJ ||
		       (s->objs[q->fd.obj].kind == OBJ_PIPE && q->fd.end == END_IN && always_fits(s, q->fd.obj));
	default:
		return false;
	}
}

/* A task that ends, or a ring, may end a request first; a chain whose end is open is issued by a worker. */
static bool step_is_plain(const struct stream *s, const struct step *t)
{
	if (t->kind >= STEP_CLOSE_RING)
		return false;
	return t->kind != STEP_SUBMIT || t->nr_reqs == 0 || !(s->reqs[t->first_req + t->nr_reqs - 1].sqe_flags & LINKS);
}

bool stream_certain(const struct stream *s)
{
	if (expects_one(s))
		return true;
	for (unsigned int i = 0; i < s->nr_steps; i++)
		if (!step_is_plain(s, &s->steps[i]))
			return false;
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (!ends_at_once(s, &s->reqs[i]))
			return false;
	return true;
}
