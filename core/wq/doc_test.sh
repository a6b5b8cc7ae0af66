#!/bin/bash
# docs/iowq.md tells the truth about names: each mechanism of io-wq has a row, each function and each test that it names
# is there, the tests on both schedulers, and so are the seeds, in docs/iowq-questions.md as well.
# doc_test.sh DOC QUESTIONS TEST...
set -u
doc=$1 questions=$2
shift 2
failed=0
complain() {
	echo "$doc: $*"
	failed=1
}

must="io_queue_iowq io_prep_async_work io_wq_submit_work io_wq_create io_wq_enqueue io_wq_insert_work
	io_wq_remove_pending io_get_acct io_wq_create_worker io_queue_worker_create create_worker_cb create_io_worker
	io_init_new_worker io_should_retry_thread io_workqueue_create create_worker_cont io_wq_worker
	io_wq_worker_sleeping io_wq_worker_running io_wq_dec_running io_get_next_work io_get_work_hash io_wait_on_hash
	io_wq_hash_wake io_worker_handle_work io_assign_current_work __io_worker_busy __io_worker_idle
	io_acct_activate_free_worker io_worker_exit io_wq_set_exit_on_idle io_wq_cancel_cb io_acct_cancel_pending_work
	io_acct_cancel_running_work io_wq_worker_cancel io_run_cancel io_wq_max_workers io_register_iowq_max_workers
	io_wq_cpu_affinity io_register_iowq_aff io_wq_exit_start io_wq_exit_workers io_wq_cancel_tw_create
	io_wq_put_and_exit io_uring_add_tctx_node io_init_wq_offload io_uring_clean_tctx"
rows=$(grep '^| [a-z_]' "$doc" | grep -v '^| kernel ')
for name in $must; do
	echo "$rows" | grep -q "^| $name |" || complain "no row for $name"
done

sources=$(cat core/wq/*.[ch] core/ring/*.[ch])
while IFS='|' read -r _ kernel here tests _; do
	[ -n "${tests// /}" ] || complain "$kernel has no test"
	for name in $here; do
		grep -qE "^[a-z].*\b$name\(" <<< "$sources" || complain "$kernel: there is no function $name"
	done
done <<< "$rows"

for on in sim threads; do
	there=$(for t in "$@"; do [[ $t != *_$on ]] || "$t" --list; done)
	for name in $(grep -ho 'test_[a-z0-9_]*' "$doc" "$questions" | sort -u); do
		grep -qx "$name" <<< "$there" || complain "there is no $name on $on"
	done
done
for seed in $(grep -ho 'seeds/[a-z_]*/[a-z_]*' "$doc" "$questions" | sort -u); do
	[ -e "corpora/$seed.augur" ] || complain "there is no $seed"
done
exit $failed
