/* The simulated scheduler: tasks are fibers of one OS thread, time is a number, and every choice is asked of the
 * decision stream (decide.c). Nothing here depends on an address, on real time or on a hash's order.
 *
 * A task gives way at a scheduling point only. There is no fiber of the scheduler's own: who gives way picks the next
 * and switches to it. When nothing is ready, time jumps to the first deadline; when there is none either, the run is
 * over, decided exactly and at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"
#include "core/sched/sim/sim.h"

/* What a run's caller is while the run goes on, and who calls when there is none. */
static struct sched_task outside = { .name = "outside", .state = TASK_READY };

struct sim sim = { .pool = LIST_INIT(sim.pool), .nodes = 1, .node_cpus = 2 };
struct sim_hot sim_hot = { .self = &outside, .max_points = UINT64_MAX };

/* ---- who runs ---- */

struct sched_task *sim_ready(uint32_t k)
{
	struct list *l = sim.ready.next;

	ENSURE_OP(k, <, sim_hot.nr_ready);
	while (k--)
		l = l->next;
	return list_entry(l, struct sched_task, ready);
}

static struct sched_task *take_ready(uint32_t k)
{
	struct sched_task *t = sim_ready(k);

	list_del(&t->ready);
	sim_hot.nr_ready--;
	return t;
}

static void make_ready(struct sched_task *t)
{
	t->state = TASK_READY;
	list_add_tail(&t->ready, &sim.ready);
	sim_hot.nr_ready++;
}

static void switch_to(struct sched_task *next)
{
	struct sched_task *self = sim_hot.self;

	ENSURE_OP((int)next->state, ==, (int)TASK_READY);
	sim.switches++;
	sim_hot.self = next;
	fiber_switch(&self->fiber, &next->fiber);
}

/* Leaves the run for sched_run's caller; the current fiber is never resumed. */
static _Noreturn void end_run(enum sched_end end)
{
	struct sched_task *self = sim_hot.self;

	sim.end = end;
	sim_hot.self = &outside;
	/* The fiber of a task that has not exited is abandoned as all others are, and so must be left resumable. */
	if (self->state == TASK_EXITED)
		fiber_exit(&self->fiber, &outside.fiber);
	fiber_switch(&self->fiber, &outside.fiber);
	ENSURE_UNREACHABLE();
}

static void wake_due(void)
{
	while (!list_empty(&sim.timers)) {
		struct sched_task *t = list_first(&sim.timers, struct sched_task, timer);

		if (t->deadline > sim.now)
			break;
		list_del(&t->timer);
		make_ready(t);
	}
}

/* Who runs now that the current task cannot. Its own deadline may make that the current task again. */
static struct sched_task *pick_next(const char *what)
{
	if (!sim_hot.nr_ready && !list_empty(&sim.timers)) {
		sim.now = list_first(&sim.timers, struct sched_task, timer)->deadline;
		wake_due();
	}
	if (!sim_hot.nr_ready)
		end_run(SCHED_QUIESCENT);
	return take_ready(decide(DECIDE_NEXT, sim_hot.nr_ready, what));
}

/* The current task, its state already set, sleeps until somebody makes it ready and it is picked. */
static void sleep_here(const char *what)
{
	struct sched_task *next;

	ENSURE(sim.on);
	next = pick_next(what);
	if (next != sim_hot.self)
		switch_to(next);
}

static struct {
	void (*fn)(void *arg);
	void *arg;
} step;

void sched_set_step(void (*fn)(void *arg), void *arg)
{
	ENSURE(!sim.on);
	step.fn = fn;
	step.arg = arg;
}

void sched_freeze(void)
{
	sim_hot.nr_ready = 0;
	sim_hot.max_points = UINT64_MAX;
}

/* The points within are none: nobody is ready, and no count is kept. */
void sched_still(void (*fn)(void *arg), void *arg)
{
	struct sim_hot hot = sim_hot;

	sim_hot.nr_ready = 0;
	sim_hot.max_points = UINT64_MAX;
	fn(arg);
	sim_hot = hot;
}

/* The part of a point that is taken when somebody else could run, or the points are used up, or somebody looks. */
static void point_slow(const char *what)
{
	struct sched_task *self = sim_hot.self;
	uint32_t c;

	if (step.fn && sim.on)
		sched_still(step.fn, step.arg);
	if (sim_hot.points > sim.max_points)
		end_run(SCHED_RUNAWAY);
	if (!sim_hot.nr_ready)
		return;
	c = decide(DECIDE_STAY, sim_hot.nr_ready + 1, what);
	if (c) {
		struct sched_task *next = take_ready(c - 1);

		make_ready(self);
		switch_to(next);
	}
}

static inline void point(const char *what)
{
	if (__builtin_expect(++sim_hot.points > sim_hot.max_points || sim_hot.nr_ready, 0))
		point_slow(what);
}

void sim_point_slow(void)
{
	point_slow("access");
}

void sched_point(const char *where)
{
	sim_hot.self->where = where;
	point(where);
}

/* ---- tasks ---- */

_Noreturn void fiber_main(struct fiber *self)
{
	struct sched_task *t = container_of(self, struct sched_task, fiber);
	struct sched_task *next;

	t->fn(t->arg);
	ENSURE_OP(t->held, ==, 0u);
	ENSURE(!t->blocked);
	t->state = TASK_EXITED;
	if (!t->ordinal)
		end_run(SCHED_DONE);
	if (t->joiner)
		make_ready(t->joiner);
	next = pick_next("exit");
	sim.switches++;
	sim_hot.self = next;
	fiber_exit(&t->fiber, &next->fiber);
}

static uint64_t all_cpus(void)
{
	return UINT64_MAX >> (64 - sim.nodes * sim.node_cpus);
}

static struct sched_task *task_new(const char *name, sched_task_fn *fn, void *arg)
{
	struct sched_task *t;
	struct fiber fiber;

	if (list_empty(&sim.pool)) {
		t = malloc(sizeof(*t));
		ENSURE(t != NULL);
		fiber_map(&fiber);
	} else {
		t = list_first(&sim.pool, struct sched_task, all);
		ENSURE_OP((int)t->state, ==, (int)TASK_FREE);
		list_del(&t->all);
		fiber = t->fiber;
	}
	*t = (struct sched_task){ .fiber = fiber, .ordinal = sim.nr_spawned++, .fn = fn, .arg = arg };
	strncpy(t->name, name, sizeof(t->name) - 1);
	list_init(&t->timer);
	t->cpu = t->ordinal % (sim.nodes * sim.node_cpus);
	t->stack_node = SCHED_NO_NODE;
	fiber_start(&t->fiber);
	list_add_tail(&t->all, &sim.all);
	t->state = TASK_READY;
	t->created = true;
	return t;
}

static void task_free(struct sched_task *t)
{
	fiber_end(&t->fiber);
	list_del(&t->all);
	t->state = TASK_FREE;
	list_add(&t->all, &sim.pool);
}

static struct {
	const char *prefix;
	uint32_t left;
	int err;
} fail;

void sched_fail_spawns(const char *prefix, uint32_t n, int err)
{
	fail.prefix = prefix;
	fail.left = n;
	fail.err = err;
}

static bool spawn_fails(const char *name)
{
	if (!fail.left || strncmp(name, fail.prefix, strlen(fail.prefix)) != 0)
		return false;
	fail.left--;
	return true;
}

int sched_create_on(struct sched_task **out, const char *name, sched_task_fn *fn, void *arg, unsigned int node)
{
	struct sched_task *t;

	ENSURE(sim.on);
	ENSURE(node < sim.nodes || node == SCHED_NO_NODE);
	if (spawn_fails(name))
		return fail.err;
	*out = t = task_new(name, fn, arg);
	t->stack_node = node;
	if (node != SCHED_NO_NODE)
		t->cpu = node * sim.node_cpus + t->ordinal % sim.node_cpus;
	point("create");
	return 0;
}

int sched_create(struct sched_task **out, const char *name, sched_task_fn *fn, void *arg)
{
	return sched_create_on(out, name, fn, arg, SCHED_NO_NODE);
}

static void start(struct sched_task *t)
{
	ENSURE(t->created);
	t->created = false;
	make_ready(t);
}

void sched_start(struct sched_task *t)
{
	start(t);
	point("start");
}

int sched_spawn(struct sched_task **out, const char *name, sched_task_fn *fn, void *arg)
{
	ENSURE(sim.on);
	if (spawn_fails(name))
		return fail.err;
	*out = task_new(name, fn, arg);
	start(*out);
	point("spawn");
	return 0;
}

void sched_all_cpus(struct sched_cpus *out)
{
	*out = (struct sched_cpus){ .bits = { all_cpus() } };
}

/* It moves only if it has to, to the first there is. */
int sched_set_cpus(const struct sched_cpus *cpus)
{
	struct sched_task *self = sim_hot.self;
	uint64_t set = cpus->bits[0] & all_cpus();

	if (!set)
		return -EINVAL;
	if (!(set >> self->cpu & 1))
		self->cpu = (uint32_t)__builtin_ctzll(set);
	return 0;
}

unsigned int sched_cpu(void)
{
	return sim_hot.self->cpu;
}

unsigned int sched_nr_nodes(void)
{
	return sim.nodes;
}

unsigned int sched_node(void)
{
	return sim_hot.self->cpu / sim.node_cpus;
}

unsigned int sched_stack_node(void)
{
	return sim_hot.self->stack_node;
}

void sched_join(struct sched_task *t)
{
	struct sched_task *self = sim_hot.self;

	ENSURE(sim.on);
	ENSURE(t != self);
	ENSURE(t->state != TASK_FREE && !t->joiner);
	point("join");
	if (t->state != TASK_EXITED) {
		t->joiner = self;
		self->state = TASK_JOINING;
		self->child = t;
		sleep_here("join");
		ENSURE_OP((int)t->state, ==, (int)TASK_EXITED);
	}
	task_free(t);
}

struct sched_task *sched_self(void)
{
	return sim_hot.self;
}

const char *sched_name(const struct sched_task *t)
{
	return t->name;
}

void *sched_local(void)
{
	return sim_hot.self->local;
}

void sched_set_local(void *p)
{
	sim_hot.self->local = p;
}

/* ---- time and parking ---- */

uint64_t sched_now(void)
{
	return sim.now;
}

void sched_advance(uint64_t ns)
{
	ENSURE_OP(ns, <, SCHED_NEVER - sim.now);
	sim.now += ns;
	wake_due();
	point("advance");
}

/* Equal deadlines stay in order of arrival. There are few timers, and most are set later than those before them. */
static void timer_add(struct sched_task *t)
{
	struct list *at = sim.timers.prev;

	while (at != &sim.timers && list_entry(at, struct sched_task, timer)->deadline > t->deadline)
		at = at->prev;
	list_add(&t->timer, at);
}

bool sched_park(uint64_t deadline)
{
	struct sched_task *self = sim_hot.self;

	ENSURE(sim.on);
	ENSURE_OP(self->held, ==, 0u);
	point("park");
	if (!self->token) {
		if (deadline <= sim.now)
			return false;
		if (decide(DECIDE_SPURIOUS, 2, "spurious"))
			return true;
		self->state = TASK_PARKED;
		self->deadline = deadline;
		if (deadline != SCHED_NEVER)
			timer_add(self);
		sleep_here("park");
		/* The token may have come after the deadline woke us; then it is taken all the same. */
		if (!self->token)
			return false;
	}
	self->token = false;
	return true;
}

static void set_token(struct sched_task *t)
{
	ENSURE(t->state != TASK_FREE);
	t->token = true;
	if (t->state == TASK_PARKED) {
		list_del(&t->timer);
		make_ready(t);
	}
}

void sched_unpark(struct sched_task *t)
{
	point("unpark");
	set_token(t);
}

void sched_notify(struct sched_task *t)
{
	point("notify");
	t->notified = true;
	point("notify");
	set_token(t);
}

bool sched_notified(void)
{
	point("notified");
	return sim_hot.self->notified;
}

void sched_clear_notify(void)
{
	point("notified");
	sim_hot.self->notified = false;
}

/* ---- blocking sections ---- */

void sched_set_hooks(sched_hook_fn *sleeping, sched_hook_fn *running, void *arg)
{
	struct sched_task *self = sim_hot.self;

	ENSURE(!self->blocked);
	self->sleeping = sleeping;
	self->running = running;
	self->hook_arg = arg;
}

void sched_block_begin(void)
{
	struct sched_task *self = sim_hot.self;

	ENSURE(!self->blocked);
	self->blocked = true;
	if (self->sleeping)
		self->sleeping(self->hook_arg);
}

void sched_block_end(void)
{
	struct sched_task *self = sim_hot.self;

	ENSURE(self->blocked);
	self->blocked = false;
	if (self->running)
		self->running(self->hook_arg);
}

/* ---- mutexes ---- */

/* The owner of a mutex that was destroyed. */
static struct sched_task destroyed = { .name = "destroyed" };

void mutex_init(struct mutex *m)
{
	*m = (struct mutex)MUTEX_INIT;
}

void mutex_destroy(struct mutex *m)
{
	ENSURE(!m->owner);
	ENSURE(!m->waiters);
	m->owner = &destroyed;
}

static void mutex_wait(struct mutex *m, struct sched_task *self)
{
	struct sched_task **last = &m->waiters;

	while (*last)
		last = &(*last)->next_waiter;
	*last = self;
	self->next_waiter = NULL;
	self->mutex = m;
	self->state = TASK_LOCKING;
	sleep_here("lock");
}

void mutex_lock(struct mutex *m)
{
	struct sched_task *self = sim_hot.self;

	ENSURE(m->owner != self);
	point("lock");
	ENSURE(m->owner != &destroyed);
	while (m->owner)
		mutex_wait(m, self);
	m->owner = self;
	self->held++;
}

bool mutex_trylock(struct mutex *m)
{
	struct sched_task *self = sim_hot.self;

	point("lock");
	ENSURE(m->owner != &destroyed);
	if (m->owner)
		return false;
	m->owner = self;
	self->held++;
	return true;
}

/* All who wait may try again: which of them gets it, or a newcomer before them, is the decision stream's choice. */
void mutex_unlock(struct mutex *m)
{
	struct sched_task *self = sim_hot.self;
	struct sched_task *t, *next;

	ENSURE(m->owner == self);
	m->owner = NULL;
	self->held--;
	for (t = m->waiters; t; t = next) {
		next = t->next_waiter;
		make_ready(t);
	}
	m->waiters = NULL;
	point("unlock");
}

void mutex_assert_held(struct mutex *m)
{
	ENSURE(m->owner == sim_hot.self);
}

/* ---- the run ---- */

uint32_t sched_choose(uint32_t n, const char *what)
{
	ENSURE_OP(n, >, 0u);
	ENSURE_OP(n, <=, 256u);
	return sim.on ? decide(DECIDE_CHOOSE, n, what) : 0;
}

/* One line for each unfinished task. */
static void describe(struct text *text)
{
	list_for_each(l, &sim.all) {
		struct sched_task *t = list_entry(l, struct sched_task, all);

		if (t->state == TASK_EXITED)
			continue;
		text_printf(text, "%s: ", t->name);
		if (t->state == TASK_LOCKING)
			text_printf(text, "mutex of %s", t->mutex->owner ? t->mutex->owner->name : "nobody");
		else if (t->state == TASK_JOINING)
			text_printf(text, "join of %s", t->child->name);
		else
			text_put(text, t->state == TASK_PARKED ? "park" : "ready");
		if (t->where)
			text_printf(text, ", after %s", t->where);
		text_put(text, "\n");
	}
}

static void abandon_all(void)
{
	list_for_each_safe(l, &sim.all) {
		struct sched_task *t = list_entry(l, struct sched_task, all);

		if (t->state != TASK_EXITED)
			fiber_abandon(&outside.fiber, &t->fiber);
		task_free(t);
	}
}

void sched_run(const struct sched_config *cfg, sched_task_fn *fn, void *arg, struct sched_result *out)
{
	struct sched_task *main_task;
	struct text text;

	ENSURE(!sim.on);
	ENSURE_OP(outside.held, ==, 0u);
	sim.on = true;
	sim.now = 0;
	sim.nr_spawned = 0;
	sim.nodes = cfg->nodes ? cfg->nodes : 1;
	sim.node_cpus = cfg->node_cpus ? cfg->node_cpus : 2;
	ENSURE_OP(sim.nodes * sim.node_cpus, <=, 64u);
	sim.switches = 0;
	list_init(&sim.all);
	list_init(&sim.ready);
	list_init(&sim.timers);
	sim_hot.points = 0;
	sim.max_points = cfg->max_points ? cfg->max_points : UINT64_MAX;
	sim_hot.max_points = step.fn ? 0 : sim.max_points;
	decide_begin(cfg);
	fiber_adopt(&outside.fiber);

	main_task = task_new("main", fn, arg);
	start(main_task);
	switch_to(take_ready(0));

	if (sim.end == SCHED_DONE)
		ENSURE(sim.all.next == &main_task->all && sim.all.prev == &main_task->all);
	out->end = sim.end;
	out->points = sim_hot.points;
	out->switches = sim.switches;
	decide_end(out);
	text_init(&text, out->stuck, sizeof(out->stuck));
	describe(&text);
	abandon_all();
	sim_hot.nr_ready = 0;
	sim_hot.max_points = UINT64_MAX;
	sim.on = false;
}
