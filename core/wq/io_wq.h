/* io-wq: the worker pool of a task. It knows work items, never requests.
 *
 * One io_wq per task that uses rings. Two accounts, bounded and unbounded, each with a limit, counts, a FIFO list of
 * pending work, a list of free workers and one of all. Hashed work of one bucket runs in order, one at a time.
 *
 * A work item:
 *
 *	          io_wq_enqueue                 io_get_next_work            do_work
 *	  (owner) ------------> PENDING (list) ----------------> TAKEN -> CURRENT -> (owner, by free_work)
 *	                          |   cancel: unlinked, CANCEL set, do_work in the canceller's context
 *
 * TAKEN and CURRENT are visible to io_wq_cancel_cb without a gap. A follower that free_work returns is the worker's next
 * current item; until it is that, a cancel does not find it, as it did not find it while it was the owner's.
 *
 * A worker:
 *
 *	  io_acct_reserve_worker         io_init_new_worker      work taken          list empty
 *	  ----------------------> STARTING ----------------> FREE ---------> BUSY ----------------> FREE
 *	   counted, no thread yet    |  ^                     | 5 s idle and not the last, or on a processor outside of
 *	            no thread made:  |  | 5, 10, 15 ms later  | the pool's, or EXIT_ON_IDLE, or EXIT
 *	                             v  |                     v
 *	                           RETRY (three times;       LEAVING, GONE (nr_workers-- under the account's lock, the list
 *	                            then it is given up)      looked at once more)
 *
 * Behaviour follows 6.18's io_uring/io-wq.c with the later fixes; what differs is noted where the code chooses. */
#ifndef CORE_WQ_IO_WQ_H
#define CORE_WQ_IO_WQ_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"
#include "sched/sched.h"

enum {
	IO_WQ_WORK_CANCEL = 1,
	IO_WQ_WORK_HASHED = 2,
	IO_WQ_WORK_UNBOUND = 4,
	IO_WQ_WORK_CONCURRENT = 16,
	IO_WQ_HASH_SHIFT = 24, /* upper 8 bits are used for the bucket */
};

/* Who makes a worker: whoever queues an item, in that call (io_wq_enqueue), the submitter or a worker; the owner's task work,
 * asked by a worker that went to sleep (create_worker_cb); the same again, after a failure that may pass
 * (create_worker_cont). */
enum io_wq_origin { IO_WQ_BY_SUBMITTER, IO_WQ_BY_WORKER, IO_WQ_BY_TASK_WORK, IO_WQ_BY_RETRY };

enum io_wq_cancel { IO_WQ_CANCEL_OK, IO_WQ_CANCEL_RUNNING, IO_WQ_CANCEL_NOTFOUND };

struct io_wq_work {
	struct list node;
	struct atomic32 flags;
};

struct io_wq;

/* The hash map: buckets in use, and the pools that wait for one. Shared by the pools made through one ring. Counted. */
struct io_wq_hash;
struct io_wq_hash *io_wq_hash_new(void);
void io_wq_hash_put(struct io_wq_hash *h);

/* A creation request travels to the owner as one of these; run in the owner's context by its task work. */
struct io_wq_callback {
	struct list node;
	void (*run)(struct io_wq_callback *cb);
};

/* For owners, who keep them in a list: unlinks the first that match says true of, or the first if match is NULL. NULL:
 * there is none. The caller holds what protects the list. */
struct io_wq_callback *io_wq_take_callback(struct list *callbacks, bool (*match)(struct io_wq_callback *cb, void *arg),
					   void *arg);

/* Something to be done later. */
struct io_wq_delayed {
	void (*run)(struct io_wq_delayed *d);
};

/* What the pool needs of its owner; all are called without any of the pool's locks held. */
struct io_wq_data {
	struct io_wq_hash *hash; /* referenced by the pool */
	void *owner; /* passed back below */
	const char *owner_name; /* workers are called iou-wrk-<owner_name> */
	/* In a new worker, first thing: become a thread of the owner's process. The task's own pointer (sched_set_local) is
	 * the engine's; the pool does not use it. In a worker, last thing. Both may be NULL. */
	void (*worker_start)(void *owner);
	void (*worker_end)(void *owner);
	void (*do_work)(struct io_wq_work *work); /* issue; sees IO_WQ_WORK_CANCEL and completes -ECANCELED then */
	struct io_wq_work *(*free_work)(struct io_wq_work *work); /* drops the pool's reference; returns a follower */
	/* Hands cb to the owner's task work (TWA_SIGNAL), which unlinks it, then calls cb->run(cb); false: the owner is
	 * exiting. After run has been called cb may be handed over again, or be gone. */
	bool (*queue_creation)(void *owner, struct io_wq_callback *cb);
	/* Withdraws a queued cb the match says yes to; returns it or NULL. */
	struct io_wq_callback *(*withdraw_creation)(void *owner, bool (*match)(struct io_wq_callback *cb, void *arg),
						    void *arg);
	/* A thread was made for a worker, or err: it was not. For tracing alone; may be NULL. */
	void (*created)(void *owner, enum io_wq_origin origin, bool unbound, int err);
	/* Calls d->run(d) once, `ns` from now, in any task and with no lock held that the pool or its callbacks may want. The
	 * pool does not end before that. */
	void (*delay)(void *owner, struct io_wq_delayed *d, uint64_t ns);
};

/* bounded, unbounded: the limits. 0 or -ENOMEM. */
int io_wq_create(struct io_wq **out, unsigned int bounded, unsigned int unbounded, const struct io_wq_data *data);

/* Marks work as hashed by key (any number naming the object); call before enqueue. */
void io_wq_hash_work(struct io_wq_work *work, uint32_t key);
bool io_wq_is_hashed(const struct io_wq_work *work);

/* By the owner or by a worker of the pool; a lock of the caller's may be held (a thread may be made meanwhile, nothing is
 * waited for). When it returns, work may be done and gone. */
void io_wq_enqueue(struct io_wq *wq, struct io_wq_work *work);

/* cancel_cb: pending work that matches is completed cancelled at once in the caller's context (do_work with CANCEL, then
 * free_work); running work is flagged CANCEL and its worker notified. all: every match, else the first. match runs under
 * a lock of the pool and must not take one that nests outside it. */
typedef bool io_wq_match_fn(struct io_wq_work *work, void *data);
enum io_wq_cancel io_wq_cancel_cb(struct io_wq *wq, io_wq_match_fn *match, void *data, bool all);

/* Limits: values of 0 leave as is; previous limits are written back. */
void io_wq_max_workers(struct io_wq *wq, unsigned int count[2]);

/* The processors of workers that are made from now on; those that are there leave when they have idled too long, the last
 * one as well, if they are on another then. NULL: all. -EINVAL: the process may not use one of them. */
int io_wq_cpu_affinity(struct io_wq *wq, const struct sched_cpus *cpus);

/* The task's last ring went away / one came back: idle workers leave at once. */
void io_wq_set_exit_on_idle(struct io_wq *wq, bool enable);

/* Exit, two phases: start forbids creation; put_and_exit signals every worker, waits until all are gone, cancels what
 * is still pending, frees the pool. Both by the owner. */
void io_wq_exit_start(struct io_wq *wq);
void io_wq_put_and_exit(struct io_wq *wq);

/* Is the caller a worker (of any pool)? Its pool, or NULL. */
struct io_wq *io_wq_current(void);
/* True when the current worker's work has been told to stop (its pool exits): io_wq_worker_stopped(). */
bool io_wq_worker_stopped(void);

/* After a simulated run that ended stuck: frees all pools and hash maps of the process; their workers are gone. */
void io_wq_abandon_all(void);

/* Readable picture of the pool: accounts, lists, buckets, workers and what each does. A failing ENSURE prints that of every
 * pool there is. */
struct text;
void io_wq_dump(struct io_wq *wq, struct text *out);
/* Those of all pools, on stderr, whatever locks are held: within sched_still() on sim, and not on threads. */
void io_wq_dump_all(void);
/* The numbered invariants of the pool (see inspect.c); asserts. They hold at any time; the caller holds no lock of the
 * pool. */
void io_wq_check(struct io_wq *wq);
/* For sched_set_step: those of all pools, as far as their locks are free, and what holds between two steps only. */
void io_wq_check_step(void *unused);

#endif
