/* bench wq: core/wq on threads. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/wq/io_wq.h"
#include "stress/bench_wq.h"

struct ours;

struct item {
	struct io_wq_work work;
	struct ours *pool;
	int fd;
	struct sched_task *waits; /* CANCEL_*: parked in it; under pool->lock */
} __attribute__((aligned(64))); /* what a request is, at least */

struct ours {
	struct mutex lock; /* of callbacks and of the items' waits */
	struct list callbacks;
	struct sched_task *task;
	struct io_wq *wq;
	struct wq_world world;
	struct atomic32 left, blocked;
	bool released; /* the blocker may go; under lock */
	struct item blocker;
	struct item items[WQ_MAX_BATCH];
};

static void count_down(struct ours *o, struct atomic32 *count)
{
	if (a32_sub(count, 1) == 1)
		sched_unpark(o->task);
}

/* Parked, as an operation of the engine is that waits for readiness: until it is notified, or released. */
static void park_in(struct item *it)
{
	struct ours *o = it->pool;
	bool out = false;

	sched_block_begin();
	count_down(o, &o->blocked);
	while (!out && !sched_notified()) {
		mutex_lock(&o->lock);
		out = o->released;
		it->waits = out ? NULL : sched_self();
		mutex_unlock(&o->lock);
		if (!out)
			sched_park(SCHED_NEVER);
	}
	mutex_lock(&o->lock);
	it->waits = NULL;
	mutex_unlock(&o->lock);
	sched_block_end();
}

static void work_block(struct item *it)
{
	char c;

	sched_block_begin();
	count_down(it->pool, &it->pool->blocked);
	ENSURE_OP(read(it->fd, &c, 1), ==, (ssize_t)1);
	sched_block_end();
}

static void work_write(struct item *it)
{
	ENSURE_OP(pwrite(it->fd, "x", 1, 0), ==, (ssize_t)1);
}

static void work_empty(struct item *it)
{
	(void)it;
}

static void (*const works[WQ_KINDS])(struct item *it) = {
	[WQ_EMPTY] = work_empty,	  [WQ_BLOCK] = work_block,	 [WQ_HASHED] = work_write,
	[WQ_CANCEL_PENDING] = work_empty, [WQ_CANCEL_BLOCKED] = park_in,
};

static void do_work(struct io_wq_work *work)
{
	struct item *it = container_of(work, struct item, work);

	if (a32_load(&work->flags) & IO_WQ_WORK_CANCEL)
		return;
	if (it == &it->pool->blocker)
		park_in(it);
	else
		works[it->pool->world.row->kind](it);
}

static struct io_wq_work *free_work(struct io_wq_work *work)
{
	struct item *it = container_of(work, struct item, work);

	count_down(it->pool, &it->pool->left);
	return NULL;
}

/* ---- the owner ---- */

static bool queue_creation(void *owner, struct io_wq_callback *cb)
{
	struct ours *o = owner;

	mutex_lock(&o->lock);
	list_add_tail(&cb->node, &o->callbacks);
	mutex_unlock(&o->lock);
	sched_unpark(o->task);
	return true;
}

static struct io_wq_callback *withdraw_creation(void *owner, bool (*match)(struct io_wq_callback *cb, void *arg),
						void *arg)
{
	struct ours *o = owner;
	struct io_wq_callback *found;

	mutex_lock(&o->lock);
	found = io_wq_take_callback(&o->callbacks, match, arg);
	mutex_unlock(&o->lock);
	return found;
}

static void run_task_work(struct ours *o)
{
	struct io_wq_callback *cb;

	do {
		mutex_lock(&o->lock);
		cb = io_wq_take_callback(&o->callbacks, NULL, NULL);
		mutex_unlock(&o->lock);
		if (cb)
			cb->run(cb);
	} while (cb);
}

static void wait_for_zero(struct ours *o, struct atomic32 *count)
{
	while (a32_load(count)) {
		sched_park(SCHED_NEVER);
		run_task_work(o);
	}
}

static void *zeroed(size_t n, size_t size)
{
	void *p = aligned_alloc(64, n * size);

	ENSURE(p != NULL);
	return memset(p, 0, n * size);
}

static struct ours *make(const struct wq_world *w, unsigned int bounded)
{
	struct ours *o = zeroed(1, sizeof(*o));
	struct io_wq_data data = {
		.hash = io_wq_hash_new(),
		.owner = o,
		.owner_name = "bench",
		.do_work = do_work,
		.free_work = free_work,
		.queue_creation = queue_creation,
		.withdraw_creation = withdraw_creation,
	};

	ENSURE(data.hash != NULL);
	o->world = *w;
	mutex_init(&o->lock);
	list_init(&o->callbacks);
	o->task = sched_self();
	o->blocker.pool = o;
	ENSURE_OP(io_wq_create(&o->wq, bounded, WQ_MAX_BATCH + 100, &data), ==, 0);
	io_wq_hash_put(data.hash);
	return o;
}

static void block_worker(struct ours *o)
{
	a32_store(&o->blocked, 1);
	a32_store(&o->blocker.work.flags, 0);
	o->released = false;
	io_wq_enqueue(o->wq, &o->blocker.work);
	wait_for_zero(o, &o->blocked);
}

static void release_worker(struct ours *o)
{
	mutex_lock(&o->lock);
	o->released = true;
	if (o->blocker.waits)
		sched_unpark(o->blocker.waits);
	mutex_unlock(&o->lock);
}

static void *begin(const struct wq_world *w)
{
	enum wq_kind kind = w->row->kind;
	struct ours *o = make(w, kind == WQ_CANCEL_PENDING ? 1 : 8);

	for (unsigned int i = 0; i < w->row->batch; i++) {
		o->items[i].pool = o;
		o->items[i].fd = kind == WQ_HASHED ? w->file[i % w->row->files] : w->pipe[0];
	}
	if (kind == WQ_CANCEL_PENDING)
		block_worker(o);
	return o;
}

static bool match_item(struct io_wq_work *work, void *data)
{
	return work == data;
}

static void cancel_all(struct ours *o)
{
	for (unsigned int i = 0; i < o->world.row->batch; i++)
		ENSURE_OP((int)io_wq_cancel_cb(o->wq, match_item, &o->items[i].work, false), !=,
			  (int)IO_WQ_CANCEL_NOTFOUND);
}

static void run_batch(void *pool)
{
	struct ours *o = pool;
	const struct wq_row *row = o->world.row;
	bool blocks = row->kind == WQ_BLOCK || row->kind == WQ_CANCEL_BLOCKED;

	a32_store(&o->left, row->batch);
	if (blocks)
		a32_store(&o->blocked, row->batch);
	for (unsigned int i = 0; i < row->batch; i++) {
		struct io_wq_work *work = &o->items[i].work;

		a32_store(&work->flags, blocks ? IO_WQ_WORK_UNBOUND : 0);
		if (row->kind == WQ_HASHED)
			io_wq_hash_work(work, i % row->files);
		io_wq_enqueue(o->wq, work);
	}
	if (blocks)
		wait_for_zero(o, &o->blocked);
	if (row->kind == WQ_BLOCK)
		wq_answer(&o->world);
	if (row->kind == WQ_CANCEL_PENDING || row->kind == WQ_CANCEL_BLOCKED)
		cancel_all(o);
	wait_for_zero(o, &o->left);
}

static void end(void *pool)
{
	struct ours *o = pool;

	release_worker(o);
	io_wq_exit_start(o->wq);
	io_wq_put_and_exit(o->wq);
	free(o);
}

const struct wq_side wq_ours = {
	.name = "ours",
	.kinds = (1 << WQ_KINDS) - 1,
	.begin = begin,
	.round = run_batch,
	.end = end,
};

/* ---- growth ---- */

void wq_grow_ours(uint32_t n, struct wq_growth *out)
{
	static const struct wq_row row = { .kind = WQ_EMPTY };
	const struct wq_world w = { .row = &row };
	struct ours *o = make(&w, 1);
	struct item *items = zeroed(n, sizeof(*items));
	uint32_t rounds = n < 20000 ? 20000 / n : 1;
	uint64_t queue = 0, run = 0, start;
	size_t before = 0, after = 0;

	for (uint32_t i = 0; i < n; i++)
		items[i].pool = o;
	for (uint32_t r = 0; r < rounds; r++) {
		a32_store(&o->left, n + 1);
		block_worker(o);
		before = mallinfo2().uordblks;
		start = wq_cpu_now();
		for (uint32_t i = 0; i < n; i++)
			io_wq_enqueue(o->wq, &items[i].work);
		queue += wq_cpu_now() - start;
		after = mallinfo2().uordblks;
		start = wq_cpu_now();
		release_worker(o);
		wait_for_zero(o, &o->left);
		run += wq_cpu_now() - start;
	}
	out->queue = (double)queue / n / rounds;
	out->run = (double)run / n / rounds;
	out->bytes = (double)(after - before) / n + sizeof(struct io_wq_work);
	free(items);
	end(o);
}

void wq_grow_list(uint32_t n, struct wq_growth *out)
{
	struct item *items = zeroed(n, sizeof(*items));
	uint32_t rounds = n < 20000 ? 20000 / n : 1;
	uint64_t queue = 0, run = 0, start;
	struct mutex lock;
	struct list head;

	mutex_init(&lock);
	list_init(&head);
	for (uint32_t r = 0; r < rounds; r++) {
		start = wq_cpu_now();
		for (uint32_t i = 0; i < n; i++) {
			a32_or(&items[i].work.flags, IO_WQ_WORK_UNBOUND);
			mutex_lock(&lock);
			list_add_tail(&items[i].work.node, &head);
			mutex_unlock(&lock);
		}
		queue += wq_cpu_now() - start;
		start = wq_cpu_now();
		while (!list_empty(&head)) {
			struct item *it = list_first(&head, struct item, work.node);

			mutex_lock(&lock);
			list_del(&it->work.node);
			mutex_unlock(&lock);
			a32_or(&it->work.flags, IO_WQ_WORK_UNBOUND);
		}
		run += wq_cpu_now() - start;
	}
	out->queue = (double)queue / n / rounds;
	out->run = (double)run / n / rounds;
	out->bytes = 0;
	free(items);
}
