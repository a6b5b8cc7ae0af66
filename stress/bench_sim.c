/* bench-sim: simulated schedules per second of a small pool program: four items, two workers, a cancel. Prints two
 * numbers: schedules drawn from seeds, and in a search through all of up to two preemptions. `bench wq` runs it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/sched/sim/explore.h"
#include "core/wq/io_wq.h"

enum { ITEMS = 4, SCHEDULES = 50000 };

static struct {
	struct sched_task *task;
	struct list callbacks;
	struct io_wq *wq;
	struct io_wq_work work[ITEMS];
	unsigned int nr_done;
} o;

static void do_work(struct io_wq_work *work)
{
	if (a32_load(&work->flags) & IO_WQ_WORK_CANCEL)
		return;
	sched_block_begin();
	sched_point("in an item");
	sched_block_end();
}

static struct io_wq_work *free_work(struct io_wq_work *work)
{
	(void)work;
	o.nr_done++;
	sched_unpark(o.task);
	return NULL;
}

static bool queue_creation(void *owner, struct io_wq_callback *cb)
{
	(void)owner;
	list_add_tail(&cb->node, &o.callbacks);
	sched_unpark(o.task);
	return true;
}

static struct io_wq_callback *withdraw_creation(void *owner, bool (*match)(struct io_wq_callback *cb, void *arg),
						void *arg)
{
	(void)owner;
	return io_wq_take_callback(&o.callbacks, match, arg);
}

static bool match(struct io_wq_work *work, void *data)
{
	return work == data;
}

static void program(void *arg)
{
	struct io_wq_data data = {
		.owner_name = "bench",
		.do_work = do_work,
		.free_work = free_work,
		.queue_creation = queue_creation,
		.withdraw_creation = withdraw_creation,
	};

	(void)arg;
	memset(&o, 0, sizeof(o));
	list_init(&o.callbacks);
	o.task = sched_self();
	data.hash = io_wq_hash_new();
	ENSURE_OP(io_wq_create(&o.wq, 2, 1, &data), ==, 0);
	io_wq_hash_put(data.hash);
	for (int i = 0; i < ITEMS; i++) {
		a32_store(&o.work[i].flags, i == 1 ? IO_WQ_WORK_CONCURRENT : 0);
		io_wq_enqueue(o.wq, &o.work[i]);
	}
	io_wq_cancel_cb(o.wq, match, &o.work[2], false);
	while (o.nr_done < ITEMS) {
		while (!list_empty(&o.callbacks)) {
			struct io_wq_callback *cb = list_first(&o.callbacks, struct io_wq_callback, node);

			list_del(&cb->node);
			cb->run(cb);
		}
		if (o.nr_done < ITEMS)
			sched_park(SCHED_NEVER);
	}
	io_wq_exit_start(o.wq);
	io_wq_put_and_exit(o.wq);
}

static double per_second(struct sched_config *cfg)
{
	clock_t start = clock();
	struct sched_result res;
	unsigned int nr = 0;

	for (; nr < SCHEDULES && (!cfg->explore || sched_explore_next(cfg->explore)); nr++) {
		cfg->seed = nr;
		sched_run(cfg, program, NULL, &res);
		ENSURE_OP((int)res.end, ==, SCHED_DONE);
	}
	return (double)nr * CLOCKS_PER_SEC / (double)(clock() - start);
}

int main(void)
{
	struct sched_config walk = { .strategy = SCHED_WALK };
	struct sched_config search = { .strategy = SCHED_EXPLORE, .explore = sched_explore_new(2) };

	per_second(&walk); /* warms up */
	printf("%.0f", per_second(&walk));
	printf(" %.0f\n", per_second(&search));
	sched_explore_free(search.explore);
	return 0;
}
