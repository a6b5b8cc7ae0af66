#include "cli/shrink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"
#include "stream/print.h"
#include "stream/rules.h"

enum { MAX_ROUNDS = 32, FIRST_SEEN = 1024 };

/* ---- plain ---- */

void shrink_plain(struct stream *s, bool expectations)
{
	s->comment = s->end_comment = s->pool_len = 0;
	for (unsigned int i = 0; i < s->nr_tasks; i++)
		s->tasks[i].comment = s->tasks[i].tail = 0;
	for (unsigned int i = 0; i < s->nr_rings; i++)
		s->rings[i].comment = s->rings[i].tail = 0;
	for (unsigned int i = 0; i < s->nr_objs; i++)
		s->objs[i].comment = s->objs[i].tail = 0;
	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		s->reqs[i].comment = s->reqs[i].tail = 0;
		if (!expectations)
			s->reqs[i].expect.nr = 0;
	}
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		s->steps[i].comment = s->steps[i].tail = 0;
		if (!expectations)
			s->steps[i].expect.nr = 0;
	}
	s->schedule.comment = s->schedule.tail = 0;
	stream_name_all(s);
}

/* ---- parts of a stream ---- */

struct moved {
	uint8_t ring[STREAM_MAX_RINGS], obj[STREAM_MAX_OBJS], task[STREAM_MAX_TASKS], req[STREAM_MAX_REQS];
};

void shrink_plan_all(struct shrink_plan *p, const struct stream *s)
{
	memset(p, 0, sizeof(*p));
	memset(p->step, true, s->nr_steps);
	memset(p->ring, true, s->nr_rings);
	memset(p->obj, true, s->nr_objs);
	memset(p->task, true, s->nr_tasks);
	memset(p->home, STREAM_NONE, sizeof(p->home));
	for (unsigned int i = 0; i < s->nr_steps; i++)
		for (unsigned int r = 0; s->steps[i].kind == STEP_SUBMIT && r < s->steps[i].nr_reqs; r++)
			p->home[s->steps[i].first_req + r] = (uint8_t)i;
}

static void move_decls(const struct stream *from, const struct shrink_plan *p, struct stream *to, struct moved *m)
{
	memset(m, STREAM_NONE, sizeof(*m));
	to->nr_tasks = to->nr_rings = to->nr_objs = 0;
	for (unsigned int i = 0; i < from->nr_tasks; i++) {
		if (!p->task[i])
			continue;
		to->tasks[to->nr_tasks] = from->tasks[i];
		m->task[i] = to->nr_tasks++;
	}
	for (unsigned int i = 0; i < from->nr_objs; i++) {
		if (!p->obj[i])
			continue;
		to->objs[to->nr_objs] = from->objs[i];
		m->obj[i] = to->nr_objs++;
	}
	for (unsigned int i = 0; i < from->nr_rings; i++) {
		if (!p->ring[i] || m->task[from->rings[i].task] == STREAM_NONE)
			continue;
		to->rings[to->nr_rings] = from->rings[i];
		to->rings[to->nr_rings].task = m->task[from->rings[i].task];
		m->ring[i] = to->nr_rings++;
	}
}

/* False when it names what is left out. */
static bool move_fd(struct fdref *fd, const struct moved *m)
{
	if (fd->kind == FD_OBJ && m->obj[fd->obj] == STREAM_NONE)
		return false;
	if (fd->kind == FD_OBJ)
		fd->obj = m->obj[fd->obj];
	return true;
}

static void move_requests(const struct stream *from, const struct shrink_plan *p, unsigned int step, struct stream *to,
			  struct moved *m, struct step *t)
{
	t->first_req = to->nr_reqs;
	t->nr_reqs = 0;
	for (unsigned int r = 0; r < from->nr_reqs; r++) {
		struct sreq *q = &to->reqs[to->nr_reqs];

		if (p->home[r] != step)
			continue;
		*q = from->reqs[r];
		if (!move_fd(&q->fd, m) || !move_fd(&q->in, m))
			continue;
		if (stream_sends(q) && q->to != STREAM_NONE && m->ring[q->to] == STREAM_NONE)
			continue;
		if (stream_sends(q) && q->to != STREAM_NONE)
			q->to = m->ring[q->to];
		m->req[r] = to->nr_reqs++;
		t->nr_reqs++;
	}
}

static void move_steps(const struct stream *from, const struct shrink_plan *p, struct stream *to, struct moved *m)
{
	to->nr_steps = to->nr_reqs = 0;
	for (unsigned int i = 0; i < from->nr_steps; i++) {
		struct step t = from->steps[i];

		if (!p->step[i] || m->task[t.task] == STREAM_NONE ||
		    (stream_step_on_ring(t.kind) && m->ring[t.ring] == STREAM_NONE) || !move_fd(&t.fd, m))
			continue;
		if (stream_step_on_ring(t.kind))
			t.ring = m->ring[t.ring];
		t.task = m->task[t.task];
		if (t.kind == STEP_SUBMIT) {
			move_requests(from, p, i, to, m, &t);
			if (t.nr_reqs == 0)
				continue;
		}
		to->steps[to->nr_steps++] = t;
	}
	for (unsigned int r = 0; r < to->nr_reqs; r++)
		if (to->reqs[r].target != STREAM_NONE)
			to->reqs[r].target = m->req[to->reqs[r].target];
}

/* No step waits for more CQEs than requests were submitted to its ring; one that waits for none is left out. */
static void clamp_waits(struct stream *s)
{
	uint32_t left[STREAM_MAX_RINGS] = { 0 };
	unsigned int nr = 0;

	for (unsigned int i = 0; i < s->nr_steps; i++) {
		struct step *t = &s->steps[i];

		if (t->kind == STEP_SUBMIT)
			left[t->ring] += t->nr_reqs;
		if (t->kind == STEP_SUBMIT || t->kind == STEP_WAIT) {
			if (t->wait_nr > left[t->ring])
				t->wait_nr = left[t->ring];
			left[t->ring] -= t->wait_nr;
		}
		if (t->kind != STEP_WAIT || t->wait_nr)
			s->steps[nr++] = *t;
	}
	s->nr_steps = (uint8_t)nr;
}

bool shrink_rebuild(const struct stream *from, const struct shrink_plan *p, struct stream *to)
{
	struct moved m;

	memcpy(to, from, offsetof(struct stream, tasks));
	to->schedule = from->schedule;
	to->pool_len = from->pool_len;
	memcpy(to->pool, from->pool, from->pool_len);
	memcpy(to->decisions, from->decisions, from->schedule.nr_decisions);
	move_decls(from, p, to, &m);
	move_steps(from, p, to, &m);
	clamp_waits(to);
	return stream_check(to, NULL) == 0;
}

/* ---- asking ---- */

static uint64_t hash_text(const struct text *t)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < t->len; i++)
		h = (h ^ (unsigned char)t->buf[i]) * 1099511628211ull;
	return h ? h : 1;
}

static bool put_hash(uint64_t *seen, size_t cap, uint64_t h)
{
	size_t at = (h >> 7) & (cap - 1);

	while (seen[at]) {
		if (seen[at] == h)
			return false;
		at = (at + 1) & (cap - 1);
	}
	seen[at] = h;
	return true;
}

static int grow_seen(struct shrink *k)
{
	size_t cap = k->cap_seen ? 2 * k->cap_seen : FIRST_SEEN;
	uint64_t *seen = calloc(cap, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < k->cap_seen; i++)
		if (k->seen[i])
			put_hash(seen, cap, k->seen[i]);
	free(k->seen);
	k->seen = seen;
	k->cap_seen = cap;
	return 0;
}

/* True if no stream of that text was there before. */
static bool is_new(struct shrink *k, const struct stream *s)
{
	struct text t;

	if (2 * (k->nr_seen + 1) > k->cap_seen && grow_seen(k) < 0) {
		k->stopped = -ENOMEM;
		return false;
	}
	text_init(&t, k->text, STREAM_PRINT_CAP);
	stream_print(s, &t);
	if (!put_hash(k->seen, k->cap_seen, hash_text(&t)))
		return false;
	k->nr_seen++;
	return true;
}

bool shrink_ask(struct shrink *k)
{
	struct stream *taken = k->candidate;
	int shows;

	if (k->stopped || stream_check(k->candidate, NULL) < 0)
		return false;
	stream_name_all(k->candidate);
	if (!is_new(k, k->candidate)) {
		k->repeated++;
		return false;
	}
	k->tried++;
	shows = k->shows(k->ctx, k->candidate);
	if (shows < 0)
		k->stopped = shows;
	if (shows <= 0)
		return false;
	k->candidate = k->best;
	k->best = taken;
	return true;
}

static int begin(struct shrink *k, const struct stream *s)
{
	k->best = malloc(sizeof(*k->best));
	k->candidate = malloc(sizeof(*k->candidate));
	k->spare = malloc(sizeof(*k->spare));
	k->text = malloc(STREAM_PRINT_CAP);
	k->seen = NULL;
	k->nr_seen = k->cap_seen = 0;
	k->stopped = k->best && k->candidate && k->spare && k->text ? 0 : -ENOMEM;
	if (k->best)
		*k->best = *s;
	return k->stopped;
}

static int end(struct shrink *k, struct stream *s)
{
	if (k->best)
		*s = *k->best;
	free(k->best);
	free(k->candidate);
	free(k->spare);
	free(k->text);
	free(k->seen);
	k->best = k->candidate = k->spare = NULL;
	return k->stopped;
}

int shrink_run(struct shrink *k, struct stream *s)
{
	shrink_plain(s, k->expectations);
	s->schedule = (struct schedule){ 0 };
	if (begin(k, s) == 0) {
		is_new(k, s);
		for (unsigned int i = 0; i < MAX_ROUNDS && !k->stopped && shrink_round(k); i++)
			;
	}
	return end(k, s);
}

/* ---- decisions ---- */

static bool ask_cut(struct shrink *k, uint32_t nr)
{
	*k->candidate = *k->best;
	k->candidate->schedule.nr_decisions = nr;
	return shrink_ask(k);
}

/* The shortest beginning that is enough; where a shorter one is enough and a longer one not, not the very shortest. */
static void cut_decisions(struct shrink *k)
{
	uint32_t lo = 1, hi = k->best->schedule.nr_decisions;

	while (lo < hi && !k->stopped) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ask_cut(k, mid))
			hi = mid;
		else
			lo = mid + 1;
	}
}

static bool zero_range(struct shrink *k, uint32_t at, uint32_t nr)
{
	bool changed = false;

	for (uint32_t i = at; i < at + nr; i++)
		changed |= k->best->decisions[i] != 0;
	if (!changed)
		return false;
	*k->candidate = *k->best;
	memset(k->candidate->decisions + at, 0, nr);
	return shrink_ask(k);
}

static bool zero_decisions(struct shrink *k)
{
	uint32_t n = k->best->schedule.nr_decisions;
	bool any = false;

	for (uint32_t size = n; size > 0 && !k->stopped; size /= 2)
		for (uint32_t at = 0; at < n; at += size)
			any |= zero_range(k, at, at + size > n ? n - at : size);
	return any;
}

int shrink_decisions(struct shrink *k, struct stream *s)
{
	if (s->schedule.nr_decisions > 0 && begin(k, s) == 0) {
		do {
			cut_decisions(k);
		} while (zero_decisions(k));
		return end(k, s);
	}
	return 0;
}
