/* What the state-set judge needs of one group: its requests, what happened to it in which order, and when each of its
 * completions can have been posted. */
#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>

#include "core/base/uapi.h"
#include "oracle/state.h"
#include "stream/groups.h"

#define LINKS (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)
#define CRISP_BYTES 4096 /* so much fits into any pipe, however it was written */

/* ---- time ---- */

/* The requests of a ring in the order of their posts. */
struct order {
	unsigned int nr;
	uint8_t req[STREAM_MAX_REQS];
	uint32_t head[STREAM_MAX_REQS];
	unsigned int lo, hi; /* how many had been posted at the last look of each kind */
};

static void look_lo(struct order *o, struct times *t, uint32_t tail, uint32_t at)
{
	for (unsigned int i = 0; i < o->nr; i++)
		if ((int32_t)(o->head[i] - tail) >= 0)
			t->lo[o->req[i]] = at;
}

static void look_hi(struct order *o, struct times *t, uint32_t tail, uint32_t at)
{
	for (; o->hi < o->nr && (int32_t)(o->head[o->hi] - tail) < 0; o->hi++)
		if (t->hi[o->req[o->hi]] > at)
			t->hi[o->req[o->hi]] = at;
}

static bool looked(const struct rec_event *e)
{
	return e->ring < STREAM_MAX_RINGS && e->res != -EBADFD && e->res != -ESRCH;
}

static void look(const struct facts *f, uint32_t ev, struct order *orders, struct times *t)
{
	const struct rec_event *e = &f->rec->ev[ev];
	const struct step *st = &f->s->steps[e->step];
	uint32_t begin = f->step_begin[e->step];

	if (!looked(e) || st->kind > STEP_PEEK)
		return;
	look_lo(&orders[e->ring], t, e->tail_before, 4 * begin);
	look_hi(&orders[e->ring], t, e->tail_before, 4 * begin);
	if (st->kind != STEP_WAIT)
		look_lo(&orders[e->ring], t, e->tail_after, 4 * ev + 1);
	look_hi(&orders[e->ring], t, e->tail_after, 4 * ev);
}

/* A CQE for another ring, which may be full. */
static void note_message(const struct facts *f, const struct sreq *q, int32_t *owed, struct times *t)
{
	if (!stream_sends(q) || q->to == STREAM_NONE)
		return;
	if (++owed[q->to] > (int32_t)f->ring[q->to].cq_entries)
		t->overflows[q->to] = true;
}

/* Can a CQE have gone to the overflow list? It is made there in its order, but seen later. */
static void note_room(const struct facts *f, const struct rec_event *e, int32_t *owed, struct times *t)
{
	if (e->kind == REC_CQE)
		owed[e->ring]--;
	if (e->kind == REC_END && e->step != REC_NO_STEP && f->s->steps[e->step].kind == STEP_TELL && e->res == 0 &&
	    ++owed[e->ring] > (int32_t)f->ring[e->ring].cq_entries)
		t->overflows[e->ring] = true;
	if (e->kind != REC_END || e->step == REC_NO_STEP || f->s->steps[e->step].kind != STEP_SUBMIT || e->res <= 0 ||
	    e->ring >= STREAM_MAX_RINGS)
		return;
	owed[e->ring] += (int32_t)e->res;
	for (unsigned int i = 0; i < f->s->steps[e->step].nr_reqs; i++)
		note_message(f, &f->s->reqs[f->s->steps[e->step].first_req + i], owed, t);
	if (owed[e->ring] > (int32_t)f->ring[e->ring].cq_entries)
		t->overflows[e->ring] = true;
}

void times_tell(struct times *t, const struct facts *f, uint32_t limit)
{
	struct order orders[STREAM_MAX_RINGS];
	int32_t owed[STREAM_MAX_RINGS] = { 0 };

	memset(t, 0, sizeof(*t));
	for (unsigned int i = 0; i < STREAM_MAX_RINGS; i++)
		orders[i].nr = orders[i].hi = 0;
	for (uint32_t ev = 0; ev < f->rec->nr && ev < limit; ev++) {
		const struct rec_event *e = &f->rec->ev[ev];
		struct order *o;

		if (e->kind != REC_CQE || e->req == REC_NO_REQ || f->req[e->req].cqe != ev)
			continue;
		o = &orders[e->ring];
		o->req[o->nr] = (uint8_t)e->req;
		o->head[o->nr++] = e->head;
		t->lo[e->req] = 4 * f->req[e->req].begin;
		t->hi[e->req] = 4 * ev;
	}
	for (uint32_t ev = 0; ev < f->rec->nr; ev++) {
		const struct rec_event *e = &f->rec->ev[ev];

		note_room(f, e, owed, t);
		if (e->kind == REC_END && e->step != REC_NO_STEP)
			look(f, ev, orders, t);
	}
	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		if (t->overflows[f->req[r].ring] && f->req[r].cqe != NO_EVENT)
			t->lo[r] = 4 * f->req[r].begin;
}

/* ---- things ---- */

static unsigned int thing_of(struct plan *p, unsigned int obj)
{
	unsigned int i = 0;

	while (i < p->nr_things && p->thing[i].obj != obj)
		i++;
	if (i == p->nr_things)
		p->thing[p->nr_things++] = (struct thing){ .obj = (uint8_t)obj, .kind = p->f->s->objs[obj].kind };
	return i;
}

/* Where nobody looks at what is there, it is not told either: that costs states. */
static bool is_crisp(const struct plan *p, const struct thing *t)
{
	const struct stream *s = p->f->s;
	uint64_t bytes = 0;
	bool seen = false;

	if (t->kind >= OBJ_FILE || stream_is_vague(p->f->s, t->obj))
		return false;
	for (unsigned int m = 0; m < p->nr; m++) {
		const struct sreq *q = &s->reqs[p->member[m].req];

		if (p->member[m].obj == NOBODY || !fd_of_obj(&q->fd, t->obj))
			continue;
		seen |= !stream_op_is(q->op, OP_WRITES);
		if (q->op == SOP_POLL_ADD)
			continue;
		if (!q->len)
			return false;
		if (stream_op_is(q->op, OP_WRITES))
			bytes += q->len;
	}
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		if (!fd_of_obj(&s->steps[i].fd, t->obj))
			continue;
		seen |= s->steps[i].kind == STEP_READ || (s->steps[i].kind == STEP_WRITE && t->kind == OBJ_EVENTFD);
		if (s->steps[i].kind == STEP_WRITE)
			bytes += s->steps[i].len;
	}
	return seen && (t->kind == OBJ_EVENTFD || bytes <= CRISP_BYTES);
}

/* ---- members ---- */

static enum end_kind end_of(const struct plan *p, unsigned int r)
{
	const struct req_fact *rf = &p->f->req[r];

	if (rf->cqe == NO_EVENT || rf->cqe >= p->limit)
		return END_UNSEEN;
	if (rf->res == -ECANCELED)
		return END_CANCELLED;
	return rf->res == -EINTR || rf->res == -512 ? END_INTR : END_OWN;
}

static bool may_fire(const struct sreq *q)
{
	return q->ts < STREAM_NEVER_NS;
}

/* A cut transfer: what a cancel leaves of one that a worker makes in pieces. */
static bool in_pieces(const struct facts *f, unsigned int r)
{
	const struct sreq *q = &f->s->reqs[r];

	return stream_op_is(q->op, OP_TRANSFERS) && f->req[r].res > 0 && (uint32_t)f->req[r].res < q->len &&
	       req_may_be_iowq(f, r);
}

static void add_member(struct plan *p, unsigned int r)
{
	const struct facts *f = p->f;
	const struct req_fact *rf = &f->req[r];
	const struct sreq *q = &f->s->reqs[r];
	struct member *m = &p->member[p->nr];
	bool timer = q->op == SOP_TIMEOUT || q->op == SOP_LINK_TIMEOUT;

	*m = (struct member){ .req = (uint8_t)r,
			      .op = q->op,
			      .ring = rf->ring,
			      .task = rf->task,
			      .obj = NOBODY,
			      .next = NOBODY,
			      .lt = NOBODY,
			      .target = NOBODY,
			      .async = stream_is_async(q),
			      .hard = q->sqe_flags & IOSQE_IO_HARDLINK,
			      .may_iowq = req_may_be_iowq_undrained(f, r) ||
					  (q->fd.kind == FD_OBJ && (f->profile == PROFILE_6_1 || req_contended(f, r))),
			      .refused = rf->chain_failed || rf->chain_unknown,
			      .timer = timer,
			      .fires = timer && may_fire(q),
			      .arms = stream_op_is(q->op, OP_TRANSFERS) || q->op == SOP_POLL_ADD ||
				      q->op == SOP_TIMEOUT,
			      .many = q->op == SOP_ASYNC_CANCEL &&
				      (q->op_flags & (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY)),
			      .shallow = q->op == SOP_TIMEOUT_REMOVE || (q->op_flags & IORING_ASYNC_CANCEL_FD),
			      .end = end_of(p, r),
			      .res = rf->res,
			      .len = q->len,
			      .value = stream_op_is(q->op, OP_READS) ? rf->got : q->value,
			      .post = NO_EVENT,
			      .begin = rf->begin };
	m->silent = m->end == END_UNSEEN && rf->cqe == NO_EVENT && req_may_be_silent(f, r);
	m->severs = m->end != END_UNSEEN && !m->hard && req_fails(f, r, rf->res);
	m->pieces = m->end == END_OWN && in_pieces(f, r);
	if (stream_op_is(q->op, OP_TRANSFERS) || q->op == SOP_POLL_ADD)
		if (q->fd.kind == FD_OBJ)
			m->obj = (uint8_t)thing_of(p, q->fd.obj);
	if (stream_op_is(q->op, OP_MOVES) && q->fd.kind == FD_OBJ && q->in.kind == FD_OBJ)
		m->obj = (uint8_t)thing_of(p, q->fd.obj);
	if (q->op == SOP_OPENAT && q->fd.kind == FD_OBJ)
		m->obj = (uint8_t)thing_of(p, q->fd.obj);
	p->member_of[r] = (uint8_t)p->nr++;
}

/* Chains, linked timeouts and their targets, and what a drain may hold. Members are in the order of submission, so a
 * chain's stand together. */
static void tie_members(struct plan *p)
{
	bool drained[STREAM_MAX_RINGS] = { false };

	for (unsigned int i = 0; i < p->nr; i++) {
		struct member *m = &p->member[i];
		const struct req_fact *rf = &p->f->req[m->req];

		m->first = p->member_of[rf->chain_first];
		m->last = p->member_of[rf->chain_last];
		if (m->op == SOP_LINK_TIMEOUT && i > m->first && !m->refused) {
			m->target = (uint8_t)(i - 1);
			p->member[i - 1].lt = (uint8_t)i;
		}
		for (unsigned int k = i + 1; k <= m->last && m->next == NOBODY; k++)
			if (p->member[k].op != SOP_LINK_TIMEOUT)
				m->next = (uint8_t)k;
		for (unsigned int k = m->first; k <= m->last; k++)
			m->drains |= !!(p->f->s->reqs[p->member[k].req].sqe_flags & IOSQE_IO_DRAIN);
		m->drain = drained[m->ring] |= m->drains;
		m->may_iowq |= m->drain;
		m->moves = m->obj != NOBODY && p->thing[m->obj].crisp && !m->refused &&
			   (m->end == END_UNSEEN || (m->end == END_OWN && m->res > 0));
	}
}

static void match_cancels(struct plan *p)
{
	for (unsigned int i = 0; i < p->nr; i++) {
		struct member *m = &p->member[i];
		struct cancel_fact k = { .req = m->req, .ring = m->ring };

		m->nr_match = 0;
		p->hunts |= m->many;
		memset(p->match[i], 0, sizeof(p->match[i]));
		if (m->op != SOP_ASYNC_CANCEL && m->op != SOP_TIMEOUT_REMOVE)
			continue;
		for (unsigned int t = 0; t < p->nr; t++) {
			if (p->member[t].ring != m->ring || p->member[t].op == SOP_LINK_TIMEOUT ||
			    !cancel_selects(p->f, &k, p->member[t].req))
				continue;
			if (t == i) {
				m->self = true;
				continue;
			}
			p->match[i][t / 64] |= 1ull << t % 64;
			m->moving |= p->member[t].async || p->member[t].may_iowq;
			p->member[t].sought = true;
			m->nr_match++;
		}
	}
}

/* ---- acts and posts ---- */

struct act *plan_act(struct plan *p, enum act_kind kind, unsigned int m, uint32_t event, unsigned int sub)
{
	struct act *a = &p->act[p->nr_acts];

	if (p->nr_acts == PLAN_MAX_ACTS) {
		p->too_long = true;
		return a - 1;
	}
	p->nr_acts++;
	*a = (struct act){ .kind = (uint8_t)kind, .m = (uint8_t)m, .event = event, .at = 4ull * event + sub };
	return a;
}

static unsigned int known_thing(const struct plan *p, const struct fdref *fd)
{
	for (unsigned int i = 0; fd->kind == FD_OBJ && i < p->nr_things; i++)
		if (p->thing[i].obj == fd->obj)
			return i;
	return NOBODY;
}

/* A direct read or write, or the closing of an end. */
static void add_direct(struct plan *p, const struct step *st, unsigned int step, uint32_t ev)
{
	unsigned int t = known_thing(p, &st->fd);
	uint32_t end = p->f->step_end[step];
	const struct rec_event *e = &p->f->rec->ev[end == NO_EVENT ? ev : end];
	struct act *a;

	if (t == NOBODY || end == NO_EVENT)
		return;
	if (st->kind == STEP_CLOSE) {
		plan_act(p, ACT_CLOSE, t, ev, 2)->value = st->fd.end;
		return;
	}
	if (e->res < 0 && e->res != -EAGAIN)
		return;
	if (st->kind == STEP_WRITE ? p->thing[t].kind == OBJ_PIPE && e->res <= 0 :
				     p->thing[t].kind == OBJ_PIPE && !st->len)
		return;
	a = plan_act(p, st->kind == STEP_WRITE ? ACT_WRITE : ACT_READ, t, ev, 2);
	a->res = (int32_t)e->res;
	a->value = e->res > 0 ? (uint64_t)e->res : 0;
	if (p->thing[t].kind != OBJ_EVENTFD || (e->res <= 0 && st->kind == STEP_READ))
		return;
	if (st->kind == STEP_WRITE)
		a->value = st->value;
	else
		for (uint32_t i = end + 1; i < p->f->rec->nr && p->f->rec->ev[i].kind == REC_DATA; i++)
			a->value = p->f->rec->ev[i].a;
}

static void add_submit(struct plan *p, const struct step *st, uint32_t ev, bool returned)
{
	bool any = false;

	for (unsigned int r = st->first_req; r < (unsigned int)st->first_req + st->nr_reqs; r++) {
		unsigned int m = p->member_of[r];

		if (m == NOBODY || (!returned && p->member[m].first != m))
			continue;
		if (!returned && !trace_tells_submit(p, m))
			plan_act(p, ACT_CHAIN, m, ev, 2);
		any |= !p->member[m].async;
	}
	if (any && returned)
		plan_act(p, ACT_RETURN, st->ring, ev, 0)->value = st->first_req;
}

static void add_step(struct plan *p, uint32_t ev)
{
	const struct rec_event *e = &p->f->rec->ev[ev];
	const struct step *st = &p->f->s->steps[e->step];

	if (st->kind == STEP_SUBMIT)
		add_submit(p, st, ev, e->kind == REC_END);
	if (e->kind == REC_END)
		return;
	if (st->kind == STEP_WRITE || st->kind == STEP_READ || st->kind == STEP_CLOSE)
		add_direct(p, st, e->step, ev);
	else if (st->kind == STEP_CLOSE_RING)
		plan_act(p, ACT_CLOSE_RING, st->ring, ev, 2);
	else if (st->kind == STEP_EXIT_THREAD)
		plan_act(p, ACT_EXIT, st->task, ev, 2);
	else if (st->kind == STEP_EXIT_PROCESS)
		plan_act(p, ACT_EXIT, NOBODY, ev, 2);
}

static void add_acts(struct plan *p)
{
	const struct facts *f = p->f;

	for (uint32_t ev = 0; ev < f->rec->nr && ev < p->limit; ev++) {
		const struct rec_event *e = &f->rec->ev[ev];

		if ((e->kind == REC_BEGIN || e->kind == REC_END) && e->step != REC_NO_STEP)
			add_step(p, ev);
		else if (e->kind == REC_TRACE && e->req < f->s->nr_reqs)
			trace_add(p, ev);
		else if (ev == f->epilogue)
			plan_act(p, ACT_EPILOGUE, 0, ev, 0);
		else if (e->kind == REC_BOUND && f->exact && e->flags == PHASE_SETTLE && e->step == REC_NO_STEP &&
			 e->ring < STREAM_MAX_RINGS)
			plan_act(p, ACT_REST, e->ring, ev, 0);
	}
}

/* From which interval on an end is closed, and the epilogue cancels. */
static void note_places(struct plan *p)
{
	for (unsigned int i = 0; i < p->nr_acts; i++) {
		const struct act *a = &p->act[i];

		if (a->kind == ACT_EPILOGUE)
			p->reaper = (uint16_t)(i + 1);
		if (a->kind == ACT_CLOSE && p->closed[a->m][a->value] == UINT16_MAX)
			p->closed[a->m][a->value] = (uint16_t)(i + 1);
	}
}

static unsigned int acts_before(const struct plan *p, uint64_t at)
{
	unsigned int n = 0;

	while (n < p->nr_acts && p->act[n].at < at)
		n++;
	return n;
}

static void add_posts(struct plan *p, const struct times *t)
{
	const struct facts *f = p->f;

	for (uint32_t ev = 0; ev < f->rec->nr && ev < p->limit; ev++) {
		const struct rec_event *e = &f->rec->ev[ev];
		struct post *post;
		unsigned int m;

		if (e->kind != REC_CQE || e->req == REC_NO_REQ || f->req[e->req].cqe != ev)
			continue;
		m = p->member_of[e->req];
		if (m == NOBODY || p->nr_posts[e->ring] == STREAM_MAX_REQS)
			continue;
		p->member[m].post = p->nr_posts[e->ring];
		post = &p->post[e->ring][p->nr_posts[e->ring]++];
		*post = (struct post){ .m = (uint8_t)m,
				       .lo = (uint16_t)acts_before(p, t->lo[e->req]),
				       .hi = (uint16_t)acts_before(p, t->hi[e->req]),
				       .event = ev };
	}
}

/* Is there anything to ask that the other laws have not answered? */
static bool is_coupled(const struct plan *p)
{
	if (p->nr > 1)
		return true;
	return p->nr == 1 && p->member[0].obj != NOBODY && p->thing[p->member[0].obj].kind != OBJ_FILE;
}

void plan_make(struct plan *p, const struct facts *f, const struct times *t, const uint8_t *group_of,
	       unsigned int group, uint32_t limit)
{
	p->f = f;
	p->limit = limit;
	p->nr = p->nr_acts = p->nr_things = 0;
	p->reaper = UINT16_MAX;
	p->too_long = p->hunts = false;
	p->traced = f->traced;
	memset(p->nr_posts, 0, sizeof(p->nr_posts));
	memset(p->member_of, NOBODY, sizeof(p->member_of));
	memset(p->closed, 0xff, sizeof(p->closed));
	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		if (group_of[r] == group && f->req[r].maybe)
			add_member(p, r);
	p->coupled = is_coupled(p);
	if (!p->coupled)
		return;
	for (unsigned int i = 0; i < p->nr_things; i++) {
		p->thing[i].crisp = is_crisp(p, &p->thing[i]);
		p->thing[i].semaphore = f->s->objs[p->thing[i].obj].flags & OBJ_SEMAPHORE;
	}
	tie_members(p);
	for (unsigned int i = 0; i < p->nr; i++)
		p->member[i].overflows = t->overflows[p->member[i].ring];
	match_cancels(p);
	add_acts(p);
	if (p->traced)
		trace_settle(p);
	note_places(p);
	add_posts(p, t);
}
