/* Pipes and eventfds as a state knows them: bytes, a count, or vague. */
#include <poll.h>

#include "oracle/state_spec.h"

bool thing_closed(const struct spec *sp, unsigned int t, enum obj_end end)
{
	return sp->interval >= sp->p->closed[t][end];
}

bool thing_peer_closed(const struct spec *sp, unsigned int m)
{
	unsigned int t = sp->p->member[m].obj;

	return sp->p->thing[t].kind == OBJ_PIPE &&
	       thing_closed(sp, t, sreq_of(sp, m)->fd.end == END_OUT ? END_IN : END_OUT);
}

bool thing_known(const struct spec *sp, const struct state *s, unsigned int m)
{
	unsigned int t = sp->p->member[m].obj;

	return t != NOBODY && s->thing[t] != VAGUE;
}

static bool one_page(const struct spec *sp, unsigned int t)
{
	uint64_t capacity = sp->p->f->s->objs[sp->p->thing[t].obj].init;

	return capacity && capacity <= 4096;
}

/* Can what the member waits for on its thing be there? Known things only. */
bool thing_ready(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct sreq *q = sreq_of(sp, m);
	unsigned int t = sp->p->member[m].obj;
	uint64_t n = s->thing[t];
	bool pipe = sp->p->thing[t].kind == OBJ_PIPE;

	if (thing_peer_closed(sp, m))
		return true;
	if (stream_op_is(q->op, OP_READS))
		return n > 0;
	if (stream_op_is(q->op, OP_WRITES))
		return pipe || n < UINT64_MAX - 1; /* writable, though it need not have room for so much */
	/* A pipe of one page says POLLOUT only when nothing is in it. */
	if (pipe && q->fd.end == END_IN)
		return (q->op_flags & POLLOUT) && (!n || !one_page(sp, t));
	return ((q->op_flags & POLLIN) && n > 0) || (!pipe && (q->op_flags & POLLOUT) && n < UINT64_MAX - 1);
}

bool thing_takes(const struct thing *t, uint64_t n, uint64_t value)
{
	return t->kind == OBJ_PIPE || (value != UINT64_MAX && n <= UINT64_MAX - 1 - value);
}

/* A write wakes every poll that is armed on the thing, whether anything is left when the poll gets to look. */
void thing_wake_polls(const struct plan *p, struct state *s, unsigned int t)
{
	for (unsigned int m = 0; m < p->nr; m++)
		if (p->member[m].obj == t && p->member[m].op == SOP_POLL_ADD && (s->mask[m] & ST_ARMED))
			s->mask[m] |= ST_READY;
}

/* What a poll of a known thing can say at this instant. */
static uint32_t poll_mask(const struct spec *sp, const struct state *s, unsigned int m)
{
	unsigned int t = sp->p->member[m].obj;
	uint64_t n = s->thing[t];

	if (sp->p->thing[t].kind == OBJ_PIPE)
		return sreq_of(sp, m)->fd.end == END_IN ? POLLOUT : n ? POLLIN : 0;
	return (n ? POLLIN : 0) | (n < UINT64_MAX - 1 ? POLLOUT : 0);
}

/* The member's transfer on a known thing, as it ended or will end. False: it cannot end so now. */
bool thing_move(const struct spec *sp, struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	const struct thing *t = &sp->p->thing[k->obj];
	uint64_t *n = &s->thing[k->obj], part;

	if (stream_op_is(k->op, OP_READS)) {
		if (!*n)
			return false;
		part = t->kind == OBJ_PIPE ? (*n < k->len ? *n : k->len) : t->semaphore ? 1 : *n;
		if (k->end == END_OWN && part != (t->kind == OBJ_PIPE ? (uint64_t)k->res : k->value))
			return false;
		*n -= part;
		return true;
	}
	if (stream_op_is(k->op, OP_WRITES)) {
		part = t->kind == OBJ_PIPE ? k->len : k->value;
		if (t->kind == OBJ_PIPE && k->end == END_OWN && (uint64_t)k->res != part)
			return false;
		if (!thing_takes(t, *n, part))
			return false;
		*n += part;
		thing_wake_polls(sp->p, s, k->obj);
		return true;
	}
	/* A poll: once woken, it goes by what woke it. */
	if (s->mask[m] & ST_READY)
		return true;
	return thing_ready(sp, s, m) &&
	       (thing_peer_closed(sp, m) || k->end != END_OWN || !((uint32_t)k->res & ~poll_mask(sp, s, m)));
}

/* Is nobody else about to move bytes of the member's thing? Then what it finds there is certain. */
bool thing_quiet(const struct spec *sp, const struct state *s, unsigned int m)
{
	for (unsigned int k = 0; k < sp->p->nr; k++)
		if (k != m && sp->p->member[k].obj == sp->p->member[m].obj &&
		    (s->mask[k] & (ST_READY | ST_QUEUED | ST_WORKER | ST_LOOSE)))
			return false;
	return true;
}
