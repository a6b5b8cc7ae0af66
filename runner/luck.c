/* Luck: what the machine leaves to chance is drawn from one seed, so that the same seed tries the same thing again.
 *
 * The engine on threads and a kernel run tasks as threads of the machine, so a pin is no call of the back end's. */
#include <sched.h>

#include "core/base/prng.h"
#include "runner/run.h"

enum { SPIN_NS = 10000 };

static cpu_set_t cpus;

void executor_cpus(const cpu_set_t *set)
{
	cpus = *set;
}

/* ---- pins ---- */

/* Any of those the hand might use before it was pinned itself. A campaign keeps each hand on one CPU, and all tasks that
 * are left alone with it; a task that runs elsewhere at the same time as the others, and as the workers of io-wq, which
 * no pin of their task binds, is what makes a race wide. */
static int any_cpu(struct run *x)
{
	unsigned int n = prng_below(&x->luck, (uint32_t)CPU_COUNT(&cpus));

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus) && n-- == 0)
			return cpu;
	return -1;
}

static void draw_pins(struct run *x)
{
	if (CPU_COUNT(&cpus) == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		CPU_ZERO(&cpus);
	for (unsigned int i = 0; i < x->s->nr_tasks; i++) {
		unsigned int how = prng_below(&x->luck, 8);

		if (CPU_COUNT(&cpus) == 0 || how > 2)
			continue;
		if (how == 2 && i > 0 && x->pin[i - 1] < 0)
			x->pin[i - 1] = any_cpu(x);
		x->pin[i] = how == 2 && i > 0 ? x->pin[i - 1] : any_cpu(x);
	}
}

/* Where it is refused, the task runs where it would. */
void luck_pin(struct run *x, unsigned int task)
{
	cpu_set_t set;

	if (task >= x->s->nr_tasks || x->pin[task] < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(x->pin[task], &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- the order of steps ---- */

_Static_assert(STREAM_MAX_OBJS <= 32, "objects fit a mask");

static uint32_t obj_bit(const struct fdref *fd)
{
	return fd->kind == FD_OBJ ? 1u << fd->obj : 0;
}

/* All that the requests of a ring name: a step on it may let any of them go on. */
static uint32_t ring_objs(const struct stream *s, unsigned int ring)
{
	uint32_t objs = 0;

	for (unsigned int i = 0; i < s->nr_steps; i++)
		for (unsigned int k = 0; s->steps[i].ring == ring && k < s->steps[i].nr_reqs; k++)
			objs |= obj_bit(&s->reqs[s->steps[i].first_req + k].fd) |
				obj_bit(&s->reqs[s->steps[i].first_req + k].in);
	return objs;
}

static bool on_ring(const struct step *st)
{
	return stream_step_looks(st->kind);
}

/* Those that wait are meant for what the steps before them do, and those that end something for what comes after. What
 * is registered is for all that comes after: it reaches tasks by rings that the step does not name. */
static bool may_move(const struct step *st)
{
	return (st->kind == STEP_SUBMIT && !st->wait) || (st->kind >= STEP_REAP && st->kind <= STEP_PEEK) ||
	       (st->kind >= STEP_WRITE && st->kind <= STEP_OPEN);
}

/* What is sent goes to other rings. */
static bool sends(const struct stream *s, const struct step *st)
{
	for (unsigned int i = 0; i < st->nr_reqs; i++)
		if (stream_sends(&s->reqs[st->first_req + i]))
			return true;
	return false;
}

static bool independent(const struct stream *s, const struct step *a, const struct step *b)
{
	uint32_t objs_a = on_ring(a) ? ring_objs(s, a->ring) : obj_bit(&a->fd);
	uint32_t objs_b = on_ring(b) ? ring_objs(s, b->ring) : obj_bit(&b->fd);

	return may_move(a) && may_move(b) && !sends(s, a) && !sends(s, b) && a->task != b->task && !(objs_a & objs_b) &&
	       !(on_ring(a) && on_ring(b) && a->ring == b->ring);
}

static void draw_order(struct run *x)
{
	for (unsigned int i = 0; i + 1 < x->s->nr_steps; i++) {
		if (!independent(x->s, &x->s->steps[i], &x->s->steps[i + 1]) || prng_chance(&x->luck, 1, 2))
			continue;
		x->order[i] = (uint8_t)(i + 1);
		x->order[i + 1] = (uint8_t)i;
		i++;
	}
}

/* ---- the whole ---- */

void luck_begin(struct run *x, uint64_t seed)
{
	x->luck = prng_seed(seed);
	x->lucky = seed && !(x->be->record_flags & RECF_EXACT);
	for (unsigned int i = 0; i < x->s->nr_steps; i++)
		x->order[i] = (uint8_t)i;
	for (unsigned int i = 0; i < STREAM_MAX_TASKS; i++)
		x->pin[i] = -1;
	if (!x->lucky)
		return;
	draw_pins(x);
	draw_order(x);
}

void luck_spin(struct run *x)
{
	uint64_t until;

	if (!x->lucky)
		return;
	until = x->be->now() + prng_below(&x->luck, SPIN_NS + 1);
	while (x->be->now() < until)
		x->be->relax();
}

void luck_spin_within(struct run *x)
{
	if (x->lucky && prng_chance(&x->luck, 1, 2))
		luck_spin(x);
}
