/* Each mutator changes the model and keeps requests, steps and targets in line; whether the outcome is a valid stream is
 * none of its business: a way through the codec makes one of it, as of any bytes. */
#include "stream/mutate.h"

#include <poll.h>
#include <string.h>

#include "core/base/prng.h"
#include "core/base/uapi.h"
#include "stream/codec.h"
#include "stream/optable.h"

struct mutation {
	struct prng p;
	struct stream *s;
	const struct stream *other;
};

typedef bool mutator_fn(struct mutation *m);

/* An index below n; n > 0. */
static unsigned int pick(struct mutation *m, unsigned int n)
{
	return prng_below(&m->p, n);
}

/* By the task whose ring it is. */
static void on_some_ring(struct mutation *m, struct step *t)
{
	t->ring = (uint8_t)pick(m, m->s->nr_rings);
	t->task = m->s->rings[t->ring].task;
}

/* ---- requests and steps come and go ---- */

static unsigned int step_of(const struct stream *s, unsigned int req)
{
	unsigned int i = 0;

	while (s->steps[i].kind != STEP_SUBMIT || req >= s->steps[i].first_req + s->steps[i].nr_reqs)
		i++;
	return i;
}

static bool insert_req(struct stream *s, unsigned int step, unsigned int at, const struct sreq *q)
{
	struct sreq copy = *q;

	if (s->nr_reqs == STREAM_MAX_REQS)
		return false;
	memmove(&s->reqs[at + 1], &s->reqs[at], (s->nr_reqs - at) * sizeof(s->reqs[0]));
	s->reqs[at] = copy;
	s->nr_reqs++;
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (s->reqs[i].target != STREAM_NONE && s->reqs[i].target >= at)
			s->reqs[i].target++;
	s->steps[step].nr_reqs++;
	for (unsigned int i = step + 1; i < s->nr_steps; i++)
		s->steps[i].first_req += s->steps[i].kind == STEP_SUBMIT;
	return true;
}

static void remove_req(struct stream *s, unsigned int at)
{
	unsigned int step = step_of(s, at);

	memmove(&s->reqs[at], &s->reqs[at + 1], (s->nr_reqs - at - 1) * sizeof(s->reqs[0]));
	s->nr_reqs--;
	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		uint8_t *t = &s->reqs[i].target;

		if (*t == at)
			*t = STREAM_NONE;
		else if (*t != STREAM_NONE && *t > at)
			(*t)--;
	}
	s->steps[step].nr_reqs--;
	for (unsigned int i = step + 1; i < s->nr_steps; i++)
		s->steps[i].first_req -= s->steps[i].kind == STEP_SUBMIT;
}

/* Without requests as yet. */
static struct step *insert_step(struct stream *s, unsigned int at, const struct step *t)
{
	struct step copy = *t;

	if (s->nr_steps == STREAM_MAX_STEPS)
		return NULL;
	copy.nr_reqs = 0;
	copy.first_req = 0;
	if (copy.kind == STEP_SUBMIT) {
		copy.first_req = s->nr_reqs;
		for (unsigned int i = s->nr_steps; i-- > at;)
			if (s->steps[i].kind == STEP_SUBMIT)
				copy.first_req = s->steps[i].first_req;
	}
	memmove(&s->steps[at + 1], &s->steps[at], (s->nr_steps - at) * sizeof(s->steps[0]));
	s->steps[at] = copy;
	s->nr_steps++;
	return &s->steps[at];
}

/* Requests first[0..n-1] of another stream, or this one, into an empty step. What they aim at is drawn anew. */
static void fill_step(struct mutation *m, unsigned int at, const struct sreq *first, unsigned int n)
{
	struct stream *s = m->s;
	struct sreq q;

	for (unsigned int i = 0; i < n; i++) {
		q = first[i];
		if (q.target != STREAM_NONE)
			q.target = (uint8_t)pick(m, s->nr_reqs + 1u);
		if (!insert_req(s, at, s->steps[at].first_req + i, &q))
			return;
	}
}

/* An object of that kind; none if there is none. */
static struct fdref some_fd(struct mutation *m, unsigned int kind, unsigned int end)
{
	const struct stream *s = m->s;
	unsigned int at = pick(m, s->nr_objs + 1u);

	for (unsigned int i = 0; i < s->nr_objs; i++) {
		unsigned int obj = (at + i) % s->nr_objs;

		if (s->objs[obj].kind == kind)
			return (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)obj, .end = (uint8_t)end };
	}
	return (struct fdref){ .kind = FD_BAD };
}

/* ---- the mutators ---- */

static bool any_req(struct mutation *m, struct sreq **q)
{
	if (m->s->nr_reqs == 0)
		return false;
	*q = &m->s->reqs[pick(m, m->s->nr_reqs)];
	return true;
}

static bool toggle_flag(struct mutation *m)
{
	static const uint8_t flags[] = { IOSQE_IO_LINK,	    IOSQE_IO_LINK,	   IOSQE_IO_LINK, IOSQE_IO_HARDLINK,
					 IOSQE_IO_HARDLINK, IOSQE_ASYNC,	   IOSQE_ASYNC,	  IOSQE_ASYNC,
					 IOSQE_IO_DRAIN,    IOSQE_CQE_SKIP_SUCCESS };
	struct sreq *q;

	if (!any_req(m, &q))
		return false;
	q->sqe_flags ^= flags[pick(m, sizeof(flags))];
	return true;
}

static bool targets(const struct sreq *q)
{
	return q->op == SOP_TIMEOUT_REMOVE || (q->op == SOP_ASYNC_CANCEL && stream_cancel_by_target(q->op_flags));
}

static bool retarget(struct mutation *m)
{
	struct stream *s = m->s;
	unsigned int at = pick(m, s->nr_reqs + 1u);

	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		struct sreq *q = &s->reqs[(at + i) % s->nr_reqs];

		if (!targets(q))
			continue;
		q->target = (uint8_t)pick(m, s->nr_reqs);
		return true;
	}
	return false;
}

/* A cancel behind a request, mostly in a submit of its own, so that something is there to be met. */
static bool add_cancel(struct mutation *m)
{
	struct stream *s = m->s;
	struct sreq q = { .op = SOP_ASYNC_CANCEL };
	unsigned int at, step;

	if (s->nr_reqs == 0)
		return false;
	at = pick(m, s->nr_reqs);
	step = step_of(s, at);
	if (s->reqs[at].op == SOP_TIMEOUT && prng_chance(&m->p, 1, 2))
		q.op = SOP_TIMEOUT_REMOVE;
	q.target = (uint8_t)at;
	q.sqe_flags = prng_chance(&m->p, 1, 4) ? IOSQE_ASYNC : 0;
	if (prng_chance(&m->p, 1, 4))
		return insert_req(s, step, s->steps[step].first_req + s->steps[step].nr_reqs, &q);
	return insert_step(s, step + 1, &s->steps[step]) && insert_req(s, step + 1, s->steps[step + 1].first_req, &q);
}

static bool add_link_timeout(struct mutation *m)
{
	struct sreq q = { .op = SOP_LINK_TIMEOUT, .target = STREAM_NONE, .ts = pick(m, 50) * 1000ull }, *head;

	if (!any_req(m, &head) || head->op == SOP_LINK_TIMEOUT)
		return false;
	q.sqe_flags = head->sqe_flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
	head->sqe_flags |= IOSQE_IO_LINK;
	return insert_req(m->s, step_of(m->s, (unsigned int)(head - m->s->reqs)), (unsigned int)(head - m->s->reqs) + 1,
			  &q);
}

static bool duplicate_request(struct mutation *m)
{
	struct sreq *q;
	unsigned int at;

	if (!any_req(m, &q))
		return false;
	at = (unsigned int)(q - m->s->reqs);
	return insert_req(m->s, step_of(m->s, at), at + 1, q);
}

static bool delete_request(struct mutation *m)
{
	if (m->s->nr_reqs < 2)
		return false;
	remove_req(m->s, pick(m, m->s->nr_reqs));
	return true;
}

static bool delete_step(struct mutation *m)
{
	struct stream *s = m->s;
	unsigned int at;

	if (s->nr_steps < 2)
		return false;
	at = pick(m, s->nr_steps);
	while (s->steps[at].nr_reqs > 0)
		remove_req(s, s->steps[at].first_req);
	memmove(&s->steps[at], &s->steps[at + 1], (s->nr_steps - at - 1u) * sizeof(s->steps[0]));
	s->nr_steps--;
	return true;
}

static bool duplicate_step(struct mutation *m)
{
	struct stream *s = m->s;
	struct sreq kept[STREAM_MAX_REQS];
	unsigned int at, n;
	struct step t;

	if (s->nr_steps == 0)
		return false;
	at = pick(m, s->nr_steps);
	t = s->steps[at];
	n = t.nr_reqs;
	memcpy(kept, &s->reqs[t.first_req], n * sizeof(kept[0]));
	at = pick(m, s->nr_steps + 1u);
	if (!insert_step(s, at, &t))
		return false;
	fill_step(m, at, kept, n);
	return true;
}

/* A submit of the other stream, on objects of the same kinds. */
static bool splice_step(struct mutation *m)
{
	const struct stream *o = m->other;
	struct sreq kept[STREAM_MAX_REQS];
	struct step t = { .kind = STEP_SUBMIT };
	const struct step *from;
	unsigned int at;

	if (!o || o->nr_steps == 0)
		return false;
	from = &o->steps[pick(m, o->nr_steps)];
	if (from->kind != STEP_SUBMIT || from->nr_reqs == 0)
		return false;
	memcpy(kept, &o->reqs[from->first_req], from->nr_reqs * sizeof(kept[0]));
	for (unsigned int i = 0; i < from->nr_reqs; i++)
		if (kept[i].fd.kind == FD_OBJ)
			kept[i].fd = some_fd(m, o->objs[kept[i].fd.obj].kind, kept[i].fd.end);
	for (unsigned int i = 0; i < from->nr_reqs; i++)
		if (kept[i].in.kind == FD_OBJ)
			kept[i].in = some_fd(m, o->objs[kept[i].in.obj].kind, kept[i].in.end);
	on_some_ring(m, &t);
	at = pick(m, m->s->nr_steps + 1u);
	if (!insert_step(m->s, at, &t))
		return false;
	fill_step(m, at, kept, from->nr_reqs);
	return true;
}

static bool change_number(struct mutation *m)
{
	static const uint32_t lens[] = { 0, 1, 8, 8, 16, 4096, 4097, 65536, 69632 };
	struct sreq *q;

	if (!any_req(m, &q))
		return false;
	if (stream_ops[q->op].takes & FIELD_TS) {
		bool never = prng_chance(&m->p, 1, 3);

		q->ts = pick(m, 50) * 1000ull;
		if (never)
			q->ts = STREAM_NEVER_NS;
		if (q->op == SOP_TIMEOUT)
			q->count = prng_chance(&m->p, 1, 4) ? pick(m, 4) : 0;
		return true;
	}
	if (!(stream_ops[q->op].takes & FIELD_LEN))
		return false;
	/* An eventfd moves 8 bytes or nothing: there it is the value. */
	if (q->fd.kind == FD_OBJ && m->s->objs[q->fd.obj].kind == OBJ_EVENTFD)
		q->value = stream_op_is(q->op, OP_WRITES) ? UINT64_MAX - 1 - pick(m, 2) : 0;
	else
		q->len = lens[pick(m, sizeof(lens) / sizeof(lens[0]))];
	return true;
}

static bool change_object(struct mutation *m)
{
	struct fdref was;
	struct sreq *q;

	if (!any_req(m, &q) || q->fd.kind != FD_OBJ)
		return false;
	was = q->fd;
	if (stream_has_ends(m->s->objs[q->fd.obj].kind) && prng_chance(&m->p, 1, 4))
		q->fd.end ^= 1;
	else
		q->fd = some_fd(m, m->s->objs[q->fd.obj].kind, q->fd.end);
	return q->fd.obj != was.obj || q->fd.end != was.end;
}

/* Waits ask for as much as they may; the codec cuts them to what is owed. */
static bool change_wait(struct mutation *m)
{
	struct step t = { .kind = STEP_WAIT, .wait_nr = 1 + pick(m, 4) };
	struct stream *s = m->s;
	unsigned int at;

	if (s->nr_steps == 0)
		return false;
	at = pick(m, s->nr_steps);
	if (s->steps[at].kind == STEP_SUBMIT) {
		s->steps[at].wait = !s->steps[at].wait;
		s->steps[at].wait_nr = s->steps[at].wait ? pick(m, 4) : 0;
		return true;
	}
	if (s->steps[at].kind == STEP_WAIT || s->steps[at].kind == STEP_REAP || s->steps[at].kind == STEP_PEEK) {
		s->steps[at].kind = (uint8_t)(STEP_WAIT + pick(m, 3));
		s->steps[at].wait_nr = s->steps[at].kind == STEP_WAIT ? t.wait_nr : 0;
		return true;
	}
	on_some_ring(m, &t);
	return insert_step(s, at, &t) != NULL;
}

/* New limits of io-wq, mostly of one worker; or a step that sets them. */
static bool change_limit(struct mutation *m)
{
	static const uint32_t limits[] = { 1, 1, 1, 1, 0, 0, 2, UINT32_MAX };
	struct step t = { .kind = STEP_MAX_WORKERS };
	struct stream *s = m->s;
	struct step *to = &t;
	unsigned int at = pick(m, s->nr_steps + 1u);
	bool fresh = prng_chance(&m->p, 1, 2);

	for (unsigned int i = 0; !fresh && i < s->nr_steps && to == &t; i++)
		if (s->steps[(at + i) % s->nr_steps].kind == STEP_MAX_WORKERS)
			to = &s->steps[(at + i) % s->nr_steps];
	on_some_ring(m, &t);
	for (unsigned int i = 0; i < 2; i++)
		to->limit[i] = limits[pick(m, sizeof(limits) / sizeof(limits[0]))];
	return to != &t || insert_step(s, at, &t) != NULL;
}

static bool change_affinity(struct mutation *m)
{
	struct step t = { .kind = STEP_IOWQ_AFF, .value = pick(m, 8) };
	struct stream *s = m->s;
	unsigned int at = pick(m, s->nr_steps + 1u);

	if (prng_chance(&m->p, 1, 3))
		t = (struct step){ .kind = STEP_IOWQ_UNAFF };
	on_some_ring(m, &t);
	return insert_step(s, at, &t) != NULL;
}

/* What is sent goes to another ring; or something is sent. */
static bool change_to(struct mutation *m)
{
	struct sreq q = { .op = SOP_MSG_RING, .target = STREAM_NONE, .count = pick(m, 100) };
	unsigned int to = pick(m, m->s->nr_rings), step;
	struct sreq *old;

	if (!any_req(m, &old))
		return false;
	if (stream_sends(old)) {
		old->to = (uint8_t)to;
		return true;
	}
	q.to = (uint8_t)to;
	step = step_of(m->s, (unsigned int)(old - m->s->reqs));
	return insert_req(m->s, step, m->s->steps[step].first_req, &q);
}

static bool add_tell(struct mutation *m)
{
	struct step t = { .kind = STEP_TELL };

	on_some_ring(m, &t);
	t.len = pick(m, 100);
	return insert_step(m->s, pick(m, m->s->nr_steps + 1u), &t) != NULL;
}

/* A request names its slot, or no longer. */
static bool toggle_fixed(struct mutation *m)
{
	struct sreq *q;

	if (!any_req(m, &q) || !stream_may_be_fixed(q))
		return false;
	q->sqe_flags ^= IOSQE_FIXED_FILE;
	return true;
}

/* A step that makes a table, changes or drops it. */
static bool change_files(struct mutation *m)
{
	struct step t = { .kind = (uint8_t)(STEP_FILES + pick(m, 3)) };
	struct stream *s = m->s;
	unsigned int at = pick(m, s->nr_steps + 1u);

	on_some_ring(m, &t);
	t.value = t.kind != STEP_UNFILES && prng_chance(&m->p, 1, 2);
	if (t.kind == STEP_FILES)
		t.len = 2u * s->nr_objs;
	if (t.kind == STEP_SLOT)
		t.fd = some_fd(m, pick(m, OBJ_FIFO), pick(m, 2));
	return insert_step(s, at, &t) != NULL;
}

static bool change_ring(struct mutation *m)
{
	static const uint32_t modes[] = { 0, IORING_SETUP_COOP_TASKRUN,
					  IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
					  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
					  IORING_SETUP_SINGLE_ISSUER };
	struct ring *r = &m->s->rings[pick(m, m->s->nr_rings)];

	r->flags = modes[pick(m, sizeof(modes) / sizeof(modes[0]))] | (r->flags & IORING_SETUP_SUBMIT_ALL);
	return true;
}

static const struct {
	const char *name;
	uint8_t weight;
	mutator_fn *fn;
} mutators[STREAM_MUTATORS] = {
	{ "toggle_flag", 6, toggle_flag },
	{ "retarget", 4, retarget },
	{ "add_cancel", 4, add_cancel },
	{ "add_link_timeout", 2, add_link_timeout },
	{ "duplicate_request", 3, duplicate_request },
	{ "delete_request", 2, delete_request },
	{ "delete_step", 2, delete_step },
	{ "duplicate_step", 2, duplicate_step },
	{ "splice_step", 3, splice_step },
	{ "change_number", 4, change_number },
	{ "change_object", 2, change_object },
	{ "change_wait", 2, change_wait },
	{ "change_limit", 2, change_limit },
	{ "change_affinity", 1, change_affinity },
	{ "change_to", 1, change_to },
	{ "add_tell", 1, add_tell },
	{ "toggle_fixed", 1, toggle_fixed },
	{ "change_files", 1, change_files },
	{ "change_ring", 2, change_ring },
};

/* ---- the whole ---- */

static void repair(struct stream *s)
{
	uint8_t bytes[STREAM_MAX_BYTES];
	size_t n = stream_encode(s, bytes, sizeof(bytes));

	if (n)
		stream_decode(bytes, n, s);
}

static unsigned int choose(struct mutation *m)
{
	unsigned int sum = 0, at, i = 0;

	for (unsigned int k = 0; k < STREAM_MUTATORS; k++)
		sum += mutators[k].weight;
	for (at = pick(m, sum); at >= mutators[i].weight; i++)
		at -= mutators[i].weight;
	return i;
}

void stream_mutate(struct stream *s, const struct stream *other, uint64_t seed)
{
	struct mutation m = { .p = prng_seed(seed), .s = s, .other = other };
	unsigned int wanted = 1, done = 0;

	while (wanted < 6 && prng_chance(&m.p, 1, 2))
		wanted++;
	for (unsigned int tries = 0; done < wanted && tries < 32; tries++)
		done += mutators[choose(&m)].fn(&m);
	repair(s);
}

bool stream_mutate_by(struct stream *s, const struct stream *other, unsigned int mutator, uint64_t seed)
{
	struct mutation m = { .p = prng_seed(seed), .s = s, .other = other };
	bool done = mutators[mutator].fn(&m);

	repair(s);
	return done;
}

const char *stream_mutator_name(unsigned int mutator)
{
	return mutators[mutator].name;
}
