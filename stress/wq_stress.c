/* core/wq on threads, for long: what ThreadSanitizer is to watch, and what no simulated schedule shows.
 *
 *	wq [--seconds N] [--seed N] [SCENARIO]
 *
 * Several tasks, each with one pool after the other; all pools share one hash map. What a pool is put through is a
 * scenario of the table below, drawn from the seed (or the one that is named); what the threads make of it is not.
 *
 * The laws, for each pool:
 *	- every item ends exactly once, and what cancel said OK for has not run;
 *	- two items of one bucket never run at the same time, whatever their pools. A plain counter for each bucket lets
 *	  ThreadSanitizer see that one follows the other;
 *	- an account has no more workers than its highest limit;
 *	- the pool's own invariants (io_wq_check) hold at any time.
 * And at the end: no thread is left, and no byte (what an allocator keeps for itself aside).
 * Exit status 1 if one was broken. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/prng.h"
#include "core/wq/io_wq.h"

enum { TASKS = 4, ITEMS = 48, BUCKETS = 64, MAX_LIMIT = 5, KEEPS = 64 << 10, SECOND = 1000000000 };
#define US 1000ull

enum kind {
	QUICK,
	SPINS, /* for some microseconds */
	NAPS, /* sleeps for some, or until it is notified */
	GATED, /* sleeps until the gate is open or it is notified */
	KINDS
};

struct owner;

struct item {
	struct io_wq_work work;
	struct owner *owner;
	enum kind kind;
	uint32_t us;
	struct item *follower;
	bool sent; /* the owner's: handed over, or a follower of what was */
	/* under owner->lock */
	unsigned int ran, cancelled, freed;
	struct sched_task *waits;
};

struct owner {
	struct mutex lock; /* of the callbacks and of what its items have below it; nests in nothing */
	struct sched_task *task;
	struct list callbacks;
	struct io_wq *wq;
	struct prng prng;
	bool open;
	unsigned int nr_done, nr_sent;
	struct atomic32 in_workers;
	unsigned int limit[2]; /* the highest so far */
	struct item items[ITEMS];
	uint64_t episodes, total;
};

static struct {
	struct io_wq_hash *hash;
	struct atomic32 in_bucket[BUCKETS];
	uint64_t passes[BUCKETS]; /* plain on purpose: whoever is in the bucket writes it */
	struct atomic32 broken;
	uint64_t end;
	int only; /* a scenario; -1: any */
} s;

static void law(bool holds, const char *what)
{
	if (holds)
		return;
	if (a32_add(&s.broken, 1) < 10)
		printf("broken: %s\n", what);
	fflush(stdout);
}

static struct item *item_of(struct io_wq_work *work)
{
	return container_of(work, struct item, work);
}

/* ---- what the pool calls ---- */

static void sleep_in(struct item *it, uint64_t deadline)
{
	struct owner *o = it->owner;

	sched_block_begin();
	while (!sched_notified() && sched_now() < deadline) {
		bool open;

		mutex_lock(&o->lock);
		open = it->kind == GATED && o->open;
		it->waits = open ? NULL : sched_self();
		mutex_unlock(&o->lock);
		if (open)
			break;
		sched_park(deadline);
	}
	mutex_lock(&o->lock);
	it->waits = NULL;
	mutex_unlock(&o->lock);
	sched_block_end();
}

static void spin(struct item *it)
{
	uint64_t until = sched_now() + it->us * US;

	while (sched_now() < until)
		;
}

static void run_item(struct item *it)
{
	switch (it->kind) {
	case SPINS:
		spin(it);
		break;
	case NAPS:
		sleep_in(it, sched_now() + it->us * US);
		break;
	case GATED:
		sleep_in(it, SCHED_NEVER);
		break;
	default:
		break;
	}
}

static void do_work(struct io_wq_work *work)
{
	struct item *it = item_of(work);
	struct owner *o = it->owner;
	uint32_t flags = a32_load(&work->flags);
	unsigned int bucket = (flags >> IO_WQ_HASH_SHIFT) % BUCKETS;
	bool cancelled = flags & IO_WQ_WORK_CANCEL;

	if (!cancelled) {
		law(io_wq_current() == o->wq, "work runs in a worker of its pool");
		law(a32_add(&o->in_workers, 1) < o->limit[0] + o->limit[1], "no more run than there may be workers");
		if (flags & IO_WQ_WORK_HASHED) {
			law(a32_add(&s.in_bucket[bucket], 1) == 0, "one at a time in a bucket");
			s.passes[bucket]++;
		}
		run_item(it);
		if (flags & IO_WQ_WORK_HASHED)
			a32_sub(&s.in_bucket[bucket], 1);
		a32_sub(&o->in_workers, 1);
	}
	mutex_lock(&o->lock);
	it->ran += !cancelled;
	it->cancelled += cancelled;
	mutex_unlock(&o->lock);
}

static struct io_wq_work *free_work(struct io_wq_work *work)
{
	struct item *it = item_of(work);
	struct owner *o = it->owner;
	struct item *follower = it->follower;

	mutex_lock(&o->lock);
	it->freed++;
	o->nr_done++;
	sched_unpark(o->task);
	mutex_unlock(&o->lock);
	return follower ? &follower->work : NULL;
}

static bool queue_creation(void *owner, struct io_wq_callback *cb)
{
	struct owner *o = owner;

	mutex_lock(&o->lock);
	list_add_tail(&cb->node, &o->callbacks);
	sched_unpark(o->task);
	mutex_unlock(&o->lock);
	return true;
}

static struct io_wq_callback *withdraw_creation(void *owner, bool (*match)(struct io_wq_callback *cb, void *arg),
						void *arg)
{
	struct owner *o = owner;
	struct io_wq_callback *found;

	mutex_lock(&o->lock);
	found = io_wq_take_callback(&o->callbacks, match, arg);
	mutex_unlock(&o->lock);
	return found;
}

/* ---- what owners do ---- */

static void run_task_work(struct owner *o)
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

static void open_gate(struct owner *o)
{
	mutex_lock(&o->lock);
	o->open = true;
	for (int i = 0; i < ITEMS; i++)
		if (o->items[i].waits)
			sched_unpark(o->items[i].waits);
	mutex_unlock(&o->lock);
}

static void wait_for_all(struct owner *o)
{
	unsigned int nr_done;

	for (;;) {
		run_task_work(o);
		mutex_lock(&o->lock);
		nr_done = o->nr_done;
		mutex_unlock(&o->lock);
		if (nr_done == o->nr_sent)
			return;
		sched_park(SCHED_NEVER);
	}
}

static void nap(struct owner *o)
{
	sched_park(sched_now() + prng_below(&o->prng, 100) * US);
	run_task_work(o);
}

static void send(struct owner *o, unsigned int id, uint32_t flags)
{
	struct item *it = &o->items[id];

	a32_or(&it->work.flags, flags);
	for (; it; it = it->follower) {
		it->sent = true;
		o->nr_sent++;
	}
	io_wq_enqueue(o->wq, &o->items[id].work);
}

static uint32_t random_flags(struct owner *o)
{
	return (prng_chance(&o->prng, 1, 3) ? IO_WQ_WORK_UNBOUND : 0) |
	       (prng_chance(&o->prng, 1, 4) ? IO_WQ_WORK_CONCURRENT : 0);
}

static bool match_item(struct io_wq_work *work, void *data)
{
	return item_of(work) == data;
}

static bool match_any(struct io_wq_work *work, void *data)
{
	return true;
}

static void cancel(struct owner *o, unsigned int id)
{
	struct item *it = &o->items[id];
	enum io_wq_cancel said = io_wq_cancel_cb(o->wq, match_item, it, false);

	mutex_lock(&o->lock);
	law(said != IO_WQ_CANCEL_OK || (it->cancelled == 1 && it->freed == 1 && !it->ran), "OK: it has not run");
	law(said == IO_WQ_CANCEL_NOTFOUND || it->sent, "what was not sent is not found");
	mutex_unlock(&o->lock);
}

static void resize(struct owner *o)
{
	unsigned int count[2];

	for (int i = 0; i < 2; i++) {
		count[i] = prng_below(&o->prng, MAX_LIMIT + 1);
		if (count[i] > o->limit[i])
			count[i] = o->limit[i]; /* so that a worker may read the limit */
	}
	io_wq_max_workers(o->wq, count);
	for (int i = 0; i < 2; i++)
		law(count[i] >= 1 && count[i] <= MAX_LIMIT, "the limits before");
}

/* ---- the scenarios: each puts a fresh pool through something; whatever is left is waited for, or cut short ---- */

static void enqueue(struct owner *o)
{
	for (unsigned int i = 0; i < ITEMS; i++) {
		send(o, i, random_flags(o));
		if (prng_chance(&o->prng, 1, 8))
			nap(o);
	}
}

static void hash(struct owner *o)
{
	for (unsigned int i = 0; i < ITEMS; i++) {
		if (prng_chance(&o->prng, 3, 4))
			io_wq_hash_work(&o->items[i].work, prng_below(&o->prng, 3));
		send(o, i, prng_chance(&o->prng, 1, 4) ? IO_WQ_WORK_CONCURRENT : 0);
		if (prng_chance(&o->prng, 1, 16))
			nap(o);
	}
}

static void links(struct owner *o)
{
	for (unsigned int i = 0; i < ITEMS; i += 3) {
		o->items[i].follower = &o->items[i + 1];
		o->items[i + 1].follower = prng_chance(&o->prng, 1, 2) ? &o->items[i + 2] : NULL;
		for (unsigned int k = i; k < i + 3; k++)
			if (prng_chance(&o->prng, 1, 4))
				io_wq_hash_work(&o->items[k].work, prng_below(&o->prng, 3));
		send(o, i, random_flags(o));
		if (prng_chance(&o->prng, 1, 4))
			cancel(o, i + prng_below(&o->prng, 3));
	}
}

static void cancels(struct owner *o)
{
	for (unsigned int i = 0; i < ITEMS; i++) {
		if (prng_chance(&o->prng, 1, 3))
			io_wq_hash_work(&o->items[i].work, prng_below(&o->prng, 3));
		send(o, i, random_flags(o));
		while (prng_chance(&o->prng, 1, 2))
			cancel(o, prng_below(&o->prng, ITEMS));
		if (prng_chance(&o->prng, 1, 16))
			io_wq_cancel_cb(o->wq, match_any, NULL, true);
		if (prng_chance(&o->prng, 1, 16))
			nap(o);
	}
}

static void resizes(struct owner *o)
{
	for (unsigned int i = 0; i < ITEMS; i++) {
		send(o, i, random_flags(o) | IO_WQ_WORK_CONCURRENT);
		if (prng_chance(&o->prng, 1, 2))
			resize(o);
		if (prng_chance(&o->prng, 1, 8))
			nap(o);
	}
}

static void idles(struct owner *o)
{
	for (unsigned int i = 0; i < ITEMS; i++) {
		io_wq_set_exit_on_idle(o->wq, prng_chance(&o->prng, 1, 2));
		send(o, i, random_flags(o));
		if (prng_chance(&o->prng, 1, 4))
			nap(o);
	}
}

static void exits(struct owner *o)
{
	unsigned int nr = prng_below(&o->prng, 8);

	for (unsigned int i = 0; i < nr; i++) {
		if (prng_chance(&o->prng, 1, 3))
			io_wq_hash_work(&o->items[i].work, prng_below(&o->prng, 3));
		send(o, i, random_flags(o));
	}
	if (prng_chance(&o->prng, 1, 2))
		nap(o);
	io_wq_exit_start(o->wq);
	if (nr)
		send(o, nr, 0); /* ends at once */
}

static const struct scenario {
	const char *name;
	void (*run)(struct owner *o);
	unsigned int kinds; /* so many of the list above may come */
	unsigned int cut; /* of two times, so often the pool exits with work in it */
} scenarios[] = {
	/* clang-format off */
	{ "enqueue", enqueue, GATED, 0 },
	{ "hash", hash, GATED, 1 },
	{ "links", links, KINDS, 1 },
	{ "cancel", cancels, KINDS, 1 },
	{ "resize", resizes, KINDS, 0 },
	{ "idle", idles, GATED, 1 },
	{ "exit", exits, KINDS, 2 }, /* it has begun to */
	/* clang-format on */
};

enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

/* ---- a pool from its making to its end ---- */

static void begin(struct owner *o, const struct scenario *sc)
{
	struct io_wq_data data = {
		.hash = s.hash,
		.owner = o,
		.owner_name = "stress",
		.do_work = do_work,
		.free_work = free_work,
		.queue_creation = queue_creation,
		.withdraw_creation = withdraw_creation,
	};

	memset(o->items, 0, sizeof(o->items));
	for (unsigned int i = 0; i < ITEMS; i++) {
		o->items[i].owner = o;
		o->items[i].kind = prng_chance(&o->prng, 1, 2) ? QUICK : prng_below(&o->prng, sc->kinds);
		o->items[i].us = prng_below(&o->prng, 50);
	}
	o->open = false;
	o->nr_done = o->nr_sent = 0;
	for (int i = 0; i < 2; i++)
		o->limit[i] = prng_range(&o->prng, 1, MAX_LIMIT);
	ENSURE_OP(io_wq_create(&o->wq, o->limit[0], o->limit[1], &data), ==, 0);
}

static void end(struct owner *o, bool cut)
{
	if (!cut) {
		open_gate(o);
		wait_for_all(o);
	}
	io_wq_check(o->wq);
	io_wq_exit_start(o->wq);
	io_wq_put_and_exit(o->wq);
	law(list_empty(&o->callbacks), "no request for a worker is left");
	law(a32_load(&o->in_workers) == 0, "nobody is in an item");
	for (unsigned int i = 0; i < ITEMS; i++) {
		struct item *it = &o->items[i];

		law(it->freed == it->sent, "every item is freed exactly once");
		law(it->ran + it->cancelled == it->sent, "every item ends exactly once");
	}
	o->episodes++;
	o->total += o->nr_sent;
}

static void episode(struct owner *o, const struct scenario *sc)
{
	begin(o, sc);
	sc->run(o);
	if (prng_chance(&o->prng, 1, 4))
		io_wq_check(o->wq);
	end(o, prng_below(&o->prng, 2) < sc->cut);
}

static void owner_main(void *arg)
{
	struct owner *o = arg;

	o->task = sched_self();
	do {
		int i = s.only >= 0 ? s.only : (int)prng_below(&o->prng, SCENARIOS);

		episode(o, &scenarios[i]);
	} while (sched_now() < s.end && !a32_load(&s.broken));
}

/* ---- the whole ---- */

static struct owner owners[TASKS];
static uint64_t seed = 1;

static void run_owners(void *arg)
{
	struct sched_task *task[TASKS];

	s.end = sched_now() + *(uint64_t *)arg;
	s.hash = io_wq_hash_new();
	for (unsigned int i = 0; i < TASKS; i++) {
		mutex_init(&owners[i].lock);
		list_init(&owners[i].callbacks);
		owners[i].prng = prng_seed(prng_mix(seed) + i);
		ENSURE_OP(sched_spawn(&task[i], "owner", owner_main, &owners[i]), ==, 0);
	}
	for (unsigned int i = 0; i < TASKS; i++)
		sched_join(task[i]);
	io_wq_hash_put(s.hash);
}

static void run_for(uint64_t ns)
{
	struct sched_config cfg = { .seed = seed };
	struct sched_result res;

	sched_run(&cfg, run_owners, &ns, &res);
	sched_keep_threads(0);
}

static unsigned int nr_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned int nr = 0;

	ENSURE(d != NULL);
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		nr += e->d_name[0] != '.';
	closedir(d);
	return nr;
}

/* A thread that was joined may be in the list for a moment more. */
static unsigned int threads_at_rest(unsigned int expected)
{
	for (int i = 0; i < 500 && nr_threads() > expected; i++)
		usleep(1000);
	return nr_threads();
}

static int parse(int argc, char **argv, uint64_t *seconds)
{
	s.only = -1;
	for (int i = 1; i < argc; i++) {
		uint64_t *to = strcmp(argv[i], "--seconds") == 0 ? seconds :
			       strcmp(argv[i], "--seed") == 0	 ? &seed :
								   NULL;

		if (to && i + 1 < argc) {
			*to = strtoull(argv[++i], NULL, 0);
			continue;
		}
		for (int k = 0; k < SCENARIOS && s.only < 0; k++)
			s.only = strcmp(argv[i], scenarios[k].name) == 0 ? k : -1;
		if (to || s.only < 0) {
			fprintf(stderr,
				"usage: wq [--seconds N] [--seed N] [enqueue|hash|links|cancel|resize|idle|exit]\n");
			return -EINVAL;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t seconds = 10, episodes = 0, items = 0;
	unsigned int threads;
	size_t before, after;

	if (parse(argc, argv, &seconds) < 0)
		return 2;
	run_for(SECOND / 10); /* what is allocated once is allocated now, and a sanitizer starts its thread */
	threads = threads_at_rest(1);
	before = mallinfo2().uordblks;
	run_for(seconds * SECOND);
	after = mallinfo2().uordblks;
	law(after <= before + KEEPS, "no byte is left");
	law(threads_at_rest(threads) == threads, "no thread is left");
	for (unsigned int i = 0; i < TASKS; i++) {
		episodes += owners[i].episodes;
		items += owners[i].total;
	}
	printf("%d tasks, seed %" PRIu64 ": %" PRIu64 " pools, %" PRIu64 " items, %u laws broken; %zd bytes more\n",
	       TASKS, seed, episodes, items, a32_load(&s.broken), (ssize_t)(after - before));
	return a32_load(&s.broken) || !episodes;
}
