/* What may follow from an abstract state: the drawing of state.h as code. Cancels: state_cancel.c. */
#include <linux/fs.h>
#include <linux/io_uring.h>

#include "core/base/ensure.h"
#include "oracle/state_spec.h"

/* ---- one request alone ---- */

/* Can it end by its own result with nobody else concerned? */
static bool ends_alone(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];

	if (k->end != END_OWN && k->end != END_UNSEEN)
		return false;
	return !k->timer && !cancel_searches(k) && !(k->moves && thing_known(sp, s, m));
}

/* Would an attempt that must not block find nothing there, so that a poll is armed? */
static bool may_arm(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];

	return k->arms &&
	       (k->timer || stream_op_is(k->op, OP_WRITES) || !thing_known(sp, s, m) || !thing_ready(sp, s, m) ||
		thing_peer_closed(sp, m) || /* somebody in flight may hold that end */
		!thing_quiet(sp, s, m)); /* it came and went between two looks */
}

static uint16_t widen_ready(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	uint16_t to = 0;

	if (k->async)
		return ST_QUEUED | (k->may_iowq ? ST_RUN : 0);
	if (k->may_iowq)
		to |= ST_QUEUED | ST_RUN;
	if (may_arm(sp, s, m))
		to |= ST_ARMED;
	if (ends_alone(sp, s, m))
		to |= ST_DONE;
	return to;
}

static uint16_t widen_worker(const struct spec *sp, const struct state *s, unsigned int m, bool signalled)
{
	const struct member *k = &sp->p->member[m];
	uint16_t to = 0;

	if (ends_alone(sp, s, m) || (k->many && cancel_searches(k)))
		to |= ST_DONEW;
	if (!signalled && may_arm(sp, s, m))
		to |= ST_ARMED;
	if (signalled && (k->end == END_INTR || k->end == END_UNSEEN))
		to |= ST_DONEW;
	if (signalled && (k->end == END_CANCELLED || k->end == END_UNSEEN))
		to |= ST_DONEC;
	return to;
}

static uint16_t widen_armed(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	uint16_t to = 0;

	if (k->op == SOP_LINK_TIMEOUT)
		return 0;
	if (k->timer && k->fires)
		to |= ST_FIRED;
	if (k->timer && sreq_of(sp, m)->count && (k->end == END_UNSEEN || (k->end == END_OWN && k->res == 0)))
		to |= ST_DONE;
	if (!k->timer && (!thing_known(sp, s, m) || thing_ready(sp, s, m)))
		to |= ST_READY;
	return to;
}

/* Every request that a drain puts before this one has posted. */
static bool drained(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct plan *p = sp->p;
	bool own = p->member[m].drains;

	/* Until 6.13 what stands behind a drained request goes with it; drain.order and the ledger speak of that. */
	if (!own && (p->f->profile == PROFILE_6_1 || p->f->profile == PROFILE_6_12))
		return true;

	for (unsigned int k = 0; k < p->member[m].first; k++) {
		const struct member *b = &p->member[k];

		if (b->ring != p->member[m].ring || b->silent || b->refused || (s->mask[k] & ST_LOOSE))
			continue;
		if ((own || b->drains) && !(s->mask[k] & (ST_POSTED | (b->post == NO_EVENT ? ST_ENDED : 0))))
			return false;
	}
	return true;
}

/* While a cancel of many is in these stages it takes what it selects, and comes back for those it has set free itself. */
static uint16_t hunting(const struct member *c)
{
	return c->many ? ST_WORKER | (looks_around(c) ? ST_READY : 0) : 0;
}

/* Somebody may cancel it at any time now: the epilogue, a canceller that is loose, one in a worker that takes many and
 * comes back for those it has set free itself. */
static bool prey(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct plan *p = sp->p;

	if (sp->interval >= p->reaper)
		return true;
	for (unsigned int c = 0; p->member[m].sought && c < p->nr; c++)
		if ((s->mask[c] & (ST_LOOSE | hunting(&p->member[c]))) && cancel_selected(p, c, m))
			return true;
	return false;
}

/* A cancel of one looks in several places, one after the other, and where it found its match running once more before it
 * answers: meanwhile others that it selects, and that come to run, may be signalled as well. */
static bool told_too(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct plan *p = sp->p;

	for (unsigned int c = 0; p->member[m].sought && c < p->nr; c++)
		if (!p->member[c].many && looks_around(&p->member[c]) &&
		    (s->mask[c] & (ST_READY | ST_WORKER | ST_ENDED)) && cancel_selected(p, c, m))
			return true;
	return false;
}

static uint16_t widen_one(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	bool hunted = prey(sp, s, m), signalled = hunted || told_too(sp, s, m);
	uint16_t mask = s->mask[m], was;

	do {
		was = mask;
		if (mask & ST_READY)
			mask |= widen_ready(sp, s, m);
		if (mask & ST_QUEUED)
			mask |= ST_RUN;
		if (mask & ST_RUN)
			mask |= widen_worker(sp, s, m, false) | (signalled ? ST_RUNS : 0);
		if (mask & ST_RUNS)
			mask |= widen_worker(sp, s, m, true);
		if (mask & ST_ARMED)
			mask |= widen_armed(sp, s, m);
		if ((mask & ST_FIRED) && (k->end == END_UNSEEN || (k->end == END_OWN && k->res == -ETIME)))
			mask |= ST_DONE;
		if (mask & ST_DONEW)
			mask |= ST_DONE;
		if (mask & ST_POSTW)
			mask |= ST_POST;
		if ((mask & ST_DEFER) && drained(sp, s, m))
			mask |= ST_QUEUED;
		if (hunted && (mask & (ST_QUEUED | ST_ARMED)) && member_cancellable(k) && k->op != SOP_LINK_TIMEOUT)
			mask |= ST_DONEC;
		if (k->silent && (mask & (ST_DONEI | ST_DONE)))
			mask |= ST_POST;
	} while (mask != was);
	return mask;
}

bool spec_widen(const struct spec *sp, struct state *s)
{
	bool changed;

	do {
		changed = false;
		for (unsigned int m = 0; m < sp->p->nr; m++) {
			uint16_t was = s->mask[m];

			if (!(was & (ST_IDLE | ST_LOOSE)))
				s->mask[m] = widen_one(sp, s, m);
			changed |= sp->p->hunts && s->mask[m] != was;
			if (!s->mask[m])
				return false;
		}
	} while (changed);
	return true;
}

/* ---- steps in which requests meet ---- */

static void hidden_move(struct spec *sp, const struct state *from, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	uint16_t mask = from->mask[m], to = 0;
	struct state s = *from;

	if (!k->moves || !thing_known(sp, from, m))
		return;
	if ((mask & ST_READY) && (!k->async || k->op == SOP_POLL_ADD))
		to |= ST_DONE;
	if (mask & ST_WORKER)
		to |= ST_DONEW | ST_DONE;
	if (!to || !thing_move(sp, &s, m))
		return;
	s.mask[m] = to;
	s.how = (uint16_t)(BY_MOVE << 8 | m);
	s.said = 0;
	sp->emit(sp, &s);
}

void spec_hidden(struct spec *sp, const struct state *s)
{
	for (unsigned int m = 0; m < sp->p->nr; m++) {
		const struct member *k = &sp->p->member[m];

		if (s->mask[m] & ST_LOOSE)
			continue;
		cancel_hidden(sp, s, m);
		hidden_move(sp, s, m);
		cancel_expire(sp, s, m);
		/* Posted where nobody has looked yet. */
		if (k->end == END_UNSEEN && sp->p->limit != NO_EVENT && (s->mask[m] & ST_ENDED))
			spec_post(sp, s, m);
	}
}

/* ---- posting ---- */

static uint16_t postable(const struct member *k, uint16_t mask)
{
	if (mask & ST_LOOSE || k->refused)
		return mask & (ST_LOOSE | ST_ENDED);
	switch (k->end) {
	case END_CANCELLED:
		return mask & ST_DONEC;
	case END_INTR:
		return mask & (ST_DONE | ST_DONEW);
	case END_OWN:
		return mask & (ST_DONEI | ST_DONE | ST_DONEW);
	default:
		return mask & ST_ENDED;
	}
}

/* Behind a member that failed all end -ECANCELED, its own linked timeout aside. */
static bool sever(const struct plan *p, struct state *s, unsigned int m)
{
	for (unsigned int k = m + 1; k <= p->member[m].last; k++) {
		if (k == p->member[m].lt || (s->mask[k] & (ST_LOOSE | ST_DONEC | ST_POST)))
			continue;
		if (!(s->mask[k] & ST_HELD) || (!member_cancellable(&p->member[k]) && !p->member[k].silent))
			return false;
		s->mask[k] = ST_DONEC | (p->member[k].silent ? ST_POST : 0);
	}
	return true;
}

static void go_on(const struct plan *p, struct state *s, unsigned int m)
{
	unsigned int n = p->member[m].next;

	if (n == NOBODY || !(s->mask[n] & ST_HELD))
		return;
	s->mask[n] = ST_READY | (p->member[m].may_iowq ? ST_RUN : 0);
	/* Work that is cancelled in the queue takes what comes behind it along, hard links or not: io_run_cancel(). */
	if (p->member[m].end == END_CANCELLED && p->member[m].may_iowq && member_cancellable(&p->member[n]))
		s->mask[n] |= ST_DONEC;
	if (p->member[n].lt != NOBODY && (s->mask[p->member[n].lt] & ST_HELD))
		s->mask[p->member[n].lt] = ST_ARMED;
}

/* The linked timeout of a target that has ended: taken off, unless its timer got there first. */
static void disarm(const struct plan *p, struct state *s, unsigned int m)
{
	unsigned int lt = p->member[m].lt;

	if (lt == NOBODY || !(s->mask[lt] & (ST_HELD | ST_ARMED)))
		return;
	if (member_cancellable(&p->member[lt]))
		s->mask[lt] = (uint16_t)((s->mask[lt] & ST_ARMED) | ST_DONEC);
	else
		s->mask[lt] &= ST_ARMED;
}

void spec_post(struct spec *sp, const struct state *from, unsigned int m)
{
	const struct plan *p = sp->p;
	const struct member *k = &p->member[m];
	uint16_t ends = postable(k, from->mask[m]);
	struct state s = *from;

	if (!ends)
		return;
	if (!(ends & ST_LOOSE))
		s.mask[m] = ST_POST | (ends & ST_DONEW ? ST_POSTW : 0);
	if (k->post != NO_EVENT)
		s.pos[k->ring]++;
	s.how = (uint16_t)(BY_POST << 8 | m);
	s.said = 0;
	if (k->op == SOP_LINK_TIMEOUT || k->refused || (ends & ST_LOOSE)) {
		sp->emit(sp, &s);
		return;
	}
	disarm(p, &s, m);
	if (k->end == END_UNSEEN && k->last > m) { /* it may have failed or not */
		struct state cut = s;

		if (sever(p, &cut, m))
			sp->emit(sp, &cut);
	}
	if (k->severs) {
		if (!sever(p, &s, m))
			return;
	} else {
		go_on(p, &s, m);
	}
	sp->emit(sp, &s);
}

/* ---- what is seen to happen ---- */

static bool may_not_wait(const struct spec *sp, unsigned int m)
{
	const struct sreq *q = sreq_of(sp, m);

	return (q->op_flags & RWF_NOWAIT) || (sp->p->f->s->objs[q->fd.obj].flags & OBJ_NONBLOCK);
}

/* Is a first attempt made that does not wait? Before 6.4 pipes did not know how: a transfer was polled for even when it
 * could have been made, and handed to a worker in the end. */
static bool tries(const struct spec *sp, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	bool pipe = sp->p->thing[k->obj].kind == OBJ_PIPE;

	if (stream_op_is(k->op, OP_WRITES) && !pipe)
		return false;
	return k->op == SOP_POLL_ADD || !pipe || sp->p->f->profile != PROFILE_6_1;
}

/* The head of a chain is issued by its submit. What is certain then is told by exactly one stage. */
static void issue(struct spec *sp, struct state *s, unsigned int m)
{
	const struct plan *p = sp->p;
	const struct member *k = &p->member[m];
	const struct sreq *q = sreq_of(sp, m);
	uint16_t at_once = k->overflows ? ST_DONE : ST_DONEI;
	bool unterminated = p->f->s->reqs[p->member[k->last].req].sqe_flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
	bool own = k->end == END_OWN || k->end == END_UNSEEN;

	if (k->lt != NOBODY)
		s->mask[k->lt] = ST_ARMED;
	if (k->drain) {
		s->mask[m] = ST_DEFER | (drained(sp, s, m) ? ST_READY | ST_QUEUED : 0);
	} else if (k->async || unterminated) {
		s->mask[m] = ST_QUEUED;
	} else if (k->op == SOP_NOP) {
		s->mask[m] = own ? at_once : 0;
	} else if (k->op == SOP_TIMEOUT) {
		s->mask[m] = ST_ARMED;
	} else if (cancel_searches(k) && !looks_around(k)) {
		cancel_carry_out(sp, s, m, at_once, false);
		return;
	} else if (!(k->end == END_OWN && k->res <= 0) && thing_known(sp, s, m) && thing_quiet(sp, s, m) &&
		   !thing_closed(sp, k->obj, q->fd.end) && tries(sp, m)) {
		if (!thing_ready(sp, s, m))
			s->mask[m] = may_not_wait(sp, m) ? ST_READY | ST_ARMED : ST_ARMED;
		else if (p->thing[k->obj].kind == OBJ_PIPE &&
			 thing_closed(sp, k->obj, q->fd.end == END_OUT ? END_IN : END_OUT))
			s->mask[m] = ST_READY;
		else
			s->mask[m] = own && thing_move(sp, s, m) ? at_once : 0;
	} else {
		s->mask[m] = ST_READY;
	}
	if (s->mask[m])
		sp->emit(sp, s);
}

static void act_chain(struct spec *sp, struct state *s, unsigned int m)
{
	const struct plan *p = sp->p;
	bool loose = false;

	for (unsigned int k = m; k <= p->member[m].last; k++)
		loose |= p->member[k].end == END_UNSEEN && (p->limit == NO_EVENT || p->member[k].silent);
	for (unsigned int k = m; k <= p->member[m].last; k++) {
		const struct member *c = &p->member[k];

		s->mask[k] = c->refused ? ST_ENDED : loose ? ST_LOOSE : ST_HELD;
		if (loose && c->obj != NOBODY)
			s->thing[c->obj] = VAGUE;
	}
	if (loose || p->member[m].refused)
		sp->emit(sp, s);
	else
		issue(sp, s, m);
}

/* Nothing is known any more of those in flight for which gone() is true, nor of what they may still move. */
static void act_gone(struct spec *sp, struct state *s, const struct act *a)
{
	for (unsigned int k = 0; k < sp->p->nr; k++) {
		const struct member *c = &sp->p->member[k];
		unsigned int whose = a->kind == ACT_EXIT ? c->task : c->ring;

		if ((a->m != NOBODY && whose != a->m) || s->mask[k] == ST_IDLE || !(s->mask[k] & ~ST_POSTED))
			continue;
		s->mask[k] = ST_LOOSE;
		if (c->obj != NOBODY)
			s->thing[c->obj] = VAGUE;
	}
	sp->emit(sp, s);
}

static void act_return(struct spec *sp, struct state *s, const struct act *a)
{
	for (unsigned int k = 0; k < sp->p->nr; k++) {
		const struct member *c = &sp->p->member[k];

		if (c->req < a->value || c->begin > a->event || c->ring != a->m || (s->mask[k] & (ST_IDLE | ST_LOOSE)))
			continue;
		if (c->end == END_UNSEEN) { /* seen later, or never: no reproach */
			if (s->mask[k] & ST_DONEI)
				s->mask[k] |= ST_DONE;
			s->mask[k] &= (uint16_t)~ST_DONEI;
		} else {
			s->mask[k] &= (uint16_t)~ST_DONEI;
		}
		if (!s->mask[k])
			return;
	}
	sp->emit(sp, s);
}

/* What a direct read takes of a known thing, or nothing. */
static uint64_t read_takes(const struct spec *sp, const struct act *a, uint64_t n)
{
	const struct thing *t = &sp->p->thing[a->m];
	uint64_t len = sp->p->f->s->steps[sp->p->f->rec->ev[a->event].step].len;

	if (t->kind == OBJ_PIPE)
		return n < len ? n : len;
	return t->semaphore && n ? 1 : n;
}

static void act_direct(struct spec *sp, struct state *s, const struct act *a)
{
	const struct thing *t = &sp->p->thing[a->m];
	uint64_t *n = &s->thing[a->m];

	if (*n == VAGUE) {
		sp->emit(sp, s);
	} else if (a->kind == ACT_WRITE) {
		/* An eventfd that is as full as it gets is not writable, not even by nothing. */
		if (a->res > 0 ? !thing_takes(t, *n, a->value) : thing_takes(t, *n, a->value) && *n < UINT64_MAX - 1)
			return;
		if (a->res > 0)
			*n += a->value;
		thing_wake_polls(sp->p, s, a->m);
		sp->emit(sp, s);
	} else {
		if (read_takes(sp, a, *n) != a->value || (a->res == 0 && !thing_closed(sp, a->m, END_IN)))
			return;
		*n -= a->value;
		sp->emit(sp, s);
	}
}

/* May the member stay where it is for ever, when nobody does anything? */
static uint16_t resting(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	/* Somebody in flight may still hold an end that is closed. */
	bool waits = k->obj != NOBODY && (!thing_known(sp, s, m) || !thing_ready(sp, s, m) || thing_peer_closed(sp, m));
	uint16_t rest = ST_IDLE | ST_HELD | ST_DEFER | ST_POSTED | ST_LOOSE | ST_QUEUED;

	if (k->timer || waits)
		rest |= ST_ARMED;
	if (waits || (stream_op_is(k->op, OP_WRITES) && k->obj != NOBODY && thing_known(sp, s, m) &&
		      !thing_takes(&sp->p->thing[k->obj], s->thing[k->obj], k->value)))
		rest |= ST_RUN;
	return rest;
}

static void act_rest(struct spec *sp, struct state *s, const struct act *a)
{
	for (unsigned int m = 0; m < sp->p->nr; m++) {
		const struct member *k = &sp->p->member[m];

		if (k->ring != a->m || k->silent || k->refused || (s->mask[m] & ST_LOOSE))
			continue;
		s->mask[m] &= resting(sp, s, m);
		if (!s->mask[m])
			return;
	}
	sp->emit(sp, s);
}

/* Seen at a tracepoint. What a canceller or the end of its time does to a request shows in the result it has then. */
static void act_stage(struct spec *sp, struct state *s, const struct act *a)
{
	static const uint16_t there[] = {
		[TRACE_QUEUED] = ST_QUEUED,
		[TRACE_WORKER] = ST_WORKER,
		[TRACE_ARMED] = ST_ARMED | ST_READY | ST_RUNS, /* woken or signalled in the act of arming */
		[TRACE_ENDED] = ST_ENDED | ST_FIRED | ST_POSTED,
	};

	if (a->value < sizeof(there) / sizeof(there[0]) && there[a->value] && !sp->p->member[a->m].refused &&
	    !(s->mask[a->m] & (ST_IDLE | ST_LOOSE)))
		s->mask[a->m] &= there[a->value];
	if (s->mask[a->m])
		sp->emit(sp, s);
}

void spec_act(struct spec *sp, const struct state *from, const struct act *a)
{
	struct state s = *from;

	s.how = (uint16_t)(BY_ACT << 8 | (a->m & 0xff));
	s.said = (int16_t)(a - sp->p->act);
	switch ((enum act_kind)a->kind) {
	case ACT_CHAIN:
		act_chain(sp, &s, a->m);
		return;
	case ACT_RETURN:
		act_return(sp, &s, a);
		return;
	case ACT_WRITE:
	case ACT_READ:
		act_direct(sp, &s, a);
		return;
	case ACT_EXIT:
	case ACT_CLOSE_RING:
		act_gone(sp, &s, a);
		return;
	case ACT_REST:
		act_rest(sp, &s, a);
		return;
	case ACT_STAGE:
		act_stage(sp, &s, a);
		return;
	case ACT_EPILOGUE:
		for (unsigned int t = 0; t < sp->p->nr_things; t++)
			s.thing[t] = VAGUE;
		break;
	case ACT_CLOSE:
		break;
	}
	sp->emit(sp, &s);
}

void spec_check(const struct plan *p, const struct state *s)
{
	for (unsigned int m = 0; m < p->nr; m++) {
		const struct member *k = &p->member[m];
		uint16_t mask = s->mask[m];

		ENSURE_OP(mask, !=, 0);
		/* What is not submitted, and what is loose, is nothing else beside. */
		ENSURE(!(mask & (ST_IDLE | ST_LOOSE)) || mask == ST_IDLE || mask == ST_LOOSE);
		/* Nobody holds the head of a chain by a link; nobody but heads is deferred. */
		ENSURE(!(mask & ST_HELD) || k->first != m);
		ENSURE(!(mask & ST_DEFER) || k->drain);
		ENSURE(!(mask & ST_FIRED) || k->op == SOP_TIMEOUT);
	}
	for (unsigned int r = 0; r < STREAM_MAX_RINGS; r++)
		ENSURE_OP(s->pos[r], <=, p->nr_posts[r]);
}
