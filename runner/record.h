/* The record: what was seen while a stream ran, as one sequence of fixed-size events, from one implementation.
 *
 * The events of one task are in its order; the tasks of a stream take turns, so the sequence as a whole is the order of
 * events. Stamps are nanoseconds since the stream began (virtual on sim), taken right before (BEGIN) and right after
 * (END, CQE) what they stamp; they never run backwards.
 *
 * Written by the executor into memory it shares with whoever started it: an event is counted in `nr` (release store)
 * only when it is whole, so a record survives the death of its writer. */
#ifndef RUNNER_RECORD_H
#define RUNNER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORD_VERSION = 1, RECORD_MAX_EVENTS = 4096 };

#define REC_NO_REQ 0xffff
#define REC_NO_STEP 0xffff

/* user_data of the runner's own requests: the top bit, a kind, a serial number */
#define REC_UD_CANCEL (1ull << 63 | 1ull << 32) /* epilogue: ASYNC_CANCEL with ANY|ALL */
#define REC_UD_FENCE (1ull << 63 | 2ull << 32) /* epilogue: the drained NOP */
#define REC_UD_MSG (1ull << 63 | 3ull << 32) /* + request, or 128 + step: a CQE that one sent */

/* Bytes of the runner's own (the stream's are the TOKENs of stream/model.h) */
#define REC_BYTE_RELEASE 254 /* written by the epilogue to feed a pipe */
#define REC_MARKER 253 /* what the buffer of a READ holds before the request is submitted */

enum rec_kind {
	REC_RING, /* ring: set up; res: 0 or -errno; a: sq entries << 32 | cq entries as granted */
	REC_OBJ, /* obj: made; res: 0 or -errno */
	REC_BEGIN, /* step begins (epilogue: phase in a) */
	REC_END, /* step returned; res: the call's return or -errno. tail_before/after: CQ tail around the call.
			 * MAX_WORKERS: no tail; a: the limits that it returned, bounded << 32 | unbounded */
	REC_CQE, /* ring; a: user_data; req: its request or REC_NO_REQ; res, flags as in the CQE; head: its index in the
			 * CQ (counts from 0 for the ring's life); tail_before/after: CQ tail before and after the call that
			 * ended last before it was reaped */
	REC_DATA, /* bytes read: `count` (in a) times the byte `flags`; by req, or by step when req is REC_NO_REQ.
			 * Follows the CQE or END it belongs to; runs in order. An eventfd: one event, a the value, flags 8 */
	REC_BOUND, /* a wait of step ended by its bound; a: how many CQEs it still waited for */
	REC_EPILOGUE, /* phase in a (enum rec_phase), ring; begins */
	REC_FINAL, /* obj: final probe. a: eventfd count, file size, bytes left in the pipe; flags: enum rec_final.
			 * Its content follows as FINAL_RUNs */
	REC_RUN, /* obj; flags: byte; a: how often: the content at the end (pipe residue, file), in order */
	REC_EXIT, /* task: has exited (thread or process); res: wait status of the process, 0 for a thread */
	REC_HAND, /* written by whoever watches the hand. flags: enum rec_hand; a: signal or limit */
	REC_SIM, /* written by augur-sim at the end. flags: enum rec_sim; a: hash of the choices; res: number of choices */
	REC_TRACE, /* sim, when asked for: req has got somewhere. flags: enum rec_trace; res: what it ends with, in the end */
	REC_HOST, /* what io-wq takes from the machine, before the first object where a step registers something.
			 * flags: enum rec_host */
	REC_KINDS,
};

enum rec_phase {
	PHASE_RELEASE, /* every peer fed or closed */
	PHASE_CANCEL, /* ANY|ALL until a pass returns 0 */
	PHASE_DRAIN, /* waiting for what is owed */
	PHASE_FENCE, /* a drained NOP */
	PHASE_CLOSE, /* rings unmapped and closed */
	PHASE_PROBE, /* objects looked at */
	PHASE_SETTLE, /* sim: everything that can happen by itself happens, before RELEASE */
};

/* BEGIN and END of the epilogue's own calls: step REC_NO_STEP, and in flags which call it is. */
enum rec_call {
	REC_CALL_READ, /* obj: a direct read; its data follow the END. Without obj: enter with an SQE of the runner's own */
	REC_CALL_WRITE, /* obj: a direct write of one byte REC_BYTE_RELEASE, or of 1 to an eventfd */
	REC_CALL_OPEN, /* obj, a fifo: its end `a` of END was opened and closed again; res: 0 or -ENXIO */
	REC_CALL_SYNC, /* ring: SYNC_CANCEL with ANY|ALL; res: how many it found */
};

enum rec_final {
	FINAL_READERS = 1 << 0, /* pipe: somebody still held the read end when the bound was hit */
	FINAL_WRITERS = 1 << 1, /* pipe: likewise the write end */
	FINAL_HELD = 1 << 2, /* other objects: likewise (where the runner can tell) */
	FINAL_UNSEEN = 1 << 3, /* could not be probed; no RUN follows */
};

enum rec_hand {
	HAND_KILLED, /* the hand died of signal a */
	HAND_HUNG, /* it made no progress for a nanoseconds and was killed */
	HAND_FULL, /* the record is full: what came later is lost, nothing may be concluded from its absence */
	HAND_EXITED, /* it left with status a (an assertion, a sanitizer) */
};

enum rec_sim {
	SIM_DONE, /* the run came to its end */
	SIM_QUIESCENT, /* nothing can ever run again, and the run was not at its end */
	SIM_RUNAWAY, /* it went on for longer than any run may */
};

enum rec_host {
	HOST_LIMITS, /* res: processors online; a: RLIMIT_NPROC in 32 bits */
	HOST_CPUS, /* res: processors are numbered below this; a: of the first 64 those that workers may be bound to */
};

enum rec_trace {
	TRACE_SUBMIT, /* consumed, about to be linked or issued */
	TRACE_QUEUED, /* on a list of io-wq; res: 2 hashed, 4 unbound, 16 concurrent */
	TRACE_WORKER, /* in a worker */
	TRACE_ARMED, /* poll or timer armed */
	TRACE_ENDED, /* has its result, and has not posted */
	TRACE_CREATE, /* a worker is made, or could not be; req: REC_NO_REQ; res: rec_create */
};

/* TRACE_CREATE: who makes it in the low bits, then one bit, and the errno above. */
enum rec_create {
	CREATE_BY_SUBMITTER,
	CREATE_BY_WORKER,
	CREATE_BY_TASK_WORK,
	CREATE_BY_RETRY,
	CREATE_BY = 3,
	CREATE_UNBOUND = 1 << 4,
	CREATE_ERR = 8,
};

struct rec_event {
	uint8_t kind; /* enum rec_kind */
	uint8_t task, ring, obj;
	uint16_t step, req;
	uint64_t stamp;
	uint64_t a;
	int64_t res;
	uint32_t flags;
	uint32_t head;
	uint32_t tail_before, tail_after;
};

enum rec_flags {
	RECF_FRESH = 1 << 0, /* each task was a thread made for this stream */
	RECF_STAMPS = 1 << 1, /* stamps are real or virtual time; without it they only order */
	RECF_EXACT = 1 << 2, /* a wait that hit its bound proves that nothing could run any more (sim) */
	RECF_COMPLETE = 1 << 3, /* the run came to its end; without it the record stops where the hand did */
};

enum rec_runner { RUNNER_SIM, RUNNER_ENGINE, RUNNER_KERNEL, RUNNERS };

struct record {
	uint32_t version;
	uint8_t runner; /* enum rec_runner */
	char release[32]; /* kernel: uname -r; engine: its profile */
	char fs[8]; /* what the scratch files are on: tmpfs, ext4, ... */
	uint32_t flags; /* enum rec_flags */
	uint32_t nr; /* events */
	struct rec_event ev[RECORD_MAX_EVENTS];
};

#endif
