/* bench wq: GLib's GThreadPool and libuv's pool, and a floor. Both pools know neither accounts nor buckets nor cancelling
 * what runs. For empty work they get one thread: all of it is bound to one processor, and more only get in each other's
 * way. */
#include <glib.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/ensure.h"
#include "sched/sched.h"
#include "stress/bench_wq.h"

static unsigned int threads_for(const struct wq_row *row)
{
	return row->kind == WQ_BLOCK ? row->batch : 1;
}

/* Reads that have not begun yet. */
static struct atomic32 to_block;

static void read_byte(int fd, struct sched_task *owner)
{
	char c;

	if (a32_sub(&to_block, 1) == 1)
		sched_unpark(owner);
	ENSURE_OP(read(fd, &c, 1), ==, (ssize_t)1);
}

/* All of them have begun: the peer may answer. */
static void answer(const struct wq_world *w)
{
	while (a32_load(&to_block))
		sched_park(SCHED_NEVER);
	wq_answer(w);
}

/* ---- GLib ---- */

struct glib {
	struct wq_world world;
	GThreadPool *pool;
	struct sched_task *task;
	struct atomic32 left;
	GMutex gate; /* growth: held while the worker must not go on */
};

static void glib_work(gpointer data, gpointer pool)
{
	struct glib *g = pool;

	if (g->world.row->kind == WQ_BLOCK)
		read_byte(g->world.pipe[0], g->task);
	if (a32_sub(&g->left, 1) == 1)
		sched_unpark(g->task);
}

static void *glib_make(const struct wq_world *w, GFunc work)
{
	struct glib *g = calloc(1, sizeof(*g));

	ENSURE(g != NULL);
	g->world = *w;
	g->task = sched_self();
	g->pool = g_thread_pool_new(work, g, (gint)threads_for(w->row), TRUE, NULL);
	ENSURE(g->pool != NULL);
	return g;
}

static void *glib_begin(const struct wq_world *w)
{
	return glib_make(w, glib_work);
}

static void glib_wait(struct glib *g)
{
	while (a32_load(&g->left))
		sched_park(SCHED_NEVER);
}

static void glib_round(void *pool)
{
	struct glib *g = pool;

	a32_store(&g->left, g->world.row->batch);
	a32_store(&to_block, g->world.row->batch);
	for (unsigned int i = 0; i < g->world.row->batch; i++)
		g_thread_pool_push(g->pool, g, NULL);
	if (g->world.row->kind == WQ_BLOCK)
		answer(&g->world);
	glib_wait(g);
}

static void glib_end(void *pool)
{
	struct glib *g = pool;

	g_thread_pool_free(g->pool, FALSE, TRUE);
	free(g);
}

const struct wq_side wq_glib = {
	.name = "glib",
	.kinds = 1 << WQ_EMPTY | 1 << WQ_BLOCK,
	.begin = glib_begin,
	.round = glib_round,
	.end = glib_end,
};

static void glib_gated_work(gpointer data, gpointer pool)
{
	struct glib *g = pool;

	if (data != pool) {
		g_mutex_lock(&g->gate);
		g_mutex_unlock(&g->gate);
	}
	if (a32_sub(&g->left, 1) == 1)
		sched_unpark(g->task);
}

void wq_grow_glib(uint32_t n, struct wq_growth *out)
{
	static const struct wq_row row = { .kind = WQ_EMPTY };
	const struct wq_world w = { .row = &row };
	struct glib *g = glib_make(&w, glib_gated_work);
	uint32_t rounds = n < 20000 ? 20000 / n : 1;
	uint64_t queue = 0, run = 0, start;
	size_t before = 0, after = 0;

	g_mutex_init(&g->gate);
	for (uint32_t r = 0; r < rounds; r++) {
		a32_store(&g->left, n + 1);
		g_mutex_lock(&g->gate);
		g_thread_pool_push(g->pool, &g->gate, NULL);
		while (g_thread_pool_unprocessed(g->pool))
			g_usleep(100);
		before = mallinfo2().uordblks;
		start = wq_cpu_now();
		for (uint32_t i = 0; i < n; i++)
			g_thread_pool_push(g->pool, g, NULL);
		queue += wq_cpu_now() - start;
		after = mallinfo2().uordblks;
		start = wq_cpu_now();
		g_mutex_unlock(&g->gate);
		glib_wait(g);
		run += wq_cpu_now() - start;
	}
	out->queue = (double)queue / n / rounds;
	out->run = (double)run / n / rounds;
	out->bytes = (double)(after - before) / n;
	g_mutex_clear(&g->gate);
	glib_end(g);
}

/* ---- libuv ---- */

const unsigned int wq_uv_bytes = sizeof(uv_work_t);

struct uv {
	struct wq_world world;
	struct sched_task *task;
	uv_loop_t loop;
	uv_work_t work[WQ_MAX_BATCH];
};

static void uv_nothing(uv_work_t *work)
{
	(void)work;
}

static void uv_read(uv_work_t *work)
{
	struct uv *u = work->data;

	read_byte(u->world.pipe[0], u->task);
}

static void uv_after(uv_work_t *work, int status)
{
	ENSURE_OP(status, ==, 0);
}

static void *uv_begin(const struct wq_world *w)
{
	struct uv *u = calloc(1, sizeof(*u));
	char threads[16];

	ENSURE(u != NULL);
	u->world = *w;
	u->task = sched_self();
	snprintf(threads, sizeof(threads), "%u", threads_for(w->row));
	setenv("UV_THREADPOOL_SIZE", threads, 1); /* before the first work */
	ENSURE_OP(uv_loop_init(&u->loop), ==, 0);
	return u;
}

static void uv_round(void *pool)
{
	struct uv *u = pool;
	bool blocks = u->world.row->kind == WQ_BLOCK;

	a32_store(&to_block, u->world.row->batch);
	for (unsigned int i = 0; i < u->world.row->batch; i++) {
		u->work[i].data = u;
		ENSURE_OP(uv_queue_work(&u->loop, &u->work[i], blocks ? uv_read : uv_nothing, uv_after), ==, 0);
	}
	if (blocks)
		answer(&u->world);
	uv_run(&u->loop, UV_RUN_DEFAULT);
}

static void uv_end(void *pool)
{
	struct uv *u = pool;

	uv_loop_close(&u->loop);
	free(u);
}

const struct wq_side wq_uv = {
	.name = "libuv",
	.kinds = 1 << WQ_EMPTY | 1 << WQ_BLOCK,
	.one_task = true,
	.begin = uv_begin,
	.round = uv_round,
	.end = uv_end,
};

/* ---- the floor: two threads that wake each other, once for a batch, and do nothing else ---- */

struct bare {
	struct sched_task *owner, *worker;
	struct atomic32 asked, answered, end;
};

static void bare_worker(void *arg)
{
	struct bare *f = arg;

	while (!a32_load(&f->end)) {
		if (!a32_xchg(&f->asked, 0)) {
			sched_park(SCHED_NEVER);
			continue;
		}
		a32_store(&f->answered, 1);
		sched_unpark(f->owner);
	}
}

static void *bare_begin(const struct wq_world *w)
{
	struct bare *f = w->row->batch == 1 ? calloc(1, sizeof(*f)) : NULL;

	if (!f)
		return NULL;
	f->owner = sched_self();
	ENSURE_OP(sched_spawn(&f->worker, "floor", bare_worker, f), ==, 0);
	return f;
}

static void bare_round(void *pool)
{
	struct bare *f = pool;

	a32_store(&f->asked, 1);
	sched_unpark(f->worker);
	while (!a32_xchg(&f->answered, 0))
		sched_park(SCHED_NEVER);
}

static void bare_end(void *pool)
{
	struct bare *f = pool;

	a32_store(&f->end, 1);
	sched_unpark(f->worker);
	sched_join(f->worker);
	free(f);
}

const struct wq_side wq_floor = {
	.name = "floor",
	.kinds = 1 << WQ_EMPTY,
	.one_task = true,
	.begin = bare_begin,
	.round = bare_round,
	.end = bare_end,
};
