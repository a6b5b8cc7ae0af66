/* The state-set judge: which abstract states can a group of coupled requests be in, given what was seen?
 *
 * A request moves through few stages. What moves it is seen (a submit, a completion, a direct read) or hidden (a worker
 * takes it, a timer fires). The judge keeps the set of all states that what was seen so far leaves possible; hidden
 * steps expand it, observations filter it; when it is empty, the record is forbidden.
 *
 *	         submitted
 *	    ,-------+--------.-----------------.-----------------.
 *	    v       v        v                 v                 v (issued inline)
 *	  HELD    DEFER    QUEUED <------.   READY             DONEI, ARMED, QUEUED
 *	    |       |        | taken     |async  ^
 *	    |       |        v           |       |
 *	    |       |       RUN ---------|-------|--> ARMED <---- READY (issued)
 *	    |       '-----> QUEUED       '---- READY <--'  |
 *	    |               RUN --cancel--> RUNS           '--timer--> FIRED --> DONE
 *	    |               RUN, RUNS --> DONEW --> DONE
 *	    |               QUEUED, ARMED --cancel--> DONEC;  RUNS --> DONEC
 *	    '--predecessor posted--> READY (or RUN: the worker goes on), or DONEC when it is severed
 *	  DONEI, DONE, DONEC --posted--> POST;  DONEW --posted--> POSTW --> POST
 *
 *	IDLE	not submitted
 *	HELD	behind another in its chain; no cancel finds it
 *	DEFER	held by a drain; no cancel finds it
 *	READY	about to be issued by task work; no cancel finds it
 *	QUEUED	on a list of io-wq; a cancel takes it off and says 0
 *	RUN	a worker has it; a cancel says -EALREADY and signals
 *	RUNS	the same, signalled: it can end -EINTR or -ECANCELED, and arms nothing any more
 *	ARMED	poll or timer armed; a cancel takes it off and says 0
 *	FIRED	the timer fired and has not posted; a cancel says -EALREADY or -ENOENT
 *	DONEI	completed by the submit itself: posted when the call returns
 *	DONEC	cancelled or severed, not posted
 *	DONE	ended otherwise, not posted; DONEW: and a worker still holds it
 *	POST	posted; POSTW: and a worker still holds it
 *	LOOSE	nothing is known of it any more (its task exited, its ring is closed): allows everything
 *
 * Made by: issue (spec_issue), cancel (spec_cancel), posted (spec_post), everything between (spec_widen, spec_hidden).
 * spec_check() holds a state against the drawing.
 *
 * A state has one *set* of stages for each request, a mask: as long as requests move on their own, one state stands for
 * all combinations. They part only where requests meet: a cancel that takes one of several, a reader that takes bytes
 * from others. What each request ended with is known beforehand, from the record: a step that would end it otherwise is
 * not taken. With `limit` only CQEs reaped before that event are known, and what is not known may end in any way.
 *
 * A record with tracepoints (REC_TRACE, along a known schedule) says where requests are: then each hidden step lies
 * between two observations, and the same spec runs without search.
 *
 * Posts of one ring are in a known order. When each was made is known within a window: after the last look at the CQ
 * tail that did not show it, before the first that did.
 *
 * Source: 6.18's io_uring/{io_uring,poll,timeout,cancel,io-wq}.c as described in docs/law.md; `corrected`: signalled
 * work arms nothing (6.12.117; 6.18 can lose the cancel there, which the ledger tells). */
#ifndef ORACLE_STATE_H
#define ORACLE_STATE_H

#include "oracle/court.h"

enum stage {
	ST_IDLE = 1 << 0,
	ST_HELD = 1 << 1,
	ST_DEFER = 1 << 2,
	ST_READY = 1 << 3,
	ST_QUEUED = 1 << 4,
	ST_RUN = 1 << 5,
	ST_RUNS = 1 << 6,
	ST_ARMED = 1 << 7,
	ST_FIRED = 1 << 8,
	ST_DONEI = 1 << 9,
	ST_DONEC = 1 << 10,
	ST_DONE = 1 << 11,
	ST_DONEW = 1 << 12,
	ST_POST = 1 << 13,
	ST_POSTW = 1 << 14,
	ST_LOOSE = 1 << 15,
};

#define ST_ENDED (ST_DONEI | ST_DONEC | ST_DONE | ST_DONEW)
#define ST_POSTED (ST_POST | ST_POSTW)
#define ST_WORKER (ST_RUN | ST_RUNS)

#define NOBODY 0xff
#define VAGUE UINT64_MAX /* an object's content: not known */

enum end_kind { END_UNSEEN, END_OWN, END_CANCELLED, END_INTR };

/* One request of the group. */
struct member {
	uint8_t req; /* of the stream */
	uint8_t op, ring, task;
	uint8_t obj; /* index into the plan's objects, or NOBODY */
	uint8_t first, last, next; /* chain, as members; next real member behind it, or NOBODY */
	uint8_t lt; /* its linked timeout, or NOBODY */
	uint8_t target; /* LINK_TIMEOUT: whose */
	bool async, hard, severs; /* severs: it failed, and is no hardlink */
	bool may_iowq; /* a worker can come to run it */
	bool drain, drains; /* it may be held by a drain; its own chain drains */
	bool refused; /* it or its chain failed preparation: nothing is executed */
	bool silent; /* posts nothing, as far as is known */
	bool arms; /* can be poll-armed, or is a timer */
	bool timer, fires; /* TIMEOUT, LINK_TIMEOUT; its time can come */
	bool moves; /* reads or writes a crisp object: its end changes it */
	uint8_t nr_match;
	bool shallow; /* a cancel that may overlook what io-wq has: it looks among timers, or by file, which is not attached yet */
	bool sought; /* some cancel of the group selects it */
	bool moving; /* a cancel: of what it selects, a worker may have some */
	bool many, self; /* cancel of many; finds itself when a worker runs it */
	bool overflows; /* its ring may have had more CQEs than room: they are seen late */
	bool pieces; /* a transfer that may have been cut short by a cancel */
	enum end_kind end;
	int32_t res;
	uint64_t value; /* eventfd: what it added or took */
	uint32_t len;
	uint32_t post; /* its index among the posts of its ring, or NO_EVENT */
	uint32_t begin; /* event of its submit */
};

enum act_kind {
	ACT_CHAIN, /* the chain that begins with member `m` is consumed and its head issued */
	ACT_RETURN, /* the submit returned: what it completed inline is posted */
	ACT_WRITE, /* direct, n bytes or the value, onto object `m` */
	ACT_READ, /* direct, n bytes or the value */
	ACT_CLOSE, /* an end of object `m` (value: which) */
	ACT_EXIT, /* task `m` exits: its requests are loose */
	ACT_CLOSE_RING, /* ring `m` is closed: likewise */
	ACT_REST, /* sim: on ring `m` nothing can run any more */
	ACT_STAGE, /* sim, traced: member `m` is seen where `value` says (enum rec_trace) */
	ACT_EPILOGUE, /* the runner ends what is left: from here on everything may be cancelled */
};

struct act {
	uint8_t kind, m;
	uint32_t event;
	uint64_t at; /* place in time: 4 * event + 0..3 */
	uint64_t value;
	int32_t res; /* direct: what it returned, 8 for an eventfd */
};

struct post {
	uint8_t m;
	uint16_t lo, hi; /* made in one of these intervals; interval i is what lies between acts i - 1 and i */
	uint32_t event;
};

enum { PLAN_MAX_ACTS = 2048 };

/* An object of the group. */
struct thing {
	uint8_t obj; /* of the stream */
	uint8_t kind;
	bool crisp; /* its content can be told from what happened to it */
	bool semaphore;
};

struct plan {
	const struct facts *f;
	uint32_t limit; /* CQEs from this event on are not known */
	unsigned int nr, nr_acts, nr_things;
	struct member member[STREAM_MAX_REQS];
	struct act act[PLAN_MAX_ACTS];
	struct thing thing[STREAM_MAX_OBJS];
	unsigned int nr_posts[STREAM_MAX_RINGS];
	struct post post[STREAM_MAX_RINGS][STREAM_MAX_REQS];
	uint64_t match[STREAM_MAX_REQS][STREAM_MAX_REQS / 64]; /* of a cancel: the members it selects, without itself */
	uint8_t member_of[STREAM_MAX_REQS]; /* of the stream's requests, or NOBODY */
	uint16_t closed[STREAM_MAX_OBJS][2]; /* interval from which on an end of a thing is closed; UINT16_MAX: never */
	uint16_t reaper; /* interval from which on the epilogue cancels */
	bool coupled; /* there is something to ask; otherwise the other laws say it all */
	bool hunts; /* it has a cancel of many: its way through a worker matters to others */
	bool traced; /* the record has tracepoints */
	bool too_long; /* more acts than a plan holds */
};

/* Places in time are 4 * event and up to 3 more. Each look at a CQ tail says of every post whether it was made before.
 * Both arrays by request: not made before lo; made by hi. */
struct times {
	uint32_t lo[STREAM_MAX_REQS], hi[STREAM_MAX_REQS];
	bool overflows[STREAM_MAX_RINGS];
};

void times_tell(struct times *t, const struct facts *f, uint32_t limit);

/* Lays out one group. group_of as stream_groups() fills it. */
void plan_make(struct plan *p, const struct facts *f, const struct times *t, const uint8_t *group_of,
	       unsigned int group, uint32_t limit);

struct act *plan_act(struct plan *p, enum act_kind kind, unsigned int m, uint32_t event, unsigned int sub);

/* Records with tracepoints. Does one say when the chain of member m was whole, and issued? Adds the act of the one at ev.
 * What is seen while a call or an issue goes on is seen at its end: where in between the call did its work is not told. */
bool trace_tells_submit(const struct plan *p, unsigned int m);
void trace_add(struct plan *p, uint32_t ev);
void trace_settle(struct plan *p);

/* ---- one state ---- */

struct state {
	uint32_t hash, parent; /* index of the state it came from */
	uint16_t how; /* enum state_how << 8 | member or act */
	int16_t said; /* of a cancel: its result; of an act: its index; of others 0 */
	uint8_t pos[STREAM_MAX_RINGS]; /* posts made so far */
	uint64_t thing[STREAM_MAX_OBJS]; /* bytes in a pipe, the count of an eventfd, or VAGUE; nr_things of them */
	uint16_t mask[STREAM_MAX_REQS]; /* nr of them */
};

enum state_how { BY_START, BY_ACT, BY_POST, BY_CANCEL, BY_MOVE, BY_FIRE };

/* ---- the spec: what may follow from a state ---- */

struct spec {
	const struct plan *p;
	unsigned int interval; /* how many acts have happened */
	/* Takes a state that may follow; the spec's own scratch, to be copied. */
	void (*emit)(struct spec *sp, const struct state *s);
	const struct state *from;
};

/* All hidden steps that concern one request alone, taken as far as they go. False: no stage is left for some request. */
bool spec_widen(const struct spec *sp, struct state *s);
/* Hidden steps in which requests meet: a cancel is carried out, a linked timeout fires, bytes move. */
void spec_hidden(struct spec *sp, const struct state *s);
/* A hidden step that may as well be taken at once, since it changes nothing for others: false if there is none. */
bool spec_free(struct spec *sp, const struct state *s);
/* Member m posts. */
void spec_post(struct spec *sp, const struct state *s, unsigned int m);
void spec_act(struct spec *sp, const struct state *s, const struct act *a);
/* Asserts that the state is one of the drawing's. */
void spec_check(const struct plan *p, const struct state *s);

/* ---- sets of states ---- */

enum set_end { SET_ALLOWED, SET_EMPTY, SET_BUDGET };

/* Runs the plan. On SET_EMPTY, *where is the act before which (or at which) no state was left. `left` is what may still
 * be spent, in states, and is lowered. */
enum set_end sets_run(const struct plan *p, unsigned int *left, unsigned int *where);
/* After SET_ALLOWED: the states of one path from the start to the end, oldest first, through say(). */
void sets_path(const struct plan *p,
	       void (*say)(void *ctx, const struct plan *p, const struct state *before, const struct state *after),
	       void *ctx);

/* ---- questions ---- */

/* How many groups the record has; before anything else is asked of it. */
unsigned int ask_groups(const struct facts *f);
/* The plans live until the next question. */
enum set_end ask_group(const struct facts *f, unsigned int group, struct plan **plan);
/* The same, when nothing is known of what was seen from event `limit` on. */
enum set_end ask_until(const struct facts *f, unsigned int group, uint32_t limit, struct plan **plan,
		       unsigned int *where);
/* Of a group that is not allowed: the first event with which no state is left. */
uint32_t ask_first_event(const struct facts *f, unsigned int group);
/* Had r ended with `res` at event ev? Had it not been posted late? */
bool ask_instead(const struct facts *f, unsigned int group, uint32_t ev, unsigned int r, int32_t res,
		 struct plan **plan);
bool ask_late(const struct facts *f, unsigned int group, uint32_t ev, unsigned int r);
/* Every other result that r could have had at event ev; in found(), sets_path() tells how. */
void ask_others(const struct facts *f, unsigned int group, uint32_t ev, unsigned int r,
		void (*found)(void *ctx, int32_t res, struct plan *plan), void *ctx);

#endif
