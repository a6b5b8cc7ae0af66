/* What an emitted program takes for allowed: less than the judge knows, and nothing that the judge would forbid is allowed
 * because of it; where a simple list would say too much, it says nothing. */
#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>

#include "cli/emit_c.h"
#include "core/base/text.h"
#include "core/base/uapi.h"
#include "stream/optable.h"
#include "stream/print.h"

#define LINKS (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)

void emit_result(long res, FILE *out)
{
	char buf[32];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	stream_print_result(res, &t);
	fputs(res == INT_MAX ? "INT_MAX" : buf, out);
}

/* ---- what the stream is like ---- */

static bool has_step(const struct stream *s, enum step_kind kind)
{
	for (unsigned int i = 0; i < s->nr_steps; i++)
		if (s->steps[i].kind == kind)
			return true;
	return false;
}

static bool exits(const struct stream *s)
{
	return has_step(s, STEP_EXIT_THREAD) || has_step(s, STEP_EXIT_PROCESS);
}

/* It fails preparation, or may, or the rules of skip and drain make much else possible. */
static bool is_odd(const struct stream *s, unsigned int r)
{
	const struct sreq *q = &s->reqs[r];
	const uint32_t clocks = IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME;

	if ((q->sqe_flags & ~(LINKS | IOSQE_ASYNC | IOSQE_FIXED_FILE)) ||
	    (q->op == SOP_STATX && (q->sqe_flags & IOSQE_FIXED_FILE)))
		return true;
	if (q->op == SOP_LINK_TIMEOUT && (stream_chain_first(s, r) == r || s->reqs[r - 1].op == SOP_LINK_TIMEOUT))
		return true;
	if (q->op == SOP_LINK_TIMEOUT || q->op == SOP_TIMEOUT)
		return (q->op_flags & clocks) == clocks;
	return q->op == SOP_ASYNC_CANCEL && (q->op_flags & IORING_ASYNC_CANCEL_ANY) &&
	       (q->op_flags & (IORING_ASYNC_CANCEL_FD | AU_ASYNC_CANCEL_OP));
}

/* No member of its chain is odd, and drain and skip are nowhere. */
static bool is_plain(const struct stream *s, unsigned int r)
{
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (s->reqs[i].sqe_flags & (IOSQE_IO_DRAIN | IOSQE_CQE_SKIP_SUCCESS))
			return false;
	for (unsigned int i = stream_chain_first(s, r); i <= stream_chain_last(s, r); i++)
		if (is_odd(s, i))
			return false;
	return true;
}

bool emit_is_silent(const struct stream *s, unsigned int req)
{
	for (unsigned int i = stream_chain_first(s, req); i <= req; i++)
		if (s->reqs[i].sqe_flags & IOSQE_CQE_SKIP_SUCCESS)
			return true;
	return false;
}

/* ---- results ---- */

struct alts {
	unsigned int nr;
	long alt[16][2];
};

static void allow(struct alts *a, long lo, long hi)
{
	a->alt[a->nr][0] = lo;
	a->alt[a->nr++][1] = hi;
}

static void allow_rw(const struct stream *s, const struct sreq *q, struct alts *a)
{
	allow(a, -ECANCELED, -ECANCELED);
	allow(a, -EBADF, -EBADF);
	if (q->fd.kind != FD_OBJ)
		return;
	allow(a, 0, q->len);
	if (s->objs[q->fd.obj].kind != OBJ_FILE)
		allow(a, -EINTR, -EINTR);
	if ((s->objs[q->fd.obj].flags & OBJ_NONBLOCK) || (q->op_flags & RWF_NOWAIT))
		allow(a, -EAGAIN, -EAGAIN);
	if (q->op_flags & RWF_NOWAIT)
		allow(a, -EOPNOTSUPP, -EOPNOTSUPP);
	if (s->objs[q->fd.obj].kind == OBJ_EVENTFD)
		allow(a, -EINVAL, -EINVAL);
	if (s->objs[q->fd.obj].kind == OBJ_PIPE && stream_op_is(q->op, OP_WRITES))
		allow(a, -EPIPE, -EPIPE);
}

static void allow_poll(const struct stream *s, const struct sreq *q, struct alts *a)
{
	allow(a, -ECANCELED, -ECANCELED);
	allow(a, -EBADF, -EBADF);
	if (q->fd.kind != FD_OBJ)
		return;
	allow(a, 1, (long)(q->op_flags | POLLERR | POLLHUP | POLLNVAL));
	if (s->objs[q->fd.obj].kind == OBJ_FILE)
		allow(a, -EINVAL, -EINVAL);
}

static void allow_cancel(const struct stream *s, const struct sreq *q, struct alts *a)
{
	static const uint32_t many = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;

	allow(a, -ECANCELED, -ECANCELED);
	allow(a, -ENOENT, -ENOENT);
	allow(a, -EALREADY, -EALREADY);
	allow(a, 0, q->op == SOP_ASYNC_CANCEL && (q->op_flags & many) ? s->nr_reqs : 0);
	if (q->op == SOP_ASYNC_CANCEL && (q->op_flags & IORING_ASYNC_CANCEL_FD))
		allow(a, -EBADF, -EBADF);
}

static void allow_timer(const struct stream *s, const struct sreq *q, struct alts *a)
{
	(void)s;
	allow(a, -ETIME, -ETIME);
	allow(a, -ECANCELED, -ECANCELED);
	if (q->op == SOP_TIMEOUT && q->count)
		allow(a, 0, 0);
	if (q->op == SOP_LINK_TIMEOUT) {
		allow(a, -EALREADY, -EALREADY);
		allow(a, -ENOENT, -ENOENT);
	}
}

static void allow_nop(const struct stream *s, const struct sreq *q, struct alts *a)
{
	(void)s;
	(void)q;
	allow(a, 0, 0);
	allow(a, -ECANCELED, -ECANCELED);
}

static void allow_move(const struct stream *s, const struct sreq *q, struct alts *a)
{
	(void)s;
	allow(a, -ECANCELED, -ECANCELED);
	allow(a, -EBADF, -EBADF);
	if (q->fd.kind != FD_OBJ || q->in.kind != FD_OBJ)
		return;
	allow(a, 0, q->len);
	allow(a, -EINTR, -EINTR);
	allow(a, -EPIPE, -EPIPE);
	allow(a, -EAGAIN, -EAGAIN);
	allow(a, -EINVAL, -EINVAL);
}

static void allow_open(const struct stream *s, const struct sreq *q, struct alts *a)
{
	(void)s;
	allow(a, -ECANCELED, -ECANCELED);
	if (q->fd.kind != FD_OBJ) {
		allow(a, -ENOENT, -ENOENT);
		return;
	}
	allow(a, 3, INT_MAX);
	allow(a, -EINTR, -EINTR);
	if (q->fd.end == END_IN)
		allow(a, -ENXIO, -ENXIO);
}

static void allow_whole(const struct stream *s, const struct sreq *q, struct alts *a)
{
	bool file = q->fd.kind == FD_OBJ && s->objs[q->fd.obj].kind == OBJ_FILE;

	allow(a, -ECANCELED, -ECANCELED);
	allow(a, -EBADF, -EBADF);
	if (q->op == SOP_MADVISE)
		allow(a, 0, 0);
	if (q->op == SOP_CLOSE && (q->sqe_flags & IOSQE_FIXED_FILE)) {
		allow(a, -ENXIO, -ENXIO);
		allow(a, -EINVAL, -EINVAL);
	}
	if (q->fd.kind != FD_OBJ)
		return;
	file |= q->op != SOP_FSYNC;
	allow(a, file ? 0 : -EINVAL, file ? 0 : -EINVAL);
	if (q->op != SOP_FALLOCATE)
		return;
	allow(a, -EINVAL, -EINVAL);
	allow(a, -EINTR, -EINTR);
	allow(a, -ENOSPC, -ENOSPC);
}

static void allow_send(const struct stream *s, const struct sreq *q, struct alts *a)
{
	(void)s;
	allow(a, 0, 0);
	allow(a, -ECANCELED, -ECANCELED);
	allow(a, -EBADF, -EBADF);
	allow(a, -EBADFD, -EBADFD);
	allow(a, -EINVAL, -EINVAL);
	if (q->op == SOP_SEND_FD) {
		allow(a, -ENXIO, -ENXIO);
		allow(a, -EOWNERDEAD, -EOWNERDEAD);
	}
}

void emit_allowed(const struct stream *s, unsigned int req, FILE *out)
{
	static void (*const allows[SOP_NR])(const struct stream *, const struct sreq *, struct alts *) = {
		[SOP_NOP] = allow_nop,
		[SOP_READ] = allow_rw,
		[SOP_WRITE] = allow_rw,
		[SOP_POLL_ADD] = allow_poll,
		[SOP_TIMEOUT] = allow_timer,
		[SOP_TIMEOUT_REMOVE] = allow_cancel,
		[SOP_LINK_TIMEOUT] = allow_timer,
		[SOP_ASYNC_CANCEL] = allow_cancel,
		[SOP_FSYNC] = allow_whole,
		[SOP_FALLOCATE] = allow_whole,
		[SOP_FTRUNCATE] = allow_whole,
		[SOP_READV] = allow_rw,
		[SOP_WRITEV] = allow_rw,
		[SOP_SPLICE] = allow_move,
		[SOP_TEE] = allow_move,
		[SOP_OPENAT] = allow_open,
		[SOP_CLOSE] = allow_whole,
		[SOP_STATX] = allow_whole,
		[SOP_SYNC_FILE_RANGE] = allow_whole,
		[SOP_MADVISE] = allow_whole,
		[SOP_MSG_RING] = allow_send,
		[SOP_SEND_FD] = allow_send,
	};
	struct alts a = { 0 };

	if (!is_plain(s, req))
		return;
	allows[s->reqs[req].op](s, &s->reqs[req], &a);
	if (exits(s))
		allow(&a, -EFAULT, -EFAULT);
	fprintf(out, "\t\t.nr_allowed = %u,\n\t\t.allowed = {", a.nr);
	for (unsigned int i = 0; i < a.nr; i++) {
		fputs(i ? ", { " : " { ", out);
		emit_result(a.alt[i][0], out);
		fputs(", ", out);
		emit_result(a.alt[i][1], out);
		fputs(" }", out);
	}
	fputs(" },\n", out);
}

/* ---- checks ---- */

/* Cancels exactly one request, by name. */
static bool is_precise(const struct stream *s, unsigned int c)
{
	const struct sreq *q = &s->reqs[c];

	return q->target != STREAM_NONE && (q->op == SOP_TIMEOUT_REMOVE || (q->op == SOP_ASYNC_CANCEL && !q->op_flags));
}

static bool checks_zero(const struct stream *s, unsigned int c)
{
	const struct sreq *q = &s->reqs[c];

	if (!is_precise(s, c) || q->target == c || !is_plain(s, c) || !is_plain(s, q->target))
		return false;
	return q->op == SOP_ASYNC_CANCEL || s->reqs[q->target].op == SOP_TIMEOUT;
}

/* The requests that may cancel t; -1: some of them may cancel much else. */
static int cancels_of(const struct stream *s, unsigned int t, uint8_t list[STREAM_MAX_REQS])
{
	int nr = 0;

	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		const struct sreq *q = &s->reqs[i];
		bool cancels = q->op == SOP_ASYNC_CANCEL || q->op == SOP_TIMEOUT_REMOVE;

		if (cancels && !is_precise(s, i) && q->op_flags)
			return -1;
		if ((cancels && q->target == t) ||
		    (q->op == SOP_LINK_TIMEOUT && i == t + 1 && stream_chain_first(s, i) <= t))
			list[nr++] = (uint8_t)i;
	}
	return nr;
}

static bool checks_enoent(const struct stream *s, unsigned int t, uint8_t list[STREAM_MAX_REQS], int *nr)
{
	if (exits(s) || !is_plain(s, t) || s->reqs[t].op == SOP_LINK_TIMEOUT)
		return false;
	*nr = cancels_of(s, t, list);
	for (int i = 0; i < *nr; i++)
		if (!is_plain(s, list[i]))
			return false;
	return *nr > 0;
}

static bool checks_sever(const struct stream *s, unsigned int first)
{
	return stream_chain_first(s, first) == first && stream_chain_last(s, first) != first && is_plain(s, first);
}

static bool checks_count(const struct stream *s, unsigned int r)
{
	return s->reqs[r].op == SOP_TIMEOUT && s->reqs[r].count && is_plain(s, r);
}

bool emit_checks_rule(const char *id)
{
	static const char *const rules[] = { "cqe.twice",   "cqe.missing",  "cqe.stuck",   "cqe.unknown",
					     "result",	    "chain.sever",  "cancel.zero", "cancel.enoent",
					     "expectation", "timeout.count" };
	size_t len = strcspn(id, "/*");

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strlen(rules[i]) == len && memcmp(rules[i], id, len) == 0)
			return true;
	return false;
}

unsigned int emit_law_needs(const struct stream *s)
{
	uint8_t list[STREAM_MAX_REQS];
	unsigned int needs = 0;
	int nr;

	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		needs |= checks_sever(s, i) ? NEED_SEVER | NEED_FAILED : 0;
		needs |= checks_count(s, i) ? NEED_TIMEOUT_COUNT : 0;
		needs |= checks_zero(s, i) ? NEED_CANCEL_ZERO : 0;
		needs |= checks_enoent(s, i, list, &nr) ? NEED_CANCEL_ENOENT | NEED_FAILED : 0;
	}
	return needs;
}

void emit_checks(const struct stream *s, FILE *out)
{
	uint8_t list[STREAM_MAX_REQS];
	int nr;

	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		const char *name = s->reqs[i].name;

		if (checks_sever(s, i))
			fprintf(out, "\tchain_sever(REQ_%s, REQ_%s);\n", name, s->reqs[stream_chain_last(s, i)].name);
		if (checks_zero(s, i))
			fprintf(out, "\tcancel_zero(REQ_%s, REQ_%s);\n", name, s->reqs[s->reqs[i].target].name);
		if (checks_count(s, i))
			fprintf(out, "\ttimeout_count(REQ_%s, %u);\n", name, s->reqs[i].count);
		if (!checks_enoent(s, i, list, &nr))
			continue;
		fprintf(out, "\tcancel_enoent(REQ_%s, REQ_%s, (const int[]){", name,
			s->reqs[stream_chain_first(s, i)].name);
		for (int k = 0; k < nr; k++)
			fprintf(out, "%s REQ_%s", k ? "," : "", s->reqs[list[k]].name);
		fprintf(out, " }, %d);\n", nr);
	}
}
