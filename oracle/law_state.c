/* Coupled requests: is there any way through the states of state.h that shows what was seen? Asked last, where no other
 * law objects, of each group of requests alone. */
#include <errno.h>
#include <string.h>

#include "oracle/state.h"
#include "stream/groups.h"

enum { BUDGET = 20000 }; /* states, for one record */

/* Memory for one question at a time; a judge does not call itself. */
static _Thread_local struct {
	struct plan plan;
	struct times times;
	struct facts facts; /* as they would be, had something else been seen */
	uint8_t group_of[STREAM_MAX_REQS];
} mem;

static enum set_end ask(const struct facts *f, unsigned int group, uint32_t limit, unsigned int *where)
{
	unsigned int left = BUDGET;

	times_tell(&mem.times, f, limit);
	plan_make(&mem.plan, f, &mem.times, mem.group_of, group, limit);
	return sets_run(&mem.plan, &left, where);
}

/* The first event with which no state is left, when all that comes later is not known. */
static uint32_t first_event(const struct facts *f, unsigned int group)
{
	uint32_t lo = 0, hi = f->rec->nr; /* with lo events all is well, with hi it is not */
	unsigned int where;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ask(f, group, mid, &where) == SET_EMPTY)
			hi = mid;
		else
			lo = mid;
	}
	return hi - 1;
}

/* ---- what would have been allowed there ---- */

struct others {
	char text[160];
	unsigned int nr;
};

static bool would_do(const struct facts *f, unsigned int group, uint32_t ev, unsigned int r, int32_t res)
{
	unsigned int where;

	memcpy(&mem.facts, f, sizeof(mem.facts));
	mem.facts.req[r].res = res;
	return ask(&mem.facts, group, ev + 1, &where) == SET_ALLOWED;
}

static void try_result(struct others *o, const struct facts *f, unsigned int group, uint32_t ev, unsigned int r,
		       int32_t res)
{
	size_t len = strlen(o->text);

	if (res == f->req[r].res || !would_do(f, group, ev, r, res))
		return;
	snprintf(o->text + len, sizeof(o->text) - len, "%s%s", o->nr ? ", " : "", res_name(res));
	o->nr++;
}

static void find_others(struct others *o, const struct facts *f, unsigned int group, uint32_t ev, unsigned int r)
{
	static const int32_t results[] = { 0, -ECANCELED, -EINTR, -ETIME, -EALREADY, -ENOENT };
	static const uint8_t of[SOP_NR] = {
		[SOP_NOP] = 0x03,     [SOP_READ] = 0x07,	   [SOP_WRITE] = 0x06,	      [SOP_POLL_ADD] = 0x02,
		[SOP_TIMEOUT] = 0x0b, [SOP_TIMEOUT_REMOVE] = 0x33, [SOP_LINK_TIMEOUT] = 0x3a, [SOP_ASYNC_CANCEL] = 0x33,
	};
	const struct sreq *q = &f->s->reqs[r];

	o->nr = 0;
	o->text[0] = '\0';
	for (unsigned int i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		if (of[q->op] >> i & 1)
			try_result(o, f, group, ev, r, results[i]);
	if (q->op != SOP_READ && q->op != SOP_WRITE)
		return;
	for (uint32_t n = 1; n <= q->len && n <= 64; n++)
		try_result(o, f, group, ev, r, (int32_t)n);
	if (q->len > 64)
		try_result(o, f, group, ev, r, (int32_t)q->len);
}

/* ---- accusing ---- */

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

/* Had it been posted later than its call's return, would all be well? */
static bool only_late(const struct facts *f, unsigned int group, uint32_t ev, unsigned int r)
{
	unsigned int left = BUDGET, where;

	times_tell(&mem.times, f, ev + 1);
	plan_make(&mem.plan, f, &mem.times, mem.group_of, group, ev + 1);
	mem.plan.member[mem.plan.member_of[r]].overflows = true;
	return sets_run(&mem.plan, &left, &where) == SET_ALLOWED;
}

static void blame_cqe(struct court *c, unsigned int group, uint32_t ev)
{
	const struct facts *f = c->f;
	unsigned int r = f->rec->ev[ev].req, other = concerned(f, r, ev);
	enum rule_id rule = R_STATE_ORDER;
	struct others o;

	find_others(&o, f, group, ev, r);
	if (only_late(f, group, ev, r))
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

static void blame(struct court *c, unsigned int group, unsigned int where)
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
		[ACT_EPILOGUE] = { R_STATE_ORDER, "no state is left after the last step|another course before it" },
	};
	uint32_t ev = first_event(c->f, group);
	const struct act *a;

	if (c->f->rec->ev[ev].kind == REC_CQE && c->f->rec->ev[ev].req != REC_NO_REQ) {
		blame_cqe(c, group, ev);
		return;
	}
	ask(c->f, group, ev + 1, &where);
	a = &mem.plan.act[where < mem.plan.nr_acts ? where : mem.plan.nr_acts - 1];
	accuse(c, acts[a->kind].rule, ev, REC_NO_REQ, REC_NO_REQ, acts[a->kind].text, "");
}

void law_states(struct court *c)
{
	const struct facts *f = c->f;
	unsigned int nr, left = BUDGET, where;

	if (!f->complete || c->out->kind == FORBIDDEN || !f->s->nr_reqs)
		return;
	nr = stream_groups(f->s, mem.group_of);
	times_tell(&mem.times, f, NO_EVENT);
	for (unsigned int g = 0; g < nr; g++) {
		enum set_end end;

		plan_make(&mem.plan, f, &mem.times, mem.group_of, g, NO_EVENT);
		if (!mem.plan.coupled)
			continue;
		end = sets_run(&mem.plan, &left, &where);
		if (end == SET_BUDGET)
			accuse(c, R_STATE_BUDGET, f->rec->nr, mem.plan.member[0].req, REC_NO_REQ,
			       "the states of the %u requests coupled with %s are more than the budget|fewer states",
			       mem.plan.nr, f->s->reqs[mem.plan.member[0].req].name);
		else if (end == SET_EMPTY) {
			blame(c, g, where);
			times_tell(&mem.times, f, NO_EVENT);
		}
	}
}
