/* The seam between the engine and what schedules it.
 *
 * core is compiled twice, once against each back end:
 *   sim/      every task is a fiber on one OS thread; time is virtual; every choice is drawn from one decision stream
 *   threads/  every task is a pthread; time is CLOCK_MONOTONIC
 * Both provide "sched/sched.h" (found by include path), which includes this header and adds, as static inline
 * functions, the mutex and the atomics below. Nothing outside core/sched asks which one it runs on.
 *
 * From sched/sched.h:
 *
 *   struct mutex;                               not recursive; may be held across no park
 *   MUTEX_INIT
 *   void mutex_init(struct mutex *m);           void mutex_destroy(struct mutex *m);  asserts that it is free
 *   void mutex_lock(struct mutex *m);           void mutex_unlock(struct mutex *m);
 *   bool mutex_trylock(struct mutex *m);        false: somebody has it, perhaps the caller
 *   void mutex_assert_held(struct mutex *m);    by the calling task
 *
 *   struct atomic32, struct atomic64            shared words. On sim every access is a point where others may run
 *   ATOMIC_INIT(v)
 *   uintN_t aN_load(p)          seq_cst         void aN_store(p, v)       release
 *   uintN_t aN_add(p, v)        seq_cst, returns the OLD value; aN_sub, aN_or, aN_and likewise
 *   uintN_t aN_xchg(p, v)       seq_cst, old value
 *   bool    aN_cas(p, uintN_t *expect, v)       seq_cst, strong; on failure *expect is what was there
 *   void    fence_full(void)                    the smp_mb() of store-then-load protocols
 *           "any of the read-modify-writes, then aN_load" is ordered without it; "aN_store, then aN_load" is not. It
 *           orders and publishes nothing: what the other side reads is published by releases and acquires
 *   uint32_t shm_load32(const uint32_t *p)      acquire load of a word shared with user space (ring heads and tails)
 *   void shm_store32(uint32_t *p, uint32_t v)   release store of such a word
 */
#ifndef CORE_SCHED_SEAM_H
#define CORE_SCHED_SEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched_task;
typedef void sched_task_fn(void *arg);

#define SCHED_NEVER UINT64_MAX

/* Starts a task. `name` is copied (15 characters). 0 and *out, or -EAGAIN when no thread could be made. The task must
 * be joined exactly once, which frees it. Stacks are small (64 KiB on sim): nothing large lives on them. */
int sched_spawn(struct sched_task **out, const char *name, sched_task_fn *fn, void *arg);
void sched_join(struct sched_task *t);

/* spawn in two steps: the task is there, and runs when it is started, which must be done once. What it is told before
 * that (unpark, notify) it finds when it runs. */
int sched_create(struct sched_task **out, const char *name, sched_task_fn *fn, void *arg);
void sched_start(struct sched_task *t);

/* For tests: of the next tasks, the first `n` whose names begin with `prefix` cannot be made; spawn and create say `err`
 * (-errno). Replaces what was asked before; n 0: all can. */
void sched_fail_spawns(const char *prefix, uint32_t n, int err);

struct sched_task *sched_self(void);
const char *sched_name(const struct sched_task *t);

/* One pointer of the task's own, NULL at first; the engine keeps "which process, which io-wq" behind it. */
void *sched_local(void);
void sched_set_local(void *p);

/* Nanoseconds: virtual on sim (from 0, moves only when nothing can run, or by sched_advance), CLOCK_MONOTONIC on
 * threads. */
uint64_t sched_now(void);

/* Lets time pass as if the caller had computed for so long: tasks whose deadline is passed wake. Nothing on threads,
 * where time passes by itself. */
void sched_advance(uint64_t ns);

/* Park and unpark: one token per task. park consumes the token, waiting for it until `deadline` (a sched_now() time, or
 * SCHED_NEVER); true: the token was there, false: the deadline passed. unpark sets the token and never blocks. A park
 * may return true without a matching unpark (spuriously, and on sim by decision): callers loop over their condition. */
bool sched_park(uint64_t deadline);
void sched_unpark(struct sched_task *t);

/* On sim all calls from spawn to sched_point are scheduling points, except those that only ask the caller about itself,
 * and so are a mutex taken, a mutex released and every atomic access. errno is kept over all of them. */

/* The kernel's TIF_NOTIFY_SIGNAL: a flag on a task that ends its interruptible sleep. notify sets it and unparks. */
void sched_notify(struct sched_task *t);
bool sched_notified(void); /* of the caller */
void sched_clear_notify(void); /* ordered before the loads that follow: clear, then look for work */

/* A blocking section: between begin and end the task counts as asleep, as a PF_IO_WORKER in schedule() does. The hooks
 * are called by begin (sleeping) and end (running), in the task itself; a task without hooks has none called. Sections
 * do not nest. */
typedef void sched_hook_fn(void *arg);
void sched_set_hooks(sched_hook_fn *sleeping, sched_hook_fn *running, void *arg);
void sched_block_begin(void);
void sched_block_end(void);

/* Processors. On sim there are two unless the run says otherwise, dealt out to the tasks in turn; on threads, the
 * machine's. A set is what the caller may run on until its task ends; the set of all is what the process was started
 * with. */
#define SCHED_CPUS 1024
struct sched_cpus {
	uint64_t bits[SCHED_CPUS / 64];
};
static inline bool sched_cpus_has(const struct sched_cpus *cpus, unsigned int cpu)
{
	return cpus->bits[cpu / 64] >> cpu % 64 & 1;
}
static inline struct sched_cpus sched_only_cpu(unsigned int cpu)
{
	struct sched_cpus one = { { 0 } };

	one.bits[cpu / 64] = 1ull << cpu % 64;
	return one;
}
/* One more than the highest of them; 0: there is none. */
static inline unsigned int sched_cpus_end(const struct sched_cpus *cpus)
{
	unsigned int end = SCHED_CPUS;

	while (end > 0 && !sched_cpus_has(cpus, end - 1))
		end--;
	return end;
}
void sched_all_cpus(struct sched_cpus *out);
int sched_set_cpus(const struct sched_cpus *cpus); /* of the caller; 0, or -EINVAL: there is none of them */
unsigned int sched_cpu(void); /* where the caller runs; on threads it may be elsewhere by now */

/* NUMA nodes: numbers below sched_nr_nodes(), each with the processors it has. On sim they are the run's (sched_config), on
 * threads the machine's, as libnuma knows them. Where there is one, nobody needs to ask anything else. */
#define SCHED_NODES 64
#define SCHED_NO_NODE UINT32_MAX
unsigned int sched_nr_nodes(void); /* at least 1 */
unsigned int sched_node(void); /* of the processor where the caller runs */

/* sched_create() of a task that belongs on a node: its stack is memory of the node, and it runs on those of the node's
 * processors that the process may use, until it says otherwise (sched_set_cpus). As sched_create() if there are none, and
 * for SCHED_NO_NODE. */
int sched_create_on(struct sched_task **out, const char *name, sched_task_fn *fn, void *arg, unsigned int node);
unsigned int sched_stack_node(void); /* where the caller's stack was put; SCHED_NO_NODE: wherever it came to lie */

/* For tests, on sim: fn is called after every step of a run, that is before each scheduling point, and sees all of memory
 * as it is between two steps. It may look, and take what mutex_trylock gives it; nobody else runs meanwhile, and no
 * choice is made. NULL: nobody. Nothing on threads, where there is no such moment. Not during a run. */
void sched_set_step(void (*fn)(void *arg), void *arg);

/* Calls fn here and now as such a step's end would: on sim nobody else runs meanwhile, and no choice is made. On threads
 * it is only called. */
void sched_still(void (*fn)(void *arg), void *arg);

/* The program is about to abort: on sim nobody but the caller runs any more, whatever it calls. Nothing on threads. */
void sched_freeze(void);

/* A number kept for checks alone. It changes without a scheduling point, so on sim in one step with the operation before
 * it; on threads it is ordered with nothing. */
struct sched_tally {
	uint32_t n;
};

static inline void sched_tally_add(struct sched_tally *t, int32_t n)
{
	__atomic_fetch_add(&t->n, (uint32_t)n, __ATOMIC_RELAXED);
}

static inline uint32_t sched_tally_read(const struct sched_tally *t)
{
	return __atomic_load_n(&t->n, __ATOMIC_RELAXED);
}

/* A point where another task may run; `where` is a literal naming it in traces. Nothing on threads. */
void sched_point(const char *where);

/* A choice among n, from 1 to 256, that the real thing would leave to luck: on sim drawn from the decision stream, on
 * threads from a per-task generator seeded by sched_run's seed. `what`, a literal, names it in traces. */
uint32_t sched_choose(uint32_t n, const char *what);

/* Running: one schedule from start to end. On sim the calling OS thread becomes the scheduler and `fn` its first fiber,
 * named "main"; there is one simulator per process, and outside a run only what needs no other task works (mutexes,
 * atomics, sched_local). On threads fn is simply called. Every spawned task must have been joined when fn returns, and
 * runs do not nest. */
enum sched_strategy {
	SCHED_WALK, /* from the seed: it sets how often this run switches tasks and wakes sleepers for nothing */
	SCHED_REPLAY, /* the recorded choices; past their end choice 0 ("go on with the current task") */
	SCHED_EXPLORE, /* the next schedule of a search through all of them (sim/explore.h) */
};

/* One decision of a run, as the trace function sees it when it is made (on sim; threads have none): `self` took choice
 * `chosen` among `n`. */
struct sched_decision {
	uint64_t index, point, now;
	const struct sched_task *self;
	const char *what; /* the place: what sched_point or sched_choose was given, or "lock", "access", ... */
	uint32_t n, chosen;
	const struct sched_task *next; /* who goes on; NULL when that was not the question */
};
typedef void sched_trace_fn(void *arg, const struct sched_decision *d);

struct sched_explore;

struct sched_config {
	enum sched_strategy strategy;
	uint64_t seed;
	const uint8_t *decisions; /* REPLAY: nr_decisions choices, one byte each, modulo what there is */
	size_t nr_decisions;
	struct sched_explore *explore; /* EXPLORE */
	uint8_t *log; /* may be NULL: the choices made are written here, up to log_cap */
	size_t log_cap;
	/* sim's machine: so many NUMA nodes, each with so many processors, 64 in all at most; 0, 0: 1, 2 */
	unsigned int nodes, node_cpus;
	uint64_t max_points; /* 0: no limit. Past it the run is ended as SCHED_RUNAWAY */
	sched_trace_fn *trace; /* may be NULL; must not call into sched but for sched_name */
	void *trace_arg;
};

enum sched_end {
	SCHED_DONE, /* fn returned */
	SCHED_QUIESCENT, /* nothing can ever run again and fn has not returned; sim decides it exactly, at once */
	SCHED_RUNAWAY, /* max_points used up: a livelock */
};

struct sched_result {
	enum sched_end end;
	uint64_t points; /* scheduling points passed */
	uint64_t decisions; /* choices with more than one alternative; min(decisions, log_cap) are in the log */
	uint64_t switches;
	uint64_t hash; /* of every choice made; equal runs have equal hashes */
	char stuck[512]; /* QUIESCENT, RUNAWAY: each unfinished task, where it sleeps and its last sched_point */
};

/* After QUIESCENT or RUNAWAY the fibers are abandoned where they stand: what they own is lost, and only the arena of
 * the engine (engine.h) can be reset. Always 0 ends and SCHED_DONE on threads. */
void sched_run(const struct sched_config *cfg, sched_task_fn *fn, void *arg, struct sched_result *out);

#endif
