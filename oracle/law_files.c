/* Registered files: what the steps that make and change tables return, and that an empty slot is no file. */
#include <errno.h>

#include "oracle/court.h"
#include "oracle/files.h"

/* -errno where a register step is refused whatever it wants; 0: it is not; 1: not to be judged. */
static int refused(const struct facts *f, unsigned int step)
{
	const struct step *t = &f->s->steps[step];

	if (f->process_exit != NO_EVENT)
		return 1;
	if (!f->ring[t->ring].made || f->ring[t->ring].closed < f->step_begin[step])
		return -EBADFD;
	return registers_as_foreigner(f, t) ? -EEXIST : 0;
}

/* Some end that goes into the table may have been closed by a request of which the runner did not know. */
static bool fill_may_fail(const struct facts *f, unsigned int step)
{
	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		if (stream_closes_fd(&f->s->reqs[r]) && f->req[r].maybe && f->req[r].begin < f->step_begin[step] &&
		    stream_slot(&f->s->reqs[r].fd) < f->s->steps[step].len)
			return true;
	return false;
}

static bool files_ok(const struct facts *f, unsigned int step, int64_t res, const struct slot_look *table, int *want)
{
	const struct step *t = &f->s->steps[step];
	bool filled = t->value;

	*want = 0;
	if (table->nr && (filled || t->len))
		*want = -EBUSY;
	else if (!t->len)
		*want = -EINVAL;
	return res == *want || (*want == 0 && res == -EBADF && filled && fill_may_fail(f, step));
}

static bool file_ok(const struct facts *f, unsigned int step, int64_t res, const struct slot_look *table, int *want)
{
	const struct step *t = &f->s->steps[step];
	bool maybe_closed = !t->value && fd_maybe_closed(f, &t->fd, f->step_begin[step]);

	*want = 1;
	if (!table->nr)
		*want = -ENXIO;
	else if (stream_slot(&t->fd) >= table->nr)
		*want = -EINVAL;
	return res == *want || (*want == 1 && res == -EBADF && maybe_closed);
}

static bool unfiles_ok(const struct facts *f, unsigned int step, int64_t res, const struct slot_look *table, int *want)
{
	(void)f;
	(void)step;
	*want = table->nr ? 0 : -ENXIO;
	return res == *want;
}

static bool probe_ok(const struct facts *f, unsigned int step, int64_t res, const struct slot_look *table, int *want)
{
	(void)f;
	(void)step;
	(void)table;
	*want = 0;
	return res == 0;
}

static void files_return(struct court *c, unsigned int step)
{
	static bool (*const ok[STEP_KINDS])(const struct facts *, unsigned int, int64_t, const struct slot_look *,
					    int *) = {
		[STEP_FILES] = files_ok,
		[STEP_SLOT] = file_ok,
		[STEP_UNFILES] = unfiles_ok,
		[STEP_PROBE] = probe_ok,
	};
	const struct facts *f = c->f;
	const struct step *t = &f->s->steps[step];
	int64_t res = f->rec->ev[f->step_end[step]].res;
	int want = refused(f, step);
	struct slot_look table;

	if (want == 1)
		return;
	if (want == 0) {
		table = slot_look(f, t->ring, &t->fd, f->step_begin[step] - 1, f->step_begin[step] - 1);
		if (ok[t->kind](f, step, res, &table, &want))
			return;
	}
	if (res != want)
		accuse(c, R_FILES_RETURN, f->step_end[step], REC_NO_REQ, REC_NO_REQ, "step %u returned %s|%s", step + 1,
		       res_name(res), res_name(want));
}

/* Neither of what its slots hold was ever there for it: it can have done nothing. */
static void empty_slot(struct court *c, unsigned int r)
{
	const struct facts *f = c->f;
	const struct sreq *q = &f->s->reqs[r];
	int32_t res = f->req[r].res;
	bool fixed = q->sqe_flags & IOSQE_FIXED_FILE, in = q->op_flags & SPLICE_F_FD_IN_FIXED;

	if (!(fixed && (stream_op_is(q->op, OP_HOLDS) || q->op == SOP_ASYNC_CANCEL)) &&
	    !(in && stream_op_is(q->op, OP_MOVES)))
		return;
	if (res < 0 && res != -EINTR && res != -EAGAIN)
		return; /* law_result.c */
	if (fixed && !(req_slot_look(f, r, &q->fd).states & SLOT_FULL))
		accuse(c, R_FILES_SLOT, f->req[r].cqe, r, REC_NO_REQ, "%s ended %s|-EBADF: its slot is empty", q->name,
		       res_name(res));
	else if (in && stream_op_is(q->op, OP_MOVES) && !(req_slot_look(f, r, &q->in).states & SLOT_FULL))
		accuse(c, R_FILES_SLOT, f->req[r].cqe, r, REC_NO_REQ,
		       "%s ended %s|-EBADF: the slot of its input is empty", q->name, res_name(res));
}

void law_files(struct court *c)
{
	const struct facts *f = c->f;

	for (unsigned int i = 0; i < f->s->nr_steps; i++)
		if ((stream_step_on_files(f->s->steps[i].kind) || f->s->steps[i].kind == STEP_PROBE) &&
		    f->step_end[i] != NO_EVENT)
			files_return(c, i);
	for (unsigned int r = 0; r < f->s->nr_reqs; r++)
		if (f->req[r].cqe != NO_EVENT && !f->req[r].chain_failed && !f->req[r].chain_unknown && !f->req[r].prep)
			empty_slot(c, r);
}
