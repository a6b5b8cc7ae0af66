/* The passes: each knows one way in which a stream may become simpler. */
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>

#include "cli/shrink.h"
#include "core/base/uapi.h"
#include "stream/optable.h"

#define NR(table) (sizeof(table) / sizeof((table)[0]))

static bool ask_plan(struct shrink *k, const struct shrink_plan *p)
{
	return shrink_rebuild(k->best, p, k->candidate) && shrink_ask(k);
}

/* A copy of the best, to be changed. */
static struct stream *propose(struct shrink *k)
{
	*k->candidate = *k->best;
	return k->candidate;
}

/* ---- leaving out ---- */

static unsigned int nr_steps(const struct stream *s)
{
	return s->nr_steps;
}

static unsigned int nr_reqs(const struct stream *s)
{
	return s->nr_reqs;
}

static void without_steps(struct shrink_plan *p, unsigned int from, unsigned int to)
{
	memset(p->step + from, false, to - from);
}

static void without_reqs(struct shrink_plan *p, unsigned int from, unsigned int to)
{
	memset(p->home + from, STREAM_NONE, to - from);
}

/* Large pieces first, the last ones first: what comes later depends on what comes before. */
static bool leave_out(struct shrink *k, unsigned int (*count)(const struct stream *),
		      void (*without)(struct shrink_plan *, unsigned int, unsigned int))
{
	bool any = false;

	for (unsigned int size = (count(k->best) + 1) / 2; size > 0; size /= 2) {
		for (unsigned int to = count(k->best); to > 0 && !k->stopped;) {
			unsigned int from = to > size ? to - size : 0;
			struct shrink_plan p;

			shrink_plan_all(&p, k->best);
			without(&p, from, to);
			any |= ask_plan(k, &p);
			to = from < count(k->best) ? from : count(k->best);
		}
	}
	return any;
}

static bool pass_steps(struct shrink *k)
{
	return leave_out(k, nr_steps, without_steps);
}

static bool pass_requests(struct shrink *k)
{
	return leave_out(k, nr_reqs, without_reqs);
}

static void find_used(const struct stream *s, struct shrink_plan *p)
{
	memset(p->ring, false, sizeof(p->ring));
	memset(p->obj, false, sizeof(p->obj));
	memset(p->task, false, sizeof(p->task));
	p->task[0] = true;
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (s->reqs[i].fd.kind == FD_OBJ)
			p->obj[s->reqs[i].fd.obj] = true;
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (stream_sends(&s->reqs[i]) && s->reqs[i].to != STREAM_NONE)
			p->ring[s->reqs[i].to] = true;
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (s->reqs[i].in.kind == FD_OBJ)
			p->obj[s->reqs[i].in.obj] = true;
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		const struct step *t = &s->steps[i];

		p->task[t->task] = true;
		if (stream_step_on_ring(t->kind))
			p->ring[t->ring] = true;
		if (t->fd.kind == FD_OBJ)
			p->obj[t->fd.obj] = true;
	}
	for (unsigned int i = 0; i < s->nr_rings; i++)
		if (p->ring[i])
			p->task[s->rings[i].task] = true;
}

static bool pass_unused(struct shrink *k)
{
	struct shrink_plan used, p;
	bool any;

	shrink_plan_all(&used, k->best);
	find_used(k->best, &used);
	any = ask_plan(k, &used);
	for (unsigned int i = k->best->nr_objs; !any && i-- > 0;) {
		shrink_plan_all(&p, k->best);
		p.obj[i] = used.obj[i];
		any = !used.obj[i] && ask_plan(k, &p);
	}
	for (unsigned int i = k->best->nr_rings; !any && i-- > 0;) {
		shrink_plan_all(&p, k->best);
		p.ring[i] = used.ring[i];
		any = !used.ring[i] && ask_plan(k, &p);
	}
	return any;
}

/* Everything of one task is done by main instead. */
static bool pass_tasks(struct shrink *k)
{
	bool any = false;

	for (unsigned int t = k->best->nr_tasks; t-- > 1;) {
		struct stream *s = k->spare;
		struct shrink_plan p;

		*s = *k->best;
		for (unsigned int i = 0; i < s->nr_rings; i++)
			if (s->rings[i].task == t)
				s->rings[i].task = 0;
		for (unsigned int i = 0; i < s->nr_steps; i++)
			if (s->steps[i].task == t)
				s->steps[i].task = 0;
		shrink_plan_all(&p, s);
		p.task[t] = false;
		any |= shrink_rebuild(s, &p, k->candidate) && shrink_ask(k);
	}
	return any;
}

/* What is done on one ring is done on the first instead. */
static bool pass_rings(struct shrink *k)
{
	bool any = false;

	for (unsigned int r = k->best->nr_rings; r-- > 1;) {
		struct stream *s = k->spare;
		struct shrink_plan p;

		*s = *k->best;
		for (unsigned int i = 0; i < s->nr_steps; i++)
			if (s->steps[i].ring == r)
				s->steps[i].ring = 0;
		shrink_plan_all(&p, s);
		p.ring[r] = false;
		any |= shrink_rebuild(s, &p, k->candidate) && shrink_ask(k);
	}
	return any;
}

/* The requests of one submit are submitted together with those of another. */
static bool merge(struct shrink *k, unsigned int from, unsigned int to)
{
	const struct step *t = &k->best->steps[from];
	struct shrink_plan p;

	shrink_plan_all(&p, k->best);
	for (unsigned int r = 0; r < t->nr_reqs; r++)
		p.home[t->first_req + r] = (uint8_t)to;
	p.step[from] = false;
	return ask_plan(k, &p);
}

static bool pass_merge(struct shrink *k)
{
	bool any = false;
	unsigned int last = STREAM_NONE;

	for (unsigned int i = 0; i < k->best->nr_steps; i++) {
		const struct step *t = &k->best->steps[i];

		if (t->kind != STEP_SUBMIT)
			continue;
		if (last != STREAM_NONE && k->best->steps[last].ring == t->ring &&
		    k->best->steps[last].task == t->task && (merge(k, i, last) || merge(k, last, i))) {
			any = true;
			i = (unsigned int)-1;
			last = STREAM_NONE;
			continue;
		}
		last = i;
	}
	return any;
}

/* ---- plainer requests ---- */

/* A request that is no more than a NOP. */
static bool pass_nops(struct shrink *k)
{
	bool any = false;

	for (unsigned int i = k->best->nr_reqs; i-- > 0;) {
		struct sreq *q = &propose(k)->reqs[i], plain = { .op = SOP_NOP, .target = STREAM_NONE };

		if (q->op == SOP_NOP && !q->op_flags && !q->len)
			continue;
		memcpy(plain.name, q->name, sizeof(plain.name));
		plain.sqe_flags = q->sqe_flags;
		plain.expect = q->expect;
		*q = plain;
		any |= shrink_ask(k);
	}
	return any;
}

static bool clear_sqe_flags(struct shrink *k, unsigned int i)
{
	bool any = false;

	for (const struct stream_word *w = stream_sqe_flags; w->word; w++) {
		if (!(k->best->reqs[i].sqe_flags & w->value))
			continue;
		propose(k)->reqs[i].sqe_flags &= (uint8_t)~w->value;
		any |= shrink_ask(k);
	}
	if (k->best->reqs[i].sqe_flags & IOSQE_IO_HARDLINK) {
		struct sreq *q = &propose(k)->reqs[i];

		q->sqe_flags = (uint8_t)((q->sqe_flags & ~IOSQE_IO_HARDLINK) | IOSQE_IO_LINK);
		any |= shrink_ask(k);
	}
	return any;
}

static bool clear_op_flags(struct shrink *k, unsigned int i)
{
	bool any = false;

	for (uint32_t left = k->best->reqs[i].op_flags; left; left &= left - 1) {
		struct sreq *q = &propose(k)->reqs[i];
		uint32_t bit = left & -left;

		q->op_flags &= ~bit;
		if (q->op == SOP_ASYNC_CANCEL && bit == IORING_ASYNC_CANCEL_FD)
			memset(&q->fd, 0, sizeof(q->fd));
		if (q->op == SOP_ASYNC_CANCEL && bit == AU_ASYNC_CANCEL_OP)
			q->cancel_op = 0;
		any |= shrink_ask(k);
	}
	return any;
}

/* A cancel of many, of a descriptor, of an operation becomes one of a request. */
static bool name_target(struct shrink *k, unsigned int i)
{
	for (unsigned int r = 0; r < k->best->nr_reqs; r++) {
		struct sreq *q = &propose(k)->reqs[i];

		if (q->op != SOP_ASYNC_CANCEL || !q->op_flags || stream_cancel_by_target(q->op_flags) || r == i)
			return false;
		q->op_flags = 0;
		q->cancel_op = 0;
		memset(&q->fd, 0, sizeof(q->fd));
		q->target = (uint8_t)r;
		if (shrink_ask(k))
			return true;
	}
	return false;
}

static bool pass_flags(struct shrink *k)
{
	bool any = false;

	for (unsigned int i = k->best->nr_reqs; i-- > 0 && !k->stopped;) {
		any |= clear_sqe_flags(k, i);
		any |= clear_op_flags(k, i);
		any |= name_target(k, i);
	}
	for (unsigned int i = k->best->nr_rings; i-- > 0;)
		for (uint32_t left = k->best->rings[i].flags; left; left &= left - 1) {
			propose(k)->rings[i].flags &= ~(left & -left);
			any |= shrink_ask(k);
		}
	for (unsigned int i = k->best->nr_objs; i-- > 0;)
		for (unsigned int left = k->best->objs[i].flags; left; left &= left - 1) {
			propose(k)->objs[i].flags &= (uint8_t) ~(left & -left);
			any |= shrink_ask(k);
		}
	return any;
}

/* ---- plainer numbers ---- */

enum { VALUES = 8 };

/* The numbers a field is tried with, the plainest first; one that has the n-th is tried with those before it. */
struct numbers {
	unsigned int nr;
	uint64_t value[VALUES];
};

static const struct numbers lengths = { 6, { 8, 1, 64, 4096, 8192, 65536 } };
static const struct numbers offsets = { 4, { 0, 8, 4096, (uint64_t)-1 } };
static const struct numbers counts = { 5, { 0, 1, 2, 3, 4 } };
static const struct numbers adds = { 2, { 1, 2 } };
static const struct numbers times = { 7, { 0, STREAM_NEVER_NS, 1000, 10000, 50000, 100000, 1000000 } };
static const struct numbers sizes = { 5, { 0, 8, 4096, 8192, 65536 } };
static const struct numbers initials = { 3, { 0, 1, 2 } };
static const struct numbers entries = { 8, { 8, 1, 2, 4, 16, 32, 64, 128 } };
static const struct numbers cq_entries = { 8, { 0, 8, 1, 2, 4, 16, 32, 64 } };
static const struct numbers events = { 2, { POLLIN, POLLOUT } };
static const struct numbers limits = { 4, { 1, 0, 2, 3 } };
static const struct numbers cpus = { 3, { 1, 0, 2 } };
static const struct numbers waits = { 5, { 1, 2, 3, 4, 5 } };

static bool transfers(const struct stream *s, unsigned int i)
{
	return stream_ops[s->reqs[i].op].takes & FIELD_LEN;
}

static bool adds_count(const struct stream *s, unsigned int i)
{
	return stream_op_is(s->reqs[i].op, OP_WRITES) && s->reqs[i].value;
}

static bool is_timer(const struct stream *s, unsigned int i)
{
	return s->reqs[i].op == SOP_TIMEOUT || s->reqs[i].op == SOP_LINK_TIMEOUT;
}

static bool is_poll(const struct stream *s, unsigned int i)
{
	return s->reqs[i].op == SOP_POLL_ADD;
}

static bool step_transfers(const struct stream *s, unsigned int i)
{
	return s->steps[i].kind == STEP_READ || s->steps[i].kind == STEP_WRITE;
}

static bool step_adds(const struct stream *s, unsigned int i)
{
	return s->steps[i].kind == STEP_WRITE && s->steps[i].value;
}

static bool step_waits(const struct stream *s, unsigned int i)
{
	return s->steps[i].kind == STEP_WAIT || s->steps[i].wait;
}

static bool step_limits(const struct stream *s, unsigned int i)
{
	return s->steps[i].kind == STEP_MAX_WORKERS;
}

static bool step_binds(const struct stream *s, unsigned int i)
{
	return s->steps[i].kind == STEP_IOWQ_AFF;
}

static bool is_eventfd(const struct stream *s, unsigned int i)
{
	return s->objs[i].kind == OBJ_EVENTFD;
}

static bool is_sized(const struct stream *s, unsigned int i)
{
	return s->objs[i].kind != OBJ_EVENTFD;
}

static bool always(const struct stream *s, unsigned int i)
{
	return s && i < STREAM_NONE;
}

enum array { REQS, STEPS, OBJS, RINGS };

static const struct {
	size_t offset, size;
	size_t count; /* offset of how many there are, 8 bits */
} arrays[] = {
	[REQS] = { offsetof(struct stream, reqs), sizeof(struct sreq), offsetof(struct stream, nr_reqs) },
	[STEPS] = { offsetof(struct stream, steps), sizeof(struct step), offsetof(struct stream, nr_steps) },
	[OBJS] = { offsetof(struct stream, objs), sizeof(struct obj), offsetof(struct stream, nr_objs) },
	[RINGS] = { offsetof(struct stream, rings), sizeof(struct ring), offsetof(struct stream, nr_rings) },
};

#define FIELD(array, type, member, numbers, of)                                                                        \
	{                                                                                                              \
		array, offsetof(struct type, member), sizeof(((struct type *)0)->member), numbers, of                  \
	}

static const struct field {
	enum array array;
	size_t offset, size;
	const struct numbers *numbers;
	bool (*of)(const struct stream *s, unsigned int i);
} fields[] = {
	FIELD(REQS, sreq, len, &lengths, transfers),
	FIELD(REQS, sreq, off, &offsets, transfers),
	FIELD(REQS, sreq, value, &adds, adds_count),
	FIELD(REQS, sreq, count, &counts, is_timer),
	FIELD(REQS, sreq, ts, &times, is_timer),
	FIELD(REQS, sreq, op_flags, &events, is_poll),
	FIELD(STEPS, step, len, &lengths, step_transfers),
	FIELD(STEPS, step, value, &adds, step_adds),
	FIELD(STEPS, step, wait_nr, &waits, step_waits),
	FIELD(STEPS, step, limit[0], &limits, step_limits),
	FIELD(STEPS, step, limit[1], &limits, step_limits),
	FIELD(STEPS, step, value, &cpus, step_binds),
	FIELD(OBJS, obj, init, &initials, is_eventfd),
	FIELD(OBJS, obj, init, &sizes, is_sized),
	FIELD(RINGS, ring, entries, &entries, always),
	FIELD(RINGS, ring, cq_entries, &cq_entries, always),
};

static void *item(struct stream *s, const struct field *f, unsigned int i)
{
	return (char *)s + arrays[f->array].offset + i * arrays[f->array].size + f->offset;
}

static bool plainer(struct shrink *k, const struct field *f, unsigned int i)
{
	uint64_t now = 0, mask = f->size == 8 ? UINT64_MAX : (1ull << 8 * f->size) - 1;

	memcpy(&now, item(k->best, f, i), f->size);
	for (unsigned int n = 0; n < f->numbers->nr && !k->stopped; n++) {
		uint64_t v = f->numbers->value[n] & mask;

		if (v == now)
			return false;
		memcpy(item(propose(k), f, i), &v, f->size);
		if (shrink_ask(k))
			return true;
	}
	return false;
}

static bool pass_numbers(struct shrink *k)
{
	bool any = false;

	for (size_t n = 0; n < NR(fields); n++) {
		const struct field *f = &fields[n];

		for (unsigned int i = *((const uint8_t *)k->best + arrays[f->array].count); i-- > 0;)
			if (f->of(k->best, i))
				any |= plainer(k, f, i);
	}
	return any;
}

/* A submit that does not wait. */
static bool pass_waits(struct shrink *k)
{
	bool any = false;

	for (unsigned int i = k->best->nr_steps; i-- > 0;) {
		struct step *t = &propose(k)->steps[i];

		if (t->kind != STEP_SUBMIT || !t->wait)
			continue;
		t->wait = false;
		t->wait_nr = 0;
		any |= shrink_ask(k);
	}
	return any;
}

static bool pass_expectations(struct shrink *k)
{
	bool any = false;

	for (unsigned int i = k->best->nr_reqs; k->expectations && i-- > 0;) {
		if (!k->best->reqs[i].expect.nr)
			continue;
		propose(k)->reqs[i].expect.nr = 0;
		any |= shrink_ask(k);
	}
	for (unsigned int i = k->best->nr_steps; k->expectations && i-- > 0;) {
		if (!k->best->steps[i].expect.nr)
			continue;
		propose(k)->steps[i].expect.nr = 0;
		any |= shrink_ask(k);
	}
	return any;
}

/* What saves most comes first. */
static bool (*const passes[])(struct shrink *) = {
	pass_steps, pass_requests, pass_unused,	 pass_tasks, pass_rings,	pass_merge,
	pass_waits, pass_flags,	   pass_numbers, pass_nops,  pass_expectations,
};

bool shrink_round(struct shrink *k)
{
	bool any = false;

	for (size_t i = 0; i < NR(passes) && !k->stopped; i++)
		any |= passes[i](k);
	return any;
}
