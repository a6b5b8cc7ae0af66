/* Small pool programs on all their schedules of up to two preemptions (sched/sim/explore.h), with what each may come to.
 * One OS thread runs everything, so what belongs to the test itself needs no lock here, and has no scheduling point: all
 * the points that are searched are the pool's.
 *
 * An outcome is a text: for each item, in the order in which they ended, its number, who had it (m: the owner; a, b:
 * workers, in the order in which they first ended one) and how it ended: nothing if it ran, ! if it was interrupted, - if
 * it was cancelled before it began. What each cancel said comes last. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/text.h"
#include "core/sched/sim/explore.h"
#include "core/wq/internal.h"

enum { NR_ITEMS = 3, MAX_WORKERS = 3, MAX_OUTCOMES = 24, OUTCOME_SIZE = 48 };

struct item {
	struct io_wq_work work;
	bool gated; /* sleeps until the gate is open, or it is notified */
	struct sched_task *waits; /* at the gate */
	struct item *follower;
	unsigned int issued, freed;
};

/* The owner, and all that one run notes. */
static struct {
	struct sched_task *task;
	struct list callbacks;
	struct io_wq *wq;
	struct io_wq_hash *hash;
	struct item items[NR_ITEMS];
	unsigned int nr_done, in_bucket[IO_WQ_NR_HASH_BUCKETS];
	bool open;
	const struct io_worker *seen[MAX_WORKERS];
	char ended[OUTCOME_SIZE / 2], said[OUTCOME_SIZE / 2];
	bool exited;
} o;

static const char *const says[] = {
	[IO_WQ_CANCEL_OK] = "ok",
	[IO_WQ_CANCEL_RUNNING] = "running",
	[IO_WQ_CANCEL_NOTFOUND] = "none",
};

static struct item *item_of(struct io_wq_work *work)
{
	return container_of(work, struct item, work);
}

/* ---- what the pool calls ---- */

static char who(void)
{
	const struct sched_task *self = sched_self();

	if (self == o.task)
		return 'm';
	list_for_each(node, &o.wq->workers) {
		const struct io_worker *worker = list_entry(node, struct io_worker, workers_node);

		if (worker->task != self)
			continue;
		for (int i = 0; i < MAX_WORKERS; i++) {
			if (!o.seen[i])
				o.seen[i] = worker;
			if (o.seen[i] == worker)
				return (char)('a' + i);
		}
	}
	ENSURE_UNREACHABLE();
}

static bool interrupted_at_gate(struct item *it)
{
	bool interrupted = false;

	sched_block_begin();
	while (!o.open && !interrupted) {
		it->waits = sched_self();
		sched_unpark(o.task);
		if (sched_notified())
			interrupted = true;
		else if (!o.open)
			sched_park(SCHED_NEVER);
	}
	it->waits = NULL;
	sched_block_end();
	return interrupted;
}

static void do_work(struct io_wq_work *work)
{
	struct item *it = item_of(work);
	uint32_t flags = a32_load(&work->flags);
	unsigned int hashed = !!(flags & IO_WQ_WORK_HASHED), *nr = &o.in_bucket[io_get_work_hash(flags)];
	const char *how = "";
	char end[8];

	if (flags & IO_WQ_WORK_CANCEL) {
		how = "-";
	} else {
		*nr += hashed;
		ENSURE_OP(*nr, <=, 1u);
		sched_point("in an item");
		if (it->gated && interrupted_at_gate(it))
			how = "!";
		*nr -= hashed;
	}
	it->issued++;
	snprintf(end, sizeof(end), "%d%c%s ", (int)(it - o.items), who(), how);
	strcat(o.ended, end);
}

static struct io_wq_work *free_work(struct io_wq_work *work)
{
	struct item *it = item_of(work);
	struct item *follower = it->follower;

	it->freed++;
	o.nr_done++;
	sched_unpark(o.task);
	return follower ? &follower->work : NULL;
}

static bool queue_creation(void *owner, struct io_wq_callback *cb)
{
	list_add_tail(&cb->node, &o.callbacks);
	sched_unpark(o.task);
	return true;
}

static struct io_wq_callback *withdraw_creation(void *owner, bool (*match)(struct io_wq_callback *cb, void *arg),
						void *arg)
{
	return io_wq_take_callback(&o.callbacks, match, arg);
}

/* ---- what programs are made of ---- */

static void begin(unsigned int bounded, unsigned int unbounded)
{
	struct io_wq_data data = {
		.owner_name = "7",
		.do_work = do_work,
		.free_work = free_work,
		.queue_creation = queue_creation,
		.withdraw_creation = withdraw_creation,
	};

	memset(&o, 0, sizeof(o));
	list_init(&o.callbacks);
	o.task = sched_self();
	data.hash = o.hash = io_wq_hash_new();
	ENSURE_OP(io_wq_create(&o.wq, bounded, unbounded, &data), ==, 0);
}

static void put(int id, uint32_t flags)
{
	a32_or(&o.items[id].work.flags, flags);
	io_wq_enqueue(o.wq, &o.items[id].work);
}

static void put_gated(int id, uint32_t flags)
{
	o.items[id].gated = true;
	put(id, flags);
}

static void hash_by(int id, uint32_t key)
{
	io_wq_hash_work(&o.items[id].work, key);
}

static bool match_id(struct io_wq_work *work, void *data)
{
	return item_of(work) == &o.items[*(int *)data];
}

static void cancel(int id)
{
	strcat(strcat(o.said, " "), says[io_wq_cancel_cb(o.wq, match_id, &id, false)]);
}

static void run_task_work(void)
{
	while (!list_empty(&o.callbacks)) {
		struct io_wq_callback *cb = list_first(&o.callbacks, struct io_wq_callback, node);

		list_del(&cb->node);
		cb->run(cb);
	}
}

static void open_gate(void)
{
	o.open = true;
	for (int i = 0; i < NR_ITEMS; i++)
		if (o.items[i].waits)
			sched_unpark(o.items[i].waits);
}

static void wait_for(unsigned int nr_done)
{
	run_task_work();
	while (o.nr_done < nr_done) {
		sched_park(SCHED_NEVER);
		run_task_work();
	}
}

/* Until item 0 is at the gate. */
static void wait_for_gate(void)
{
	run_task_work();
	while (!o.items[0].waits) {
		sched_park(SCHED_NEVER);
		run_task_work();
	}
}

static void exit_pool(void)
{
	io_wq_exit_start(o.wq);
	io_wq_put_and_exit(o.wq);
	io_wq_hash_put(o.hash);
	o.exited = true;
}

/* ---- the programs ---- */

static void two(void)
{
	begin(2, 1);
	put(0, 0);
	put(1, 0);
	wait_for(2);
}

static void two_concurrent(void)
{
	begin(2, 1);
	put(0, IO_WQ_WORK_CONCURRENT);
	put(1, IO_WQ_WORK_CONCURRENT);
	wait_for(2);
}

static void one_bucket(void)
{
	begin(2, 1);
	hash_by(0, 5);
	hash_by(1, 5);
	put(0, 0);
	put(1, IO_WQ_WORK_CONCURRENT);
	wait_for(2);
}

static void two_buckets(void)
{
	begin(2, 1);
	hash_by(0, 5);
	hash_by(1, 6);
	put(0, 0);
	put(1, IO_WQ_WORK_CONCURRENT);
	wait_for(2);
}

static void hashed_and_not(void)
{
	begin(2, 1);
	hash_by(0, 5);
	hash_by(1, 5);
	put(0, 0);
	put(1, 0);
	put(2, IO_WQ_WORK_CONCURRENT);
	wait_for(3);
}

static void cancel_pending(void)
{
	begin(1, 1);
	put(0, 0);
	put(1, 0);
	cancel(1);
	wait_for(2);
}

static void cancel_running(void)
{
	begin(1, 1);
	put_gated(0, 0);
	cancel(0);
	open_gate();
	wait_for(1);
}

static void cancel_tail(void)
{
	begin(1, 1);
	hash_by(0, 5);
	hash_by(1, 5);
	hash_by(2, 5);
	put(0, 0);
	put(1, 0);
	cancel(1);
	put(2, 0);
	wait_for(3);
}

static void linked(void)
{
	begin(2, 1);
	o.items[0].follower = &o.items[1];
	put(0, 0);
	put(2, IO_WQ_WORK_CONCURRENT);
	wait_for(3);
}

static void linked_hashed(void)
{
	begin(2, 1);
	o.items[0].follower = &o.items[1];
	hash_by(1, 5);
	hash_by(2, 5);
	put(0, 0);
	put(2, IO_WQ_WORK_CONCURRENT);
	wait_for(3);
}

static void limit_of_one(void)
{
	begin(1, 1);
	put(0, IO_WQ_WORK_CONCURRENT);
	put(1, IO_WQ_WORK_CONCURRENT);
	wait_for(2);
}

static void both_accounts(void)
{
	begin(1, 1);
	put(0, 0);
	put(1, IO_WQ_WORK_UNBOUND);
	wait_for(2);
}

static void exit_pending(void)
{
	begin(1, 1);
	put_gated(0, 0);
	wait_for_gate();
	put(1, 0);
	put(2, IO_WQ_WORK_UNBOUND);
	exit_pool();
}

static void exit_running(void)
{
	begin(1, 1);
	put_gated(0, 0);
	exit_pool();
}

static void creation(void)
{
	begin(2, 1);
	put_gated(0, 0);
	put(1, 0);
	wait_for(1);
	open_gate();
	wait_for(2);
}

static void exit_on_idle(void)
{
	begin(2, 1);
	put(0, 0);
	io_wq_set_exit_on_idle(o.wq, true);
	put(1, 0);
	wait_for(2);
}

/* The chain is in the worker's hands. */
static void cancel_taken(void)
{
	begin(1, 1);
	hash_by(0, 5);
	hash_by(1, 5);
	put_gated(0, 0);
	put(1, 0);
	wait_for_gate();
	cancel(1);
	open_gate();
	wait_for(2);
}

static void cancel_linked(void)
{
	begin(1, 1);
	o.items[0].follower = &o.items[1];
	put(0, 0);
	cancel(0);
	cancel(1);
	wait_for(2);
}

/* The next item of the same worker must not notice. */
static void cancel_before_another(void)
{
	begin(1, 1);
	put(0, 0);
	put_gated(1, 0);
	cancel(0);
	wait_for(1);
	open_gate();
	wait_for(2);
}

static void cancel_twice(void)
{
	begin(2, 1);
	put_gated(0, 0);
	cancel(0);
	cancel(0);
	wait_for(1);
}

/* Of three in one bucket the second worker can take none: it stalls, and is woken. */
static void stalled(void)
{
	begin(2, 1);
	hash_by(0, 5);
	hash_by(1, 5);
	put_gated(0, 0);
	wait_for_gate();
	put(1, IO_WQ_WORK_CONCURRENT);
	open_gate();
	wait_for(2);
}

static void lower_limit(void)
{
	unsigned int count[2] = { 1, 0 };

	begin(2, 1);
	put_gated(0, 0);
	put_gated(1, IO_WQ_WORK_CONCURRENT);
	io_wq_max_workers(o.wq, count);
	open_gate();
	wait_for(2);
}

/* Work comes in the moment in which the worker has been idle for too long. */
static void retiring(void)
{
	begin(2, 1);
	o.wq->idle_timeout = 10;
	put_gated(0, 0);
	wait_for_gate();
	put(1, 0);
	wait_for(1);
	open_gate();
	while (sched_now() < 10)
		sched_park(10);
	put(2, 0);
	wait_for(3);
}

static void exit_chain(void)
{
	begin(1, 1);
	hash_by(0, 5);
	hash_by(1, 5);
	put_gated(0, 0);
	put(1, 0);
	exit_pool();
}

static const struct program {
	const char *name;
	void (*run)(void);
	unsigned int preemptions;
	unsigned int at_least; /* so many schedules: fewer, and the search or the program has shrunk */
	const char *outcomes; /* sorted */
} programs[] = {
	/* clang-format off */
	{ "two", two, 3, 10000, "0a 1a" },
	{ "two_concurrent", two_concurrent, 2, 1000, "0a 1a | 0a 1b | 1a 0b" },
	{ "one_bucket", one_bucket, 2, 2000, "0a 1a | 0a 1b" },
	{ "two_buckets", two_buckets, 2, 2000, "0a 1a | 0a 1b | 1a 0b" },
	{ "hashed_and_not", hashed_and_not, 2, 5000, "0a 1a 2a | 0a 1a 2b | 0a 1b 2b | 0a 2b 1a | 2a 0b 1b" },
	{ "cancel_pending", cancel_pending, 3, 10000,
	  "0a 1a, none | 0a 1a, running | 0a 1a-, running | 0a 1m-, ok | 1m- 0a, ok" },
	{ "cancel_running", cancel_running, 3, 3000, "0a!, running | 0a, running | 0a-, running | 0m-, ok" },
	{ "cancel_tail", cancel_tail, 3, 50000,
	  "0a 1a 2a, none | 0a 1a 2a, running | 0a 1a- 2a, running | 0a 1m- 2a, ok | 1m- 0a 2a, ok" },
	{ "linked", linked, 2, 2000, "0a 1a 2a | 0a 1a 2b | 0a 2b 1a | 2a 0b 1b" },
	{ "linked_hashed", linked_hashed, 2, 4000,
	  "0a 1a 2a | 0a 1a 2b | 0a 1b 2b | 0a 2a 1a | 0a 2b 1a | 0a 2b 1b | 2a 0b 1b" },
	{ "limit_of_one", limit_of_one, 3, 10000, "0a 1a" },
	{ "both_accounts", both_accounts, 2, 80000, "0a 1b | 1a 0b" },
	{ "exit_pending", exit_pending, 2, 30000, "0a! 1a 2b | 0a! 1a 2b- | 0a! 2b- 1a | 2a 0b! 1b | 2a- 0b! 1b" },
	{ "exit_running", exit_running, 3, 7000, "0a!" },
	{ "creation", creation, 2, 10000, "1a 0b" },
	{ "exit_on_idle", exit_on_idle, 3, 20000, "0a 1a | 0a 1b" },
	{ "cancel_taken", cancel_taken, 3, 10000, "0a 1a-, running | 1m- 0a, ok" },
	{ "cancel_linked", cancel_linked, 3, 9000,
	  "0a 1a, none none | 0a 1a, none running | 0a 1a, running none | 0a 1a-, none running | "
	  "0a- 1a, running none | 0m- 1m-, ok none" },
	{ "cancel_before_another", cancel_before_another, 3, 20000,
	  "0a 1a, none | 0a 1a, running | 0a- 1a, running | 0m- 1a, ok" },
	{ "cancel_twice", cancel_twice, 3, 8000,
	  "0a!, running none | 0a!, running running | 0a-, running none | 0a-, running running | 0m-, ok none" },
	{ "stalled", stalled, 2, 100000, "0a 1a | 0a 1b" },
	{ "lower_limit", lower_limit, 2, 10000, "0a 1a | 0a 1b | 1a 0b" },
	{ "retiring", retiring, 2, 60000, "1a 0b 2a | 1a 0b 2b" },
	{ "exit_chain", exit_chain, 3, 30000, "0a! 1a" },
	/* clang-format on */
};

/* ---- the search ---- */

/* When the program is over, everything comes to rest: time moves when nobody can run. */
static void run_program(void *arg)
{
	const struct program *p = arg;

	p->run();
	if (!o.exited) {
		uint64_t later = sched_now() + 1;

		while (sched_now() < later)
			sched_park(later);
		io_wq_check_at_rest(o.wq);
		exit_pool();
	}
	for (int i = 0; i < NR_ITEMS; i++) {
		ENSURE_OP(o.items[i].issued, <=, 1u);
		ENSURE_OP(o.items[i].freed, ==, o.items[i].issued);
	}
	ENSURE(list_empty(&o.callbacks));
}

static struct {
	char text[MAX_OUTCOMES][OUTCOME_SIZE];
	unsigned int nr;
} found;

static void note_outcome(void)
{
	char text[OUTCOME_SIZE];

	snprintf(text, sizeof(text), "%.*s%s%s", (int)strlen(o.ended) - 1, o.ended, *o.said ? "," : "", o.said);
	for (unsigned int i = 0; i < found.nr; i++)
		if (strcmp(found.text[i], text) == 0)
			return;
	ENSURE_OP(found.nr, <, (unsigned int)MAX_OUTCOMES);
	strcpy(found.text[found.nr++], text);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static uint64_t search(const struct program *p, unsigned int preemptions)
{
	struct sched_explore *e = sched_explore_new(preemptions);
	struct sched_config cfg = { .strategy = SCHED_EXPLORE, .explore = e, .max_points = 100000 };
	struct sched_result res;
	uint64_t nr = 0;

	found.nr = 0;
	while (sched_explore_next(e)) {
		sched_run(&cfg, run_program, (void *)p, &res);
		nr++;
		if (CHECK_OP((int)res.end, ==, SCHED_DONE)) {
			note_outcome();
			continue;
		}
		printf("%s, schedule %llu: %s\n", p->name, (unsigned long long)nr, res.stuck);
		io_wq_abandon_all();
		break;
	}
	sched_explore_free(e);
	return nr;
}

/* All that was found, as it stands in the table. */
static const char *outcomes(void)
{
	static char joined[MAX_OUTCOMES * OUTCOME_SIZE];
	struct text t;

	qsort(found.text, found.nr, sizeof(found.text[0]), by_text);
	text_init(&t, joined, sizeof(joined));
	for (unsigned int i = 0; i < found.nr; i++)
		text_printf(&t, "%s%s", i ? " | " : "", found.text[i]);
	return joined;
}

static void test_program(void)
{
	for (unsigned int i = 0; i < CHECK_COUNT(programs); i++) {
		const struct program *p = &programs[i];
		uint64_t nr;

		if (strcmp(p->name, check_name()) != 0)
			continue;
		nr = search(p, p->preemptions);
		printf("%s: %llu schedules of up to %u preemptions, %u outcomes\n", p->name, (unsigned long long)nr,
		       p->preemptions, found.nr);
		CHECK_OP(nr, >=, (uint64_t)p->at_least);
		CHECK_STR(outcomes(), p->outcomes);
	}
}

int main(int argc, char **argv)
{
	struct check_test tests[CHECK_COUNT(programs)];

	for (unsigned int i = 0; i < CHECK_COUNT(programs); i++)
		tests[i] = (struct check_test){ programs[i].name, test_program };
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
