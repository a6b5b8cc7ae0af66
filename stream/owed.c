/* A conservative analysis: it says "sure" only where that is plain, and 0 costs nothing but a wait that is not made.
 *
 * 1. Which requests does the kernel take at all (a batch ends at a preparation failure)?
 * 2. What do the writers surely put into an object, and what may the readers take out of it at most?
 * 3. Along each chain: a member surely completes if the ones before it do and nothing can make it wait for ever.
 * 4. Less what earlier waits count. */
#include "stream/owed.h"

#include <poll.h>
#include <string.h>

#include "core/base/ensure.h"
#include "core/base/uapi.h"
#include "stream/optable.h"
#include "stream/rules.h"

/* A pipe holds a page at least, whatever the limits of the user; writes up to that never wait. */
enum { SURE_PIPE = 4096 };

/* A timer up to this is waited for. */
#define SHORT_NS 20000000ull

/* What the steps up to some point do to an object. */
struct traffic {
	uint64_t put_max; /* bytes or counts that all writers may put, and what is there at first */
	uint64_t put_sure; /* surely put, if everything fits */
	uint64_t take_max; /* bytes that all readers may take */
	unsigned int writers, readers;
	bool closed; /* one of its descriptors was closed */
};

struct analysis {
	const struct stream *s;
	unsigned int ring; /* the one that is waited on */
	bool taken[STREAM_MAX_REQS]; /* surely consumed by the kernel */
	bool unfit[STREAM_MAX_REQS]; /* fails preparation */
	uint8_t step_of[STREAM_MAX_REQS];
	bool task_gone[STREAM_MAX_TASKS], ring_gone[STREAM_MAX_RINGS], ring_good[STREAM_MAX_RINGS];
	bool cancels; /* there is a request that may cancel others */
	bool limited; /* a step sets limits of io-wq: a single worker that waits may hold up all others */
	bool blocks[STREAM_MAX_TASKS]; /* its workers may block for ever */
	struct traffic traffic[STREAM_MAX_OBJS];
};

static bool is_linked(const struct sreq *r)
{
	return r->sqe_flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static const struct obj *obj_of(const struct stream *s, const struct fdref *fd)
{
	return fd->kind == FD_OBJ ? &s->objs[fd->obj] : NULL;
}

/* One past the last request of the chain that starts at `first`. */
static unsigned int chain_end(const struct analysis *a, unsigned int first)
{
	const struct step *t = &a->s->steps[a->step_of[first]];
	unsigned int end = (unsigned int)t->first_req + t->nr_reqs, i = first;

	while (i + 1 < end && is_linked(&a->s->reqs[i]))
		i++;
	return i + 1;
}

/* Fails preparation; `open`: it stands in a chain behind `before`. */
static bool is_unfit(const struct sreq *r, bool open, const struct sreq *before)
{
	const uint32_t clocks = IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME;

	if ((r->sqe_flags & IOSQE_BUFFER_SELECT) || (r->op == SOP_STATX && (r->sqe_flags & IOSQE_FIXED_FILE)))
		return true;
	if (r->op == SOP_LINK_TIMEOUT && (!open || before->op == SOP_LINK_TIMEOUT))
		return true;
	if (r->op == SOP_LINK_TIMEOUT || r->op == SOP_TIMEOUT)
		return (r->op_flags & clocks) == clocks;
	return r->op == SOP_ASYNC_CANCEL && (r->op_flags & IORING_ASYNC_CANCEL_ANY) &&
	       (r->op_flags & (IORING_ASYNC_CANCEL_FD | AU_ASYNC_CANCEL_OP));
}

static void take_batch(struct analysis *a, unsigned int step)
{
	const struct step *t = &a->s->steps[step];
	const struct ring *ring = &a->s->rings[t->ring];
	bool open = false, good = a->ring_good[t->ring];

	if ((ring->flags & IORING_SETUP_SINGLE_ISSUER) && t->task != ring->task)
		good = false;
	for (unsigned int i = t->first_req; i < (unsigned int)t->first_req + t->nr_reqs; i++) {
		const struct sreq *r = &a->s->reqs[i];

		a->step_of[i] = (uint8_t)step;
		a->unfit[i] = is_unfit(r, open, open ? r - 1 : NULL);
		/* What drain and skip do to the rest of the ring is not followed any further. */
		if (r->sqe_flags & (IOSQE_IO_DRAIN | IOSQE_CQE_SKIP_SUCCESS)) {
			a->ring_good[t->ring] = false;
			good = false;
		}
		a->taken[i] = good;
		open = is_linked(r);
		if (a->unfit[i] && !open && !(ring->flags & IORING_SETUP_SUBMIT_ALL))
			good = false;
		if (r->op == SOP_ASYNC_CANCEL || r->op == SOP_TIMEOUT_REMOVE || r->op == SOP_LINK_TIMEOUT)
			a->cancels = true;
	}
	/* A chain has one fate: a member that is not sure to be taken spoils the ones before it. */
	for (unsigned int i = (unsigned int)t->first_req + t->nr_reqs; i-- > t->first_req;)
		if (is_linked(&a->s->reqs[i]) && i + 1 < (unsigned int)t->first_req + t->nr_reqs && !a->taken[i + 1])
			a->taken[i] = false;
}

/* A worker may come to wait without a time limit: when it opens a fifo, or runs the rest of a chain itself. Where workers
 * are few, so may what an unbounded one of its own waits for. */
static bool chain_may_block(const struct analysis *a, unsigned int first, unsigned int end)
{
	bool in_worker = is_linked(&a->s->reqs[end - 1]), waits = false, holds = false;

	for (unsigned int i = first; i < end; i++) {
		const struct sreq *r = &a->s->reqs[i];
		const struct obj *o = obj_of(a->s, &r->fd);

		in_worker |= stream_is_async(r) || (o && o->kind != OBJ_PIPE);
		holds |= r->op == SOP_OPENAT && o;
		waits |= stream_op_is(r->op, OP_MOVES) ||
			 (stream_op_is(r->op, OP_TRANSFERS) && o && o->kind != OBJ_FILE);
	}
	return holds || ((end - first > 1 || a->limited) && in_worker && waits);
}

static void find_blockers(struct analysis *a, unsigned int step)
{
	const struct step *t = &a->s->steps[step];
	unsigned int end;

	for (unsigned int i = t->first_req; i < (unsigned int)t->first_req + t->nr_reqs; i = end) {
		end = chain_end(a, i);
		if (chain_may_block(a, i, end))
			a->blocks[t->task] = true;
	}
}

/* The write of request i surely puts all it has, if there is room. */
static bool sure_write(const struct analysis *a, unsigned int i, unsigned int first, unsigned int end)
{
	const struct sreq *r = &a->s->reqs[i];

	const struct step *t = &a->s->steps[a->step_of[i]];

	/* Its slot may be empty. */
	if (r->sqe_flags & IOSQE_FIXED_FILE)
		return false;
	if (a->cancels || r->op_flags || is_linked(&a->s->reqs[end - 1]) || a->ring_gone[t->ring] ||
	    a->task_gone[t->task])
		return false;
	/* What is not done at once is done there only when somebody waits on that ring. */
	if (t->ring != a->ring && (a->s->rings[t->ring].flags & IORING_SETUP_DEFER_TASKRUN))
		return false;
	for (unsigned int k = first; k < end; k++)
		if (a->unfit[k] || !a->taken[k] || stream_is_async(&a->s->reqs[k]))
			return false;
	for (unsigned int k = first; k < i; k++)
		if (a->s->reqs[k].op != SOP_NOP)
			return false;
	return true;
}

static void count_write(struct traffic *t, const struct obj *o, uint32_t len, uint64_t value, bool sure)
{
	uint64_t n = len;

	if (o->kind == OBJ_EVENTFD) {
		n = len < 8 || value == UINT64_MAX ? 0 : value;
		sure &= len == 8;
	}
	t->writers++;
	t->put_max = add(t->put_max, n);
	if (sure)
		t->put_sure = add(t->put_sure, n);
}

static void count_move(struct analysis *a, const struct sreq *r)
{
	if (r->fd.kind == FD_OBJ)
		count_write(&a->traffic[r->fd.obj], &a->s->objs[r->fd.obj], r->len, 0, false);
	if (r->in.kind != FD_OBJ)
		return;
	a->traffic[r->in.obj].readers++;
	a->traffic[r->in.obj].take_max = add(a->traffic[r->in.obj].take_max, r->len);
}

static void count_req(struct analysis *a, unsigned int i, unsigned int first, unsigned int end)
{
	const struct sreq *r = &a->s->reqs[i];
	const struct obj *o = obj_of(a->s, &r->fd);
	struct traffic *t;

	if (stream_closes_fd(r))
		a->traffic[r->fd.obj].closed = true;
	if (stream_op_is(r->op, OP_MOVES)) {
		count_move(a, r);
		return;
	}
	if (!o || (o->kind == OBJ_PIPE && (r->fd.end == END_IN) != stream_op_is(r->op, OP_WRITES)))
		return;
	t = &a->traffic[r->fd.obj];
	if (stream_op_is(r->op, OP_WRITES)) {
		count_write(t, o, r->len, r->value, sure_write(a, i, first, end));
	} else if (stream_op_is(r->op, OP_READS)) {
		t->readers++;
		t->take_max = add(t->take_max, r->len);
	}
}

static void count_step(struct analysis *a, unsigned int step)
{
	const struct step *t = &a->s->steps[step];
	unsigned int end;

	if (t->kind == STEP_SUBMIT) {
		for (unsigned int i = t->first_req; i < (unsigned int)t->first_req + t->nr_reqs; i = end) {
			end = chain_end(a, i);
			for (unsigned int k = i; k < end; k++)
				count_req(a, k, i, end);
		}
	} else if (t->kind == STEP_WRITE) {
		count_write(&a->traffic[t->fd.obj], &a->s->objs[t->fd.obj], t->len, t->value, true);
	} else if (t->kind == STEP_READ) {
		a->traffic[t->fd.obj].readers++;
		a->traffic[t->fd.obj].take_max = add(a->traffic[t->fd.obj].take_max, t->len);
	} else if (t->kind == STEP_CLOSE) {
		a->traffic[t->fd.obj].closed = true;
	}
}

/* Everything that the steps before `end` do. */
static void analyse(struct analysis *a, const struct stream *s, unsigned int end, unsigned int ring)
{
	uint32_t sq, cq;

	memset(a, 0, sizeof(*a));
	a->s = s;
	a->ring = ring;
	for (unsigned int i = 0; i < s->nr_rings; i++)
		a->ring_good[i] = stream_ring_size(&s->rings[i], &sq, &cq) && sq <= STREAM_MAX_REQS &&
				  !(s->rings[i].flags & IORING_SETUP_R_DISABLED);
	for (unsigned int i = 0; i < s->nr_objs; i++)
		if (s->objs[i].kind == OBJ_EVENTFD)
			a->traffic[i].put_max = a->traffic[i].put_sure = s->objs[i].init;
	for (unsigned int i = 0; i < end; i++)
		a->limited |= s->steps[i].limit[0] || s->steps[i].limit[1];
	for (unsigned int i = 0; i < end; i++) {
		const struct step *t = &s->steps[i];

		if (t->kind == STEP_SUBMIT) {
			take_batch(a, i);
			find_blockers(a, i);
		} else if (t->kind == STEP_CLOSE_RING) {
			a->ring_gone[t->ring] = true;
		} else if (t->kind == STEP_EXIT_THREAD) {
			a->task_gone[t->task] = true;
		}
	}
	for (unsigned int i = 0; i < end; i++)
		count_step(a, i);
}

/* Everything that is written fits whenever it comes. An eventfd at its maximum is not writable, not even for a write
 * that would add nothing or fail. */
static bool fits(const struct traffic *t, const struct obj *o)
{
	return o->kind == OBJ_EVENTFD ? t->put_max < UINT64_MAX - 1 : t->put_max <= SURE_PIPE;
}

static bool read_ends(const struct traffic *t, const struct obj *o, const struct sreq *r)
{
	if (!fits(t, o))
		return false;
	if (o->kind == OBJ_PIPE)
		return t->take_max - r->len < t->put_sure;
	return (o->flags & OBJ_SEMAPHORE) ? t->readers <= t->put_sure : t->readers == 1 && t->put_sure > 0;
}

static bool poll_ends(const struct traffic *t, const struct obj *o, const struct sreq *r)
{
	bool data = t->readers == 0 && t->put_sure > 0 && fits(t, o);
	bool space = o->kind == OBJ_PIPE ? t->writers == 0 : fits(t, o);

	if (o->kind == OBJ_FILE)
		return true;
	if (o->kind == OBJ_PIPE && r->fd.end == END_IN)
		return (r->op_flags & POLLOUT) && space;
	return ((r->op_flags & POLLIN) && data) || (o->kind == OBJ_EVENTFD && (r->op_flags & POLLOUT) && space);
}

/* A transfer that fails whatever else happens. */
static bool fails(const struct stream *s, const struct sreq *r)
{
	const struct obj *o = obj_of(s, &r->fd);

	if (r->op == SOP_POLL_ADD || r->op == SOP_OPENAT || r->op == SOP_CLOSE ||
	    (stream_op_is(r->op, OP_KEEPS) && stream_op_is(r->op, OP_HOLDS)))
		return !o;
	if (stream_op_is(r->op, OP_MOVES))
		return !o || r->in.kind != FD_OBJ;
	if (!stream_op_is(r->op, OP_TRANSFERS))
		return false;
	if (!o)
		return true;
	if (o->kind == OBJ_PIPE)
		return (r->fd.end == END_IN) != stream_op_is(r->op, OP_WRITES);
	return o->kind == OBJ_EVENTFD && stream_op_is(r->op, OP_READS) && r->len < 8;
}

/* Once issued, it surely ends. */
static bool ends(const struct analysis *a, const struct sreq *r)
{
	const struct obj *o = obj_of(a->s, &r->fd);
	const struct traffic *t = o ? &a->traffic[r->fd.obj] : NULL;

	switch (r->op) {
	case SOP_TIMEOUT:
		return r->ts <= SHORT_NS;
	case SOP_SEND_FD: /* another task may have to do it */
		return false;
	case SOP_READ:
	case SOP_WRITE:
	case SOP_READV:
	case SOP_WRITEV:
	case SOP_POLL_ADD:
	case SOP_SPLICE:
	case SOP_TEE:
	case SOP_OPENAT:
		if (t && t->closed)
			return false;
		if (fails(a->s, r))
			return true;
		if (stream_op_is(r->op, OP_MOVES) || r->op == SOP_OPENAT)
			return false;
		if (r->op == SOP_POLL_ADD)
			return poll_ends(t, o, r);
		if (o->kind == OBJ_FILE || (r->len == 0 && o->kind == OBJ_PIPE))
			return true;
		if (r->op_flags)
			return false;
		return stream_op_is(r->op, OP_READS) ? read_ends(t, o, r) : fits(t, o);
	default:
		return true;
	}
}

/* The head of a chain that can only be parked, never be stuck in a worker, and that nobody disturbs: the short linked
 * timeout behind it ends it. */
static bool timed_out(const struct analysis *a, unsigned int i, unsigned int end)
{
	const struct sreq *r = &a->s->reqs[i];
	const struct obj *o = obj_of(a->s, &r->fd);

	if (stream_is_async(r) || i + 1 == end || r[1].op != SOP_LINK_TIMEOUT || r[1].ts > SHORT_NS ||
	    is_linked(&a->s->reqs[end - 1]))
		return false;
	if (r->op == SOP_TIMEOUT)
		return true;
	if (!o || o->kind == OBJ_FILE || a->traffic[r->fd.obj].closed)
		return false;
	if (stream_op_is(r->op, OP_READS))
		return a->traffic[r->fd.obj].readers == 1;
	return r->op == SOP_POLL_ADD && a->traffic[r->fd.obj].readers == 0;
}

/* How many members of a chain, from the first on, surely complete. */
static unsigned int chain_completes(const struct analysis *a, unsigned int first, unsigned int end)
{
	const struct step *t = &a->s->steps[a->step_of[first]];
	bool in_worker = is_linked(&a->s->reqs[end - 1]) || end - first > 1;

	if (!a->taken[first] || a->task_gone[t->task] || a->ring_gone[t->ring])
		return 0;
	for (unsigned int i = first; i < end; i++)
		if (a->unfit[i])
			return end - first;
	for (unsigned int i = first; i < end; i++) {
		const struct sreq *r = &a->s->reqs[i];
		const struct obj *o = obj_of(a->s, &r->fd);
		bool worker = in_worker || stream_is_async(r) || (o && o->kind != OBJ_PIPE);
		bool sure = ends(a, r) && !(worker && a->blocks[t->task]);

		if (!sure && !(i == first && timed_out(a, i, end)))
			return i - first;
		if (fails(a->s, r) && !a->traffic[o ? r->fd.obj : 0].closed && (r->sqe_flags & IOSQE_IO_LINK) &&
		    !(r->sqe_flags & IOSQE_IO_HARDLINK))
			return end - first;
	}
	return end - first;
}

/* The CQEs that waits before `step` count; each is counted once, whoever reaped it. */
static unsigned int waited(const struct stream *s, unsigned int step, unsigned int ring)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < step; i++)
		if (s->steps[i].kind <= STEP_WAIT && s->steps[i].ring == ring)
			n += s->steps[i].wait_nr;
	return n;
}

unsigned int stream_owed(const struct stream *s, unsigned int step, unsigned int ring)
{
	unsigned int end = step < s->nr_steps && s->steps[step].kind == STEP_SUBMIT ? step + 1 : step;
	unsigned int sure = 0, counted = waited(s, step, ring), chain;
	struct analysis a;

	ENSURE_OP(step, <=, (unsigned int)s->nr_steps);
	ENSURE_OP(ring, <, (unsigned int)s->nr_rings);
	analyse(&a, s, end, ring);
	for (unsigned int i = 0; i < end; i++) {
		const struct step *t = &s->steps[i];

		if (t->kind != STEP_SUBMIT || t->ring != ring)
			continue;
		for (unsigned int r = t->first_req; r < (unsigned int)t->first_req + t->nr_reqs; r = chain) {
			chain = chain_end(&a, r);
			sure += chain_completes(&a, r, chain);
		}
	}
	return sure > counted ? sure - counted : 0;
}
