/* What MSG_RING and SEND_FD have arrive in other rings: one CQE, as it was sent, if and only if the sender says 0. */
#include <errno.h>

#include "core/base/uapi.h"
#include "oracle/court.h"

static bool is_message(const struct rec_event *e)
{
	return e->kind == REC_CQE && e->req == REC_NO_REQ && (e->a & ~0xffffffffull) == REC_UD_MSG;
}

/* Does r have a CQE arrive, if it succeeds? */
static bool announces(const struct sreq *q)
{
	return q->op == SOP_MSG_RING || (q->op == SOP_SEND_FD && !(q->op_flags & IORING_MSG_RING_CQE_SKIP));
}

static void arrived(struct court *c, uint32_t ev, uint32_t first[STREAM_MAX_REQS])
{
	const struct facts *f = c->f;
	const struct rec_event *e = &f->rec->ev[ev];
	uint32_t r = (uint32_t)e->a, flags;
	const struct sreq *q;
	int32_t res;

	if (r >= f->s->nr_reqs || !announces(&f->s->reqs[r]) || !f->req[r].maybe || f->req[r].begin > ev ||
	    f->s->reqs[r].to != e->ring) {
		accuse(c, R_MSG_UNSENT, ev, REC_NO_REQ, REC_NO_REQ,
		       "a CQE of user_data %#llx|none: nobody sent it here", (unsigned long long)e->a);
		return;
	}
	q = &f->s->reqs[r];
	res = q->op == SOP_MSG_RING ? (int32_t)q->count : 0;
	flags = q->op == SOP_MSG_RING && (q->op_flags & AU_MSG_RING_FLAGS_PASS) ? stream_msg_flags(r) : 0;
	if (first[r] != NO_EVENT)
		accuse(c, R_MSG_UNSENT, ev, r, REC_NO_REQ, "a second CQE from %s|one", q->name);
	else if (e->res != res || e->flags != flags)
		accuse(c, R_MSG_UNSENT, ev, r, REC_NO_REQ, "the CQE from %s says %s, flags %#x|%s, flags %#x", q->name,
		       res_name(e->res), e->flags, res_name(res), flags);
	else if (f->req[r].cqe != NO_EVENT && f->req[r].res < 0)
		accuse(c, R_MSG_UNSENT, ev, r, REC_NO_REQ, "a CQE from %s, which ended %s|none", q->name,
		       res_name(f->req[r].res));
	first[r] = ev;
}

/* Somebody has looked into the ring at the end, as one whose task it is. */
static bool looked_into(const struct facts *f, unsigned int ring)
{
	return f->complete && f->ring[ring].made && !f->ring[ring].closed_early && f->process_exit == NO_EVENT &&
	       f->task_exit[f->s->rings[ring].task] == NO_EVENT;
}

void law_messages(struct court *c)
{
	const struct facts *f = c->f;
	uint32_t first[STREAM_MAX_REQS];

	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		first[r] = NO_EVENT;
	for (uint32_t ev = 0; ev < f->rec->nr; ev++)
		if (is_message(&f->rec->ev[ev]))
			arrived(c, ev, first);
	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct sreq *q = &f->s->reqs[r];

		if (announces(q) && q->to != STREAM_NONE && f->req[r].cqe != NO_EVENT && f->req[r].res >= 0 &&
		    first[r] == NO_EVENT && looked_into(f, q->to))
			accuse(c, R_MSG_LOST, f->req[r].cqe, r, REC_NO_REQ,
			       "%s ended %s, and nothing arrived in %s|a CQE", q->name, res_name(f->req[r].res),
			       f->s->rings[q->to].name);
	}
}
