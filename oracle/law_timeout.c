/* Timeouts: never early, a count only when it was reached; linked timeouts and their targets. */
#include <errno.h>
#include <inttypes.h>
#include <linux/io_uring.h>

#include "oracle/court.h"

static uint64_t elapsed(const struct facts *f, unsigned int r)
{
	return f->rec->ev[f->req[r].cqe].stamp - f->rec->ev[f->req[r].begin].stamp;
}

/* A result that says the timer fired needs the time to have passed since the request was submitted at the earliest. */
static void not_early(struct court *c, unsigned int r)
{
	const struct facts *f = c->f;
	const struct sreq *q = &f->s->reqs[r];

	if (!(f->rec->flags & RECF_STAMPS) || (q->op_flags & IORING_TIMEOUT_ABS))
		return;
	if (elapsed(f, r) < q->ts)
		accuse(c, R_TIMEOUT_EARLY, f->req[r].cqe, r, REC_NO_REQ,
		       "%s says %s %" PRIu64 " ns after its submit began|not before %" PRIu64 " ns", q->name,
		       res_name(f->req[r].res), elapsed(f, r), q->ts);
}

/* Was r armed by its submit, before anything that was submitted after it? */
static bool armed_at_once(const struct facts *f, unsigned int r)
{
	return f->req[r].chain_first == r && !req_may_be_iowq(f, r);
}

/* A timeout armed after r that fired, or was itself ended by its count: it is no completion to r. */
static bool not_counted(const struct facts *f, unsigned int t, unsigned int r)
{
	return armed_at_once(f, r) && f->s->reqs[t].op == SOP_TIMEOUT && t > r && !f->req[t].chain_failed &&
	       (f->req[t].res == -ETIME || f->req[t].res == 0);
}

/* CQEs of the ring posted after the submit of r began and before its own, as r counts them. One that had fired and not
 * posted when r was issued does count. */
static uint32_t posted_since(const struct facts *f, unsigned int r)
{
	uint32_t head = f->rec->ev[f->req[r].cqe].head, n = head - f->rec->ev[f->req[r].end].tail_before;

	for (unsigned int t = r + 1; t < f->s->nr_reqs; t++)
		if (f->req[t].ring == f->req[r].ring && f->req[t].cqe != NO_EVENT && not_counted(f, t, r) &&
		    (int32_t)(f->rec->ev[f->req[t].cqe].head - head) < 0)
			n--;
	return n;
}

static void counted(struct court *c, unsigned int r)
{
	const struct facts *f = c->f;
	const struct sreq *q = &f->s->reqs[r];
	uint32_t n;

	if (!q->count) {
		accuse(c, R_TIMEOUT_COUNT, f->req[r].cqe, r, REC_NO_REQ,
		       "%s, which counts nothing, ended 0|-ETIME or -ECANCELED", q->name);
		return;
	}
	if (f->req[r].end == NO_EVENT || f->ring[f->req[r].ring].skips)
		return;
	n = posted_since(f, r);
	if (n < q->count)
		accuse(c, R_TIMEOUT_COUNT, f->req[r].cqe, r, REC_NO_REQ, "%s ended 0 after %u completions|after %u",
		       q->name, n, q->count);
}

/* A linked timeout that says -ECANCELED was taken off by the end of its target. */
static void linked(struct court *c, unsigned int r)
{
	const struct facts *f = c->f;
	const struct req_fact *rf = &f->req[r], *tf;
	unsigned int t = r - 1;

	if (f->req[r].prep || rf->chain_failed || rf->chain_unknown || r == rf->chain_first)
		return;
	tf = &f->req[t];
	if (rf->res != -ECANCELED) {
		not_early(c, r);
		return;
	}
	if (f->task_exit[rf->task] < rf->cqe || f->process_exit < rf->cqe)
		return;
	if (f->s->reqs[t].sqe_flags & IOSQE_CQE_SKIP_SUCCESS ||
	    f->s->reqs[rf->chain_first].sqe_flags & IOSQE_CQE_SKIP_SUCCESS)
		return;
	if (tf->cqe == NO_EVENT || tf->cqe > rf->cqe)
		accuse(c, R_LT_ORDER, rf->cqe, r, t,
		       "%s ended -ECANCELED before its target %s had ended|after the CQE of %s", f->s->reqs[r].name,
		       f->s->reqs[t].name, f->s->reqs[t].name);
}

void law_timeouts(struct court *c)
{
	const struct facts *f = c->f;

	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		if (!f->req[r].maybe || f->req[r].cqe == NO_EVENT || f->req[r].prep)
			continue;
		if (f->s->reqs[r].op == SOP_LINK_TIMEOUT)
			linked(c, r);
		if (f->s->reqs[r].op == SOP_TIMEOUT && f->req[r].res == -ETIME)
			not_early(c, r);
		if (f->s->reqs[r].op == SOP_TIMEOUT && f->req[r].res == 0 && !f->req[r].chain_failed)
			counted(c, r);
	}
}
