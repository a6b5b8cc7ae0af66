#include "core/sched/sim/explore.h"

#include <stdlib.h>

#include "core/sched/sim/sim.h"

/* One decision of the last run. */
struct step {
	uint16_t n;
	uint16_t spent; /* preemptions before it */
	uint8_t chosen;
	bool costs; /* any choice but 0 is a preemption */
};

struct sched_explore {
	unsigned int bound;
	enum { EXPLORE_FRESH, EXPLORE_READY, EXPLORE_RAN, EXPLORE_DONE } state;
	struct step *step;
	size_t nr, cap;
	size_t prefix; /* so many are given in the next run; those after them are 0 */
	unsigned int spent; /* in this run so far */
};

struct sched_explore *sched_explore_new(unsigned int preemptions)
{
	struct sched_explore *e = calloc(1, sizeof(*e));

	ENSURE(e != NULL);
	ENSURE_OP(preemptions, <, (unsigned int)UINT16_MAX);
	e->bound = preemptions;
	return e;
}

void sched_explore_free(struct sched_explore *e)
{
	free(e->step);
	free(e);
}

static bool can_advance(const struct sched_explore *e, const struct step *s)
{
	return s->chosen + 1 < s->n && (!s->costs || s->spent < e->bound);
}

bool sched_explore_next(struct sched_explore *e)
{
	ENSURE(e->state == EXPLORE_FRESH || e->state == EXPLORE_RAN);
	if (e->state == EXPLORE_FRESH) {
		e->state = EXPLORE_READY;
		return true;
	}
	ENSURE_OP(e->nr, >=, e->prefix); /* else the last run was shorter than the one it repeats */
	while (e->nr && !can_advance(e, &e->step[e->nr - 1]))
		e->nr--;
	if (!e->nr) {
		e->state = EXPLORE_DONE;
		return false;
	}
	e->step[e->nr - 1].chosen++;
	e->prefix = e->nr;
	e->state = EXPLORE_READY;
	return true;
}

void explore_begin(struct sched_explore *e)
{
	ENSURE_OP((int)e->state, ==, (int)EXPLORE_READY);
	e->state = EXPLORE_RAN;
	e->nr = 0;
	e->spent = 0;
}

static void grow(struct sched_explore *e)
{
	e->cap = e->cap ? 2 * e->cap : 256;
	e->step = realloc(e->step, e->cap * sizeof(*e->step));
	ENSURE(e->step != NULL);
}

uint32_t explore_decide(struct sched_explore *e, enum decision kind, uint32_t n)
{
	bool costs = kind == DECIDE_STAY || kind == DECIDE_SPURIOUS;
	struct step *s;

	if (e->nr == e->cap)
		grow(e);
	s = &e->step[e->nr];
	if (e->nr++ < e->prefix) {
		ENSURE_OP((uint32_t)s->n, ==, n);
		ENSURE_OP(s->costs, ==, costs);
		ENSURE_OP((unsigned int)s->spent, ==, e->spent);
	} else {
		*s = (struct step){ .n = (uint16_t)n, .spent = (uint16_t)e->spent, .costs = costs };
	}
	e->spent += costs && s->chosen;
	return s->chosen;
}
