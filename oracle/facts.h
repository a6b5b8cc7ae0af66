/* Facts: what a record says about a stream, gathered in one pass, for the laws to reason on.
 *
 * Nothing here judges. A record that contradicts itself or does not belong to the stream is refused (-EINVAL). */
#ifndef ORACLE_FACTS_H
#define ORACLE_FACTS_H

#include "oracle/oracle.h"
#include "stream/optable.h"

#define NO_EVENT UINT32_MAX
#define PREP_UNKNOWN 1 /* the law does not say whether this SQE passes preparation */

/* One SQE of the stream. */
struct req_fact {
	bool maybe; /* may have been consumed (its submit has not returned) */
	bool consumed; /* certainly consumed: it is among the first `return value` of its submit */
	uint8_t ring, task, step;
	uint8_t chain_first, chain_last; /* of the chain as consumed: cut where the batch stopped */
	int prep; /* preparation: 0, -errno, or PREP_UNKNOWN */
	bool chain_failed; /* some member of its chain fails preparation: none is executed */
	bool chain_unknown; /* some member's preparation is unknown */
	uint32_t begin, end; /* events around its submit; end NO_EVENT: never returned */
	uint32_t cqe; /* event of its first CQE, or NO_EVENT */
	uint32_t nr_cqes;
	int32_t res; /* of the first CQE */
	uint64_t got; /* READ: bytes delivered, as its REC_DATAs add up; eventfd: the value */
};

struct ring_fact {
	bool made;
	uint32_t sq_entries, cq_entries;
	uint32_t closed; /* event at which its owner began to close it, by step or in the epilogue; NO_EVENT: never */
	bool closed_early; /* by a step, with what was in flight */
	bool skips; /* some consumed SQE has CQE_SKIP_SUCCESS */
	bool drains; /* some SQE has IO_DRAIN */
	uint32_t tail; /* CQ tail as last seen before the epilogue: what is below was posted before it */
};

/* A cancel: an ASYNC_CANCEL of the stream or of the epilogue, a TIMEOUT_REMOVE, or a LINK_TIMEOUT. */
struct cancel_fact {
	uint16_t req; /* REC_NO_REQ: the epilogue's ANY|ALL */
	uint8_t ring;
	uint32_t begin; /* its submit began */
	uint32_t end; /* its submit returned, or NO_EVENT; says what the CQ tail was when it began */
	uint32_t cqe; /* NO_EVENT: not seen */
	int32_t res;
};

enum { MAX_CANCELS = STREAM_MAX_RINGS * (STREAM_MAX_REQS + 64) + STREAM_MAX_REQS };

struct facts {
	const struct stream *s;
	const struct record *rec;
	enum profile_id profile;
	struct req_fact req[STREAM_MAX_REQS];
	struct ring_fact ring[STREAM_MAX_RINGS];
	struct cancel_fact cancel[MAX_CANCELS];
	unsigned int nr_cancels;
	uint32_t step_begin[STREAM_MAX_STEPS], step_end[STREAM_MAX_STEPS]; /* events, or NO_EVENT */
	uint32_t task_exit[STREAM_MAX_TASKS]; /* the task began to exit by a step; NO_EVENT: it did not */
	uint32_t process_exit; /* event, or NO_EVENT */
	uint32_t epilogue; /* first event of the epilogue, or NO_EVENT */
	bool complete; /* the run came to its end and the record holds all of it */
	bool exact; /* RECF_EXACT */
	bool traced; /* there are tracepoints */
};

int facts_gather(struct facts *f, const struct stream *s, const struct record *rec, enum profile_id profile,
		 const char **why, unsigned int *event);

/* Had the request ended, as seen from outside, before event `ev`? */
static inline bool req_ended_before(const struct facts *f, unsigned int r, uint32_t ev)
{
	return f->req[r].cqe != NO_EVENT && f->req[r].cqe < ev;
}

/* Had it posted by the time the epilogue began? Then nothing of the epilogue can have brought it about. */
static inline bool req_posted_before_epilogue(const struct facts *f, unsigned int r)
{
	const struct req_fact *rf = &f->req[r];

	return f->epilogue == NO_EVENT || rf->cqe < f->epilogue ||
	       (rf->cqe != NO_EVENT && (int32_t)(f->rec->ev[rf->cqe].head - f->ring[rf->ring].tail) < 0);
}

/* Did the request's own result fail it, in the sense that severs a soft link? */
bool req_fails(const struct facts *f, unsigned int r, int32_t res);

/* May it end without a CQE? CQE_SKIP_SUCCESS in its chain can silence it. */
bool req_may_be_silent(const struct facts *f, unsigned int r);

/* Does the descriptor belong to the object? */
static inline bool fd_of_obj(const struct fdref *fd, unsigned int obj)
{
	return fd->kind == FD_OBJ && fd->obj == obj;
}

/* Can the request have been in the hands of an io-wq worker at some time? */
bool req_may_be_iowq(const struct facts *f, unsigned int r);

/* Likewise, if no drain brings it there. */
bool req_may_be_iowq_undrained(const struct facts *f, unsigned int r);

/* Others do the same to the same object: woken together again and again, this one may be handed to a worker at last. */
bool req_contended(const struct facts *f, unsigned int r);

/* Would cancel c take request r, if it met it? Rings aside. */
bool cancel_selects(const struct facts *f, const struct cancel_fact *c, unsigned int r);

/* Does cancel c select request r, and can both have been there at one time? */
bool cancel_names(const struct facts *f, const struct cancel_fact *c, unsigned int r);

/* A CQE that another ring, or a step, sent. */
static inline bool is_message(const struct rec_event *e)
{
	return e->kind == REC_CQE && e->req == REC_NO_REQ && (e->a & ~0xffffffffull) == REC_UD_MSG;
}

/* A registration by another task than the one that may: once a SINGLE_ISSUER ring is enabled, it has one. */
bool registers_as_foreigner(const struct facts *f, const struct step *st);

/* Had r posted before cancel c was submitted, or before its turn came in its chain? Reaped by then, below the CQ tail that its
 * submit saw, or before its predecessor. */
bool cancel_too_late(const struct facts *f, const struct cancel_fact *c, unsigned int r);

/* Can cancel c have met request r alive (in time), and does it select it? */
bool cancel_meets(const struct facts *f, const struct cancel_fact *c, unsigned int r);

/* Does it select r, which had posted when it came, but which a worker may have held a moment longer? Or itself, while
 * a worker runs it? */
bool cancel_meets_lingering(const struct facts *f, const struct cancel_fact *c, unsigned int r);

/* Is it certain that the request ends without help from any peer, cancel or long timer? */
bool req_self_completing(const struct facts *f, unsigned int r);

/* The descriptor the request names may have been closed by the stream before event ev. */
bool fd_maybe_closed(const struct facts *f, const struct fdref *fd, uint32_t ev);

/* What a request or cancel is, for finding ids: `read+async`, `async_cancel+all`. Into buf; returns buf. */
const char *role_of(const struct facts *f, unsigned int r, char *buf, size_t cap);

#endif
