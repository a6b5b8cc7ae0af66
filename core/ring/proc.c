/* Processes and tasks, as the request layer sees them. */
#include <string.h>

#include "core/ring/ring.h"

void io_proc_init(struct io_proc *p, const struct io_issue_def *ops, unsigned int nr_ops)
{
	memset(p, 0, sizeof(*p));
	io_mem_init(&p->mem);
	p->ops = ops;
	p->nr_ops = nr_ops;
	mutex_init(&p->lock);
	list_init(&p->tasks);
	list_init(&p->exiting_rings);
	list_init(&p->fallback);
	mutex_init(&p->nodes_lock);
	io_timer_base_init(&p->timers);
	io_daemon_init(&p->kworker, "kworker", io_kworker_pass, p);
	io_daemon_init(&p->poller, "poller", io_poller_pass, p);
}

void io_proc_wake_waiter(struct io_proc *p)
{
	mutex_assert_held(&p->lock);
	if (p->waiter && !p->nr_tasks && !p->nr_rings && !p->nr_holds)
		sched_unpark(p->waiter);
}

void io_proc_finish(struct io_proc *p)
{
	mutex_lock(&p->lock);
	p->waiter = sched_self();
	while (p->nr_tasks || p->nr_rings || p->nr_holds) {
		mutex_unlock(&p->lock);
		sched_park(SCHED_NEVER);
		mutex_lock(&p->lock);
	}
	p->waiter = NULL;
	mutex_unlock(&p->lock);
	io_daemon_stop(&p->poller);
	io_timer_base_stop(&p->timers);
	io_daemon_stop(&p->kworker);
	ENSURE(list_empty(&p->tasks));
	ENSURE(list_empty(&p->exiting_rings));
	ENSURE(list_empty(&p->fallback));
	ENSURE(!p->fds);
	mutex_destroy(&p->nodes_lock);
	mutex_destroy(&p->lock);
	io_mem_destroy(&p->mem);
}

static struct io_uring_task *io_next_untold(struct io_proc *p)
{
	struct io_uring_task *found = NULL;

	mutex_lock(&p->lock);
	list_for_each(node, &p->tasks) {
		struct io_uring_task *tctx = list_entry(node, struct io_uring_task, node);

		if (tctx->told)
			continue;
		tctx->told = true;
		io_task_get(tctx);
		found = tctx;
		break;
	}
	mutex_unlock(&p->lock);
	return found;
}

/* A task that comes later sees `exiting` before it sleeps. */
void io_proc_exit(struct io_proc *p)
{
	struct io_uring_task *tctx;

	a32_xchg(&p->exiting, 1);
	while ((tctx = io_next_untold(p))) {
		mutex_lock(&tctx->lock);
		if (tctx->owner)
			sched_notify(tctx->owner);
		mutex_unlock(&tctx->lock);
		io_task_put(tctx, 1);
	}
}

/* ---- tasks ---- */

struct io_uring_task *io_task_new(struct io_proc *p, const char *name)
{
	struct io_uring_task *tctx = io_mem_alloc(&p->mem, sizeof(*tctx));

	tctx->proc = p;
	strncpy(tctx->name, name, sizeof(tctx->name) - 1);
	a32_store(&tctx->refs, 1);
	mutex_init(&tctx->run_lock);
	mutex_init(&tctx->lock);
	list_init(&tctx->task_list);
	list_init(&tctx->creations);
	list_init(&tctx->nodes);
	list_init(&tctx->node);
	tctx->owner = sched_self();
	mutex_lock(&p->lock);
	list_add_tail(&tctx->node, &p->tasks);
	mutex_unlock(&p->lock);
	return tctx;
}

void io_task_get(struct io_uring_task *tctx)
{
	ENSURE_OP(a32_add(&tctx->refs, 1), >, 0u);
}

void io_task_put(struct io_uring_task *tctx, unsigned int nr)
{
	uint32_t before = a32_sub(&tctx->refs, nr);

	ENSURE_OP(before, >=, nr);
	if (before > nr)
		return;
	ENSURE(!tctx->owner);
	ENSURE(!tctx->io_wq);
	ENSURE(list_empty(&tctx->nodes));
	ENSURE(list_empty(&tctx->task_list));
	ENSURE_OP(a32_load(&tctx->tracked), ==, 0u);
	mutex_destroy(&tctx->lock);
	mutex_destroy(&tctx->run_lock);
	io_mem_free(&tctx->proc->mem, tctx);
}

/* Work that is pending may interrupt the task just before the call. */
bool io_task_enter_kernel(struct io_uring_task *tctx)
{
	if (a32_load(&tctx->proc->exiting))
		return false;
	a32_xchg(&tctx->mode, IO_MODE_KERNEL);
	if (a32_load(&tctx->pending) && sched_choose(2, "kick"))
		io_run_task_work(tctx);
	return true;
}

void io_task_leave_kernel(struct io_uring_task *tctx)
{
	for (;;) {
		io_run_task_work(tctx);
		a32_xchg(&tctx->mode, IO_MODE_USER);
		if (!a32_load(&tctx->pending))
			break;
		a32_xchg(&tctx->mode, IO_MODE_KERNEL);
	}
}
