#include <string.h>

#include "core/base/ensure.h"
#include "corpora/lies/lie.h"
#include "runner/record_names.h"
#include "runner/record_text.h"

static bool same_event(const struct rec_event *a, const struct rec_event *b)
{
	for (unsigned int i = 0; i < RECORD_FIELDS; i++)
		if (record_field_get(&record_fields[i], a) != record_field_get(&record_fields[i], b))
			return false;
	return a->kind == b->kind;
}

/* ---- telling ---- */

/* One CQE more or less at `head`: what stands behind it in the ring, and the tails that covered it, move by `by`. */
static void renumber(struct record *r, uint8_t ring, uint32_t head, uint32_t by)
{
	for (uint32_t i = 0; i < r->nr; i++) {
		struct rec_event *e = &r->ev[i];

		if (e->ring != ring || (e->kind != REC_CQE && e->kind != REC_END))
			continue;
		if (e->kind == REC_CQE && e->head >= head)
			e->head += by;
		e->tail_before += e->tail_before > head ? by : 0;
		e->tail_after += e->tail_after > head ? by : 0;
	}
}

static void put_in(struct record *r, uint32_t at, struct rec_event e)
{
	ENSURE(r->nr < RECORD_MAX_EVENTS && at <= r->nr);
	if (e.kind == REC_CQE)
		renumber(r, e.ring, e.head, 1);
	memmove(&r->ev[at + 1], &r->ev[at], (r->nr - at) * sizeof(e));
	r->ev[at] = e;
	r->nr++;
}

static void take_out(struct record *r, uint32_t at)
{
	struct rec_event e = r->ev[at];

	memmove(&r->ev[at], &r->ev[at + 1], (r->nr - at - 1) * sizeof(e));
	r->nr--;
	if (e.kind == REC_CQE)
		renumber(r, e.ring, e.head, (uint32_t)-1);
}

/* The copy takes the place, and what was copied stands behind it: the tails that covered the one cover both. */
static void copy(struct record *r, uint32_t at)
{
	put_in(r, at, r->ev[at]);
	r->ev[at].tail_before = r->ev[at + 1].tail_before;
	r->ev[at].tail_after = r->ev[at + 1].tail_after;
}

/* A CQE and the bytes that follow it. */
static uint32_t block(const struct record *r, uint32_t at)
{
	uint32_t n = 1;

	while (at + n < r->nr && r->ev[at + n].kind == REC_DATA && r->ev[at + n].req == r->ev[at].req)
		n++;
	return n;
}

/* Puts what happened at `from` of t into the place that `place` of t has; returns the end of it in r. */
static uint32_t put_block(const struct record *t, uint32_t from, uint32_t place, struct record *r, uint32_t at)
{
	const struct rec_event *p = &t->ev[place];
	uint32_t n = block(t, from);

	for (uint32_t i = 0; i < n; i++) {
		struct rec_event *e = &r->ev[at + i];

		*e = t->ev[from + i];
		e->task = p->task;
		e->step = p->step;
		e->stamp = p->stamp;
		if (e->kind != REC_CQE)
			continue;
		e->head = p->head;
		e->tail_before = p->tail_before;
		e->tail_after = p->tail_after;
	}
	return at + n;
}

static void swap(const struct record *t, uint32_t a, uint32_t b, struct record *r)
{
	uint32_t behind_a = a + block(t, a), behind_b = b + block(t, b), at;

	at = put_block(t, b, a, r, a);
	memcpy(&r->ev[at], &t->ev[behind_a], (b - behind_a) * sizeof(r->ev[0]));
	at = put_block(t, a, b, r, at + b - behind_a);
	ENSURE_OP(at, ==, behind_b);
}

void lie_tell(const struct lie *l, const struct record *truth, struct record *altered)
{
	const struct record_field *f = &record_fields[l->field];
	const struct rec_event *e = &truth->ev[l->event];

	*altered = *truth;
	switch (l->kind) {
	case LIE_FIELD:
		record_field_set(f, &altered->ev[l->event], l->to);
		break;
	case LIE_STAMP:
		for (uint32_t i = l->event; i < altered->nr; i++)
			altered->ev[i].stamp += l->to - l->from;
		break;
	case LIE_DELETE:
		take_out(altered, l->event);
		break;
	case LIE_COPY:
		copy(altered, l->event);
		break;
	case LIE_INSERT:
		put_in(altered, l->event + 1, l->inserted);
		break;
	case LIE_SWAP:
		swap(truth, l->event, l->other, altered);
		break;
	case LIE_SWAP_FIELD:
		record_field_set(f, &altered->ev[l->event], record_field_get(f, &truth->ev[l->other]));
		record_field_set(f, &altered->ev[l->other], record_field_get(f, e));
		break;
	}
}

/* ---- counting ---- */

static uint64_t passed(const struct record *r, uint32_t i)
{
	return r->ev[i].stamp - (i ? r->ev[i - 1].stamp : 0);
}

static unsigned int changed_fields(const struct record *a, const struct record *b)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < a->nr; i++) {
		for (unsigned int k = 0; k < RECORD_FIELDS; k++)
			n += record_field_get(&record_fields[k], &a->ev[i]) !=
			     record_field_get(&record_fields[k], &b->ev[i]);
		n += a->ev[i].kind != b->ev[i].kind;
		n += passed(a, i) != passed(b, i);
	}
	return n;
}

/* CQEs that do not have the number of their place. */
static unsigned int out_of_turn(const struct record *r)
{
	uint32_t next[STREAM_MAX_RINGS] = { 0 };
	unsigned int n = 0;

	for (uint32_t i = 0; i < r->nr; i++)
		if (r->ev[i].kind == REC_CQE && r->ev[i].ring < STREAM_MAX_RINGS)
			n += r->ev[i].head != next[r->ev[i].ring]++;
	return n;
}

/* The same but for their places in the ring, which differ when a CQE came or went. */
static bool same_but_numbers(struct rec_event a, struct rec_event b)
{
	if (a.kind == REC_CQE)
		a.head = b.head;
	a.tail_before = b.tail_before;
	a.tail_after = b.tail_after;
	return a.stamp == b.stamp && same_event(&a, &b);
}

/* `more` has one event that `less` has not. */
static unsigned int one_more(const struct record *less, const struct record *more)
{
	unsigned int n = 1;
	uint32_t i = 0;

	while (i < less->nr && same_but_numbers(less->ev[i], more->ev[i]))
		i++;
	for (; i < less->nr; i++)
		n += !same_but_numbers(less->ev[i], more->ev[i + 1]);
	return n + out_of_turn(less) + out_of_turn(more);
}

/* Two things changed places if changing them again gives what was. */
static unsigned int one_swap(const struct lie *l, const struct record *truth, const struct record *altered)
{
	static struct record again;
	struct lie back = *l;

	if (l->kind == LIE_SWAP)
		back.other = l->other + block(truth, l->other) - block(truth, l->event);
	lie_tell(&back, altered, &again);
	return record_same(&again, truth) && !record_same(altered, truth) ? 1 : 2;
}

unsigned int lie_facts(const struct lie *l, const struct record *truth, const struct record *altered)
{
	if (l->kind == LIE_SWAP || l->kind == LIE_SWAP_FIELD)
		return one_swap(l, truth, altered);
	if (truth->nr == altered->nr)
		return changed_fields(truth, altered);
	if (truth->nr + 1 == altered->nr)
		return one_more(truth, altered);
	return altered->nr + 1 == truth->nr ? one_more(altered, truth) : 2;
}
