/* Tracepoints as observations: where a request was seen, and when its chain was issued. */
#include <string.h>

#include "oracle/state.h"

static const struct rec_event *event(const struct plan *p, uint32_t ev)
{
	return &p->f->rec->ev[ev];
}

/* The event at which the chain of member m was whole, or NO_EVENT. */
static uint32_t submit_event(const struct plan *p, unsigned int m)
{
	const struct facts *f = p->f;
	unsigned int r = p->member[p->member[m].last].req;
	uint32_t end = f->req[r].end == NO_EVENT ? f->rec->nr : f->req[r].end;

	for (uint32_t ev = f->req[r].begin; p->traced && ev < end; ev++)
		if (event(p, ev)->kind == REC_TRACE && event(p, ev)->flags == TRACE_SUBMIT && event(p, ev)->req == r)
			return ev;
	return NO_EVENT;
}

bool trace_tells_submit(const struct plan *p, unsigned int m)
{
	return submit_event(p, m) != NO_EVENT;
}

void trace_add(struct plan *p, uint32_t ev)
{
	const struct rec_event *e = event(p, ev);
	unsigned int m = p->member_of[e->req];

	if (m == NOBODY)
		return;
	if (e->flags != TRACE_SUBMIT)
		plan_act(p, ACT_STAGE, m, ev, 0)->value = e->flags;
	else if (p->member[m].last == m)
		plan_act(p, ACT_CHAIN, p->member[m].first, ev, 0);
}

/* The issue of the chain's head ends with the first that is told of the head. */
static uint64_t issue_end(const struct plan *p, const struct act *chain)
{
	const struct facts *f = p->f;
	unsigned int r = p->member[chain->m].req;
	uint32_t ev = chain->event + 1;

	while (ev < f->rec->nr && ev < f->req[r].end &&
	       !(event(p, ev)->kind == REC_TRACE && event(p, ev)->req == r && event(p, ev)->flags != TRACE_SUBMIT))
		ev++;
	return 4ull * ev;
}

static uint64_t call_end(const struct plan *p, const struct act *direct)
{
	uint32_t end = p->f->step_end[event(p, direct->event)->step];

	return 4ull * (end == NO_EVENT ? direct->event : end) + 3;
}

/* What is seen of others until `end` is seen then, if it lasts: that they have ended. Where else they were they may have
 * left by then. */
static void put_off(struct plan *p, unsigned int from, uint64_t end)
{
	for (unsigned int i = from + 1; i < p->nr_acts && 4ull * p->act[i].event < end; i++)
		if (p->act[i].kind == ACT_STAGE && p->act[i].at < end)
			p->act[i].at = end + 1;
}

static void sort_acts(struct plan *p)
{
	for (unsigned int i = 1; i < p->nr_acts; i++) {
		struct act a = p->act[i];
		unsigned int k = i;

		for (; k > 0 && p->act[k - 1].at > a.at; k--)
			p->act[k] = p->act[k - 1];
		p->act[k] = a;
	}
}

static void drop_passing_sights(struct plan *p)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < p->nr_acts; i++)
		if (p->act[i].kind != ACT_STAGE || p->act[i].value == TRACE_ENDED ||
		    p->act[i].at == 4ull * p->act[i].event)
			p->act[nr++] = p->act[i];
	p->nr_acts = nr;
}

void trace_settle(struct plan *p)
{
	for (unsigned int i = 0; i < p->nr_acts; i++) {
		const struct act *a = &p->act[i];

		if (a->kind == ACT_CHAIN && event(p, a->event)->kind == REC_TRACE)
			put_off(p, i, issue_end(p, a));
		else if (a->kind == ACT_READ || a->kind == ACT_WRITE)
			put_off(p, i, call_end(p, a));
	}
	sort_acts(p);
	drop_passing_sights(p);
}
