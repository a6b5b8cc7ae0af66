/* Links: the order of a chain, and what the failure of a member does to those behind it. */
#include <errno.h>
#include <linux/io_uring.h>

#include "oracle/court.h"

static bool silent_possible(const struct facts *f, unsigned int first, unsigned int r)
{
	for (unsigned int k = first; k <= r; k++)
		if (f->s->reqs[k].sqe_flags & IOSQE_CQE_SKIP_SUCCESS)
			return true;
	return false;
}

/* The members post in the order of the chain, linked timeouts aside. */
static void chain_order(struct court *c, unsigned int first, unsigned int last)
{
	const struct facts *f = c->f;
	unsigned int before = REC_NO_REQ;

	for (unsigned int r = first; r <= last; r++) {
		const struct req_fact *rf = &f->req[r];

		if (f->s->reqs[r].op == SOP_LINK_TIMEOUT)
			continue;
		if (rf->cqe == NO_EVENT) {
			if (!silent_possible(f, first, r) && before == REC_NO_REQ)
				before = r;
			continue;
		}
		for (unsigned int k = first; k < r; k++) {
			const struct req_fact *kf = &f->req[k];

			if (f->s->reqs[k].op == SOP_LINK_TIMEOUT || silent_possible(f, first, k))
				continue;
			if (kf->cqe == NO_EVENT || kf->cqe > rf->cqe) {
				accuse(c, R_CHAIN_ORDER, rf->cqe, r, k,
				       "%s completed before %s, which stands before it|nothing of %s yet",
				       f->s->reqs[r].name, f->s->reqs[k].name, f->s->reqs[r].name);
				return;
			}
		}
	}
}

/* Behind a member that failed and is no hardlink, all end -ECANCELED. */
static void chain_sever(struct court *c, unsigned int first, unsigned int last)
{
	const struct facts *f = c->f;
	unsigned int cut = REC_NO_REQ;

	for (unsigned int r = first; r <= last; r++) {
		const struct req_fact *rf = &f->req[r];
		bool is_lt = f->s->reqs[r].op == SOP_LINK_TIMEOUT;

		if (cut != REC_NO_REQ && !(is_lt && r == cut + 1)) {
			if (rf->cqe != NO_EVENT && rf->res != -ECANCELED)
				accuse(c, R_CHAIN_SEVER, rf->cqe, r, cut,
				       "%s ended %s behind %s, which failed with %s|-ECANCELED", f->s->reqs[r].name,
				       res_name(rf->res), f->s->reqs[cut].name, res_name(f->req[cut].res));
			continue;
		}
		if (is_lt || cut != REC_NO_REQ || rf->cqe == NO_EVENT)
			continue;
		if (req_fails(f, r, rf->res) && !(f->s->reqs[r].sqe_flags & IOSQE_IO_HARDLINK))
			cut = r;
	}
}

/* A chain of which a member fails preparation is not executed: own errors, the rest -ECANCELED. */
static void chain_prep(struct court *c, unsigned int first, unsigned int last)
{
	const struct facts *f = c->f;

	for (unsigned int r = first; r <= last; r++) {
		int want = f->req[r].prep < 0 ? f->req[r].prep : -ECANCELED;

		if (f->req[r].cqe != NO_EVENT && f->req[r].res != want)
			accuse(c, R_PREP_RESULT, f->req[r].cqe, r, REC_NO_REQ,
			       "%s ended %s in a chain that failed preparation|%s", f->s->reqs[r].name,
			       res_name(f->req[r].res), res_name(want));
	}
}

void law_chains(struct court *c)
{
	const struct facts *f = c->f;

	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct req_fact *rf = &f->req[r];

		if (!rf->maybe || rf->chain_first != r || rf->end == NO_EVENT)
			continue;
		if (rf->chain_failed && !rf->chain_unknown)
			chain_prep(c, r, rf->chain_last);
		if (rf->chain_last == r)
			continue;
		chain_order(c, r, rf->chain_last);
		if (!rf->chain_failed && !rf->chain_unknown)
			chain_sever(c, r, rf->chain_last);
	}
}
