#include "core/wq/test_owner.h"

#include <stdio.h>
#include <string.h>

struct owner o;
bool time_is_virtual;

static struct item *item_of(struct io_wq_work *work)
{
	return container_of(work, struct item, work);
}

static int wait_at_gate(struct item *it)
{
	int ret = 0;

	if (it->kind == GATED)
		sched_block_begin();
	for (;;) {
		bool open;

		mutex_lock(&o.lock);
		open = o.open[it->gate];
		it->waits = open ? NULL : sched_self();
		sched_unpark(o.task);
		mutex_unlock(&o.lock);
		if (open)
			break;
		if (sched_notified()) {
			mutex_lock(&o.lock);
			it->waits = NULL;
			mutex_unlock(&o.lock);
			ret = -EINTR;
			break;
		}
		sched_park(SCHED_NEVER);
	}
	if (it->kind == GATED)
		sched_block_end();
	return ret;
}

static void enter_item(struct item *it, uint32_t flags)
{
	unsigned int hash = io_get_work_hash(flags);

	mutex_lock(&o.lock);
	o.log[o.nr_log++] = it->id;
	if (flags & IO_WQ_WORK_HASHED && ++o.in_bucket[hash] > 1)
		o.overlaps++;
	if (++o.running > o.max_running)
		o.max_running = o.running;
	mutex_unlock(&o.lock);
}

static void leave_item(uint32_t flags)
{
	mutex_lock(&o.lock);
	if (flags & IO_WQ_WORK_HASHED)
		o.in_bucket[io_get_work_hash(flags)]--;
	o.running--;
	mutex_unlock(&o.lock);
}

static int run_item(struct item *it, uint32_t flags)
{
	int ret = 0;

	enter_item(it, flags);
	sched_point("in an item");
	if (it->kind == GATED || it->kind == SPINS) {
		ret = wait_at_gate(it);
	} else if (it->kind == NAPS) {
		sched_block_begin();
		sched_park(sched_now() + 63 * TICK);
		sched_block_end();
	}
	leave_item(flags);
	return ret;
}

static void do_work(struct io_wq_work *work)
{
	struct item *it = item_of(work);
	uint32_t flags = a32_load(&work->flags);
	int ret = flags & IO_WQ_WORK_CANCEL ? -ECANCELED : run_item(it, flags);

	mutex_lock(&o.lock);
	it->issued++;
	it->result = ret;
	it->ran_on = sched_self();
	it->cpu = sched_cpu();
	it->node = sched_node();
	it->stack_node = sched_stack_node();
	mutex_unlock(&o.lock);
}

static struct io_wq_work *free_work(struct io_wq_work *work)
{
	struct item *it = item_of(work);
	struct item *follower = it->follower;

	mutex_lock(&o.lock);
	it->freed++;
	o.nr_done++;
	sched_unpark(o.task);
	mutex_unlock(&o.lock);
	return follower ? &follower->work : NULL;
}

static bool queue_creation(void *owner, struct io_wq_callback *cb)
{
	(void)owner;
	mutex_lock(&o.lock);
	o.nr_requests++;
	list_add_tail(&cb->node, &o.callbacks);
	sched_unpark(o.task);
	mutex_unlock(&o.lock);
	return true;
}

static struct io_wq_callback *withdraw_creation(void *owner, bool (*match)(struct io_wq_callback *cb, void *arg),
						void *arg)
{
	struct io_wq_callback *found;

	(void)owner;
	mutex_lock(&o.lock);
	found = io_wq_take_callback(&o.callbacks, match, arg);
	mutex_unlock(&o.lock);
	return found;
}

/* The task that does things later. */
static void clock_main(void *arg)
{
	(void)arg;
	for (;;) {
		struct io_wq_delayed *due = NULL;
		uint64_t next = SCHED_NEVER;
		bool stop;

		mutex_lock(&o.lock);
		for (unsigned int i = 0; i < o.nr_delayed && !due; i++) {
			if (o.delayed[i].when <= sched_now()) {
				due = o.delayed[i].what;
				o.delayed[i] = o.delayed[--o.nr_delayed];
			} else if (o.delayed[i].when < next) {
				next = o.delayed[i].when;
			}
		}
		stop = o.stop_clock;
		mutex_unlock(&o.lock);
		if (due)
			due->run(due);
		else if (stop)
			return;
		else
			sched_park(next);
	}
}

static void created(void *owner, enum io_wq_origin origin, bool unbound, int err)
{
	(void)owner;
	(void)unbound;
	mutex_lock(&o.lock);
	if (err)
		o.not_made++;
	else
		o.made[origin]++;
	mutex_unlock(&o.lock);
}

static void delay(void *owner, struct io_wq_delayed *d, uint64_t ns)
{
	mutex_lock(&o.lock);
	ENSURE_OP(o.nr_delayed, <, 8u);
	if (o.nr_delays < 8)
		o.delays[o.nr_delays++] = ns;
	o.delayed[o.nr_delayed].what = d;
	o.delayed[o.nr_delayed++].when = sched_now() + ns;
	if (!o.clock)
		ENSURE_OP(sched_spawn(&o.clock, "clock", clock_main, NULL), ==, 0);
	else
		sched_unpark(o.clock);
	mutex_unlock(&o.lock);
}

static void worker_start(void *owner)
{
	mutex_lock(&o.lock);
	o.started++;
	if (owner != &o || strcmp(sched_name(sched_self()), "iou-wrk-7") != 0)
		o.bad_name++;
	mutex_unlock(&o.lock);
}

static void worker_end(void *owner)
{
	(void)owner;
	if (o.end_opens >= 0)
		open_gate((unsigned int)o.end_opens);
}

struct io_wq *new_pool(unsigned int bounded, unsigned int unbounded)
{
	struct io_wq_data data = {
		.hash = o.hash,
		.owner = &o,
		.owner_name = "7",
		.worker_start = worker_start,
		.worker_end = worker_end,
		.do_work = do_work,
		.free_work = free_work,
		.queue_creation = queue_creation,
		.withdraw_creation = withdraw_creation,
		.delay = delay,
		.created = created,
	};
	struct io_wq *wq;

	ENSURE_OP(io_wq_create(&wq, bounded, unbounded, &data), ==, 0);
	return wq;
}

void begin(unsigned int bounded, unsigned int unbounded)
{
	memset(&o, 0, sizeof(o));
	mutex_init(&o.lock);
	list_init(&o.callbacks);
	o.task = sched_self();
	o.end_opens = -1;
	o.hash = io_wq_hash_new();
	o.wq = new_pool(bounded, unbounded);
	for (int i = 0; i < MAX_ITEMS; i++)
		o.items[i].id = i;
}

/* Threads are looked at now and then, as nothing calls after each of their steps. */
static void sample(void)
{
	static unsigned int calls;

	if (!time_is_virtual && calls++ % 16 == 0) {
		io_wq_check(o.wq);
		if (o.wq2)
			io_wq_check(o.wq2);
	}
}

void run_task_work(void)
{
	sample();
	for (;;) {
		struct io_wq_callback *cb = NULL;

		mutex_lock(&o.lock);
		if (!list_empty(&o.callbacks)) {
			cb = list_first(&o.callbacks, struct io_wq_callback, node);
			list_del(&cb->node);
		}
		mutex_unlock(&o.lock);
		if (!cb)
			return;
		cb->run(cb);
	}
}

unsigned int nr_done(void)
{
	unsigned int n;

	mutex_lock(&o.lock);
	n = o.nr_done;
	mutex_unlock(&o.lock);
	return n;
}

void open_gate(unsigned int gate)
{
	mutex_lock(&o.lock);
	o.open[gate] = true;
	for (int i = 0; i < MAX_ITEMS; i++)
		if (o.items[i].waits && o.items[i].gate == gate)
			sched_unpark(o.items[i].waits);
	mutex_unlock(&o.lock);
}

bool waiting(int id)
{
	bool w;

	mutex_lock(&o.lock);
	w = o.items[id].waits != NULL;
	mutex_unlock(&o.lock);
	return w;
}

int result(int id)
{
	int r;

	mutex_lock(&o.lock);
	r = o.items[id].freed ? o.items[id].result : 1;
	mutex_unlock(&o.lock);
	return r;
}

unsigned int nr_workers(struct io_wq *wq, int acct)
{
	unsigned int n;

	mutex_lock(&wq->acct[acct].workers_lock);
	n = wq->acct[acct].nr_workers;
	mutex_unlock(&wq->acct[acct].workers_lock);
	return n;
}

struct item *put(int id, enum kind kind, uint32_t flags)
{
	struct item *it = &o.items[id];

	it->kind = kind;
	a32_or(&it->work.flags, flags);
	io_wq_enqueue(o.wq, &it->work);
	return it;
}

struct item *put_hashed(int id, enum kind kind, uint32_t key)
{
	io_wq_hash_work(&o.items[id].work, key);
	return put(id, kind, 0);
}

void end_pool(struct io_wq *wq)
{
	io_wq_check(wq);
	io_wq_exit_start(wq);
	io_wq_put_and_exit(wq);
}

void end(void)
{
	end_pool(o.wq);
	if (o.clock) {
		mutex_lock(&o.lock);
		CHECK_OP(o.nr_delayed, ==, 0u);
		o.stop_clock = true;
		sched_unpark(o.clock);
		mutex_unlock(&o.lock);
		sched_join(o.clock);
	}
	io_wq_hash_put(o.hash);
	CHECK(list_empty(&o.callbacks));
	CHECK_OP(o.overlaps, ==, 0u);
	CHECK_OP(o.bad_name, ==, 0u);
}

static bool match_id(struct io_wq_work *work, void *data)
{
	return item_of(work)->id == *(int *)data;
}

static bool match_id_from(struct io_wq_work *work, void *data)
{
	return item_of(work)->id >= *(int *)data;
}

int cancel(int id)
{
	return (int)io_wq_cancel_cb(o.wq, match_id, &id, false);
}

int cancel_all_from(int id)
{
	return (int)io_wq_cancel_cb(o.wq, match_id_from, &id, true);
}

static void probe_time(void *arg)
{
	uint64_t before = sched_now();

	(void)arg;
	sched_advance(3600000 * MS);
	time_is_virtual = sched_now() - before >= 3600000 * MS;
}

void run_schedules(sched_task_fn *fn, unsigned int seeds)
{
	run_schedules_on(0, 0, fn, seeds);
}

void run_schedules_on(unsigned int nodes, unsigned int node_cpus, sched_task_fn *fn, unsigned int seeds)
{
	struct sched_config cfg = {
		.strategy = SCHED_REPLAY, .max_points = 2000000, .nodes = nodes, .node_cpus = node_cpus
	};
	struct sched_result res;

	sched_run(&cfg, probe_time, NULL, &res);
	sched_set_step(io_wq_check_step, NULL);
	for (unsigned int seed = 0; seed <= (time_is_virtual ? seeds : 1 + seeds / 20); seed++) {
		if (seed == STEPPED)
			sched_set_step(NULL, NULL);
		cfg.seed = seed;
		sched_run(&cfg, fn, &seed, &res);
		cfg.strategy = SCHED_WALK;
		if (CHECK_OP((int)res.end, ==, SCHED_DONE))
			continue;
		printf("seed %u: %s\n", seed, res.stuck);
		io_wq_abandon_all();
		break;
	}
	sched_set_step(NULL, NULL);
}

void sleep_until(uint64_t when)
{
	while (sched_now() < when)
		sched_park(when);
}

void settle(void)
{
	uint64_t tick;

	if (!time_is_virtual)
		return;
	tick = (sched_now() / TICK + 1) * TICK;
	sleep_until(tick + TICK / 3);
	io_wq_check_at_rest(o.wq);
	if (o.wq2)
		io_wq_check_at_rest(o.wq2);
	sleep_until(tick + TICK);
}
