/* One run of one stream: what the files of the executor share. Private to runner/.
 *
 *	executor.c	the run as a whole, its tasks and its processes
 *	note.c		writing the record
 *	luck.c		spins, pins and order, drawn from the seed
 *	sqe.c		from a request of the stream to an SQE
 *	ring.c		rings: set up, enter, reap, close
 *	step.c		the steps
 *	epilogue.c	how a stream is brought to its end
 *	probe.c		what is left of the objects
 *
 * The tasks of a run take turns, so nothing here is locked: a task hands over by its `word`, and what one did before is
 * seen by the next. */
#ifndef RUNNER_RUN_H
#define RUNNER_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/prng.h"
#include "core/base/uapi.h"
#include "runner/executor.h"
#include "stream/optable.h"

enum {
	RUN_REAPER = STREAM_MAX_TASKS, /* an extra task: it ends rings whose own task is gone */
	RUN_TASKS,
	RUN_MAX_RUNS = 64, /* REC_RUN events of one object */
};

struct run;
typedef void run_fn(struct run *x, unsigned int arg);

struct run_task {
	struct run *run;
	void *handle; /* of the back end */
	bool alive;
	uint32_t word; /* odd: fn is to be called; even: it has returned */
	run_fn *fn; /* NULL: leave */
	unsigned int arg;
};

struct run_ring {
	int fd; /* -1: was never made, or is closed */
	struct io_uring_params p;
	void *rings, *sqes; /* the two mappings */
	size_t rings_len, sqes_len;
	uint32_t *sq_head, *sq_tail, *sq_array, *cq_head, *cq_tail;
	char *cqes;
	unsigned int sqe_shift, cqe_shift;
	uint32_t base; /* CQ head when the stream began: 0 unless the ring is an old one */
	uint32_t tail_before, tail_after; /* CQ tail around the last call, base taken off */
	uint32_t spare; /* CQEs reaped that no wait has counted yet */
	uint32_t owed; /* terminal CQEs still to come: of requests that cannot end silently, and our own */
	bool drains, skips; /* consumed an SQE with IOSQE_IO_DRAIN, CQE_SKIP_SUCCESS */
	uint32_t cancels; /* ASYNC_CANCELs of the epilogue so far */
	int cancel_res; /* of the last one that came back */
	int found; /* what the last pass found; 0: nothing is left to cancel */
};

enum req_state {
	REQ_IDLE,
	REQ_OWED, /* consumed; must post a terminal CQE */
	REQ_SILENT, /* consumed; may end without one */
	REQ_DONE, /* its terminal CQE was reaped, or its ring is gone */
};

struct run {
	const struct backend *be;
	const struct stream *s;
	struct record *rec;
	struct prng luck;
	bool lucky;
	bool dump; /* executor_options.dump, and the back end can */
	uint8_t order[STREAM_MAX_STEPS]; /* in which the steps run */
	int pin[STREAM_MAX_TASKS]; /* the task's CPU; -1: it is left alone */
	uint64_t start; /* the stamps count from here */

	/* written to every event */
	uint8_t actor; /* the task whose turn it is */
	uint16_t step;
	struct rec_event lost; /* where events go when the record is full */

	bool solo; /* all steps and the epilogue run in one task, without hand-offs */
	bool exits_process, exits_thread;
	bool keeps; /* the ring stays open for the next stream, if it is clean */
	bool fences; /* the epilogue ends with a drained NOP */
	uint32_t reaped; /* epilogue: CQEs of this round */
	uint64_t slice_end; /* epilogue: until when this round waits */
	struct run_task task[RUN_TASKS];
	struct run_ring ring[STREAM_MAX_RINGS];
	int fd[STREAM_MAX_OBJS][2]; /* by end; the number stays when it is closed */
	bool open[STREAM_MAX_OBJS][2];
	uint8_t req_ring[STREAM_MAX_REQS];
	uint8_t req[STREAM_MAX_REQS]; /* enum req_state */
	struct __kernel_timespec ts[STREAM_MAX_REQS];
	struct iovec iov[STREAM_MAX_REQS][STREAM_MAX_IOVS]; /* of vectored transfers */
	uint32_t buf_at[STREAM_MAX_REQS]; /* offset of its buffer in the arena */
	uint32_t arena_used;
	char *arena;
	char *scratch; /* STREAM_MAX_LEN bytes for direct reads and writes */
	char path[STREAM_MAX_OBJS][BACKEND_NAME]; /* of fifos */
	int dir; /* where they are */
	int opened[STREAM_MAX_REQS]; /* OPENAT: the descriptor it has brought; 0: none */
	char failed[96]; /* which call of the environment failed, on what */
};

/* note.c. An event is begun with what every event has, filled in, and committed. */
struct rec_event *note(struct run *x, enum rec_kind kind);
void note_commit(struct run *x, struct rec_event *e);
/* REC_DATA for n bytes at buf: runs of equal bytes; an eventfd's count as one event. */
void note_data(struct run *x, uint16_t req, uint8_t obj, const char *buf, size_t n);
/* Length of the run of equal bytes at buf. */
size_t note_run_length(const char *buf, size_t n);
void note_phase(struct run *x, enum rec_phase phase, uint8_t ring);

/* luck.c */
void luck_begin(struct run *x, uint64_t seed);
/* Pins the calling thread, which is that task. */
void luck_pin(struct run *x, unsigned int task);
/* Spins 0 to 10 us; luck_spin_within() in half of the cases: within a step there are more places for it. */
void luck_spin(struct run *x);
void luck_spin_within(struct run *x);

/* sqe.c */
char *run_buffer(struct run *x, unsigned int req);
/* The opcode is the kernel's; the rest as the stream says. */
void sqe_fill(struct run *x, unsigned int req, struct io_uring_sqe *sqe);
/* Lays out the buffers of all requests. */
void sqe_layout(struct run *x);
int run_fd(const struct run *x, const struct fdref *ref);

/* ring.c */
void ring_setup(struct run *x, unsigned int ring);
void ring_close(struct run *x, unsigned int ring);
uint32_t ring_tail(const struct run_ring *r);
struct io_uring_sqe *ring_sqe(struct run_ring *r, unsigned int i);
/* Publishes n SQEs filled by ring_sqe(r, 0..n-1), enters once and takes back what was not consumed. */
int ring_submit(struct run *x, struct run_ring *r, unsigned int n, unsigned int wait_nr, bool wait, uint64_t bound_ns,
		uint32_t *taken);
/* GETEVENTS only. */
int ring_wait(struct run *x, struct run_ring *r, unsigned int wait_nr, uint64_t bound_ns);
/* Reaps and records all that is visible; returns how many. */
unsigned int ring_reap(struct run *x, unsigned int ring);

/* step.c */
void step_run(struct run *x, unsigned int step);

/* executor.c */
/* Has fn(x, arg) run by a task, or right here if that is whose turn it is or the run is solo. */
void run_on(struct run *x, unsigned int task, run_fn *fn, unsigned int arg);
/* Which task may do what to a ring is due: its own, RUN_REAPER where that is gone, or RUN_TASKS: none may enter it. */
unsigned int run_owner(struct run *x, unsigned int ring);
uint64_t run_now(const struct run *x);

/* epilogue.c */
void epilogue_run(struct run *x);

/* probe.c */
void probe_objects(struct run *x);

#endif
