/* The executor: one stream, one back end, one record. The same code on every runner.
 *
 * Rules (they make a record judgeable):
 *
 * 1. Objects first, then rings, each by its task, in the order of the stream; then the steps, one at a time. Each task
 *    is a thread made for the stream and joined after it; no thread that lives longer touches a ring (but see `reuse`).
 * 2. A wait never depends on the subject: it ends when it has what it asked for or when the bound is hit (REC_BOUND).
 * 3. SUBMIT enters once. It fills as many SQEs as fit the ring (BEGIN's a). What the enter leaves in the SQ is taken
 *    back: of the step's requests exactly the first END.res are consumed, the others never happen. END.head says how
 *    far the SQ head moved, which is the same number unless something is wrong.
 * 4. Nothing is reaped but by WAIT, REAP, PEEK, SUBMIT with wait=, and the epilogue. The CQEs of SUBMIT, REAP and PEEK
 *    follow the END; those of WAIT stand between its BEGIN and END. A WAIT is one BEGIN and END however often it
 *    enters: res is the last enter's return, 0 when none was needed; tail_before is the tail when it began.
 * 5. A step on a ring that was never made or is closed does nothing and returns -EBADFD; one of a task that has exited,
 *    -ESRCH.
 * 6. Owed is one CQE without F_MORE for each consumed SQE, but for those with CQE_SKIP_SUCCESS and what stands behind
 *    such a one in its chain: these may end silently.
 *
 * Luck, on real time, is what is drawn from executor_options.luck:
 *  - spins of 0 to 10 us before each step, and within it between the SQEs and their enter, and between an enter and its
 *    reap;
 *  - pins: a task is at times bound to one CPU, by itself or together with another task;
 *  - order: two neighbouring steps of different tasks may change places where nothing tells them apart: neither waits,
 *    closes, exits or registers, they are not on the same ring, and what the requests of the ring and the step name (pipes,
 *    eventfds, files) is not the same. So the steps of each task, of each ring and on each object keep their order, and
 *    what is sure to come to a wait is: that is all that laws about steps may count on. The record has them as they
 *    ran.
 *
 * The epilogue ends the stream by itself; nobody sleeps "to be sure". No descriptor of an object is closed before the
 * rings are: a request that looks its descriptor up late finds it.
 *
 * SETTLE   Only where a bound proves that nothing can run (sim): what is owed is waited for, half a second, twice round the
 *	    rings. What is still owed is a REC_BOUND (flags PHASE_SETTLE), per ring: it waits for somebody, or is stranded.
 * RELEASE  While a request that may wait for a pipe or an eventfd is pending, what it may wait for is given to it. A
 *	    pipe or eventfd that is readable while one that writes to it (SPLICE and TEE among them), or a POLL_ADD for
 *	    POLLOUT, is pending on it is read until nothing is there; otherwise, if it is not readable while one that
 *	    reads from it, or a POLL_ADD for POLLIN, is pending, one byte REC_BYTE_RELEASE (eventfd: 1) is written to it.
 *	    While an OPENAT of a fifo is pending, the other end is opened and closed again (REC_CALL_OPEN).
 *	    After each round of this all rings are entered (GETEVENTS) and reaped. It ends when nobody waits any more or
 *	    nothing comes of it.
 *	    Each action is a BEGIN and END with step REC_NO_STEP, obj, and flags enum rec_call; a read is followed by
 *	    its REC_DATA. So for each pipe, or all those that SPLICEs connect: bytes of successful WRITEs, direct writes and
 *	    release writes = bytes read by READs, direct reads and release reads + residue.
 * CANCEL   On each ring ASYNC_CANCEL with ANY|ALL, user_data REC_UD_CANCEL + n, n = 0, 1, ... per ring, until one
 *	    returns 0 (in bounds: a chain of hardlinked timers gives up one a pass); if one finds something that does
 *	    not come back, the next follows after DRAIN. On a ring that consumed IO_DRAIN and has something pending an
 *	    SQE might be deferred itself: there it is SYNC_CANCEL, with a time-out.
 * DRAIN    What is owed is waited for. If something is missing after 2 ms, RELEASE, CANCEL and DRAIN are done again,
 *	    with four times as long where nothing came of it, up to the wait bound; a cancel that was lost shows in the second round. What is
 *	    owed even then is a REC_BOUND (flags PHASE_DRAIN), per ring.
 * FENCE    A NOP with IO_DRAIN, on rings that owe nothing and never saw CQE_SKIP_SUCCESS, if the stream has more than
 *	    plain NOPs. Not back within its bound: REC_BOUND with flags PHASE_FENCE.
 * CLOSE    All rings are unmapped and closed.
 * PROBE    The tasks are joined, then each object gets a REC_FINAL. A pipe: p.in is closed, p.out read to EOF (the
 *	    residue; FINAL_WRITERS if none comes), then opened anew for writing and p.out closed: POLLERR comes (else
 *	    FINAL_READERS). If the stream has closed one end itself, the other serves; if both, FINAL_UNSEEN. An eventfd
 *	    or file that the stream closed is FINAL_UNSEEN, and so is content of more than 64 runs (a is right
 *	    nevertheless). Files: a is the size, and the runs are all of it.
 *
 * Rings of a task that has exited are ended by a task made for that. A SINGLE_ISSUER ring of such a task is only reaped
 * and closed: nothing is owed by it. Events of the runner's own tasks carry task STREAM_NONE.
 *
 * EXIT_THREAD is a BEGIN and, when the thread is joined, a REC_EXIT with its step; there is no END. A stream with
 * EXIT_PROCESS runs in a child process that writes to the same record: `rec` must then be in shared memory. Its record
 * has no epilogue but REC_EXIT (a wait status) and PROBE. The parent holds, of each pipe, p.out, or p.in if the stream
 * closes p.out, or nothing if it closes both. */
#ifndef RUNNER_EXECUTOR_H
#define RUNNER_EXECUTOR_H

#include <sched.h>
#include <stdint.h>

#include "runner/backend.h"
#include "runner/record.h"
#include "stream/model.h"

struct executor_options {
	bool trace; /* record the back end's tracepoints, where it has some: REC_TRACE */
	bool dump; /* write the back end's picture of io-wq to stderr after each step, where it has one */
	uint64_t luck; /* seeds spins, pins and order on real time; 0: none of them */
	/* Run in the caller's own thread, and keep the ring for the next stream: for benchmarks. Ignored for streams that
	 * exit, have several tasks or rings, close their ring, or use IO_DRAIN or CQE_SKIP_SUCCESS. Needs a back end whose
	 * descriptors outlive the run: the kernel's. */
	bool reuse;
};

/* Runs s and fills rec. Returns 0 when the run came to its end (whatever was seen), or -errno when the environment
 * failed before the first step (no descriptors, no memory, no thread); executor_failed() then says which call failed on
 * what. One run at a time per process. */
int executor_run(const struct backend *be, const struct stream *s, const struct executor_options *opt,
		 struct record *rec);
const char *executor_failed(void);

/* The CPUs that tasks may be pinned to. Without it: those that the caller of the first run with luck may run on. */
void executor_cpus(const cpu_set_t *set);

/* Closes the ring that a run with `reuse` has kept. A run without does so by itself. */
void executor_forget(void);

#endif
