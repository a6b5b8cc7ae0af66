/* Order of work, workers and their number, and the end of a pool. */
#include "core/wq/test_owner.h"

#include <string.h>

/* ---- order ---- */

static void fifo(void *arg)
{
	begin(1, 1);
	put(0, GATED, 0);
	for (int i = 1; i < 6; i++)
		put(i, QUICK, i == 3 ? IO_WQ_WORK_CONCURRENT : 0);
	open_gate(0);
	WAIT_FOR(nr_done() == 6);
	for (int i = 0; i < 6; i++)
		CHECK_OP(o.log[i], ==, i);
	end();
}

static void test_fifo(void)
{
	run_schedules(fifo, SCHEDULES);
}

static void hashed_order(void *arg)
{
	int last[3] = { -1, -1, -1 };

	begin(4, 1);
	for (int i = 0; i < 15; i++)
		put_hashed(i, i % 4 ? QUICK : NAPS, (uint32_t)i % 3);
	WAIT_FOR(nr_done() == 15);
	for (unsigned int i = 0; i < 15; i++) {
		CHECK_OP(o.log[i], >, last[o.log[i] % 3]);
		last[o.log[i] % 3] = o.log[i];
	}
	end();
}

static void test_hashed_work_runs_in_order_one_at_a_time(void)
{
	run_schedules(hashed_order, SCHEDULES);
}

static void overtaking(void *arg)
{
	begin(3, 1);
	put_hashed(0, GATED, 1);
	WAIT_FOR(waiting(0));
	put_hashed(1, QUICK, 1);
	put(2, QUICK, 0);
	put_hashed(3, QUICK, 2);
	WAIT_FOR(result(2) == 0 && result(3) == 0);
	CHECK_OP(result(1), ==, 1);
	open_gate(0);
	WAIT_FOR(nr_done() == 4);
	end();
}

static void test_other_work_overtakes_a_busy_bucket(void)
{
	run_schedules(overtaking, SCHEDULES);
}

static void insertion(void *arg)
{
	begin(1, 1);
	put(0, GATED, 0);
	WAIT_FOR(waiting(0));
	put_hashed(1, QUICK, 1);
	put(2, QUICK, 0);
	put_hashed(3, QUICK, 2);
	put_hashed(4, QUICK, 1); /* goes behind 1 */
	put_hashed(5, QUICK, 2); /* goes behind 3 */
	io_wq_check(o.wq);
	open_gate(0);
	WAIT_FOR(nr_done() == 6);
	CHECK_OP(o.log[1], ==, 1);
	CHECK_OP(o.log[2], ==, 4);
	CHECK_OP(o.log[3], ==, 2);
	CHECK_OP(o.log[4], ==, 3);
	CHECK_OP(o.log[5], ==, 5);
	end();
}

static void test_hashed_work_is_inserted_behind_its_bucket(void)
{
	run_schedules(insertion, SCHEDULES);
}

/* ---- followers ---- */

static void followers(void *arg)
{
	begin(2, 2);
	o.items[0].follower = &o.items[1];
	o.items[1].follower = &o.items[2];
	a32_or(&o.items[1].work.flags, IO_WQ_WORK_UNBOUND);
	io_wq_hash_work(&o.items[2].work, 3);
	put(0, QUICK, 0);
	WAIT_FOR(nr_done() == 3);
	CHECK(o.items[1].ran_on == o.items[0].ran_on); /* at once, though it is of the other account */
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_UNBOUND), ==, 0u);
	for (int i = 0; i < 3; i++)
		CHECK_OP(o.log[i], ==, i);
	end();
}

static void test_an_unhashed_follower_runs_at_once_a_hashed_one_queues(void)
{
	run_schedules(followers, SCHEDULES);
}

/* ---- workers ---- */

static void second_worker(void *arg)
{
	begin(4, 1);
	put(0, GATED, 0);
	put(1, QUICK, 0);
	WAIT_FOR(result(1) == 0);
	CHECK_OP(result(0), ==, 1);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), <=, 3u);
	CHECK_OP(o.made[IO_WQ_BY_SUBMITTER] + o.made[IO_WQ_BY_TASK_WORK], ==, nr_workers(o.wq, IO_WQ_ACCT_BOUND));
	CHECK_OP(o.made[IO_WQ_BY_SUBMITTER], >=, 1u);
	CHECK_OP(o.made[IO_WQ_BY_TASK_WORK], <=, o.nr_requests);
	open_gate(0);
	WAIT_FOR(nr_done() == 2);
	end();
}

static void test_a_sleeping_worker_asks_for_another(void)
{
	run_schedules(second_worker, SCHEDULES);
}

/* The same worker asks twice. */
static void second_request(void *arg)
{
	begin(4, 1);
	for (int i = 0; i < 4; i++)
		o.items[i].gate = (unsigned int)i;
	put(0, GATED, 0);
	put(1, GATED, 0);
	WAIT_FOR(waiting(0) && waiting(1));
	open_gate(0);
	WAIT_FOR(result(0) == 0);
	settle();
	put(2, GATED, 0);
	put(3, QUICK, 0);
	WAIT_FOR(result(3) == 0);
	open_gate(1);
	open_gate(2);
	WAIT_FOR(nr_done() == 4);
	end();
}

static void test_a_worker_may_ask_again(void)
{
	run_schedules(second_request, SCHEDULES);
}

static unsigned int seen_woken;

static bool has_free_worker(void)
{
	struct io_wq_acct *acct = &o.wq->acct[IO_WQ_ACCT_BOUND];
	bool has;

	mutex_lock(&acct->workers_lock);
	has = !list_empty(&acct->free_list);
	mutex_unlock(&acct->workers_lock);
	return has;
}

/* The worker that asked is free again before its owner comes to run the request. */
static void late_request(void *arg)
{
	begin(4, 1);
	put(0, GATED, 0);
	put(1, QUICK, 0);
	while (!waiting(0))
		sched_park(SCHED_NEVER);
	open_gate(0);
	while (nr_done() < 2 || !has_free_worker())
		sched_park(sched_now() + MS / 16);
	if (nr_workers(o.wq, IO_WQ_ACCT_BOUND) == 1 && o.nr_requests == 1) {
		run_task_work();
		CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 1u);
		seen_woken++;
	}
	end();
}

static void test_a_late_request_wakes_who_is_free(void)
{
	seen_woken = 0;
	run_schedules(late_request, SCHEDULES);
	if (time_is_virtual)
		CHECK_OP(seen_woken, >, 0u);
}

/* Its request is still with the owner when the worker leaves. */
static void withdrawn_request(void *arg)
{
	begin(4, 1);
	put(0, GATED, 0);
	put(1, QUICK, 0);
	while (!waiting(0))
		sched_park(SCHED_NEVER);
	open_gate(0);
	io_wq_set_exit_on_idle(o.wq, true);
	while (nr_done() < 2 || nr_workers(o.wq, IO_WQ_ACCT_BOUND))
		sched_park(sched_now() + MS / 16);
	CHECK(list_empty(&o.callbacks));
	end();
}

static void test_a_leaving_worker_withdraws_its_request(void)
{
	run_schedules(withdrawn_request, SCHEDULES);
}

/* A request finds the limit reached. Before it gives its count back the worker has left, and new work, whose enqueuer saw
 * that count, relies on it. */
static void request_for_nothing(void *arg)
{
	begin(1, 1);
	io_wq_set_exit_on_idle(o.wq, true);
	o.items[0].gate = 1;
	o.items[0].follower = &o.items[1];
	io_wq_hash_work(&o.items[1].work, 3); /* bounded */
	put(0, GATED, IO_WQ_WORK_UNBOUND);
	WAIT_FOR(waiting(0));
	put(2, GATED, 0);
	put(3, QUICK, 0);
	while (!waiting(2))
		sched_park(SCHED_NEVER);
	o.end_opens = 1;
	open_gate(0);
	WAIT_FOR(nr_done() == 4);
	end();
}

static void test_a_request_that_comes_to_nothing_looks_at_the_list(void)
{
	run_schedules(request_for_nothing, 100 * SCHEDULES);
}

/* A worker asleep in a bucket asks for nobody when only more of that bucket is pending. */
static void hash_defer(void *arg)
{
	begin(4, 1);
	put_hashed(0, GATED, 1);
	put_hashed(1, QUICK, 1);
	put_hashed(2, QUICK, 1);
	WAIT_FOR(waiting(0));
	settle();
	CHECK_OP(o.nr_requests, ==, 0u);
	open_gate(0);
	WAIT_FOR(nr_done() == 3);
	end();
}

/* With other work behind that, it does. */
static void no_hash_defer(void *arg)
{
	begin(4, 1);
	put_hashed(0, GATED, 1);
	put_hashed(1, QUICK, 1);
	put(2, QUICK, 0);
	WAIT_FOR(waiting(0) && result(2) == 0);
	open_gate(0);
	WAIT_FOR(nr_done() == 3);
	end();
}

static void test_no_worker_is_asked_for_a_bucket_that_is_busy(void)
{
	run_schedules(hash_defer, SCHEDULES);
	run_schedules(no_hash_defer, SCHEDULES);
}

static void concurrent(void *arg)
{
	begin(4, 1);
	put(0, SPINS, 0);
	WAIT_FOR(waiting(0));
	put(1, QUICK, 0); /* waits for the one that runs */
	settle();
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 1u);
	CHECK_OP(result(1), ==, 1);
	put(2, QUICK, IO_WQ_WORK_CONCURRENT);
	WAIT_FOR(result(2) == 0);
	CHECK_OP(result(1), ==, 0);
	open_gate(0);
	WAIT_FOR(nr_done() == 3);
	end();
}

static void test_concurrent_work_gets_its_own_worker(void)
{
	run_schedules(concurrent, SCHEDULES);
}

static void limit(void *arg)
{
	begin(2, 1);
	for (int i = 0; i < 6; i++)
		put(i, GATED, IO_WQ_WORK_CONCURRENT);
	WAIT_FOR(waiting(0) && waiting(1));
	for (int i = 6; i < 9; i++)
		put(i, GATED, IO_WQ_WORK_CONCURRENT | IO_WQ_WORK_UNBOUND);
	WAIT_FOR(waiting(6));
	CHECK_OP(o.max_running, ==, 3u);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 2u);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_UNBOUND), ==, 1u);
	io_wq_check(o.wq);
	open_gate(0);
	WAIT_FOR(nr_done() == 9);
	end();
}

static void test_each_account_keeps_to_its_limit(void)
{
	run_schedules(limit, SCHEDULES);
}

static void max_workers(void *arg)
{
	unsigned int count[2] = { 0, 0 };

	begin(3, 7);
	io_wq_max_workers(o.wq, count);
	CHECK_OP(count[0], ==, 3u);
	CHECK_OP(count[1], ==, 7u);
	for (int i = 0; i < 3; i++) {
		put(i, GATED, IO_WQ_WORK_CONCURRENT);
		WAIT_FOR(waiting(i));
	}
	count[0] = 1;
	count[1] = 0;
	io_wq_max_workers(o.wq, count);
	CHECK_OP(count[0], ==, 3u);
	CHECK_OP(count[1], ==, 7u);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 3u); /* nobody is killed */
	put(3, QUICK, IO_WQ_WORK_CONCURRENT);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 3u);
	CHECK_OP(result(3), ==, 1);
	io_wq_check(o.wq);
	count[0] = 4;
	io_wq_max_workers(o.wq, count);
	CHECK_OP(count[0], ==, 1u);
	CHECK_OP(count[1], ==, 7u);
	put(4, QUICK, 0); /* raising alone makes no worker; the next enqueue does */
	WAIT_FOR(result(3) == 0 && result(4) == 0);
	open_gate(0);
	WAIT_FOR(nr_done() == 5);
	end();
}

static void test_limits_are_returned_changed_and_kept(void)
{
	run_schedules(max_workers, SCHEDULES);
}

/* Three workers, all idle at about the same time. */
static void make_three_idle(void)
{
	for (int i = 0; i < 3; i++) {
		put(i, GATED, IO_WQ_WORK_CONCURRENT);
		WAIT_FOR(waiting(i));
	}
	open_gate(0);
	WAIT_FOR(nr_done() == 3);
}

static void idle_exit(void *arg)
{
	uint64_t idle_since;

	begin(4, 1);
	if (!time_is_virtual)
		o.wq->idle_timeout = 20 * MS;
	make_three_idle();
	idle_since = sched_now();
	if (time_is_virtual) {
		sleep_until(idle_since + 4900 * MS);
		CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 3u);
	}
	sleep_until(idle_since + o.wq->idle_timeout + MS);
	POLL_FOR(nr_workers(o.wq, IO_WQ_ACCT_BOUND) <= 1);
	sleep_until(sched_now() + 3 * o.wq->idle_timeout);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 1u);
	put(3, QUICK, 0);
	WAIT_FOR(nr_done() == 4);
	io_wq_check(o.wq);
	end();
}

static void test_idle_workers_leave_after_five_seconds_but_for_one(void)
{
	run_schedules(idle_exit, SCHEDULES);
}

/* Work comes just when workers leave. */
static void retire_race(void *arg)
{
	struct prng p = prng_seed(*(unsigned int *)arg);

	begin(3, 1);
	o.wq->idle_timeout = 100000;
	for (int i = 0; i < 30; i++) {
		put(i, prng_chance(&p, 1, 3) ? NAPS : QUICK, prng_chance(&p, 1, 2) ? IO_WQ_WORK_CONCURRENT : 0);
		if (prng_chance(&p, 1, 3))
			sleep_until(sched_now() + prng_range(&p, 99000, 102000));
		if (prng_chance(&p, 1, 8))
			io_wq_set_exit_on_idle(o.wq, prng_chance(&p, 1, 2));
		run_task_work();
	}
	WAIT_FOR(nr_done() == 30);
	end();
}

static void test_a_leaving_worker_strands_nothing(void)
{
	run_schedules(retire_race, 4 * SCHEDULES);
}

static void exit_on_idle(void *arg)
{
	begin(4, 4);
	make_three_idle();
	io_wq_set_exit_on_idle(o.wq, true);
	POLL_FOR(nr_workers(o.wq, IO_WQ_ACCT_BOUND) == 0);
	put(3, QUICK, 0);
	put(4, QUICK, IO_WQ_WORK_UNBOUND);
	WAIT_FOR(nr_done() == 5);
	POLL_FOR(nr_workers(o.wq, IO_WQ_ACCT_BOUND) == 0 && nr_workers(o.wq, IO_WQ_ACCT_UNBOUND) == 0);
	io_wq_set_exit_on_idle(o.wq, false);
	put(5, QUICK, 0);
	WAIT_FOR(nr_done() == 6);
	sleep_until(sched_now() + 10 * MS);
	CHECK_OP(nr_workers(o.wq, IO_WQ_ACCT_BOUND), ==, 1u);
	end();
}

static void test_all_idle_workers_leave_with_the_last_ring(void)
{
	run_schedules(exit_on_idle, SCHEDULES);
}

static void no_thread(void *arg)
{
	begin(2, 2);
	sched_fail_spawns("iou-wrk", 1, -ENOMEM);
	o.items[0].follower = &o.items[1];
	put(0, QUICK, 0);
	CHECK_OP(result(0), ==, -ECANCELED); /* nobody is left to run it */
	CHECK_OP(result(1), ==, -ECANCELED);
	put(2, GATED, 0);
	WAIT_FOR(waiting(2));
	sched_fail_spawns("iou-wrk", 1, -ENOMEM);
	put(3, QUICK, 0);
	CHECK_OP(result(3), ==, 1); /* stays queued: there is another worker */
	open_gate(0);
	WAIT_FOR(nr_done() == 4);
	CHECK_OP(result(3), ==, 0);
	end();
}

static void test_without_a_thread_work_is_cancelled_or_stays(void)
{
	run_schedules(no_thread, SCHEDULES);
}

/* ---- two pools, one map ---- */

static void shared_map(void *arg)
{
	begin(2, 1);
	o.wq2 = new_pool(2, 1);
	put_hashed(0, GATED, 1);
	WAIT_FOR(waiting(0));
	for (int i = 1; i < 5; i++) {
		io_wq_hash_work(&o.items[i].work, 1);
		io_wq_enqueue(o.wq2, &o.items[i].work);
	}
	io_wq_hash_work(&o.items[5].work, 2);
	io_wq_enqueue(o.wq2, &o.items[5].work);
	WAIT_FOR(result(5) == 0); /* another bucket goes on */
	CHECK_OP(result(1), ==, 1);
	open_gate(0);
	WAIT_FOR(nr_done() == 6); /* the second pool was woken by the first */
	for (int i = 0; i < 6; i++)
		CHECK_OP(result(i), ==, 0);
	end_pool(o.wq2);
	end();
}

static void test_pools_that_share_a_map_exclude_and_wake_each_other(void)
{
	run_schedules(shared_map, SCHEDULES);
}

static void stalled_exit(void *arg)
{
	begin(2, 1);
	o.wq2 = new_pool(2, 1);
	put_hashed(0, GATED, 1);
	WAIT_FOR(waiting(0));
	for (int i = 1; i < 3; i++) {
		io_wq_hash_work(&o.items[i].work, 1);
		io_wq_enqueue(o.wq2, &o.items[i].work);
	}
	settle();
	end_pool(o.wq2); /* while the first pool holds the bucket */
	o.wq2 = NULL;
	CHECK_OP(result(1), ==, -ECANCELED);
	CHECK_OP(result(2), ==, -ECANCELED);
	open_gate(0);
	WAIT_FOR(nr_done() == 3);
	CHECK_OP(result(0), ==, 0);
	end();
}

static void test_exit_cancels_what_waits_for_another_pool(void)
{
	run_schedules(stalled_exit, SCHEDULES);
}

/* ---- exit ---- */

static void exit_busy(void *arg)
{
	begin(2, 1);
	put(0, GATED, 0);
	put(1, GATED, IO_WQ_WORK_UNBOUND);
	put(2, GATED, IO_WQ_WORK_UNBOUND);
	put_hashed(3, GATED, 1);
	put_hashed(4, GATED, 1);
	put_hashed(5, QUICK, 2);
	put(6, GATED, IO_WQ_WORK_CONCURRENT);
	put(8, QUICK, IO_WQ_WORK_UNBOUND);
	if (*(unsigned int *)arg % 2)
		WAIT_FOR(waiting(0) && waiting(1));
	io_wq_exit_start(o.wq);
	put(7, QUICK, 0);
	CHECK_OP(result(7), ==, -ECANCELED);
	end();
	CHECK_OP(result(2), ==, -ECANCELED); /* unbound work is not begun */
	CHECK_OP(result(8), ==, -ECANCELED);
	CHECK_OP(result(5), ==, 0); /* bound work is */
	CHECK_OP(o.nr_done, ==, 9u);
	for (int i = 0; i < 9; i++) {
		CHECK_OP(o.items[i].issued, ==, 1u);
		CHECK_OP(o.items[i].freed, ==, 1u);
	}
}

static void test_exit_with_work_of_every_kind_leaves_nothing(void)
{
	run_schedules(exit_busy, 2 * SCHEDULES);
}

static void exit_unused(void *arg)
{
	begin(1, 1);
	end();
}

static void test_exit_of_an_unused_pool(void)
{
	run_schedules(exit_unused, 3);
}

static void stuck(void *arg)
{
	begin(2, 1);
	put_hashed(0, GATED, 1);
	put_hashed(1, GATED, 1);
	put(2, GATED, IO_WQ_WORK_CONCURRENT);
	WAIT_FOR(false);
}

static void test_a_stuck_run_can_be_thrown_away(void)
{
	struct sched_config cfg = { .strategy = SCHED_WALK };
	struct sched_result res;

	run_schedules(exit_unused, 1);
	if (!time_is_virtual) {
		check_skip("threads cannot be thrown away");
		return;
	}
	for (cfg.seed = 0; cfg.seed < 20; cfg.seed++) {
		sched_run(&cfg, stuck, NULL, &res);
		CHECK_OP((int)res.end, ==, SCHED_QUIESCENT);
		io_wq_abandon_all();
		run_schedules(fifo, 2);
	}
}

/* ---- pictures ---- */

static void dump(void *arg)
{
	static char buf[4096];
	struct text t;

	begin(1, 1);
	put_hashed(0, GATED, 5);
	WAIT_FOR(waiting(0));
	put_hashed(1, QUICK, 5);
	text_init(&t, buf, sizeof(buf));
	io_wq_dump(o.wq, &t);
	CHECK(strstr(buf, "io-wq of 7, buckets held 0x20\n bound    1 of 1 workers"));
	CHECK(strstr(buf, "  pending bound bucket 5\n"));
	CHECK(strstr(buf, "  worker  iou-wrk-7, in: bound bucket 5"));
	CHECK(io_wq_current() == NULL);
	CHECK(!io_wq_worker_stopped());
	open_gate(0);
	WAIT_FOR(nr_done() == 2);
	end();
}

static void test_dump(void)
{
	run_schedules(dump, 1);
}

/* ---- what owners keep ---- */

static bool is_callback(struct io_wq_callback *cb, void *arg)
{
	return cb == arg;
}

static void test_an_owner_takes_the_callback_it_is_asked_for(void)
{
	struct io_wq_callback cb[3];
	struct list callbacks;

	list_init(&callbacks);
	for (int i = 0; i < 3; i++)
		list_add_tail(&cb[i].node, &callbacks);
	CHECK(io_wq_take_callback(&callbacks, is_callback, &cb[1]) == &cb[1]);
	CHECK(io_wq_take_callback(&callbacks, is_callback, &cb[1]) == NULL);
	CHECK(io_wq_take_callback(&callbacks, NULL, NULL) == &cb[0]);
	CHECK(io_wq_take_callback(&callbacks, NULL, NULL) == &cb[2]);
	CHECK(io_wq_take_callback(&callbacks, NULL, NULL) == NULL);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_fifo),
	CHECK_TEST(test_an_owner_takes_the_callback_it_is_asked_for),
	CHECK_TEST(test_hashed_work_runs_in_order_one_at_a_time),
	CHECK_TEST(test_other_work_overtakes_a_busy_bucket),
	CHECK_TEST(test_hashed_work_is_inserted_behind_its_bucket),
	CHECK_TEST(test_an_unhashed_follower_runs_at_once_a_hashed_one_queues),
	CHECK_TEST(test_a_worker_may_ask_again),
	CHECK_TEST(test_a_late_request_wakes_who_is_free),
	CHECK_TEST(test_a_leaving_worker_withdraws_its_request),
	CHECK_TEST(test_a_request_that_comes_to_nothing_looks_at_the_list),
	CHECK_TEST(test_no_worker_is_asked_for_a_bucket_that_is_busy),
	CHECK_TEST(test_concurrent_work_gets_its_own_worker),
	CHECK_TEST(test_a_sleeping_worker_asks_for_another),
	CHECK_TEST(test_each_account_keeps_to_its_limit),
	CHECK_TEST(test_limits_are_returned_changed_and_kept),
	CHECK_TEST(test_idle_workers_leave_after_five_seconds_but_for_one),
	CHECK_TEST(test_a_leaving_worker_strands_nothing),
	CHECK_TEST(test_all_idle_workers_leave_with_the_last_ring),
	CHECK_TEST(test_without_a_thread_work_is_cancelled_or_stays),
	CHECK_TEST(test_pools_that_share_a_map_exclude_and_wake_each_other),
	CHECK_TEST(test_exit_cancels_what_waits_for_another_pool),
	CHECK_TEST(test_exit_with_work_of_every_kind_leaves_nothing),
	CHECK_TEST(test_exit_of_an_unused_pool),
	CHECK_TEST(test_a_stuck_run_can_be_thrown_away),
	CHECK_TEST(test_dump),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
