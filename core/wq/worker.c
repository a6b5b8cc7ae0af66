/* Workers: their making, life and end, and the accounting of who runs.
 *
 * A worker counts in nr_running from its reservation on, except while it sleeps: in a blocking section of an item
 * (io_wq_worker_sleeping, io_wq_worker_running, called by the scheduler) or idle, which is one as well. */
#include <errno.h>
#include <stdlib.h>

#include "core/wq/internal.h"

/* ---- which task is a worker ---- */

/* A task's own pointer belongs to the engine, so workers are found by their task in a small table. */
#define NR_CURRENT 64

static struct {
	struct mutex lock;
	struct list workers; /* NULL next: not used yet */
} current[NR_CURRENT];

static unsigned int current_slot(const struct sched_task *t)
{
	return (unsigned int)(((uint64_t)(uintptr_t)t * 0x9e3779b97f4a7c15ull) >> 58);
}

static struct io_worker *io_worker_current(void)
{
	struct sched_task *self = sched_self();
	unsigned int slot = current_slot(self);
	struct io_worker *found = NULL;

	mutex_lock(&current[slot].lock);
	if (current[slot].workers.next) {
		list_for_each(node, &current[slot].workers) {
			struct io_worker *worker = list_entry(node, struct io_worker, current_node);

			if (worker->task == self)
				found = worker;
		}
	}
	mutex_unlock(&current[slot].lock);
	return found;
}

static void io_worker_set_current(struct io_worker *worker, bool on)
{
	unsigned int slot = current_slot(worker->task);

	mutex_lock(&current[slot].lock);
	if (!current[slot].workers.next)
		list_init(&current[slot].workers);
	if (on)
		list_add(&worker->current_node, &current[slot].workers);
	else
		list_del(&worker->current_node);
	mutex_unlock(&current[slot].lock);
}

void io_workers_forget(void)
{
	for (int i = 0; i < NR_CURRENT; i++) {
		mutex_init(&current[i].lock);
		list_init(&current[i].workers);
	}
}

struct io_wq *io_wq_current(void)
{
	struct io_worker *worker = io_worker_current();

	return worker ? worker->wq : NULL;
}

bool io_wq_worker_stopped(void)
{
	struct io_worker *worker = io_worker_current();

	return worker && io_wq_exiting(worker->wq);
}

/* ---- references, and the end of the task ---- */

static void io_worker_put(struct io_worker *worker)
{
	if (a32_sub(&worker->refs, 1) > 1)
		return;
	mutex_lock(&worker->wq->gone_lock);
	list_del(&worker->workers_node);
	mutex_unlock(&worker->wq->gone_lock);
	mutex_destroy(&worker->lock);
	free(worker);
}

/* Joins those that have finished. Each was on the list as the last thing it did, so this does not wait long. */
void io_wq_join_gone(struct io_wq *wq)
{
	if (a32_load(&wq->nr_gone) == 0)
		return;
	mutex_lock(&wq->gone_lock);
	while (!list_empty(&wq->gone)) {
		struct io_worker *worker = list_first(&wq->gone, struct io_worker, gone_node);

		list_del(&worker->gone_node);
		a32_sub(&wq->nr_gone, 1);
		mutex_unlock(&wq->gone_lock);
		sched_join(worker->task);
		io_worker_put(worker);
		mutex_lock(&wq->gone_lock);
	}
	mutex_unlock(&wq->gone_lock);
}

/* Until no worker is left. One that joins others is alive until it has. */
void io_wq_wait_workers(struct io_wq *wq)
{
	mutex_lock(&wq->gone_lock);
	wq->exit_waiter = sched_self();
	while (wq->nr_alive) {
		mutex_unlock(&wq->gone_lock);
		sched_park(SCHED_NEVER);
		mutex_lock(&wq->gone_lock);
	}
	mutex_unlock(&wq->gone_lock);
	io_wq_join_gone(wq);
}

/* gone_lock is held; once it is left the pool may be gone. */
static void io_wq_put_alive_locked(struct io_wq *wq)
{
	ENSURE_OP(wq->nr_alive, >, 0u);
	wq->nr_alive--;
	if (wq->exit_waiter)
		sched_unpark(wq->exit_waiter);
}

static void io_wq_put_alive(struct io_wq *wq)
{
	mutex_lock(&wq->gone_lock);
	io_wq_put_alive_locked(wq);
	mutex_unlock(&wq->gone_lock);
}

static void io_worker_exit(struct io_worker *worker)
{
	struct io_wq *wq = worker->wq;

	sched_set_hooks(NULL, NULL, NULL);
	io_worker_set_current(worker, false);
	if (wq->data.worker_end)
		wq->data.worker_end(wq->data.owner);
	mutex_lock(&wq->gone_lock);
	list_add_tail(&worker->gone_node, &wq->gone);
	a32_add(&wq->nr_gone, 1);
	io_wq_put_alive_locked(wq);
	mutex_unlock(&wq->gone_lock);
}

/* ---- who runs: each change of the count is noted by whose it is ---- */

static uint32_t io_running_add(struct io_worker *worker, struct sched_tally *part)
{
	uint32_t before = a32_add(&worker->acct->nr_running, 1);

	sched_tally_add(part, 1);
	return before;
}

static uint32_t io_running_sub(struct io_worker *worker, struct sched_tally *part)
{
	uint32_t before = a32_sub(&worker->acct->nr_running, 1);

	sched_tally_add(part, -1);
	return before;
}

/* ---- creation requests: a sleeping worker asks its owner for another one ---- */

static void io_workqueue_create(struct io_wq_delayed *d);

static void io_worker_end_create(struct io_worker *worker)
{
	a32_sub(&worker->acct->nr_creating, 1);
	io_worker_put(worker);
}

/* Gives back the count of the worker's request. The last one looks at the list as a worker that goes to sleep does:
 * somebody may have relied on it. */
static void io_acct_put_running(struct io_worker *worker)
{
	struct io_wq_acct *acct = worker->acct;
	struct io_worker *fresh = NULL;

	if (io_running_sub(worker, &worker->asked) != 1 || io_wq_exiting(acct->wq) || !io_acct_runnable(acct))
		return;
	mutex_lock(&acct->workers_lock);
	if (!io_acct_activate_free_worker(acct))
		fresh = io_acct_reserve_worker(acct, worker->node);
	mutex_unlock(&acct->workers_lock);
	if (fresh)
		create_io_worker(fresh, IO_WQ_BY_TASK_WORK);
}

/* In the owner's context. A free worker will do; the new one is reserved before the request's own count goes, so that
 * nr_running does not drop to 0 in between. */
static void create_worker_cb(struct io_wq_callback *cb)
{
	struct io_worker *worker = container_of(cb, struct io_worker, create_cb);
	struct io_wq_acct *acct = worker->acct;
	struct io_worker *fresh = NULL;

	a32_xchg(&worker->create_state, 0);
	mutex_lock(&acct->workers_lock);
	if (!io_acct_activate_free_worker(acct) && !io_wq_exiting(acct->wq))
		fresh = io_acct_reserve_worker(acct, worker->node);
	mutex_unlock(&acct->workers_lock);
	if (fresh)
		create_io_worker(fresh, IO_WQ_BY_TASK_WORK);
	io_acct_put_running(worker);
	io_worker_end_create(worker);
}

static bool match_worker(struct io_wq_callback *cb, void *arg)
{
	return cb == &((struct io_worker *)arg)->create_cb;
}

/* The request was withdrawn: nobody else will run it. */
static void io_worker_cancel_cb(struct io_wq_callback *cb)
{
	struct io_worker *worker = container_of(cb, struct io_worker, create_cb);

	a32_xchg(&worker->create_state, 0);
	io_running_sub(worker, &worker->asked);
	io_worker_end_create(worker);
}

/* nr_running counts the request already. */
static void io_queue_worker_create(struct io_worker *worker)
{
	struct io_wq *wq = worker->wq;

	if (io_wq_exiting(wq) || a32_xchg(&worker->create_state, 1)) {
		io_running_sub(worker, &worker->asked);
		return;
	}
	a32_add(&worker->refs, 1);
	a32_add(&worker->acct->nr_creating, 1);
	if (!wq->data.queue_creation(wq->data.owner, &worker->create_cb))
		io_worker_cancel_cb(&worker->create_cb);
}

/* ---- the hooks ---- */

/* Lowers nr_running first and looks at the list after that; see internal.h. An idle worker needs no look: it is on the
 * free list. */
static void io_wq_dec_running(struct io_worker *worker)
{
	struct io_wq_acct *acct = worker->acct;
	bool wanted;

	if (io_running_sub(worker, &worker->running) != 1 || !worker->cur_work)
		return;
	mutex_lock(&acct->lock);
	wanted = !acct->stalled && !list_empty(&acct->work_list) && !io_wq_hash_defer(worker);
	mutex_unlock(&acct->lock);
	if (!wanted)
		return;
	io_running_add(worker, &worker->asked);
	io_queue_worker_create(worker);
}

static void io_wq_worker_sleeping(void *arg)
{
	struct io_worker *worker = arg;

	if (worker->up && sched_tally_read(&worker->running))
		io_wq_dec_running(worker);
}

static void io_wq_worker_running(void *arg)
{
	struct io_worker *worker = arg;

	if (worker->up && !sched_tally_read(&worker->running))
		io_running_add(worker, &worker->running);
}

/* ---- work ---- */

/* The notification belongs to the item that was current, so it goes with it. */
void io_worker_assign_locked(struct io_worker *worker, struct io_wq_work *work)
{
	mutex_assert_held(&worker->lock);
	if (work)
		sched_clear_notify();
	worker->cur_work = work;
}

static void __io_worker_busy(struct io_worker *worker)
{
	if (!worker->idle)
		return;
	worker->idle = false;
	mutex_lock(&worker->acct->workers_lock);
	list_del(&worker->free_node);
	mutex_unlock(&worker->acct->workers_lock);
}

/* A pool that exits executes what it has taken, cut short: what may wait for ever is cancelled before it starts, and the
 * rest runs with a notification pending, for the exit's own came too early to end a sleep that starts now. */
static void io_worker_run(struct io_worker *worker, struct io_wq_work *work)
{
	struct io_wq *wq = worker->wq;

	if (io_wq_exiting(wq)) {
		if (a32_load(&work->flags) & IO_WQ_WORK_UNBOUND)
			a32_or(&work->flags, IO_WQ_WORK_CANCEL);
		sched_notify(sched_self());
	}
	wq->data.do_work(work);
}

/* Lets go of the current item; returns the one to run next: of the same chain, else the follower of the old one, here and
 * now whatever its account. A hashed follower has to queue. */
static struct io_wq_work *io_worker_next(struct io_worker *worker, struct io_wq_work *work)
{
	struct io_wq *wq = worker->wq;
	struct io_wq_work *linked, *next = NULL;

	mutex_lock(&worker->lock);
	io_worker_assign_locked(worker, NULL);
	mutex_unlock(&worker->lock);
	linked = wq->data.free_work(work);

	if (!list_empty(&worker->taken)) {
		next = io_work_of(worker->taken.next);
	} else if (linked && !io_wq_is_hashed(linked)) {
		next = linked;
		linked = NULL;
	}
	if (next) {
		mutex_lock(&worker->lock);
		if (!list_empty(&worker->taken))
			list_del(worker->taken.next);
		io_worker_assign_locked(worker, next);
		mutex_unlock(&worker->lock);
	}
	if (linked)
		io_wq_enqueue(wq, linked);
	if (worker->hash >= 0 && (!next || !io_wq_is_hashed(next)))
		io_wq_release_hash(worker);
	return next;
}

/* acct->lock is held if this returns true. */
static bool io_acct_run_queue(struct io_wq_acct *acct)
{
	mutex_lock(&acct->lock);
	if (!acct->stalled && !list_empty(&acct->work_list))
		return true;
	mutex_unlock(&acct->lock);
	return false;
}

/* Until there is nothing this worker could do. acct->lock is held at the start and not at the end. */
static void io_worker_handle_work(struct io_worker *worker)
{
	struct io_wq_acct *acct = worker->acct;
	struct io_wq_work *work;

	do {
		work = io_get_next_work(worker);
		mutex_unlock(&acct->lock);
		if (!work)
			return;
		__io_worker_busy(worker);
		do {
			io_worker_run(worker, work);
			work = io_worker_next(worker, work);
		} while (work);
	} while (io_acct_run_queue(acct));
}

/* ---- idle, and leaving ---- */

/* Its own request is withdrawn; if the owner runs it right now, that looks after itself. */
static void io_worker_withdraw(struct io_worker *worker)
{
	struct io_wq_data *data = &worker->wq->data;
	struct io_wq_callback *cb;

	if (!a32_load(&worker->create_state))
		return;
	cb = data->withdraw_creation(data->owner, match_worker, worker);
	if (cb)
		io_worker_cancel_cb(cb);
}

static void io_worker_off_lists(struct io_worker *worker)
{
	struct io_wq_acct *acct = worker->acct;

	mutex_assert_held(&acct->workers_lock);
	list_del(&worker->free_node);
	list_del(&worker->all_node);
	worker->idle = worker->up = false;
	acct->ceiling = acct->nr_workers > acct->max_workers ? acct->nr_workers : acct->max_workers;
}

/* Does the caller, a worker, run where the pool's workers are not to? */
static bool io_worker_outside(struct io_wq *wq)
{
	unsigned int cpu;
	bool inside;

	if (!a32_load(&wq->pinned))
		return false;
	cpu = sched_cpu();
	mutex_lock(&wq->cpus_lock);
	inside = cpu >= SCHED_CPUS || sched_cpus_has(&wq->cpus, cpu);
	mutex_unlock(&wq->cpus_lock);
	return !inside;
}

static void io_worker_pin(struct io_wq *wq)
{
	struct sched_cpus cpus;

	if (!a32_load(&wq->pinned))
		return;
	mutex_lock(&wq->cpus_lock);
	cpus = wq->cpus;
	mutex_unlock(&wq->cpus_lock);
	sched_set_cpus(&cpus); /* without effect if there is none left of them */
}

/* Leaves for lack of work, unless it is the last or work is pending. It stops counting first and looks after that, with
 * workers_lock held throughout: whoever enqueues later finds it neither free nor running and room for a new one. */
static bool io_worker_retire(struct io_worker *worker)
{
	struct io_wq_acct *acct = worker->acct;
	bool all_leave = (a32_load(&acct->wq->state) & IO_WQ_EXIT_ON_IDLE) || io_worker_outside(acct->wq);
	bool leave;

	io_worker_withdraw(worker);
	mutex_lock(&acct->workers_lock);
	leave = all_leave || acct->nr_workers > 1;
	if (leave) {
		acct->nr_workers--;
		io_running_sub(worker, &worker->running);
		mutex_lock(&acct->lock);
		leave = list_empty(&acct->work_list);
		mutex_unlock(&acct->lock);
		if (leave) {
			io_worker_off_lists(worker);
		} else {
			acct->nr_workers++;
			io_running_add(worker, &worker->running);
		}
	}
	mutex_unlock(&acct->workers_lock);
	if (leave)
		io_wq_join_gone(acct->wq);
	return leave;
}

/* The pool exits. */
static void io_worker_leave(struct io_worker *worker)
{
	struct io_wq_acct *acct = worker->acct;

	io_worker_withdraw(worker);
	mutex_lock(&acct->workers_lock);
	acct->nr_workers--;
	io_worker_off_lists(worker);
	mutex_unlock(&acct->workers_lock);
	io_running_sub(worker, &worker->running);
}

/* Goes to the head of the free list: the worker that ran last is the first to be woken. Returns how many there are. */
static unsigned int io_worker_idle(struct io_worker *worker)
{
	struct io_wq_acct *acct = worker->acct;
	unsigned int nr_workers;

	mutex_lock(&acct->workers_lock);
	if (!worker->idle)
		list_add(&worker->free_node, &acct->free_list);
	nr_workers = acct->nr_workers;
	mutex_unlock(&acct->workers_lock);
	worker->idle = true;
	return nr_workers;
}

/* Sleeps on the free list; true: too long. The last worker of an account sleeps for ever, and so does one that was not
 * allowed to leave (`stay`): whoever changes that wakes it. The kernel's wakes up every five seconds and sleeps again,
 * which nobody can tell, but a simulation would never come to rest. A wake-up for nothing does not start the time anew. */
static bool io_worker_sleep(struct io_worker *worker, bool stay)
{
	struct io_wq *wq = worker->wq;
	bool alone = io_worker_idle(worker) == 1 && !io_worker_outside(wq);
	bool woken = true;
	uint32_t state;

	if (!worker->deadline)
		worker->deadline = sched_now() + wq->idle_timeout;
	sched_block_begin();
	state = a32_load(&wq->state);
	if (!io_acct_runnable(worker->acct) && !(state & IO_WQ_EXIT) && (stay || !(state & IO_WQ_EXIT_ON_IDLE)))
		woken = sched_park(alone || stay ? SCHED_NEVER : worker->deadline);
	sched_block_end();
	return !woken;
}

static void io_wq_worker(void *arg)
{
	struct io_worker *worker = arg;
	struct io_wq_acct *acct = worker->acct;
	struct io_wq *wq = worker->wq;
	bool timed_out = false, retired = false, stay;

	if (wq->data.worker_start)
		wq->data.worker_start(wq->data.owner);
	io_worker_pin(wq);
	io_worker_set_current(worker, true);
	sched_set_hooks(io_wq_worker_sleeping, io_wq_worker_running, worker);
	io_wq_join_gone(wq);

	while (!io_wq_exiting(wq)) {
		stay = false;
		while (io_acct_run_queue(acct)) {
			io_worker_handle_work(worker);
			worker->deadline = 0;
			timed_out = false;
		}
		if (timed_out || (a32_load(&wq->state) & IO_WQ_EXIT_ON_IDLE)) {
			retired = io_worker_retire(worker);
			if (retired)
				break;
			stay = true;
			worker->deadline = 0;
		}
		timed_out = io_worker_sleep(worker, stay);
	}
	if (!retired) {
		if (io_acct_run_queue(acct))
			io_worker_handle_work(worker);
		io_worker_leave(worker);
	}
	io_worker_exit(worker);
}

/* ---- creation ---- */

/* Counted and running at once, so that whoever looks for somebody to rely on finds this one. */
struct io_worker *io_acct_reserve_worker(struct io_wq_acct *acct, unsigned int node)
{
	struct io_wq *wq = acct->wq;
	struct io_worker *worker;

	mutex_assert_held(&acct->workers_lock);
	acct->want_more = acct->nr_workers >= acct->max_workers;
	if (acct->want_more)
		return NULL;
	worker = calloc(1, sizeof(*worker));
	ENSURE(worker);
	worker->wq = wq;
	worker->acct = acct;
	worker->node = node;
	a32_store(&worker->refs, 1);
	mutex_init(&worker->lock);
	list_init(&worker->taken);
	worker->hash = -1;
	worker->up = true;
	worker->retry.run = io_workqueue_create;
	list_init(&worker->create_cb.node);
	list_init(&worker->all_node);
	list_init(&worker->free_node);
	list_init(&worker->gone_node);
	acct->nr_workers++;
	acct->nr_starting++;
	mutex_lock(&wq->gone_lock);
	list_add(&worker->workers_node, &wq->workers);
	wq->nr_alive++;
	mutex_unlock(&wq->gone_lock);
	io_running_add(worker, &worker->running);
	return worker;
}

/* The thread is there and does not run: nobody can miss the worker between its being findable and its first look. */
static void io_init_new_worker(struct io_worker *worker, struct sched_task *task)
{
	struct io_wq_acct *acct = worker->acct;

	mutex_lock(&acct->workers_lock);
	worker->task = task;
	worker->idle = true;
	worker->create_cb.run = create_worker_cb;
	acct->nr_starting--;
	list_add(&worker->all_node, &acct->all_list);
	list_add(&worker->free_node, &acct->free_list);
	mutex_unlock(&acct->workers_lock);
	sched_start(task);
}

/* No thread could be made. Work that has no worker left cannot stay: it ends cancelled. Otherwise those that are there
 * will come to it. Its count goes first: whoever relied on that inserted before. (The kernel cancels all pending work
 * after a retry only, and else the item that was just queued.) The pool may be gone when it returns. */
static void io_worker_not_created(struct io_worker *worker)
{
	struct io_wq_acct *acct = worker->acct;
	struct io_wq *wq = worker->wq;
	bool last;

	mutex_lock(&acct->workers_lock);
	acct->nr_workers--;
	acct->nr_starting--;
	acct->want_more = true;
	acct->ceiling = acct->nr_workers > acct->max_workers ? acct->nr_workers : acct->max_workers;
	mutex_unlock(&acct->workers_lock);
	io_running_sub(worker, &worker->running);
	mutex_lock(&acct->workers_lock);
	last = acct->nr_workers == 0;
	mutex_unlock(&acct->workers_lock);
	if (last)
		io_acct_cancel_all_pending(acct);
	io_worker_put(worker);
	io_wq_put_alive(wq);
}

/* The errors of a creation that was interrupted; user space never sees them. */
enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513, ERESTARTNOHAND = 514 };

static bool io_should_retry_thread(struct io_worker *worker, int err)
{
	static const int passing[] = { EAGAIN, ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND };

	if (io_wq_exiting(worker->wq) || worker->init_retries++ >= WORKER_INIT_LIMIT)
		return false;
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (err == -passing[i])
			return true;
	return false;
}

/* Up to 6.1 a pool had lists, limits and workers for each node, and whoever queued used those of the node it ran on; since
 * then it has one of each. The place is what is left: thread and stack are where the work came from, unless processors are
 * registered, which may be anywhere. Who is woken for later work is whoever is free. */
static unsigned int io_worker_place(struct io_worker *worker)
{
	return worker->node == SCHED_NO_NODE || a32_load(&worker->wq->pinned) ? SCHED_NO_NODE : worker->node;
}

void create_io_worker(struct io_worker *worker, enum io_wq_origin origin)
{
	struct io_wq_data *data = &worker->wq->data;
	struct sched_task *task;
	int err = sched_create_on(&task, worker->wq->worker_name, io_wq_worker, worker, io_worker_place(worker));

	if (data->created)
		data->created(data->owner, origin, worker->acct == &worker->wq->acct[IO_WQ_ACCT_UNBOUND], err);
	if (!err)
		io_init_new_worker(worker, task);
	else if (io_should_retry_thread(worker, err))
		data->delay(data->owner, &worker->retry, (uint64_t)worker->init_retries * WORKER_INIT_DELAY);
	else
		io_worker_not_created(worker);
}

/* In the owner's context: another try. */
static void create_worker_cont(struct io_wq_callback *cb)
{
	create_io_worker(container_of(cb, struct io_worker, create_cb), IO_WQ_BY_RETRY);
}

/* The delay is over: threads are the owner's to make. EXIT may be set after the look at it and before the request is with
 * the owner, when the exit has already looked for requests. */
static void io_workqueue_create(struct io_wq_delayed *d)
{
	struct io_worker *worker = container_of(d, struct io_worker, retry);
	struct io_wq *wq = worker->wq;

	mutex_lock(&wq->gone_lock);
	wq->nr_alive++;
	mutex_unlock(&wq->gone_lock);
	worker->create_cb.run = create_worker_cont;
	if (io_wq_exiting(wq) || !wq->data.queue_creation(wq->data.owner, &worker->create_cb))
		io_worker_not_created(worker);
	else if (io_wq_exiting(wq))
		io_wq_cancel_tw_create(wq);
	io_wq_put_alive(wq);
}

static bool match_pool(struct io_wq_callback *cb, void *arg)
{
	return container_of(cb, struct io_worker, create_cb)->wq == arg;
}

void io_wq_cancel_tw_create(struct io_wq *wq)
{
	struct io_wq_callback *cb;

	while ((cb = wq->data.withdraw_creation(wq->data.owner, match_pool, wq))) {
		if (cb->run == create_worker_cont)
			io_worker_not_created(container_of(cb, struct io_worker, create_cb));
		else
			io_worker_cancel_cb(cb);
	}
}
