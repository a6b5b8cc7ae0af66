/* What a process and a task are to the request layer.
 *
 * Task work of default rings is run for its task by one of two, never at once (run_lock):
 *	- the task itself: at the end of every engine call, in every wait of the engine, by chance at the begin of a call
 *	  and in engine_relax();
 *	- the poller of the process, while the task is in user mode, where the kernel would interrupt it.
 * No work is forgotten between them: whoever adds work first sets `pending`, then reads `mode`; the task first sets
 * `mode`, then reads `pending`. Both are read-modify-writes followed by loads, so one of the two sees the other.
 *
 *	            engine call begins
 *	IO_MODE_USER -----------------> IO_MODE_KERNEL       USER: the poller is kicked (not for COOP_TASKRUN)
 *	            <-----------------                       KERNEL: the task is notified, its sleep ends
 *	            engine call ends, nothing pending
 *
 * Locks, outermost first, of the whole room; those of core/file and core/wq where they come in:
 *
 *	tctx->run_lock          one runs the task's work
 *	ctx->uring_lock         submission, link chains, completion list, request cache, cancel table, drain
 *	proc->nodes_lock        who uses which ring; tctx->io_wq
 *	(locks of core/wq)
 *	(locks of core/file; wait_queue.lock of files and of ctx->poll_wq)
 *	ctx->completion_lock    the CQ and its overflow list
 *	ctx->timeout_lock       timeout lists; the link between a request and its linked timeout
 *	io_timer_base.lock
 *	tctx->lock              task work and creation requests of a task; its end
 *	ctx->work_lock          local task work of a DEFER_TASKRUN ring
 *	ctx->cq_wait.lock       who waits for CQEs
 *	proc->lock              tasks, rings that exit, fallback work
 *	io_daemon.lock          innermost, with io_mem.lock
 *
 * completion_lock and timeout_lock do not nest in each other. No lock is held across a park. */
#ifndef CORE_RING_TASK_H
#define CORE_RING_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/ensure.h"
#include "core/base/list.h"
#include "core/file/file.h"
#include "core/ring/daemon.h"
#include "core/ring/mem.h"
#include "core/ring/timer.h"
#include "core/wq/io_wq.h"
#include "sched/sched.h"

struct io_issue_def;
struct io_kiocb;
struct io_ring_ctx;

/* The engine has no processors to ask for: limits of io-wq are those of a machine with two, and of its usual
 * RLIMIT_NPROC, so that runs are equal everywhere. */
enum { IO_NR_CPUS = 2, IO_NR_PROC = 96365 };

struct io_proc {
	struct io_mem mem;
	const struct io_issue_def *ops; /* the opcode table; nr_ops rows */
	unsigned int nr_ops;
	struct fdtable *fds; /* until the last task has exited */
	struct atomic32 exiting; /* exit_group was called */

	struct mutex lock; /* protects what follows */
	struct list tasks; /* struct io_uring_task.node; alive */
	unsigned int nr_tasks;
	bool had_task;
	unsigned int nr_holds; /* others that still need the process's memory */
	struct list exiting_rings; /* struct io_ring_ctx.exit_node: given to the kworker */
	struct list fallback; /* struct io_kiocb.node: task work of tasks that are gone */
	unsigned int nr_rings; /* contexts not yet freed */
	struct sched_task *waiter; /* who waits for the last task and ring to go */

	struct mutex nodes_lock;
	struct io_timer_base timers;
	struct io_daemon kworker, poller;
};

enum { IO_MODE_USER, IO_MODE_KERNEL };
enum { IO_PENDING_WORK = 1, IO_PENDING_SIGNAL = 2 }; /* SIGNAL: interrupts user mode */

struct io_uring_task {
	struct io_proc *proc;
	char name[16];
	struct atomic32 refs; /* the task's own, one per request, one per ring whose submitter it is */
	struct atomic32 mode, pending;
	struct atomic32 tracked; /* requests that must not outlive the task */
	struct list node; /* proc->tasks, under proc->lock */
	bool told; /* under proc->lock: that the process exits */

	struct mutex run_lock; /* protects nothing by itself: held by whoever runs the task's work */

	struct mutex lock; /* protects what follows */
	struct list task_list; /* struct io_kiocb.node */
	struct list creations; /* struct io_wq_callback.node */
	struct sched_task *owner; /* NULL once it has exited */
	bool exiting; /* work goes to the kworker from now on */

	/* Under proc->nodes_lock: */
	struct list nodes; /* struct io_tctx_node.task_node */
	struct io_wq *io_wq; /* made by the first request that needs it */
	struct io_ring_ctx *first_ctx; /* the task's first ring while it is there: its pool shares that ring's hash map */
	unsigned int limits[2]; /* bounded, unbounded; set with the first ring, 0 before that */
	bool wq_gone; /* the task has exited */
	bool pinned; /* cpus is set: the processors of its workers */
	struct sched_cpus cpus;
};

/* A task uses a ring. On both lists, under proc->nodes_lock. */
struct io_tctx_node {
	struct list ctx_node, task_node;
	struct io_ring_ctx *ctx;
	struct io_uring_task *tctx;
};

void io_proc_init(struct io_proc *p, const struct io_issue_def *ops, unsigned int nr_ops);
/* Waits until all tasks have exited and all rings are gone, ends the engine's tasks, asserts that nothing is left. */
void io_proc_finish(struct io_proc *p);
/* Tells every task of p that the process exits: sleeps end. */
void io_proc_exit(struct io_proc *p);
/* proc->lock is held: wakes the waiter when it has nothing to wait for any more. */
void io_proc_wake_waiter(struct io_proc *p);

/* The calling scheduler task becomes a task of p. */
struct io_uring_task *io_task_new(struct io_proc *p, const char *name);
/* The exit of the task (exit.c): by itself. */
void io_task_exit(struct io_uring_task *tctx);
void io_task_get(struct io_uring_task *tctx);
void io_task_put(struct io_uring_task *tctx, unsigned int nr);

/* Every engine call is between these two. enter: false when the process exits. */
bool io_task_enter_kernel(struct io_uring_task *tctx);
void io_task_leave_kernel(struct io_uring_task *tctx);

/* Runs what is pending for the task; by the task or its poller. Returns how many items. */
unsigned int io_run_task_work(struct io_uring_task *tctx);
/* Something for the task to look at; tctx->lock is held. */
void io_task_kick(struct io_uring_task *tctx, uint32_t pending);

/* io-wq (iowq.c). */
int io_uring_add_tctx_node(struct io_ring_ctx *ctx, struct io_uring_task *tctx);
/* Ends the task's use of all rings, then its pool. */
void io_uring_clean_tctx(struct io_uring_task *tctx);
/* The task's pool, or NULL. It stays while the task does not exit. */
struct io_wq *io_task_wq(struct io_uring_task *tctx);
/* proc->nodes_lock held. */
void io_uring_del_tctx_node(struct io_tctx_node *node);

#endif
