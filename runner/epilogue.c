/* How a stream is brought to its end; the rules are in executor.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "runner/run.h"

enum {
	MAX_PASSES = STREAM_MAX_REQS + 64, /* ASYNC_CANCELs of the epilogue on one ring */
	QUIET_ROUNDS = 2, /* release rounds in which nothing came of what was fed */
};

#define SETTLE_NS 500000000ull /* below the idle time of a worker, which mends things as well */
#define FIRST_SLICE_NS                                                                                                 \
	2000000ull /* how long the first round waits for what is owed; each later one four times longer */
#define PASS_BOUND_NS 20000000ull /* how long a cancel is waited for before the next means is tried */
#define FENCE_BOUND_NS 1000000000ull

static uint64_t left_until(struct run *x, uint64_t deadline)
{
	uint64_t now = run_now(x);

	return now < deadline ? deadline - now : 0;
}

static struct rec_event *call_begin(struct run *x, enum rec_phase phase, uint8_t ring, uint8_t obj, uint32_t flags)
{
	struct rec_event *e = note(x, REC_BEGIN);

	e->ring = ring;
	e->obj = obj;
	e->a = phase;
	e->flags = flags;
	return e;
}

static void call_end(struct run *x, uint8_t ring, uint8_t obj, uint32_t flags, uint64_t a, int64_t res)
{
	struct rec_event *e = note(x, REC_END);

	e->ring = ring;
	e->obj = obj;
	e->a = a;
	e->flags = flags;
	e->res = res;
	if (ring != STREAM_NONE) {
		e->tail_before = x->ring[ring].tail_before;
		e->tail_after = x->ring[ring].tail_after;
	}
	note_commit(x, e);
}

static void bound_hit(struct run *x, unsigned int ring, enum rec_phase phase, uint64_t missing)
{
	struct rec_event *e = note(x, REC_BOUND);

	e->ring = (uint8_t)ring;
	e->flags = phase;
	e->a = missing;
	note_commit(x, e);
}

/* ---- what is still there ---- */

static bool alive(const struct run *x, unsigned int ring)
{
	return x->ring[ring].fd >= 0;
}

static bool pending(const struct run *x, unsigned int req)
{
	return x->req[req] == REQ_OWED || x->req[req] == REQ_SILENT;
}

static unsigned int nr_pending(const struct run *x, unsigned int ring)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < x->s->nr_reqs; i++)
		n += pending(x, i) && x->req_ring[i] == ring;
	return n;
}

static unsigned int all_pending(const struct run *x)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < x->s->nr_rings; i++)
		n += alive(x, i) ? nr_pending(x, i) : 0;
	return n;
}

/* What the pending requests may wait for, of object `obj`: POLLIN and POLLOUT. */
static unsigned int wanted(const struct run *x, unsigned int obj)
{
	unsigned int mask = 0;

	for (unsigned int i = 0; i < x->s->nr_reqs; i++) {
		const struct sreq *q = &x->s->reqs[i];

		if (!pending(x, i))
			continue;
		if (stream_takes_from(q, obj) || (q->op == SOP_TEE && q->in.kind == FD_OBJ && q->in.obj == obj))
			mask |= POLLIN;
		if (stream_puts_into(q, obj))
			mask |= POLLOUT;
		if (q->op == SOP_POLL_ADD && q->fd.kind == FD_OBJ && q->fd.obj == obj)
			mask |= q->op_flags & (POLLIN | POLLOUT);
	}
	return x->s->objs[obj].kind == OBJ_FILE || x->s->objs[obj].kind == OBJ_FIFO ? 0 : mask;
}

/* Does somebody wait for the other end of that fifo to be opened? */
static bool awaits_meeting(const struct run *x, unsigned int obj, enum obj_end end)
{
	for (unsigned int i = 0; i < x->s->nr_reqs; i++) {
		const struct sreq *q = &x->s->reqs[i];

		if (pending(x, i) && q->op == SOP_OPENAT && q->fd.kind == FD_OBJ && q->fd.obj == obj &&
		    q->fd.end == end)
			return true;
	}
	return false;
}

static bool anybody_waits(const struct run *x)
{
	for (unsigned int i = 0; i < x->s->nr_objs; i++)
		if (wanted(x, i) || awaits_meeting(x, i, END_OUT) || awaits_meeting(x, i, END_IN))
			return true;
	return false;
}

/* Something is owed, or the last cancel still found something. */
static bool unfinished(const struct run *x)
{
	for (unsigned int i = 0; i < x->s->nr_rings; i++) {
		const struct run_ring *r = &x->ring[i];

		if (r->fd >= 0 && (r->owed || (r->found > 0 && r->cancels < MAX_PASSES)))
			return true;
	}
	return false;
}

/* ---- release ---- */

/* Reads what is there and records it; true if it moved anything that this epilogue has not put there itself. */
static bool drain_object(struct run *x, uint8_t obj)
{
	bool counts = x->s->objs[obj].kind == OBJ_EVENTFD;
	size_t len = counts ? sizeof(uint64_t) : STREAM_MAX_LEN, at;
	int64_t n;

	note_commit(x, call_begin(x, PHASE_RELEASE, STREAM_NONE, obj, REC_CALL_READ));
	n = x->be->read(x->fd[obj][END_OUT], x->scratch, len, -1);
	x->be->relax();
	call_end(x, STREAM_NONE, obj, REC_CALL_READ, len, n);
	if (n <= 0)
		return false;
	note_data(x, REC_NO_REQ, obj, x->scratch, (size_t)n);
	if (counts)
		return false;
	at = (uint8_t)x->scratch[0] == REC_BYTE_RELEASE ? note_run_length(x->scratch, (size_t)n) : 0;
	return at < (size_t)n;
}

static bool feed_object(struct run *x, uint8_t obj)
{
	bool pipe = x->s->objs[obj].kind == OBJ_PIPE;
	uint64_t one = 1;
	char byte = (char)REC_BYTE_RELEASE;
	int64_t n;

	note_commit(x, call_begin(x, PHASE_RELEASE, STREAM_NONE, obj, REC_CALL_WRITE));
	n = pipe ? x->be->write(x->fd[obj][END_IN], &byte, 1, -1) :
		   x->be->write(x->fd[obj][END_OUT], &one, sizeof(one), -1);
	x->be->relax();
	call_end(x, STREAM_NONE, obj, REC_CALL_WRITE, 1, n);
	return n > 0;
}

static bool readable(struct run *x, unsigned int obj)
{
	int ready;

	if (!x->open[obj][END_OUT])
		return false;
	ready = x->be->poll(x->fd[obj][END_OUT], POLLIN);
	return ready > 0 && (ready & POLLIN);
}

/* Opens the other end of a fifo for whoever waits for it. */
static bool meet(struct run *x, uint8_t obj, enum obj_end end)
{
	int fd;

	if (!awaits_meeting(x, obj, end == END_OUT ? END_IN : END_OUT))
		return false;
	note_commit(x, call_begin(x, PHASE_RELEASE, STREAM_NONE, obj, REC_CALL_OPEN));
	fd = x->be->fifo_open(x->path[obj], end == END_IN ? O_WRONLY : O_RDONLY);
	if (fd >= 0)
		x->be->close(fd);
	x->be->relax();
	call_end(x, STREAM_NONE, obj, REC_CALL_OPEN, end, fd < 0 ? fd : 0);
	return fd >= 0;
}

/* One direct action on the object, if a pending request may wait for it. *moved: bytes of the stream left a pipe. */
static bool release_object(struct run *x, uint8_t obj, bool *moved)
{
	enum obj_end feeds = x->s->objs[obj].kind == OBJ_PIPE ? END_IN : END_OUT;
	unsigned int mask = wanted(x, obj);

	if (x->s->objs[obj].kind == OBJ_FIFO) {
		bool in = meet(x, obj, END_IN);

		return meet(x, obj, END_OUT) || in;
	}
	if (!mask)
		return false;
	if (readable(x, obj)) {
		if (!(mask & POLLOUT))
			return false;
		*moved |= drain_object(x, obj);
		return true;
	}
	return (mask & POLLIN) && x->open[obj][feeds] && feed_object(x, obj);
}

static void reap_kicked(struct run *x, unsigned int ring)
{
	ring_wait(x, &x->ring[ring], 0, 0);
	x->reaped += ring_reap(x, ring);
}

static void reap_only(struct run *x, unsigned int ring)
{
	x->reaped += ring_reap(x, ring);
}

static void reap_all(struct run *x)
{
	for (unsigned int i = 0; i < x->s->nr_rings; i++) {
		unsigned int owner = alive(x, i) ? run_owner(x, i) : RUN_TASKS;

		if (alive(x, i))
			run_on(x, owner, owner == RUN_TASKS ? reap_only : reap_kicked, i);
	}
}

static void release(struct run *x, uint64_t deadline)
{
	unsigned int quiet = 0;

	if (!anybody_waits(x))
		return;
	note_phase(x, PHASE_RELEASE, STREAM_NONE);
	while (quiet < QUIET_ROUNDS && left_until(x, deadline)) {
		bool acted = false, moved = false;

		for (unsigned int i = 0; i < x->s->nr_objs; i++)
			acted |= release_object(x, (uint8_t)i, &moved);
		x->reaped = 0;
		reap_all(x);
		if ((!acted && !x->reaped) || !anybody_waits(x))
			return;
		quiet = x->reaped || moved ? 0 : quiet + 1;
	}
}

/* ---- cancel ---- */

/* The result of one ASYNC_CANCEL of everything, or INT_MIN when it did not come back in time. */
static int async_pass(struct run *x, unsigned int ring)
{
	struct run_ring *r = &x->ring[ring];
	struct io_uring_sqe *sqe = ring_sqe(r, 0);
	uint64_t deadline = run_now(x) + PASS_BOUND_NS;
	uint32_t taken;
	int ret;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->fd = -1;
	sqe->cancel_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
	sqe->user_data = REC_UD_CANCEL + r->cancels++;
	r->cancel_res = INT_MIN;
	note_commit(x, call_begin(x, PHASE_CANCEL, (uint8_t)ring, STREAM_NONE, 0));
	ret = ring_submit(x, r, 1, 1, true, PASS_BOUND_NS, &taken);
	r->owed += ret > 0;
	call_end(x, (uint8_t)ring, STREAM_NONE, 0, 1, ret);
	if (ret <= 0)
		return INT_MIN;
	ring_reap(x, ring);
	while (r->cancel_res == INT_MIN && left_until(x, deadline)) {
		ret = ring_wait(x, r, 1, left_until(x, deadline));
		ring_reap(x, ring);
		if (ret < 0 && ret != -EINTR && ret != -ETIME)
			break;
	}
	return r->cancel_res;
}

/* Where a drain may be held up, an SQE would wait behind it; this call does not. */
static int sync_pass(struct run *x, unsigned int ring)
{
	struct run_ring *r = &x->ring[ring];
	struct io_uring_sync_cancel_reg all = {
		.fd = -1,
		.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
		.timeout = { .tv_nsec = FIRST_SLICE_NS },
	};
	int ret;

	note_commit(x, call_begin(x, PHASE_CANCEL, (uint8_t)ring, STREAM_NONE, REC_CALL_SYNC));
	r->tail_before = ring_tail(r);
	ret = x->be->reg(r->fd, IORING_REGISTER_SYNC_CANCEL, &all, 1);
	r->tail_after = ring_tail(r);
	call_end(x, (uint8_t)ring, STREAM_NONE, REC_CALL_SYNC, 0, ret);
	r->cancels++;
	reap_kicked(x, ring);
	return ret;
}

/* Passes until one finds nothing. What was found but does not come back is found again and again: that is left to the
 * next round. */
static void cancel_ring(struct run *x, unsigned int ring)
{
	struct run_ring *r = &x->ring[ring];
	unsigned int pending_before;

	note_phase(x, PHASE_CANCEL, (uint8_t)ring);
	do {
		pending_before = nr_pending(x, ring);
		r->found = r->drains && pending_before ? sync_pass(x, ring) : async_pass(x, ring);
	} while (r->found > 0 && r->cancels < MAX_PASSES && nr_pending(x, ring) < pending_before);
}

/* ---- wait for what is owed ---- */

/* Waits for whatever is owed to ring as long as the slice goes on. */
static void await_owed(struct run *x, unsigned int ring)
{
	struct run_ring *r = &x->ring[ring];
	uint64_t left;

	ring_reap(x, ring);
	while (r->owed && (left = left_until(x, x->slice_end))) {
		int ret = ring_wait(x, r, r->owed, left);

		ring_reap(x, ring);
		if (ret < 0 && ret != -EINTR && ret != -ETIME)
			break;
	}
}

static void drain_ring(struct run *x, unsigned int ring)
{
	note_phase(x, PHASE_DRAIN, (uint8_t)ring);
	await_owed(x, ring);
}

static void fence_ring(struct run *x, unsigned int ring)
{
	struct run_ring *r = &x->ring[ring];
	struct io_uring_sqe *sqe = ring_sqe(r, 0);
	uint32_t taken;
	int ret;

	note_phase(x, PHASE_FENCE, (uint8_t)ring);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_NOP;
	sqe->flags = IOSQE_IO_DRAIN;
	sqe->fd = -1;
	sqe->user_data = REC_UD_FENCE;
	note_commit(x, call_begin(x, PHASE_FENCE, (uint8_t)ring, STREAM_NONE, 0));
	ret = ring_submit(x, r, 1, 1, true, FENCE_BOUND_NS, &taken);
	r->owed += ret > 0;
	call_end(x, (uint8_t)ring, STREAM_NONE, 0, 1, ret);
	x->slice_end = run_now(x) + FENCE_BOUND_NS;
	ring_reap(x, ring);
	if (r->owed)
		drain_ring(x, ring);
	if (r->owed)
		bound_hit(x, ring, PHASE_FENCE, r->owed);
}

/* ---- the whole ---- */

/* For each ring that is there: by its task, but nothing for one whose task alone was allowed to use it and is gone. */
static void each_ring(struct run *x, run_fn *fn, bool (*of)(const struct run *x, unsigned int ring))
{
	for (unsigned int i = 0; i < x->s->nr_rings; i++) {
		unsigned int owner;

		if (!alive(x, i))
			continue;
		owner = run_owner(x, i);
		if (owner == RUN_TASKS) {
			ring_reap(x, i);
			x->ring[i].owed = 0;
			x->ring[i].found = 0;
		} else if (of(x, i)) {
			run_on(x, owner, fn, i);
		}
	}
}

static bool owes(const struct run *x, unsigned int ring)
{
	return x->ring[ring].owed > 0;
}

static bool may_cancel(const struct run *x, unsigned int ring)
{
	return x->ring[ring].cancels < MAX_PASSES;
}

/* On a ring that has seen CQE_SKIP_SUCCESS, IO_DRAIN is refused for good. */
static bool may_fence(const struct run *x, unsigned int ring)
{
	return x->ring[ring].owed == 0 && !x->ring[ring].skips && x->fences;
}

static bool to_close(const struct run *x, unsigned int ring)
{
	return !x->keeps || x->ring[ring].owed > 0;
}

static void settle_ring(struct run *x, unsigned int ring)
{
	note_phase(x, PHASE_SETTLE, (uint8_t)ring);
	x->slice_end = run_now(x) + SETTLE_NS;
	await_owed(x, ring);
}

static void note_unsettled(struct run *x, unsigned int ring)
{
	bound_hit(x, ring, PHASE_SETTLE, x->ring[ring].owed);
}

/* Where time costs nothing and a bound proves that nothing can run, what ends by itself is waited for first: RELEASE and
 * CANCEL would mend what is stranded before anybody saw it. Twice round, since rings wait for each other. */
static void settle(struct run *x)
{
	if (!(x->be->record_flags & RECF_EXACT) || !unfinished(x) || x->be->exiting())
		return;
	each_ring(x, settle_ring, owes);
	each_ring(x, settle_ring, owes);
	each_ring(x, note_unsettled, owes);
}

/* What other rings sent has come, but may wait for this ring's task, or for room. */
static void take_messages(struct run *x, unsigned int ring)
{
	ring_wait(x, &x->ring[ring], 0, FIRST_SLICE_NS);
	ring_reap(x, ring);
}

static bool gets_messages(const struct run *x, unsigned int ring)
{
	for (unsigned int i = 0; i < x->s->nr_reqs; i++)
		if (stream_sends(&x->s->reqs[i]) && x->s->reqs[i].to == ring)
			return true;
	for (unsigned int i = 0; i < x->s->nr_steps; i++)
		if (x->s->steps[i].kind == STEP_TELL && x->s->steps[i].ring == ring)
			return true;
	return false;
}

/* A table would go with its ring, but a kernel takes its time with that, and the probes would wait for what it holds. */
static void end_ring(struct run *x, unsigned int ring)
{
	bool table = false;

	for (unsigned int i = 0; i < x->s->nr_steps; i++)
		table |= x->s->steps[i].kind == STEP_FILES && x->s->steps[i].ring == ring;
	if (table)
		x->be->reg(x->ring[ring].fd, IORING_UNREGISTER_FILES, NULL, 0);
	ring_close(x, ring);
}

void epilogue_run(struct run *x)
{
	uint64_t deadline, slice = FIRST_SLICE_NS;

	settle(x);
	deadline = run_now(x) + x->be->wait_bound_ns;
	do {
		unsigned int before = all_pending(x);

		release(x, deadline);
		each_ring(x, cancel_ring, may_cancel);
		x->slice_end = run_now(x) + slice < deadline ? run_now(x) + slice : deadline;
		each_ring(x, drain_ring, owes);
		/* Patience is for what does not move. A chain of hardlinked timers gives up one a round. */
		slice = all_pending(x) < before ? FIRST_SLICE_NS : slice * 4;
	} while (unfinished(x) && left_until(x, deadline) && !x->be->exiting());
	for (unsigned int i = 0; i < x->s->nr_rings; i++)
		if (alive(x, i) && x->ring[i].owed)
			bound_hit(x, i, PHASE_DRAIN, x->ring[i].owed);
	each_ring(x, fence_ring, may_fence);
	each_ring(x, take_messages, gets_messages);
	note_phase(x, PHASE_CLOSE, STREAM_NONE);
	for (unsigned int i = 0; i < x->s->nr_rings; i++)
		if (alive(x, i) && to_close(x, i))
			run_on(x, run_owner(x, i), end_ring, i);
}
