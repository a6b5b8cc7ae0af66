/* Cancelling, and random programs of everything. */
#include "core/wq/test_owner.h"

/* ---- cancel ---- */

static void cancel_states(void *arg)
{
	begin(1, 1);
	put(0, GATED, 0);
	o.items[2].follower = &o.items[9];
	for (int i = 1; i < 5; i++)
		put(i, QUICK, 0);
	WAIT_FOR(waiting(0));
	CHECK_OP(cancel(2), ==, IO_WQ_CANCEL_OK);
	CHECK_OP(result(2), ==, -ECANCELED);
	CHECK_OP(result(9), ==, -ECANCELED);
	CHECK_OP(cancel(2), ==, IO_WQ_CANCEL_NOTFOUND);
	CHECK_OP(cancel(7), ==, IO_WQ_CANCEL_NOTFOUND);
	CHECK_OP(cancel(0), ==, IO_WQ_CANCEL_RUNNING);
	WAIT_FOR(nr_done() == 6);
	CHECK_OP(result(0), ==, -EINTR);
	CHECK_OP(result(1), ==, 0);
	CHECK_OP(result(3), ==, 0);
	CHECK_OP(result(4), ==, 0);
	CHECK_OP(cancel(0), ==, IO_WQ_CANCEL_NOTFOUND);
	end();
}

static void test_cancel_of_pending_running_and_finished_work(void)
{
	run_schedules(cancel_states, SCHEDULES);
}

static void cancel_all(void *arg)
{
	begin(1, 1);
	put(0, GATED, 0);
	put(5, GATED, IO_WQ_WORK_UNBOUND);
	WAIT_FOR(waiting(0) && waiting(5));
	for (int i = 1; i < 4; i++)
		put(i, QUICK, 0);
	put_hashed(4, QUICK, 1);
	put(6, QUICK, IO_WQ_WORK_UNBOUND);
	CHECK_OP(cancel_all_from(1), ==, IO_WQ_CANCEL_RUNNING);
	for (int i = 1; i < 5; i++)
		CHECK_OP(result(i), ==, -ECANCELED);
	CHECK_OP(result(6), ==, -ECANCELED);
	io_wq_check(o.wq);
	WAIT_FOR(nr_done() == 6);
	CHECK_OP(result(5), ==, -EINTR);
	CHECK_OP(result(0), ==, 1);
	for (int i = 7; i < 9; i++)
		put(i, QUICK, 0);
	CHECK_OP(cancel_all_from(7), ==, IO_WQ_CANCEL_OK);
	open_gate(0);
	WAIT_FOR(nr_done() == 9);
	end();
}

static void test_cancel_of_all(void)
{
	run_schedules(cancel_all, SCHEDULES);
}

static void cancel_tail(void *arg)
{
	begin(2, 1);
	put(0, GATED, 0);
	put(1, GATED, IO_WQ_WORK_CONCURRENT);
	WAIT_FOR(waiting(0) && waiting(1));
	for (int i = 2; i < 8; i++)
		put_hashed(i, QUICK, i == 5 ? 2 : 1);
	CHECK_OP(cancel(7), ==, IO_WQ_CANCEL_OK); /* the tail */
	io_wq_check(o.wq);
	put_hashed(8, QUICK, 1);
	CHECK_OP(cancel(4), ==, IO_WQ_CANCEL_OK); /* the middle */
	CHECK_OP(cancel(2), ==, IO_WQ_CANCEL_OK); /* the head */
	CHECK_OP(cancel(5), ==, IO_WQ_CANCEL_OK); /* the only one */
	io_wq_check(o.wq);
	put_hashed(9, QUICK, 2);
	put_hashed(10, QUICK, 1);
	open_gate(0);
	WAIT_FOR(nr_done() == 11);
	CHECK_OP(result(3), ==, 0);
	CHECK_OP(result(6), ==, 0);
	CHECK_OP(result(8), ==, 0);
	CHECK_OP(result(9), ==, 0);
	CHECK_OP(result(10), ==, 0);
	end();
}

static void test_cancel_within_a_bucket_keeps_the_rest(void)
{
	run_schedules(cancel_tail, SCHEDULES);
}

static void cancel_taken(void *arg)
{
	begin(1, 1);
	put(0, GATED, 0);
	WAIT_FOR(waiting(0));
	o.items[1].gate = 1;
	put_hashed(1, GATED, 1);
	put_hashed(2, QUICK, 1);
	put_hashed(3, QUICK, 1);
	open_gate(0);
	WAIT_FOR(waiting(1)); /* now 2 and 3 are in the worker's hands */
	CHECK_OP(cancel(2), ==, IO_WQ_CANCEL_RUNNING);
	CHECK_OP(result(1), ==, 1);
	sched_point("cancelled");
	CHECK(waiting(1)); /* the cancel of 2 does not interrupt 1 */
	open_gate(1);
	WAIT_FOR(nr_done() == 4);
	CHECK_OP(result(1), ==, 0);
	CHECK_OP(result(2), ==, -ECANCELED);
	CHECK_OP(result(3), ==, 0);
	end();
}

static void test_cancel_sees_the_chain_a_worker_took(void)
{
	run_schedules(cancel_taken, SCHEDULES);
}

static unsigned int seen_flagged;

/* Item 0 is cancelled at any moment of its life; item 1, which the same worker runs next, must not notice. */
static void cancel_any_time(void *arg)
{
	int said, got;

	begin(1, 1);
	o.items[0].gate = 0;
	o.items[1].gate = 1;
	put(0, GATED, 0);
	put(1, GATED, 0);
	if (*(unsigned int *)arg % 3 == 0)
		open_gate(0);
	said = cancel(0);
	open_gate(0);
	WAIT_FOR(result(0) != 1 && waiting(1));
	got = result(0);
	if (said == IO_WQ_CANCEL_OK)
		CHECK_OP(got, ==, -ECANCELED);
	else if (said == IO_WQ_CANCEL_RUNNING)
		CHECK(got == -EINTR || got == 0 || got == -ECANCELED);
	else
		CHECK_OP(got, ==, 0);
	seen_flagged += said == IO_WQ_CANCEL_RUNNING && got == -ECANCELED;
	open_gate(1);
	WAIT_FOR(nr_done() == 2);
	CHECK_OP(result(1), ==, 0);
	end();
}

static void test_cancel_at_any_time_hits_only_its_target(void)
{
	seen_flagged = 0;
	run_schedules(cancel_any_time, 4 * SCHEDULES);
	if (time_is_virtual)
		CHECK_OP(seen_flagged, >, 0u); /* taken but not issued: flagged in time */
}

/* Nobody opens the gate: once the cancel has said that the item runs, it has to end, wherever its worker was then. */
static void cancel_ends_it(void *arg)
{
	int said;

	begin(1, 1);
	put(0, *(unsigned int *)arg % 2 ? GATED : SPINS, 0);
	said = cancel(0);
	WAIT_FOR(nr_done() == 1);
	if (said == IO_WQ_CANCEL_OK)
		CHECK_OP(result(0), ==, -ECANCELED);
	else
		CHECK(result(0) == -EINTR || result(0) == -ECANCELED);
	end();
}

static void test_cancel_reaches_whoever_is_about_to_sleep(void)
{
	run_schedules(cancel_ends_it, 4 * SCHEDULES);
}

/* ---- random programs ---- */

static void random_item(struct prng *p, struct item *it)
{
	uint32_t flags = 0;

	it->kind = prng_below(p, 4);
	it->gate = prng_below(p, NR_GATES);
	if (prng_chance(p, 1, 3))
		io_wq_hash_work(&it->work, prng_below(p, 2));
	else if (prng_chance(p, 1, 3))
		flags |= IO_WQ_WORK_UNBOUND;
	if (prng_chance(p, 1, 4))
		flags |= IO_WQ_WORK_CONCURRENT;
	a32_or(&it->work.flags, flags);
}

static void random_cpus(struct prng *p)
{
	struct sched_cpus cpus;

	sched_all_cpus(&cpus);
	for (size_t i = 0; i < sizeof(cpus.bits) / sizeof(cpus.bits[0]); i++)
		cpus.bits[i] &= prng_next(p);
	CHECK_OP(io_wq_cpu_affinity(o.wq, prng_chance(p, 1, 4) ? NULL : &cpus), ==, 0);
}

static void random_step(struct prng *p, int sent)
{
	unsigned int count[2];
	int id = (int)prng_below(p, (uint32_t)sent + 1);

	switch (prng_below(p, 12)) {
	case 0:
		cancel(id);
		break;
	case 1:
		cancel_all_from(id);
		break;
	case 2:
	case 3:
		open_gate(prng_below(p, NR_GATES));
		break;
	case 4:
		run_task_work();
		break;
	case 5:
		sched_park(sched_now() + TICK * prng_below(p, 200));
		break;
	case 6:
		io_wq_set_exit_on_idle(o.wq, prng_chance(p, 1, 2));
		break;
	case 7:
		count[0] = prng_below(p, 4);
		count[1] = prng_below(p, 4);
		io_wq_max_workers(o.wq, count);
		break;
	case 8:
		settle();
		break;
	case 9:
		sched_fail_spawns("iou-wrk", prng_below(p, 6), prng_chance(p, 3, 4) ? -EAGAIN : -ENOMEM);
		break;
	case 10:
		random_cpus(p);
		break;
	default:
		io_wq_check(o.wq);
	}
}

static void random_program(void *arg)
{
	struct prng p = prng_seed(*(unsigned int *)arg + 1);
	int nr = (int)prng_range(&p, 2, 12), sent = 0;

	begin(prng_range(&p, 1, 3), prng_range(&p, 1, 3));
	o.wq->idle_timeout = 94 * TICK;
	for (int i = 0; i < nr; i++)
		random_item(&p, &o.items[i]);
	while (sent < nr) {
		struct item *it = &o.items[sent++];

		if (sent < nr && prng_chance(&p, 1, 4))
			it->follower = &o.items[sent++];
		io_wq_enqueue(o.wq, &it->work);
		while (prng_chance(&p, 1, 2))
			random_step(&p, sent);
	}
	if (prng_chance(&p, 2, 3)) { /* else: exit in the midst of it */
		for (unsigned int i = 0; i < NR_GATES; i++)
			open_gate(i);
		WAIT_FOR(nr_done() == (unsigned int)nr);
	}
	end();
	sched_fail_spawns("", 0, 0);
	CHECK_OP(o.nr_done, ==, (unsigned int)nr);
	for (int i = 0; i < nr; i++) {
		CHECK_OP(o.items[i].issued, ==, 1u);
		CHECK_OP(o.items[i].freed, ==, 1u);
	}
}

static void test_random_programs_run_everything_exactly_once(void)
{
	run_schedules(random_program, 6000);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_cancel_of_pending_running_and_finished_work),
	CHECK_TEST(test_cancel_of_all),
	CHECK_TEST(test_cancel_within_a_bucket_keeps_the_rest),
	CHECK_TEST(test_cancel_sees_the_chain_a_worker_took),
	CHECK_TEST(test_cancel_at_any_time_hits_only_its_target),
	CHECK_TEST(test_cancel_reaches_whoever_is_about_to_sleep),
	CHECK_TEST(test_random_programs_run_everything_exactly_once),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
