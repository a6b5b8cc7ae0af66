/* Files: content and size at the end, and what reads saw. */
#include <linux/fs.h>
#include <string.h>

#include "oracle/court.h"

enum { MAX_WRITES = STREAM_MAX_REQS + STREAM_MAX_STEPS };

/* A write: [off, off + least) surely put down, up to off + most possibly. */
struct put {
	uint8_t token;
	uint16_t req; /* or REC_NO_REQ */
	uint64_t off, least, most;
	uint32_t begin, end;
};

struct file_account {
	struct put put[MAX_WRITES];
	unsigned int nr;
	uint64_t init;
	bool vague; /* some write went to the file's own position or its end: where, nobody knows */
	bool cut; /* it may have been truncated: what it held is not told, but for its size at the end */
	uint64_t least, most; /* its size at the end, as far as allocations and truncations tell */
};

static void add_puts(const struct facts *f, unsigned int obj, struct file_account *a)
{
	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct sreq *q = &f->s->reqs[r];
		const struct req_fact *rf = &f->req[r];
		struct put p = { (uint8_t)(TOKEN_REQ + r), (uint16_t)r, (uint64_t)q->off, 0, 0, rf->begin, rf->cqe };

		if (!rf->maybe || !stream_op_is(q->op, OP_WRITES) || !fd_of_obj(&q->fd, obj))
			continue;
		if (rf->cqe == NO_EVENT)
			p.most = rf->chain_failed ? 0 : q->len;
		else if (rf->res > 0)
			p.least = p.most = (uint64_t)rf->res;
		a->vague |= (q->off < 0 || (q->op_flags & RWF_APPEND)) && p.most;
		a->put[a->nr++] = p;
	}
	for (unsigned int i = 0; i < f->s->nr_steps; i++) {
		const struct step *st = &f->s->steps[i];

		/* Direct writes go to the file's own position. */
		if (st->kind == STEP_WRITE && fd_of_obj(&st->fd, obj) && f->step_begin[i] != NO_EVENT)
			a->vague = true;
	}
}

/* Is everything over that changes the size, but for r, before r begins? */
static bool is_last(const struct facts *f, unsigned int obj, unsigned int r)
{
	for (unsigned int k = 0; k < f->s->nr_reqs; k++) {
		const struct sreq *q = &f->s->reqs[k];

		if (k != r && f->req[k].maybe && fd_of_obj(&q->fd, obj) && stream_op_is(q->op, OP_WRITES | OP_SIZES) &&
		    !(f->req[k].cqe < f->req[r].begin))
			return false;
	}
	return true;
}

/* An allocation makes a file as long at least; a truncation exactly so, if it is the last. */
static void add_sizes(const struct facts *f, unsigned int obj, struct file_account *a)
{
	uint64_t least = a->init, most = a->init;
	bool told = false;

	for (unsigned int i = 0; i < a->nr; i++) {
		const struct put *p = &a->put[i];

		if (p->least && p->off + p->least > least)
			least = p->off + p->least;
		if (p->most && p->off + p->most > most)
			most = p->off + p->most;
	}
	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct sreq *q = &f->s->reqs[r];
		const struct req_fact *rf = &f->req[r];
		uint64_t size = (uint64_t)q->off + q->len;
		bool done = rf->cqe != NO_EVENT && rf->res == 0;

		if (!rf->maybe || !stream_op_is(q->op, OP_SIZES) || !fd_of_obj(&q->fd, obj) ||
		    (rf->cqe != NO_EVENT && !done))
			continue;
		most = size > most ? size : most;
		if (q->op == SOP_FALLOCATE && done && size > least)
			least = size;
		a->cut |= q->op == SOP_FTRUNCATE;
	}
	for (unsigned int r = 0; a->cut && r < f->s->nr_reqs && !told; r++) {
		const struct sreq *q = &f->s->reqs[r];
		bool done = f->req[r].cqe != NO_EVENT && f->req[r].res == 0;

		if (!f->req[r].maybe || q->op != SOP_FTRUNCATE || !fd_of_obj(&q->fd, obj))
			continue;
		told = done && is_last(f, obj, r);
		if (told)
			least = most = q->len;
		else if ((f->req[r].cqe == NO_EVENT || done) && q->len < least)
			least = q->len;
	}
	a->least = least;
	a->most = most;
}

/* Plain buffered writes of one task to one file are handed to io-wq and hashed: one after the other, first come first
 * served. So on file systems that do not write buffered without waiting. */
static bool hashed(const struct facts *f, const struct put *p)
{
	const struct sreq *q;

	if (p->req == REC_NO_REQ || f->req[p->req].chain_first != p->req || f->ring[f->req[p->req].ring].drains)
		return false;
	q = &f->s->reqs[p->req];
	return !q->sqe_flags && !q->op_flags;
}

static bool hashed_before(const struct facts *f, const struct put *a, const struct put *b)
{
	if (strcmp(f->rec->fs, "tmpfs") != 0 && strcmp(f->rec->fs, "ext4") != 0)
		return false;
	return hashed(f, a) && hashed(f, b) && a->req < b->req && f->req[a->req].ring == f->req[b->req].ring &&
	       f->req[a->req].task == f->req[b->req].task;
}

/* Was a surely over before b began? Members of one chain follow each other. */
static bool put_before(const struct facts *f, const struct put *a, const struct put *b)
{
	if ((a->end != NO_EVENT && a->end < b->begin) || hashed_before(f, a, b))
		return true;
	return a->req != REC_NO_REQ && b->req != REC_NO_REQ && a->req < b->req &&
	       f->req[a->req].chain_first == f->req[b->req].chain_first && f->req[a->req].begin == f->req[b->req].begin;
}

/* May bytes [at, at + n) show `token` to somebody who looks from event `begin` to event `end`? */
static bool may_show(const struct facts *f, const struct file_account *a, uint8_t token, uint64_t at, uint64_t n,
		     uint32_t begin, uint32_t end)
{
	const struct put *own = NULL;

	for (unsigned int i = 0; i < a->nr; i++)
		if (a->put[i].token == token)
			own = &a->put[i];
	if (own) {
		if (at < own->off || at + n > own->off + own->most || own->begin > end)
			return false;
	} else if (token != (at < a->init ? TOKEN_INIT : TOKEN_HOLE)) {
		return false;
	}
	/* Nothing that surely covers a byte of it may have come between. */
	for (unsigned int i = 0; i < a->nr; i++) {
		const struct put *p = &a->put[i];
		bool covers = p->least && at < p->off + p->least && p->off < at + n;

		if (p != own && covers && p->end < begin && (!own || put_before(f, own, p)))
			return false;
	}
	return true;
}

/* Checks a row of runs from offset `at` on, split at the size the file began with. */
static bool runs_fit(const struct facts *f, const struct file_account *a, const struct rec_event *e, uint64_t at,
		     uint32_t begin, uint32_t end)
{
	uint64_t n = e->a;

	if (at < a->init && at + n > a->init) {
		uint64_t first = a->init - at;

		return may_show(f, a, (uint8_t)e->flags, at, first, begin, end) &&
		       may_show(f, a, (uint8_t)e->flags, a->init, n - first, begin, end);
	}
	return may_show(f, a, (uint8_t)e->flags, at, n, begin, end);
}

static void final_content(struct court *c, unsigned int obj, const struct file_account *a, uint32_t ev)
{
	const struct facts *f = c->f;
	uint64_t at = 0;

	for (uint32_t i = ev + 1; i < f->rec->nr && f->rec->ev[i].kind == REC_RUN && f->rec->ev[i].obj == obj; i++) {
		if (!runs_fit(f, a, &f->rec->ev[i], at, ev, ev))
			accuse(c, R_DATA_FILE, i, REC_NO_REQ, REC_NO_REQ,
			       "%s holds bytes %u from %llu to %llu|what was written there last", f->s->objs[obj].name,
			       f->rec->ev[i].flags, (unsigned long long)at, (unsigned long long)(at + f->rec->ev[i].a));
		at += f->rec->ev[i].a;
	}
}

static void reads(struct court *c, unsigned int obj, const struct file_account *a, uint64_t most)
{
	const struct facts *f = c->f;

	for (unsigned int r = 0; r < f->s->nr_reqs; r++) {
		const struct sreq *q = &f->s->reqs[r];
		const struct req_fact *rf = &f->req[r];
		uint64_t at = (uint64_t)q->off, least, end;

		if (!stream_op_is(q->op, OP_READS) || !fd_of_obj(&q->fd, obj) || rf->cqe == NO_EVENT || rf->res < 0 ||
		    q->off < 0)
			continue;
		end = at + q->len;
		least = at >= a->init ? 0 : (end < a->init ? end : a->init) - at;
		most = most > at ? most : at;
		if ((uint64_t)rf->res < least || at + (uint64_t)rf->res > most)
			accuse(c, R_DATA_SIZE, rf->cqe, r, REC_NO_REQ, "%s got %d bytes at %llu|%llu to %llu", q->name,
			       rf->res, (unsigned long long)at, (unsigned long long)least,
			       (unsigned long long)(most - at));
		for (uint32_t i = rf->cqe + 1;
		     i < f->rec->nr && f->rec->ev[i].kind == REC_DATA && f->rec->ev[i].req == r; i++) {
			if (!runs_fit(f, a, &f->rec->ev[i], at, rf->begin, rf->cqe))
				accuse(c, R_DATA_FILE, i, r, REC_NO_REQ,
				       "%s got bytes %u at %llu|what was written there", q->name, f->rec->ev[i].flags,
				       (unsigned long long)at);
			at += f->rec->ev[i].a;
		}
	}
}

void law_file(struct court *c, unsigned int obj)
{
	static _Thread_local struct file_account account;
	const struct facts *f = c->f;
	struct file_account *a = &account;

	a->nr = 0;
	a->vague = a->cut = false;
	a->init = f->s->objs[obj].init;
	add_puts(f, obj, a);
	if (a->vague)
		return;
	add_sizes(f, obj, a);
	if (!a->cut)
		reads(c, obj, a, a->most);
	for (uint32_t ev = 0; ev < f->rec->nr; ev++) {
		const struct rec_event *e = &f->rec->ev[ev];

		if (e->kind != REC_FINAL || e->obj != obj || (e->flags & FINAL_UNSEEN) || !f->complete)
			continue;
		if (e->a < a->least || e->a > a->most)
			accuse(c, R_DATA_SIZE, ev, REC_NO_REQ, REC_NO_REQ, "%s ends %llu bytes long|%llu to %llu",
			       f->s->objs[obj].name, (unsigned long long)e->a, (unsigned long long)a->least,
			       (unsigned long long)a->most);
		if (!a->cut)
			final_content(c, obj, a, ev);
	}
}
