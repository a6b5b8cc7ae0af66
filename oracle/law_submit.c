/* Submission: how many SQEs one enter consumes, what is complete when it returns, and drain. */
#include <errno.h>
#include <linux/io_uring.h>

#include "oracle/court.h"

#define LINKS (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)

/* How many SQEs the submit of a step consumes; -1 where the law does not say. */
static int expected_return(const struct facts *f, unsigned int step)
{
	const struct step *st = &f->s->steps[step];
	const struct ring *ring = &f->s->rings[st->ring];
	unsigned int filled = st->nr_reqs;

	if (!f->ring[st->ring].made || f->ring[st->ring].closed < f->step_begin[step])
		return -1;
	if (ring->flags & IORING_SETUP_R_DISABLED)
		return -EBADFD;
	if ((ring->flags & IORING_SETUP_SINGLE_ISSUER) && ring->task != st->task)
		return st->nr_reqs ? -EEXIST : -1;
	if (filled > f->ring[st->ring].sq_entries)
		filled = f->ring[st->ring].sq_entries;
	for (unsigned int i = 0; i < filled; i++) {
		const struct sreq *q = &f->s->reqs[st->first_req + i];
		const struct req_fact *rf = &f->req[st->first_req + i];

		if (!rf->maybe && rf->end != NO_EVENT)
			return (int)filled; /* it stopped here, and nothing before gave it a reason */
		if (rf->prep == PREP_UNKNOWN)
			return -1;
		if (rf->prep < 0 && !(q->sqe_flags & LINKS) && !(ring->flags & IORING_SETUP_SUBMIT_ALL))
			return (int)i + 1;
	}
	return (int)filled;
}

static void enter_return(struct court *c, unsigned int step)
{
	const struct facts *f = c->f;
	const struct rec_event *e = &f->rec->ev[f->step_end[step]];
	int want = expected_return(f, step);

	if (want == -1 || e->res == want)
		return;
	if (e->res == -EINTR && f->process_exit != NO_EVENT)
		return;
	accuse(c, R_ENTER_RETURN, f->step_end[step], REC_NO_REQ, REC_NO_REQ, "submit step %u returned %s|%s", step + 1,
	       res_name(e->res), res_name(want));
}

/* A NOP that nothing delays: alone, not forced to io-wq, no drain on its ring. */
static bool plain_nop(const struct facts *f, unsigned int r)
{
	const struct req_fact *rf = &f->req[r];

	return f->s->reqs[r].op == SOP_NOP && !f->s->reqs[r].sqe_flags && rf->chain_first == r && rf->chain_last == r &&
	       rf->consumed && !f->ring[rf->ring].drains;
}

/* CQEs of the ring reaped before event ev. */
static uint32_t reaped_before(const struct facts *f, unsigned int ring, uint32_t ev)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ev; i++)
		n += f->rec->ev[i].kind == REC_CQE && f->rec->ev[i].ring == ring;
	return n;
}

/* Did the step surely get to the waiting part of an enter, which flushes? A WAIT that has what it wants does not enter,
 * and a submit that falls short of what it was given returns at once. */
static bool flushes(const struct facts *f, unsigned int step)
{
	const struct step *st = &f->s->steps[step];

	if (f->step_end[step] == NO_EVENT)
		return false;
	return st->kind == STEP_REAP ||
	       (st->kind == STEP_SUBMIT && st->wait && f->rec->ev[f->step_end[step]].res == st->nr_reqs);
}

/* Could a CQE posted during this step have gone to the overflow list? The list is surely empty after an enter with
 * GETEVENTS that left room in the CQ; from there on, count all that may have been posted. */
static bool may_overflow(const struct facts *f, unsigned int step)
{
	uint8_t ring = f->s->steps[step].ring;
	uint32_t base = 0, consumed = 0;

	for (unsigned int i = 0; i < step; i++) {
		const struct step *st = &f->s->steps[i];
		uint32_t reaped;

		if (st->ring != ring || !flushes(f, i))
			continue;
		reaped = reaped_before(f, ring, f->step_end[i]);
		if (f->rec->ev[f->step_end[i]].tail_after - reaped < f->ring[ring].cq_entries)
			base = reaped;
	}
	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		consumed += f->req[r].maybe && f->req[r].ring == ring && f->req[r].step <= step;
		consumed += f->req[r].maybe && stream_sends(&f->s->reqs[r]) && f->s->reqs[r].to == ring;
	}
	for (unsigned int i = 0; i < f->s->nr_steps; i++)
		consumed += f->s->steps[i].kind == STEP_TELL && f->s->steps[i].ring == ring;
	return consumed - base > f->ring[ring].cq_entries;
}

/* The NOPs of a step are in the CQ when its enter returns, in the order of submission. */
static void inline_nops(struct court *c, unsigned int step)
{
	const struct facts *f = c->f;
	const struct step *st = &f->s->steps[step];
	const struct rec_event *e = &f->rec->ev[f->step_end[step]];
	unsigned int last = REC_NO_REQ;

	for (unsigned int r = st->first_req; r < (unsigned int)st->first_req + st->nr_reqs; r++) {
		uint32_t head;

		if (!plain_nop(f, r) || f->req[r].cqe == NO_EVENT)
			continue;
		head = f->rec->ev[f->req[r].cqe].head;
		if ((int32_t)(head - e->tail_after) >= 0 && !may_overflow(f, step))
			accuse(c, R_INLINE_VISIBLE, f->req[r].cqe, r, REC_NO_REQ,
			       "%s was not in the CQ when its submit returned (CQE %u, tail %u)|a CQE below the tail",
			       f->s->reqs[r].name, head, e->tail_after);
		if (last != REC_NO_REQ && (int32_t)(head - f->rec->ev[f->req[last].cqe].head) < 0)
			accuse(c, R_INLINE_ORDER, f->req[r].cqe, r, last,
			       "%s completed before %s|submission order: both complete inline", f->s->reqs[r].name,
			       f->s->reqs[last].name);
		last = r;
	}
}

/* d is drained: everything submitted before it has ended first, everything after it ends later. Chains that fail
 * preparation are not held. A chain is drained as a whole when any member is. */
static void drain_order(struct court *c, unsigned int d)
{
	const struct facts *f = c->f;
	const struct req_fact *df = &f->req[d];

	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct req_fact *rf = &f->req[r];
		bool before = r < df->chain_first;

		if (!rf->consumed || rf->ring != df->ring || rf->chain_failed || rf->chain_unknown ||
		    req_may_be_silent(f, r))
			continue;
		if (f->s->reqs[r].op == SOP_LINK_TIMEOUT || (r >= df->chain_first && r <= df->chain_last))
			continue;
		if (before && df->cqe != NO_EVENT && (rf->cqe == NO_EVENT || rf->cqe > df->cqe))
			accuse(c, R_DRAIN_ORDER, df->cqe, d, r,
			       "drained %s ended before %s, which was submitted before it|after it", f->s->reqs[d].name,
			       f->s->reqs[r].name);
		if (!before && rf->cqe != NO_EVENT && (df->cqe == NO_EVENT || df->cqe > rf->cqe))
			accuse(c, R_DRAIN_ORDER, rf->cqe, r, d,
			       "%s ended before %s, which was drained before it|after it", f->s->reqs[r].name,
			       f->s->reqs[d].name);
	}
}

static void drains(struct court *c)
{
	const struct facts *f = c->f;

	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct req_fact *rf = &f->req[r];

		if (!rf->consumed || !(f->s->reqs[r].sqe_flags & IOSQE_IO_DRAIN) || req_may_be_silent(f, r))
			continue;
		if (rf->chain_failed || rf->chain_unknown || f->ring[rf->ring].closed_early)
			continue;
		if (f->task_exit[rf->task] == NO_EVENT && f->process_exit == NO_EVENT)
			drain_order(c, r);
	}
}

void law_submit(struct court *c)
{
	const struct facts *f = c->f;

	for (unsigned int i = 0; i < f->s->nr_steps; i++) {
		if (f->s->steps[i].kind != STEP_SUBMIT || f->step_end[i] == NO_EVENT)
			continue;
		enter_return(c, i);
		inline_nops(c, i);
	}
	drains(c);
}
