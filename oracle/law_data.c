/* Bytes through pipes, and counters: nothing lost, nothing doubled, nothing out of order. Files: law_file.c. */
#include <string.h>

#include "oracle/court.h"

enum { MAX_RUNS = 512 };

/* Who put bytes down, by token: how many at least and at most, and when (events). */
struct writer {
	bool here;
	uint64_t least, most;
	uint32_t begin, end; /* end NO_EVENT: not seen to have ended */
};

/* A stretch of one token as some reader got it; the residue is the last reader. */
struct run {
	uint32_t reader; /* req, 1000 + step, RELEASE, RESIDUE */
	uint32_t begin, end;
	uint8_t token;
	uint64_t n;
};

enum { READER_STEP = 1000, READER_RELEASE = 2000, READER_RESIDUE = 3000 };

struct pipe_account {
	struct writer w[256];
	uint64_t seen[256];
	struct run run[MAX_RUNS];
	unsigned int nr_runs;
	uint32_t objs; /* the pipes it is about: one, or all that SPLICEs and TEEs connect */
	bool moved; /* bytes may have gone from one to another: their order is not told */
	uint64_t copied; /* so many bytes, of any token, may have come out more than once, or from a file */
	bool too_many;
	bool unseen_reader; /* somebody may have read and not told */
	uint32_t final; /* event of the last probe, or NO_EVENT */
};

static bool fd_in(const struct fdref *fd, uint32_t objs)
{
	return fd->kind == FD_OBJ && (objs >> fd->obj & 1);
}

/* The epilogue's own write to one of the objects: one byte, or 1 to an eventfd. */
static bool is_feed(const struct rec_event *e, uint32_t objs)
{
	return e->kind == REC_END && e->step == REC_NO_STEP && e->obj < STREAM_MAX_OBJS && (objs >> e->obj & 1) &&
	       e->flags == REC_CALL_WRITE && e->res > 0;
}

static void add_writers(const struct facts *f, struct pipe_account *p)
{
	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct sreq *q = &f->s->reqs[r];
		const struct req_fact *rf = &f->req[r];

		if (!rf->maybe || !fd_in(&q->fd, p->objs))
			continue;
		if (stream_op_is(q->op, OP_READS) && rf->cqe == NO_EVENT)
			p->unseen_reader = true;
		if (!stream_op_is(q->op, OP_WRITES))
			continue;
		p->w[TOKEN_REQ + r] = (struct writer){ .here = true, .begin = rf->begin, .end = rf->cqe };
		if (rf->cqe == NO_EVENT)
			p->w[TOKEN_REQ + r].most = rf->chain_failed ? 0 : q->len;
		else if (rf->res > 0)
			p->w[TOKEN_REQ + r].least = p->w[TOKEN_REQ + r].most = (uint64_t)rf->res;
	}
	for (unsigned int i = 0; i < f->s->nr_steps; i++) {
		const struct step *st = &f->s->steps[i];
		int64_t res = f->step_end[i] == NO_EVENT ? 0 : f->rec->ev[f->step_end[i]].res;

		if (st->kind != STEP_WRITE || !fd_in(&st->fd, p->objs) || f->step_begin[i] == NO_EVENT)
			continue;
		p->w[TOKEN_STEP + i] = (struct writer){ true, res > 0 ? (uint64_t)res : 0, res > 0 ? (uint64_t)res : 0,
							f->step_begin[i], f->step_end[i] };
		if (f->step_end[i] == NO_EVENT)
			p->w[TOKEN_STEP + i].most = st->len;
	}
}

static void add_run(struct pipe_account *p, struct run run)
{
	p->seen[run.token] += run.n;
	if (p->nr_runs == MAX_RUNS)
		p->too_many = true;
	else
		p->run[p->nr_runs++] = run;
}

static void add_data(const struct facts *f, uint32_t ev, struct pipe_account *p)
{
	const struct rec_event *e = &f->rec->ev[ev];
	struct run run = { .begin = ev, .end = ev, .token = (uint8_t)e->flags, .n = e->a };

	if (e->req != REC_NO_REQ) {
		if (!fd_in(&f->s->reqs[e->req].fd, p->objs))
			return;
		run.reader = e->req;
		run.begin = f->req[e->req].begin;
		run.end = f->req[e->req].cqe;
	} else if (e->step != REC_NO_STEP) {
		if (!fd_in(&f->s->steps[e->step].fd, p->objs))
			return;
		run.reader = READER_STEP + e->step;
	} else {
		if (e->obj >= STREAM_MAX_OBJS || !(p->objs >> e->obj & 1))
			return;
		run.reader = READER_RELEASE;
	}
	add_run(p, run);
}

static bool before(const struct writer *a, const struct writer *b)
{
	return a->here && b->here && a->end != NO_EVENT && a->end < b->begin;
}

/* Was run `a` surely taken out of the pipe before run `b`? */
static bool taken_before(const struct run *a, unsigned int ia, const struct run *b, unsigned int ib)
{
	if (a->reader == b->reader)
		return ia < ib;
	return b->reader == READER_RESIDUE || a->end < b->begin;
}

static void pipe_order(struct court *c, const struct pipe_account *p, unsigned int obj)
{
	for (unsigned int i = 0; i < p->nr_runs; i++)
		for (unsigned int k = 0; k < p->nr_runs; k++) {
			const struct run *a = &p->run[i], *b = &p->run[k];

			if (i == k || a->token == b->token || !taken_before(a, i, b, k) ||
			    !before(&p->w[b->token], &p->w[a->token]))
				continue;
			accuse(c, R_DATA_ORDER, b->end, b->reader < READER_STEP ? b->reader : REC_NO_REQ, REC_NO_REQ,
			       "%s delivered bytes %u before bytes %u, which were written before|first in, first out",
			       c->f->s->objs[obj].name, a->token, b->token);
			return;
		}
}

/* The pipes that have to do with each other through SPLICE and TEE, as far as pipe `obj` is one of them. */
static void connect(const struct facts *f, unsigned int obj, struct pipe_account *p)
{
	uint32_t before;

	p->objs = 1u << obj;
	p->moved = false;
	p->copied = 0;
	do {
		before = p->objs;
		for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
			const struct sreq *q = &f->s->reqs[r];

			if (!f->req[r].maybe || !stream_op_is(q->op, OP_MOVES) || q->fd.kind != FD_OBJ ||
			    q->in.kind != FD_OBJ || !(fd_in(&q->fd, before) || fd_in(&q->in, before)))
				continue;
			p->objs |= 1u << q->fd.obj;
			if (f->s->objs[q->in.obj].kind == OBJ_PIPE)
				p->objs |= 1u << q->in.obj;
		}
	} while (p->objs != before);
	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct sreq *q = &f->s->reqs[r];
		const struct req_fact *rf = &f->req[r];

		if (!rf->maybe || !stream_op_is(q->op, OP_MOVES) || !fd_in(&q->fd, p->objs) || q->in.kind != FD_OBJ)
			continue;
		p->moved = true;
		if (q->op == SOP_TEE || f->s->objs[q->in.obj].kind == OBJ_FILE)
			p->copied += rf->cqe == NO_EVENT ? q->len : rf->res > 0 ? (uint64_t)rf->res : 0;
	}
}

static unsigned int finals_missing(const struct pipe_account *p, uint32_t seen)
{
	return (unsigned int)__builtin_popcount(p->objs & ~seen);
}

static void pipe_law(struct court *c, unsigned int obj)
{
	static _Thread_local struct pipe_account account;
	const struct facts *f = c->f;
	struct pipe_account *p = &account;
	uint32_t seen = 0;

	memset(p->w, 0, sizeof(p->w));
	memset(p->seen, 0, sizeof(p->seen));
	p->nr_runs = 0;
	p->too_many = p->unseen_reader = false;
	p->final = NO_EVENT;
	connect(f, obj, p);
	if (p->objs & ((1u << obj) - 1))
		return; /* told with the first of them */
	add_writers(f, p);
	for (uint32_t ev = 0; ev < f->rec->nr; ev++) {
		const struct rec_event *e = &f->rec->ev[ev];
		bool of = e->obj < STREAM_MAX_OBJS && (p->objs >> e->obj & 1);

		if (e->kind == REC_DATA)
			add_data(f, ev, p);
		if (is_feed(e, p->objs)) {
			p->w[REC_BYTE_RELEASE].least += (uint64_t)e->res;
			p->w[REC_BYTE_RELEASE].most += (uint64_t)e->res;
		}
		if (e->kind == REC_RUN && of)
			add_run(p, (struct run){ READER_RESIDUE, ev, ev, (uint8_t)e->flags, e->a });
		if (e->kind == REC_FINAL && of && !(e->flags & FINAL_UNSEEN)) {
			seen |= 1u << e->obj;
			p->final = ev;
		}
	}
	if (finals_missing(p, seen))
		p->final = NO_EVENT;
	for (unsigned int t = 0; t < 256; t++) {
		const struct writer *w = &p->w[t];
		unsigned int req = t >= TOKEN_REQ && t < TOKEN_STEP && t - TOKEN_REQ < f->s->nr_reqs ? t - TOKEN_REQ :
												       REC_NO_REQ;
		bool lost = p->final != NO_EVENT && f->complete && !p->unseen_reader && !p->too_many &&
			    p->seen[t] < w->least;

		if (p->seen[t] > w->most + p->copied || lost)
			accuse(c, R_DATA_PIPE, p->final == NO_EVENT ? f->rec->nr : p->final, req, REC_NO_REQ,
			       "%llu bytes %u came out of %s|%llu to %llu: what %s reported",
			       (unsigned long long)p->seen[t], t, f->s->objs[obj].name, (unsigned long long)w->least,
			       (unsigned long long)w->most,
			       !w->here		 ? "nobody" :
			       req == REC_NO_REQ ? "a direct write" :
						   f->s->reqs[req].name);
	}
	if (!p->too_many && !p->moved)
		pipe_order(c, p, obj);
}

/* ---- eventfds ---- */

struct counter {
	uint64_t in, out; /* modulo 2^64, as the kernel's */
	bool unseen;
	uint32_t final;
};

static void counter_reqs(const struct facts *f, unsigned int obj, struct counter *k)
{
	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct sreq *q = &f->s->reqs[r];
		const struct req_fact *rf = &f->req[r];

		if (!rf->maybe || !fd_of_obj(&q->fd, obj) || !stream_op_is(q->op, OP_TRANSFERS))
			continue;
		if (rf->cqe == NO_EVENT)
			k->unseen = true;
		else if (rf->res == 8 && stream_op_is(q->op, OP_WRITES))
			k->in += q->value;
		else if (rf->res == 8)
			k->out += rf->got;
	}
}

static void counter_law(struct court *c, unsigned int obj)
{
	const struct facts *f = c->f;
	struct counter k = { .in = f->s->objs[obj].init, .final = NO_EVENT };

	counter_reqs(f, obj, &k);
	for (uint32_t ev = 0; ev < f->rec->nr; ev++) {
		const struct rec_event *e = &f->rec->ev[ev];
		const struct step *st = e->step != REC_NO_STEP ? &f->s->steps[e->step] : NULL;

		if (e->kind == REC_END && st && st->kind == STEP_WRITE && fd_of_obj(&st->fd, obj) && e->res == 8)
			k.in += st->value;
		if (e->kind == REC_DATA && e->req == REC_NO_REQ && st && fd_of_obj(&st->fd, obj))
			k.out += e->a;
		if (e->kind == REC_DATA && e->req == REC_NO_REQ && !st && e->obj == obj)
			k.out += e->a;
		if (is_feed(e, 1u << obj))
			k.in += 1;
		if (e->kind == REC_FINAL && e->obj == obj && !(e->flags & FINAL_UNSEEN)) {
			k.final = ev;
			k.out += e->a;
		}
	}
	if (k.final != NO_EVENT && f->complete && !k.unseen && k.in != k.out)
		accuse(c, R_DATA_COUNTER, k.final, REC_NO_REQ, REC_NO_REQ,
		       "%s: %llu taken out or left|%llu, what was put in", f->s->objs[obj].name,
		       (unsigned long long)k.out, (unsigned long long)k.in);
}

static void held(struct court *c, uint32_t ev)
{
	const struct rec_event *e = &c->f->rec->ev[ev];
	uint32_t who = e->flags & (FINAL_READERS | FINAL_WRITERS | FINAL_HELD);

	if (who && c->f->complete)
		accuse(c, c->f->exact ? R_FINAL_HELD : R_FINAL_LATE, ev, REC_NO_REQ, REC_NO_REQ,
		       "%s is still held%s%s|by nobody", c->f->s->objs[e->obj].name,
		       who & FINAL_READERS ? " for reading" : "", who & FINAL_WRITERS ? " for writing" : "");
}

static void amount(struct court *c, unsigned int r)
{
	const struct facts *f = c->f;
	const struct sreq *q = &f->s->reqs[r];
	bool counter = q->fd.kind == FD_OBJ && f->s->objs[q->fd.obj].kind == OBJ_EVENTFD;
	int32_t res = f->req[r].res;

	if (q->op != SOP_READ || f->req[r].cqe == NO_EVENT || counter || f->req[r].nr_cqes > 1)
		return;
	if (f->req[r].got != (res > 0 ? (uint64_t)res : 0))
		accuse(c, R_DATA_AMOUNT, f->req[r].cqe, r, REC_NO_REQ, "%s ended %s and brought %llu bytes|%d", q->name,
		       res_name(res), (unsigned long long)f->req[r].got, res > 0 ? res : 0);
}

void law_data(struct court *c)
{
	for (unsigned int r = 0; c->f->complete && r < c->f->s->nr_reqs; r++)
		amount(c, r);
	for (unsigned int o = 0; o < c->f->s->nr_objs; o++) {
		if (c->f->s->objs[o].kind == OBJ_PIPE)
			pipe_law(c, o);
		else if (c->f->s->objs[o].kind == OBJ_EVENTFD)
			counter_law(c, o);
		else if (c->f->s->objs[o].kind == OBJ_FILE)
			law_file(c, o);
	}
	for (uint32_t ev = 0; ev < c->f->rec->nr; ev++)
		if (c->f->rec->ev[ev].kind == REC_FINAL)
			held(c, ev);
}
