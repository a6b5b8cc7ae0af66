/* The preparation of each request, as calls of liburing. */
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <poll.h>

#include "cli/emit_c.h"
#include "core/base/uapi.h"
#include "stream/optable.h"

#define NAME(constant)                                                                                                 \
	{                                                                                                              \
		constant, #constant                                                                                    \
	}

static const struct emit_name rw_flags[] = { NAME(RWF_NOWAIT), NAME(RWF_APPEND), NAME(RWF_DSYNC),
					     NAME(RWF_SYNC),   NAME(RWF_HIPRI),	 { 0, NULL } };
static const struct emit_name poll_flags[] = { NAME(POLLIN),  NAME(POLLPRI),	       NAME(POLLOUT), NAME(POLLERR),
					       NAME(POLLHUP), { 0x2000, "POLLRDHUP" }, { 0, NULL } };
static const struct emit_name timeout_flags[] = { NAME(IORING_TIMEOUT_ETIME_SUCCESS),
						  NAME(IORING_TIMEOUT_BOOTTIME),
						  NAME(IORING_TIMEOUT_REALTIME),
						  { 0, NULL } };
static const struct emit_name cancel_flags[] = { NAME(IORING_ASYNC_CANCEL_ALL),
						 NAME(IORING_ASYNC_CANCEL_FD),
						 NAME(IORING_ASYNC_CANCEL_ANY),
						 { AU_ASYNC_CANCEL_USERDATA, "IORING_ASYNC_CANCEL_USERDATA" },
						 { AU_ASYNC_CANCEL_OP, "IORING_ASYNC_CANCEL_OP" },
						 { 0, NULL } };

/* "A | B"; "0" */
void emit_flags(uint32_t flags, const struct emit_name *names, FILE *out)
{
	const char *bar = "";

	for (; names->text; names++) {
		if (!(flags & names->value))
			continue;
		fprintf(out, "%s%s", bar, names->text);
		bar = " | ";
		flags &= ~names->value;
	}
	if (flags)
		fprintf(out, "%s%#" PRIx32, bar, flags);
	else if (!*bar)
		fputs("0", out);
}

void emit_fd(const struct stream *s, const struct fdref *fd, FILE *out)
{
	if (fd->kind != FD_OBJ)
		fputs("-1", out);
	else if (stream_has_ends(s->objs[fd->obj].kind))
		fprintf(out, "fd_%s[%u]", s->objs[fd->obj].name, fd->end == END_IN);
	else
		fprintf(out, "fd_%s", s->objs[fd->obj].name);
}

bool emit_is_eventfd(const struct stream *s, const struct fdref *fd)
{
	return fd->kind == FD_OBJ && s->objs[fd->obj].kind == OBJ_EVENTFD;
}

/* The request's descriptor, or its slot. */
static void put_fd(const struct stream *s, const struct sreq *q, FILE *out)
{
	if (q->sqe_flags & IOSQE_FIXED_FILE)
		fprintf(out, "%u", stream_slot(&q->fd));
	else
		emit_fd(s, &q->fd, out);
}

typedef void prep_fn(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out);

static void prep_nop(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)s;
	(void)q;
	(void)index;
	fputs("\tio_uring_prep_nop(sqe);\n", out);
}

static void put_rw_flags(const struct sreq *q, FILE *out)
{
	if (!q->op_flags)
		return;
	fputs("\tsqe->rw_flags = ", out);
	emit_flags(q->op_flags, rw_flags, out);
	fputs(";\n", out);
}

static void prep_transfer(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	bool adds = stream_op_is(q->op, OP_WRITES) && emit_is_eventfd(s, &q->fd);
	unsigned int fill = stream_op_is(q->op, OP_READS) ? 253 : adds ? 0 : TOKEN_REQ + index;

	fprintf(out, "\tmemset(buf_%s, %u, sizeof(buf_%s));\n", q->name, fill, q->name);
	if (adds)
		fprintf(out, "\tmemcpy(buf_%s, &(unsigned long long){ %" PRIu64 "ull }, 8);\n", q->name, q->value);
	fprintf(out, "\tio_uring_prep_%s(sqe, ", q->op == SOP_READ ? "read" : "write");
	put_fd(s, q, out);
	fprintf(out, ", buf_%s, %u, %s%" PRId64 ");\n", q->name, q->len, q->off < 0 ? "(unsigned long long)" : "",
		q->off);
	put_rw_flags(q, out);
}

static void prep_vector(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	bool adds = stream_op_is(q->op, OP_WRITES) && emit_is_eventfd(s, &q->fd);
	unsigned int fill = stream_op_is(q->op, OP_READS) ? 253 : adds ? 0 : TOKEN_REQ + index;

	fprintf(out, "\tmemset(buf_%s, %u, sizeof(buf_%s));\n", q->name, fill, q->name);
	if (adds)
		fprintf(out, "\tmemcpy(buf_%s, &(unsigned long long){ %" PRIu64 "ull }, 8);\n", q->name, q->value);
	for (unsigned int i = 0; i < q->iovs; i++) {
		uint32_t at = stream_piece(q->len, q->iovs, i), end = stream_piece(q->len, q->iovs, i + 1);

		fprintf(out, "\tiov_%s[%u] = (struct iovec){ buf_%s + %u, %u };\n", q->name, i, q->name, at, end - at);
	}
	fprintf(out, "\tio_uring_prep_%s(sqe, ", stream_ops[q->op].word);
	put_fd(s, q, out);
	fprintf(out, ", iov_%s, %u, %s%" PRId64 ");\n", q->name, q->iovs, q->off < 0 ? "(unsigned long long)" : "",
		q->off);
	put_rw_flags(q, out);
}

static void prep_fsync(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)index;
	fputs("\tio_uring_prep_fsync(sqe, ", out);
	put_fd(s, q, out);
	fprintf(out, ", %s);\n", q->op_flags ? "IORING_FSYNC_DATASYNC" : "0");
}

static void prep_fallocate(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)index;
	fputs("\tio_uring_prep_fallocate(sqe, ", out);
	put_fd(s, q, out);
	fprintf(out, ", 0, %" PRId64 ", %u);\n", q->off, q->len);
}

/* Newer than many a liburing. */
static void prep_ftruncate(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)index;
	fprintf(out, "\tio_uring_prep_rw(%u /* IORING_OP_FTRUNCATE */, sqe, ", stream_ops[q->op].opcode);
	put_fd(s, q, out);
	fprintf(out, ", NULL, 0, %u);\n", q->len);
}

static void prep_openat(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)index;
	fputs("\tio_uring_prep_openat(sqe, AT_FDCWD, ", out);
	if (q->fd.kind == FD_OBJ)
		fprintf(out, "path_%s", s->objs[q->fd.obj].name);
	else
		fputs("\"/nothing/here\"", out);
	fprintf(out, ", %s, 0);\n", q->fd.end == END_IN ? "O_WRONLY" : "O_RDONLY");
}

static void prep_close(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)index;
	fprintf(out, "\tio_uring_prep_close%s(sqe, ", q->sqe_flags & IOSQE_FIXED_FILE ? "_direct" : "");
	put_fd(s, q, out);
	fputs(");\n", out);
}

static void prep_statx(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)index;
	fputs("\tio_uring_prep_statx(sqe, ", out);
	put_fd(s, q, out);
	fprintf(out, ", \"\", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx_%s);\n", q->name);
}

static void prep_sync_range(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)index;
	fputs("\tio_uring_prep_sync_file_range(sqe, ", out);
	put_fd(s, q, out);
	fprintf(out, ", %u, %" PRId64 ", 0);\n", q->len, q->off);
}

static void prep_madvise(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)s;
	(void)index;
	fprintf(out, "\tio_uring_prep_madvise(sqe, page_%s, sizeof(page_%s), MADV_NORMAL);\n", q->name, q->name);
}

static void prep_move(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	bool file = q->in.kind == FD_OBJ && s->objs[q->in.obj].kind == OBJ_FILE;

	(void)index;
	fprintf(out, "\tio_uring_prep_%s(sqe, ", stream_ops[q->op].word);
	if (q->op_flags & SPLICE_F_FD_IN_FIXED)
		fprintf(out, "%u", stream_slot(&q->in));
	else
		emit_fd(s, &q->in, out);
	if (q->op == SOP_SPLICE)
		fprintf(out, ", %" PRId64, file ? q->in_off : -1);
	fputs(", ", out);
	put_fd(s, q, out);
	fprintf(out, "%s, %u, %s);\n", q->op == SOP_SPLICE ? ", -1" : "", q->len,
		q->op_flags ? "SPLICE_F_FD_IN_FIXED" : "0");
}

static void prep_poll(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)index;
	fputs("\tio_uring_prep_poll_add(sqe, ", out);
	put_fd(s, q, out);
	fputs(", ", out);
	emit_flags(q->op_flags, poll_flags, out);
	fputs(");\n", out);
}

static void prep_timeout(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)s;
	(void)index;
	fprintf(out, "\tts_%s = (struct __kernel_timespec){ %llu, %llu };\n", q->name,
		(unsigned long long)(q->ts / 1000000000), (unsigned long long)(q->ts % 1000000000));
	if (q->op == SOP_TIMEOUT)
		fprintf(out, "\tio_uring_prep_timeout(sqe, &ts_%s, %u, ", q->name, q->count);
	else
		fprintf(out, "\tio_uring_prep_link_timeout(sqe, &ts_%s, ", q->name);
	emit_flags(q->op_flags, timeout_flags, out);
	fputs(");\n", out);
}

static void put_target(const struct stream *s, const struct sreq *q, FILE *out)
{
	if (q->target == STREAM_NONE)
		fputs("0", out);
	else
		fprintf(out, "REQ_%s + 1", s->reqs[q->target].name);
}

static void prep_remove(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)index;
	fputs("\tio_uring_prep_timeout_remove(sqe, ", out);
	put_target(s, q, out);
	fputs(", 0);\n", out);
}

static void prep_cancel(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)index;
	fputs("\tio_uring_prep_cancel64(sqe, ", out);
	put_target(s, q, out);
	fputs(", ", out);
	emit_flags(q->op_flags, cancel_flags, out);
	fputs(");\n", out);
	if (q->op_flags & IORING_ASYNC_CANCEL_FD) {
		fputs("\tsqe->fd = ", out);
		put_fd(s, q, out);
		fputs(";\n", out);
	}
	if (q->op_flags & AU_ASYNC_CANCEL_OP)
		fprintf(out, "\tsqe->len = %u; /* the opcode: %s */\n", stream_ops[q->cancel_op].opcode,
			stream_ops[q->cancel_op].word);
}

static const struct emit_name msg_flags[] = { NAME(IORING_MSG_RING_CQE_SKIP),
					      { AU_MSG_RING_FLAGS_PASS, "IORING_MSG_RING_FLAGS_PASS" },
					      { 0, NULL } };

/* What arrives says by its user_data that it is nobody's completion. */
static void prep_send(const struct stream *s, const struct sreq *q, unsigned int index, FILE *out)
{
	(void)s;
	fputs("\tio_uring_prep_rw(IORING_OP_MSG_RING, sqe, ", out);
	if (q->to == STREAM_NONE)
		fputs("-1", out);
	else
		fprintf(out, "rings[%u].there ? rings[%u].uring.ring_fd : -1", q->to, q->to);
	fprintf(out, ", (void *)%s, %u, 1ull << 63 | %u);\n\tsqe->msg_ring_flags = ",
		q->op == SOP_SEND_FD ? "IORING_MSG_SEND_FD" : "IORING_MSG_DATA", q->count, index);
	emit_flags(q->op_flags, msg_flags, out);
	fputs(";\n", out);
	if (q->op == SOP_SEND_FD)
		fprintf(out, "\tsqe->addr3 = %u;\n\tsqe->file_index = %u;\n", stream_slot(&q->fd),
			stream_slot(&q->fd) + 1);
	else if (q->op_flags & AU_MSG_RING_FLAGS_PASS)
		fprintf(out, "\tsqe->file_index = %#x;\n", stream_msg_flags(index));
}

static prep_fn *const preps[SOP_NR] = {
	[SOP_NOP] = prep_nop,
	[SOP_READ] = prep_transfer,
	[SOP_WRITE] = prep_transfer,
	[SOP_POLL_ADD] = prep_poll,
	[SOP_TIMEOUT] = prep_timeout,
	[SOP_TIMEOUT_REMOVE] = prep_remove,
	[SOP_LINK_TIMEOUT] = prep_timeout,
	[SOP_ASYNC_CANCEL] = prep_cancel,
	[SOP_FSYNC] = prep_fsync,
	[SOP_FALLOCATE] = prep_fallocate,
	[SOP_FTRUNCATE] = prep_ftruncate,
	[SOP_READV] = prep_vector,
	[SOP_WRITEV] = prep_vector,
	[SOP_SPLICE] = prep_move,
	[SOP_TEE] = prep_move,
	[SOP_OPENAT] = prep_openat,
	[SOP_CLOSE] = prep_close,
	[SOP_STATX] = prep_statx,
	[SOP_SYNC_FILE_RANGE] = prep_sync_range,
	[SOP_MADVISE] = prep_madvise,
	[SOP_MSG_RING] = prep_send,
	[SOP_SEND_FD] = prep_send,
};

void emit_prep(const struct stream *s, unsigned int req, FILE *out)
{
	preps[s->reqs[req].op](s, &s->reqs[req], req, out);
}
