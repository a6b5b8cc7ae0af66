/* Which cells a record shows, as far as its facts and the judge of states tell. Who cannot tell a state says so: a guess would make two cells of
 * one, and one of two. */
#include "oracle/cells.h"

#include <errno.h>
#include <linux/io_uring.h>

#include "oracle/court.h"

enum { NOBODY = -1 };

/* ---- results ---- */

static enum cell_result error_of(int32_t res)
{
	switch (res) {
	case -ECANCELED:
		return CELL_ECANCELED;
	case -EINTR:
	case -512: /* where the kernel forgets to say -EINTR */
		return CELL_EINTR;
	case -EALREADY:
		return CELL_EALREADY;
	case -ENOENT:
		return CELL_ENOENT;
	case -ETIME:
		return CELL_ETIME;
	default:
		return CELL_ERROR;
	}
}

static enum cell_result result_of(const struct sreq *q, int32_t res)
{
	const uint32_t many = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;

	if (res < 0)
		return error_of(res);
	if (stream_op_is(q->op, OP_TRANSFERS | OP_MOVES))
		return (uint32_t)res == q->len ? CELL_OK : res ? CELL_SHORT : CELL_ZERO;
	if (q->op == SOP_ASYNC_CANCEL && (q->op_flags & many) && res == 0)
		return CELL_ZERO;
	return CELL_OK;
}

static enum cell_result end_of(const struct facts *f, unsigned int r)
{
	return f->req[r].cqe == NO_EVENT ? CELL_NONE : result_of(&f->s->reqs[r], f->req[r].res);
}

/* ---- states ---- */

/* Whose end lets r begin; a linked timeout begins with what it times. */
static int holder_of(const struct facts *f, unsigned int r)
{
	unsigned int first = f->req[r].chain_first;

	if (r > first && f->s->reqs[r].op == SOP_LINK_TIMEOUT)
		r--;
	if (r == first)
		return NOBODY;
	return (int)(r - 1 > first && f->s->reqs[r - 1].op == SOP_LINK_TIMEOUT ? r - 2 : r - 1);
}

/* Of a request that nothing holds back any more and that has not ended. */
static enum cell_state loose_state(const struct facts *f, unsigned int r)
{
	const struct sreq *q = &f->s->reqs[r];

	if (stream_is_async(q))
		return q->op == SOP_LINK_TIMEOUT ? CELL_ARMED : CELL_UNKNOWN;
	switch (q->op) {
	case SOP_TIMEOUT:
	case SOP_LINK_TIMEOUT:
	case SOP_POLL_ADD:
		return CELL_ARMED;
	default:
		if (!stream_op_is(q->op, OP_TRANSFERS) || req_may_be_iowq(f, r) || q->fd.kind != FD_OBJ)
			return CELL_UNKNOWN;
		return CELL_ARMED;
	}
}

/* When the question is: when c came, or (c NULL) at event ev. */
struct moment {
	const struct cancel_fact *c;
	uint32_t ev;
};

static bool posted_by(const struct facts *f, const struct moment *m, unsigned int r)
{
	return m->c ? cancel_too_late(f, m->c, r) : req_ended_before(f, r, m->ev);
}

static bool deferred_by(const struct facts *f, const struct moment *m, unsigned int r)
{
	bool drained = false, unfinished = false;

	for (unsigned int k = f->req[r].chain_last + 1u; k-- > 0;) {
		if (!f->req[k].maybe || f->req[k].ring != f->req[r].ring)
			continue;
		unfinished |= drained && k < f->req[r].chain_first && !posted_by(f, m, k);
		drained |= f->s->reqs[k].sqe_flags & IOSQE_IO_DRAIN;
	}
	return unfinished;
}

static enum cell_state state_by(const struct facts *f, const struct moment *m, unsigned int r)
{
	int holder = holder_of(f, r);

	if (posted_by(f, m, r))
		return CELL_POSTED;
	if (m->c && m->c->req != REC_NO_REQ && f->req[r].begin == m->c->begin && r > m->c->req)
		return CELL_READY; /* submitted behind the cancel, in the same call */
	if (deferred_by(f, m, r))
		return CELL_DEFERRED;
	if (holder != NOBODY && !posted_by(f, m, (unsigned int)holder))
		return CELL_HELD;
	return loose_state(f, r);
}

/* Of what ended by itself: where it stood when that began. */
static enum cell_state state_at_end(const struct facts *f, unsigned int r)
{
	const struct req_fact *rf = &f->req[r];
	bool posted_at_once = rf->cqe != NO_EVENT && rf->end != NO_EVENT &&
			      (int32_t)(f->rec->ev[rf->cqe].head - f->rec->ev[rf->end].tail_after) < 0;

	if (f->s->reqs[r].op == SOP_LINK_TIMEOUT && r > rf->chain_first && end_of(f, r - 1) != CELL_ECANCELED)
		return CELL_ARMED;
	if (end_of(f, r) == CELL_ECANCELED && r > rf->chain_first)
		return CELL_HELD;
	if (posted_at_once && !req_may_be_iowq(f, r))
		return CELL_READY;
	return loose_state(f, r);
}

/* ---- events ---- */

static void add(const struct facts *f, unsigned int r, enum cell_state state, enum cell_event event,
		enum cell_result result, struct cells *out)
{
	out->count[f->s->reqs[r].op][state][event][result]++;
}

/* True if some cancel may have ended it. */
static bool add_cancels(const struct facts *f, const struct told *told, unsigned int r, struct cells *out)
{
	bool met = !req_posted_before_epilogue(f, r);

	for (unsigned int i = 0; i < f->nr_cancels; i++) {
		const struct cancel_fact *c = &f->cancel[i];
		struct moment m = { .c = c };
		const struct sreq *k;
		enum cell_event event;
		enum cell_state state;

		if (c->req == REC_NO_REQ || !cancel_names(f, c, r))
			continue;
		met |= cancel_meets(f, c, r);
		k = &f->s->reqs[c->req];
		event = k->op == SOP_LINK_TIMEOUT   ? CELL_LINK_TIMEOUT :
			k->op == SOP_TIMEOUT_REMOVE ? CELL_TIMEOUT_REMOVE :
						      CELL_CANCEL;
		/* A linked timeout that was cancelled, as a cancel that was, met nobody. */
		if (c->cqe != NO_EVENT && c->res == -ECANCELED)
			continue;
		/* A linked timeout comes when it fires, which is not before what it times is issued. */
		state = told->state[c->req][r];
		if (state == CELL_UNKNOWN)
			state = event == CELL_LINK_TIMEOUT ? loose_state(f, r) : state_by(f, &m, r);
		add(f, r, state, event, c->cqe == NO_EVENT ? CELL_NONE : result_of(k, c->res), out);
	}
	return met;
}

/* The exit of its task or the end of its ring, where that came first. False: neither did. */
static bool add_exit(const struct facts *f, unsigned int r, struct cells *out)
{
	const struct req_fact *rf = &f->req[r];
	uint32_t exit = f->task_exit[rf->task] < f->process_exit ? f->task_exit[rf->task] : f->process_exit;
	uint32_t closed = f->ring[rf->ring].closed_early ? f->ring[rf->ring].closed : NO_EVENT;
	struct moment m = { .ev = exit < closed ? exit : closed };

	if (m.ev == NO_EVENT || m.ev < rf->begin || req_ended_before(f, r, m.ev))
		return false;
	add(f, r, state_by(f, &m, r), m.ev == exit ? CELL_EXIT : CELL_CLOSE, end_of(f, r), out);
	return true;
}

static void add_request(const struct facts *f, const struct told *told, unsigned int r, struct cells *out)
{
	enum cell_result end = end_of(f, r);
	bool met = add_cancels(f, told, r, out);

	if (add_exit(f, r, out) || (end == CELL_NONE && !f->complete))
		return;
	if (met && (end == CELL_ECANCELED || end == CELL_EINTR))
		return;
	add(f, r, state_at_end(f, r), CELL_COMPLETE, end, out);
}

void cells_count(const struct facts *f, const struct told *told, struct cells *out)
{
	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		if (f->req[r].maybe)
			add_request(f, told, r, out);
}

int judge_cells(const struct stream *s, const struct record *rec, enum profile_id profile, struct cells *out)
{
	struct verdict v;
	unsigned int event;
	const char *why;

	return judge_and_count(s, rec, profile, &v, out, &why, &event);
}
