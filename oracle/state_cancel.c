/* What a cancel finds, says and does, in each state: cancels, removals of timeouts, linked timeouts that fire. */
#include "oracle/state_spec.h"

#define UNFINDABLE (ST_IDLE | ST_HELD | ST_DEFER | ST_READY | ST_FIRED | ST_ENDED | ST_POSTED | ST_LOOSE)
#define LINGERS (ST_WORKER | ST_FIRED | ST_DONEW | ST_POSTW) /* a cancel may say -EALREADY of it */

struct cancel {
	unsigned int m; /* the canceller */
	uint16_t after; /* what becomes of it */
	bool alone; /* what it sees is one instant: made by a submit, or one target at most */
	bool expires; /* it is a linked timeout */
	bool timers; /* it looks among timers only */
};

static void emit_said(struct spec *sp, struct state *s, const struct cancel *c, int said)
{
	const struct member *k = &sp->p->member[c->m];
	int own = c->expires && said == 0 ? -ETIME : said;

	if (k->end == END_OWN && k->res != own && !(k->many && own >= 0 && k->res >= 0))
		return;
	s->mask[c->m] = c->after;
	s->how = (uint16_t)((c->expires ? BY_FIRE : BY_CANCEL) << 8 | c->m);
	s->said = (int16_t)own;
	sp->emit(sp, s);
}

/* Workers that have something the cancel selects may be signalled on the way to another. */
static void signal_others(const struct plan *p, struct state *s, unsigned int c)
{
	for (unsigned int t = 0; t < p->nr; t++)
		if (cancel_selected(p, c, t) && (s->mask[t] & ST_RUN))
			s->mask[t] |= ST_RUNS;
}

/* It finds t and takes it off: 0. */
static void say_zero(struct spec *sp, const struct state *from, const struct cancel *c, unsigned int t)
{
	uint16_t takes = ST_ARMED | ST_DONEC | ST_LOOSE | (c->timers ? 0 : ST_QUEUED);
	struct state s = *from;

	if (!(s.mask[t] & takes))
		return;
	if (!(s.mask[t] & ST_LOOSE)) {
		if (!member_cancellable(&sp->p->member[t]))
			return;
		s.mask[t] = ST_DONEC;
		if (sp->p->member[t].pieces)
			s.mask[t] = ST_DONE;
	}
	if (!c->expires && !c->timers)
		signal_others(sp->p, &s, c->m);
	emit_said(sp, &s, c, 0);
}

/* It finds t running: -EALREADY, and a signal. */
static void say_already(struct spec *sp, const struct state *from, const struct cancel *c, unsigned int t)
{
	const struct member *k = &sp->p->member[t];
	/* A worker that has armed a request holds it a moment longer, whatever becomes of it meanwhile. */
	uint16_t has = c->timers ? ST_FIRED : LINGERS | (k->async || k->may_iowq ? ST_ENDED | ST_POSTED : 0);
	struct state s = *from;

	if (!(s.mask[t] & (has | ST_LOOSE)))
		return;
	if (!(s.mask[t] & ST_LOOSE)) {
		s.mask[t] &= has;
		if (s.mask[t] & ST_RUN)
			s.mask[t] = (uint16_t)((s.mask[t] & ~ST_RUN) | ST_RUNS);
	}
	if (!c->expires && !c->timers)
		signal_others(sp->p, &s, c->m);
	emit_said(sp, &s, c, -EALREADY);
}

/* It finds nothing: all it selects are where no cancel looks. */
static void say_notfound(struct spec *sp, const struct state *from, const struct cancel *c, const uint8_t *targets,
			 unsigned int nr)
{
	uint16_t hidden = sp->p->member[c->m].shallow ? (uint16_t)~ST_ARMED : UNFINDABLE;
	struct state s = *from;

	for (unsigned int i = 0; i < nr && (c->alone || nr == 1); i++) {
		s.mask[targets[i]] &= hidden;
		if (!s.mask[targets[i]])
			return;
	}
	emit_said(sp, &s, c, -ENOENT);
}

/* Is what it says it found a number that it can have found? Only where no worker has anything of it: how often work in
 * io-wq is counted varies. */
static bool may_count(const struct spec *sp, const struct state *s, const struct cancel *c, const uint8_t *targets,
		      unsigned int nr)
{
	const struct member *k = &sp->p->member[c->m];
	int32_t least = 0, most = 0;

	for (unsigned int i = 0; i < nr; i++) {
		uint16_t mask = s->mask[targets[i]];

		if (mask & (ST_QUEUED | ST_WORKER | ST_DONEW | ST_POSTW | ST_LOOSE))
			return true;
		most += !!(mask & (ST_ARMED | ST_FIRED | ST_DONEC | ST_READY));
		least += mask == ST_ARMED;
	}
	return k->end != END_OWN || (k->res >= least && k->res <= most);
}

/* It takes all it selects, in one go. */
static void say_count(struct spec *sp, const struct state *from, const struct cancel *c, const uint8_t *targets,
		      unsigned int nr)
{
	struct state s = *from;

	if (!may_count(sp, from, c, targets, nr))
		return;

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int t = targets[i];
		uint16_t taken = s.mask[t] & (ST_QUEUED | ST_ARMED), rest = s.mask[t] & ~taken;

		if (rest & ST_LOOSE)
			continue;
		if (rest & ST_RUN)
			rest = (uint16_t)((rest & ~(sp->p->member[c->m].shallow ? 0 : ST_RUN)) | ST_RUNS);
		if (taken && member_cancellable(&sp->p->member[t]))
			rest |= sp->p->member[t].pieces ? ST_DONE : ST_DONEC;
		s.mask[t] = rest | (sp->p->member[c->m].shallow ? taken & ST_QUEUED : 0);
		if (!s.mask[t])
			return;
	}
	emit_said(sp, &s, c, 0);
}

static void cancel_all_ways(struct spec *sp, const struct state *s, const struct cancel *c)
{
	const struct plan *p = sp->p;
	const struct member *k = &p->member[c->m];
	uint8_t targets[STREAM_MAX_REQS];
	unsigned int nr = 0;

	if (c->expires)
		targets[nr++] = k->target;
	else
		for (unsigned int t = 0; t < p->nr; t++)
			if (cancel_selected(p, c->m, t))
				targets[nr++] = (uint8_t)t;
	if (k->many) {
		say_count(sp, s, c, targets, nr);
		return;
	}
	for (unsigned int i = 0; i < nr; i++) {
		say_zero(sp, s, c, targets[i]);
		say_already(sp, s, c, targets[i]);
	}
	say_notfound(sp, s, c, targets, nr);
	if (k->self && (s->mask[c->m] & ST_WORKER)) {
		struct state own = *s;

		emit_said(sp, &own, c, -EALREADY);
	}
	/* Its target had ended and not yet let go of it. */
	if (c->expires && (s->mask[k->target] & (ST_ENDED | ST_POSTED))) {
		struct state own = *s;

		own.mask[k->target] &= ST_ENDED | ST_POSTED;
		emit_said(sp, &own, c, 0);
	}
}

void cancel_carry_out(struct spec *sp, const struct state *s, unsigned int m, uint16_t after, bool worker)
{
	const struct member *k = &sp->p->member[m];
	struct cancel c = { .m = m, .after = after, .alone = !worker, .timers = k->op == SOP_TIMEOUT_REMOVE };

	cancel_all_ways(sp, s, &c);
}

/* A canceller that found nothing, while all it looks for is surely where no cancel looks, and that nobody looks for: it
 * makes no difference when it searched. */
static bool is_free(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct plan *p = sp->p;
	const struct member *k = &p->member[m];
	uint16_t hidden = k->shallow ? (uint16_t)~ST_ARMED : UNFINDABLE;

	if (!cancel_searches(k) || k->end != END_OWN || k->res != -ENOENT || k->sought || (s->mask[m] & ST_DONE))
		return false;
	if (!(s->mask[m] & ST_WORKER) && (!(s->mask[m] & ST_READY) || k->async))
		return false;
	for (unsigned int t = 0; t < p->nr; t++)
		if (cancel_selected(p, m, t) && (s->mask[t] & ~hidden))
			return false;
	return true;
}

bool spec_free(struct spec *sp, const struct state *from)
{
	for (unsigned int m = 0; m < sp->p->nr; m++) {
		struct state s;

		if (!is_free(sp, from, m))
			continue;
		s = *from;
		/* Where it may rest, it may also not have searched yet. */
		s.mask[m] = ST_DONEW | ST_DONE | (s.mask[m] & (ST_DEFER | ST_QUEUED));
		s.how = (uint16_t)(BY_CANCEL << 8 | m);
		s.said = -ENOENT;
		sp->emit(sp, &s);
		return true;
	}
	return false;
}

void cancel_hidden(struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];

	/* Done already, with nothing found: spec_free(). */
	if (!cancel_searches(k) || (!k->many && (s->mask[m] & ST_DONE)))
		return;
	if ((s->mask[m] & ST_READY) && !k->async)
		cancel_carry_out(sp, s, m, ST_DONE, false);
	if ((s->mask[m] & ST_WORKER) && !k->many)
		cancel_carry_out(sp, s, m, ST_DONEW | ST_DONE, true);
}

void cancel_expire(struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	struct cancel c = { .m = m, .after = ST_DONE, .alone = true, .expires = true };

	if (k->op != SOP_LINK_TIMEOUT || k->target == NOBODY || !k->fires || !(s->mask[m] & ST_ARMED))
		return;
	if (k->end == END_OWN || k->end == END_UNSEEN)
		cancel_all_ways(sp, s, &c);
}
