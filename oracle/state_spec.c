/* What may follow from an abstract state: the drawing of state.h as code. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>

#include "core/base/ensure.h"
#include "oracle/state.h"

#define UNFINDABLE (ST_IDLE | ST_HELD | ST_DEFER | ST_READY | ST_FIRED | ST_ENDED | ST_POSTED | ST_LOOSE)
#define LINGERS (ST_WORKER | ST_FIRED | ST_DONEW | ST_POSTW) /* a cancel may say -EALREADY of it */

/* ---- things ---- */

static bool closed(const struct spec *sp, unsigned int t, enum obj_end end)
{
	return sp->interval >= sp->p->closed[t][end];
}

static const struct sreq *sreq_of(const struct spec *sp, unsigned int m)
{
	return &sp->p->f->s->reqs[sp->p->member[m].req];
}

static bool peer_closed(const struct spec *sp, unsigned int m)
{
	unsigned int t = sp->p->member[m].obj;

	return sp->p->thing[t].kind == OBJ_PIPE && closed(sp, t, sreq_of(sp, m)->fd.end == END_OUT ? END_IN : END_OUT);
}

static bool known(const struct spec *sp, const struct state *s, unsigned int m)
{
	unsigned int t = sp->p->member[m].obj;

	return t != NOBODY && s->thing[t] != VAGUE;
}

static bool one_page(const struct spec *sp, unsigned int t)
{
	uint64_t capacity = sp->p->f->s->objs[sp->p->thing[t].obj].init;

	return capacity && capacity <= 4096;
}

/* Can what the member waits for on its thing be there? Known things only. */
static bool is_ready(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct sreq *q = sreq_of(sp, m);
	unsigned int t = sp->p->member[m].obj;
	uint64_t n = s->thing[t];
	bool pipe = sp->p->thing[t].kind == OBJ_PIPE;

	if (peer_closed(sp, m))
		return true;
	switch (q->op) {
	case SOP_READ:
		return n > 0;
	case SOP_WRITE:
		return pipe || n < UINT64_MAX - 1; /* writable, though it need not have room for so much */
	default:
		/* A pipe of one page says POLLOUT only when nothing is in it. */
		if (pipe && q->fd.end == END_IN)
			return (q->op_flags & POLLOUT) && (!n || !one_page(sp, t));
		return ((q->op_flags & POLLIN) && n > 0) || (!pipe && (q->op_flags & POLLOUT) && n < UINT64_MAX - 1);
	}
}

static bool write_fits(const struct thing *t, uint64_t n, uint64_t value)
{
	return t->kind == OBJ_PIPE || (value != UINT64_MAX && n <= UINT64_MAX - 1 - value);
}

/* A write wakes every poll that is armed on the thing, whether anything is left when the poll gets to look. */
static void wake_polls(const struct plan *p, struct state *s, unsigned int t)
{
	for (unsigned int m = 0; m < p->nr; m++)
		if (p->member[m].obj == t && p->member[m].op == SOP_POLL_ADD && (s->mask[m] & ST_ARMED))
			s->mask[m] |= ST_READY;
}

/* What a poll of a known thing can say at this instant. */
static uint32_t poll_mask(const struct spec *sp, const struct state *s, unsigned int m)
{
	unsigned int t = sp->p->member[m].obj;
	uint64_t n = s->thing[t];

	if (sp->p->thing[t].kind == OBJ_PIPE)
		return sreq_of(sp, m)->fd.end == END_IN ? POLLOUT : n ? POLLIN : 0;
	return (n ? POLLIN : 0) | (n < UINT64_MAX - 1 ? POLLOUT : 0);
}

/* The member's transfer on a known thing, as it ended or will end. False: it cannot end so now. */
static bool move(const struct spec *sp, struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	const struct thing *t = &sp->p->thing[k->obj];
	uint64_t *n = &s->thing[k->obj], part;

	switch (k->op) {
	case SOP_READ:
		if (!*n)
			return false;
		part = t->kind == OBJ_PIPE ? (*n < k->len ? *n : k->len) : t->semaphore ? 1 : *n;
		if (k->end == END_OWN && part != (t->kind == OBJ_PIPE ? (uint64_t)k->res : k->value))
			return false;
		*n -= part;
		return true;
	case SOP_WRITE:
		part = t->kind == OBJ_PIPE ? k->len : k->value;
		if (t->kind == OBJ_PIPE && k->end == END_OWN && (uint64_t)k->res != part)
			return false;
		if (!write_fits(t, *n, part))
			return false;
		*n += part;
		wake_polls(sp->p, s, k->obj);
		return true;
	default: /* once woken, it goes by what woke it */
		if (s->mask[m] & ST_READY)
			return true;
		return is_ready(sp, s, m) &&
		       (peer_closed(sp, m) || k->end != END_OWN || !((uint32_t)k->res & ~poll_mask(sp, s, m)));
	}
}

/* Is nobody else about to move bytes of the member's thing? Then what it finds there is certain. */
static bool is_quiet(const struct spec *sp, const struct state *s, unsigned int m)
{
	for (unsigned int k = 0; k < sp->p->nr; k++)
		if (k != m && sp->p->member[k].obj == sp->p->member[m].obj &&
		    (s->mask[k] & (ST_READY | ST_QUEUED | ST_WORKER | ST_LOOSE)))
			return false;
	return true;
}

/* Does the canceller get to search at all, as far as is known? */
static bool searches(const struct member *k)
{
	if (k->op != SOP_ASYNC_CANCEL && k->op != SOP_TIMEOUT_REMOVE)
		return false;
	return k->end == END_UNSEEN || (k->end == END_OWN && (k->res >= 0 || k->res == -ENOENT || k->res == -EALREADY));
}

/* ---- one request alone ---- */

/* Can it end by its own result with nobody else concerned? */
static bool ends_alone(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];

	if (k->end != END_OWN && k->end != END_UNSEEN)
		return false;
	return !k->timer && !searches(k) && !(k->moves && known(sp, s, m));
}

/* Would an attempt that must not block find nothing there, so that a poll is armed? */
static bool may_arm(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];

	return k->arms && (k->timer || k->op == SOP_WRITE || !known(sp, s, m) || !is_ready(sp, s, m) ||
			   peer_closed(sp, m) || /* somebody in flight may hold that end */
			   !is_quiet(sp, s, m)); /* it came and went between two looks */
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

	if (ends_alone(sp, s, m) || (k->many && searches(k)))
		to |= ST_DONEW;
	if (!signalled && may_arm(sp, s, m))
		to |= ST_ARMED;
	if (signalled && (k->end == END_INTR || k->end == END_UNSEEN))
		to |= ST_DONEW;
	if (signalled && (k->end == END_CANCELLED || k->end == END_UNSEEN))
		to |= ST_DONEC;
	return to;
}

static bool cancellable(const struct member *k)
{
	return k->end == END_CANCELLED || k->end == END_UNSEEN || k->pieces;
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
	if (!k->timer && (!known(sp, s, m) || is_ready(sp, s, m)))
		to |= ST_READY;
	return to;
}

/* Every request that a drain puts before this one has posted. */
static bool drained(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct plan *p = sp->p;
	bool own = p->member[m].drains;

	for (unsigned int k = 0; k < p->member[m].first; k++) {
		const struct member *b = &p->member[k];

		if (b->ring != p->member[m].ring || b->silent || b->refused || (s->mask[k] & ST_LOOSE))
			continue;
		if ((own || b->drains) && !(s->mask[k] & (ST_POSTED | (b->post == NO_EVENT ? ST_ENDED : 0))))
			return false;
	}
	return true;
}

static bool selected(const struct plan *p, unsigned int c, unsigned int t)
{
	return p->match[c][t / 64] >> t % 64 & 1;
}

/* Somebody may cancel it at any time now: the epilogue, a canceller that is loose, one in a worker that takes many and
 * comes back for those it has set free itself. */
static bool prey(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct plan *p = sp->p;

	if (sp->interval >= p->reaper)
		return true;
	for (unsigned int c = 0; p->member[m].sought && c < p->nr; c++)
		if ((s->mask[c] & (ST_LOOSE | (p->member[c].many ? ST_WORKER : 0))) && selected(p, c, m))
			return true;
	return false;
}

static uint16_t widen_one(const struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	bool hunted = prey(sp, s, m);
	uint16_t mask = s->mask[m], was;

	do {
		was = mask;
		if (mask & ST_READY)
			mask |= widen_ready(sp, s, m);
		if (mask & ST_QUEUED)
			mask |= ST_RUN;
		if (mask & ST_RUN)
			mask |= widen_worker(sp, s, m, false) | (hunted ? ST_RUNS : 0);
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
		if (hunted && (mask & (ST_QUEUED | ST_ARMED)) && cancellable(k) && k->op != SOP_LINK_TIMEOUT)
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

/* ---- cancels ---- */

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
		if (selected(p, c, t) && (s->mask[t] & ST_RUN))
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
		if (!cancellable(&sp->p->member[t]))
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
		if (taken && cancellable(&sp->p->member[t]))
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
			if (selected(p, c->m, t))
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

static void carry_out(struct spec *sp, const struct state *s, unsigned int m, uint16_t after, bool worker)
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

	if (!searches(k) || k->end != END_OWN || k->res != -ENOENT || k->sought || (s->mask[m] & ST_DONE))
		return false;
	if (!(s->mask[m] & ST_WORKER) && (!(s->mask[m] & ST_READY) || k->async))
		return false;
	for (unsigned int t = 0; t < p->nr; t++)
		if (selected(p, m, t) && (s->mask[t] & ~hidden))
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

/* ---- steps in which requests meet ---- */

static void hidden_cancel(struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];

	if (!searches(k) || (s->mask[m] & ST_DONE))
		return;
	if ((s->mask[m] & ST_READY) && !k->async)
		carry_out(sp, s, m, ST_DONE, false);
	if ((s->mask[m] & ST_WORKER) && !k->many)
		carry_out(sp, s, m, ST_DONEW | ST_DONE, true);
}

static void hidden_move(struct spec *sp, const struct state *from, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	uint16_t mask = from->mask[m], to = 0;
	struct state s = *from;

	if (!k->moves || !known(sp, from, m))
		return;
	if ((mask & ST_READY) && (!k->async || k->op == SOP_POLL_ADD))
		to |= ST_DONE;
	if (mask & ST_WORKER)
		to |= ST_DONEW | ST_DONE;
	if (!to || !move(sp, &s, m))
		return;
	s.mask[m] = to;
	s.how = (uint16_t)(BY_MOVE << 8 | m);
	s.said = 0;
	sp->emit(sp, &s);
}

static void hidden_fire(struct spec *sp, const struct state *s, unsigned int m)
{
	const struct member *k = &sp->p->member[m];
	struct cancel c = { .m = m, .after = ST_DONE, .alone = true, .expires = true };

	if (k->op != SOP_LINK_TIMEOUT || k->target == NOBODY || !k->fires || !(s->mask[m] & ST_ARMED))
		return;
	if (k->end == END_OWN || k->end == END_UNSEEN)
		cancel_all_ways(sp, s, &c);
}

void spec_hidden(struct spec *sp, const struct state *s)
{
	for (unsigned int m = 0; m < sp->p->nr; m++) {
		const struct member *k = &sp->p->member[m];

		if (s->mask[m] & ST_LOOSE)
			continue;
		hidden_cancel(sp, s, m);
		hidden_move(sp, s, m);
		hidden_fire(sp, s, m);
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
		if (!(s->mask[k] & ST_HELD) || (!cancellable(&p->member[k]) && !p->member[k].silent))
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
	if (p->member[m].end == END_CANCELLED && p->member[m].may_iowq && cancellable(&p->member[n]))
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
	if (cancellable(&p->member[lt]))
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
	} else if (searches(k)) {
		carry_out(sp, s, m, at_once, false);
		return;
	} else if (!(k->end == END_OWN && k->res <= 0) && known(sp, s, m) && is_quiet(sp, s, m) &&
		   !closed(sp, k->obj, q->fd.end) && !(p->thing[k->obj].kind == OBJ_EVENTFD && k->op == SOP_WRITE)) {
		if (!is_ready(sp, s, m))
			s->mask[m] = may_not_wait(sp, m) ? ST_READY | ST_ARMED : ST_ARMED;
		else if (p->thing[k->obj].kind == OBJ_PIPE &&
			 closed(sp, k->obj, q->fd.end == END_OUT ? END_IN : END_OUT))
			s->mask[m] = ST_READY;
		else
			s->mask[m] = own && move(sp, s, m) ? at_once : 0;
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
		if (a->res > 0 ? !write_fits(t, *n, a->value) : write_fits(t, *n, a->value) && *n < UINT64_MAX - 1)
			return;
		if (a->res > 0)
			*n += a->value;
		wake_polls(sp->p, s, a->m);
		sp->emit(sp, s);
	} else {
		if (read_takes(sp, a, *n) != a->value || (a->res == 0 && !closed(sp, a->m, END_IN)))
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
	bool waits = k->obj != NOBODY && (!known(sp, s, m) || !is_ready(sp, s, m) || peer_closed(sp, m));
	uint16_t rest = ST_IDLE | ST_HELD | ST_DEFER | ST_POSTED | ST_LOOSE | ST_QUEUED;

	if (k->timer || waits)
		rest |= ST_ARMED;
	if (waits || (k->op == SOP_WRITE && k->obj != NOBODY && known(sp, s, m) &&
		      !write_fits(&sp->p->thing[k->obj], s->thing[k->obj], k->value)))
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
