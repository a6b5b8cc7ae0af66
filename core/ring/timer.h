/* One-shot timers of an engine process, the kernel's hrtimers as far as io_uring needs them.
 *
 *	  io_timer_start            timer_pass: deadline reached         the callback returns
 *	IDLE ------------> QUEUED ----------------------------> RUNNING --------------------> IDLE
 *	  ^                  |
 *	  `------------------' io_timer_try_to_cancel says 1; 0 when IDLE, -1 while RUNNING
 *
 * A callback runs in the timer task with no lock of this room held. While it runs, or after it, the timer may be freed:
 * it is not touched once the callback has begun. */
#ifndef CORE_RING_TIMER_H
#define CORE_RING_TIMER_H

#include <stdint.h>

#include "core/base/list.h"
#include "core/ring/daemon.h"

struct io_timer {
	struct list node;
	uint64_t deadline;
	void (*fn)(struct io_timer *t);
};

struct io_timer_base {
	struct mutex lock; /* protects queue and running; nests inside a ring's timeout_lock, and daemon.lock in it */
	struct list queue; /* by deadline; equal ones in order of arrival */
	struct io_timer *running;
	struct io_daemon daemon;
};

void io_timer_base_init(struct io_timer_base *base);
/* Stops the timer task; no timer may be queued. */
void io_timer_base_stop(struct io_timer_base *base);

/* A timer begins its life. The callback of one that had the same address may still be on its way out: it is nobody's. */
void io_timer_init(struct io_timer_base *base, struct io_timer *t, void (*fn)(struct io_timer *t));
void io_timer_start(struct io_timer_base *base, struct io_timer *t, uint64_t deadline);
int io_timer_try_to_cancel(struct io_timer_base *base, struct io_timer *t);

#endif
