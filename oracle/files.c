/* Registered files: what a slot may have held while a request looked. */
#include "oracle/files.h"

#include <errno.h>

static bool same_fd(const struct fdref *a, const struct fdref *b)
{
	return a->kind == FD_OBJ && b->kind == FD_OBJ && a->obj == b->obj && a->end == b->end;
}

/* What is registered of a descriptor when ev begins: nothing, where a step closed it; who knows, where a request may have. */
static unsigned int fd_states(const struct facts *f, const struct fdref *fd, uint32_t ev)
{
	for (unsigned int i = 0; i < f->s->nr_steps; i++)
		if (f->s->steps[i].kind == STEP_CLOSE && same_fd(&f->s->steps[i].fd, fd) && f->step_begin[i] < ev)
			return SLOT_EMPTY;
	return fd_maybe_closed(f, fd, ev) ? SLOT_EMPTY | SLOT_FULL : SLOT_FULL;
}

/* One ring's table as events come by, and one slot of it. */
struct walk {
	const struct facts *f;
	unsigned int ring;
	const struct fdref *fd;
	bool table;
	uint32_t nr;
	unsigned int states;
	uint32_t filled; /* the last event that may have filled the slot */
};

static bool empties(const struct walk *w, unsigned int r)
{
	const struct sreq *q = &w->f->s->reqs[r];

	return q->op == SOP_CLOSE && (q->sqe_flags & IOSQE_FIXED_FILE) && w->f->req[r].maybe &&
	       w->f->req[r].ring == w->ring && same_fd(&q->fd, w->fd);
}

/* A CLOSE of the slot is on its way. */
static bool may_be_emptied(const struct walk *w, uint32_t ev)
{
	for (unsigned int r = 0; r < w->f->s->nr_reqs; r++)
		if (empties(w, r) && w->f->req[r].begin < ev && w->f->req[r].cqe > ev)
			return true;
	return false;
}

static void after_step(struct walk *w, const struct step *t, uint32_t ev, int64_t res)
{
	bool own = t->kind == STEP_SLOT && same_fd(&t->fd, w->fd);

	if (t->kind == STEP_FILES && res == 0) {
		w->table = true;
		w->nr = t->len;
		w->states = t->value && stream_slot(w->fd) < t->len ? fd_states(w->f, w->fd, ev) : SLOT_EMPTY;
	} else if (t->kind == STEP_UNFILES && res == 0) {
		w->table = false;
		w->states = SLOT_EMPTY;
	} else if (own && res == 1) {
		w->states = t->value ? SLOT_EMPTY : SLOT_FULL;
	} else if (own && res == -EBADF) {
		w->states = SLOT_EMPTY; /* it was emptied before its new file was looked for */
	}
	if (!(w->states & SLOT_FULL))
		return;
	w->filled = ev;
	if (may_be_emptied(w, ev))
		w->states |= SLOT_EMPTY;
}

static void after(struct walk *w, uint32_t ev)
{
	const struct rec_event *e = &w->f->rec->ev[ev];
	const struct step *t;

	if (e->kind == REC_CQE && e->req != REC_NO_REQ && empties(w, e->req) && e->res == 0 &&
	    w->filled < w->f->req[e->req].begin)
		w->states = SLOT_EMPTY;
	if (e->kind != REC_BEGIN || e->step == REC_NO_STEP)
		return;
	t = &w->f->s->steps[e->step];
	if (stream_step_on_files(t->kind) && t->ring == w->ring && w->f->step_end[e->step] != NO_EVENT)
		after_step(w, t, ev, w->f->rec->ev[w->f->step_end[e->step]].res);
	for (unsigned int r = t->first_req; t->kind == STEP_SUBMIT && r < (unsigned int)t->first_req + t->nr_reqs; r++)
		if (empties(w, r))
			w->states |= SLOT_EMPTY;
}

struct slot_look slot_look(const struct facts *f, unsigned int ring, const struct fdref *fd, uint32_t from,
			   uint32_t until)
{
	struct walk w = { .f = f, .ring = ring, .fd = fd, .states = SLOT_EMPTY };
	struct slot_look look = { 0 };

	for (uint32_t ev = 0; ev < f->rec->nr && ev <= until; ev++) {
		if (ev != from)
			after(&w, ev);
		if (ev < from)
			continue;
		look.states |= w.states;
		look.none |= !w.table;
		look.beyond |= w.table && stream_slot(fd) >= w.nr;
		look.within |= w.table && stream_slot(fd) < w.nr;
		look.nr = w.table ? w.nr : 0;
		if (ev == from) {
			after(&w, ev);
			look.states |= w.states;
		}
	}
	return look;
}

/* Looked up by its submitter, before the call returned? */
static bool looks_at_once(const struct facts *f, unsigned int r)
{
	return f->req[r].chain_first == r && !req_may_be_iowq(f, r) && f->req[r].end != NO_EVENT;
}

struct slot_look req_slot_look(const struct facts *f, unsigned int r, const struct fdref *fd)
{
	const struct req_fact *rf = &f->req[r];

	return slot_look(f, rf->ring, fd, rf->begin, looks_at_once(f, r) ? rf->end : rf->cqe);
}

bool file_maybe_gone(const struct facts *f, unsigned int r)
{
	const struct sreq *q = &f->s->reqs[r];

	if (q->sqe_flags & IOSQE_FIXED_FILE)
		return req_slot_look(f, r, &q->fd).states & SLOT_EMPTY;
	return fd_maybe_closed(f, &q->fd, f->req[r].cqe);
}

bool input_maybe_gone(const struct facts *f, unsigned int r)
{
	const struct sreq *q = &f->s->reqs[r];

	if (q->op_flags & SPLICE_F_FD_IN_FIXED)
		return req_slot_look(f, r, &q->in).states & SLOT_EMPTY;
	return fd_maybe_closed(f, &q->in, f->req[r].cqe);
}
