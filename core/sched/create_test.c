/* What both schedulers promise (seam.h) of tasks that are made in two steps or not at all, of processors, and of steps. */
#include <errno.h>
#include <string.h>

#include "core/base/check.h"
#include "sched/sched.h"

#define NR_SEEDS 40
#define MSEC 1000000ull

static void run_many(sched_task_fn *fn)
{
	struct sched_config cfg = { .strategy = SCHED_WALK };
	struct sched_result res;

	for (cfg.seed = 0; cfg.seed < NR_SEEDS; cfg.seed++) {
		sched_run(&cfg, fn, NULL, &res);
		CHECK_OP((int)res.end, ==, (int)SCHED_DONE);
	}
}

static struct sched_task *spawn(const char *name, sched_task_fn *fn, void *arg)
{
	struct sched_task *t = NULL;

	CHECK_OP(sched_spawn(&t, name, fn, arg), ==, 0);
	return t;
}

static void nothing(void *arg)
{
}

/* ---- creation in two steps, and its failure ---- */

struct two_steps {
	struct atomic32 ran, notified;
};

static void second_step(void *arg)
{
	struct two_steps *s = arg;

	a32_add(&s->notified, sched_notified());
	sched_park(SCHED_NEVER); /* the token came before the start */
	a32_add(&s->ran, 1);
}

static void created(void *arg)
{
	struct two_steps s = { .ran = ATOMIC_INIT(0) };
	struct sched_task *t[2];

	for (int i = 0; i < 2; i++) {
		CHECK_OP(sched_create(&t[i], "created", second_step, &s), ==, 0);
		CHECK_STR(sched_name(t[i]), "created");
		sched_notify(t[i]);
	}
	for (int i = 0; i < 5; i++)
		sched_park(sched_now() + MSEC / 16);
	CHECK_OP(a32_load(&s.ran), ==, 0u);
	for (int i = 0; i < 2; i++)
		sched_start(t[i]);
	for (int i = 0; i < 2; i++)
		sched_join(t[i]);
	CHECK_OP(a32_load(&s.ran), ==, 2u);
	CHECK_OP(a32_load(&s.notified), ==, 2u);
}

static void test_a_created_task_waits_for_its_start(void)
{
	run_many(created);
}

static void failing(void *arg)
{
	struct sched_task *t;

	sched_fail_spawns("un", 2, -ENOMEM);
	sched_join(spawn("lucky", nothing, NULL));
	CHECK_OP(sched_spawn(&t, "unlucky", nothing, NULL), ==, -ENOMEM);
	CHECK_OP(sched_create(&t, "unlucky", nothing, NULL), ==, -ENOMEM);
	sched_join(spawn("unlucky", nothing, NULL));
	sched_fail_spawns("un", 2, -EAGAIN);
	CHECK_OP(sched_spawn(&t, "unlucky", nothing, NULL), ==, -EAGAIN);
	sched_fail_spawns("", 0, 0);
	sched_join(spawn("unlucky", nothing, NULL));
}

static void test_spawns_fail_as_asked(void)
{
	run_many(failing);
}

static void try_it(void *arg)
{
	struct mutex *m = arg;

	CHECK(!mutex_trylock(m));
}

static void trylock(void *arg)
{
	struct mutex m = MUTEX_INIT;

	CHECK(mutex_trylock(&m));
	mutex_assert_held(&m);
	CHECK(!mutex_trylock(&m));
	sched_join(spawn("other", try_it, &m));
	mutex_unlock(&m);
	CHECK(mutex_trylock(&m));
	mutex_unlock(&m);
	mutex_destroy(&m);
}

static void test_trylock(void)
{
	run_many(trylock);
}

/* ---- processors ---- */

static void on_one(void *arg)
{
	struct sched_cpus none = { { 0 } };

	CHECK_OP(sched_set_cpus(arg), ==, 0);
	for (int i = 0; i < 3; i++) {
		unsigned int cpu = sched_cpu();

		CHECK(sched_cpus_has(arg, cpu));
		sched_park(sched_now() + MSEC / 16);
	}
	CHECK_OP(sched_set_cpus(&none), ==, -EINVAL);
}

static void not_pinned(void *arg)
{
	struct sched_cpus all, *other = arg;
	unsigned int cpu;

	sched_all_cpus(&all);
	CHECK_OP(sched_set_cpus(&all), ==, 0);
	cpu = sched_cpu();
	CHECK(sched_cpus_has(&all, cpu));
	CHECK_OP(sched_set_cpus(other), ==, 0);
}

static void cpus(void *arg)
{
	struct sched_cpus all, one;

	sched_all_cpus(&all);
	for (int i = 0; i < SCHED_CPUS / 64; i++) {
		for (uint64_t left = all.bits[i]; left; left &= left - 1) {
			memset(&one, 0, sizeof(one));
			one.bits[i] = left & -left;
			sched_join(spawn("pinned", on_one, &one));
			sched_join(spawn("pinned", not_pinned, &one));
		}
	}
}

static void test_cpus(void)
{
	run_many(cpus);
}

/* ---- nodes ---- */

struct place {
	unsigned int stack_node, node;
};

static void where(void *arg)
{
	*(struct place *)arg = (struct place){ sched_stack_node(), sched_node() };
}

static struct place put_on(unsigned int node)
{
	struct place p = { 0 };
	struct sched_task *t;

	ENSURE_OP(sched_create_on(&t, "placed", where, &p, node), ==, 0);
	sched_start(t);
	sched_join(t);
	return p;
}

/* A kept thread serves only who belongs where it is. */
static void placing(void *arg)
{
	(void)arg;
	for (int round = 0; round < 2; round++) {
		for (unsigned int node = 0; node < sched_nr_nodes(); node++) {
			struct place p = put_on(node);

			if (p.stack_node == SCHED_NO_NODE)
				continue; /* no processor there for us, or no NUMA at all */
			CHECK_OP(p.stack_node, ==, node);
			CHECK_OP(p.node, ==, node);
		}
		CHECK_OP(put_on(SCHED_NO_NODE).stack_node, ==, SCHED_NO_NODE);
	}
	CHECK_OP(sched_stack_node(), ==, SCHED_NO_NODE);
	CHECK_OP(sched_node(), <, sched_nr_nodes());
}

static void test_nodes(void)
{
	struct sched_config cfg = { .strategy = SCHED_WALK, .nodes = 3, .node_cpus = 2 };
	struct sched_result res;

	run_many(placing);
	sched_run(&cfg, placing, NULL, &res);
	CHECK_OP((int)res.end, ==, (int)SCHED_DONE);
}

/* ---- the step function ---- */

struct steps {
	struct mutex lock; /* of counter */
	struct atomic32 word;
	unsigned int counter, changes, seen, locked;
};

static void look(void *arg)
{
	struct steps *s = arg;

	if (!mutex_trylock(&s->lock)) {
		s->locked++;
		return;
	}
	CHECK_OP(s->counter % 2, ==, 0u);
	s->changes += s->counter + a32_load(&s->word) != s->seen;
	s->seen = s->counter + a32_load(&s->word);
	mutex_unlock(&s->lock);
}

static void stepping(void *arg)
{
	struct steps *s = arg;

	for (int i = 0; i < 10; i++) {
		mutex_lock(&s->lock);
		s->counter++;
		a32_add(&s->word, 1);
		s->counter++;
		mutex_unlock(&s->lock);
		a32_add(&s->word, 1);
	}
}

static void two_step(void *arg)
{
	struct sched_task *t[2];

	for (int i = 0; i < 2; i++)
		ENSURE_OP(sched_spawn(&t[i], "steps", stepping, arg), ==, 0);
	for (int i = 0; i < 2; i++)
		sched_join(t[i]);
}

static bool time_is_virtual;

static void probe_time(void *arg)
{
	uint64_t before = sched_now();

	sched_advance(3600000 * MSEC);
	time_is_virtual = sched_now() - before >= 3600000 * MSEC;
}

static void test_step(void)
{
	struct sched_config cfg = { .strategy = SCHED_WALK, .max_points = 100000 };
	struct sched_result res;

	sched_run(&cfg, probe_time, NULL, &res);

	for (cfg.seed = 0; cfg.seed < 20; cfg.seed++) {
		struct steps s = { .lock = MUTEX_INIT };
		struct sched_result with, without;

		sched_set_step(look, &s);
		sched_run(&cfg, two_step, &s, &with);
		sched_set_step(NULL, NULL);
		CHECK_OP(s.counter, ==, 40u);
		if (time_is_virtual) { /* else nobody looks */
			CHECK_OP(s.changes, >=, 20u);
			CHECK_OP(s.locked, >, 0u);
		}
		sched_run(&cfg, two_step, &s, &without);
		CHECK_OP(with.hash, ==, without.hash); /* it makes no choice */
		CHECK_OP(with.points, ==, without.points);
	}
}

static const struct check_test tests[] = {
	CHECK_TEST(test_a_created_task_waits_for_its_start),
	CHECK_TEST(test_spawns_fail_as_asked),
	CHECK_TEST(test_trylock),
	CHECK_TEST(test_cpus),
	CHECK_TEST(test_nodes),
	CHECK_TEST(test_step),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
