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

/* A cancel that says -ENOENT of r, when all would be well had it said -EALREADY: it denies what it did. */
static bool denied(struct court *c, unsigned int group, uint32_t ev, unsigned int r)
{
	const struct facts *f = c->f;
	struct plan *p;

	for (unsigned int i = 0; i < f->nr_cancels; i++) {
		const struct cancel_fact *k = &f->cancel[i];

		if (k->req == REC_NO_REQ || k->req == r || k->res != -ENOENT || !cancel_meets(f, k, r) ||
		    !ask_instead(f, group, ev, k->req, -EALREADY, &p))
			continue;
		accuse(c, R_CANCEL_ENOENT, ev, r, k->req,
		       "%s ended %s, and %s, which alone can have done it, says -ENOENT|-EALREADY or 0 from %s, or another end of %s",
		       f->s->reqs[r].name, res_name(f->req[r].res), f->s->reqs[k->req].name, f->s->reqs[k->req].name,
		       f->s->reqs[r].name);
		return true;
	}
	return false;
}

static void blame_cqe(struct court *c, unsigned int group, uint32_t ev)
{
	const struct facts *f = c->f;
	unsigned int r = f->rec->ev[ev].req, other = concerned(f, r, ev);
	enum rule_id rule = R_STATE_ORDER;
	struct others o = { .nr = 0 };

	if ((f->req[r].res == -ECANCELED || f->req[r].res == -EINTR) && denied(c, group, ev, r))
		return;
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

/* ---- what a canceller met ---- */

/* The state that all stages of a mask are; or that it cannot be told. */
static enum cell_state one_state(uint16_t mask)
{
	static const struct {
		uint16_t stages;
		enum cell_state state;
	} states[] = {
		{ ST_HELD, CELL_HELD },	    { ST_DEFER, CELL_DEFERRED }, { ST_READY, CELL_READY },
		{ ST_QUEUED, CELL_QUEUED }, { ST_WORKER, CELL_RUNNING }, { ST_ARMED, CELL_ARMED },
		{ ST_FIRED, CELL_WOKEN },   { ST_ENDED, CELL_DONE },	 { ST_POSTED, CELL_POSTED },
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (mask && !(mask & ~states[i].stages))
			return states[i].state;
	return CELL_UNKNOWN;
}

static void note_met(void *ctx, const struct plan *p, const struct state *before, const struct state *after)
{
	struct court *c = ctx;
	enum state_how how = (enum state_how)(after->how >> 8);
	unsigned int m = after->how & 0xff;

	if (how != BY_CANCEL && how != BY_FIRE)
		return;
	for (unsigned int t = 0; t < p->nr; t++) {
		bool meant = how == BY_FIRE ? t == p->member[m].target : p->match[m][t / 64] >> t % 64 & 1;
		/* What it said leaves less of what may have been; a victim is not what it was. */
		uint16_t mask = after->mask[t] & before->mask[t] ? after->mask[t] & before->mask[t] : before->mask[t];

		if (after->said == -EALREADY && (before->mask[t] & ST_WORKER))
			mask &= ST_WORKER | ST_ENDED;
		if (meant)
			c->told->state[p->member[m].req][p->member[t].req] = (uint8_t)one_state(mask);
	}
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

		if (end == SET_ALLOWED && c->told && p->coupled)
			sets_path(p, note_met, c);
		else if (end == SET_EMPTY)
			blame(c, g);
		else if (end == SET_BUDGET)
			accuse(c, R_STATE_BUDGET, f->rec->nr, p->member[0].req, REC_NO_REQ,
			       "the states of the %u requests coupled with %s are more than the budget|fewer states",
			       p->nr, f->s->reqs[p->member[0].req].name);
	}
}
