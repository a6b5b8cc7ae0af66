#include "core/ring/daemon.h"
#include "core/base/ensure.h"

static void daemon_main(void *arg)
{
	struct io_daemon *d = arg;

	for (;;) {
		uint64_t deadline;
		bool again;

		mutex_lock(&d->lock);
		if (d->stop) {
			mutex_unlock(&d->lock);
			return;
		}
		d->kicked = false;
		mutex_unlock(&d->lock);
		deadline = d->pass(d->arg);
		mutex_lock(&d->lock);
		again = d->kicked || d->stop;
		mutex_unlock(&d->lock);
		if (!again)
			sched_park(deadline);
	}
}

void io_daemon_init(struct io_daemon *d, const char *name, uint64_t (*pass)(void *arg), void *arg)
{
	*d = (struct io_daemon){ .name = name, .pass = pass, .arg = arg };
	mutex_init(&d->lock);
}

static void kick_locked(struct io_daemon *d)
{
	ENSURE(!d->stop);
	d->kicked = true;
	if (d->task)
		sched_unpark(d->task);
}

static void start_locked(struct io_daemon *d)
{
	ENSURE(!d->stop);
	ENSURE_OP(sched_spawn(&d->task, d->name, daemon_main, d), ==, 0);
}

void io_daemon_kick(struct io_daemon *d)
{
	mutex_lock(&d->lock);
	if (d->task)
		kick_locked(d);
	else
		start_locked(d);
	mutex_unlock(&d->lock);
}

void io_daemon_kick_if_there(struct io_daemon *d)
{
	mutex_lock(&d->lock);
	if (d->task)
		kick_locked(d);
	mutex_unlock(&d->lock);
}

void io_daemon_stop(struct io_daemon *d)
{
	struct sched_task *task;

	mutex_lock(&d->lock);
	d->stop = true;
	task = d->task;
	if (task)
		sched_unpark(task);
	mutex_unlock(&d->lock);
	if (task)
		sched_join(task);
	mutex_destroy(&d->lock);
}
