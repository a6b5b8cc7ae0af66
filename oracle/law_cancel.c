/* Cancels: what a canceller may say, given what became of its targets, and what must have happened to a request that
 * ends -ECANCELED or -EINTR. */
#include <errno.h>
#include <linux/io_uring.h>

#include "oracle/court.h"

static bool many(const struct facts *f, const struct cancel_fact *k)
{
	if (k->req == REC_NO_REQ)
		return true;
	return f->s->reqs[k->req].op == SOP_ASYNC_CANCEL &&
	       (f->s->reqs[k->req].op_flags & (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY));
}

/* Could what became of r be the work of a cancel that said 0? A transfer in pieces keeps what it had. */
static bool ended_cancelled(const struct facts *f, unsigned int r)
{
	const struct req_fact *rf = &f->req[r];

	if (rf->cqe == NO_EVENT || rf->res == -ECANCELED)
		return true;
	return stream_op_is(f->s->reqs[r].op, OP_TRANSFERS) && rf->res > 0 && (uint32_t)rf->res < f->s->reqs[r].len &&
	       req_may_be_iowq(f, r);
}

static void cancel_one(struct court *c, const struct cancel_fact *k)
{
	const struct facts *f = c->f;
	unsigned int met = 0, cancelled = 0, lingering = 0, some = REC_NO_REQ;

	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		lingering += cancel_meets_lingering(f, k, r);
		if (!cancel_meets(f, k, r))
			continue;
		met++;
		some = r;
		cancelled += ended_cancelled(f, r);
	}
	if (k->res != 0 && k->res != -EALREADY)
		return;
	if (!met && !(k->res == -EALREADY && lingering)) {
		accuse(c, R_CANCEL_NOTFOUND, k->cqe, k->req, REC_NO_REQ,
		       "%s says %s|-ENOENT: no request it selects can be alive", f->s->reqs[k->req].name,
		       res_name(k->res));
		return;
	}
	if (k->res == 0 && met && !cancelled)
		accuse(c, R_CANCEL_ZERO, k->cqe, k->req, some, "%s says 0, yet %s ended %s|%s ends -ECANCELED",
		       f->s->reqs[k->req].name, f->s->reqs[some].name, res_name(f->req[some].res),
		       met == 1 ? f->s->reqs[some].name : "one of those it selects");
}

static void cancel_many(struct court *c, const struct cancel_fact *k)
{
	const struct facts *f = c->f;
	int32_t bound = 0;

	/* One of the epilogue's own that a drain held up may be taken by the next. */
	if (k->req == REC_NO_REQ && k->res == -ECANCELED)
		return;
	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		bound += cancel_meets(f, k, r) || cancel_meets_lingering(f, k, r);
	/* The epilogue's own cancels can meet each other. */
	if (k->req == REC_NO_REQ)
		bound++;
	if (k->res < 0 || k->res > bound)
		accuse(c, R_CANCEL_COUNT, k->cqe, k->req, REC_NO_REQ, "%s says %s|0 to %d",
		       k->req == REC_NO_REQ ? "the epilogue's cancel" : f->s->reqs[k->req].name, res_name(k->res),
		       bound);
}

/* Is k a cause for r to end -ECANCELED or -EINTR? ENOENT is not, and is counted apart. */
static bool is_cause(const struct facts *f, const struct cancel_fact *k, unsigned int r, unsigned int *enoent)
{
	if (!cancel_meets(f, k, r))
		return false;
	if (k->cqe == NO_EVENT || many(f, k) || k->res == 0)
		return true;
	if (k->res == -EALREADY)
		return f->s->reqs[k->req].op != SOP_TIMEOUT_REMOVE;
	if (f->s->reqs[k->req].op == SOP_LINK_TIMEOUT && (k->res == -ETIME || k->res > 0))
		return true;
	if (k->res == -ENOENT)
		*enoent = k->req;
	return false;
}

/* A failed predecessor takes r along, and so does one that is cancelled while it is queued on io-wq, by whatever link:
 * what comes behind it in the queue is run as cancelled too (io_run_cancel()). */
static bool predecessor_failed(const struct facts *f, unsigned int r)
{
	for (unsigned int p = f->req[r].chain_first; p < r; p++) {
		if (f->s->reqs[p].op == SOP_LINK_TIMEOUT)
			continue;
		if (f->req[p].cqe == NO_EVENT)
			return true; /* not seen: it may have */
		if (req_fails(f, p, f->req[p].res) && !(f->s->reqs[p].sqe_flags & IOSQE_IO_HARDLINK))
			return true;
		if (f->req[p].res == -ECANCELED && req_may_be_iowq(f, p))
			return true;
	}
	return false;
}

static void cancel_cause(struct court *c, unsigned int r)
{
	const struct facts *f = c->f;
	const struct req_fact *rf = &f->req[r];
	unsigned int enoent = REC_NO_REQ;

	if (rf->chain_failed || rf->chain_unknown || predecessor_failed(f, r))
		return;
	if (!req_posted_before_epilogue(f, r) || f->task_exit[rf->task] < rf->cqe || f->process_exit < rf->cqe)
		return;
	for (unsigned int i = 0; i < f->nr_cancels; i++)
		if (is_cause(f, &f->cancel[i], r, &enoent))
			return;
	if (enoent != REC_NO_REQ)
		accuse(c, R_CANCEL_ENOENT, rf->cqe, r, enoent,
		       "%s ended %s, and %s, which alone can have done it, says -ENOENT|-EALREADY or 0 from %s, or another end of %s",
		       f->s->reqs[r].name, res_name(rf->res), f->s->reqs[enoent].name, f->s->reqs[enoent].name,
		       f->s->reqs[r].name);
	else
		accuse(c, R_CANCEL_CAUSE, rf->cqe, r, REC_NO_REQ,
		       "%s ended %s|a result of its own: nothing cancelled it", f->s->reqs[r].name, res_name(rf->res));
}

/* Does k say that it ended, or is about to end, the one request it selects? */
static bool claims(const struct facts *f, const struct cancel_fact *k)
{
	if (k->req == REC_NO_REQ || many(f, k) || f->req[k->req].prep || f->req[k->req].chain_failed)
		return false;
	if (f->s->reqs[k->req].op == SOP_LINK_TIMEOUT)
		return k->res == -ETIME || k->res == -EALREADY;
	return k->res == 0 || k->res == -EALREADY;
}

static unsigned int number_met(const struct facts *f, const struct cancel_fact *k)
{
	unsigned int n = 0;

	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		n += cancel_meets(f, k, r);
	return n;
}

void law_lost(struct court *c, uint32_t ev)
{
	const struct facts *f = c->f;
	uint8_t ring = f->rec->ev[ev].ring;

	if (!f->exact || f->ring[ring].drains || f->ring[ring].skips)
		return;
	for (unsigned int i = 0; i < f->nr_cancels; i++) {
		const struct cancel_fact *k = &f->cancel[i];

		if (k->ring != ring || k->cqe > ev || !claims(f, k) || number_met(f, k) != 1)
			continue;
		for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
			const struct req_fact *rf = &f->req[r];

			if (!rf->consumed || !cancel_meets(f, k, r) || req_ended_before(f, r, ev) ||
			    f->task_exit[rf->task] != NO_EVENT)
				continue;
			accuse(c, R_CANCEL_LOST, ev, r, k->req,
			       "%s was still there when nothing could run, though %s said %s|ended", f->s->reqs[r].name,
			       f->s->reqs[k->req].name, res_name(k->res));
		}
	}
}

void law_cancels(struct court *c)
{
	const struct facts *f = c->f;

	for (unsigned int i = 0; i < f->nr_cancels; i++) {
		const struct cancel_fact *k = &f->cancel[i];

		if (k->cqe == NO_EVENT || (k->req != REC_NO_REQ && f->req[k->req].prep))
			continue;
		if (k->req != REC_NO_REQ && f->s->reqs[k->req].op == SOP_LINK_TIMEOUT)
			continue; /* law_timeout.c */
		if (k->req != REC_NO_REQ && k->res < 0 && k->res != -EALREADY)
			continue; /* not executed, or found nothing: law_result.c, law_chain.c */
		if (many(f, k))
			cancel_many(c, k);
		else
			cancel_one(c, k);
	}
	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		if (f->req[r].cqe == NO_EVENT || f->s->reqs[r].op == SOP_LINK_TIMEOUT)
			continue;
		if (f->req[r].res == -ECANCELED || f->req[r].res == -EINTR || f->req[r].res == -512)
			cancel_cause(c, r);
	}
}
