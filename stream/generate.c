/* The generator. First the scene (tasks, rings, objects), then batches of chains with steps between them that feed,
 * drain and look, then the end. What a request is about comes from stream/generate_req.c.
 *
 * Arguments are never drawn inside one another's call: the order would be the compiler's. */
#include "stream/generate.h"

#include <string.h>

#include "core/base/ensure.h"
#include "core/base/uapi.h"
#include "stream/generate_req.h"
#include "stream/owed.h"
#include "stream/rules.h"

const char *const gen_feature_words[GEN_FEATURES] = {
	"nop",	   "pipe_read", "pipe_write", "event_read", "event_write",  "file_read", "file_write", "poll",
	"timeout", "remove",	"cancel",     "fsync",	    "resize",	    "splice",	 "open",       "trivial",
	"closing", "msg",	"chain",      "hard",	    "link_timeout", "async",	 "bad_fd",     "zero",
	"big",	   "nowait",	"position",   "count",	    "wide",	    "prep",	 "open_chain", "overflow",
	"shared",  "close",	"look",	      "direct",	    "wait",	    "drain",	 "skip",       "vector",
	"limit",   "affinity",	"tell",	      "table",	    "files",	    "fixed",	 "shape",      "hold",
};

/* Requests that a coupled stream has at least. */
enum { DEEP = 10 };

static const uint16_t default_weight[GEN_FEATURES] = {
	[GEN_NOP] = 12,		  [GEN_PIPE_READ] = 22,	 [GEN_PIPE_WRITE] = 16,
	[GEN_EVENT_READ] = 8,	  [GEN_EVENT_WRITE] = 7, [GEN_FILE_READ] = 5,
	[GEN_FILE_WRITE] = 7,	  [GEN_POLL] = 12,	 [GEN_TIMEOUT] = 10,
	[GEN_REMOVE] = 4,	  [GEN_CANCEL] = 16,	 [GEN_FSYNC] = 4,
	[GEN_RESIZE] = 3,	  [GEN_SPLICE] = 7,	 [GEN_OPEN] = 5,
	[GEN_TRIVIAL] = 4,	  [GEN_CLOSING] = 2,	 [GEN_MSG] = 7,
	[GEN_VECTOR] = 60,	  [GEN_CHAIN] = 450,	 [GEN_HARD] = 330,
	[GEN_LINK_TIMEOUT] = 180, [GEN_ASYNC] = 170,	 [GEN_BAD_FD] = 25,
	[GEN_ZERO] = 25,	  [GEN_BIG] = 58,	 [GEN_NOWAIT] = 15,
	[GEN_POSITION] = 15,	  [GEN_COUNT] = 60,	 [GEN_WIDE] = 150,
	[GEN_PREP] = 12,	  [GEN_OPEN_CHAIN] = 25, [GEN_OVERFLOW] = 90,
	[GEN_SHARED] = 250,	  [GEN_CLOSE] = 40,	 [GEN_LOOK] = 200,
	[GEN_DIRECT] = 450,	  [GEN_WAIT] = 550,	 [GEN_DRAIN] = 15,
	[GEN_SKIP] = 15,	  [GEN_LIMIT] = 45,	 [GEN_AFFINITY] = 40,
	[GEN_TELL] = 45,	  [GEN_TABLE] = 215,	 [GEN_FILES] = 420,
	[GEN_FIXED] = 500,	  [GEN_SHAPE] = 150,	 [GEN_HOLD] = 40,
};

void generate_options_init(struct generate_options *opt)
{
	*opt = (struct generate_options){
		.size = 12,
		.max_tasks = 2,
		.swarm = true,
		.exit_thread = 12,
		.exit_process = 12,
		.close_ring = 12,
		.slow = 200,
		.coupled = 700,
	};
	memcpy(opt->weight, default_weight, sizeof(opt->weight));
}

bool gen_chance(struct gen *g, enum gen_feature f)
{
	return prng_chance(&g->p, g->weight[f], 1000);
}

/* Swarm: each feature is off in one seed of four. Some operation stays. */
static void choose_features(struct gen *g, const struct generate_options *opt)
{
	unsigned int ops = 0;

	for (unsigned int f = 0; f < GEN_FEATURES; f++) {
		bool off = prng_chance(&g->p, 1, 4);

		g->weight[f] = opt->swarm && off ? 0 : opt->weight[f];
		if (f < GEN_OPS)
			ops += g->weight[f];
	}
	if (ops == 0)
		g->weight[GEN_NOP] = 1;
}

/* One stream in `n`. */
static bool one_in(struct gen *g, unsigned int n)
{
	bool yes = n > 0 && prng_chance(&g->p, 1, n > 0 ? n : 1);

	return yes;
}

static void choose_end(struct gen *g, const struct generate_options *opt)
{
	bool thread = one_in(g, opt->exit_thread), process = one_in(g, opt->exit_process);
	bool ring = one_in(g, opt->close_ring);

	g->exits = process || thread;
	g->exit_process = process;
	g->exit_thread = thread && !process;
	g->close_ring = ring && !process;
	g->slow = one_in(g, opt->slow);
	g->coupled = prng_chance(&g->p, opt->coupled, 1000);
}

static void add_ring(struct gen *g)
{
	static const uint8_t sizes[] = { 1, 2, 3, 4, 5, 8, 8, 8, 16, 16, 32, 64 };
	static const struct {
		uint8_t weight;
		uint32_t flags;
	} kinds[] = {
		{ 34, 0 },
		{ 12, IORING_SETUP_COOP_TASKRUN },
		{ 14, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG },
		{ 28, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN },
		{ 6, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG },
		{ 6, IORING_SETUP_SINGLE_ISSUER },
	};
	struct ring *r = &g->s->rings[g->s->nr_rings];
	unsigned int at = prng_below(&g->p, 100), k = 0;
	uint32_t sq, cq;

	while (at >= kinds[k].weight)
		at -= kinds[k++].weight;
	r->flags = kinds[k].flags;
	if (prng_chance(&g->p, 1, 4))
		r->flags |= IORING_SETUP_SUBMIT_ALL;
	r->entries = sizes[prng_below(&g->p, sizeof(sizes))];
	r->task = (uint8_t)prng_below(&g->p, g->s->nr_rings ? g->s->nr_tasks : 1);
	ENSURE(stream_ring_size(r, &sq, &cq));
	if (gen_chance(g, GEN_OVERFLOW)) {
		r->entries = 1 + prng_below(&g->p, 4);
		ENSURE(stream_ring_size(r, &sq, &cq));
		r->cq_entries = sq;
	} else if (prng_chance(&g->p, 1, 16)) {
		r->cq_entries = sq << prng_below(&g->p, 3);
	}
	g->s->nr_rings++;
}

static void init_pipe(struct gen *g, struct obj *o)
{
	if (prng_chance(&g->p, 1, 4))
		o->init = 4096u << prng_below(&g->p, 3);
	if (prng_chance(&g->p, 1, 6))
		o->flags = OBJ_NONBLOCK;
	g->shared[g->s->nr_objs] = gen_chance(g, GEN_SHARED);
}

static void init_eventfd(struct gen *g, struct obj *o)
{
	unsigned int how = prng_below(&g->p, 16);

	if (how >= 13)
		o->init = how - 12;
	else if (how == 12)
		o->init = UINT64_MAX - 1;
	if (prng_chance(&g->p, 1, 3))
		o->flags |= OBJ_SEMAPHORE;
	if (prng_chance(&g->p, 1, 6))
		o->flags |= OBJ_NONBLOCK;
}

static void add_object(struct gen *g, enum obj_kind kind)
{
	struct obj *o = &g->s->objs[g->s->nr_objs];

	o->kind = (uint8_t)kind;
	if (kind == OBJ_PIPE)
		init_pipe(g, o);
	else if (kind == OBJ_EVENTFD)
		init_eventfd(g, o);
	else if (kind == OBJ_FIFO)
		g->end_gone[g->s->nr_objs][END_OUT] = g->end_gone[g->s->nr_objs][END_IN] = true;
	else
		o->init = prng_chance(&g->p, 1, 2) ? 4096 : 0;
	g->s->nr_objs++;
}

static unsigned int nr_of(const struct gen *g, enum obj_kind kind)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < g->s->nr_objs; i++)
		n += g->s->objs[i].kind == kind;
	return n;
}

/* In one stream of `n` that may open one, and more where workers are to be held. */
static void add_fifo(struct gen *g, unsigned int n)
{
	bool one = prng_chance(&g->p, 1, n), held = gen_chance(g, GEN_HOLD);

	if (g->weight[GEN_OPEN] && (one || (held && !g->close_ring)))
		add_object(g, OBJ_FIFO);
	g->weight[stream_opens(g->s) ? GEN_SKIP : GEN_OPEN] = 0;
}

/* One object, or two; what would need others is switched off. */
static void few_objects(struct gen *g)
{
	static const struct {
		uint8_t kind, weight, ops[2];
	} kinds[] = {
		{ OBJ_PIPE, 4, { GEN_PIPE_READ, GEN_PIPE_WRITE } },
		{ OBJ_EVENTFD, 2, { GEN_EVENT_READ, GEN_EVENT_WRITE } },
		{ OBJ_FILE, 3, { GEN_FILE_READ, GEN_FILE_WRITE } },
	};
	unsigned int many = prng_chance(&g->p, 1, 2) ? 2 : 1, on = 0;
	bool second;

	for (unsigned int i = 0; i < 8 && g->s->nr_objs < many; i++) {
		unsigned int at = prng_below(&g->p, 9), k = 0;

		while (at >= kinds[k].weight)
			at -= kinds[k++].weight;
		if (on & 1u << k || !(g->weight[kinds[k].ops[0]] + g->weight[kinds[k].ops[1]]))
			continue;
		on |= 1u << k;
		add_object(g, kinds[k].kind);
	}
	for (unsigned int k = 0; k < 3; k++)
		if (!(on & 1u << k))
			g->weight[kinds[k].ops[0]] = g->weight[kinds[k].ops[1]] = 0;
	if (!nr_of(g, OBJ_FILE))
		g->weight[GEN_RESIZE] = 0;
	add_fifo(g, 6);
	second = gen_chance(g, GEN_HOLD);
	if (g->weight[GEN_SPLICE] && nr_of(g, OBJ_PIPE) && (second || prng_chance(&g->p, 1, 5)))
		add_object(g, OBJ_PIPE);
	else
		g->weight[GEN_SPLICE] = 0;
}

/* What stands alone becomes rare. */
static void few_loners(struct gen *g)
{
	unsigned int ops = 0;

	g->weight[GEN_NOP] /= 4;
	g->weight[GEN_FSYNC] /= 2;
	g->weight[GEN_TRIVIAL] /= 2;
	g->weight[GEN_CLOSING] /= 2;
	g->weight[GEN_MSG] /= g->s->nr_rings > 1 ? 2 : 4;
	g->weight[GEN_TIMEOUT] /= 2;
	g->weight[GEN_BAD_FD] /= 2;
	g->weight[GEN_CANCEL] *= 2;
	g->weight[GEN_SHAPE] *= 2;
	for (unsigned int f = 0; f < GEN_OPS; f++)
		ops += g->weight[f];
	if (ops == 0)
		g->weight[GEN_NOP] = 1;
}

static void all_objects(struct gen *g)
{
	bool splices = g->weight[GEN_SPLICE];
	bool pipes = g->weight[GEN_PIPE_READ] || g->weight[GEN_PIPE_WRITE] || g->weight[GEN_POLL];
	bool events = g->weight[GEN_EVENT_READ] || g->weight[GEN_EVENT_WRITE];
	unsigned int n = 1 + prng_below(&g->p, 3);

	if (!pipes || (splices && n < 2 && prng_chance(&g->p, 1, 2)))
		g->weight[GEN_SPLICE] = 0;
	if (g->weight[GEN_SPLICE] && n < 2)
		n = 2;
	for (unsigned int i = 0; pipes && i < n; i++)
		add_object(g, OBJ_PIPE);
	n = 1 + prng_below(&g->p, 2);
	for (unsigned int i = 0; events && i < n; i++)
		add_object(g, OBJ_EVENTFD);
	if (g->weight[GEN_FILE_READ] || g->weight[GEN_FILE_WRITE] || g->weight[GEN_RESIZE])
		add_object(g, OBJ_FILE);
	add_fifo(g, 3);
}

static void set_scene(struct gen *g, const struct generate_options *opt)
{
	unsigned int many = prng_below(&g->p, 8);

	if (opt->max_tasks > 1 && (g->exit_thread ? many < 5 : many < 2))
		g->s->nr_tasks = (uint8_t)prng_range(&g->p, 2, opt->max_tasks);
	add_ring(g);
	if ((!g->coupled && prng_chance(&g->p, 1, 6)) || (g->close_ring && prng_chance(&g->p, 1, 2)) ||
	    (g->weight[GEN_MSG] && prng_chance(&g->p, 1, g->coupled ? 120 : 12)))
		add_ring(g);
	if (g->coupled) {
		few_objects(g);
		few_loners(g);
	} else {
		all_objects(g);
	}
}

/* The task for a step on that ring: its own, or on rings of many another one at times. tasks: none can. */
static unsigned int task_for(struct gen *g, unsigned int ring)
{
	const struct ring *r = &g->s->rings[ring];
	bool other = prng_chance(&g->p, 1, 4);
	unsigned int task = r->task;

	if (r->flags & IORING_SETUP_SINGLE_ISSUER)
		return g->task_gone[task] ? g->s->nr_tasks : task;
	if (other || g->task_gone[task]) {
		task = prng_below(&g->p, g->s->nr_tasks);
		for (unsigned int i = 0; i < g->s->nr_tasks && g->task_gone[task]; i++)
			task = (task + 1) % g->s->nr_tasks;
	}
	return g->task_gone[task] ? g->s->nr_tasks : task;
}

bool gen_pick_ring(struct gen *g, unsigned int *ring, unsigned int *task)
{
	unsigned int at = prng_below(&g->p, g->s->nr_rings);

	for (unsigned int i = 0; i < g->s->nr_rings; i++) {
		*ring = (at + i) % g->s->nr_rings;
		if (g->ring_gone[*ring])
			continue;
		*task = task_for(g, *ring);
		if (*task < g->s->nr_tasks)
			return true;
	}
	return false;
}

struct step *gen_add_step(struct gen *g, enum step_kind kind, unsigned int task)
{
	struct step *t = &g->s->steps[g->s->nr_steps];

	if (g->s->nr_steps == STREAM_MAX_STEPS)
		return NULL;
	*t = (struct step){ .kind = (uint8_t)kind, .task = (uint8_t)task };
	g->s->nr_steps++;
	return t;
}

struct step *gen_add_on_ring(struct gen *g, enum step_kind kind, unsigned int ring, unsigned int task)
{
	struct step *t = gen_add_step(g, kind, task);

	if (t)
		t->ring = (uint8_t)ring;
	return t;
}

unsigned int gen_any_task(struct gen *g)
{
	unsigned int task = prng_below(&g->p, g->s->nr_tasks);

	for (unsigned int i = 0; i < g->s->nr_tasks && g->task_gone[task]; i++)
		task = (task + 1) % g->s->nr_tasks;
	return task;
}

/* A chain of n requests; `open`: with a link behind the last one. */
static void add_chain(struct gen *g, unsigned int n, bool open)
{
	for (unsigned int i = 0; i < n; i++) {
		struct sreq *r = &g->s->reqs[g->s->nr_reqs];
		bool last = i + 1 == n, hard = gen_chance(g, GEN_HARD);
		bool timer = i > 0 && r[-1].op != SOP_LINK_TIMEOUT && gen_chance(g, GEN_LINK_TIMEOUT);

		gen_request(g, r, timer);
		if (!last || open)
			r->sqe_flags |= hard ? IOSQE_IO_HARDLINK : IOSQE_IO_LINK;
		g->s->nr_reqs++;
	}
}

static void add_batch(struct gen *g, unsigned int most)
{
	unsigned int ring, task, left;
	struct step *t;
	uint32_t sq, cq;

	if (!gen_pick_ring(g, &ring, &task) || !(t = gen_add_on_ring(g, STEP_SUBMIT, ring, task))) {
		g->over = true;
		return;
	}
	t->first_req = g->s->nr_reqs;
	g->ring = (uint8_t)ring;
	g->fixed = g->tables && (g->table[ring] || prng_chance(&g->p, 1, 8));
	ENSURE(stream_ring_size(&g->s->rings[ring], &sq, &cq));
	left = 1 + prng_below(&g->p, 8);
	if (left > most)
		left = most;
	if (left > sq)
		left = sq;
	t->nr_reqs = (uint8_t)left;
	while (left > 0) {
		static const uint8_t lengths[] = { 2, 2, 2, 2, 3, 3, 3, 4, 4, 5 };
		unsigned int n = gen_chance(g, GEN_CHAIN) ? lengths[prng_below(&g->p, sizeof(lengths))] : 1;

		if (n > left)
			n = left;
		left -= n;
		add_chain(g, n, left == 0 && gen_chance(g, GEN_OPEN_CHAIN));
	}
	if (prng_chance(&g->p, 1, 6)) {
		unsigned int owed = stream_owed(g->s, g->s->nr_steps - 1u, ring);

		t->wait = true;
		t->wait_nr = prng_below(&g->p, owed + 1);
	}
}

/* Opens an end of a fifo, or closes it. */
static void add_open(struct gen *g, unsigned int at, unsigned int task)
{
	unsigned int end = prng_chance(&g->p, 2, 5) ? END_OUT : END_IN;
	bool opens = g->end_gone[at][end];
	struct step *t = gen_add_step(g, opens ? STEP_OPEN : STEP_CLOSE, task);

	if (!t)
		return;
	t->fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)at, .end = (uint8_t)end };
	g->end_gone[at][end] = !opens;
}

/* A direct transfer: mostly what readers wait for, sometimes room for writers. */
static void add_direct(struct gen *g)
{
	unsigned int at = prng_below(&g->p, g->s->nr_objs ? g->s->nr_objs : 1), task = gen_any_task(g);
	bool read = prng_chance(&g->p, 1, 3), event;
	struct step *t;

	if (at < g->s->nr_objs && g->s->objs[at].kind == OBJ_FIFO) {
		add_open(g, at, task);
		return;
	}
	if (at >= g->s->nr_objs || g->s->objs[at].kind == OBJ_FILE || g->end_gone[at][END_OUT] ||
	    g->end_gone[at][END_IN])
		return;
	event = g->s->objs[at].kind == OBJ_EVENTFD;
	t = gen_add_step(g, read ? STEP_READ : STEP_WRITE, task);
	if (!t)
		return;
	t->fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)at, .end = !event && !read ? END_IN : END_OUT };
	t->len = event ? 8 : gen_len(g);
	if (event && !read)
		t->value = gen_value(g);
}

static void add_look(struct gen *g)
{
	bool peek = prng_chance(&g->p, 1, 2);
	unsigned int ring, task;

	if (gen_pick_ring(g, &ring, &task))
		gen_add_on_ring(g, peek ? STEP_PEEK : STEP_REAP, ring, task);
}

static void add_wait(struct gen *g)
{
	unsigned int ring, task, owed, n;
	struct step *t;

	if (!gen_pick_ring(g, &ring, &task))
		return;
	owed = stream_owed(g->s, g->s->nr_steps, ring);
	if (owed == 0)
		return;
	n = prng_chance(&g->p, 3, 4) ? owed : 1 + prng_below(&g->p, owed);
	t = gen_add_on_ring(g, STEP_WAIT, ring, task);
	if (t)
		t->wait_nr = n;
}

static void add_close(struct gen *g)
{
	unsigned int at = prng_below(&g->p, g->s->nr_objs ? g->s->nr_objs : 1), task = gen_any_task(g);
	unsigned int end = prng_below(&g->p, 2);
	struct step *t;

	if (at >= g->s->nr_objs || stream_opens(g->s))
		return;
	if (g->s->objs[at].kind != OBJ_PIPE)
		end = END_OUT;
	if (g->end_gone[at][end])
		return;
	t = gen_add_step(g, STEP_CLOSE, task);
	if (!t)
		return;
	t->fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)at, .end = (uint8_t)end };
	g->end_gone[at][end] = true;
}

static void add_exit_thread(struct gen *g)
{
	unsigned int task = gen_any_task(g);

	g->exit_thread = false;
	if (stream_opens(g->s) || !gen_add_step(g, STEP_EXIT_THREAD, task))
		return;
	g->task_gone[task] = true;
	g->over = true;
	for (unsigned int i = 0; i < g->s->nr_tasks; i++)
		g->over &= g->task_gone[i];
}

void gen_close_ring(struct gen *g, unsigned int ring)
{
	unsigned int task = gen_any_task(g);

	if (!g->close_ring)
		return;
	g->close_ring = false;
	if (g->ring_gone[ring] || stream_opens(g->s))
		return;
	if (gen_add_on_ring(g, STEP_CLOSE_RING, ring, task))
		g->ring_gone[ring] = true;
}

/* A task for a registration: mostly one that may. */
static bool pick_registrar(struct gen *g, unsigned int *ring, unsigned int *task)
{
	bool anybody = prng_chance(&g->p, 1, 8);

	if (!gen_pick_ring(g, ring, task))
		return false;
	if (anybody)
		*task = gen_any_task(g);
	return true;
}

static void add_limit(struct gen *g)
{
	static const uint32_t bounded[] = { 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 3, 8, 1000000, INT32_MAX, UINT32_MAX };
	static const uint32_t unbounded[] = { 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 8, 1000000, INT32_MAX, UINT32_MAX };
	unsigned int b = prng_below(&g->p, sizeof(bounded) / sizeof(bounded[0]));
	unsigned int u = prng_below(&g->p, sizeof(unbounded) / sizeof(unbounded[0]));
	unsigned int ring, task;
	struct step *t;

	if (!pick_registrar(g, &ring, &task))
		return;
	t = gen_add_on_ring(g, STEP_MAX_WORKERS, ring, task);
	if (!t)
		return;
	t->limit[0] = bounded[b];
	t->limit[1] = unbounded[u];
}

/* At times several: what one ring keeps shows only when another one has been used in between. */
void gen_limit(struct gen *g)
{
	unsigned int n = prng_chance(&g->p, 1, 4) ? 2 + prng_below(&g->p, 3) : 1;

	while (n-- > 0)
		add_limit(g);
}

static void add_affinity(struct gen *g)
{
	static const uint64_t masks[] = { 0, 1, 1, 2, 3, 4, 1ull << 40, 1ull << 63 | 1, UINT64_MAX };
	unsigned int m = prng_below(&g->p, sizeof(masks) / sizeof(masks[0]));
	bool anywhere = prng_chance(&g->p, 2, 5);
	unsigned int ring, task;
	struct step *t;

	if (!pick_registrar(g, &ring, &task))
		return;
	t = gen_add_on_ring(g, anywhere ? STEP_IOWQ_UNAFF : STEP_IOWQ_AFF, ring, task);
	if (t)
		t->value = anywhere ? 0 : masks[m];
}

static void add_between(struct gen *g)
{
	if (gen_chance(g, GEN_WAIT))
		add_wait(g);
	for (unsigned int i = 0; i < 2; i++) {
		if (gen_chance(g, GEN_DIRECT))
			add_direct(g);
		if (gen_chance(g, GEN_LOOK))
			add_look(g);
	}
	if (gen_chance(g, GEN_CLOSE))
		add_close(g);
	if (gen_chance(g, GEN_LIMIT))
		gen_limit(g);
	if (gen_chance(g, GEN_AFFINITY))
		add_affinity(g);
	if (g->tables && gen_chance(g, GEN_FILES))
		gen_file_step(g);
	if (gen_chance(g, GEN_TELL))
		gen_tell(g);
	if (gen_chance(g, GEN_WAIT))
		add_wait(g);
}

/* The larger of two draws; of coupled streams at least what makes them so. */
static unsigned int choose_size(struct gen *g, unsigned int most)
{
	unsigned int least = !g->coupled || most < DEEP ? 1 : DEEP, n = prng_range(&g->p, least, most);
	unsigned int again = prng_range(&g->p, least, most);

	return again > n ? again : n;
}

static void add_next(struct gen *g, unsigned int most)
{
	if (gen_chance(g, GEN_HOLD) && gen_shape(g, most, true))
		return;
	if (!gen_chance(g, GEN_SHAPE) || !gen_shape(g, most, false))
		add_batch(g, most);
}

void stream_generate(uint64_t seed, const struct generate_options *opt, struct stream *out)
{
	struct generate_options defaults;
	struct gen g = { .p = prng_seed(seed), .s = out };
	unsigned int n, exit_at;

	if (!opt) {
		generate_options_init(&defaults);
		opt = &defaults;
	}
	ENSURE(opt->size >= 1 && opt->size <= STREAM_MAX_REQS);
	ENSURE(opt->max_tasks >= 1 && opt->max_tasks <= STREAM_MAX_TASKS);
	stream_init(out);
	choose_features(&g, opt);
	choose_end(&g, opt);
	set_scene(&g, opt);
	n = choose_size(&g, opt->size);
	exit_at = 1 + prng_below(&g.p, n);
	if (gen_chance(&g, GEN_LIMIT))
		gen_limit(&g);
	if (gen_chance(&g, GEN_TABLE))
		gen_tables(&g);
	while (out->nr_reqs < n && !g.over) {
		add_next(&g, n - out->nr_reqs);
		if (g.exit_thread && out->nr_reqs >= exit_at)
			add_exit_thread(&g);
		if (g.close_ring && !g.over && out->nr_reqs >= exit_at)
			gen_close_ring(&g, prng_below(&g.p, out->nr_rings));
		if (!g.over)
			add_between(&g);
	}
	if (g.exit_process && !g.over && !stream_opens(out))
		gen_add_step(&g, STEP_EXIT_PROCESS, gen_any_task(&g));
	gen_targets(&g);
	stream_name_all(out);
}
