/* A back end: what the executor needs of an implementation, as one table of calls. Three rows exist: the engine on sim
 * and the engine on threads (runner/engine_backend.c, linked against one build or the other) and a real kernel
 * (runner/kernel_backend.c). All calls return 0 or more, or -errno.
 *
 * The executor's own threads of control are the back end's too: on sim they are fibers. */
#ifndef RUNNER_BACKEND_H
#define RUNNER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runner/record.h"

struct io_uring_params;
typedef void backend_fn(void *arg);

enum { BACKEND_NAME = 40 };

/* What io-wq takes from the machine. */
struct backend_host {
	uint32_t cpus, nproc; /* processors online; RLIMIT_NPROC, its low 32 bits as the kernel counts workers */
	uint32_t cpu_ids; /* processors are numbered below this */
	uint64_t allowed; /* of the first 64 those that workers may be bound to */
};

struct backend {
	enum rec_runner runner;
	uint32_t record_flags; /* RECF_FRESH | RECF_STAMPS | RECF_EXACT as they hold here */
	void (*describe)(struct record *rec); /* release and fs */

	/* tasks and processes */
	int (*spawn)(void **task, const char *name, backend_fn *fn, void *arg);
	void (*join)(void *task);
	/* A child process that starts with copies of this one's descriptors and runs fn in its first task, but not before
	 * parted(arg) has returned here: there the parent closes what only the child is to hold. The child's tasks end by
	 * returning or by exit_process; wait_process returns when all are gone, with the wait status (0: exited). Called
	 * while the process has no other task. */
	int (*fork_process)(void **proc, backend_fn *fn, backend_fn *parted, void *arg);
	int (*wait_process)(void *proc);
	void (*exit_process)(void); /* may return (engine): then return from fn at once */
	bool (*exiting)(void);
	int (*wait_word)(uint32_t *word, uint32_t seen); /* futex */
	void (*wake_word)(uint32_t *word);
	uint64_t (*now)(void);
	void (*relax)(void); /* a moment in user mode */
	void (*nap)(uint64_t ns); /* sleep about so long; may return early */

	/* Has fn called at the tracepoints of a run (enum rec_trace), one call at a time; NULL: no more. NULL where there
	 * are none. Not while tasks of the run exist. */
	void (*trace)(void (*fn)(void *ctx, unsigned int point, uint64_t user_data, int32_t res), void *ctx);

	/* Writes what io-wq looks like inside to stderr. NULL where nobody can look. */
	void (*dump)(void);

	/* descriptors; all reads and writes here never sleep (-EAGAIN instead) */
	int (*pipe)(int fds[2], unsigned int capacity, int flags);
	int (*eventfd)(uint64_t count, int flags);
	int (*file)(uint64_t size); /* a scratch file of `size` bytes TOKEN_INIT, unlinked */
	/* FIFO n of this run, by a name of its own in the directory *dir; a left-over of that name is replaced. Opening one never
	 * waits. fifo_drop() removes it and closes what this process has open of it and nobody knows. */
	int (*fifo)(unsigned int n, char name[BACKEND_NAME], int *dir);
	int (*fifo_open)(const char *name, int flags);
	void (*fifo_drop)(const char *name);
	ssize_t (*read)(int fd, void *buf, size_t len, int64_t off);
	ssize_t (*write)(int fd, const void *buf, size_t len, int64_t off);
	int (*close)(int fd);
	int (*poll)(int fd, unsigned int events);
	int (*reopen)(int fd, int flags); /* a pipe anew by O_RDONLY or O_WRONLY; never waits for the other end */
	int (*file_size)(int fd, uint64_t *size);

	/* rings */
	int (*setup)(unsigned int entries, struct io_uring_params *p);
	int (*enter)(int fd, unsigned int to_submit, unsigned int min_complete, unsigned int flags, const void *arg,
		     size_t argsz);
	int (*reg)(int fd, unsigned int opcode, void *arg, unsigned int nr); /* io_uring_register */
	void (*host)(struct backend_host *out);
	void *(*mmap)(int fd, size_t len, uint64_t offset); /* NULL: refused */
	int (*munmap)(void *addr, size_t len);

	uint64_t wait_bound_ns; /* how long a wait may take before it is called stuck (in the back end's time) */
	uint64_t probe_bound_ns; /* how long the last probes wait for references to go away */
};

extern const struct backend backend_engine; /* of the build it is linked with */
extern const struct backend backend_kernel;

/* Where the kernel's scratch files are made; an open directory. Set before the first stream. */
void backend_kernel_scratch(int dirfd);

/* 0 where io_uring works here, else -errno with *why (a literal: missing, forbidden by sysctl, by seccomp, ...). */
int backend_kernel_probe(const char **why);

#endif
