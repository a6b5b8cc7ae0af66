/* Registered files: what a slot may have held while a request looked. */
#include "oracle/files.h"

#include <errno.h>

/* What is registered of a descriptor when ev begins: nothing, where a step closed it; who knows, where a request may have. */
static unsigned int fd_states(const struct facts *f, const struct fdref *fd, uint32_t ev)
{
	for (unsigned int i = 0; i < f->s->nr_steps; i++)
		if (f->s->steps[i].kind == STEP_CLOSE && stream_same_fd(&f->s->steps[i].fd, fd) &&
		    f->step_begin[i] < ev)
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
	uint32_t changed; /* the last event that may have changed the slot: what began before it does not tell the outcome */
};

/* What request r makes of the slot at some time between its submit and its CQE; 0: nothing. */
static unsigned int brings(const struct walk *w, unsigned int r)
{
	const struct sreq *q = &w->f->s->reqs[r];

	if (!w->f->req[r].maybe || !stream_same_fd(&q->fd, w->fd))
		return 0;
	if (q->op == SOP_SEND_FD && q->to == w->ring)
		return SLOT_FULL;
	return q->op == SOP_CLOSE && (q->sqe_flags & IOSQE_FIXED_FILE) && w->f->req[r].ring == w->ring ? SLOT_EMPTY : 0;
}

/* What requests that are on their way may yet make of it. */
static unsigned int on_their_way(const struct walk *w, uint32_t ev)
{
	unsigned int states = 0;

	for (unsigned int r = 0; r < w->f->s->nr_reqs; r++)
		if (w->f->req[r].begin < ev && w->f->req[r].cqe > ev)
			states |= brings(w, r);
	return states;
}

static void after_step(struct walk *w, const struct step *t, uint32_t ev, int64_t res)
{
	bool own = t->kind == STEP_SLOT && stream_same_fd(&t->fd, w->fd);

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
	} else {
		return;
	}
	w->changed = ev;
	if (w->table && stream_slot(w->fd) < w->nr)
		w->states |= on_their_way(w, ev);
}

static void after_cqe(struct walk *w, unsigned int r, int64_t res)
{
	unsigned int now = brings(w, r);

	if (now && res >= 0 && w->changed <= w->f->req[r].begin)
		w->states = now;
}

static void after_submit(struct walk *w, const struct step *t, uint32_t ev)
{
	unsigned int nr = 0;

	for (unsigned int r = t->first_req; r < (unsigned int)t->first_req + t->nr_reqs; r++) {
		w->states |= brings(w, r);
		nr += brings(w, r) != 0;
	}
	if (nr)
		w->changed = ev + (nr > 1); /* of several the last one is not told */
}

static void after(struct walk *w, uint32_t ev)
{
	const struct rec_event *e = &w->f->rec->ev[ev];
	const struct step *t;

	if (e->kind == REC_CQE && e->req != REC_NO_REQ && w->f->req[e->req].cqe == ev)
		after_cqe(w, e->req, e->res);
	if (e->kind != REC_BEGIN || e->step == REC_NO_STEP)
		return;
	t = &w->f->s->steps[e->step];
	if (stream_step_on_files(t->kind) && t->ring == w->ring && w->f->step_end[e->step] != NO_EVENT)
		after_step(w, t, ev, w->f->rec->ev[w->f->step_end[e->step]].res);
	else if (t->kind == STEP_SUBMIT)
		after_submit(w, t, ev);
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
