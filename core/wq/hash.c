/* The order of pending work. Items of one bucket are next to each other on the list, so that a worker takes all of them
 * with one cut; a bucket's bit in the shared map says that some worker of some pool has taken it.
 *
 * A pool that finds only busy buckets is stalled and waits on the map. The kernel looks again at the first bucket it had
 * to skip; here at all of them, for another could have become free between the look and the wait. */
#include <stdlib.h>

#include "core/wq/internal.h"

static bool is_hashed(uint32_t flags)
{
	return flags & IO_WQ_WORK_HASHED;
}

static bool in_bucket(struct io_wq_work *work, unsigned int hash)
{
	uint32_t flags = a32_load(&work->flags);

	return is_hashed(flags) && io_get_work_hash(flags) == hash;
}

void io_wq_hash_work(struct io_wq_work *work, uint32_t key)
{
	uint32_t bucket = key % IO_WQ_NR_HASH_BUCKETS;

	a32_or(&work->flags, IO_WQ_WORK_HASHED | bucket << IO_WQ_HASH_SHIFT);
}

bool io_wq_is_hashed(const struct io_wq_work *work)
{
	return is_hashed(a32_load(&work->flags));
}

void io_wq_insert_work(struct io_wq_acct *acct, struct io_wq_work *work, uint32_t flags)
{
	struct io_wq_work *tail;
	unsigned int hash;

	mutex_assert_held(&acct->lock);
	if (!is_hashed(flags)) {
		list_add_tail(&work->node, &acct->work_list);
		return;
	}
	hash = io_get_work_hash(flags);
	tail = acct->hash_tail[hash];
	acct->hash_tail[hash] = work;
	if (tail)
		list_add(&work->node, &tail->node);
	else
		list_add_tail(&work->node, &acct->work_list);
}

void io_wq_remove_pending(struct io_wq_acct *acct, struct io_wq_work *work)
{
	uint32_t flags = a32_load(&work->flags);
	unsigned int hash = io_get_work_hash(flags);
	struct list *prev = work->node.prev;

	mutex_assert_held(&acct->lock);
	if (is_hashed(flags) && acct->hash_tail[hash] == work) {
		bool more = prev != &acct->work_list && in_bucket(io_work_of(prev), hash);

		acct->hash_tail[hash] = more ? io_work_of(prev) : NULL;
	}
	list_del(&work->node);
}

/* Moves first..last, neighbours on one list, to the end of another. */
static void list_cut_to(struct list *first, struct list *last, struct list *to)
{
	first->prev->next = last->next;
	last->next->prev = first->prev;
	first->prev = to->prev;
	to->prev->next = first;
	last->next = to;
	to->prev = last;
}

/* True: a bucket of `busy` is free by now. Otherwise the pool will be woken when a bucket becomes free. The entry is
 * linked before the map is read, and a bit is cleared before the entries are walked. */
static bool io_wait_on_hash(struct io_wq *wq, uint64_t busy)
{
	struct io_wq_hash *h = wq->data.hash;
	bool freed;

	mutex_lock(&h->lock);
	if (!list_is_linked(&wq->hash_node))
		list_add_tail(&wq->hash_node, &h->waiting);
	freed = (a64_load(&h->map) & busy) != busy;
	mutex_unlock(&h->lock);
	return freed;
}

static struct io_wq_work *io_take_chain(struct io_worker *worker, struct list *first, unsigned int hash)
{
	struct io_wq_acct *acct = worker->acct;
	struct io_wq_work *work = io_work_of(first);
	struct io_wq_work *tail = acct->hash_tail[hash];

	acct->hash_tail[hash] = NULL;
	mutex_lock(&worker->lock);
	ENSURE(list_empty(&worker->taken));
	list_cut_to(first, &tail->node, &worker->taken);
	list_del(first);
	worker->hash = (int)hash;
	io_worker_assign_locked(worker, work);
	mutex_unlock(&worker->lock);
	return work;
}

struct io_wq_work *io_get_next_work(struct io_worker *worker)
{
	struct io_wq_acct *acct = worker->acct;
	struct io_wq_hash *h = acct->wq->data.hash;
	uint64_t busy = 0;
	bool freed;

	mutex_assert_held(&acct->lock);
	list_for_each(node, &acct->work_list) {
		struct io_wq_work *work = io_work_of(node);
		uint32_t flags = a32_load(&work->flags);
		unsigned int hash = io_get_work_hash(flags);
		uint64_t bit = (uint64_t)1 << hash;

		if (!is_hashed(flags)) {
			list_del(node);
			mutex_lock(&worker->lock);
			io_worker_assign_locked(worker, work);
			mutex_unlock(&worker->lock);
			return work;
		}
		if (!(a64_or(&h->map, bit) & bit))
			return io_take_chain(worker, node, hash);
		busy |= bit;
		node = &acct->hash_tail[hash]->node; /* past the whole group */
	}
	if (!busy)
		return NULL;
	acct->stalled = true;
	mutex_unlock(&acct->lock);
	freed = io_wait_on_hash(acct->wq, busy);
	mutex_lock(&acct->lock);
	if (freed)
		acct->stalled = false;
	return NULL;
}

/* A bucket has become free: the pool's stalled accounts look again. */
static void io_wq_hash_wake(struct io_wq *wq)
{
	for (int i = 0; i < IO_WQ_ACCT_NR; i++) {
		struct io_wq_acct *acct = &wq->acct[i];
		bool stalled;

		mutex_lock(&acct->lock);
		stalled = acct->stalled;
		acct->stalled = false;
		mutex_unlock(&acct->lock);
		if (!stalled)
			continue;
		mutex_lock(&acct->workers_lock);
		io_acct_activate_free_worker(acct);
		mutex_unlock(&acct->workers_lock);
	}
}

/* All pools that wait are woken, in the order in which they came; the worker's own is among them if it is stalled. */
void io_wq_release_hash(struct io_worker *worker)
{
	struct io_wq_hash *h = worker->wq->data.hash;
	uint64_t bit = (uint64_t)1 << worker->hash;
	struct list woken;

	mutex_lock(&worker->lock);
	ENSURE(list_empty(&worker->taken));
	worker->hash = -1;
	mutex_unlock(&worker->lock);
	ENSURE(a64_and(&h->map, ~bit) & bit);

	mutex_lock(&h->lock);
	list_init(&woken);
	list_splice_tail(&h->waiting, &woken);
	while (!list_empty(&woken)) {
		struct io_wq *wq = list_first(&woken, struct io_wq, hash_node);

		list_del(&wq->hash_node);
		io_wq_hash_wake(wq);
	}
	mutex_unlock(&h->lock);
}

/* The worker goes to sleep in an item of the bucket to which all pending work belongs: a new worker could take nothing,
 * so none is made. (6.18 looks at the first pending item only, and may leave others behind it without a worker until
 * this one is done.) */
bool io_wq_hash_defer(struct io_worker *worker)
{
	struct io_wq_acct *acct = worker->acct;
	struct io_wq_work *tail;

	mutex_assert_held(&acct->lock);
	if (worker->hash < 0)
		return false;
	tail = acct->hash_tail[worker->hash];
	return tail && tail->node.next == &acct->work_list &&
	       in_bucket(io_work_of(acct->work_list.next), (unsigned int)worker->hash);
}

void io_wq_hash_forget(struct io_wq *wq)
{
	struct io_wq_hash *h = wq->data.hash;

	mutex_lock(&h->lock);
	list_del(&wq->hash_node);
	mutex_unlock(&h->lock);
}
