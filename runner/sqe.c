#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/base/ensure.h"
#include "runner/run.h"
#include "stream/optable.h"

typedef void sqe_fn(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe);

int run_fd(const struct run *x, const struct fdref *ref)
{
	return ref->kind == FD_OBJ ? x->fd[ref->obj][ref->end] : -1;
}

/* The descriptor of a request, or its slot. */
static int sqe_fd(const struct run *x, const struct sreq *q)
{
	return q->sqe_flags & IOSQE_FIXED_FILE ? (int)stream_slot(&q->fd) : run_fd(x, &q->fd);
}

char *run_buffer(struct run *x, unsigned int req)
{
	return x->arena + x->buf_at[req];
}

static bool is_eventfd(const struct run *x, const struct fdref *ref)
{
	return ref->kind == FD_OBJ && x->s->objs[ref->obj].kind == OBJ_EVENTFD;
}

static void fill_transfer(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	char *buf = run_buffer(x, req);

	sqe->fd = sqe_fd(x, q);
	sqe->addr = (uint64_t)(uintptr_t)buf;
	sqe->len = q->len;
	sqe->off = (uint64_t)q->off;
	sqe->rw_flags = (int)q->op_flags;
	if (stream_op_is(q->op, OP_READS)) {
		memset(buf, REC_MARKER, q->len);
	} else if (is_eventfd(x, &q->fd)) {
		memset(buf, 0, q->len);
		memcpy(buf, &q->value, sizeof(q->value));
	} else {
		memset(buf, TOKEN_REQ + (int)req, q->len);
	}
}

/* The pieces lie one after the other. */
static void fill_vector(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	char *buf = run_buffer(x, req);

	fill_transfer(x, req, q, sqe);
	for (unsigned int i = 0; i < q->iovs; i++) {
		uint32_t at = stream_piece(q->len, q->iovs, i), end = stream_piece(q->len, q->iovs, i + 1);

		x->iov[req][i] = (struct iovec){ .iov_base = buf + at, .iov_len = end - at };
	}
	sqe->addr = (uint64_t)(uintptr_t)x->iov[req];
	sqe->len = q->iovs;
}

/* Where there is no offset the kernel wants -1; of a tee it wants none at all. */
static void fill_move(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	bool file = q->in.kind == FD_OBJ && x->s->objs[q->in.obj].kind == OBJ_FILE;

	sqe->fd = sqe_fd(x, q);
	sqe->splice_fd_in = q->op_flags & SPLICE_F_FD_IN_FIXED ? (int)stream_slot(&q->in) : run_fd(x, &q->in);
	sqe->splice_flags = q->op_flags;
	sqe->len = q->len;
	sqe->off = q->op == SOP_SPLICE ? (uint64_t)-1 : 0;
	if (q->op == SOP_SPLICE)
		sqe->splice_off_in = file ? (uint64_t)q->in_off : (uint64_t)-1;
}

static void fill_openat(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = x->dir;
	sqe->addr = (uint64_t)(uintptr_t)(q->fd.kind == FD_OBJ ? x->path[q->fd.obj] : "augur-none");
	sqe->open_flags = (q->fd.end == END_IN ? O_WRONLY : O_RDONLY) | O_CLOEXEC;
}

/* Of a slot, which is counted from 1 there. */
static void fill_close(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	if (q->sqe_flags & IOSQE_FIXED_FILE) {
		sqe->flags &= (uint8_t)~IOSQE_FIXED_FILE;
		sqe->file_index = stream_slot(&q->fd) + 1;
	} else {
		sqe->fd = run_fd(x, &q->fd);
	}
}

/* Of the descriptor itself. */
static void fill_statx(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = sqe_fd(x, q);
	sqe->addr = (uint64_t)(uintptr_t) "";
	sqe->off = (uint64_t)(uintptr_t)run_buffer(x, req);
	sqe->len = STATX_BASIC_STATS;
	sqe->statx_flags = AT_EMPTY_PATH;
}

static void fill_sync_range(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = sqe_fd(x, q);
	sqe->off = (uint64_t)q->off;
	sqe->len = q->len;
}

/* Of a page of our own, and nothing that changes it. */
static void fill_madvise(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = -1;
	sqe->addr = ((uint64_t)(uintptr_t)x->scratch + 4095) & ~4095ull;
	sqe->len = 4096;
	sqe->fadvise_advice = MADV_NORMAL;
}

static void fill_fsync(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = sqe_fd(x, q);
	sqe->fsync_flags = q->op_flags;
}

static void fill_fallocate(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = sqe_fd(x, q);
	sqe->off = (uint64_t)q->off;
	sqe->addr = q->len;
}

static void fill_ftruncate(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = sqe_fd(x, q);
	sqe->off = q->len;
}

static void fill_nop(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = -1;
	sqe->len = q->len;
	sqe->rw_flags = (int)q->op_flags;
}

static void fill_poll(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = sqe_fd(x, q);
	sqe->poll32_events = q->op_flags;
}

static void fill_timeout(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	x->ts[req].tv_sec = (int64_t)(q->ts / 1000000000ull);
	x->ts[req].tv_nsec = (long long)(q->ts % 1000000000ull);
	sqe->fd = -1;
	sqe->addr = (uint64_t)(uintptr_t)&x->ts[req];
	sqe->len = 1;
	sqe->off = q->op == SOP_TIMEOUT ? q->count : 0;
	sqe->timeout_flags = q->op_flags;
}

/* No request has user_data 0. */
static uint64_t target_of(const struct sreq *q)
{
	return q->target == STREAM_NONE ? 0 : stream_user_data(q->target);
}

static void fill_timeout_remove(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = -1;
	sqe->addr = target_of(q);
	sqe->timeout_flags = q->op_flags;
}

static void fill_cancel(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = q->op_flags & IORING_ASYNC_CANCEL_FD ? sqe_fd(x, q) : -1;
	sqe->addr = target_of(q);
	if (q->op_flags & AU_ASYNC_CANCEL_OP)
		sqe->len = stream_ops[q->cancel_op].opcode;
	sqe->cancel_flags = q->op_flags;
	if (q->sqe_flags & IOSQE_FIXED_FILE)
		sqe->cancel_flags |= IORING_ASYNC_CANCEL_FD_FIXED;
}

/* A file goes from its slot here to its slot there, which is counted from 1. */
static void fill_send(struct run *x, unsigned int req, const struct sreq *q, struct io_uring_sqe *sqe)
{
	sqe->fd = q->to == STREAM_NONE ? -1 : x->ring[q->to].fd;
	sqe->off = REC_UD_MSG + req;
	sqe->msg_ring_flags = q->op_flags;
	if (q->op == SOP_SEND_FD) {
		sqe->addr = IORING_MSG_SEND_FD;
		sqe->addr3 = stream_slot(&q->fd);
		sqe->file_index = stream_slot(&q->fd) + 1;
		return;
	}
	sqe->addr = IORING_MSG_DATA;
	sqe->len = q->count;
	if (q->op_flags & AU_MSG_RING_FLAGS_PASS)
		sqe->file_index = stream_msg_flags(req);
}

static sqe_fn *const fills[SOP_NR] = {
	[SOP_NOP] = fill_nop,
	[SOP_READ] = fill_transfer,
	[SOP_WRITE] = fill_transfer,
	[SOP_POLL_ADD] = fill_poll,
	[SOP_TIMEOUT] = fill_timeout,
	[SOP_TIMEOUT_REMOVE] = fill_timeout_remove,
	[SOP_LINK_TIMEOUT] = fill_timeout,
	[SOP_ASYNC_CANCEL] = fill_cancel,
	[SOP_FSYNC] = fill_fsync,
	[SOP_FALLOCATE] = fill_fallocate,
	[SOP_FTRUNCATE] = fill_ftruncate,
	[SOP_READV] = fill_vector,
	[SOP_WRITEV] = fill_vector,
	[SOP_SPLICE] = fill_move,
	[SOP_TEE] = fill_move,
	[SOP_OPENAT] = fill_openat,
	[SOP_CLOSE] = fill_close,
	[SOP_STATX] = fill_statx,
	[SOP_SYNC_FILE_RANGE] = fill_sync_range,
	[SOP_MADVISE] = fill_madvise,
	[SOP_MSG_RING] = fill_send,
	[SOP_SEND_FD] = fill_send,
};

void sqe_fill(struct run *x, unsigned int req, struct io_uring_sqe *sqe)
{
	const struct sreq *q = &x->s->reqs[req];

	ENSURE_OP(q->op, <, SOP_NR);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = stream_ops[q->op].opcode;
	sqe->flags = q->sqe_flags;
	sqe->user_data = stream_user_data(req);
	fills[q->op](x, req, q, sqe);
}

void sqe_layout(struct run *x)
{
	uint32_t at = 0;

	for (unsigned int i = 0; i < x->s->nr_reqs; i++) {
		const struct sreq *q = &x->s->reqs[i];

		x->buf_at[i] = at;
		if (q->op == SOP_STATX)
			at += sizeof(struct statx);
		if (stream_op_is(q->op, OP_TRANSFERS))
			at += ((q->len > 8 ? q->len : 8) + 63) & ~63u;
	}
	x->arena_used = at;
}
