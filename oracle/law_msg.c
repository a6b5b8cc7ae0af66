/* What MSG_RING, SEND_FD and SEND_MSG_RING have arrive in rings: one CQE, as it was sent, if and only if the sender says 0. */
#include <errno.h>
#include <string.h>

#include "core/base/uapi.h"
#include "oracle/court.h"

/* Does r have a CQE arrive, if it succeeds? */
static bool announces(const struct sreq *q)
{
	return q->op == SOP_MSG_RING || (q->op == SOP_SEND_FD && !(q->op_flags & IORING_MSG_RING_CQE_SKIP));
}

/* Somebody has looked into the ring at the end, as one whose task it is. */
static bool looked_into(const struct facts *f, unsigned int ring)
{
	return f->complete && f->ring[ring].made && !f->ring[ring].closed_early && f->process_exit == NO_EVENT &&
	       f->task_exit[f->s->rings[ring].task] == NO_EVENT;
}

/* From a step: no request is concerned. */
static void told(struct court *c, uint32_t ev, uint32_t first[STREAM_MAX_STEPS])
{
	const struct facts *f = c->f;
	const struct rec_event *e = &f->rec->ev[ev];
	uint32_t i = (uint32_t)e->a - STREAM_MAX_REQS;
	const struct step *t = i < f->s->nr_steps ? &f->s->steps[i] : NULL;

	if (!t || t->kind != STEP_TELL || t->ring != e->ring || f->step_begin[i] > ev)
		accuse(c, R_MSG_UNSENT, ev, REC_NO_REQ, REC_NO_REQ,
		       "a CQE of user_data %#llx|none: nobody sent it here", (unsigned long long)e->a);
	else if (first[i] != NO_EVENT || e->res != (int32_t)t->len || e->flags ||
		 (f->step_end[i] != NO_EVENT && f->rec->ev[f->step_end[i]].res))
		accuse(c, R_MSG_UNSENT, ev, REC_NO_REQ, REC_NO_REQ,
		       "a CQE from step %u, which says %s|one, if it returns 0: %s", i + 1, res_name(e->res),
		       res_name(t->len));
	if (t)
		first[i] = ev;
}

static void tell_return(struct court *c, unsigned int step, uint32_t first)
{
	const struct facts *f = c->f;
	uint8_t ring = f->s->steps[step].ring;
	bool there = f->ring[ring].made && f->ring[ring].closed > f->step_begin[step];
	int want = there && !(f->s->rings[ring].flags & IORING_SETUP_R_DISABLED) ? 0 : -EBADFD;
	int64_t res = f->rec->ev[f->step_end[step]].res;

	if (res != want && f->process_exit == NO_EVENT)
		accuse(c, R_MSG_UNSENT, f->step_end[step], REC_NO_REQ, REC_NO_REQ, "step %u returned %s|%s", step + 1,
		       res_name(res), res_name(want));
	else if (res == 0 && first == NO_EVENT && looked_into(f, ring))
		accuse(c, R_MSG_LOST, f->step_end[step], REC_NO_REQ, REC_NO_REQ,
		       "step %u returned 0, and nothing arrived|a CQE", step + 1);
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

void law_messages(struct court *c)
{
	const struct facts *f = c->f;
	uint32_t first[STREAM_MAX_REQS], by_step[STREAM_MAX_STEPS];

	memset(first, 0xff, sizeof(first));
	memset(by_step, 0xff, sizeof(by_step));
	for (uint32_t ev = 0; ev < f->rec->nr; ev++) {
		if (!is_message(&f->rec->ev[ev]))
			continue;
		if ((uint32_t)f->rec->ev[ev].a < STREAM_MAX_REQS)
			arrived(c, ev, first);
		else
			told(c, ev, by_step);
	}
	for (unsigned int i = 0; i < f->s->nr_steps; i++)
		if (f->s->steps[i].kind == STEP_TELL && f->step_end[i] != NO_EVENT)
			tell_return(c, i, by_step[i]);
	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct sreq *q = &f->s->reqs[r];

		if (announces(q) && q->to != STREAM_NONE && f->req[r].cqe != NO_EVENT && f->req[r].res >= 0 &&
		    first[r] == NO_EVENT && looked_into(f, q->to))
			accuse(c, R_MSG_LOST, f->req[r].cqe, r, REC_NO_REQ,
			       "%s ended %s, and nothing arrived in %s|a CQE", q->name, res_name(f->req[r].res),
			       f->s->rings[q->to].name);
	}
}
