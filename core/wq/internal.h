/* Inside core/wq.
 *
 * Where a work item is, and who moves it:
 *
 *	           io_wq_insert_work            io_get_next_work                    io_worker_next
 *	 (owner) ---------------------> PENDING ----------------> TAKEN, CURRENT -----------------> FREED, back with the owner
 *	             |                  acct->work_list           worker->taken,      do_work, free_work
 *	             |                     |                      worker->cur_work
 *	             |                     | io_acct_cancel_pending_work
 *	             `---------------------'---> io_run_cancel: do_work with CANCEL in the canceller's context
 *	              CANCEL is set or the pool exits
 *
 *	An unhashed item is taken alone and becomes current at once. Of hashed items a whole bucket is taken; all but the
 *	first wait on worker->taken, in order. Both are visible to io_wq_cancel_running_work from the moment they leave
 *	the list, for a worker takes with acct->lock held.
 *
 * A worker:
 *
 *	 io_acct_reserve_worker            io_init_new_worker           io_wq_worker, work found
 *	 -----------------------> STARTING -------------------> FREE --------------------------> BUSY
 *	   counted, on no list     |    ^   thread made: on     |  ^                             |
 *	                no thread: |    |   both lists, woken   |  '-----------------------------'
 *	          create_io_worker v    | create_worker_cont    |      list empty: io_worker_idle
 *	                          RETRY-'                       |
 *	  io_workqueue_create      | used up, another error,    | idle too long, on another processor than it should be,
 *	  after 5, 10, 15 ms,      | or EXIT:                   | or EXIT_ON_IDLE: io_worker_retire; EXIT: io_worker_leave
 *	  then the owner's         | io_worker_not_created      v
 *	  task work                v                           LEAVING: on no list, not counted; picks up nothing any more
 *	                          GIVEN UP: not counted;        |
 *	                          work without a worker         v io_worker_exit
 *	                          is cancelled                 GONE: on wq->gone, to be joined by the next worker that starts
 *	                                                       or retires, or by the exit
 *
 * Pending work is never stranded. Whenever an item is on a list that is not stalled, one of these holds, or somebody is
 * between two steps that will make it hold:
 *	- a worker is on the free list with its wake-up under way (io_wq_enqueue inserts, then looks at the free list; an
 *	  idle worker enters the free list, then looks at the work list);
 *	- nr_running > 0: a worker that runs will look at the list before it sleeps, be it between two items (io_worker_idle,
 *	  io_worker_retire) or inside one (io_wq_dec_running), or a creation request is on its way, which looks as well
 *	  (io_acct_put_running), or a worker starts, which looks as its first thing, or is given up, and then whatever has no
 *	  worker is cancelled (io_worker_not_created). Each of them lowers nr_running first and looks after that;
 *	  io_wq_enqueue inserts first and reads nr_running after that;
 *	- nr_workers has reached the limit, or there was no thread, and all are blocked: they look when they are done.
 * A stalled list has only items of busy buckets. It has a free worker: the one that found it so, as nobody retires while
 * anything is pending.
 *
 * Locks, outermost first. None is held when a callback of io_wq_data is called, and none across a park.
 *
 *	hash->lock           the pools that wait for a bucket (hash->waiting, wq->hash_node)
 *	acct->workers_lock   nr_workers, nr_starting, max_workers, ceiling, want_more, free_list, all_list
 *	acct->lock           work_list, hash_tail, stalled
 *	worker->lock         cur_work, taken, hash. Only the worker itself writes them, so it reads them without
 *	wq->gone_lock        gone, workers, nr_alive, exit_waiter (innermost)
 *	wq->cpus_lock        cpus (innermost)
 *
 * Without locks: wq->state, wq->pinned, acct->nr_running, nr_creating, hash->map, worker->refs, create_state: atomics.
 * worker->up, idle, deadline are the worker's own; task, init_retries, node its maker's, until it is started. */
#ifndef CORE_WQ_INTERNAL_H
#define CORE_WQ_INTERNAL_H

#include "core/base/ensure.h"
#include "core/wq/io_wq.h"

enum { IO_WQ_ACCT_BOUND, IO_WQ_ACCT_UNBOUND, IO_WQ_ACCT_NR };
enum { IO_WQ_EXIT = 1, IO_WQ_EXIT_ON_IDLE = 2 }; /* bits of io_wq.state */

#define IO_WQ_NR_HASH_BUCKETS 64
#define WORKER_IDLE_TIMEOUT 5000000000u /* ns */
#define WORKER_INIT_LIMIT 3 /* retries */
#define WORKER_INIT_DELAY 5000000u /* ns, times the number of the retry */

struct io_wq_hash {
	struct list node; /* of all maps; under the registry's lock */
	struct atomic32 refs;
	struct atomic64 map; /* bit set: a worker of some pool holds the bucket */
	struct mutex lock;
	struct list waiting;
};

struct io_wq_acct {
	struct io_wq *wq;
	struct mutex workers_lock;
	unsigned int nr_workers;
	unsigned int max_workers;
	unsigned int ceiling; /* most workers there may be: more than max_workers after that was lowered */
	unsigned int nr_starting; /* of nr_workers: on no list yet */
	bool want_more; /* the last one wanted was not made: the limit was reached, or there was no thread */
	struct list free_list, all_list;

	struct mutex lock;
	struct list work_list;
	bool stalled; /* nothing on work_list can run until a bucket becomes free */
	struct io_wq_work *hash_tail[IO_WQ_NR_HASH_BUCKETS]; /* last pending item of each bucket */

	struct atomic32 nr_running; /* workers not asleep, and creation requests on their way */
	struct atomic32 nr_creating; /* the latter */
};

struct io_wq {
	struct list node; /* of all pools; under the registry's lock */
	struct atomic32 state;
	struct io_wq_data data;
	char worker_name[32];
	uint64_t idle_timeout; /* ns; set before the first enqueue */
	struct io_wq_acct acct[IO_WQ_ACCT_NR];
	struct list hash_node; /* on hash->waiting */

	struct mutex gone_lock;
	struct list workers; /* every struct io_worker of the pool, whatever its state */
	struct list gone; /* finished but not joined */
	struct atomic32 nr_gone; /* its length; a hint for those without the lock */
	unsigned int nr_alive; /* workers reserved and not gone, and calls that still look at the pool */
	struct sched_task *exit_waiter;

	struct mutex cpus_lock;
	struct sched_cpus cpus;
	struct atomic32
		pinned; /* cpus is not all there are; set after cpus is, so who sees it takes the lock and reads that */
};

struct io_worker {
	struct io_wq *wq;
	struct io_wq_acct *acct;
	struct atomic32 refs; /* one until it is joined, one for a creation request on its way */
	struct list all_node, free_node;
	struct list workers_node, gone_node;
	struct sched_task *task; /* set before it is on a list */
	unsigned int init_retries;
	/* Of who queued the work that it is made for; SCHED_NO_NODE: the machine has one. Its maker's. */
	unsigned int node;

	struct mutex lock;
	struct io_wq_work *cur_work;
	struct list taken; /* the rest of a hashed chain */
	int hash; /* the bucket it holds, or -1 */

	bool up, idle;
	struct sched_tally running, asked; /* its parts of acct->nr_running: of its own, and of its creation requests */
	uint64_t deadline; /* of idling; 0: not started */
	struct list current_node;

	struct atomic32
		create_state; /* 1: create_cb is with the owner. Pairs with itself: who makes it 1 hands the cb over */
	struct io_wq_callback create_cb;
	struct io_wq_delayed retry;
};

static inline bool io_wq_exiting(struct io_wq *wq)
{
	return a32_load(&wq->state) & IO_WQ_EXIT;
}

static inline unsigned int io_get_work_hash(uint32_t flags)
{
	return (flags >> IO_WQ_HASH_SHIFT) % IO_WQ_NR_HASH_BUCKETS;
}

static inline struct io_wq_work *io_work_of(struct list *node)
{
	return list_entry(node, struct io_wq_work, node);
}

/* io_wq.c */
bool io_acct_activate_free_worker(struct io_wq_acct *acct); /* workers_lock held */
bool io_acct_runnable(struct io_wq_acct *acct); /* has it pending work that is not stalled? */
/* All pools, if their list is free or (`must`) whether it is or not. */
void io_wq_for_each(void (*fn)(struct io_wq *wq), bool must);

/* hash.c */
void io_wq_insert_work(struct io_wq_acct *acct, struct io_wq_work *work, uint32_t flags); /* acct->lock held */
void io_wq_remove_pending(struct io_wq_acct *acct, struct io_wq_work *work); /* acct->lock held */
/* Next item that can run, made worker's current one with the rest of its chain; NULL: none, perhaps now stalled.
 * acct->lock is held, and may be left and taken again. */
struct io_wq_work *io_get_next_work(struct io_worker *worker);
void io_wq_release_hash(struct io_worker *worker); /* the chain is done */
bool io_wq_hash_defer(struct io_worker *worker); /* acct->lock held */
void io_wq_hash_forget(struct io_wq *wq); /* waits for no bucket any more */

/* worker.c */
/* workers_lock held; NULL: limit reached. node: see struct io_worker. */
struct io_worker *io_acct_reserve_worker(struct io_wq_acct *acct, unsigned int node);
void create_io_worker(struct io_worker *worker, enum io_wq_origin origin); /* starts a reserved one */
void io_worker_assign_locked(struct io_worker *worker, struct io_wq_work *work); /* worker->lock held */
void io_wq_join_gone(struct io_wq *wq);
void io_wq_cancel_tw_create(struct io_wq *wq); /* the creation requests that are with the owner */
void io_wq_wait_workers(struct io_wq *wq);
void io_workers_forget(void);

/* cancel.c */
void io_run_cancel(struct io_wq *wq, struct io_wq_work *work);
void io_acct_cancel_all_pending(struct io_wq_acct *acct);

/* inspect.c */
void io_wq_dump_on_failure(void);

/* What must hold in addition when nothing moves: every worker is idle or blocked inside an item. */
void io_wq_check_at_rest(struct io_wq *wq);

#endif
