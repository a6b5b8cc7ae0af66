/* The engine as a back end, on either scheduler, and whole runs on it. */
#ifndef RUNNER_ENGINE_BACKEND_H
#define RUNNER_ENGINE_BACKEND_H

#include "core/sched/seam.h"
#include "runner/executor.h"

/* Runs s on the engine under cfg, as executor_run() does. *result says how the schedule ended: where that is not
 * SCHED_DONE the record stops where the run got stuck, without RECF_COMPLETE. */
int engine_execute(const struct sched_config *cfg, const struct stream *s, const struct executor_options *opt,
		   struct record *rec, struct sched_result *result);

/* Adds the REC_SIM event that ends a record from the simulated scheduler. */
void engine_note_sim(struct record *rec, const struct sched_result *result);

/* The rows of the table that both schedulers share; engine_sim.c and engine_threads.c have the rest. */
int engine_be_spawn(void **task, const char *name, backend_fn *fn, void *arg);
void engine_be_join(void *task);
int engine_be_fork_process(void **proc, backend_fn *fn, backend_fn *parted, void *arg);
int engine_be_wait_process(void *proc);
void engine_be_nap(uint64_t ns);
void engine_be_describe(struct record *rec);
int engine_be_file(uint64_t size);
int engine_be_fifo(unsigned int n, char name[BACKEND_NAME], int *dir);
void engine_be_fifo_drop(const char *name);
ssize_t engine_be_read(int fd, void *buf, size_t len, int64_t off);
ssize_t engine_be_write(int fd, const void *buf, size_t len, int64_t off);
int engine_be_enter(int fd, unsigned int to_submit, unsigned int min_complete, unsigned int flags, const void *arg,
		    size_t argsz);
int engine_be_register(int fd, unsigned int opcode, void *arg, unsigned int nr);
void engine_be_host(struct backend_host *out);

#define ENGINE_BACKEND_CALLS                                                                                           \
	.describe = engine_be_describe, .spawn = engine_be_spawn, .join = engine_be_join,                              \
	.fork_process = engine_be_fork_process, .wait_process = engine_be_wait_process,                                \
	.exit_process = engine_process_exit, .exiting = engine_process_exiting, .wait_word = engine_wait_word,         \
	.wake_word = engine_wake_word, .now = engine_now, .relax = engine_relax, .nap = engine_be_nap,                 \
	.pipe = engine_pipe, .eventfd = engine_eventfd, .file = engine_be_file, .fifo = engine_be_fifo,                \
	.fifo_open = engine_fifo_open, .fifo_drop = engine_be_fifo_drop, .read = engine_be_read,                       \
	.write = engine_be_write, .close = engine_close, .poll = engine_poll, .reopen = engine_reopen,                 \
	.file_size = engine_file_size, .setup = engine_io_uring_setup, .enter = engine_be_enter,                       \
	.reg = engine_be_register, .host = engine_be_host, .mmap = engine_mmap, .munmap = engine_munmap

#endif
