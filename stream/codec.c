/* The header: tasks and rings, objects, features (drain and skip are only heard when it says so), unused.
 *
 * A ring:   flags, entries - 1, CQ entries (2), task, unused
 * An object: kind and flags, its initial value (7, sign-extended)
 * A record: kind (see `kinds`) and
 *   request: SQE flags, descriptor (bits 5 and 6: fixed), target as a distance (-128: none) or pieces or a second descriptor, flags of the operation,
 *            length or count or cancelled operation (3), value or offset or time (8); what is sent: ring instead of the target
 *   step:    task, ring or descriptor, wait (1: given), CQEs, length (3), value (8)
 *	      registrations: task, ring, 1: all of what follows counts (else two bits of each), -, -, limits or CPUs (8)
 *            registered files: task, ring, 1: open or empty, slots or descriptor; tell: the result there
 *
 * Flags that make most requests fail are spread over two bits, so that random bytes have few of them. */
#include "stream/codec.h"

#include <linux/fs.h>
#include <string.h>

#include "core/base/ensure.h"
#include "core/base/uapi.h"
#include "stream/optable.h"
#include "stream/owed.h"
#include "stream/rules.h"

enum {
	FEATURE_MASK = 0xf0,
	FEATURE_MAGIC = 0xd0, /* the upper half of the feature byte, or it says nothing */
	FEATURE_DRAIN = 1,
	FEATURE_SKIP = 2,
	REQ = 0x40, /* in `kinds`: an operation, not a step */
	FD_OBJECT = 0x1f, /* a descriptor: object + 1, 0: none; */
	FD_FIXED = 0x60, /* both bits: its slot is meant; */
	FD_IN = 0x80, /* end */
	EVENT_LEN = 8,
	FILE_LEN = 1 << 14, /* bounds of what is written to files: */
	FILE_OFF = 1 << 16,
	FILE_APPENDS = 1 << 18,
};

/* What the low seven bits of a record's first byte mean. The first of several is written. */
/* clang-format off */
static const uint8_t kinds[128] = {
	REQ | SOP_NOP, REQ | SOP_READ, REQ | SOP_WRITE, REQ | SOP_POLL_ADD, REQ | SOP_TIMEOUT,
	REQ | SOP_TIMEOUT_REMOVE, REQ | SOP_LINK_TIMEOUT, REQ | SOP_ASYNC_CANCEL, STEP_SUBMIT, STEP_WAIT,
	STEP_REAP, STEP_PEEK, STEP_WRITE, STEP_READ, STEP_SUBMIT, STEP_SUBMIT, REQ | SOP_NOP, REQ | SOP_READ,
	REQ | SOP_WRITE, REQ | SOP_POLL_ADD, REQ | SOP_TIMEOUT, REQ | SOP_TIMEOUT_REMOVE,
	REQ | SOP_LINK_TIMEOUT, REQ | SOP_ASYNC_CANCEL, REQ | SOP_READ, REQ | SOP_WRITE, REQ | SOP_READ,
	REQ | SOP_WRITE, REQ | SOP_READ, REQ | SOP_WRITE, REQ | SOP_ASYNC_CANCEL, REQ | SOP_ASYNC_CANCEL,
	REQ | SOP_NOP, REQ | SOP_READ, REQ | SOP_WRITE, REQ | SOP_POLL_ADD, REQ | SOP_TIMEOUT, REQ | SOP_READ,
	REQ | SOP_LINK_TIMEOUT, REQ | SOP_ASYNC_CANCEL, STEP_SUBMIT, STEP_WAIT, STEP_SUBMIT, STEP_WAIT,
	STEP_WRITE, STEP_READ, STEP_SUBMIT, STEP_WRITE, REQ | SOP_NOP, REQ | SOP_READ, REQ | SOP_WRITE,
	REQ | SOP_WRITE, REQ | SOP_TIMEOUT, REQ | SOP_READ, REQ | SOP_LINK_TIMEOUT, REQ | SOP_ASYNC_CANCEL,
	STEP_SUBMIT, STEP_WAIT, STEP_WRITE, STEP_SUBMIT, STEP_CLOSE, STEP_CLOSE_RING, STEP_EXIT_THREAD,
	STEP_EXIT_PROCESS,

	REQ | SOP_FSYNC, REQ | SOP_READ, REQ | SOP_WRITE, REQ | SOP_POLL_ADD, REQ | SOP_TIMEOUT,
	REQ | SOP_TIMEOUT_REMOVE, REQ | SOP_LINK_TIMEOUT, REQ | SOP_ASYNC_CANCEL, STEP_SUBMIT, STEP_WAIT,
	STEP_MAX_WORKERS, STEP_IOWQ_AFF, STEP_IOWQ_UNAFF, STEP_READ, STEP_SUBMIT, STEP_OPEN, REQ | SOP_FALLOCATE, STEP_FILES,
	STEP_SLOT, STEP_UNFILES, STEP_PROBE, STEP_TELL,
	REQ | SOP_LINK_TIMEOUT, REQ | SOP_ASYNC_CANCEL, REQ | SOP_READV, REQ | SOP_WRITEV, REQ | SOP_READ,
	REQ | SOP_WRITE, REQ | SOP_SPLICE, REQ | SOP_TEE, REQ | SOP_OPENAT, REQ | SOP_ASYNC_CANCEL,
	REQ | SOP_FTRUNCATE, REQ | SOP_READ, REQ | SOP_WRITE, REQ | SOP_POLL_ADD, REQ | SOP_TIMEOUT, REQ | SOP_READ,
	REQ | SOP_LINK_TIMEOUT, REQ | SOP_ASYNC_CANCEL, STEP_SUBMIT, STEP_WAIT, STEP_SUBMIT, STEP_WAIT,
	REQ | SOP_CLOSE, REQ | SOP_STATX, REQ | SOP_SYNC_FILE_RANGE, REQ | SOP_MADVISE, REQ | SOP_FSYNC, REQ | SOP_READV, REQ | SOP_WRITEV,
	REQ | SOP_MSG_RING, REQ | SOP_SEND_FD, REQ | SOP_READ, REQ | SOP_LINK_TIMEOUT, REQ | SOP_ASYNC_CANCEL,
	STEP_SUBMIT, STEP_WAIT, STEP_WRITE, STEP_SUBMIT, STEP_CLOSE, STEP_CLOSE_RING, STEP_EXIT_THREAD,
	STEP_EXIT_PROCESS,
};
/* clang-format on */

static uint8_t kind_byte(uint8_t kind)
{
	for (uint8_t i = 0; i < sizeof(kinds); i++)
		if (kinds[i] == kind)
			return i;
	ENSURE_UNREACHABLE();
}

static uint64_t get(const uint8_t *b, unsigned int n)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < n; i++)
		v |= (uint64_t)b[i] << (8 * i);
	return v;
}

static void put(uint8_t *b, unsigned int n, uint64_t v)
{
	for (unsigned int i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * i));
}

/* Flags of a table as a mask by row; `pairs`: a flag is on when bit k and bit k + 4 are. */
static uint32_t flags_of(const struct stream_word *table, uint8_t mask, bool pairs)
{
	uint32_t flags = 0;

	if (pairs)
		mask &= mask >> 4;
	for (unsigned int k = 0; table[k].word && k < 8; k++)
		if (mask & 1u << k)
			flags |= table[k].value;
	return flags;
}

static uint8_t mask_of(const struct stream_word *table, uint32_t flags, bool pairs)
{
	unsigned int mask = 0;

	for (unsigned int k = 0; table[k].word && k < 8; k++)
		if (flags & table[k].value)
			mask |= 1u << k;
	return (uint8_t)(pairs ? mask | mask << 4 : mask);
}

/* Lengths: one byte, two bytes, or two bytes times 16, so that most are small. */
static uint32_t len_of(const uint8_t b[3])
{
	if (b[2] & 0x80)
		return (uint32_t)get(b, 2) << 4;
	return b[2] & 0x40 ? (uint32_t)get(b, 2) : b[0];
}

static void put_len(uint8_t b[3], uint32_t len)
{
	if (len > 0xffff0)
		len = 0xffff0;
	put(b, 2, len > 0xffff ? len >> 4 : len);
	b[2] = len > 0xffff ? 0x80 : len > 0xff ? 0x40 : 0;
}

/* An eventfd's length is 8 where the bytes are 0. */
static uint32_t fd_len_of(const uint8_t b[3], bool event)
{
	uint32_t len = len_of(b);

	return !event ? len : len ? len - 1 : EVENT_LEN;
}

static void put_fd_len(uint8_t b[3], uint32_t len, bool event)
{
	put_len(b, !event ? len : len == EVENT_LEN ? 0 : len + 1);
}

/* Times: a class, then its value: microseconds up to 50, nanoseconds, milliseconds up to 20, never. */
static uint64_t time_of(const uint8_t b[8])
{
	switch (b[0] & 7) {
	case 5:
		return get(b + 1, 3);
	case 6:
		return (1 + b[1] % 20) * 1000000ull;
	case 4:
	case 7:
		return STREAM_NEVER_NS;
	default:
		return b[1] % 51 * 1000ull;
	}
}

static void put_time(uint8_t b[8], uint64_t ns)
{
	if (ns % 1000 == 0 && ns <= 50000) {
		b[1] = (uint8_t)(ns / 1000);
	} else if (ns % 1000000 == 0 && ns <= 20000000) {
		b[0] = 6;
		b[1] = (uint8_t)(ns / 1000000 - 1);
	} else if (ns <= 0xffffff) {
		b[0] = 5;
		put(b + 1, 3, ns);
	} else {
		b[0] = 4;
	}
}

struct reader {
	const uint8_t *at, *end;
	struct stream *s;
	unsigned int features;
	bool task_gone[STREAM_MAX_TASKS], ring_gone[STREAM_MAX_RINGS], end_gone[STREAM_MAX_OBJS][2];
	uint64_t appended[STREAM_MAX_OBJS];
	bool exits, holds_itself; /* some task has exited; a request may hold its own ring: not both in one stream */
	bool over; /* nothing may follow */
};

/* The next n bytes, 0 where there are none. */
static void next(struct reader *r, uint8_t *to, size_t n)
{
	size_t have = (size_t)(r->end - r->at);

	memset(to, 0, n);
	if (have > n)
		have = n;
	if (have)
		memcpy(to, r->at, have);
	r->at += have;
}

static uint32_t roundup_pow2(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

static void decode_ring(struct reader *r, struct ring *ring)
{
	uint8_t b[CODEC_DECL];

	next(r, b, sizeof(b));
	ring->flags = flags_of(stream_ring_flags, b[0], false) & ~IORING_SETUP_R_DISABLED;
	/* A ring that cannot be set up would make the rest idle. */
	if (!(ring->flags & IORING_SETUP_SINGLE_ISSUER))
		ring->flags &= ~IORING_SETUP_DEFER_TASKRUN;
	if (!(ring->flags & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN)))
		ring->flags &= ~IORING_SETUP_TASKRUN_FLAG;
	ring->entries = 1 + b[1] % 64;
	ring->cq_entries = (uint32_t)get(b + 2, 2) & 0x3ff;
	if (ring->cq_entries && ring->cq_entries < roundup_pow2(ring->entries))
		ring->cq_entries = roundup_pow2(ring->entries);
	ring->task = b[4] % r->s->nr_tasks;
}

static void encode_ring(const struct ring *ring, uint8_t *b)
{
	b[0] = mask_of(stream_ring_flags, ring->flags, false);
	b[1] = (uint8_t)(ring->entries - 1);
	put(b + 2, 2, ring->cq_entries);
	b[4] = ring->task;
}

static void decode_obj(struct reader *r, struct obj *o)
{
	uint8_t b[CODEC_DECL];
	uint64_t init;

	next(r, b, sizeof(b));
	o->kind = (b[0] & 3) % OBJ_KINDS;
	if (o->kind < OBJ_FILE && b[0] & 4)
		o->flags |= OBJ_NONBLOCK;
	if (o->kind == OBJ_EVENTFD && b[0] & 8)
		o->flags |= OBJ_SEMAPHORE;
	init = get(b + 1, 7);
	if (o->kind == OBJ_EVENTFD) {
		if (init >> 55)
			init |= 0xffull << 56;
		o->init = init == UINT64_MAX ? init - 1 : init;
	} else if (o->kind != OBJ_FIFO) {
		o->init = init & (o->kind == OBJ_PIPE ? STREAM_MAX_LEN - 1 : FILE_OFF - 1);
	}
}

static void encode_obj(const struct obj *o, uint8_t *b)
{
	b[0] = (uint8_t)(o->kind | (o->flags & OBJ_NONBLOCK ? 4 : 0) | (o->flags & OBJ_SEMAPHORE ? 8 : 0));
	put(b + 1, 7, o->init);
}

static struct fdref fd_of(const struct stream *s, uint8_t b)
{
	unsigned int obj = (b & FD_OBJECT) % (s->nr_objs + 1u);
	struct fdref fd = { .kind = FD_BAD };

	if (obj > 0) {
		fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)(obj - 1) };
		if (stream_has_ends(s->objs[fd.obj].kind))
			fd.end = b & FD_IN ? END_IN : END_OUT;
	}
	return fd;
}

static uint8_t fd_byte(const struct fdref *fd)
{
	return fd->kind == FD_BAD ? 0 : (uint8_t)((fd->obj + 1) | (fd->end ? FD_IN : 0));
}

static unsigned int kind_of(const struct stream *s, const struct fdref *fd)
{
	return fd->kind == FD_OBJ ? s->objs[fd->obj].kind : OBJ_KINDS;
}

/* Bounds what is written to a file, so that it stays within the limit of the language. */
static void bound_file(struct reader *r, struct sreq *q)
{
	if (q->op == SOP_FTRUNCATE) {
		q->len &= FILE_OFF - 1;
		return;
	}
	q->len &= FILE_LEN - 1;
	if (stream_op_is(q->op, OP_FILES))
		q->off &= FILE_OFF - 1;
	if (q->off != -1)
		q->off &= FILE_OFF - 1;
	if (!stream_op_is(q->op, OP_WRITES | OP_SIZES) || (q->off >= 0 && !(q->op_flags & RWF_APPEND)))
		return;
	if (r->appended[q->fd.obj] + q->len > FILE_APPENDS)
		q->len = 0;
	r->appended[q->fd.obj] += q->len;
}

static void decode_transfer(struct reader *r, struct sreq *q, const uint8_t *b)
{
	unsigned int kind;

	if (stream_op_is(q->op, OP_FILES) && kind_of(r->s, &q->fd) != OBJ_FILE)
		q->fd = (struct fdref){ .kind = FD_BAD };
	kind = kind_of(r->s, &q->fd);
	q->op_flags = flags_of(stream_ops[q->op].flags, b[4], true);
	if (stream_ops[q->op].takes & FIELD_IOVS)
		q->iovs = kind == OBJ_EVENTFD ? 1 : (uint8_t)(1 + b[3] % STREAM_MAX_IOVS);
	q->len = fd_len_of(b + 5, kind == OBJ_EVENTFD);
	if (stream_op_is(q->op, OP_WRITES) && kind == OBJ_EVENTFD)
		q->value = get(b + 8, 8);
	if (kind == OBJ_FILE) {
		if (stream_ops[q->op].takes & FIELD_OFF)
			q->off = (int32_t)get(b + 8, 4);
		bound_file(r, q);
	}
}

static void decode_move(struct reader *r, struct sreq *q, const uint8_t *b)
{
	unsigned int from;

	q->op_flags = flags_of(stream_ops[q->op].flags, b[4], true);

	if (kind_of(r->s, &q->fd) != OBJ_PIPE)
		q->fd = (struct fdref){ .kind = FD_BAD };
	q->in = fd_of(r->s, b[3]);
	from = kind_of(r->s, &q->in);
	if (from == OBJ_EVENTFD || from == OBJ_FIFO || (from == OBJ_FILE && q->op == SOP_TEE))
		q->in = (struct fdref){ .kind = FD_BAD };
	else if (from == OBJ_FILE)
		q->in_off = (int32_t)get(b + 8, 4);
	if (q->in_off != -1)
		q->in_off &= FILE_OFF - 1;
	q->len = len_of(b + 5);
}

static void decode_cancel(struct reader *r, struct sreq *q, const uint8_t *b)
{
	q->op_flags = flags_of(stream_ops[q->op].flags, b[4], true);
	if ((b[6] & 3) == 3)
		q->op_flags |= IORING_ASYNC_CANCEL_FD;
	else
		q->fd = (struct fdref){ .kind = FD_BAD };
	if ((b[6] & 12) == 12) {
		q->op_flags |= AU_ASYNC_CANCEL_OP;
		q->cancel_op = b[5] % SOP_NR;
	}
	if (!stream_cancel_by_target(q->op_flags))
		q->target = STREAM_NONE;
	if (!stream_may_be_fixed(q))
		q->sqe_flags &= (uint8_t)~IOSQE_FIXED_FILE;
}

static void decode_req(struct reader *r, unsigned int op, const uint8_t *b)
{
	struct stream *s = r->s;
	struct sreq *q = &s->reqs[s->nr_reqs];
	int target = s->nr_reqs + (int8_t)b[3];
	uint8_t flags = b[1];

	if (!(r->features & FEATURE_DRAIN))
		flags &= ~8u;
	if (!(r->features & FEATURE_SKIP) || stream_opens(s))
		flags &= ~16u;
	if (!(flags & 0x40))
		flags &= ~4u;
	if (!(flags & 0x80) || stream_op_is(op, OP_READS))
		flags &= ~32u;
	q->op = (uint8_t)op;
	q->sqe_flags = (uint8_t)flags_of(stream_sqe_flags, flags & 63, false);
	q->target = STREAM_NONE;
	if (stream_ops[op].takes & FIELD_FD)
		q->fd = fd_of(s, b[2]);
	if ((kind_of(s, &q->fd) == OBJ_FIFO) != (op == SOP_OPENAT))
		q->fd = (struct fdref){ .kind = FD_BAD };
	if ((b[2] & FD_FIXED) == FD_FIXED && (op == SOP_ASYNC_CANCEL || stream_may_be_fixed(q)))
		q->sqe_flags |= IOSQE_FIXED_FILE;
	if (stream_closes_fd(q)) {
		if (stream_opens(s) || r->end_gone[q->fd.obj][q->fd.end])
			q->fd = (struct fdref){ .kind = FD_BAD };
		else
			r->end_gone[q->fd.obj][q->fd.end] = true;
	}
	if (stream_ops[op].takes & FIELD_TARGET && (int8_t)b[3] != -128 && target >= 0 && target < STREAM_MAX_REQS)
		q->target = (uint8_t)target;
	if (stream_op_is(op, OP_MOVES)) {
		decode_move(r, q, b);
	} else if (stream_ops[op].takes & FIELD_LEN) {
		decode_transfer(r, q, b);
	} else if (stream_sends(q)) {
		q->op_flags = flags_of(stream_ops[op].flags, b[4], true);
		q->to = b[3] % (s->nr_rings + 1u) == s->nr_rings ? STREAM_NONE : b[3] % (s->nr_rings + 1u);
		if (op == SOP_MSG_RING)
			q->count = (uint32_t)get(b + 5, 2);
		if (r->exits && stream_may_hold_itself(s, s->steps[s->nr_steps - 1].ring, q))
			q->to = STREAM_NONE;
		r->holds_itself |= stream_may_hold_itself(s, s->steps[s->nr_steps - 1].ring, q);
	} else if (op == SOP_FSYNC) {
		q->op_flags = flags_of(stream_ops[op].flags, b[4], true);
	} else if (op == SOP_ASYNC_CANCEL) {
		decode_cancel(r, q, b);
	} else if (op == SOP_POLL_ADD) {
		q->op_flags = flags_of(stream_poll_events, b[4], false);
		if (!q->op_flags)
			q->op_flags = stream_poll_events[0].value;
	} else if (stream_ops[op].takes & FIELD_TS) {
		q->op_flags = flags_of(stream_ops[op].flags, b[4], true);
		q->ts = time_of(b + 8);
		if (op == SOP_TIMEOUT)
			q->count = b[7] & 0x40 ? b[5] & 15 : 0;
	}
	s->nr_reqs++;
	s->steps[s->nr_steps - 1].nr_reqs++;
}

static void encode_req(const struct stream *s, unsigned int i, uint8_t *b)
{
	const struct sreq *q = &s->reqs[i];
	unsigned int kind = kind_of(s, &q->fd);

	b[0] = kind_byte(REQ | q->op);
	b[1] = mask_of(stream_sqe_flags, q->sqe_flags, false) & 63;
	if (b[1] & 4)
		b[1] |= 0x40;
	if (b[1] & 32)
		b[1] |= 0x80;
	b[2] = fd_byte(&q->fd) | (q->sqe_flags & IOSQE_FIXED_FILE ? FD_FIXED : 0);
	b[3] = q->target == STREAM_NONE ? 0x80 : (uint8_t)(q->target - (int)i);
	b[4] = mask_of(q->op == SOP_POLL_ADD ? stream_poll_events : stream_ops[q->op].flags, q->op_flags,
		       q->op != SOP_POLL_ADD);
	if (q->iovs)
		b[3] = q->iovs - 1;
	if (stream_sends(q)) {
		b[3] = q->to == STREAM_NONE ? s->nr_rings : q->to;
		put(b + 5, 2, q->count);
	}
	if (stream_op_is(q->op, OP_MOVES)) {
		b[3] = fd_byte(&q->in);
		put_len(b + 5, q->len);
		put(b + 8, 4, (uint64_t)q->in_off);
	} else if (stream_ops[q->op].takes & FIELD_LEN) {
		put_fd_len(b + 5, q->len, kind == OBJ_EVENTFD);
		put(b + 8, kind == OBJ_EVENTFD ? 8 : 4, kind == OBJ_EVENTFD ? q->value : (uint64_t)q->off);
	} else if (q->op == SOP_ASYNC_CANCEL) {
		b[5] = q->cancel_op;
		b[6] = (uint8_t)((q->op_flags & IORING_ASYNC_CANCEL_FD ? 3 : 0) |
				 (q->op_flags & AU_ASYNC_CANCEL_OP ? 12 : 0));
	} else if (stream_ops[q->op].takes & FIELD_TS) {
		put_time(b + 8, q->ts);
		b[5] = q->count > 15 ? 15 : (uint8_t)q->count;
		b[7] = q->count ? 0x40 : 0;
	}
}

/* A submit that requests may be added to; the next one when this one is full. NULL: none can be had. */
static struct step *open_submit(struct reader *r)
{
	struct stream *s = r->s;
	struct step *t = s->nr_steps ? &s->steps[s->nr_steps - 1] : NULL;
	struct step fresh = { .kind = STEP_SUBMIT, .first_req = s->nr_reqs };

	if (t && t->kind == STEP_SUBMIT) {
		if (t->nr_reqs < roundup_pow2(s->rings[t->ring].entries))
			return t;
		fresh.ring = t->ring;
		fresh.task = t->task;
	} else {
		while (fresh.ring < s->nr_rings &&
		       (r->ring_gone[fresh.ring] || r->task_gone[s->rings[fresh.ring].task]))
			fresh.ring++;
		if (fresh.ring == s->nr_rings)
			return NULL;
		fresh.task = s->rings[fresh.ring].task;
	}
	if (s->nr_steps == STREAM_MAX_STEPS)
		return NULL;
	s->steps[s->nr_steps] = fresh;
	return &s->steps[s->nr_steps++];
}

/* Small numbers mostly: they are what makes a difference. */
static void decode_register(struct step *t, const uint8_t *b)
{
	bool wide = b[3] & 1;

	for (unsigned int i = 0; t->kind == STEP_MAX_WORKERS && i < 2; i++)
		t->limit[i] = wide ? (uint32_t)get(b + 8 + 4 * i, 4) : b[8 + 4 * i] & 3u;
	if (t->kind == STEP_IOWQ_AFF)
		t->value = wide ? get(b + 8, 8) : b[8] & 3u;
}

static void decode_files(const struct stream *s, struct step *t, const uint8_t *b)
{
	if (t->kind == STEP_FILES)
		t->len = b[4] % (STREAM_MAX_SLOTS + 1);
	if (t->kind != STEP_UNFILES)
		t->value = b[3] & 1;
	if (t->kind == STEP_SLOT)
		t->fd = fd_of(s, b[4]);
}

static bool ring_step(struct reader *r, struct step *t, const uint8_t *b)
{
	const struct ring *ring;

	t->ring = b[2] % r->s->nr_rings;
	ring = &r->s->rings[t->ring];
	if (r->ring_gone[t->ring])
		return false;
	/* Only its task gets anywhere with such a ring. */
	if (ring->flags & IORING_SETUP_SINGLE_ISSUER && t->kind <= STEP_REAP)
		t->task = ring->task;
	if (t->kind == STEP_SUBMIT) {
		t->first_req = r->s->nr_reqs;
		t->wait = b[3] & 1;
	}
	if (t->wait || t->kind == STEP_WAIT)
		t->wait_nr = b[4] & STREAM_MAX_REQS ? STREAM_MAX_REQS : b[4];
	if (stream_step_registers(t->kind))
		decode_register(t, b);
	if (stream_step_on_files(t->kind))
		decode_files(r->s, t, b);
	if (t->kind == STEP_TELL)
		t->len = b[4];
	if (t->kind == STEP_SLOT && kind_of(r->s, &t->fd) >= OBJ_FIFO)
		return false;
	if (t->kind == STEP_CLOSE_RING)
		r->ring_gone[t->ring] = true;
	return true;
}

static bool fd_step(struct reader *r, struct step *t, const uint8_t *b)
{
	unsigned int kind;

	t->fd = fd_of(r->s, b[2]);
	kind = kind_of(r->s, &t->fd);
	if (kind == OBJ_KINDS)
		return false;
	if ((t->kind == STEP_OPEN && kind != OBJ_FIFO) ||
	    (t->kind == STEP_CLOSE && kind != OBJ_FIFO && stream_opens(r->s)))
		return false;
	if (t->kind < STEP_OPEN) {
		if (kind >= OBJ_FILE)
			return false;
		if (kind == OBJ_PIPE)
			t->fd.end = t->kind == STEP_WRITE ? END_IN : END_OUT;
		t->len = kind == OBJ_EVENTFD ? EVENT_LEN : len_of(b + 5);
		if (kind == OBJ_EVENTFD && t->kind == STEP_WRITE)
			t->value = get(b + 8, 8);
	}
	if (r->end_gone[t->fd.obj][t->fd.end] != (t->kind == STEP_OPEN))
		return false;
	if (t->kind >= STEP_OPEN)
		r->end_gone[t->fd.obj][t->fd.end] = t->kind == STEP_CLOSE;
	return true;
}

static void decode_step(struct reader *r, unsigned int kind, const uint8_t *b)
{
	struct stream *s = r->s;
	struct step *t = &s->steps[s->nr_steps];
	struct step fresh = { .kind = (uint8_t)kind, .task = b[1] % s->nr_tasks };
	bool ok = true;

	*t = fresh;
	if ((kind >= STEP_CLOSE_RING && stream_opens(s)) || (kind >= STEP_EXIT_THREAD && r->holds_itself))
		ok = false;
	else if (stream_step_on_ring(kind))
		ok = !r->task_gone[t->task] && ring_step(r, t, b);
	else if (kind <= STEP_CLOSE)
		ok = !r->task_gone[t->task] && fd_step(r, t, b);
	if (!ok || r->task_gone[t->task]) {
		memset(t, 0, sizeof(*t));
		return;
	}
	if (kind == STEP_EXIT_THREAD)
		r->task_gone[t->task] = true;
	r->exits |= kind >= STEP_EXIT_THREAD;
	r->over = kind == STEP_EXIT_PROCESS;
	s->nr_steps++;
}

static void encode_step(const struct stream *s, unsigned int i, uint8_t *b)
{
	const struct step *t = &s->steps[i];
	bool on_ring = stream_step_on_ring(t->kind);

	b[0] = kind_byte(t->kind);
	b[1] = t->task;
	b[2] = on_ring ? t->ring : fd_byte(&t->fd);
	b[3] = t->wait;
	b[4] = (uint8_t)t->wait_nr;
	if (t->kind == STEP_WRITE || t->kind == STEP_READ)
		put_len(b + 5, t->len);
	put(b + 8, 8, t->kind == STEP_MAX_WORKERS ? t->limit[0] | (uint64_t)t->limit[1] << 32 : t->value);
	if (stream_step_on_files(t->kind)) {
		b[3] = (uint8_t)t->value;
		b[4] = t->kind == STEP_SLOT ? fd_byte(&t->fd) : (uint8_t)t->len;
	} else if (t->kind == STEP_TELL) {
		b[4] = (uint8_t)t->len;
	} else if (stream_step_registers(t->kind)) {
		b[3] = t->limit[0] > 3 || t->limit[1] > 3 || t->value > 3;
	}
}

/* What depends on the stream as a whole. */
static void settle(struct stream *s)
{
	unsigned int owed;

	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (s->reqs[i].target >= s->nr_reqs)
			s->reqs[i].target = STREAM_NONE;
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		struct step *t = &s->steps[i];

		if (t->wait_nr == 0)
			continue;
		owed = stream_owed(s, i, t->ring);
		if (t->wait_nr > owed)
			t->wait_nr = owed;
	}
}

void stream_decode(const uint8_t *bytes, size_t n, struct stream *out)
{
	struct reader r = { .s = out };
	uint8_t b[CODEC_RECORD] = { 0 };

	/* bytes may be NULL when there are none. */
	r.at = n > 0 ? bytes : b;
	r.end = r.at + (n < STREAM_MAX_BYTES ? n : STREAM_MAX_BYTES);
	stream_init(out);
	next(&r, b, CODEC_HEADER);
	out->nr_tasks = 1 + (b[0] & 3);
	out->nr_rings = 1 + (b[0] >> 2 & 3);
	out->nr_objs = b[1] % (STREAM_MAX_OBJS + 1);
	if ((b[2] & FEATURE_MASK) == FEATURE_MAGIC)
		r.features = b[2];
	for (unsigned int i = 0; i < out->nr_rings; i++)
		decode_ring(&r, &out->rings[i]);
	for (unsigned int i = 0; i < out->nr_objs; i++)
		decode_obj(&r, &out->objs[i]);
	for (unsigned int i = 0; i < out->nr_objs; i++)
		r.end_gone[i][END_OUT] = r.end_gone[i][END_IN] = out->objs[i].kind == OBJ_FIFO;
	while (r.at < r.end && !r.over) {
		unsigned int kind;

		next(&r, b, CODEC_RECORD);
		kind = kinds[b[0] & 127];
		if (!(kind & REQ)) {
			if (out->nr_steps < STREAM_MAX_STEPS)
				decode_step(&r, kind, b);
		} else if (out->nr_reqs < STREAM_MAX_REQS && open_submit(&r)) {
			decode_req(&r, kind & ~(unsigned int)REQ, b);
		}
	}
	settle(out);
	stream_name_all(out);
}

static uint8_t features_of(const struct stream *s)
{
	unsigned int features = 0;

	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		if (s->reqs[i].sqe_flags & IOSQE_IO_DRAIN)
			features |= FEATURE_MAGIC | FEATURE_DRAIN;
		if (s->reqs[i].sqe_flags & IOSQE_CQE_SKIP_SUCCESS)
			features |= FEATURE_MAGIC | FEATURE_SKIP;
	}
	return (uint8_t)features;
}

size_t stream_encode(const struct stream *s, uint8_t *out, size_t cap)
{
	size_t n = CODEC_HEADER + (size_t)(s->nr_rings + s->nr_objs) * CODEC_DECL +
		   (size_t)(s->nr_steps + s->nr_reqs) * CODEC_RECORD;
	uint8_t *b = out + CODEC_HEADER;

	if (n > cap || s->nr_rings == 0)
		return 0;
	memset(out, 0, n);
	out[0] = (uint8_t)((s->nr_tasks - 1) | (s->nr_rings - 1) << 2);
	out[1] = s->nr_objs;
	out[2] = features_of(s);
	for (unsigned int i = 0; i < s->nr_rings; i++, b += CODEC_DECL)
		encode_ring(&s->rings[i], b);
	for (unsigned int i = 0; i < s->nr_objs; i++, b += CODEC_DECL)
		encode_obj(&s->objs[i], b);
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		const struct step *t = &s->steps[i];

		encode_step(s, i, b);
		b += CODEC_RECORD;
		for (unsigned int k = t->first_req; k < (unsigned int)t->first_req + t->nr_reqs; k++, b += CODEC_RECORD)
			encode_req(s, k, b);
	}
	return n;
}
