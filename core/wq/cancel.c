/* Cancelling work. Pending items are looked at first, then those that workers have; an item moves from the one to the
 * other with acct->lock held, so it cannot slip through between.
 *
 * An item a worker has is flagged CANCEL: if the worker has not begun with it, do_work sees that. The worker is notified
 * only for the item that is current, under worker->lock, and clears its notification under the same lock when the next
 * one becomes current: so the cancel of one item never interrupts another. */
#include "core/wq/internal.h"

/* Ends work, and whatever it releases, in the caller's context. */
void io_run_cancel(struct io_wq *wq, struct io_wq_work *work)
{
	do {
		a32_or(&work->flags, IO_WQ_WORK_CANCEL);
		wq->data.do_work(work);
		work = wq->data.free_work(work);
	} while (work);
}

/* Returns whether there was any. Items are unlinked first and run when the lock is left: to everybody else they are
 * finished. */
static bool io_acct_cancel_pending_work(struct io_wq_acct *acct, io_wq_match_fn *match, void *data, bool all)
{
	struct list found;
	bool any;

	list_init(&found);
	mutex_lock(&acct->lock);
	list_for_each_safe(node, &acct->work_list) {
		struct io_wq_work *work = io_work_of(node);

		if (!match(work, data))
			continue;
		io_wq_remove_pending(acct, work);
		list_add_tail(&work->node, &found);
		if (!all)
			break;
	}
	mutex_unlock(&acct->lock);
	any = !list_empty(&found);
	while (!list_empty(&found)) {
		struct io_wq_work *work = io_work_of(found.next);

		list_del(&work->node);
		io_run_cancel(acct->wq, work);
	}
	return any;
}

static bool match_any(struct io_wq_work *work, void *data)
{
	(void)work;
	(void)data;
	return true;
}

void io_acct_cancel_all_pending(struct io_wq_acct *acct)
{
	while (io_acct_cancel_pending_work(acct, match_any, NULL, true))
		;
}

static bool io_wq_worker_cancel(struct io_worker *worker, io_wq_match_fn *match, void *data, bool all)
{
	bool any = false;

	mutex_lock(&worker->lock);
	if (worker->cur_work && match(worker->cur_work, data)) {
		a32_or(&worker->cur_work->flags, IO_WQ_WORK_CANCEL);
		sched_notify(worker->task);
		any = true;
	}
	list_for_each(node, &worker->taken) {
		struct io_wq_work *work = io_work_of(node);

		if (any && !all)
			break;
		if (match(work, data)) {
			a32_or(&work->flags, IO_WQ_WORK_CANCEL);
			any = true;
		}
	}
	mutex_unlock(&worker->lock);
	return any;
}

static bool io_acct_cancel_running_work(struct io_wq_acct *acct, io_wq_match_fn *match, void *data, bool all)
{
	bool any = false;

	mutex_lock(&acct->workers_lock);
	list_for_each(node, &acct->all_list) {
		if (any && !all)
			break;
		any |= io_wq_worker_cancel(list_entry(node, struct io_worker, all_node), match, data, all);
	}
	mutex_unlock(&acct->workers_lock);
	return any;
}

enum io_wq_cancel io_wq_cancel_cb(struct io_wq *wq, io_wq_match_fn *match, void *data, bool all)
{
	bool pending = false, running = false;

	for (int i = 0; i < IO_WQ_ACCT_NR && (all || !pending); i++)
		pending |= io_acct_cancel_pending_work(&wq->acct[i], match, data, all);
	if (pending && !all)
		return IO_WQ_CANCEL_OK;
	for (int i = 0; i < IO_WQ_ACCT_NR && (all || !running); i++)
		running |= io_acct_cancel_running_work(&wq->acct[i], match, data, all);
	if (running)
		return IO_WQ_CANCEL_RUNNING;
	return pending ? IO_WQ_CANCEL_OK : IO_WQ_CANCEL_NOTFOUND;
}
