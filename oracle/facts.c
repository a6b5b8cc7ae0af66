#include "oracle/facts.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>
#define LINKS (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)
#define KNOWN_CANCEL                                                                                                   \
	(IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_FD_FIXED |   \
	 IORING_ASYNC_CANCEL_USERDATA | IORING_ASYNC_CANCEL_OP)

/* ---- preparation: which SQEs fail before anything of them runs ---- */

static int prep_timeout(const struct sreq *q)
{
	if ((q->op_flags & ~(uint32_t)(IORING_TIMEOUT_ABS | IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME |
				       IORING_TIMEOUT_ETIME_SUCCESS)) != 0)
		return PREP_UNKNOWN;
	if ((q->op_flags & IORING_TIMEOUT_BOOTTIME) && (q->op_flags & IORING_TIMEOUT_REALTIME))
		return -EINVAL;
	return 0;
}

static int prep_cancel(const struct sreq *q)
{
	if (q->op_flags & ~(uint32_t)KNOWN_CANCEL)
		return PREP_UNKNOWN;
	if ((q->op_flags & IORING_ASYNC_CANCEL_ANY) &&
	    (q->op_flags & (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP)))
		return -EINVAL;
	return 0;
}

static bool flags_refused(const struct sreq *q)
{
	return (q->sqe_flags & IOSQE_BUFFER_SELECT) && !stream_op_is(q->op, OP_READS);
}

/* The error preparation gives to SQE i; `open` is the request before it in an open chain, or -1. */
static int prep_of(const struct stream *s, unsigned int i, int open, bool skip_seen)
{
	const struct sreq *q = &s->reqs[i];

	if (q->sqe_flags & IOSQE_BUFFER_SELECT)
		return flags_refused(q) ? -EOPNOTSUPP : PREP_UNKNOWN;
	if ((q->sqe_flags & IOSQE_IO_DRAIN) && (skip_seen || (q->sqe_flags & IOSQE_CQE_SKIP_SUCCESS)))
		return -EOPNOTSUPP;
	switch (q->op) {
	case SOP_TIMEOUT:
		return prep_timeout(q);
	case SOP_LINK_TIMEOUT:
		if (prep_timeout(q))
			return prep_timeout(q);
		return open < 0 || s->reqs[open].op == SOP_LINK_TIMEOUT ? -EINVAL : 0;
	case SOP_ASYNC_CANCEL:
		return prep_cancel(q);
	case SOP_TIMEOUT_REMOVE:
		return q->op_flags ? PREP_UNKNOWN : 0;
	case SOP_STATX:
		return q->sqe_flags & IOSQE_FIXED_FILE ? -EBADF : 0;
	default:
		return 0;
	}
}

/* Cuts the consumed part of a step into chains. */
static void cut_chains(struct facts *f, const struct step *st, unsigned int nr)
{
	unsigned int head = st->first_req;

	for (unsigned int i = st->first_req; i < st->first_req + nr; i++) {
		bool goes_on = (f->s->reqs[i].sqe_flags & LINKS) && i + 1 < st->first_req + nr;

		if (goes_on)
			continue;
		for (unsigned int k = head; k <= i; k++) {
			f->req[k].chain_first = (uint8_t)head;
			f->req[k].chain_last = (uint8_t)i;
		}
		head = i + 1;
	}
}

/* An opcode that came after the kernel is refused before anything else is looked at. */
static bool op_unknown(const struct facts *f, unsigned int i)
{
	return f->profile == PROFILE_6_1 && f->s->reqs[i].op == SOP_FTRUNCATE; /* 6.9 */
}

static void note_preps(struct facts *f, const struct step *st, unsigned int nr)
{
	struct ring_fact *rf = &f->ring[st->ring];
	int open = -1;

	for (unsigned int i = st->first_req; i < st->first_req + nr; i++) {
		uint8_t flags = f->s->reqs[i].sqe_flags;

		f->req[i].prep = op_unknown(f, i) ? -EINVAL : prep_of(f->s, i, open, rf->skips);
		/* A flag that no operation knows, or not this one, is refused before the others are looked at. */
		if ((flags & IOSQE_CQE_SKIP_SUCCESS) && !flags_refused(&f->s->reqs[i]) && !op_unknown(f, i))
			rf->skips = true;
		if (flags & IOSQE_IO_DRAIN)
			rf->drains = true;
		open = flags & LINKS ? (int)i : -1;
	}
	for (unsigned int i = st->first_req; i < st->first_req + nr; i++)
		for (unsigned int k = f->req[i].chain_first; k <= f->req[i].chain_last; k++) {
			f->req[i].chain_failed |= f->req[k].prep < 0;
			f->req[i].chain_unknown |= f->req[k].prep == PREP_UNKNOWN;
		}
}

/* ---- one pass over the events ---- */

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

static int note_submit(struct facts *f, unsigned int step, uint32_t ev)
{
	const struct rec_event *e = &f->rec->ev[ev];
	const struct step *st = &f->s->steps[step];
	unsigned int nr = 0;

	if (e->kind == REC_BEGIN) {
		nr = st->nr_reqs;
		for (unsigned int i = 0; i < nr; i++)
			f->req[st->first_req + i].maybe = true;
	} else {
		nr = e->res < 0 ? 0 : e->res > st->nr_reqs ? st->nr_reqs : (unsigned int)e->res;
		for (unsigned int i = 0; i < st->nr_reqs; i++) {
			f->req[st->first_req + i].end = ev;
			f->req[st->first_req + i].consumed = i < nr;
			f->req[st->first_req + i].maybe = i < nr;
		}
	}
	cut_chains(f, st, nr);
	if (e->kind == REC_END)
		note_preps(f, st, nr);
	return 0;
}

static void note_exit(struct facts *f, const struct step *st, uint32_t ev)
{
	if (st->kind == STEP_EXIT_THREAD)
		f->task_exit[st->task] = ev;
	if (st->kind == STEP_EXIT_PROCESS) {
		f->process_exit = ev;
		for (unsigned int i = 0; i < f->s->nr_rings; i++)
			if (f->ring[i].closed == NO_EVENT) {
				f->ring[i].closed = ev;
				f->ring[i].closed_early = true;
			}
	}
}

static bool uses_ring(uint8_t kind)
{
	return kind == STEP_SUBMIT || kind == STEP_WAIT || kind == STEP_REAP || kind == STEP_PEEK;
}

static bool keeps_order(uint8_t kind)
{
	return uses_ring(kind) || stream_step_registers(kind);
}

/* Each step is run by its task and on its ring; the steps of one task, and those on one ring, in the order of the stream. */
static int check_step(const struct facts *f, const struct rec_event *e, const char **why)
{
	const struct step *st = &f->s->steps[e->step];

	if (e->task != st->task)
		return refuse(why, "a step by another task than the stream says");
	if (keeps_order(st->kind) && e->ring != st->ring)
		return refuse(why, "a step on another ring than the stream says");
	for (unsigned int i = e->step + 1u; e->kind == REC_BEGIN && i < f->s->nr_steps; i++)
		if (f->step_begin[i] != NO_EVENT &&
		    (f->s->steps[i].task == st->task ||
		     (keeps_order(st->kind) && keeps_order(f->s->steps[i].kind) && f->s->steps[i].ring == st->ring)))
			return refuse(why, "a step begins after one that stands behind it");
	return 0;
}

static int note_step(struct facts *f, uint32_t ev, const char **why)
{
	const struct rec_event *e = &f->rec->ev[ev];
	const struct step *st;

	if (e->step == REC_NO_STEP)
		return 0;
	st = &f->s->steps[e->step];
	if (check_step(f, e, why))
		return -EINVAL;
	if (e->kind == REC_BEGIN) {
		if (f->step_begin[e->step] != NO_EVENT)
			return refuse(why, "a step begins twice");
		f->step_begin[e->step] = ev;
		for (unsigned int i = 0; st->kind == STEP_SUBMIT && i < st->nr_reqs; i++) {
			f->req[st->first_req + i].begin = ev;
			f->req[st->first_req + i].ring = st->ring;
			f->req[st->first_req + i].task = st->task;
			f->req[st->first_req + i].step = (uint8_t)e->step;
		}
		note_exit(f, st, ev);
		if (st->kind == STEP_CLOSE_RING && f->ring[st->ring].closed == NO_EVENT) {
			f->ring[st->ring].closed = ev;
			f->ring[st->ring].closed_early = true;
		}
	} else {
		if (f->step_begin[e->step] == NO_EVENT || f->step_end[e->step] != NO_EVENT)
			return refuse(why, "a step ends that has not begun, or ends twice");
		f->step_end[e->step] = ev;
	}
	if (f->epilogue == NO_EVENT && e->kind == REC_END && uses_ring(st->kind))
		f->ring[st->ring].tail = e->tail_after;
	return st->kind == STEP_SUBMIT ? note_submit(f, e->step, ev) : 0;
}

static int note_cqe(struct facts *f, uint32_t ev, const char **why)
{
	const struct rec_event *e = &f->rec->ev[ev];
	struct req_fact *rf;

	if ((e->a & ~0xffffffffull) == REC_UD_CANCEL && f->nr_cancels < MAX_CANCELS)
		f->cancel[f->nr_cancels++] = (struct cancel_fact){ .req = REC_NO_REQ,
								   .ring = e->ring,
								   .begin = f->epilogue,
								   .end = NO_EVENT,
								   .cqe = ev,
								   .res = (int32_t)e->res };
	if (e->req == REC_NO_REQ)
		return 0;
	if (e->a != stream_user_data(e->req))
		return refuse(why, "a CQE's user_data is not that of its request");
	rf = &f->req[e->req];
	if (!rf->nr_cqes++) {
		rf->cqe = ev;
		rf->res = (int32_t)e->res;
	}
	return 0;
}

static int check_bounds(const struct facts *f, const struct rec_event *e, const char **why)
{
	const struct stream *s = f->s;

	if (e->kind >= REC_KINDS)
		return refuse(why, "unknown kind of event");
	if (e->step != REC_NO_STEP && e->step >= s->nr_steps)
		return refuse(why, "event of a step the stream does not have");
	if (e->req != REC_NO_REQ && e->req >= s->nr_reqs)
		return refuse(why, "event of a request the stream does not have");
	if ((e->kind == REC_CQE || e->kind == REC_RING) && e->ring >= s->nr_rings)
		return refuse(why, "event of a ring the stream does not have");
	if ((e->kind == REC_OBJ || e->kind == REC_FINAL || e->kind == REC_RUN) && e->obj >= s->nr_objs)
		return refuse(why, "event of an object the stream does not have");
	if (e->res > INT32_MAX || e->res < INT32_MIN)
		return refuse(why, "a result outside 32 bits");
	return 0;
}

static int note_event(struct facts *f, uint32_t ev, const char **why)
{
	const struct rec_event *e = &f->rec->ev[ev];

	switch (e->kind) {
	case REC_RING:
		f->ring[e->ring].made = e->res >= 0;
		f->ring[e->ring].sq_entries = (uint32_t)(e->a >> 32);
		f->ring[e->ring].cq_entries = (uint32_t)e->a;
		return 0;
	case REC_BEGIN:
	case REC_END:
		return note_step(f, ev, why);
	case REC_CQE:
		return note_cqe(f, ev, why);
	case REC_DATA:
		if (e->req != REC_NO_REQ)
			f->req[e->req].got += e->a;
		return 0;
	case REC_EPILOGUE:
		if (f->epilogue == NO_EVENT && e->a != PHASE_SETTLE)
			f->epilogue = ev;
		if (e->flags == 0 && e->a == PHASE_CLOSE)
			for (unsigned int i = 0; i < f->s->nr_rings; i++)
				if (f->ring[i].closed == NO_EVENT)
					f->ring[i].closed = ev;
		return 0;
	case REC_TRACE:
		f->traced = true;
		return 0;
	case REC_HAND:
		f->complete = false;
		return 0;
	default:
		return 0;
	}
}

/* The cancels of the stream itself, once all is known. */
static void note_cancels(struct facts *f)
{
	for (unsigned int i = 0; i < f->s->nr_reqs; i++) {
		const struct req_fact *rf = &f->req[i];
		uint8_t op = f->s->reqs[i].op;

		if (!rf->maybe || f->nr_cancels == MAX_CANCELS)
			continue;
		if (op == SOP_ASYNC_CANCEL || op == SOP_TIMEOUT_REMOVE || op == SOP_LINK_TIMEOUT)
			f->cancel[f->nr_cancels++] = (struct cancel_fact){ .req = (uint16_t)i,
									   .ring = rf->ring,
									   .begin = rf->begin,
									   .end = rf->end,
									   .cqe = rf->cqe,
									   .res = rf->res };
	}
}

int facts_gather(struct facts *f, const struct stream *s, const struct record *rec, enum profile_id profile,
		 const char **why, unsigned int *event)
{
	int ret = 0;

	memset(f, 0, sizeof(*f));
	f->s = s;
	f->rec = rec;
	f->profile = profile;
	f->process_exit = f->epilogue = NO_EVENT;
	f->complete = rec->flags & RECF_COMPLETE;
	f->exact = rec->flags & RECF_EXACT;
	memset(f->step_begin, 0xff, sizeof(f->step_begin));
	memset(f->step_end, 0xff, sizeof(f->step_end));
	memset(f->task_exit, 0xff, sizeof(f->task_exit));
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		f->req[i].begin = f->req[i].end = f->req[i].cqe = NO_EVENT;
	for (unsigned int i = 0; i < s->nr_rings; i++)
		f->ring[i].closed = NO_EVENT;
	*event = 0;
	if (rec->version != RECORD_VERSION || rec->nr > RECORD_MAX_EVENTS)
		return refuse(why, "a record of another version, or longer than records are");
	for (uint32_t ev = 0; ev < rec->nr && !ret; ev++) {
		*event = ev;
		ret = check_bounds(f, &rec->ev[ev], why);
		if (!ret && ev && rec->ev[ev].stamp < rec->ev[ev - 1].stamp)
			ret = refuse(why, "time runs backwards");
		if (!ret)
			ret = note_event(f, ev, why);
	}
	if (!ret)
		note_cancels(f);
	return ret;
}

/* ---- questions ---- */

bool req_fails(const struct facts *f, unsigned int r, int32_t res)
{
	const struct sreq *q = &f->s->reqs[r];

	if (stream_op_is(q->op, OP_TRANSFERS | OP_MOVES))
		return res < 0 || (uint32_t)res != q->len;
	if (q->op == SOP_TIMEOUT)
		return res < 0 && !(res == -ETIME && (q->op_flags & IORING_TIMEOUT_ETIME_SUCCESS));
	/* What the operation itself says is stored; what is said without it, and of it, is a failure. */
	if (stream_op_is(q->op, OP_KEEPS))
		return f->req[r].prep < 0 || res == -ECANCELED || res == -EFAULT ||
		       (res == -EBADF && stream_op_is(q->op, OP_HOLDS));
	return res < 0;
}

bool req_may_be_silent(const struct facts *f, unsigned int r)
{
	for (unsigned int k = f->req[r].chain_first; k <= f->req[r].chain_last; k++)
		if (f->s->reqs[k].sqe_flags & IOSQE_CQE_SKIP_SUCCESS)
			return true;
	return false;
}

/* A plain attempt of this request may be handed to a worker although nothing forces it. */
static bool op_may_punt(const struct stream *s, unsigned int r)
{
	const struct sreq *q = &s->reqs[r];

	if (q->op == SOP_SEND_FD)
		return true; /* the other ring may be busy */
	if (q->op == SOP_OPENAT)
		return true; /* what its path needs may not be at hand */
	if (q->fd.kind != FD_OBJ || !stream_op_is(q->op, OP_TRANSFERS))
		return false;
	return s->objs[q->fd.obj].kind == OBJ_FILE || s->objs[q->fd.obj].kind == OBJ_EVENTFD;
}

bool req_may_be_iowq(const struct facts *f, unsigned int r)
{
	return f->ring[f->req[r].ring].drains || req_may_be_iowq_undrained(f, r);
}

bool req_contended(const struct facts *f, unsigned int r)
{
	const struct sreq *q = &f->s->reqs[r];

	for (unsigned int k = 0; k < f->s->nr_reqs; k++)
		if (k != r && f->req[k].maybe && f->s->reqs[k].op == q->op && f->s->reqs[k].fd.kind == FD_OBJ &&
		    f->s->reqs[k].fd.obj == q->fd.obj)
			return true;
	return false;
}

bool req_may_be_iowq_undrained(const struct facts *f, unsigned int r)
{
	const struct req_fact *rf = &f->req[r];
	unsigned int last = rf->chain_last;

	if (f->s->reqs[last].sqe_flags & LINKS)
		return true; /* an unterminated chain goes to io-wq as it is */
	for (unsigned int k = rf->chain_first; k <= r; k++)
		if (stream_is_async(&f->s->reqs[k]) || op_may_punt(f->s, k))
			return true;
	return false;
}

/* Requests that hold a file; a canceller by descriptor holds it itself, and is found by others of its kind. */
static bool holds_file(const struct sreq *q)
{
	return stream_op_is(q->op, OP_HOLDS) || (q->op == SOP_ASYNC_CANCEL && (q->op_flags & IORING_ASYNC_CANCEL_FD));
}

bool cancel_selects(const struct facts *f, const struct cancel_fact *c, unsigned int r)
{
	const struct sreq *q = &f->s->reqs[r], *k;
	uint32_t keys = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_ANY;

	if (c->req == REC_NO_REQ)
		return true;
	k = &f->s->reqs[c->req];
	switch (k->op) {
	case SOP_LINK_TIMEOUT:
		return c->req > f->req[c->req].chain_first && r == c->req - 1u;
	case SOP_TIMEOUT_REMOVE:
		return k->target == r && q->op == SOP_TIMEOUT;
	default:
		if (k->op_flags & IORING_ASYNC_CANCEL_ANY)
			return true;
		if ((k->op_flags & IORING_ASYNC_CANCEL_FD) && !(holds_file(q) && stream_same_fd(&k->fd, &q->fd)))
			return false;
		if ((k->op_flags & IORING_ASYNC_CANCEL_OP) &&
		    stream_ops[k->cancel_op].opcode != stream_ops[q->op].opcode)
			return false;
		if (!(k->op_flags & keys) || (k->op_flags & IORING_ASYNC_CANCEL_USERDATA))
			return k->target == r;
		return true;
	}
}

/* Had r posted before the one that stands before the cancel in its chain? A follower begins after that has posted. Where
 * the CQ cannot overflow, its order is that of the posts. */
static bool posted_before_its_turn(const struct facts *f, const struct cancel_fact *c, unsigned int r)
{
	unsigned int p = c->req, consumed = 0;

	if (c->req == REC_NO_REQ || f->s->reqs[c->req].op == SOP_LINK_TIMEOUT || f->req[r].ring != c->ring)
		return false;
	while (p > f->req[c->req].chain_first && f->s->reqs[p - 1].op == SOP_LINK_TIMEOUT)
		p--;
	if (p-- == f->req[c->req].chain_first || p == r || f->req[p].cqe == NO_EVENT)
		return false;
	for (unsigned int i = 0; i < f->s->nr_reqs; i++)
		consumed += f->req[i].maybe && f->req[i].ring == c->ring;
	return consumed <= f->ring[c->ring].cq_entries &&
	       (int32_t)(f->rec->ev[f->req[r].cqe].head - f->rec->ev[f->req[p].cqe].head) < 0;
}

bool cancel_too_late(const struct facts *f, const struct cancel_fact *c, unsigned int r)
{
	const struct req_fact *rf = &f->req[r];

	if (rf->cqe == NO_EVENT || c->begin == NO_EVENT)
		return false;
	if (rf->cqe < c->begin || posted_before_its_turn(f, c, r))
		return true;
	return c->end != NO_EVENT && (int32_t)(f->rec->ev[rf->cqe].head - f->rec->ev[c->end].tail_before) < 0;
}

bool cancel_names(const struct facts *f, const struct cancel_fact *c, unsigned int r)
{
	const struct req_fact *rf = &f->req[r];

	if (!rf->maybe || rf->ring != c->ring || c->req == r)
		return false;
	if (c->cqe != NO_EVENT && c->cqe < rf->begin)
		return false; /* the cancel had ended before the request was submitted */
	return cancel_selects(f, c, r);
}

bool cancel_meets(const struct facts *f, const struct cancel_fact *c, unsigned int r)
{
	return cancel_names(f, c, r) && !cancel_too_late(f, c, r);
}

bool cancel_meets_lingering(const struct facts *f, const struct cancel_fact *c, unsigned int r)
{
	if (c->req == r) /* a canceller that runs in a worker finds itself running there */
		return cancel_selects(f, c, r) && req_may_be_iowq(f, r);
	return cancel_names(f, c, r) && cancel_too_late(f, c, r) && req_may_be_iowq(f, r);
}

/* Does this one request end by itself once it is issued? */
static bool op_self_completing(const struct facts *f, unsigned int r)
{
	const struct sreq *q = &f->s->reqs[r];

	switch (q->op) {
	case SOP_NOP:
	case SOP_ASYNC_CANCEL:
	case SOP_TIMEOUT_REMOVE:
	case SOP_LINK_TIMEOUT: /* posts when its target does, which stands before it */
		return true;
	case SOP_MSG_RING:
		return true;
	case SOP_SEND_FD: /* another task may have to do it */
		return false;
	case SOP_TIMEOUT:
		return q->ts <= 50 * 1000000ull;
	default:
		if (stream_op_is(q->op, OP_KEEPS) || q->op == SOP_CLOSE)
			return true;
		if (q->fd.kind != FD_OBJ || f->s->objs[q->fd.obj].kind == OBJ_FILE)
			return true;
		return stream_op_is(q->op, OP_READS) && q->fd.end == END_IN && f->s->objs[q->fd.obj].kind == OBJ_PIPE;
	}
}

/* How many workers of either kind a task is sure to get: no ring that it may have used first has fewer entries, 4 for each
 * CPU are granted anyway, and no step sets a lower limit. Work that a limit left waiting goes on waiting when it is
 * raised, so it does not matter for how long a limit was low. */
static unsigned int workers_at_least(const struct facts *f)
{
	unsigned int least = 4;

	for (unsigned int i = 0; i < f->s->nr_rings; i++)
		if (f->ring[i].made && f->ring[i].sq_entries < least)
			least = f->ring[i].sq_entries;
	for (unsigned int i = 0; i < f->s->nr_steps; i++)
		for (unsigned int k = 0; f->step_begin[i] != NO_EVENT && k < 2; k++)
			if (f->s->steps[i].limit[k] && f->s->steps[i].limit[k] < least)
				least = f->s->steps[i].limit[k];
	return least;
}

/* May requests of the same task sit in workers without end, in all the places that others need? */
static bool workers_may_be_held(const struct facts *f, unsigned int r)
{
	unsigned int holders = 0;

	for (unsigned int k = 0; k < f->s->nr_reqs; k++)
		holders += f->req[k].maybe && f->req[k].task == f->req[r].task && req_may_be_iowq(f, k) &&
			   !op_self_completing(f, k);
	return holders >= (f->exact ? workers_at_least(f) : 1);
}

bool req_self_completing(const struct facts *f, unsigned int r)
{
	const struct req_fact *rf = &f->req[r];

	if (!rf->consumed || f->ring[rf->ring].drains || rf->chain_unknown)
		return false;
	if (f->task_exit[rf->task] != NO_EVENT || f->process_exit != NO_EVENT)
		return false;
	for (unsigned int k = rf->chain_first; k <= r && !rf->chain_failed; k++)
		if (!op_self_completing(f, k))
			return false;
	return !(req_may_be_iowq(f, r) && workers_may_be_held(f, r));
}

bool registers_as_foreigner(const struct facts *f, const struct step *st)
{
	const struct ring *ring = &f->s->rings[st->ring];

	return (ring->flags & IORING_SETUP_SINGLE_ISSUER) && !(ring->flags & IORING_SETUP_R_DISABLED) &&
	       ring->task != st->task;
}

bool fd_maybe_closed(const struct facts *f, const struct fdref *fd, uint32_t ev)
{
	if (f->process_exit < ev)
		return true;
	for (unsigned int i = 0; i < f->s->nr_reqs; i++)
		if (stream_closes_fd(&f->s->reqs[i]) && f->req[i].maybe && stream_same_fd(&f->s->reqs[i].fd, fd) &&
		    f->req[i].begin < ev)
			return true;
	for (unsigned int i = 0; i < f->s->nr_steps; i++)
		if (f->s->steps[i].kind == STEP_CLOSE && stream_same_fd(&f->s->steps[i].fd, fd) &&
		    f->step_begin[i] < ev)
			return true;
	return false;
}

const char *role_of(const struct facts *f, unsigned int r, char *buf, size_t cap)
{
	static const char *const ops[SOP_NR] = {
		[SOP_NOP] = "nop",
		[SOP_READ] = "read",
		[SOP_WRITE] = "write",
		[SOP_POLL_ADD] = "poll_add",
		[SOP_TIMEOUT] = "timeout",
		[SOP_TIMEOUT_REMOVE] = "timeout_remove",
		[SOP_LINK_TIMEOUT] = "link_timeout",
		[SOP_ASYNC_CANCEL] = "async_cancel",
		[SOP_FSYNC] = "fsync",
		[SOP_FALLOCATE] = "fallocate",
		[SOP_FTRUNCATE] = "ftruncate",
		[SOP_READV] = "readv",
		[SOP_WRITEV] = "writev",
		[SOP_SPLICE] = "splice",
		[SOP_TEE] = "tee",
		[SOP_OPENAT] = "openat",
		[SOP_CLOSE] = "close",
		[SOP_STATX] = "statx",
		[SOP_SYNC_FILE_RANGE] = "sync_file_range",
		[SOP_MADVISE] = "madvise",
		[SOP_MSG_RING] = "msg_ring",
		[SOP_SEND_FD] = "send_fd",
	};
	static const char *const objs[OBJ_KINDS] = { ".pipe", ".eventfd", ".file", ".fifo" };
	const struct sreq *q;

	if (r == REC_NO_REQ) {
		snprintf(buf, cap, "epilogue");
		return buf;
	}
	q = &f->s->reqs[r];
	snprintf(buf, cap, "%s%s%s%s%s", ops[q->op],
		 stream_op_is(q->op, OP_HOLDS) && q->fd.kind == FD_OBJ ? objs[f->s->objs[q->fd.obj].kind] : "",
		 q->sqe_flags & IOSQE_FIXED_FILE ? "+fixed" : "", q->sqe_flags & IOSQE_ASYNC ? "+async" : "",
		 r > f->req[r].chain_first ? "+linked" : "");
	return buf;
}
