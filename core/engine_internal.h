/* Inside the engine's outer face: processes, tasks, mappings. */
#ifndef CORE_ENGINE_INTERNAL_H
#define CORE_ENGINE_INTERNAL_H

#include "core/engine.h"
#include "core/ring/ring.h"

/* A mapping of a ring. It holds the ring's file. Mappings of one ring may have one address: each is unmapped by itself. */
struct engine_mapping {
	struct list node;
	void *addr;
	struct file *file;
};

struct engine_process {
	struct io_proc proc;
	struct list node; /* of all processes; under the engine's lock */
	struct mutex lock; /* protects mappings; nests outside of no lock but the file's and the memory's */
	struct list mappings;
};

/* What sched_local() is in a task of a process; NULL in the engine's own tasks. */
struct engine_task {
	struct engine_process *process;
	struct io_uring_task *tctx; /* from its start to its exit */
	struct sched_task *sched; /* NULL: adopted */
	sched_task_fn *fn;
	void *arg;
};

static inline struct engine_task *engine_self(void)
{
	struct engine_task *t = sched_local();

	ENSURE(t != NULL);
	return t;
}

/* Begin and end of a call: NULL when the process exits. */
static inline struct engine_task *engine_enter_call(void)
{
	struct engine_task *t = engine_self();

	return io_task_enter_kernel(t->tctx) ? t : NULL;
}

static inline void engine_leave_call(struct engine_task *t)
{
	io_task_leave_kernel(t->tctx);
}

/* After a run that ended stuck. */
void engine_abandon_processes(void);
void engine_abandon_words(void);

#endif
