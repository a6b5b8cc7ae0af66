/* The engine: io_uring in user space, and what a process is to it. This is all that anybody outside core/ may include.
 *
 * One engine process is a set of tasks, a descriptor table and mappings, as one Linux process is. Calls below act for
 * the calling engine task. Rings have the kernel's ABI: the structs of <linux/io_uring.h>, the same mmap offsets, flags
 * and return values (0 or more, or -errno; nothing is stored in errno).
 *
 * The same source is built on two schedulers (core/sched/seam.h): there the memory, time and threads behind these calls
 * differ, the calls do not. */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/sched/seam.h"

struct io_uring_params;
struct engine_process;
struct engine_task;

/* ---- running ---- */

/* Runs fn under the scheduler the engine was built on, as sched_run() does; what is left of a run that ended stuck (sim)
 * is thrown away: descriptors closed, memory freed. */
void engine_run(const struct sched_config *cfg, sched_task_fn *fn, void *arg, struct sched_result *out);

/* ---- (2) what a process is to the kernel ---- */

/* A process without tasks. Its descriptor table starts as a copy of `parent`'s (as after fork; rings are not inherited),
 * or empty when parent is NULL. */
int engine_process_new(struct engine_process **out, struct engine_process *parent);

/* Waits until every task has exited and been joined and all rings are torn down (the kworkers' part of it), then frees
 * the process. Asserts that nothing is left: no request, worker, file or byte. Called by nobody inside the process. */
void engine_process_free(struct engine_process *p);

/* Starts a task (thread) of process p. Returning from fn is the thread's exit: its requests are cancelled and its io-wq
 * is torn down as the kernel does at the exit of a thread, before join returns. */
int engine_task_spawn(struct engine_task **out, struct engine_process *p, const char *name, sched_task_fn *fn,
		      void *arg);
void engine_task_join(struct engine_task *t);

/* Makes the calling scheduler task a task of p for the time being (the coordinator of a run, which sched_run started). */
void engine_task_adopt(struct engine_process *p);
void engine_task_release(void); /* exits as a task does */

/* exit_group: every task of the caller's process is told to exit; blocked calls return -EINTR and every later call of
 * this process -ESRCH, so that each task comes to the end of its fn. When the last has exited, descriptors and mappings
 * are dropped, which tears the rings down. The caller must return from its fn soon. */
void engine_process_exit(void);
bool engine_process_exiting(void);

/* Parks the calling task while *word == seen (a futex). Runs task work meanwhile, as an interrupted sleep does. Returns
 * 0, -EAGAIN when *word differs, -EINTR when the process exits. */
int engine_wait_word(uint32_t *word, uint32_t seen);
void engine_wake_word(uint32_t *word);

/* A moment in user mode: pending task work of a default ring may interrupt here (on sim: a decision). */
void engine_relax(void);
uint64_t engine_now(void);

/* Has the invariants of every pool looked at after each step of the runs that follow (sim; nothing on threads): what
 * breaks them fails an assertion at once, and not only where somebody sees what comes of it. Not while a run goes on. */
void engine_check_steps(bool on);

/* Writes a picture of every io-wq to stderr: its accounts, lists, buckets, workers and what each does. Sim only; the
 * schedule goes on as if it had not been called. */
void engine_dump(void);

/* ---- tracepoints ---- */

enum engine_trace_point {
	ENGINE_TRACE_SUBMIT, /* has passed preparation, is about to be linked or issued: io_submit_sqe */
	ENGINE_TRACE_QUEUED, /* given to io-wq: io_queue_iowq; res: IO_WQ_WORK_* as the kernel numbers them */
	ENGINE_TRACE_WORKER, /* a worker begins with it: io_wq_submit_work */
	ENGINE_TRACE_ARMED, /* poll or timer armed: io_poll_req_insert, io_timeout_start */
	ENGINE_TRACE_ENDED, /* its result is there, not yet posted: io_req_set_res */
	ENGINE_TRACE_CREATE, /* of no request (user_data 0): a worker is made, or could not be: create_io_worker */
};

/* CREATE: who makes it in the low bits of res, UNBOUND, and the errno above. */
enum engine_create {
	ENGINE_CREATE_BY_SUBMITTER,
	ENGINE_CREATE_BY_WORKER,
	ENGINE_CREATE_BY_TASK_WORK,
	ENGINE_CREATE_BY_RETRY,
	ENGINE_CREATE_UNBOUND = 1 << 4,
	ENGINE_CREATE_ERR = 8,
};

/* Has fn called at each tracepoint (enum engine_trace_point), in the task or worker that gets there, with locks held: it
 * calls nothing of the engine. NULL: nobody. Not while a run goes on; on threads fn has to cope with calls at once. */
void engine_trace(void (*fn)(void *ctx, unsigned int point, uint64_t user_data, int32_t res), void *ctx);

/* ---- descriptors ---- */

int engine_pipe(int fds[2], unsigned int capacity, int flags); /* capacity 0: the default; flags: O_NONBLOCK */
int engine_eventfd(uint64_t count, int flags); /* EFD_NONBLOCK EFD_SEMAPHORE */
int engine_adopt_file(int real_fd); /* a regular file; the engine owns real_fd from here on */
/* Direct calls of the process. nowait: -EAGAIN rather than sleep. off -1: the file's position. */
ssize_t engine_read(int fd, void *buf, size_t len, int64_t off, bool nowait);
ssize_t engine_write(int fd, const void *buf, size_t len, int64_t off, bool nowait);
int engine_close(int fd); /* 0 or -EBADF; the last reference frees the file, as requests may hold some */
int engine_poll(int fd, unsigned int events); /* ready mask now, with POLLERR and POLLHUP; never sleeps */
/* Opens the pipe behind fd anew with O_RDONLY or O_WRONLY (as /proc/self/fd/N does): for an observer. */
int engine_reopen(int fd, int flags);
int engine_file_size(int fd, uint64_t *size);
/* FIFOs by name, as a file system has them; one name space for all processes of a run. The open never waits. */
int engine_fifo(const char *name);
int engine_fifo_open(const char *name, int flags);
int engine_fifo_unlink(const char *name);

/* ---- (1) the system calls ---- */

int engine_io_uring_setup(unsigned int entries, struct io_uring_params *p);
int engine_io_uring_enter(unsigned int fd, unsigned int to_submit, unsigned int min_complete, unsigned int flags,
			  const void *arg, size_t argsz);
int engine_io_uring_register(unsigned int fd, unsigned int opcode, void *arg, unsigned int nr_args);
/* offset: IORING_OFF_SQ_RING, IORING_OFF_CQ_RING, IORING_OFF_SQES. A mapping holds the ring. NULL when refused. */
void *engine_mmap(int fd, size_t len, uint64_t offset);
int engine_munmap(void *addr, size_t len);

/* What io-wq takes from the machine: processors and RLIMIT_NPROC for the limits a task begins with, and the processors that
 * its workers may be bound to (the first 64), of which there can be `cpu_ids`. */
struct engine_host {
	unsigned int cpus, nproc, cpu_ids;
	uint64_t allowed;
};
void engine_host(struct engine_host *out);

/* ---- for reports ---- */

const char *engine_profile(void); /* the release string of its records: "corrected" */

#endif
