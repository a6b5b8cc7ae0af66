#include "oracle/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "oracle/court.h"
#include "oracle/files.h"

enum { LINE = 256 };

struct line {
	const struct facts *f;
	unsigned int req;
	char text[LINE];
	size_t len;
};

typedef void explain_fn(struct line *l);

__attribute__((format(printf, 2, 3))) static void put(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->text + l->len, LINE - l->len, fmt, ap);
	va_end(ap);
	l->len = strlen(l->text);
}

static const struct sreq *request(const struct line *l)
{
	return &l->f->s->reqs[l->req];
}

static const char *name(const struct line *l, unsigned int r)
{
	return l->f->s->reqs[r].name;
}

static int32_t result(const struct line *l)
{
	return l->f->req[l->req].res;
}

/* ---- why it was cancelled ---- */

static bool by_preparation(struct line *l)
{
	const struct req_fact *rf = &l->f->req[l->req];

	for (unsigned int k = rf->chain_first; rf->chain_failed && k <= rf->chain_last; k++) {
		if (l->f->req[k].prep >= 0)
			continue;
		put(l, "%s of its chain failed preparation with %s: nothing of the chain was done", name(l, k),
		    res_name(l->f->req[k].prep));
		return true;
	}
	return false;
}

static bool by_chain(struct line *l)
{
	const struct facts *f = l->f;

	for (unsigned int p = f->req[l->req].chain_first; p < l->req; p++) {
		if (f->s->reqs[p].op == SOP_LINK_TIMEOUT || f->req[p].cqe == NO_EVENT ||
		    !req_fails(f, p, f->req[p].res) || (f->s->reqs[p].sqe_flags & IOSQE_IO_HARDLINK))
			continue;
		if (f->req[p].res >= 0)
			put(l, "severed by %s, which brought only %d", name(l, p), f->req[p].res);
		else
			put(l, "severed by %s, which failed with %s", name(l, p), res_name(f->req[p].res));
		return true;
	}
	return false;
}

/* What a cancel's own result says of its part in it; NULL: that it had none. */
static const char *cancel_did(const struct facts *f, const struct cancel_fact *k)
{
	if (k->cqe == NO_EVENT)
		return "may have cancelled it; its result was not seen";
	if (k->res == -EALREADY)
		return "found it running and said -EALREADY";
	if (k->req != REC_NO_REQ && f->s->reqs[k->req].op == SOP_LINK_TIMEOUT)
		return k->res == -ETIME ? "fired and ended it" : NULL;
	if (k->res == 0 && k->req != REC_NO_REQ)
		return "cancelled it and said 0";
	return k->res > 0 ? "cancelled it among others" : NULL;
}

static bool by_cancel(struct line *l)
{
	const struct facts *f = l->f;

	for (unsigned int i = 0; i < f->nr_cancels; i++) {
		const struct cancel_fact *k = &f->cancel[i];
		const char *did = k->req == REC_NO_REQ ? NULL : cancel_did(f, k);

		if (!did || !cancel_meets(f, k, l->req))
			continue;
		put(l, "%s%s %s", f->s->reqs[k->req].op == SOP_LINK_TIMEOUT ? "its linked timeout " : "",
		    name(l, k->req), did);
		return true;
	}
	return false;
}

static bool by_exit(struct line *l)
{
	const struct facts *f = l->f;
	const struct req_fact *rf = &f->req[l->req];

	if (f->process_exit < rf->cqe)
		put(l, "its process exited");
	else if (f->task_exit[rf->task] < rf->cqe)
		put(l, "its task %s exited", f->s->tasks[rf->task].name);
	else
		return false;
	return true;
}

static bool by_epilogue(struct line *l)
{
	if (req_posted_before_epilogue(l->f, l->req))
		return false;
	put(l, "the runner cancelled what was left, after the last step");
	return true;
}

static void why_cancelled(struct line *l)
{
	static bool (*const causes[])(struct line *) = { by_preparation, by_chain, by_cancel, by_exit, by_epilogue };

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i](l))
			return;
	put(l, "nothing is seen that cancelled it");
}

/* ---- data ---- */

static void put_byte(struct line *l, unsigned int byte)
{
	const struct stream *s = l->f->s;

	if (byte >= TOKEN_REQ && byte - TOKEN_REQ < s->nr_reqs)
		put(l, "%s", s->reqs[byte - TOKEN_REQ].name);
	else if (byte >= TOKEN_STEP && byte - TOKEN_STEP < s->nr_steps)
		put(l, "step %u", byte - TOKEN_STEP + 1);
	else if (byte == TOKEN_INIT)
		put(l, "the file as it was");
	else if (byte == TOKEN_HOLE)
		put(l, "a hole");
	else if (byte == REC_BYTE_RELEASE)
		put(l, "the runner, after the last step");
	else
		put(l, "nobody known (byte %u)", byte);
}

static bool is_eventfd(const struct line *l)
{
	const struct fdref *fd = &request(l)->fd;

	return fd->kind == FD_OBJ && l->f->s->objs[fd->obj].kind == OBJ_EVENTFD;
}

static void put_data(struct line *l)
{
	const struct record *rec = l->f->rec;
	const char *comma = "data of ";

	for (uint32_t i = l->f->req[l->req].cqe + 1; i < rec->nr && rec->ev[i].kind == REC_DATA; i++) {
		if (rec->ev[i].req != l->req)
			break;
		if (is_eventfd(l)) {
			put(l, "it read the count %" PRIu64, rec->ev[i].a);
			return;
		}
		put(l, "%s", comma);
		put_byte(l, rec->ev[i].flags);
		comma = ", then of ";
	}
}

static void explain_read(struct line *l)
{
	const struct sreq *q = request(l);
	bool file = q->fd.kind == FD_OBJ && l->f->s->objs[q->fd.obj].kind == OBJ_FILE;

	if (result(l) > 0)
		put_data(l);
	else if (!q->len)
		put(l, "nothing was asked for");
	else
		put(l, file ? "the file ends before" : "end of file: nobody can write any more");
	if (result(l) > 0 && (uint32_t)result(l) < q->len && !is_eventfd(l))
		put(l, "; %u were asked for", q->len);
}

static void explain_write(struct line *l)
{
	const struct sreq *q = request(l);

	if (is_eventfd(l))
		put(l, "it added %" PRIu64, q->value);
	else if ((uint32_t)result(l) == q->len)
		put(l, "all of it was written");
	else
		put(l, "there was room for so much of %u", q->len);
}

/* ---- operations that went well, or say of others how they went ---- */

static void explain_nop(struct line *l)
{
	put(l, "a NOP does nothing");
}

static void explain_poll(struct line *l)
{
	static const struct {
		int bit;
		const char *word;
	} words[] = { { POLLIN, "readable" }, { POLLOUT, "writable" }, { POLLPRI, "urgent" },
		      { POLLERR, "error" },   { POLLHUP, "hung up" },  { 0x2000, "shut" } };
	const char *comma = "";

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!(result(l) & words[i].bit))
			continue;
		put(l, "%s%s", comma, words[i].word);
		comma = ", ";
	}
}

static void explain_done(struct line *l)
{
	put(l, "a worker did it");
}

static void explain_move(struct line *l)
{
	if (result(l) || !request(l)->len)
		put(l, "%d bytes went from one to the other", result(l));
	else
		put(l, "nothing was there, and nothing more can come");
}

static void explain_open(struct line *l)
{
	put(l, "its end is open, as descriptor %d", result(l));
}

static void explain_close(struct line *l)
{
	put(l, "its descriptor is closed");
}

static void explain_timeout(struct line *l)
{
	const struct req_fact *rf = &l->f->req[l->req];
	const struct record *rec = l->f->rec;

	if (result(l) == -ETIME)
		put(l, "it fired, %" PRIu64 " us after its submit began; asked for %" PRIu64 " us",
		    (rec->ev[rf->cqe].stamp - rec->ev[rf->begin].stamp) / 1000, request(l)->ts / 1000);
	else
		put(l, "the %u completions that it counts had come", request(l)->count);
}

static void explain_link_timeout(struct line *l)
{
	unsigned int target = l->req ? l->req - 1 : 0;

	if (result(l) == -ECANCELED)
		put(l, "%s, whose timeout it is, ended before it fired", name(l, target));
	else if (result(l) == -ETIME)
		put(l, "it fired and cancelled %s", name(l, target));
	else if (result(l) == -EALREADY)
		put(l, "it fired, and found %s running", name(l, target));
	else
		put(l, "it fired, and found nothing of %s to cancel any more", name(l, target));
}

/* The request that a cancel means, where it means one. */
static unsigned int meant(const struct line *l)
{
	const struct sreq *q = request(l);

	return q->op == SOP_TIMEOUT_REMOVE || !q->op_flags || (q->op_flags & 1u << 4) ? q->target : REC_NO_REQ;
}

static void explain_not_found(struct line *l)
{
	const struct facts *f = l->f;
	unsigned int t = meant(l);

	if (t >= f->s->nr_reqs)
		put(l, "nothing that it selects was alive");
	else if (!f->req[t].consumed)
		put(l, "%s was never taken", name(l, t));
	else if (f->req[t].begin > f->req[l->req].begin)
		put(l, "%s was submitted later", name(l, t));
	else if (f->req[t].cqe == NO_EVENT)
		put(l, "%s was not found", name(l, t));
	else
		put(l, "%s had ended, or was ending, with %s", name(l, t), res_name(f->req[t].res));
}

static void explain_cancel(struct line *l)
{
	unsigned int t = meant(l);
	const char *whom = t < l->f->s->nr_reqs ? name(l, t) : "one that it selects";

	if (result(l) == -ENOENT)
		explain_not_found(l);
	else if (result(l) == -EALREADY)
		put(l, "it found %s running, where it cannot be taken back", whom);
	else if (request(l)->op_flags & (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY))
		put(l, "so many were found and cancelled");
	else
		put(l, "it found %s and cancelled it", whom);
}

static void explain_send(struct line *l)
{
	uint8_t to = request(l)->to;

	put(l, "it arrived in %s", to == STREAM_NONE ? "no ring" : l->f->s->rings[to].name);
}

/* ---- errors ---- */

static void why_bad_fd(struct line *l)
{
	const struct sreq *q = request(l);

	if (q->fd.kind != FD_OBJ)
		put(l, "its descriptor is open nowhere");
	else if ((q->sqe_flags & IOSQE_FIXED_FILE) && file_maybe_gone(l->f, l->req))
		put(l, "its slot was empty");
	else if (fd_maybe_closed(l->f, &q->fd, l->f->req[l->req].cqe))
		put(l, "its descriptor was closed");
	else
		put(l, "that end of a pipe cannot do this");
}

static void why_busy(struct line *l)
{
	put(l, "it may not wait, and would have had to");
}

static void why_broken(struct line *l)
{
	put(l, "nobody can read from the pipe any more");
}

static void why_alone(struct line *l)
{
	put(l, "nobody reads, and it may not wait");
}

static void why_invalid(struct line *l)
{
	put(l, "its object takes no such request");
}

static void why_refused(struct line *l)
{
	put(l, "the file knows no way not to wait");
}

static const struct {
	int error;
	explain_fn *why;
} errors[] = {
	{ -EBADF, why_bad_fd },	   { -EAGAIN, why_busy },	 { -EPIPE, why_broken },
	{ -EINVAL, why_invalid },  { -EOPNOTSUPP, why_refused }, { -ECANCELED, why_cancelled },
	{ -EINTR, why_cancelled }, { -ENXIO, why_alone },	 { -512, why_cancelled },
};

static const struct {
	explain_fn *why;
	bool errors; /* its negative results say something of their own */
} operations[SOP_NR] = {
	[SOP_NOP] = { explain_nop, false },
	[SOP_READ] = { explain_read, false },
	[SOP_WRITE] = { explain_write, false },
	[SOP_POLL_ADD] = { explain_poll, false },
	[SOP_TIMEOUT] = { explain_timeout, true },
	[SOP_TIMEOUT_REMOVE] = { explain_cancel, true },
	[SOP_LINK_TIMEOUT] = { explain_link_timeout, true },
	[SOP_ASYNC_CANCEL] = { explain_cancel, true },
	[SOP_FSYNC] = { explain_done, false },
	[SOP_FALLOCATE] = { explain_done, false },
	[SOP_FTRUNCATE] = { explain_done, false },
	[SOP_READV] = { explain_read, false },
	[SOP_WRITEV] = { explain_write, false },
	[SOP_SPLICE] = { explain_move, false },
	[SOP_TEE] = { explain_move, false },
	[SOP_OPENAT] = { explain_open, false },
	[SOP_CLOSE] = { explain_close, false },
	[SOP_STATX] = { explain_done, false },
	[SOP_SYNC_FILE_RANGE] = { explain_done, false },
	[SOP_MADVISE] = { explain_done, false },
	[SOP_MSG_RING] = { explain_send, false },
	[SOP_SEND_FD] = { explain_send, false },
};

static void explain_error(struct line *l)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == result(l)) {
			errors[i].why(l);
			return;
		}
	put(l, "an error of its own");
}

static void explain_missing(struct line *l)
{
	const struct facts *f = l->f;
	const struct req_fact *rf = &f->req[l->req];
	bool silent = false;

	for (unsigned int k = rf->chain_first; rf->consumed && k <= l->req; k++)
		silent |= (f->s->reqs[k].sqe_flags & IOSQE_CQE_SKIP_SUCCESS) != 0;
	if (rf->begin == NO_EVENT)
		put(l, "never submitted: its step was not reached");
	else if (!rf->maybe)
		put(l, "not taken: its submit took fewer");
	else if (silent)
		put(l, "no CQE: it succeeded in silence, or stood behind one that did");
	else if (f->process_exit != NO_EVENT || f->task_exit[rf->task] != NO_EVENT)
		put(l, "no CQE: its task exited with it in flight");
	else if (f->ring[rf->ring].closed_early)
		put(l, "no CQE: its ring was closed with it in flight");
	else
		put(l, "no CQE was seen");
}

static void explain_one(struct line *l)
{
	const struct req_fact *rf = &l->f->req[l->req];
	uint8_t op = request(l)->op;
	bool own = operations[op].errors && result(l) != -EBADF && result(l) != -EFAULT &&
		   (result(l) != -ECANCELED || op == SOP_LINK_TIMEOUT);

	if (rf->cqe == NO_EVENT) {
		explain_missing(l);
		return;
	}
	put(l, "%s: ", res_name(result(l)));
	if (!rf->maybe)
		put(l, "no ring had taken it");
	else if (rf->prep < 0 && result(l) == rf->prep)
		put(l, "refused when it was prepared");
	else if (rf->chain_failed)
		why_cancelled(l);
	else if (result(l) >= 0 || own)
		operations[op].why(l);
	else
		explain_error(l);
}

int explain(const struct stream *s, const struct record *rec, enum profile_id profile,
	    void (*say)(void *ctx, unsigned int req, const char *line), void *ctx, const char **why,
	    unsigned int *event)
{
	static _Thread_local struct facts f; /* large */
	int ret = facts_gather(&f, s, rec, profile, why, event);

	for (unsigned int r = 0; !ret && r < s->nr_reqs; r++) {
		struct line l = { .f = &f, .req = r };

		explain_one(&l);
		say(ctx, r, l.text);
	}
	return ret;
}
