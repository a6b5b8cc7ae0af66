#include "core/ring/timer.h"
#include "core/base/ensure.h"

/* Runs what is due; one callback at a time, as on one processor. */
static uint64_t timer_pass(void *arg)
{
	struct io_timer_base *base = arg;
	uint64_t next = SCHED_NEVER;

	mutex_lock(&base->lock);
	while (!list_empty(&base->queue)) {
		struct io_timer *t = list_first(&base->queue, struct io_timer, node);

		next = t->deadline;
		if (next > sched_now())
			break;
		list_del(&t->node);
		base->running = t;
		mutex_unlock(&base->lock);
		t->fn(t);
		mutex_lock(&base->lock);
		base->running = NULL;
		next = SCHED_NEVER;
	}
	mutex_unlock(&base->lock);
	return next;
}

void io_timer_base_init(struct io_timer_base *base)
{
	mutex_init(&base->lock);
	list_init(&base->queue);
	base->running = NULL;
	io_daemon_init(&base->daemon, "timer", timer_pass, base);
}

void io_timer_base_stop(struct io_timer_base *base)
{
	io_daemon_stop(&base->daemon);
	ENSURE(list_empty(&base->queue));
	ENSURE(!base->running);
	mutex_destroy(&base->lock);
}

void io_timer_init(struct io_timer_base *base, struct io_timer *t, void (*fn)(struct io_timer *t))
{
	mutex_lock(&base->lock);
	if (base->running == t)
		base->running = NULL;
	mutex_unlock(&base->lock);
	list_init(&t->node);
	t->deadline = 0;
	t->fn = fn;
}

void io_timer_start(struct io_timer_base *base, struct io_timer *t, uint64_t deadline)
{
	struct list *at;
	bool first;

	mutex_lock(&base->lock);
	ENSURE(!list_is_linked(&t->node));
	t->deadline = deadline;
	at = base->queue.prev;
	while (at != &base->queue && list_entry(at, struct io_timer, node)->deadline > deadline)
		at = at->prev;
	list_add(&t->node, at);
	first = base->queue.next == &t->node;
	mutex_unlock(&base->lock);
	if (first)
		io_daemon_kick(&base->daemon);
}

int io_timer_try_to_cancel(struct io_timer_base *base, struct io_timer *t)
{
	int ret = 0;

	mutex_lock(&base->lock);
	if (base->running == t) {
		ret = -1;
	} else if (list_is_linked(&t->node)) {
		list_del(&t->node);
		ret = 1;
	}
	mutex_unlock(&base->lock);
	return ret;
}
