#include <errno.h>
#include <string.h>

#include "core/base/ensure.h"
#include "runner/run.h"

/* ---- words shared with the kernel or the engine ---- */

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

uint32_t ring_tail(const struct run_ring *r)
{
	return load(r->cq_tail) - r->base;
}

/* ---- set up and close ---- */

static bool ring_map(struct run *x, struct run_ring *r)
{
	const struct io_uring_params *p = &r->p;
	size_t sq_end = p->sq_off.array + (size_t)p->sq_entries * sizeof(uint32_t);
	size_t cq_end = p->cq_off.cqes + ((size_t)p->cq_entries << r->cqe_shift);
	char *base;

	r->rings_len = sq_end > cq_end ? sq_end : cq_end;
	r->sqes_len = (size_t)p->sq_entries << r->sqe_shift;
	r->rings = base = x->be->mmap(r->fd, r->rings_len, IORING_OFF_SQ_RING);
	if (!base)
		return false;
	r->sqes = x->be->mmap(r->fd, r->sqes_len, IORING_OFF_SQES);
	if (!r->sqes) {
		x->be->munmap(r->rings, r->rings_len);
		return false;
	}
	r->sq_head = (uint32_t *)(base + p->sq_off.head);
	r->sq_tail = (uint32_t *)(base + p->sq_off.tail);
	r->sq_array = p->flags & AU_SETUP_NO_SQARRAY ? NULL : (uint32_t *)(base + p->sq_off.array);
	r->cq_head = (uint32_t *)(base + p->cq_off.head);
	r->cq_tail = (uint32_t *)(base + p->cq_off.tail);
	r->cqes = base + p->cq_off.cqes;
	return true;
}

static int ring_make(struct run *x, struct run_ring *r, const struct ring *spec)
{
	int ret;

	memset(&r->p, 0, sizeof(r->p));
	r->p.flags = spec->flags;
	if (spec->cq_entries) {
		r->p.flags |= IORING_SETUP_CQSIZE;
		r->p.cq_entries = spec->cq_entries;
	}
	ret = x->be->setup(spec->entries, &r->p);
	if (ret < 0)
		return ret;
	r->fd = ret;
	r->sqe_shift = spec->flags & IORING_SETUP_SQE128 ? 7 : 6;
	r->cqe_shift = spec->flags & IORING_SETUP_CQE32 ? 5 : 4;
	if (!ring_map(x, r)) {
		x->be->close(r->fd);
		r->fd = -1;
		return -ENOMEM;
	}
	return 0;
}

void ring_setup(struct run *x, unsigned int ring)
{
	struct run_ring *r = &x->ring[ring];
	struct rec_event *e;
	int ret = r->fd >= 0 ? 0 : ring_make(x, r, &x->s->rings[ring]);

	e = note(x, REC_RING);
	e->ring = (uint8_t)ring;
	e->res = ret;
	if (ret == 0) {
		e->a = (uint64_t)r->p.sq_entries << 32 | r->p.cq_entries;
		e->flags = r->p.flags;
	}
	note_commit(x, e);
}

void ring_close(struct run *x, unsigned int ring)
{
	struct run_ring *r = &x->ring[ring];

	if (r->fd < 0)
		return;
	x->be->munmap(r->sqes, r->sqes_len);
	x->be->munmap(r->rings, r->rings_len);
	x->be->close(r->fd);
	r->fd = -1;
	r->owed = 0;
	for (unsigned int i = 0; i < x->s->nr_reqs; i++)
		if (x->req_ring[i] == ring && (x->req[i] == REQ_OWED || x->req[i] == REQ_SILENT))
			x->req[i] = REQ_DONE;
}

/* ---- enter ---- */

struct io_uring_sqe *ring_sqe(struct run_ring *r, unsigned int i)
{
	uint32_t slot = (load(r->sq_tail) + i) & (r->p.sq_entries - 1);

	if (r->sq_array)
		r->sq_array[slot] = slot;
	return (struct io_uring_sqe *)((char *)r->sqes + ((size_t)slot << r->sqe_shift));
}

static int ring_enter(struct run *x, struct run_ring *r, unsigned int n, unsigned int wait_nr, bool wait,
		      uint64_t bound_ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = (int64_t)(bound_ns / 1000000000ull),
		.tv_nsec = (long long)(bound_ns % 1000000000ull),
	};
	struct io_uring_getevents_arg arg = { .ts = (uint64_t)(uintptr_t)&ts };
	int ret;

	r->tail_before = ring_tail(r);
	if (wait)
		ret = x->be->enter(r->fd, n, wait_nr, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
	else
		ret = x->be->enter(r->fd, n, 0, 0, NULL, 0);
	r->tail_after = ring_tail(r);
	return ret;
}

int ring_submit(struct run *x, struct run_ring *r, unsigned int n, unsigned int wait_nr, bool wait, uint64_t bound_ns,
		uint32_t *taken)
{
	uint32_t head = load(r->sq_head), after;
	int ret;

	store(r->sq_tail, load(r->sq_tail) + n);
	ret = ring_enter(x, r, n, wait_nr, wait, bound_ns);
	after = load(r->sq_head);
	*taken = after - head;
	store(r->sq_tail, after);
	return ret;
}

int ring_wait(struct run *x, struct run_ring *r, unsigned int wait_nr, uint64_t bound_ns)
{
	return ring_enter(x, r, 0, wait_nr, true, bound_ns);
}

/* ---- reap ---- */

/* What a CQE settles. `req` is its request, or REC_NO_REQ. */
static void settle(struct run *x, struct run_ring *r, uint16_t req, uint64_t user_data, int32_t res, uint32_t flags)
{
	if (flags & IORING_CQE_F_MORE)
		return;
	if (req != REC_NO_REQ) {
		if (x->req[req] == REQ_OWED)
			r->owed--;
		if (x->req[req] == REQ_OWED || x->req[req] == REQ_SILENT)
			x->req[req] = REQ_DONE;
		return;
	}
	if ((user_data & ~0xffffffffull) == REC_UD_CANCEL)
		r->cancel_res = res;
	if ((user_data & ~0xffffffffull) == REC_UD_MSG)
		return;
	if (user_data >> 63 && r->owed > 0)
		r->owed--;
}

/* Bytes a READ has brought. */
static void note_read(struct run *x, uint16_t req, int32_t res)
{
	const struct sreq *q = &x->s->reqs[req];

	if (stream_op_is(q->op, OP_READS) && res > 0 && (uint32_t)res <= q->len)
		note_data(x, req, q->fd.kind == FD_OBJ ? q->fd.obj : STREAM_NONE, run_buffer(x, req), (size_t)res);
}

static void reap_one(struct run *x, unsigned int ring, uint32_t head)
{
	struct run_ring *r = &x->ring[ring];
	const struct io_uring_cqe *cqe;
	uint64_t user_data;
	uint16_t req = REC_NO_REQ;
	struct rec_event *e;
	uint32_t flags;
	int32_t res;

	cqe = (const struct io_uring_cqe *)(r->cqes + ((size_t)(head & (r->p.cq_entries - 1)) << r->cqe_shift));
	user_data = cqe->user_data;
	res = cqe->res;
	flags = cqe->flags;
	if (user_data >= 1 && user_data <= x->s->nr_reqs)
		req = (uint16_t)(user_data - 1);
	e = note(x, REC_CQE);
	e->ring = (uint8_t)ring;
	e->req = req;
	e->a = user_data;
	e->res = res;
	e->flags = flags;
	e->head = head - r->base;
	e->tail_before = r->tail_before;
	e->tail_after = r->tail_after;
	note_commit(x, e);
	store(r->cq_head, head + 1);
	settle(x, r, req, user_data, res, flags);
	if (req != REC_NO_REQ && stream_closes_fd(&x->s->reqs[req]) && res == 0)
		x->open[x->s->reqs[req].fd.obj][x->s->reqs[req].fd.end] = false;
	if (req != REC_NO_REQ && x->s->reqs[req].op == SOP_OPENAT && res > 0)
		x->opened[req] = res;
	if (req != REC_NO_REQ)
		note_read(x, req, res);
}

unsigned int ring_reap(struct run *x, unsigned int ring)
{
	struct run_ring *r = &x->ring[ring];
	unsigned int n = 0;

	if (r->fd < 0)
		return 0;
	for (uint32_t head = *r->cq_head; head != load(r->cq_tail); head++, n++)
		reap_one(x, ring, head);
	r->spare += n;
	return n;
}
