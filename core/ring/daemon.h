/* A task of the engine's own that an engine process has: made when first needed, parked while there is nothing to do. */
#ifndef CORE_RING_DAEMON_H
#define CORE_RING_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/sched.h"

struct io_daemon {
	struct mutex lock; /* protects what follows; innermost of the engine's locks but for the scheduler's own */
	struct sched_task *task;
	bool kicked, stop;
	/* Fixed. One pass over the work there is; returns when to look again without a kick, or SCHED_NEVER. */
	const char *name;
	uint64_t (*pass)(void *arg);
	void *arg;
};

void io_daemon_init(struct io_daemon *d, const char *name, uint64_t (*pass)(void *arg), void *arg);
/* There is work: makes the task if there is none, else wakes it. Never waits; locks may be held. */
void io_daemon_kick(struct io_daemon *d);
/* There is work, if there is a task. */
void io_daemon_kick_if_there(struct io_daemon *d);
/* Ends and joins the task, if there is one. Afterwards d is as before io_daemon_init. */
void io_daemon_stop(struct io_daemon *d);

#endif
