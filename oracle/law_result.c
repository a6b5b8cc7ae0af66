/* Results: what each operation may say of itself. One row per operation; what other requests do to it (cancels, links)
 * is the business of law_cancel.c and law_chain.c, which also ask whether an -ECANCELED had a cause. */
#include <errno.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "oracle/court.h"
#include "oracle/files.h"

struct answer {
	bool ok;
	enum rule_id rule; /* the rule it breaks when not ok */
	char allowed[160];
};

static const struct obj *obj_of(const struct facts *f, unsigned int r)
{
	const struct fdref *fd = &f->s->reqs[r].fd;

	return fd->kind == FD_OBJ ? &f->s->objs[fd->obj] : NULL;
}

/* The other end of a pipe may have no descriptor any more: EOF and EPIPE are possible. */
static bool peer_closed(const struct facts *f, unsigned int r)
{
	struct fdref peer = f->s->reqs[r].fd;

	peer.end = peer.end == END_OUT ? END_IN : END_OUT;
	return fd_maybe_closed(f, &peer, f->req[r].cqe);
}

static bool dying(const struct facts *f, unsigned int r)
{
	return f->task_exit[f->req[r].task] < f->req[r].cqe || f->process_exit < f->req[r].cqe;
}

static void deny(struct answer *a, enum rule_id rule, const char *allowed)
{
	a->ok = false;
	a->rule = rule;
	snprintf(a->allowed, sizeof(a->allowed), "%s", allowed);
}

static const char *rw_allowed(const struct facts *f, unsigned int r, char *buf, size_t cap)
{
	const struct obj *o = obj_of(f, r);
	uint32_t len = f->s->reqs[r].len;

	if (!o)
		return "-EBADF or -ECANCELED";
	if (o->kind == OBJ_EVENTFD)
		return len < 8 ? "-EINVAL" : "8, or -ECANCELED, -EINTR, -EAGAIN where they have a cause";
	snprintf(buf, cap, "0 to %u, or -ECANCELED, -EINTR, -EAGAIN, -EPIPE where they have a cause", len);
	return buf;
}

/* The count of a transfer that went well. */
static void rw_count(const struct facts *f, unsigned int r, struct answer *a)
{
	const struct sreq *q = &f->s->reqs[r];
	const struct obj *o = obj_of(f, r);
	int32_t res = f->req[r].res;
	char buf[160];

	if (!o || (uint32_t)res > q->len) {
		deny(a, R_RESULT, rw_allowed(f, r, buf, sizeof(buf)));
		return;
	}
	if (o->kind == OBJ_PIPE && q->fd.end != (stream_op_is(q->op, OP_READS) ? END_OUT : END_IN))
		deny(a, R_RESULT, "-EBADF: that end cannot");
	else if (o->kind == OBJ_EVENTFD && res != 8)
		deny(a, R_RESULT, rw_allowed(f, r, buf, sizeof(buf)));
	else if (o->kind == OBJ_PIPE && q->len && !res && stream_op_is(q->op, OP_READS) && !peer_closed(f, r))
		deny(a, R_RESULT_EOF, "more than 0: the write end is open");
	else if (o->kind == OBJ_PIPE && q->len && !res && stream_op_is(q->op, OP_WRITES))
		deny(a, R_RESULT, "more than 0, or an error");
}

static bool nowait(const struct facts *f, unsigned int r)
{
	const struct obj *o = obj_of(f, r);

	return (o && (o->flags & OBJ_NONBLOCK)) || (f->s->reqs[r].op_flags & RWF_NOWAIT);
}

/* A write to an eventfd of other than 8 bytes is refused since 6.7; before, of fewer. */
static bool eventfd_refuses(const struct sreq *q)
{
	if (stream_op_is(q->op, OP_READS))
		return q->len < 8;
	return q->len != 8 || q->value == UINT64_MAX;
}

static void rw_result(const struct facts *f, unsigned int r, struct answer *a)
{
	const struct sreq *q = &f->s->reqs[r];
	const struct obj *o = obj_of(f, r);
	int32_t res = f->req[r].res;
	char buf[160];
	bool ok = false;

	if (res >= 0) {
		rw_count(f, r, a);
		return;
	}
	switch (-res) {
	case ECANCELED:
		ok = true;
		break;
	case EBADF:
		ok = !o || file_maybe_gone(f, r) ||
		     (o->kind == OBJ_PIPE && q->fd.end != (stream_op_is(q->op, OP_READS) ? END_OUT : END_IN));
		break;
	case EINTR:
		ok = o && o->kind != OBJ_FILE && (req_may_be_iowq(f, r) || req_contended(f, r) || dying(f, r));
		if (!ok) {
			deny(a, R_RESULT_INTR, "no -EINTR: nothing waits for this one in a worker");
			return;
		}
		break;
	case EAGAIN:
		ok = nowait(f, r);
		break;
	case EOPNOTSUPP:
		ok = q->op_flags & RWF_NOWAIT;
		break;
	case EINVAL:
		ok = o && o->kind == OBJ_EVENTFD && eventfd_refuses(q);
		break;
	case EPIPE:
		ok = o && o->kind == OBJ_PIPE && stream_op_is(q->op, OP_WRITES);
		if (ok && !peer_closed(f, r)) {
			deny(a, R_RESULT_EPIPE, "no -EPIPE: the read end is open");
			return;
		}
		break;
	case EFAULT:
		ok = dying(f, r);
		break;
	case ENOSPC:
	case EFBIG:
		ok = o && o->kind == OBJ_FILE && stream_op_is(q->op, OP_WRITES);
		break;
	}
	if (!ok)
		deny(a, R_RESULT, rw_allowed(f, r, buf, sizeof(buf)));
}

/* The events that can be on an object: what was asked for of what it knows, and without being asked HUP at the end of a
 * pipe that nobody writes to any more, ERR where nobody reads. */
static uint32_t poll_may(const struct facts *f, unsigned int r)
{
	const struct sreq *q = &f->s->reqs[r];
	const struct obj *o = obj_of(f, r);

	if (!o || o->kind != OBJ_PIPE)
		return q->op_flags & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	if (q->fd.end == END_OUT)
		return (q->op_flags & (POLLIN | POLLRDNORM)) | (peer_closed(f, r) ? POLLHUP : 0);
	return (q->op_flags & (POLLOUT | POLLWRNORM)) | (peer_closed(f, r) ? POLLERR : 0);
}

static void poll_result(const struct facts *f, unsigned int r, struct answer *a)
{
	const struct sreq *q = &f->s->reqs[r];
	uint32_t may = poll_may(f, r);
	int32_t res = f->req[r].res;

	if (res > 0 && obj_of(f, r) && !((uint32_t)res & ~may))
		return;
	if (res == -ECANCELED || (res == -EFAULT && dying(f, r)))
		return;
	if (res == -EBADF && (!obj_of(f, r) || file_maybe_gone(f, r)))
		return;
	if (res == -EINVAL && obj_of(f, r) && obj_of(f, r)->kind == OBJ_FILE && !(q->op_flags & (POLLIN | POLLOUT)))
		return; /* a file without a poll method answers at once, with what was asked of IN and OUT; nothing else can be armed */
	deny(a, R_RESULT, "events that were asked for, ERR or HUP; -ECANCELED; -EBADF for what is not open");
}

/* Operations with a short list of results. */
static const struct {
	uint8_t nr;
	int res[4];
} lists[SOP_NR] = {
	[SOP_NOP] = { 2, { 0, -ECANCELED } },
	[SOP_TIMEOUT] = { 3, { -ETIME, 0, -ECANCELED } },
	[SOP_TIMEOUT_REMOVE] = { 4, { 0, -ENOENT, -EALREADY, -ECANCELED } },
	[SOP_LINK_TIMEOUT] = { 4, { -ECANCELED, -ETIME, -EALREADY, -ENOENT } },
	[SOP_ASYNC_CANCEL] = { 4, { 0, -ENOENT, -EALREADY, -ECANCELED } },
};

static bool cancel_extra(const struct facts *f, unsigned int r)
{
	const struct sreq *q = &f->s->reqs[r];
	int32_t res = f->req[r].res;

	if (q->op != SOP_ASYNC_CANCEL)
		return false;
	if (res >= 0 && (q->op_flags & (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY)))
		return true; /* law_cancel.c bounds it */
	return res == -EBADF && (q->op_flags & IORING_ASYNC_CANCEL_FD) &&
	       (q->fd.kind == FD_BAD || file_maybe_gone(f, r));
}

static void list_result(const struct facts *f, unsigned int r, struct answer *a)
{
	uint8_t op = f->s->reqs[r].op;
	int32_t res = f->req[r].res;
	char text[160] = "";

	for (unsigned int i = 0; i < lists[op].nr; i++) {
		int v = lists[op].res[i];

		if (res == v)
			return;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? ", " : "", res_name(v));
	}
	if (cancel_extra(f, r) || (res == -EFAULT && dying(f, r)))
		return;
	deny(a, R_RESULT, text);
}

/* The other end of the one a splice names. */
static bool end_closed(const struct facts *f, struct fdref fd, uint32_t ev)
{
	fd.end = fd.end == END_OUT ? END_IN : END_OUT;
	return fd_maybe_closed(f, &fd, ev);
}

/* SPLICE and TEE. With nothing to move nothing is looked at but the descriptors. */
static void move_result(const struct facts *f, unsigned int r, struct answer *a)
{
	const struct sreq *q = &f->s->reqs[r];
	const struct obj *to = obj_of(f, r), *from = q->in.kind == FD_OBJ ? &f->s->objs[q->in.obj] : NULL;
	uint32_t ev = f->req[r].cqe;
	int32_t res = f->req[r].res;
	bool fit = to && from && q->fd.end == END_IN && (from->kind != OBJ_PIPE || q->in.end == END_OUT);
	bool self = fit && from->kind == OBJ_PIPE && q->in.obj == q->fd.obj;
	char text[160];

	snprintf(text, sizeof(text), "0 to %u, or -ECANCELED, -EINTR, -EAGAIN, -EPIPE where they have a cause", q->len);
	if (!fit || self)
		snprintf(text, sizeof(text), "%s", self ? "-EINVAL: a pipe to itself" : "-EBADF");
	if (res == 0 && q->len && fit && !self && q->op == SOP_SPLICE && from->kind == OBJ_PIPE &&
	    !end_closed(f, q->in, ev)) {
		deny(a, R_RESULT_EOF, "more than 0: the write end is open");
		return;
	}
	if (res >= 0 ? to && from && (uint32_t)res <= q->len && (!q->len || (fit && !self)) :
		       res == -ECANCELED || res == -EINTR || (res == -EFAULT && dying(f, r)))
		return;
	if (res == -EBADF && (!fit || file_maybe_gone(f, r) || input_maybe_gone(f, r)))
		return;
	if ((res == -EINVAL && self) ||
	    (res == -EAGAIN && fit && ((to->flags & OBJ_NONBLOCK) || (from->flags & OBJ_NONBLOCK))))
		return;
	if (res == -EPIPE && fit && end_closed(f, q->fd, ev))
		return;
	deny(a, res == -EPIPE ? R_RESULT_EPIPE : R_RESULT, text);
}

/* The end of a fifo that step i opens is closed again before event ev. */
static bool reclosed(const struct facts *f, unsigned int i, uint32_t ev)
{
	const struct fdref *fd = &f->s->steps[i].fd;

	for (unsigned int k = i + 1; k < f->s->nr_steps; k++)
		if (f->s->steps[k].kind == STEP_CLOSE && fd_of_obj(&f->s->steps[k].fd, fd->obj) &&
		    f->s->steps[k].fd.end == fd->end && f->step_end[k] < ev)
			return true;
	return false;
}

/* Can somebody have had, or have opened, that end of the fifo while r was there? */
static bool may_meet(const struct facts *f, unsigned int r, unsigned int end)
{
	unsigned int obj = f->s->reqs[r].fd.obj;

	for (unsigned int i = 0; i < f->s->nr_steps; i++)
		if (f->s->steps[i].kind == STEP_OPEN && fd_of_obj(&f->s->steps[i].fd, obj) &&
		    f->s->steps[i].fd.end == end && f->step_begin[i] < f->req[r].cqe &&
		    !reclosed(f, i, f->req[r].begin))
			return true;
	for (unsigned int k = 0; k < f->s->nr_reqs; k++)
		if (k != r && f->req[k].maybe && f->s->reqs[k].op == SOP_OPENAT && fd_of_obj(&f->s->reqs[k].fd, obj) &&
		    f->s->reqs[k].fd.end == end)
			return true;
	for (uint32_t ev = 0; ev < f->rec->nr; ev++)
		if (f->rec->ev[ev].kind == REC_END && f->rec->ev[ev].step == REC_NO_STEP &&
		    f->rec->ev[ev].flags == REC_CALL_OPEN && f->rec->ev[ev].obj == obj && f->rec->ev[ev].a == end &&
		    !req_posted_before_epilogue(f, r))
			return true;
	return false;
}

/* Somebody surely had that end open all the time that r was there. */
static bool surely_met(const struct facts *f, unsigned int r, unsigned int end)
{
	for (unsigned int i = 0; i < f->s->nr_steps; i++)
		if (f->s->steps[i].kind == STEP_OPEN && fd_of_obj(&f->s->steps[i].fd, f->s->reqs[r].fd.obj) &&
		    f->s->steps[i].fd.end == end && f->step_end[i] < f->req[r].begin &&
		    f->rec->ev[f->step_end[i]].res == 0 && !reclosed(f, i, f->req[r].cqe))
			return true;
	return false;
}

static void open_result(const struct facts *f, unsigned int r, struct answer *a)
{
	const struct sreq *q = &f->s->reqs[r];
	unsigned int other = q->fd.end == END_OUT ? END_IN : END_OUT;
	int32_t res = f->req[r].res;

	if (res == -ECANCELED || (res == -EFAULT && dying(f, r)))
		return;
	if (q->fd.kind != FD_OBJ) {
		if (res != -ENOENT)
			deny(a, R_RESULT, "-ENOENT or -ECANCELED");
		return;
	}
	if (res > 2 && stream_is_async(q) && !may_meet(f, r, other))
		deny(a, R_RESULT, "no descriptor: nobody opened the other end");
	else if (res == -ENXIO && (stream_is_async(q) || surely_met(f, r, other)))
		deny(a, R_RESULT, stream_is_async(q) ? "no -ENXIO: a worker waits" : "no -ENXIO: somebody reads");
	else if (res <= 2 && res != -EINTR && !(res == -ENXIO && q->fd.end == END_IN))
		deny(a, R_RESULT, "a descriptor, or -ECANCELED, -EINTR, -ENXIO where they have a cause");
}

/* MSG_RING and SEND_FD: what can be wrong with what is sent, and where to. Most of it is known for sure. */
struct sending {
	bool gone, maybe_gone; /* the other ring */
	bool refused; /* -EINVAL */
	bool disabled;
	struct slot_look from, into; /* SEND_FD */
};

static struct sending sending(const struct facts *f, unsigned int r)
{
	const struct sreq *q = &f->s->reqs[r];
	const struct req_fact *rf = &f->req[r];
	bool data = q->op == SOP_MSG_RING;
	struct sending s = { 0 };

	s.gone = q->to == STREAM_NONE || !f->ring[q->to].made || f->ring[q->to].closed < rf->begin;
	if (s.gone)
		return s;
	s.maybe_gone = f->ring[q->to].closed < rf->cqe;
	s.refused = data ? q->op_flags & IORING_MSG_RING_CQE_SKIP : q->to == rf->ring;
	s.disabled = f->s->rings[q->to].flags & IORING_SETUP_R_DISABLED;
	if (data)
		return s;
	s.from = req_slot_look(f, r, &q->fd);
	s.into = slot_look(f, q->to, &q->fd, rf->begin, rf->cqe);
	return s;
}

/* Of the first thing that is wrong. */
static const char *send_allowed(const struct facts *f, unsigned int r, const struct sending *s)
{
	uint8_t to = f->s->reqs[r].to;
	bool fd = f->s->reqs[r].op == SOP_SEND_FD, full = !fd || (s->from.states & SLOT_FULL);
	int32_t res = f->req[r].res;

	if (res == -EBADF && s->maybe_gone)
		return NULL;
	if (s->gone)
		return res == -EBADF ? NULL : "-EBADF: there is no such ring";
	if (s->refused)
		return res == -EINVAL ? NULL : "-EINVAL";
	if (s->disabled)
		return res == -EBADFD ? NULL : "-EBADFD: the ring is disabled";
	if (fd && res == -EBADF && (s->from.states & SLOT_EMPTY))
		return NULL;
	if (fd && full && ((res == -ENXIO && s->into.none) || (res == -EINVAL && s->into.beyond)))
		return NULL;
	if (fd && res == -EOWNERDEAD && f->task_exit[f->s->rings[to].task] < f->req[r].cqe)
		return NULL;
	return res == 0 && full && (!fd || s->into.within) ? NULL :
	       fd					   ? "what its slot and the other table make of it" :
							     "0";
}

static void send_result(const struct facts *f, unsigned int r, struct answer *a)
{
	struct sending s = sending(f, r);
	int32_t res = f->req[r].res;
	const char *allowed;

	if (res == -ECANCELED || (res == -EFAULT && dying(f, r)))
		return;
	allowed = send_allowed(f, r, &s);
	if (allowed)
		deny(a, R_RESULT, allowed);
}

/* -ERESTARTSYS and its like. */
static bool is_restart(int32_t res)
{
	return res <= -512 && res >= -516;
}

/* Operations that a worker does to a file as a whole: what they may end with beside -ECANCELED, and when. */
typedef bool when_fn(const struct facts *f, unsigned int r);

static bool when_bad_fd(const struct facts *f, unsigned int r)
{
	return !obj_of(f, r) || file_maybe_gone(f, r);
}

static bool when_file(const struct facts *f, unsigned int r)
{
	return obj_of(f, r) && obj_of(f, r)->kind == OBJ_FILE &&
	       (f->s->reqs[r].op != SOP_FALLOCATE || f->s->reqs[r].len);
}

static bool when_no_file(const struct facts *f, unsigned int r)
{
	return obj_of(f, r) && !when_file(f, r);
}

static bool when_any(const struct facts *f, unsigned int r)
{
	return true;
}

static bool when_there(const struct facts *f, unsigned int r)
{
	return obj_of(f, r) && !(f->s->reqs[r].sqe_flags & IOSQE_FIXED_FILE);
}

static bool when_nowhere(const struct facts *f, unsigned int r)
{
	return !obj_of(f, r) && !(f->s->reqs[r].sqe_flags & IOSQE_FIXED_FILE);
}

/* Of slots. */
static struct slot_look look(const struct facts *f, unsigned int r)
{
	return req_slot_look(f, r, &f->s->reqs[r].fd);
}

static bool when_slot_full(const struct facts *f, unsigned int r)
{
	return (f->s->reqs[r].sqe_flags & IOSQE_FIXED_FILE) && (look(f, r).states & SLOT_FULL);
}

static bool when_slot_empty(const struct facts *f, unsigned int r)
{
	return (f->s->reqs[r].sqe_flags & IOSQE_FIXED_FILE) && look(f, r).within && (look(f, r).states & SLOT_EMPTY);
}

static bool when_no_table(const struct facts *f, unsigned int r)
{
	return (f->s->reqs[r].sqe_flags & IOSQE_FIXED_FILE) && look(f, r).none;
}

static bool when_beyond(const struct facts *f, unsigned int r)
{
	return (f->s->reqs[r].sqe_flags & IOSQE_FIXED_FILE) && look(f, r).beyond;
}

static const struct {
	uint8_t op;
	int res;
	when_fn *when;
	const char *text;
} ends[] = {
	{ SOP_FSYNC, 0, when_file, "0" },
	{ SOP_FSYNC, -EINVAL, when_no_file, "-EINVAL: its object cannot be synced" },
	{ SOP_FSYNC, -EBADF, when_bad_fd, "-EBADF" },
	{ SOP_FALLOCATE, 0, when_file, "0" },
	{ SOP_FALLOCATE, -EINVAL, when_no_file, "-EINVAL: nothing is asked for" },
	{ SOP_FALLOCATE, -EINTR, when_file, "-EINTR where it has a cause" },
	{ SOP_FALLOCATE, -ENOSPC, when_file, "-ENOSPC" },
	{ SOP_FALLOCATE, -EBADF, when_bad_fd, "-EBADF" },
	{ SOP_FTRUNCATE, 0, when_file, "0" },
	{ SOP_FTRUNCATE, -EBADF, when_bad_fd, "-EBADF" },
	{ SOP_CLOSE, 0, when_there, "0" },
	{ SOP_CLOSE, -EBADF, when_nowhere, "-EBADF" },
	{ SOP_CLOSE, 0, when_slot_full, "0" },
	{ SOP_CLOSE, -EBADF, when_slot_empty, "-EBADF: its slot is empty" },
	{ SOP_CLOSE, -ENXIO, when_no_table, "-ENXIO: there is no table" },
	{ SOP_CLOSE, -EINVAL, when_beyond, "-EINVAL: the table has no such slot" },
	{ SOP_STATX, 0, when_there, "0" },
	{ SOP_STATX, -EBADF, when_bad_fd, "-EBADF" },
	{ SOP_SYNC_FILE_RANGE, 0, when_file, "0" },
	{ SOP_SYNC_FILE_RANGE, -EBADF, when_bad_fd, "-EBADF" },
	{ SOP_MADVISE, 0, when_any, "0" },
};

static void whole_result(const struct facts *f, unsigned int r, struct answer *a)
{
	int32_t res = f->req[r].res;
	char text[160] = "-ECANCELED";

	if (res == -ECANCELED || (res == -EFAULT && dying(f, r)))
		return;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (ends[i].op != f->s->reqs[r].op || !ends[i].when(f, r))
			continue;
		if (ends[i].res == res)
			return;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ", %s", ends[i].text);
	}
	deny(a, R_RESULT, text);
}

void law_results(struct court *c)
{
	const struct facts *f = c->f;

	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct req_fact *rf = &f->req[r];
		struct answer a = { .ok = true };
		uint8_t op = f->s->reqs[r].op;

		if (rf->cqe == NO_EVENT || rf->chain_failed || rf->chain_unknown || rf->prep)
			continue;
		if (is_restart(rf->res))
			deny(&a, R_RESULT_RESTART, "-EINTR");
		else if (op == SOP_OPENAT)
			open_result(f, r, &a);
		else if (stream_sends(&f->s->reqs[r]))
			send_result(f, r, &a);
		else if (stream_op_is(op, OP_MOVES))
			move_result(f, r, &a);
		else if (stream_op_is(op, OP_TRANSFERS))
			rw_result(f, r, &a);
		else if (stream_op_is(op, OP_KEEPS) || op == SOP_CLOSE)
			whole_result(f, r, &a);
		else if (op == SOP_POLL_ADD)
			poll_result(f, r, &a);
		else
			list_result(f, r, &a);
		if (!a.ok)
			accuse(c, a.rule, rf->cqe, r, REC_NO_REQ, "%s ended %s|%s", f->s->reqs[r].name,
			       res_name(rf->res), a.allowed);
	}
}
