/* The pool: its making and end, enqueue, limits. Workers are in worker.c, the order of work in hash.c, cancelling in
 * cancel.c, the invariants in inspect.c; the picture of all of it in internal.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wq/internal.h"

/* All pools and maps, so that those of a run that ended stuck can be thrown away. */
static struct {
	struct mutex lock;
	struct list pools, hashes;
} registry = { MUTEX_INIT, LIST_INIT(registry.pools), LIST_INIT(registry.hashes) };

static void registry_add(struct list *node, struct list *head)
{
	mutex_lock(&registry.lock);
	list_add_tail(node, head);
	mutex_unlock(&registry.lock);
}

static void registry_del(struct list *node)
{
	mutex_lock(&registry.lock);
	list_del(node);
	mutex_unlock(&registry.lock);
}

void io_wq_for_each(void (*fn)(struct io_wq *wq), bool must)
{
	bool locked = mutex_trylock(&registry.lock);

	if (!locked && !must)
		return;
	list_for_each(node, &registry.pools)
		fn(list_entry(node, struct io_wq, node));
	if (locked)
		mutex_unlock(&registry.lock);
}

static __attribute__((constructor)) void io_wq_set_hook(void)
{
	ensure_set_hook(io_wq_dump_on_failure);
}

struct io_wq_hash *io_wq_hash_new(void)
{
	struct io_wq_hash *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	a32_store(&h->refs, 1);
	mutex_init(&h->lock);
	list_init(&h->waiting);
	registry_add(&h->node, &registry.hashes);
	return h;
}

void io_wq_hash_put(struct io_wq_hash *h)
{
	uint32_t before = a32_sub(&h->refs, 1);

	ENSURE_OP(before, >, 0u);
	if (before > 1)
		return;
	ENSURE(list_empty(&h->waiting));
	ENSURE_OP(a64_load(&h->map), ==, (uint64_t)0);
	registry_del(&h->node);
	mutex_destroy(&h->lock);
	free(h);
}

static void acct_init(struct io_wq_acct *acct, struct io_wq *wq, unsigned int max_workers)
{
	ENSURE_OP(max_workers, >, 0u);
	acct->wq = wq;
	mutex_init(&acct->workers_lock);
	acct->max_workers = acct->ceiling = max_workers;
	list_init(&acct->free_list);
	list_init(&acct->all_list);
	mutex_init(&acct->lock);
	list_init(&acct->work_list);
}

int io_wq_create(struct io_wq **out, unsigned int bounded, unsigned int unbounded, const struct io_wq_data *data)
{
	struct io_wq *wq = calloc(1, sizeof(*wq));

	if (!wq)
		return -ENOMEM;
	wq->data = *data;
	a32_add(&wq->data.hash->refs, 1);
	snprintf(wq->worker_name, sizeof(wq->worker_name), "iou-wrk-%.16s", data->owner_name);
	wq->idle_timeout = WORKER_IDLE_TIMEOUT;
	acct_init(&wq->acct[IO_WQ_ACCT_BOUND], wq, bounded);
	acct_init(&wq->acct[IO_WQ_ACCT_UNBOUND], wq, unbounded);
	list_init(&wq->hash_node);
	mutex_init(&wq->gone_lock);
	mutex_init(&wq->cpus_lock);
	sched_all_cpus(&wq->cpus);
	list_init(&wq->workers);
	list_init(&wq->gone);
	registry_add(&wq->node, &registry.pools);
	*out = wq;
	return 0;
}

/* ---- enqueue ---- */

/* Wakes the first free worker. One that is leaving is not on the list; one that has not begun finds the token. */
bool io_acct_activate_free_worker(struct io_wq_acct *acct)
{
	struct io_worker *worker;

	mutex_assert_held(&acct->workers_lock);
	if (list_empty(&acct->free_list))
		return false;
	worker = list_first(&acct->free_list, struct io_worker, free_node);
	sched_unpark(worker->task);
	return true;
}

bool io_acct_runnable(struct io_wq_acct *acct)
{
	bool runnable;

	mutex_lock(&acct->lock);
	runnable = !acct->stalled && !list_empty(&acct->work_list);
	mutex_unlock(&acct->lock);
	return runnable;
}

/* Makes one more worker unless the limit is reached, which is as good: those that are there will look. */
static void io_wq_create_worker(struct io_wq_acct *acct)
{
	unsigned int node = sched_nr_nodes() > 1 ? sched_node() : SCHED_NO_NODE;
	struct io_worker *worker;

	mutex_lock(&acct->workers_lock);
	worker = io_acct_reserve_worker(acct, node);
	mutex_unlock(&acct->workers_lock);
	if (worker)
		create_io_worker(worker, io_wq_current() ? IO_WQ_BY_WORKER : IO_WQ_BY_SUBMITTER);
}

void io_wq_enqueue(struct io_wq *wq, struct io_wq_work *work)
{
	uint32_t flags = a32_load(&work->flags);
	struct io_wq_acct *acct = &wq->acct[flags & IO_WQ_WORK_UNBOUND ? IO_WQ_ACCT_UNBOUND : IO_WQ_ACCT_BOUND];
	bool woken;

	if (io_wq_exiting(wq) || (flags & IO_WQ_WORK_CANCEL)) {
		io_run_cancel(wq, work);
		return;
	}
	mutex_lock(&acct->lock);
	io_wq_insert_work(acct, work, flags);
	acct->stalled = false;
	mutex_unlock(&acct->lock);
	/* From here on work may be done and gone. */

	mutex_lock(&acct->workers_lock);
	woken = io_acct_activate_free_worker(acct);
	mutex_unlock(&acct->workers_lock);
	if (!woken && ((flags & IO_WQ_WORK_CONCURRENT) || a32_load(&acct->nr_running) == 0))
		io_wq_create_worker(acct);
}

/* ---- limits ---- */

void io_wq_max_workers(struct io_wq *wq, unsigned int count[2])
{
	for (int i = 0; i < IO_WQ_ACCT_NR; i++) {
		struct io_wq_acct *acct = &wq->acct[i];
		unsigned int prev;

		mutex_lock(&acct->workers_lock);
		prev = acct->max_workers;
		if (count[i]) {
			acct->max_workers = count[i];
			acct->ceiling = acct->nr_workers > count[i] ? acct->nr_workers : count[i];
		}
		mutex_unlock(&acct->workers_lock);
		count[i] = prev;
	}
}

/* Those that sleep look anew at whether they may stay. */
static void io_wq_wake_free(struct io_wq *wq)
{
	for (int i = 0; i < IO_WQ_ACCT_NR; i++) {
		struct io_wq_acct *acct = &wq->acct[i];

		mutex_lock(&acct->workers_lock);
		list_for_each(node, &acct->free_list) {
			struct io_worker *worker = list_entry(node, struct io_worker, free_node);

			sched_unpark(worker->task);
		}
		mutex_unlock(&acct->workers_lock);
	}
}

void io_wq_set_exit_on_idle(struct io_wq *wq, bool enable)
{
	if (!enable)
		a32_and(&wq->state, ~(uint32_t)IO_WQ_EXIT_ON_IDLE);
	else if (!(a32_or(&wq->state, IO_WQ_EXIT_ON_IDLE) & IO_WQ_EXIT_ON_IDLE))
		io_wq_wake_free(wq);
}

int io_wq_cpu_affinity(struct io_wq *wq, const struct sched_cpus *cpus)
{
	struct sched_cpus all;

	sched_all_cpus(&all);
	if (!cpus)
		cpus = &all;
	for (size_t i = 0; i < sizeof(all.bits) / sizeof(all.bits[0]); i++)
		if (cpus->bits[i] & ~all.bits[i])
			return -EINVAL;
	mutex_lock(&wq->cpus_lock);
	wq->cpus = *cpus;
	a32_xchg(&wq->pinned, memcmp(cpus, &all, sizeof(all)) != 0);
	mutex_unlock(&wq->cpus_lock);
	io_wq_wake_free(wq);
	return 0;
}

/* ---- exit ---- */

void io_wq_exit_start(struct io_wq *wq)
{
	a32_or(&wq->state, IO_WQ_EXIT);
}

static void io_wq_notify_workers(struct io_wq *wq)
{
	for (int i = 0; i < IO_WQ_ACCT_NR; i++) {
		struct io_wq_acct *acct = &wq->acct[i];

		mutex_lock(&acct->workers_lock);
		list_for_each(node, &acct->all_list) {
			struct io_worker *worker = list_entry(node, struct io_worker, all_node);

			sched_notify(worker->task);
		}
		mutex_unlock(&acct->workers_lock);
	}
}

/* Requests that come later are withdrawn by who made them. A worker that is not on the lists yet is waited for, too: it sees
 * EXIT when it begins, and one whose thread is to be tried again is given up then. */
static void io_wq_exit_workers(struct io_wq *wq)
{
	io_wq_cancel_tw_create(wq);
	io_wq_notify_workers(wq);
	io_wq_wait_workers(wq);
}

void io_wq_put_and_exit(struct io_wq *wq)
{
	ENSURE(io_wq_exiting(wq));
	io_wq_exit_workers(wq);
	for (int i = 0; i < IO_WQ_ACCT_NR; i++)
		io_acct_cancel_all_pending(&wq->acct[i]);
	io_wq_hash_forget(wq);
	io_wq_check_at_rest(wq);
	registry_del(&wq->node);
	for (int i = 0; i < IO_WQ_ACCT_NR; i++) {
		ENSURE_OP(wq->acct[i].nr_starting, ==, 0u);
		ENSURE(list_empty(&wq->acct[i].all_list));
		ENSURE(list_empty(&wq->acct[i].work_list));
		ENSURE_OP(wq->acct[i].nr_workers, ==, 0u);
		ENSURE_OP(a32_load(&wq->acct[i].nr_running), ==, 0u);
		ENSURE_OP(a32_load(&wq->acct[i].nr_creating), ==, 0u);
		mutex_destroy(&wq->acct[i].lock);
		mutex_destroy(&wq->acct[i].workers_lock);
	}
	ENSURE(list_empty(&wq->workers));
	mutex_destroy(&wq->gone_lock);
	mutex_destroy(&wq->cpus_lock);
	io_wq_hash_put(wq->data.hash);
	free(wq);
}

void io_wq_abandon_all(void)
{
	mutex_init(&registry.lock); /* whoever held it is gone */
	io_workers_forget();
	while (!list_empty(&registry.pools)) {
		struct io_wq *wq = list_first(&registry.pools, struct io_wq, node);

		list_del(&wq->node);
		while (!list_empty(&wq->workers)) {
			struct io_worker *worker = list_first(&wq->workers, struct io_worker, workers_node);

			list_del(&worker->workers_node);
			free(worker);
		}
		free(wq);
	}
	while (!list_empty(&registry.hashes)) {
		struct io_wq_hash *h = list_first(&registry.hashes, struct io_wq_hash, node);

		list_del(&h->node);
		free(h);
	}
}

/* ---- for owners ---- */

struct io_wq_callback *io_wq_take_callback(struct list *callbacks, bool (*match)(struct io_wq_callback *cb, void *arg),
					   void *arg)
{
	list_for_each(node, callbacks) {
		struct io_wq_callback *cb = list_entry(node, struct io_wq_callback, node);

		if (!match || match(cb, arg)) {
			list_del(node);
			return cb;
		}
	}
	return NULL;
}
