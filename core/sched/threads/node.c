#include "core/sched/threads/node.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <pthread.h>

#include "core/base/ensure.h"

/* Written once, before anybody reads it. */
static struct {
	unsigned int nr;
	struct sched_cpus cpus[SCHED_NODES];
	bool usable[SCHED_NODES]; /* cpus is not empty */
	uint8_t of_cpu[SCHED_CPUS];
} nodes;

static pthread_once_t nodes_once = PTHREAD_ONCE_INIT;

static void nodes_add(unsigned int node, const struct bitmask *has, const struct sched_cpus *all)
{
	for (unsigned int cpu = 0; cpu < SCHED_CPUS && cpu < has->size; cpu++) {
		if (!numa_bitmask_isbitset(has, cpu))
			continue;
		nodes.of_cpu[cpu] = (uint8_t)node;
		if (!sched_cpus_has(all, cpu))
			continue;
		nodes.cpus[node].bits[cpu / 64] |= 1ull << cpu % 64;
		nodes.usable[node] = true;
	}
}

static void nodes_ask(void)
{
	struct sched_cpus all;
	struct bitmask *has;

	nodes.nr = 1;
	if (numa_available() < 0)
		return;
	sched_all_cpus(&all);
	has = numa_allocate_cpumask();
	for (unsigned int node = 0; node <= (unsigned int)numa_max_node() && node < SCHED_NODES; node++) {
		if (numa_node_to_cpus((int)node, has) != 0)
			continue;
		nodes.nr = node + 1;
		nodes_add(node, has, &all);
	}
	numa_free_cpumask(has);
}

unsigned int node_count(void)
{
	pthread_once(&nodes_once, nodes_ask);
	return nodes.nr;
}

unsigned int node_of_cpu(unsigned int cpu)
{
	pthread_once(&nodes_once, nodes_ask);
	return cpu < SCHED_CPUS ? nodes.of_cpu[cpu] : 0;
}

const struct sched_cpus *node_cpus(unsigned int node)
{
	if (node == SCHED_NO_NODE)
		return NULL;
	pthread_once(&nodes_once, nodes_ask);
	return node < nodes.nr && nodes.usable[node] ? &nodes.cpus[node] : NULL;
}

/* A kernel that refuses leaves the stack where it is: nothing depends on it but speed. */
static void stack_policy(int mode, uint64_t mask, unsigned int flags)
{
	unsigned long bits = mask;
	pthread_attr_t attr;
	int err = errno;
	size_t size;
	void *low;

	ENSURE_OP(pthread_getattr_np(pthread_self(), &attr), ==, 0);
	ENSURE_OP(pthread_attr_getstack(&attr, &low, &size), ==, 0);
	pthread_attr_destroy(&attr);
	mbind(low, size, mode, mask ? &bits : NULL, mask ? SCHED_NODES + 1 : 0, flags);
	errno = err;
}

void node_place_stack(unsigned int node)
{
	stack_policy(MPOL_PREFERRED, 1ull << node, MPOL_MF_MOVE);
}

void node_forget_stack(void)
{
	stack_policy(MPOL_DEFAULT, 0, 0);
}
