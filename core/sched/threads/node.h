/* The machine's NUMA nodes, for threads.c alone.
 *
 * libnuma is linked from its archive: a static program has it like any other, and no program needs it to be installed
 * where it runs. It is asked once, by the first call here. What it finds is less than the machine has where the kernel
 * has no NUMA or forbids its calls: one node then, with all processors. */
#ifndef CORE_SCHED_THREADS_NODE_H
#define CORE_SCHED_THREADS_NODE_H

#include "core/sched/seam.h"

unsigned int node_count(void);
unsigned int node_of_cpu(unsigned int cpu); /* 0 for one that nobody knows */
/* Those of the node's processors that the process was started with. NULL: there are none, no such node, SCHED_NO_NODE. */
const struct sched_cpus *node_cpus(unsigned int node);

/* The memory of the caller's stack, what is there of it and what comes, is of the node if that has any left; until
 * node_forget_stack(), which a thread calls before it ends, for the C library keeps stacks for other threads. */
void node_place_stack(unsigned int node);
void node_forget_stack(void);

#endif
