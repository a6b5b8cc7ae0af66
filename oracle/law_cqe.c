/* Completions as such: each consumed SQE posts once, the CQ has no gaps, waits and the fence end, hands live. */
#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>

#include "oracle/court.h"

#define LONG_NS 6000000000ull /* more than an idle worker sleeps, less than the bound of a wait */

static void one_cqe(struct court *c, uint32_t ev, uint32_t *next)
{
	const struct facts *f = c->f;
	const struct rec_event *e = &f->rec->ev[ev];

	if (e->head != next[e->ring])
		accuse(c, R_CQ_INDEX, ev, e->req, REC_NO_REQ, "CQE number %u reaped|number %u", e->head, next[e->ring]);
	next[e->ring] = e->head + 1;
	if (is_message(e))
		return; /* law_msg.c */
	if (e->flags)
		accuse(c, R_CQE_FLAGS, ev, e->req, REC_NO_REQ, "CQE flags %#x|0: one shot, no buffer, no notification",
		       e->flags);
	if (e->req == REC_NO_REQ) {
		uint64_t kind = e->a & ~0xffffffffull;

		if (kind != REC_UD_CANCEL && kind != REC_UD_FENCE)
			accuse(c, R_CQE_UNKNOWN, ev, REC_NO_REQ, REC_NO_REQ,
			       "CQE with user_data %#llx|of a request that was submitted", (unsigned long long)e->a);
		return;
	}
	if (!f->req[e->req].maybe || f->req[e->req].ring != e->ring || f->req[e->req].begin > ev)
		accuse(c, R_CQE_UNKNOWN, ev, e->req, REC_NO_REQ,
		       "CQE of %s, which this ring had not consumed|no such CQE", f->s->reqs[e->req].name);
	if (f->req[e->req].cqe != ev)
		accuse(c, R_CQE_TWICE, ev, e->req, REC_NO_REQ, "a second CQE of %s, %s after %s|one",
		       f->s->reqs[e->req].name, res_name(e->res), res_name(f->req[e->req].res));
	if ((f->s->reqs[e->req].sqe_flags & IOSQE_CQE_SKIP_SUCCESS) && f->req[e->req].cqe == ev &&
	    !req_fails(f, e->req, (int32_t)e->res) && f->req[e->req].chain_first == f->req[e->req].chain_last)
		accuse(c, R_SKIP_SUCCESS, ev, e->req, REC_NO_REQ,
		       "%s succeeded with %s and posted|silence: CQE_SKIP_SUCCESS", f->s->reqs[e->req].name,
		       res_name(e->res));
}

/* Does somebody outside still get to see the completion of r? */
static bool observable(const struct facts *f, unsigned int r)
{
	const struct req_fact *rf = &f->req[r];

	if (!f->complete || f->ring[rf->ring].closed_early || f->process_exit != NO_EVENT)
		return false;
	/* A ring of one issuer that is gone can be neither entered nor cancelled through. */
	return !(f->task_exit[f->s->rings[rf->ring].task] != NO_EVENT &&
		 (f->s->rings[rf->ring].flags & IORING_SETUP_SINGLE_ISSUER));
}

static void missing(struct court *c)
{
	const struct facts *f = c->f;

	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		if (f->req[r].consumed && f->req[r].cqe == NO_EVENT && !req_may_be_silent(f, r) && observable(f, r))
			accuse(c, f->exact ? R_CQE_MISSING : R_CQE_STUCK, f->rec->nr, r, REC_NO_REQ,
			       "%s never completed, though all it could wait for was given and it was cancelled|one CQE",
			       f->s->reqs[r].name);
}

/* A wait was cut short by its bound: whatever needs nobody's help should have been there. */
static void bound_hit(struct court *c, uint32_t ev)
{
	const struct facts *f = c->f;

	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct req_fact *rf = &f->req[r];

		if (rf->ring != f->rec->ev[ev].ring || rf->end == NO_EVENT || rf->end > ev ||
		    req_ended_before(f, r, ev))
			continue;
		if (!req_may_be_silent(f, r) && observable(f, r) && req_self_completing(f, r))
			accuse(c, f->exact ? R_WAIT_STRANDED : R_WAIT_STUCK, ev, r, REC_NO_REQ,
			       "%s had not completed when nothing else could happen|completed: it needs nobody's help",
			       f->s->reqs[r].name);
	}
}

/* A wait that took as long as its bound, and yet hit none, was not woken. Longer timers than that are nobody's. */
static void late(struct court *c)
{
	const struct facts *f = c->f;

	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		if (f->s->reqs[r].ts > LONG_NS && f->s->reqs[r].ts < STREAM_NEVER_NS)
			return;
	for (unsigned int i = 0; i < f->s->nr_steps && f->exact; i++) {
		uint32_t end = f->step_end[i];

		if (f->s->steps[i].kind != STEP_WAIT || end == NO_EVENT || f->rec->ev[end].res < 0)
			continue;
		if (end + 1 < f->rec->nr && f->rec->ev[end + 1].kind == REC_BOUND)
			continue;
		if (f->rec->ev[end].stamp - f->rec->ev[f->step_begin[i]].stamp > LONG_NS)
			accuse(c, R_WAIT_LATE, end, REC_NO_REQ, REC_NO_REQ,
			       "step %u got its CQEs only at its bound|when they were there", i + 1);
	}
}

/* ---- the CQ tail ---- */

struct tails {
	uint32_t seen[STREAM_MAX_RINGS]; /* the CQEs of the ring that had been posted when somebody last looked */
	uint32_t begin[STREAM_MAX_RINGS]; /* the same when the step under way began */
	uint32_t most[STREAM_MAX_RINGS], reaped[STREAM_MAX_RINGS];
};

static bool looks(const struct facts *f, const struct rec_event *e)
{
	return e->step != REC_NO_STEP && e->ring < f->s->nr_rings && f->s->steps[e->step].kind <= STEP_PEEK &&
	       f->ring[e->ring].made && e->res != -EBADFD && e->res != -ESRCH;
}

/* A file that is sent here is put into its slot, and announced, by task work: its task need not enter the ring. */
static bool gets_files(const struct facts *f, unsigned int ring)
{
	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		if (f->s->reqs[r].op == SOP_SEND_FD && f->s->reqs[r].to == ring && f->req[r].maybe)
			return true;
	return false;
}

static void look_at_tail(struct court *c, uint32_t ev, struct tails *t)
{
	const struct facts *f = c->f;
	const struct rec_event *e = &f->rec->ev[ev];
	const struct ring *ring = &f->s->rings[e->ring];
	uint32_t before = t->begin[e->ring];
	bool peeks = f->s->steps[e->step].kind == STEP_PEEK;

	if ((int32_t)(e->tail_before - before) < 0 || (int32_t)(e->tail_after - e->tail_before) < 0)
		accuse(c, R_CQ_TAIL, ev, REC_NO_REQ, REC_NO_REQ,
		       "the CQ tail of %s went from %u over %u to %u|forwards", ring->name, before, e->tail_before,
		       e->tail_after);
	else if ((ring->flags & IORING_SETUP_DEFER_TASKRUN) && f->task_exit[ring->task] == NO_EVENT &&
		 !gets_files(f, e->ring) && (e->tail_before != before || (peeks && e->tail_after != before)))
		accuse(c, R_DEFER_QUIET, ev, REC_NO_REQ, REC_NO_REQ,
		       "the CQ tail of %s went from %u to %u while nobody entered it|%u", ring->name, before,
		       peeks ? e->tail_after : e->tail_before, before);
	if ((int32_t)(e->tail_after - t->seen[e->ring]) > 0)
		t->seen[e->ring] = e->tail_after;
	if ((int32_t)(e->tail_after - t->most[e->ring]) > 0)
		t->most[e->ring] = e->tail_after;
}

static void tails(struct court *c, uint32_t ev, struct tails *t)
{
	const struct rec_event *e = &c->f->rec->ev[ev];

	if (e->kind == REC_BEGIN && e->ring < STREAM_MAX_RINGS)
		t->begin[e->ring] = t->seen[e->ring];
	if (e->kind == REC_CQE && (int32_t)(e->head + 1 - t->seen[e->ring]) > 0)
		t->seen[e->ring] = e->head + 1;
	if (e->kind == REC_CQE)
		t->reaped[e->ring]++;
	if (e->kind == REC_END && looks(c->f, e))
		look_at_tail(c, ev, t);
}

static void all_reaped(struct court *c, const struct tails *t)
{
	const struct facts *f = c->f;

	for (unsigned int i = 0; i < f->s->nr_rings; i++)
		if (f->complete && f->process_exit == NO_EVENT && !f->ring[i].closed_early && t->most[i] > t->reaped[i])
			accuse(c, R_CQ_TAIL, f->rec->nr, REC_NO_REQ, REC_NO_REQ,
			       "the CQ tail of %s was %u, and %u CQEs were reaped|%u", f->s->rings[i].name, t->most[i],
			       t->reaped[i], t->most[i]);
}

static void fence(struct court *c, uint32_t ev)
{
	const struct facts *f = c->f;
	const struct rec_event *e = &f->rec->ev[ev];

	if ((e->a & ~0xffffffffull) != REC_UD_FENCE || e->req != REC_NO_REQ)
		return;
	if (e->res != 0)
		accuse(c, R_RESULT, ev, REC_NO_REQ, REC_NO_REQ, "the fence NOP ended %s|0", res_name(e->res));
	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		if (f->req[r].consumed && f->req[r].ring == e->ring && !req_may_be_silent(f, r) &&
		    !req_ended_before(f, r, ev))
			accuse(c, R_FENCE_ORDER, ev, r, REC_NO_REQ, "the drained fence completed before %s|after it",
			       f->s->reqs[r].name);
}

static void hand(struct court *c, uint32_t ev)
{
	static const char *const what[] = {
		[HAND_KILLED] = "was killed by signal",
		[HAND_HUNG] = "made no progress, ns:",
		[HAND_FULL] = "filled the record, event",
		[HAND_EXITED] = "left with status",
	};
	const struct rec_event *e = &c->f->rec->ev[ev];
	bool died = e->flags == HAND_KILLED || e->flags == HAND_EXITED;
	enum rule_id rule = died && c->f->rec->runner != RUNNER_KERNEL ? R_ENGINE_DIED : R_HAND;

	accuse(c, rule, ev, REC_NO_REQ, REC_NO_REQ, "the hand %s %llu|the end of the stream",
	       e->flags <= HAND_EXITED ? what[e->flags] : "?", (unsigned long long)e->a);
}

void law_events(struct court *c)
{
	const struct facts *f = c->f;
	uint32_t next[STREAM_MAX_RINGS] = { 0 };
	struct tails t = { 0 };

	for (uint32_t ev = 0; ev < f->rec->nr; ev++) {
		const struct rec_event *e = &f->rec->ev[ev];

		tails(c, ev, &t);

		switch (e->kind) {
		case REC_CQE:
			one_cqe(c, ev, next);
			fence(c, ev);
			break;
		case REC_BOUND:
			if (e->step != REC_NO_STEP || e->flags == PHASE_SETTLE)
				bound_hit(c, ev);
			if (e->step == REC_NO_STEP && e->flags == PHASE_SETTLE)
				law_lost(c, ev);
			break;
		case REC_HAND:
			hand(c, ev);
			break;
		case REC_SIM:
			if (e->flags)
				accuse(c, R_SIM_QUIESCENT, ev, REC_NO_REQ, REC_NO_REQ,
				       "the schedule ended %s|the end of the stream",
				       e->flags == 1 ? "with every task asleep for ever" : "in a livelock");
			break;
		default:
			break;
		}
	}
	all_reaped(c, &t);
	missing(c);
	late(c);
}
