/* Where workers and their stacks are on a machine with NUMA nodes: on sim one of two nodes, on threads this one, whatever
 * it has. What is said of every node holds on a machine with one for that one, where nobody is placed. */
#include "core/wq/test_owner.h"

/* Moves the caller to the node's first processor that it may use, *cpu. False: there is none. */
static bool go_to(unsigned int node, unsigned int *cpu)
{
	struct sched_cpus all, one;

	sched_all_cpus(&all);
	for (*cpu = 0; *cpu < SCHED_CPUS; ++*cpu) {
		if (!sched_cpus_has(&all, *cpu))
			continue;
		one = sched_only_cpu(*cpu);
		if (sched_set_cpus(&one) == 0 && sched_node() == node)
			return true;
	}
	return false;
}

static bool on_node(int id, unsigned int node)
{
	if (sched_nr_nodes() == 1)
		return CHECK_OP(o.items[id].stack_node, ==, SCHED_NO_NODE);
	return CHECK_OP(o.items[id].node, ==, node) && CHECK_OP(o.items[id].stack_node, ==, node);
}

static void on_the_submitter_s(void *arg)
{
	unsigned int cpu;

	(void)arg;
	for (unsigned int node = 0; node < sched_nr_nodes(); node++) {
		if (!go_to(node, &cpu))
			continue;
		begin(4, 4);
		for (int i = 0; i < 4; i++)
			put(i, GATED, IO_WQ_WORK_CONCURRENT | (i % 2 ? IO_WQ_WORK_UNBOUND : 0));
		open_gate(0);
		WAIT_FOR(nr_done() == 4);
		for (int i = 0; i < 4; i++)
			on_node(i, node);
		end();
	}
}

static void test_workers_are_on_the_node_of_the_submitter(void)
{
	run_schedules_on(2, 2, on_the_submitter_s, SCHEDULES);
	run_schedules_on(3, 1, on_the_submitter_s, SCHEDULES / 3);
}

/* The owner, who makes the worker that a sleeping one asks for, is elsewhere by then. */
static void on_the_one_who_asks_s(void *arg)
{
	unsigned int cpu, last = sched_nr_nodes() - 1;

	(void)arg;
	if (!go_to(last, &cpu))
		return;
	begin(4, 4);
	put(0, GATED, 0);
	WAIT_FOR(waiting(0));
	put(1, SPINS, 0);
	go_to(0, &cpu);
	WAIT_FOR(waiting(1) || result(1) != 1);
	open_gate(0);
	WAIT_FOR(nr_done() == 2);
	on_node(0, last);
	if (o.nr_requests)
		on_node(1, last);
	end();
}

static void test_a_worker_that_is_asked_for_is_on_the_same_node(void)
{
	run_schedules_on(2, 2, on_the_one_who_asks_s, SCHEDULES);
}

static void registered(void *arg)
{
	unsigned int cpu, far;
	struct sched_cpus one;

	(void)arg;
	if (!go_to(0, &far) || !go_to(sched_nr_nodes() - 1, &cpu))
		return;
	begin(4, 4);
	one = sched_only_cpu(far);
	CHECK_OP(io_wq_cpu_affinity(o.wq, &one), ==, 0);
	put(0, QUICK, 0);
	WAIT_FOR(nr_done() == 1);
	CHECK_OP(o.items[0].cpu, ==, far);
	CHECK_OP(o.items[0].stack_node, ==, SCHED_NO_NODE);
	CHECK_OP(io_wq_cpu_affinity(o.wq, NULL), ==, 0);
	put(1, GATED, IO_WQ_WORK_CONCURRENT | IO_WQ_WORK_UNBOUND);
	open_gate(0);
	WAIT_FOR(nr_done() == 2);
	on_node(1, sched_nr_nodes() - 1);
	end();
}

static void test_registered_processors_win_over_the_node(void)
{
	run_schedules_on(2, 2, registered, SCHEDULES);
}

/* Nothing of a stack, and none of the processors, is asked for. */
static void one_node(void *arg)
{
	(void)arg;
	if (sched_nr_nodes() > 1)
		return;
	begin(2, 2);
	put(0, GATED, IO_WQ_WORK_CONCURRENT);
	put(1, QUICK, IO_WQ_WORK_CONCURRENT);
	open_gate(0);
	WAIT_FOR(nr_done() == 2);
	for (int i = 0; i < 2; i++)
		CHECK_OP(o.items[i].stack_node, ==, SCHED_NO_NODE);
	list_for_each(node, &o.wq->workers)
		CHECK_OP(list_entry(node, struct io_worker, workers_node)->node, ==, SCHED_NO_NODE);
	end();
}

static void test_on_one_node_nobody_is_placed(void)
{
	run_schedules_on(1, 4, one_node, SCHEDULES);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_workers_are_on_the_node_of_the_submitter),
	CHECK_TEST(test_a_worker_that_is_asked_for_is_on_the_same_node),
	CHECK_TEST(test_registered_processors_win_over_the_node),
	CHECK_TEST(test_on_one_node_nobody_is_placed),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
