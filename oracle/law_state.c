/* Coupled requests: is there any way through the states of state.h that shows what was seen? Asked last, where no other
 * law objects, of each group of requests alone. */
#include <errno.h>
#include <string.h>

#include "oracle/state.h"

/* What would have been allowed there, as a list. */
struct others {
	char text[160];
	unsigned int nr;
};

static void add_other(void *ctx, int32_t res, struct plan *p)
{
	struct others *o = ctx;
	size_t len = strlen(o->text);

	snprintf(o->text + len, sizeof(o->text) - len, "%s%s", o->nr++ ? ", " : "", res_name(res));
}

/* A request that has to do with what became of r: whom it cancels, who cancels it, what stands before it. */
static unsigned int concerned(const struct facts *f, unsigned int r, uint32_t ev)
{
	unsigned int other = REC_NO_REQ;

	for (unsigned int i = 0; i < f->nr_cancels; i++) {
		const struct cancel_fact *k = &f->cancel[i];

		if (k->req == REC_NO_REQ)
			continue;
		if (k->req == r)
			for (unsigned int t = 0; t < f->s->nr_reqs; t++)
				if (cancel_meets(f, k, t))
					other = t;
		if (k->req != r && other == REC_NO_REQ && cancel_meets(f, k, r) && f->req[k->req].begin < ev)
			other = k->req;
	}
	if (other == REC_NO_REQ && f->req[r].chain_first < r)
		other = r - 1;
	return other;
}

static bool says_of_others(const struct facts *f, unsigned int r)
{
	uint8_t op = f->s->reqs[r].op;

	return (op == SOP_ASYNC_CANCEL || op == SOP_TIMEOUT_REMOVE || op == SOP_LINK_TIMEOUT) &&
	       f->req[r].res != -ECANCELED;
}

static void blame_cqe(struct court *c, unsigned int group, uint32_t ev)
{
	const struct facts *f = c->f;
	unsigned int r = f->rec->ev[ev].req, other = concerned(f, r, ev);
	enum rule_id rule = R_STATE_ORDER;
	struct others o = { .nr = 0 };

	ask_others(f, group, ev, r, add_other, &o);
	if (ask_late(f, group, ev, r))
		rule = R_STATE_VISIBLE;
	else if (says_of_others(f, r))
		rule = R_STATE_CANCEL;
	else if (o.nr)
		rule = R_STATE_RESULT;
	if (rule == R_STATE_VISIBLE)
		snprintf(o.text, sizeof(o.text), "the same, before the call that submitted it returned");
	else if (!o.nr)
		snprintf(o.text, sizeof(o.text), "nothing of %s yet", f->s->reqs[r].name);
	accuse(c, rule, ev, r, other, "%s ended %s, which no way through the states explains|%s", f->s->reqs[r].name,
	       res_name(f->req[r].res), o.text);
}

static void blame(struct court *c, unsigned int group)
{
	static const struct {
		enum rule_id rule;
		const char *text;
	} acts[] = {
		[ACT_CHAIN] = { R_STATE_ORDER, "no state is left when this submit begins|another course before it" },
		[ACT_RETURN] = { R_STATE_VISIBLE,
				 "no state is left when this submit returns|what it completes is posted" },
		[ACT_WRITE] = { R_STATE_DIRECT, "this write finds the object as it cannot be|another result" },
		[ACT_READ] = { R_STATE_DIRECT, "this read finds the object as it cannot be|another result" },
		[ACT_CLOSE] = { R_STATE_ORDER,
				"no state is left when this descriptor is closed|another course before it" },
		[ACT_EXIT] = { R_STATE_ORDER, "no state is left when the task exits|another course before it" },
		[ACT_CLOSE_RING] = { R_STATE_ORDER,
				     "no state is left when the ring is closed|another course before it" },
		[ACT_REST] = { R_STATE_STRANDED,
			       "nothing can run any more, and a request is where it cannot stay|it went on" },
		[ACT_STAGE] = { R_STATE_ORDER, "a request is seen where no way through the states leads it|elsewhere" },
		[ACT_EPILOGUE] = { R_STATE_ORDER, "no state is left after the last step|another course before it" },
	};
	uint32_t ev = ask_first_event(c->f, group);
	const struct act *a;
	unsigned int where;
	struct plan *p;

	if (c->f->rec->ev[ev].kind == REC_CQE && c->f->rec->ev[ev].req != REC_NO_REQ) {
		blame_cqe(c, group, ev);
		return;
	}
	ask_until(c->f, group, ev + 1, &p, &where);
	a = &p->act[where < p->nr_acts ? where : p->nr_acts - 1];
	accuse(c, acts[a->kind].rule, ev, REC_NO_REQ, REC_NO_REQ, acts[a->kind].text, "");
}

void law_states(struct court *c)
{
	const struct facts *f = c->f;
	unsigned int nr;
	struct plan *p;

	if (!f->complete || c->out->kind == FORBIDDEN || !f->s->nr_reqs)
		return;
	nr = ask_groups(f);
	for (unsigned int g = 0; g < nr; g++) {
		enum set_end end = ask_group(f, g, &p);

		if (end == SET_EMPTY)
			blame(c, g);
		else if (end == SET_BUDGET)
			accuse(c, R_STATE_BUDGET, f->rec->nr, p->member[0].req, REC_NO_REQ,
			       "the states of the %u requests coupled with %s are more than the budget|fewer states",
			       p->nr, f->s->reqs[p->member[0].req].name);
	}
}
