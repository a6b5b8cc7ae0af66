/* What the files of the simulator share. All of it is one OS thread's and needs no lock. */
#ifndef CORE_SCHED_SIM_SIM_H
#define CORE_SCHED_SIM_SIM_H

#include "core/base/list.h"
#include "core/base/prng.h"
#include "core/sched/sim/fiber.h"
#include "sched/sched.h"

/* A task's states, and the calls that lead from one to the next:
 *
 *	FREE -spawn-> READY -+- park ---> PARKED  -unpark, or its deadline-> READY
 *	 ^                   +- lock ---> LOCKING -the owner's unlock------> READY
 *	 |                   +- join ---> JOINING -its child's exit-------> READY
 *	 +------- join ------+- exit ---> EXITED
 *
 * READY and on sim.ready: could run. READY and not on it: runs now (sim_hot.self), or was created and not started. */
enum task_state { TASK_FREE, TASK_READY, TASK_PARKED, TASK_LOCKING, TASK_JOINING, TASK_EXITED };

struct sched_task {
	struct fiber fiber;
	enum task_state state;
	uint32_t ordinal; /* in order of spawn within the run; fn's is 0 */
	struct list all; /* sim.all, from spawn to join; sim.pool while FREE */
	struct list ready; /* sim.ready */
	struct list timer; /* sim.timers, while PARKED with a deadline */
	uint64_t deadline;
	struct sched_task *next_waiter; /* while LOCKING: who came to the mutex after it */
	struct mutex *mutex; /* while LOCKING: which */
	struct sched_task *joiner; /* who waits in sched_join for it */
	struct sched_task *child; /* while JOINING: for whom */
	bool token;
	bool notified;
	bool blocked;
	bool created; /* and not yet started: TASK_READY, and not on sim.ready */
	uint32_t cpu;
	uint32_t stack_node;
	uint32_t held; /* mutexes */
	const char *where; /* its last sched_point */
	sched_task_fn *fn;
	void *arg;
	void *local;
	sched_hook_fn *sleeping, *running;
	void *hook_arg;
	char name[16];
};

/* The state of one run, made anew by each sched_run. */
struct sim {
	bool on; /* a run is going on */
	enum sched_end end;
	uint64_t now;
	uint32_t nr_spawned;
	uint32_t nodes, node_cpus; /* the machine: processor c is on node c / node_cpus */
	uint64_t max_points; /* the run's; sim_hot's is 0 while there is a step function */
	uint64_t switches;
	struct list all; /* in order of spawn */
	struct list ready; /* first come first; sim_hot.nr_ready long */
	struct list timers; /* by deadline; equal ones in order of arrival */
	struct list pool; /* of FREE tasks with their stacks; outlives the runs */
};

extern struct sim sim;

/* decide.c: the decision stream. */
enum decision {
	DECIDE_STAY, /* 0: go on with the current task, i: switch to the i-th ready one */
	DECIDE_NEXT, /* the current task cannot go on: 0 is the first ready one */
	DECIDE_SPURIOUS, /* 1: this park returns for nothing */
	DECIDE_CHOOSE, /* sched_choose */
};

void decide_begin(const struct sched_config *cfg);
/* A choice among n, 0 if n is 1; past 256 alternatives the others are never chosen. `what` as in sched_decision. */
uint32_t decide(enum decision kind, uint32_t n, const char *what);
void decide_end(struct sched_result *out);

/* explore.c: its part of a run. */
void explore_begin(struct sched_explore *e);
uint32_t explore_decide(struct sched_explore *e, enum decision kind, uint32_t n);

/* The k-th ready task. */
struct sched_task *sim_ready(uint32_t k);

#endif
