/* The making of workers: who makes them, when, what happens when there is no thread, on which processors they run; and
 * what the pool looks like meanwhile. */
#include "core/wq/test_owner.h"

#include <signal.h>
#include <string.h>

static uint32_t nr_running(int acct)
{
	return a32_load(&o.wq->acct[acct].nr_running);
}

/* ---- who makes a worker ---- */

static void first_worker(void *arg)
{
	begin(4, 4);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 0u);
	put(0, GATED, 0);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 1u); /* when the call returns */
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_UNBOUND), ==, 0u);
	put(1, GATED, IO_WQ_WORK_UNBOUND);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_UNBOUND), ==, 1u);
	CHECK_OP(o.nr_requests, ==, 0u);
	CHECK_OP(o.made[IO_WQ_BY_SUBMITTER], ==, 2u);
	open_gate(0);
	WAIT_FOR(nr_done() == 2);
	end();
}

static void test_the_submitter_makes_the_first_worker(void)
{
	run_schedules(first_worker, SCHEDULES);
}

static unsigned int seen;

/* A worker falls asleep twice before its owner comes to its first request. */
static void one_request(void *arg)
{
	begin(4, 1);
	o.items[1].gate = 1;
	put(0, GATED, 0);
	put(1, GATED, 0);
	put(2, QUICK, 0);
	while (!waiting(0))
		sched_park(SCHED_NEVER);
	open_gate(0);
	while (!waiting(1))
		sched_park(SCHED_NEVER);
	if (nr_workers(o.wq, IO_WQ_ACCT_BOUND) == 1) {
		settle();
		CHECK_OP(o.nr_requests, ==, 1u);
		seen++;
	}
	WAIT_FOR(result(2) == 0);
	open_gate(1);
	WAIT_FOR(nr_done() == 3);
	end();
}

static void test_one_request_is_outstanding_per_worker(void)
{
	seen = 0;
	run_schedules(one_request, SCHEDULES);
	if (time_is_virtual)
		CHECK_OP(seen, >, 0u);
}

static void named(void *arg)
{
	begin(1, 1);
	put(0, QUICK, 0);
	put(1, QUICK, IO_WQ_WORK_UNBOUND);
	WAIT_FOR(nr_done() == 2);
	CHECK_OP(o.started, ==, 2u);
	CHECK_STR(o.wq->worker_name, "iou-wrk-7");
	CHECK_OP(o.bad_name, ==, 0u); /* each looked at its own */
	end();
}

static void test_workers_are_named_after_their_owner(void)
{
	run_schedules(named, SCHEDULES);
}

/* ---- nr_running ---- */

static void running(void *arg)
{
	begin(4, 1);
	CHECK_OP(nr_running(0), ==, 0u);
	put(0, GATED, 0);
	CHECK_OP(nr_running(1), ==, 0u);
	WAIT_FOR(waiting(0));
	POLL_FOR(nr_running(0) == 0);
	settle();
	CHECK_OP(nr_running(0), ==, 0u); /* asleep in its item */
	o.items[1].gate = 1;
	put(1, SPINS, 0);
	WAIT_FOR(waiting(1));
	POLL_FOR(nr_running(0) == 1);
	o.items[2].gate = 1;
	put(2, SPINS, IO_WQ_WORK_CONCURRENT);
	POLL_FOR(nr_running(0) == 2);
	open_gate(0);
	open_gate(1);
	WAIT_FOR(nr_done() == 3);
	POLL_FOR(nr_running(0) == 0); /* all are idle */
	CHECK_OP(nr_running(1), ==, 0u);
	end();
}

static void test_nr_running_counts_who_is_not_asleep(void)
{
	run_schedules(running, SCHEDULES);
}

/* ---- no thread ---- */

static void tried_again(void *arg)
{
	unsigned int failures = 1 + *(unsigned int *)arg % 3;
	uint64_t began = sched_now();

	begin(2, 2);
	sched_fail_spawns("iou-wrk", failures, *(unsigned int *)arg % 2 ? -EAGAIN : -513);
	put(0, QUICK, 0);
	put(1, QUICK, 0); /* relies on it */
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 1u);
	WAIT_FOR(nr_done() == 2);
	CHECK_OP(result(0), ==, 0);
	CHECK_OP(result(1), ==, 0);
	CHECK_OP(o.nr_delays, ==, failures);
	CHECK_OP(o.not_made, ==, failures);
	CHECK_OP(o.made[IO_WQ_BY_RETRY], ==, 1u);
	for (unsigned int i = 0; i < failures; i++)
		CHECK_OP(o.delays[i], ==, 5 * MS * (i + 1));
	CHECK_OP(sched_now() - began, >=, 5 * MS * failures * (failures + 1) / 2);
	if (time_is_virtual)
		CHECK_OP(sched_now() - began, <, 5 * MS * failures * (failures + 1) / 2 + MS);
	end();
}

static void test_a_thread_that_cannot_be_made_is_tried_again(void)
{
	run_schedules(tried_again, SCHEDULES);
}

static void given_up(void *arg)
{
	uint64_t began = sched_now();

	begin(2, 2);
	sched_fail_spawns("iou-wrk", 4, -EAGAIN);
	o.items[0].follower = &o.items[1];
	put(0, QUICK, 0);
	put(2, QUICK, 0);
	put_hashed(3, QUICK, 1);
	put_hashed(4, QUICK, 1);
	CHECK_OP(nr_done(), ==, 0u);
	WAIT_FOR(nr_done() == 5);
	for (int i = 0; i < 5; i++)
		CHECK_OP(result(i), ==, -ECANCELED);
	CHECK_OP(o.nr_delays, ==, 3u);
	CHECK_OP(sched_now() - began, >=, 30 * MS);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 0u);
	CHECK_OP(nr_running(0), ==, 0u);
	io_wq_check(o.wq);
	put(5, QUICK, 0); /* a new one has its own three */
	WAIT_FOR(result(5) == 0);
	end();
}

static void test_when_retries_run_out_all_that_is_pending_is_cancelled(void)
{
	run_schedules(given_up, SCHEDULES);
}

/* There is another worker, asleep: the work waits for that. */
static void stays(void *arg)
{
	begin(2, 1);
	put(0, GATED, 0);
	WAIT_FOR(waiting(0));
	POLL_FOR(nr_running(0) == 0);
	sched_fail_spawns("iou-wrk", 4, -EAGAIN);
	put(1, QUICK, 0);
	POLL_FOR(nr_workers(o.wq, IO_WQ_ACCT_BOUND) == 1);
	CHECK_OP(o.nr_delays, ==, 3u);
	settle();
	CHECK_OP(result(1), ==, 1);
	open_gate(0);
	WAIT_FOR(nr_done() == 2);
	CHECK_OP(result(1), ==, 0);
	end();
}

static void test_work_that_has_a_worker_stays_when_retries_run_out(void)
{
	run_schedules(stays, SCHEDULES);
}

static void other_error(void *arg)
{
	begin(2, 2);
	sched_fail_spawns("iou-wrk", 1, -ENOMEM);
	put(0, QUICK, 0);
	CHECK_OP(result(0), ==, -ECANCELED); /* when the call returns */
	CHECK_OP(o.nr_delays, ==, 0u);
	end();
}

static void test_other_errors_are_not_tried_again(void)
{
	run_schedules(other_error, SCHEDULES);
}

/* The pool exits while a creation waits for its time, or for the owner. */
static void exit_in_retry(void *arg)
{
	begin(2, 2);
	sched_fail_spawns("iou-wrk", 2, -EAGAIN);
	put(0, QUICK, 0);
	put(1, QUICK, IO_WQ_WORK_UNBOUND);
	if (*(unsigned int *)arg % 4)
		sleep_until(sched_now() + *(unsigned int *)arg % 4 * 5 * MS - 16);
	if (*(unsigned int *)arg % 2)
		run_task_work();
	end();
	sched_fail_spawns("", 0, 0);
	CHECK_OP(o.nr_done, ==, 2u);
	CHECK(o.items[1].result == -ECANCELED || o.items[1].result == 0);
}

static void test_exit_withdraws_creations_that_wait(void)
{
	run_schedules(exit_in_retry, 4 * SCHEDULES);
}

/* ---- between creation and start ---- */

static bool created_not_started(void)
{
	struct io_wq_acct *acct = &o.wq->acct[IO_WQ_ACCT_UNBOUND];
	bool created;

	mutex_lock(&acct->workers_lock);
	created = !list_empty(&acct->all_list);
	mutex_unlock(&acct->workers_lock);
	mutex_lock(&o.lock);
	created = created && o.started == 1;
	mutex_unlock(&o.lock);
	return created;
}

/* The bounded worker makes an unbounded one, for the hashed follower of its item; the owner comes in between. */
static void two_steps(void *arg)
{
	unsigned int seed = *(unsigned int *)arg;
	bool in_between = false;

	begin(1, 1);
	o.items[0].follower = &o.items[1];
	io_wq_hash_work(&o.items[1].work, 3);
	a32_or(&o.items[1].work.flags, IO_WQ_WORK_UNBOUND);
	put(0, QUICK, 0);
	for (int i = 0; i < 100 && !in_between && result(1) == 1; i++) {
		in_between = created_not_started();
		sched_point("owner looks");
	}
	seen += in_between;
	if (seed % 3 == 0) {
		int said = cancel(1);

		WAIT_FOR(nr_done() == 2);
		if (in_between && said == IO_WQ_CANCEL_OK)
			CHECK_OP(result(1), ==, -ECANCELED);
	} else if (seed % 3 == 1) {
		put(2, QUICK, IO_WQ_WORK_UNBOUND);
		WAIT_FOR(nr_done() == 3);
		CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_UNBOUND), ==, 1u);
	} /* else: exit */
	end();
	CHECK_OP(o.items[1].freed, ==, 1u);
}

static void test_cancel_wake_and_exit_between_creation_and_start(void)
{
	seen = 0;
	run_schedules(two_steps, 4 * SCHEDULES);
	if (time_is_virtual)
		CHECK_OP(seen, >, 10u);
}

/* ---- hashes ---- */

static void buckets(void *arg)
{
	struct io_wq_acct *acct;

	begin(1, 1);
	acct = &o.wq->acct[IO_WQ_ACCT_BOUND];
	put(0, GATED, 0);
	WAIT_FOR(waiting(0));
	for (int i = 1; i < 63; i++)
		put_hashed(i, QUICK, (uint32_t)i);
	put_hashed(63, QUICK, 64 + 5); /* the bucket of 5 */
	mutex_lock(&acct->lock);
	CHECK(acct->hash_tail[0] == NULL && acct->hash_tail[63] == NULL);
	for (int i = 1; i < 63; i++)
		CHECK(acct->hash_tail[i] == &o.items[i == 5 ? 63 : i].work);
	mutex_unlock(&acct->lock);
	open_gate(0);
	WAIT_FOR(nr_done() == 64);
	for (int i = 0; i < 6; i++)
		CHECK_OP(o.log[i], ==, i);
	CHECK_OP(o.log[6], ==, 63);
	CHECK_OP(o.log[7], ==, 6);
	end();
}

static void test_there_are_64_buckets_and_keys_collide(void)
{
	run_schedules(buckets, 50);
}

static bool stalled(struct io_wq *wq)
{
	struct io_wq_acct *acct = &wq->acct[IO_WQ_ACCT_BOUND];
	bool is;

	mutex_lock(&acct->lock);
	is = acct->stalled;
	mutex_unlock(&acct->lock);
	return is;
}

/* Another pool holds the bucket: the account stalls, whatever else comes makes it look again, the free bucket wakes it. */
static void stall(void *arg)
{
	begin(2, 1);
	o.wq2 = new_pool(2, 1);
	put_hashed(0, GATED, 1);
	WAIT_FOR(waiting(0));
	io_wq_hash_work(&o.items[1].work, 1);
	io_wq_enqueue(o.wq2, &o.items[1].work);
	POLL_FOR(stalled(o.wq2));
	settle();
	CHECK_OP(o.nr_requests, ==, 0u);
	CHECK(!stalled(o.wq));
	io_wq_enqueue(o.wq2, &o.items[2].work);
	WAIT_FOR(result(2) == 0);
	CHECK_OP(result(1), ==, 1);
	POLL_FOR(stalled(o.wq2));
	CHECK_OP(nr_workers(o.wq2, IO_WQ_ACCT_BOUND), ==, 1u);
	open_gate(0);
	WAIT_FOR(result(1) == 0);
	CHECK(!stalled(o.wq2));
	end_pool(o.wq2);
	o.wq2 = NULL;
	end();
}

static void test_a_busy_bucket_stalls_and_its_end_wakes(void)
{
	run_schedules(stall, SCHEDULES);
}

/* ---- processors ---- */

/* The n-th there is, or SCHED_CPUS. */
static unsigned int nth_cpu(unsigned int n)
{
	struct sched_cpus all;
	unsigned int cpu;

	sched_all_cpus(&all);
	for (cpu = 0; cpu < SCHED_CPUS; cpu++)
		if (sched_cpus_has(&all, cpu) && !n--)
			break;
	return cpu;
}

static void pinned(void *arg)
{
	unsigned int cpu = nth_cpu(*(unsigned int *)arg % 2);
	struct sched_cpus none = sched_only_cpu(SCHED_CPUS - 1), one;

	if (cpu == SCHED_CPUS)
		return;
	one = sched_only_cpu(cpu);
	begin(4, 4);
	CHECK_OP(io_wq_cpu_affinity(o.wq, &none), ==, -EINVAL);
	CHECK_OP(io_wq_cpu_affinity(o.wq, &one), ==, 0);
	for (int i = 0; i < 3; i++)
		put(i, GATED, IO_WQ_WORK_CONCURRENT | (i ? IO_WQ_WORK_UNBOUND : 0));
	open_gate(0);
	WAIT_FOR(nr_done() == 3);
	for (int i = 0; i < 3; i++)
		CHECK_OP(o.items[i].cpu, ==, cpu);
	CHECK_OP(io_wq_cpu_affinity(o.wq, &none), ==, -EINVAL);
	CHECK_OP(io_wq_cpu_affinity(o.wq, NULL), ==, 0);
	put(3, QUICK, IO_WQ_WORK_CONCURRENT);
	WAIT_FOR(nr_done() == 4);
	end();
}

static void test_new_workers_run_where_they_are_to(void)
{
	run_schedules(pinned, SCHEDULES);
}

/* On sim a worker stays where it is; on threads it may have moved by itself, so that nothing is sure of the old one. */
static void moved(void *arg)
{
	unsigned int old, cpu = nth_cpu(0);
	struct sched_cpus one;

	if (nth_cpu(1) == SCHED_CPUS)
		return;
	begin(4, 4);
	if (!time_is_virtual)
		o.wq->idle_timeout = 20 * MS;
	put(0, QUICK, 0);
	WAIT_FOR(nr_done() == 1);
	old = o.items[0].cpu;
	if (cpu == old)
		cpu = nth_cpu(1);
	one = sched_only_cpu(cpu);
	CHECK_OP(io_wq_cpu_affinity(o.wq, &one), ==, 0);
	if (time_is_virtual) {
		sleep_until(4900 * MS);
		CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 1u);
		sleep_until(5100 * MS);
		CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 0u); /* though it was the last */
	}
	put(1, QUICK, 0);
	WAIT_FOR(nr_done() == 2);
	if (time_is_virtual) {
		CHECK_OP(o.items[1].cpu, ==, cpu);
		sleep_until(sched_now() + 11000 * MS);
		CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 1u); /* that one stays */
	}
	end();
}

static void test_workers_on_other_processors_leave_when_idle(void)
{
	run_schedules(moved, SCHEDULES);
}

/* ---- the picture of a failure ---- */

static void fail(void *arg)
{
	begin(2, 1);
	put(0, GATED, 0);
	put_hashed(1, QUICK, 9);
	WAIT_FOR(waiting(0));
	mutex_lock(&o.wq->acct[IO_WQ_ACCT_BOUND].workers_lock);
	ENSURE(!"made to fail");
}

static void run_fail(void *arg)
{
	struct sched_config cfg = { .strategy = SCHED_REPLAY };
	struct sched_result res;

	sched_run(&cfg, fail, arg, &res);
}

static void test_a_failing_assertion_prints_the_pools(void)
{
	CHECK_DIES(run_fail, NULL, SIGABRT, "io-wq of 7, buckets held");
	CHECK_DIES(run_fail, NULL, SIGABRT, "worker  iou-wrk-7, in: bound");
}

static const struct check_test tests[] = {
	CHECK_TEST(test_the_submitter_makes_the_first_worker),
	CHECK_TEST(test_one_request_is_outstanding_per_worker),
	CHECK_TEST(test_workers_are_named_after_their_owner),
	CHECK_TEST(test_nr_running_counts_who_is_not_asleep),
	CHECK_TEST(test_a_thread_that_cannot_be_made_is_tried_again),
	CHECK_TEST(test_when_retries_run_out_all_that_is_pending_is_cancelled),
	CHECK_TEST(test_work_that_has_a_worker_stays_when_retries_run_out),
	CHECK_TEST(test_other_errors_are_not_tried_again),
	CHECK_TEST(test_exit_withdraws_creations_that_wait),
	CHECK_TEST(test_cancel_wake_and_exit_between_creation_and_start),
	CHECK_TEST(test_there_are_64_buckets_and_keys_collide),
	CHECK_TEST(test_a_busy_bucket_stalls_and_its_end_wakes),
	CHECK_TEST(test_new_workers_run_where_they_are_to),
	CHECK_TEST(test_workers_on_other_processors_leave_when_idle),
	CHECK_TEST(test_a_failing_assertion_prints_the_pools),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
