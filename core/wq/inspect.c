/* The invariants of a pool, and its picture.
 *
 * At any time:
 *	W1  the items of a bucket stand next to each other on the work list, and hash_tail is the last of them; NULL if there
 *	    are none.
 *	W2  who is on the free list is on the list of all.
 *	W3  nr_workers is the length of the list of all, and those that start.
 *	W4  nr_workers <= ceiling: the limit, or as many as there were when it was lowered.
 *	W5  0 <= nr_running, and at rest nr_running <= nr_workers + nr_creating.
 *	W6  a worker that has a chain, or a bucket, has the bucket's bit set in the map.
 *	W7  a worker on the free list that has started has no chain; a chain's items are hashed to the worker's bucket.
 *	W8  no item on a work list is of the other account.
 * Between two steps of a simulation:
 *	W11 nr_running is the sum of its parts: each worker that is not asleep, and each creation request.
 * At rest, when every worker is idle or blocked inside an item:
 *	W9  if work is pending and not stalled, a worker runs (it may sleep outside of a blocking section), or a creation
 *	    request is on its way, or all pending work is of one bucket and a worker is in that. Otherwise nobody is free,
 *	    and when another worker was wanted the limit was reached or there was no thread.
 *	W10 a stalled account with work has a free worker, and the first bucket of its list is busy. */
#include <stdio.h>

#include "core/base/text.h"
#include "core/wq/internal.h"

/* Whoever looks while all others stand still cannot wait for them. */
static bool get_lock(struct mutex *m, bool wait)
{
	if (!wait)
		return mutex_trylock(m);
	mutex_lock(m);
	return true;
}

static void check_work_list(struct io_wq_acct *acct, bool unbound)
{
	uint64_t seen = 0;
	struct io_wq_work *prev = NULL;

	mutex_assert_held(&acct->lock);
	list_for_each(node, &acct->work_list) {
		struct io_wq_work *work = io_work_of(node);
		uint32_t flags = a32_load(&work->flags);
		unsigned int hash = io_get_work_hash(flags);
		uint64_t bit = (uint64_t)1 << hash;

		ENSURE_OP((bool)(flags & IO_WQ_WORK_UNBOUND), ==, unbound); /* W8 */
		if (!(flags & IO_WQ_WORK_HASHED)) {
			prev = NULL;
			continue;
		}
		ENSURE(acct->hash_tail[hash] != NULL); /* W1 */
		if (seen & bit)
			ENSURE(prev && io_get_work_hash(a32_load(&prev->flags)) == hash);
		if (work == acct->hash_tail[hash])
			ENSURE(node->next == &acct->work_list || !io_wq_is_hashed(io_work_of(node->next)) ||
			       io_get_work_hash(a32_load(&io_work_of(node->next)->flags)) != hash);
		seen |= bit;
		prev = work;
	}
	for (unsigned int i = 0; i < IO_WQ_NR_HASH_BUCKETS; i++)
		ENSURE_OP(acct->hash_tail[i] != NULL, ==, (bool)(seen >> i & 1)); /* W1 */
}

static void check_worker(struct io_worker *worker, bool wait)
{
	uint64_t map;

	if (!get_lock(&worker->lock, wait))
		return;
	map = a64_load(&worker->wq->data.hash->map);
	if (worker->hash >= 0)
		ENSURE(map >> worker->hash & 1); /* W6 */
	else
		ENSURE(list_empty(&worker->taken));
	list_for_each(node, &worker->taken) {
		uint32_t flags = a32_load(&io_work_of(node)->flags);

		ENSURE(flags & IO_WQ_WORK_HASHED); /* W7 */
		ENSURE_OP((int)io_get_work_hash(flags), ==, worker->hash);
	}
	mutex_unlock(&worker->lock);
}

static void check_workers(struct io_wq_acct *acct, bool wait)
{
	unsigned int nr_all = 0, nr_free = 0, nr_free_in_all = 0;
	int nr_running;

	mutex_assert_held(&acct->workers_lock);
	list_for_each(node, &acct->all_list) {
		struct io_worker *worker = list_entry(node, struct io_worker, all_node);

		nr_all++;
		nr_free_in_all += list_is_linked(&worker->free_node);
		check_worker(worker, wait);
	}
	list_for_each(node, &acct->free_list)
		nr_free++;
	ENSURE_OP(nr_free, ==, nr_free_in_all); /* W2 */
	ENSURE_OP(acct->nr_workers, ==, nr_all + acct->nr_starting); /* W3 */
	ENSURE_OP(acct->nr_workers, <=, acct->ceiling); /* W4 */
	nr_running = (int)a32_load(&acct->nr_running);
	ENSURE_OP(nr_running, >=, 0); /* W5 */
}

/* Only where nothing moves between the two loads. */
static void check_rest(struct io_wq_acct *acct)
{
	unsigned int nr_creating = a32_load(&acct->nr_creating);
	unsigned int nr_running = a32_load(&acct->nr_running);
	bool deferred = false;
	struct io_wq_work *first;

	ENSURE_OP(nr_running, <=, acct->nr_workers + nr_creating); /* W5 */
	if (list_empty(&acct->work_list))
		return;
	first = io_work_of(acct->work_list.next);
	if (acct->stalled) {
		unsigned int hash = io_get_work_hash(a32_load(&first->flags));

		ENSURE(io_wq_is_hashed(first)); /* W10 */
		ENSURE(a64_load(&acct->wq->data.hash->map) >> hash & 1);
		ENSURE(!list_empty(&acct->free_list));
		return;
	}
	list_for_each(node, &acct->all_list)
		deferred |= io_wq_hash_defer(list_entry(node, struct io_worker, all_node));
	if (nr_running || deferred) /* W9 */
		return;
	ENSURE(list_empty(&acct->free_list));
	ENSURE(acct->want_more);
}

static void check_acct(struct io_wq *wq, int i, bool at_rest)
{
	struct io_wq_acct *acct = &wq->acct[i];

	mutex_lock(&acct->workers_lock);
	check_workers(acct, true);
	mutex_lock(&acct->lock);
	check_work_list(acct, i == IO_WQ_ACCT_UNBOUND);
	if (at_rest)
		check_rest(acct);
	mutex_unlock(&acct->lock);
	mutex_unlock(&acct->workers_lock);
}

void io_wq_check(struct io_wq *wq)
{
	for (int i = 0; i < IO_WQ_ACCT_NR; i++)
		check_acct(wq, i, false);
}

void io_wq_check_at_rest(struct io_wq *wq)
{
	for (int i = 0; i < IO_WQ_ACCT_NR; i++)
		check_acct(wq, i, true);
}

/* W11. The parts are noted in the same step as the sum. */
static void check_parts(struct io_wq *wq, struct io_wq_acct *acct)
{
	uint32_t sum = 0;

	if (!mutex_trylock(&wq->gone_lock))
		return;
	list_for_each(node, &wq->workers) {
		struct io_worker *worker = list_entry(node, struct io_worker, workers_node);
		uint32_t running = sched_tally_read(&worker->running), asked = sched_tally_read(&worker->asked);

		if (worker->acct != acct)
			continue;
		ENSURE_OP(running, <=, 1u);
		ENSURE_OP(asked, <=, 2u); /* one being given back, one on its way */
		sum += running + asked;
	}
	ENSURE_OP(a32_load(&acct->nr_running), ==, sum);
	mutex_unlock(&wq->gone_lock);
}

static void check_step(struct io_wq *wq)
{
	for (int i = 0; i < IO_WQ_ACCT_NR; i++) {
		struct io_wq_acct *acct = &wq->acct[i];

		if (mutex_trylock(&acct->workers_lock)) {
			check_workers(acct, false);
			mutex_unlock(&acct->workers_lock);
		}
		if (mutex_trylock(&acct->lock)) {
			check_work_list(acct, i == IO_WQ_ACCT_UNBOUND);
			mutex_unlock(&acct->lock);
		}
		check_parts(wq, acct);
	}
}

void io_wq_check_step(void *unused)
{
	(void)unused;
	io_wq_for_each(check_step, false);
}

/* ---- the picture ---- */

static void dump_work(struct text *out, struct io_wq_work *work)
{
	uint32_t flags = a32_load(&work->flags);

	text_printf(out, "%s%s%s", flags & IO_WQ_WORK_UNBOUND ? "unbound" : "bound",
		    flags & IO_WQ_WORK_CONCURRENT ? " concurrent" : "", flags & IO_WQ_WORK_CANCEL ? " cancel" : "");
	if (flags & IO_WQ_WORK_HASHED)
		text_printf(out, " bucket %u", io_get_work_hash(flags));
}

static void dump_worker(struct text *out, struct io_worker *worker, bool wait)
{
	bool locked = get_lock(&worker->lock, wait);
	unsigned int more = 0;

	text_printf(out, "  worker  %s, ", sched_name(worker->task));
	if (worker->cur_work) {
		text_put(out, "in: ");
		dump_work(out, worker->cur_work);
	} else {
		text_put(out, list_is_linked(&worker->free_node) ? "free" : "between items");
	}
	list_for_each(node, &worker->taken)
		more++;
	if (more)
		text_printf(out, ", %u more taken", more);
	if (worker->node != SCHED_NO_NODE)
		text_printf(out, ", node %u", worker->node);
	if (a32_load(&worker->create_state))
		text_put(out, ", asked for another worker");
	text_putc(out, '\n');
	if (locked)
		mutex_unlock(&worker->lock);
}

static void dump_acct(struct text *out, const char *name, struct io_wq_acct *acct, bool wait)
{
	bool locked_workers = get_lock(&acct->workers_lock, wait);
	bool locked = get_lock(&acct->lock, wait);

	text_printf(out, " %-8s %u of %u workers, %u starting, %u running, %u asked for%s%s\n", name, acct->nr_workers,
		    acct->max_workers, acct->nr_starting, a32_load(&acct->nr_running), a32_load(&acct->nr_creating),
		    acct->stalled ? ", stalled" : "", locked && locked_workers ? "" : ", being changed");
	list_for_each(node, &acct->work_list) {
		text_put(out, "  pending ");
		dump_work(out, io_work_of(node));
		text_putc(out, '\n');
	}
	list_for_each(node, &acct->all_list)
		dump_worker(out, list_entry(node, struct io_worker, all_node), wait);
	if (locked)
		mutex_unlock(&acct->lock);
	if (locked_workers)
		mutex_unlock(&acct->workers_lock);
}

static void dump_pool(struct io_wq *wq, struct text *out, bool wait)
{
	uint32_t state = a32_load(&wq->state);

	text_printf(out, "io-wq of %s%s%s, buckets held %#llx\n", wq->worker_name + sizeof("iou-wrk-") - 1,
		    state & IO_WQ_EXIT ? ", exiting" : "", state & IO_WQ_EXIT_ON_IDLE ? ", exit on idle" : "",
		    (unsigned long long)a64_load(&wq->data.hash->map));
	dump_acct(out, "bound", &wq->acct[IO_WQ_ACCT_BOUND], wait);
	dump_acct(out, "unbound", &wq->acct[IO_WQ_ACCT_UNBOUND], wait);
}

void io_wq_dump(struct io_wq *wq, struct text *out)
{
	dump_pool(wq, out, true);
}

static void dump_to_stderr(struct io_wq *wq)
{
	static char buf[32768];
	struct text out;

	text_init(&out, buf, sizeof(buf));
	dump_pool(wq, &out, false);
	fputs(buf, stderr);
}

void io_wq_dump_all(void)
{
	io_wq_for_each(dump_to_stderr, true);
}

/* Whoever fails may hold any lock, so none is waited for. On threads a picture may be of what others change just now. */
void io_wq_dump_on_failure(void)
{
	sched_freeze();
	io_wq_dump_all();
}
