/* Shapes: short courses of events that need their parts in this order and on one object, which chance makes too rarely.
 * Each is a row of a table; what it leaves open (lengths, kinds of links, where a batch ends) is drawn. */
#include <linux/io_uring.h>

#include "core/base/ensure.h"
#include "stream/generate_req.h"
#include "stream/rules.h"

enum {
	ON_PIPE = 1 << OBJ_PIPE,
	ON_EVENT = 1 << OBJ_EVENTFD,
	ON_FILE = 1 << OBJ_FILE,
	ON_FIFO = 1 << OBJ_FIFO,
	MAX_PARTS = 8
};

/* A part: one of these, its SQE flags, and for CANCEL the request it means, counted from the shape's first. */
enum {
	END = 0,
	READ = 1 << 8, /* a read of the object */
	WRITE = 2 << 8, /* a write to it; of a file, one that overlaps with the others */
	ANY = 3 << 8, /* a request as any */
	ALARM = 4 << 8, /* a timeout */
	TIMER = 5 << 8, /* a linked timeout */
	CANCEL = 6 << 8, /* of exactly one request */
	PERHAPS = 7 << 8, /* in every second: the batch ends here */
	FEED = 8 << 8, /* a direct write, of what the object's readers wait for; of a fifo, an open of its other end */
	CLOSE = 9 << 8, /* the ring, in streams in which one is to be closed */
	HOLD = 10 << 8, /* it holds a worker: the open of a fifo a bounded one, a splice from a pipe an unbounded one */
	WORK = 11 << 8, /* it needs a worker of the same kind */
	LIMIT = 12 << 8, /* one worker of that kind, from now on */
	MORE = 13 << 8, /* some more */
	ASYNC = IOSQE_ASYNC,
	LINK = IOSQE_IO_LINK,
};

#define OF(n) ((n) << 12)

static const struct shape {
	uint8_t weight, objects;
	uint16_t part[MAX_PARTS];
} shapes[] = {
	/* A cancel looks for work that a worker is just taking, and that ends only later, by other means. */
	{ 30, ON_PIPE | ON_EVENT, { READ | ASYNC, PERHAPS, CANCEL | OF(0), FEED } },
	{ 15, ON_PIPE | ON_EVENT, { READ | ASYNC, READ | ASYNC, PERHAPS, CANCEL | OF(1), CANCEL | OF(0), FEED, FEED } },
	/* The same where a poll waits, not a worker. */
	{ 10, ON_PIPE | ON_EVENT, { READ, PERHAPS, CANCEL | OF(0), FEED } },
	/* The head of a chain ends, and its successor is in nobody's hands for a while. */
	{ 20, ON_PIPE | ON_EVENT, { READ | ASYNC | LINK, READ | ASYNC, PERHAPS, CANCEL | OF(0), CLOSE, FEED } },
	{ 10, ON_PIPE | ON_EVENT, { READ | ASYNC | LINK, ANY | ASYNC, FEED, CLOSE, CANCEL | OF(1) } },
	/* A linked timeout finds its target being taken, run, or just done. */
	{ 10, ON_PIPE | ON_EVENT, { READ | ASYNC | LINK, TIMER, PERHAPS, FEED, CANCEL | OF(0) } },
	/* A worker feeds a read just when it arms its poll, and before its timeout is armed. */
	{ 10, ON_PIPE | ON_EVENT, { WRITE | ASYNC, READ | LINK, TIMER } },
	{ 5, ON_PIPE | ON_EVENT, { READ | LINK, TIMER, WRITE | ASYNC, PERHAPS, CANCEL | OF(0) } },
	/* A worker arms a timeout while a cancel looks for it, or while it ends before its own timeout is armed. */
	{ 10, ON_PIPE | ON_EVENT | ON_FILE, { ALARM | ASYNC, PERHAPS, CANCEL | OF(0) } },
	{ 10, ON_PIPE | ON_EVENT | ON_FILE, { ALARM | ASYNC | LINK, TIMER, PERHAPS, CANCEL | OF(0) } },
	/* Writes to one file: hashed, one at a time, also when one of them is cancelled while it waits for its turn. */
	{ 15, ON_FILE, { WRITE | ASYNC, WRITE | ASYNC, WRITE, PERHAPS, READ } },
	{ 15, ON_FILE, { WRITE | ASYNC, ANY | ASYNC, WRITE | ASYNC, PERHAPS, CANCEL | OF(2), WRITE | ASYNC } },
	/* The only worker waits, and work waits behind it: to be cancelled there, or to come after who is. */
	{ 20, ON_PIPE | ON_FIFO, { LIMIT, HOLD, PERHAPS, WORK, PERHAPS, CANCEL | OF(1), FEED } },
	{ 15, ON_PIPE | ON_FIFO, { LIMIT, HOLD, WORK, WORK, PERHAPS, CANCEL | OF(0), FEED, FEED } },
	{ 10, ON_PIPE | ON_FIFO, { HOLD, LIMIT, WORK | LINK, WORK, PERHAPS, CANCEL | OF(2), FEED, CANCEL | OF(1) } },
	{ 10, ON_PIPE, { LIMIT, HOLD | LINK, WORK, PERHAPS, WORK, CLOSE, FEED } },
	/* Its limit is raised, and the next one that comes makes a worker. */
	{ 10, ON_PIPE | ON_FIFO, { LIMIT, HOLD, WORK, PERHAPS, MORE, WORK, FEED } },
	{ 10, ON_PIPE | ON_FIFO, { LIMIT, WORK | LINK, TIMER, HOLD, PERHAPS, CANCEL | OF(0), FEED } },
};

enum { NR_SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* What a shape is about, and where it has got to. */
struct making {
	const struct shape *shape;
	unsigned int obj, end, ring, task, first; /* end: of a fifo, that is held */
	uint32_t sq;
	struct step *submit; /* that takes the next request; NULL: a new one does */
};

static unsigned int kind_of(uint16_t part)
{
	return part & 0xf00;
}

static bool is_request(uint16_t part)
{
	return (kind_of(part) >= READ && kind_of(part) <= CANCEL) || kind_of(part) == HOLD || kind_of(part) == WORK;
}

static bool holds(const struct shape *sh)
{
	for (unsigned int i = 0; i < MAX_PARTS; i++)
		if (kind_of(sh->part[i]) == HOLD)
			return true;
	return false;
}

/* What is switched off stays off. */
static bool allowed(const struct gen *g, uint16_t part)
{
	return (!(part & ASYNC) || g->weight[GEN_ASYNC]) && (!(part & LINK) || g->weight[GEN_CHAIN]) &&
	       (kind_of(part) != CANCEL || g->weight[GEN_CANCEL]) && (kind_of(part) != LIMIT || g->weight[GEN_LIMIT]) &&
	       (kind_of(part) != HOLD || g->weight[GEN_ASYNC]) &&
	       (kind_of(part) != TIMER || g->weight[GEN_LINK_TIMEOUT]) &&
	       (kind_of(part) != ALARM || g->weight[GEN_TIMEOUT]);
}

/* nr_objs: there is none. */
static unsigned int other_pipe(const struct gen *g, unsigned int obj)
{
	unsigned int i = 0;

	while (i < g->s->nr_objs && (i == obj || g->s->objs[i].kind != OBJ_PIPE))
		i++;
	return i;
}

/* Can the shape be about this object? */
static bool suits(const struct gen *g, const struct shape *sh, unsigned int obj)
{
	static const uint8_t reads[OBJ_KINDS] = { GEN_PIPE_READ, GEN_EVENT_READ, GEN_FILE_READ };
	static const uint8_t writes[OBJ_KINDS] = { GEN_PIPE_WRITE, GEN_EVENT_WRITE, GEN_FILE_WRITE };
	unsigned int kind = g->s->objs[obj].kind;

	if (!(sh->objects & 1u << kind))
		return false;
	if (kind == OBJ_FIFO)
		return true;
	if (g->end_gone[obj][END_OUT] || g->end_gone[obj][END_IN])
		return false;
	for (unsigned int i = 0; i < MAX_PARTS; i++)
		if ((kind_of(sh->part[i]) == READ && !g->weight[reads[kind]]) ||
		    (kind_of(sh->part[i]) == WRITE && !g->weight[writes[kind]]))
			return false;
	return !holds(sh) || (g->weight[GEN_SPLICE] && other_pipe(g, obj) < g->s->nr_objs);
}

/* 0: it does not fit. While a ring is to be closed, those that do so come first. */
static unsigned int weight_of(const struct gen *g, const struct shape *sh, unsigned int most)
{
	unsigned int nr = 0;
	bool closes = false, suited = false;

	for (unsigned int i = 0; i < MAX_PARTS; i++) {
		nr += is_request(sh->part[i]);
		closes |= sh->part[i] == CLOSE;
		if (!allowed(g, sh->part[i]))
			return 0;
	}
	for (unsigned int i = 0; i < g->s->nr_objs; i++)
		suited |= suits(g, sh, i);
	if (nr > most || !suited)
		return 0;
	return closes && g->close_ring ? 12u * sh->weight : sh->weight;
}

static bool choose_shape(struct gen *g, struct making *m, unsigned int most, bool holding)
{
	unsigned int weight[NR_SHAPES], sum = 0, at, k = 0;

	for (unsigned int i = 0; i < NR_SHAPES; i++)
		sum += weight[i] = holds(&shapes[i]) == holding ? weight_of(g, &shapes[i], most) : 0;
	if (sum == 0)
		return false;
	at = prng_below(&g->p, sum);
	while (at >= weight[k])
		at -= weight[k++];
	m->shape = &shapes[k];
	m->obj = prng_below(&g->p, g->s->nr_objs);
	while (!suits(g, m->shape, m->obj))
		m->obj = (m->obj + 1) % g->s->nr_objs;
	return true;
}

static void fill_splice(struct gen *g, struct making *m, struct sreq *r)
{
	*r = (struct sreq){ .op = SOP_SPLICE, .target = STREAM_NONE, .len = 8 };
	r->in = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)m->obj, .end = END_OUT };
	r->fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)other_pipe(g, m->obj), .end = END_IN };
}

static void fill_open(struct making *m, struct sreq *r)
{
	*r = (struct sreq){ .op = SOP_OPENAT, .target = STREAM_NONE };
	r->fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)m->obj, .end = (uint8_t)m->end };
}

static void fill_for_worker(struct gen *g, struct making *m, uint16_t part, struct sreq *r)
{
	unsigned int how = prng_below(&g->p, 4);
	bool fifo = g->s->objs[m->obj].kind == OBJ_FIFO, hold = kind_of(part) == HOLD;

	*r = (struct sreq){ .op = SOP_NOP, .target = STREAM_NONE };
	if (fifo && (hold || how == 0)) {
		fill_open(m, r);
	} else if (!fifo && (hold || how < 2)) {
		fill_splice(g, m, r);
		r->op = !hold && how == 1 ? SOP_TEE : SOP_SPLICE;
	} else if (!fifo) {
		r->op = SOP_READ;
		r->fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)m->obj, .end = END_OUT };
		r->len = 8;
	}
	r->sqe_flags = IOSQE_ASYNC;
}

static void fill(struct gen *g, struct making *m, uint16_t part, struct sreq *r)
{
	static const uint16_t offs[] = { 0, 0, 10, 500 }, lens[] = { 100, 512, 4096, 5000 };
	unsigned int on = g->s->objs[m->obj].kind, off = offs[prng_below(&g->p, 4)], len = lens[prng_below(&g->p, 4)];
	unsigned int kind = kind_of(part), flags = part & 0xff;

	if (kind == ANY || kind == TIMER)
		gen_request(g, r, kind == TIMER);
	else if (kind == HOLD || kind == WORK)
		fill_for_worker(g, m, part, r);
	else
		*r = (struct sreq){ .target = STREAM_NONE };
	if (kind == READ || kind == WRITE) {
		r->op = kind == READ ? SOP_READ : SOP_WRITE;
		r->fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)m->obj };
		r->fd.end = kind == WRITE && on == OBJ_PIPE ? END_IN : END_OUT;
		r->off = on == OBJ_FILE ? off : 0;
		r->len = on == OBJ_FILE ? len : on == OBJ_EVENTFD ? 8 : gen_len(g);
		r->value = kind == WRITE && on == OBJ_EVENTFD ? 1 : 0;
	} else if (kind == ALARM) {
		gen_timeout(g, r);
	} else if (kind == CANCEL) {
		r->op = SOP_ASYNC_CANCEL;
		r->target = (uint8_t)(m->first + (part >> 12));
		g->aimed[g->s->nr_reqs] = true;
	}
	if (flags & LINK && gen_chance(g, GEN_HARD))
		flags ^= IOSQE_IO_LINK | IOSQE_IO_HARDLINK;
	r->sqe_flags |= flags;
}

static bool add_request(struct gen *g, struct making *m, uint16_t part)
{
	if (m->submit && m->submit->nr_reqs == m->sq)
		m->submit = NULL;
	if (!m->submit) {
		m->submit = gen_add_on_ring(g, STEP_SUBMIT, m->ring, m->task);
		if (!m->submit)
			return false;
		m->submit->first_req = g->s->nr_reqs;
	}
	fill(g, m, part, &g->s->reqs[g->s->nr_reqs]);
	m->submit->nr_reqs++;
	g->s->nr_reqs++;
	return true;
}

static bool add_limit(struct gen *g, struct making *m, unsigned int limit)
{
	struct step *t = gen_add_on_ring(g, STEP_MAX_WORKERS, m->ring, m->task);

	if (!t)
		return false;
	t->limit[g->s->objs[m->obj].kind == OBJ_FIFO ? 0 : 1] = limit;
	return true;
}

static bool add_meeting(struct gen *g, struct making *m, unsigned int task)
{
	unsigned int end = m->end == END_IN ? END_OUT : END_IN;
	struct step *t;

	if (!g->end_gone[m->obj][end])
		return true;
	t = gen_add_step(g, STEP_OPEN, task);
	if (!t)
		return false;
	t->fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)m->obj, .end = (uint8_t)end };
	g->end_gone[m->obj][end] = false;
	return true;
}

static bool add_feed(struct gen *g, struct making *m)
{
	bool event = g->s->objs[m->obj].kind == OBJ_EVENTFD;
	unsigned int task = gen_any_task(g);
	struct step *t;

	if (g->s->objs[m->obj].kind == OBJ_FIFO)
		return add_meeting(g, m, task);
	/* A request of the shape may close it. */
	if (g->end_gone[m->obj][event ? END_OUT : END_IN])
		return true;
	t = gen_add_step(g, STEP_WRITE, task);
	if (!t)
		return false;
	t->fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)m->obj, .end = event ? END_OUT : END_IN };
	t->len = 8;
	if (event)
		t->value = 1;
	return true;
}

static bool add_part(struct gen *g, struct making *m, uint16_t part)
{
	if (is_request(part))
		return g->ring_gone[m->ring] || add_request(g, m, part);
	if (part == PERHAPS) {
		if (prng_chance(&g->p, 1, 2))
			m->submit = NULL;
		return true;
	}
	m->submit = NULL;
	if (part == FEED)
		return add_feed(g, m);
	if (part == LIMIT || part == MORE)
		return g->ring_gone[m->ring] || add_limit(g, m, part == LIMIT ? 1 : 2 + prng_below(&g->p, 2));
	if (part == CLOSE)
		gen_close_ring(g, m->ring);
	return true;
}

bool gen_shape(struct gen *g, unsigned int most, bool holding)
{
	struct making m = { .first = g->s->nr_reqs };
	uint32_t cq;

	if (!gen_pick_ring(g, &m.ring, &m.task) || !choose_shape(g, &m, most, holding))
		return false;
	if (holding)
		m.end = prng_chance(&g->p, 2, 3) ? END_OUT : END_IN;
	g->ring = (uint8_t)m.ring;
	g->fixed = g->table[m.ring];
	ENSURE(stream_ring_size(&g->s->rings[m.ring], &m.sq, &cq));
	for (unsigned int i = 0; i < MAX_PARTS && m.shape->part[i] != END; i++)
		if (!add_part(g, &m, m.shape->part[i]))
			g->over = true;
	return true;
}
