/* For the tests of this room: an owner with task work, and items that log what happened to them. One pool at a time;
 * everything is in `o`. */
#ifndef CORE_WQ_TEST_OWNER_H
#define CORE_WQ_TEST_OWNER_H

#include <errno.h>

#include "core/base/check.h"
#include "core/base/prng.h"
#include "core/base/text.h"
#include "core/wq/internal.h"

#define MAX_ITEMS 64
#define NR_GATES 4
#define MS 1000000ull

enum kind {
	QUICK,
	GATED, /* sleeps until its gate is open, or it is notified */
	SPINS, /* likewise, but counts as running meanwhile */
	NAPS, /* sleeps for a while */
};

struct item {
	struct io_wq_work work;
	int id;
	enum kind kind;
	unsigned int gate;
	struct item *follower;
	/* under owner.lock */
	int result;
	unsigned int issued, freed;
	struct sched_task *ran_on, *waits;
	unsigned int cpu, node, stack_node; /* where it was issued */
};

struct owner {
	struct mutex lock; /* of everything here and in the items */
	struct sched_task *task;
	struct list callbacks;
	unsigned int nr_requests;
	struct io_wq *wq, *wq2;
	struct io_wq_hash *hash;
	bool open[NR_GATES];
	int end_opens; /* a gate that a leaving worker opens, or -1 */
	/* What is to be done later, by a task of its own that is made with the first. */
	struct {
		struct io_wq_delayed *what;
		uint64_t when;
	} delayed[8];
	unsigned int nr_delayed, nr_delays;
	uint64_t delays[8]; /* asked for, in order */
	struct sched_task *clock;
	bool stop_clock;
	unsigned int started; /* workers that have begun */
	struct item items[MAX_ITEMS];
	int log[MAX_ITEMS * 2]; /* ids in order of issue */
	unsigned int nr_log, nr_done;
	int in_bucket[IO_WQ_NR_HASH_BUCKETS]; /* items of it being executed */
	unsigned int made[IO_WQ_BY_RETRY + 1], not_made; /* workers, by who made them */
	unsigned int overlaps, running, max_running, bad_name;
};

extern struct owner o;

void begin(unsigned int bounded, unsigned int unbounded);
struct io_wq *new_pool(unsigned int bounded, unsigned int unbounded); /* one more, of the same owner and hash map */
void end_pool(struct io_wq *wq);
void end(void);

/* Enqueues item `id`. */
struct item *put(int id, enum kind kind, uint32_t flags);
struct item *put_hashed(int id, enum kind kind, uint32_t key);
int cancel(int id);
int cancel_all_from(int id); /* ids of at least that */

void open_gate(unsigned int gate);
bool waiting(int id); /* at its gate */
int result(int id); /* 1: not finished */
unsigned int nr_done(void);
unsigned int nr_workers(struct io_wq *wq, int acct);
void run_task_work(void);
void sleep_until(uint64_t when);

/* Lets everything come to rest and checks the invariants that hold then; on sim only, where "at rest" is a moment: time
 * moves when nobody can run. Whatever sleeps for a time does so until a multiple of TICK, and settle() looks in between. */
#define TICK 16u
void settle(void);

/* Sleeps as an owner does, with its task work run. On sim a condition that never comes ends the run as QUIESCENT. */
#define WAIT_FOR(cond)                                                                                                 \
	do {                                                                                                           \
		for (;;) {                                                                                             \
			run_task_work();                                                                               \
			if (cond)                                                                                      \
				break;                                                                                 \
			sched_park(SCHED_NEVER);                                                                       \
		}                                                                                                      \
	} while (0)

/* Likewise for a condition nobody announces. */
#define POLL_FOR(cond)                                                                                                 \
	do {                                                                                                           \
		for (int polls_ = 0; polls_ < 20000; polls_++) {                                                       \
			run_task_work();                                                                               \
			if (cond)                                                                                      \
				break;                                                                                 \
			sched_park(sched_now() + MS / 4);                                                              \
		}                                                                                                      \
		CHECK(cond);                                                                                           \
	} while (0)

extern bool time_is_virtual;

/* Runs fn(&seed) on the schedules of `seeds` seeds (fewer on threads, where a seed says little), and once, as seed 0,
 * without a switch that is not needed. */
void run_schedules(sched_task_fn *fn, unsigned int seeds);
/* The same on a machine of so many NUMA nodes with so many processors each; on threads on the one there is. */
void run_schedules_on(unsigned int nodes, unsigned int node_cpus, sched_task_fn *fn, unsigned int seeds);

#define SCHEDULES 300
/* The invariants are looked at after every step of so many of them, for that costs more than the steps do. */
#define STEPPED 1500u

#endif
