/* The stream: what to do. One stream is a short program of tasks, rings, objects, SQEs and steps; it runs the same way
 * on every runner.
 *
 * The model is plain data without pointers: it can be copied, compared and sent through shared memory. Everything is
 * bounded; the bounds below are part of the language and named in errors. Names and comments are kept so that
 * print(parse(text)) is the text again in canonical form.
 *
 * Tasks take turns: the steps run in the order of the stream (but see "luck" in runner/executor.h), each by its task, and
 * a step begins when the one before it has returned. Concurrency is what the kernel (or the engine) makes of the requests.
 *
 * A stream is valid when stream_check() says so; every other function here and in the runners requires that. */
#ifndef STREAM_MODEL_H
#define STREAM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STREAM_VERSION = 1,
	STREAM_NAME = 16, /* bytes of a name with its NUL: [a-z][a-z0-9_]* */
	STREAM_MAX_TASKS = 4,
	STREAM_MAX_RINGS = 4,
	STREAM_MAX_OBJS = 16,
	STREAM_MAX_REQS = 128,
	STREAM_MAX_STEPS = 120,
	STREAM_MAX_LEN = 1 << 20, /* bytes of one transfer; also of a file and a pipe */
	STREAM_MAX_IOVS = 8, /* pieces of one transfer */
	STREAM_MAX_SLOTS = 64, /* of a ring's table of registered files */
	STREAM_MAX_ALTS = 6, /* alternatives of an expectation */
	STREAM_MAX_DECISIONS = 16384,
	STREAM_POOL = 16384, /* bytes of comments */
};

#define STREAM_NONE 0xff /* "no object", "no request" in 8-bit indices */
#define STREAM_NEVER_NS (100ull * 3600 * 1000000000ull) /* the time written `never`: ended by the epilogue */

enum obj_kind { OBJ_PIPE, OBJ_EVENTFD, OBJ_FILE, OBJ_FIFO, OBJ_KINDS };

/* A pipe has two ends, `p.out` to read from and `p.in` to write to. So has a fifo, but neither is open at first; it is
 * opened by steps and by OPENAT, and nothing else is done with it. The others have one descriptor. */
enum obj_end { END_OUT = 0, END_IN = 1 };

enum obj_flags {
	OBJ_NONBLOCK = 1 << 0, /* opened with O_NONBLOCK */
	OBJ_SEMAPHORE = 1 << 1, /* EFD_SEMAPHORE */
};

struct obj {
	char name[STREAM_NAME];
	uint8_t kind; /* enum obj_kind */
	uint8_t flags; /* enum obj_flags */
	uint64_t init; /* pipe: capacity in bytes (0: as the system makes it); eventfd: count; file: size */
	uint32_t comment, tail; /* offset into the pool + 1, 0: none; the lines before it, the rest of its line */
};

struct task {
	char name[STREAM_NAME];
	uint32_t comment, tail;
};

struct ring {
	char name[STREAM_NAME];
	uint8_t task; /* who sets it up */
	uint32_t entries; /* as given to setup: any value */
	uint32_t cq_entries; /* 0: no CQSIZE */
	uint32_t flags; /* IORING_SETUP_* without CQSIZE, which follows cq_entries */
	uint32_t comment, tail;
};

/* What a request or a direct action names as its descriptor. */
enum fd_kind {
	FD_BAD, /* `none`: a number that is open nowhere; EBADF */
	FD_OBJ, /* obj, end */
};

struct fdref {
	uint8_t kind; /* enum fd_kind */
	uint8_t obj;
	uint8_t end; /* enum obj_end; 0 where the object has one descriptor */
};

/* What a result may be. No alternatives: anything the law allows. */
enum alt_kind {
	ALT_RANGE, /* lo..hi, both included; a single value has lo == hi */
	ALT_NOCQE, /* `none`: no CQE */
};

struct expect {
	uint8_t nr;
	struct {
		uint8_t kind;
		int32_t lo, hi;
	} alt[STREAM_MAX_ALTS];
};

/* The operations of the language; stream/optable.h has a row for each: its word, its opcode, the fields it takes. */
enum stream_op {
	SOP_NOP,
	SOP_READ,
	SOP_WRITE,
	SOP_POLL_ADD,
	SOP_TIMEOUT,
	SOP_TIMEOUT_REMOVE,
	SOP_LINK_TIMEOUT,
	SOP_ASYNC_CANCEL,
	SOP_FSYNC,
	SOP_FALLOCATE,
	SOP_FTRUNCATE,
	SOP_READV,
	SOP_WRITEV,
	SOP_SPLICE,
	SOP_TEE,
	SOP_OPENAT,
	SOP_CLOSE,
	SOP_STATX,
	SOP_SYNC_FILE_RANGE,
	SOP_MADVISE,
	SOP_MSG_RING,
	SOP_SEND_FD,
	SOP_NR,
};

/* One SQE. The user_data of request i is i + 1; 0 and values with the top bit set are the runner's own. The buffer of a
 * transfer is the request's own: a WRITE sends `len` times the byte i + 1 (to an eventfd: `value`), so that whoever
 * receives it can tell who sent it. */
struct sreq {
	char name[STREAM_NAME];
	uint8_t op; /* enum stream_op */
	uint8_t sqe_flags; /* IOSQE_* */
	struct fdref fd; /* of those whose row takes it; ASYNC_CANCEL by fd */
	struct fdref in; /* SPLICE TEE: where the bytes come from; fd is where they go */
	uint8_t to; /* MSG_RING SEND_FD: the ring it goes to, STREAM_NONE: none */
	uint8_t target; /* ASYNC_CANCEL TIMEOUT_REMOVE: index of the request meant, STREAM_NONE: matches nothing */
	uint8_t cancel_op; /* ASYNC_CANCEL by op: enum stream_op */
	uint32_t len; /* READ WRITE READV WRITEV FALLOCATE SPLICE TEE; FTRUNCATE: the new size */
	uint8_t iovs; /* READV WRITEV: the buffer is given in so many pieces */
	int64_t off; /* READ WRITE READV WRITEV: file offset; -1: the file's own position. FALLOCATE: file offset */
	int64_t in_off; /* SPLICE from a file: offset; -1: the file's own position */
	uint32_t op_flags; /* rw_flags, fsync flags, poll events (POLL*), timeout flags, cancel flags */
	uint32_t count; /* TIMEOUT: completions, 0: pure timeout; MSG_RING: the result of the CQE that arrives */
	uint64_t value; /* WRITE WRITEV to an eventfd */
	uint64_t ts; /* TIMEOUT LINK_TIMEOUT: nanoseconds, relative */
	struct expect expect;
	uint32_t comment, tail;
};

enum step_kind {
	STEP_SUBMIT, /* `submit r [wait=N]` fill nr_reqs SQEs from first_req, enter once */
	STEP_WAIT, /* `wait r N` enter until N CQEs are reaped that no wait has counted, or the bound is hit */
	STEP_REAP, /* `reap r` enter(GETEVENTS, min_complete 0) once and reap what is there */
	STEP_PEEK, /* `peek r` reap what is there without entering */
	STEP_MAX_WORKERS, /* `max_workers r bounded=N unbounded=N` limits of io-wq; 0 leaves as is */
	STEP_IOWQ_AFF, /* `iowq_aff r cpus=MASK` binds the workers made from now on */
	STEP_IOWQ_UNAFF, /* `iowq_aff r none` to all CPUs */
	STEP_FILES, /* `files r N` a table of N slots, empty or (`open`) with what is open */
	STEP_SLOT, /* `slot r p.out` puts it into its slot; `slot r p.out empty` empties that */
	STEP_UNFILES, /* `unfiles r` unregisters the table */
	STEP_PROBE, /* `probe r` asks which operations there are */
	STEP_TELL, /* `tell r res=N` posts a CQE there, from no ring: SEND_MSG_RING */
	STEP_WRITE, /* `write p.in len=8` a direct write, never blocks; bytes 129 + step index, or value */
	STEP_READ, /* `read p.out len=8` a direct read, never blocks */
	STEP_OPEN, /* `open q.in` an end of a fifo; never waits: -ENXIO for writing while nobody reads */
	STEP_CLOSE, /* `close p.in` the descriptor */
	STEP_CLOSE_RING, /* `close r` unmap and close; requests may be in flight */
	STEP_EXIT_THREAD, /* `exit thread` the task ends here; its later steps are errors */
	STEP_EXIT_PROCESS, /* `exit process` all tasks end here; it is the last step */
	STEP_KINDS,
};

struct step {
	uint8_t kind; /* enum step_kind */
	uint8_t task;
	uint8_t ring; /* of those that stream_step_on_ring() */
	struct fdref fd; /* WRITE READ OPEN CLOSE SLOT */
	uint8_t first_req, nr_reqs; /* SUBMIT: requests belong to exactly one step, in order */
	uint32_t wait_nr; /* SUBMIT: min_complete, entered with GETEVENTS when wait is set; WAIT: CQEs */
	bool wait; /* SUBMIT: `wait=N` was given */
	uint32_t len; /* WRITE READ; FILES: slots; TELL: the result of the CQE */
	uint64_t value; /* WRITE to an eventfd; IOWQ_AFF: the CPUs, lowest bit first; FILES: 1 `open`; SLOT: 1 `empty` */
	uint32_t limit[2]; /* MAX_WORKERS: bounded, unbounded */
	struct expect expect; /* of the call's own return */
	uint32_t comment, tail;
};

/* How the simulated scheduler is to decide, when the stream says so. */
struct schedule {
	uint8_t kind; /* 0 none, else 1 + enum sched_strategy: 1 walk, 2 replay */
	uint64_t seed;
	uint32_t nr_decisions;
	uint32_t comment, tail;
};

struct stream {
	uint32_t version;
	uint8_t nr_tasks; /* at least 1: task 0 is `main`; a `task` line adds another */
	uint8_t nr_rings, nr_objs;
	uint8_t nr_reqs, nr_steps;
	uint32_t comment, end_comment; /* before `augur 1`; after the last line */
	struct task tasks[STREAM_MAX_TASKS];
	struct ring rings[STREAM_MAX_RINGS];
	struct obj objs[STREAM_MAX_OBJS];
	struct sreq reqs[STREAM_MAX_REQS];
	struct step steps[STREAM_MAX_STEPS];
	struct schedule schedule;
	/* What lies below is not needed to run or judge. */
	uint32_t pool_len;
	uint8_t decisions[STREAM_MAX_DECISIONS];
	char pool[STREAM_POOL];
};

/* Bytes that the writers of a stream put down; readers see who wrote. */
enum {
	TOKEN_HOLE = 0, /* nobody: a hole */
	TOKEN_REQ = 1, /* + request index */
	TOKEN_STEP = 129, /* + step index */
	TOKEN_INIT = 255, /* the content a file starts with */
};

/* Empty but for task `main`. */
void stream_init(struct stream *s);

/* 0, or -EINVAL and *why (a literal) when the model breaks a bound or a rule of the language: for models that did not
 * come from the parser, the codec or the generator. */
int stream_check(const struct stream *s, const char **why);

/* Equal in everything that runs: names, comments, schedule and expectations aside. */
bool stream_same(const struct stream *a, const struct stream *b);

/* Do both name one and the same descriptor of the stream? */
static inline bool stream_same_fd(const struct fdref *a, const struct fdref *b)
{
	return a->kind == FD_OBJ && b->kind == FD_OBJ && a->obj == b->obj && a->end == b->end;
}

/* The step that submits request `req`. */
unsigned int stream_step_of(const struct stream *s, unsigned int req);

static inline bool stream_step_on_ring(unsigned int step_kind)
{
	return step_kind <= STEP_TELL || step_kind == STEP_CLOSE_RING;
}

/* Has the step to do with the CQ: does it enter the ring, or look? */
static inline bool stream_step_looks(unsigned int step_kind)
{
	return step_kind <= STEP_PEEK;
}

static inline bool stream_step_registers(unsigned int step_kind)
{
	return step_kind >= STEP_MAX_WORKERS && step_kind <= STEP_TELL;
}

static inline bool stream_step_on_iowq(unsigned int step_kind)
{
	return step_kind >= STEP_MAX_WORKERS && step_kind <= STEP_IOWQ_UNAFF;
}

static inline bool stream_step_on_files(unsigned int step_kind)
{
	return step_kind >= STEP_FILES && step_kind <= STEP_UNFILES;
}

/* Has the step a descriptor? */
static inline bool stream_step_has_fd(unsigned int step_kind)
{
	return step_kind == STEP_SLOT || (step_kind >= STEP_WRITE && step_kind <= STEP_CLOSE);
}

static inline bool stream_has_ends(unsigned int obj_kind)
{
	return obj_kind == OBJ_PIPE || obj_kind == OBJ_FIFO;
}

/* Registered files. Each descriptor of the stream has one slot, the same in every table; so what a slot can hold is this
 * file or nothing. `none` has one that no table reaches. */
static inline unsigned int stream_slot(const struct fdref *fd)
{
	return fd->kind == FD_OBJ ? 2u * fd->obj + fd->end : STREAM_MAX_SLOTS;
}

/* Whose slot it is: false: nobody's of the stream's, or an end of a fifo's, which is never registered. */
bool stream_slot_fd(const struct stream *s, unsigned int slot, struct fdref *fd);

/* Does some step set the limits or the processors of io-wq, or read them? */
bool stream_registers_iowq(const struct stream *s);

/* Does the stream register that file anywhere? */
bool stream_registers_file(const struct stream *s, const struct fdref *fd);

/* Sends something to another ring? */
static inline bool stream_sends(const struct sreq *q)
{
	return q->op == SOP_MSG_RING || q->op == SOP_SEND_FD;
}

/* The flags of the CQE that request `req`, a MSG_RING with `pass`, has arrive. */
static inline uint32_t stream_msg_flags(unsigned int req)
{
	return (req + 1) << 16;
}

/* Does request q close the descriptor it names? (With `fixed` it empties a slot.) */
bool stream_closes_fd(const struct sreq *q);

/* Does request q of a submit to `ring` send from a DEFER_TASKRUN ring to one? A worker that gets to it when its task has looked
 * for the last time for requests that hold rings leaves it for ever: 6.18 leaks the ring, and all it holds. So nothing
 * exits in a stream that has one. */
bool stream_may_hold_itself(const struct stream *s, unsigned int ring, const struct sreq *q);

/* Descriptors of such a stream are given anew: it closes none but of its fifos, or a late lookup could find another. */
bool stream_opens(const struct stream *s);

/* Chains: a chain is a maximal run of requests of one submit step in which all but the last have IOSQE_IO_LINK or
 * IOSQE_IO_HARDLINK. First and last request of the chain `req` is in (both equal when it is alone). */
unsigned int stream_chain_first(const struct stream *s, unsigned int req);
unsigned int stream_chain_last(const struct stream *s, unsigned int req);

/* Piece i of a transfer of `len` bytes in n pieces begins here; piece n: where the last one ends. */
static inline uint32_t stream_piece(uint32_t len, unsigned int n, unsigned int i)
{
	return (uint32_t)((uint64_t)len * i / n);
}

static inline uint64_t stream_user_data(unsigned int req)
{
	return (uint64_t)req + 1;
}

#endif
