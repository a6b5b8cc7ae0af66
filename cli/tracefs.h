/* The kernel's tracepoints, through a tracefs instance of our own: which requests of a process it hands to io-wq. */
#ifndef CLI_TRACEFS_H
#define CLI_TRACEFS_H

#include <stdint.h>
#include <sys/types.h>

struct tracefs;

/* 0; -EOPNOTSUPP with *why (a literal: no tracefs, not root, no such event); or another -errno, *why names the call. */
int tracefs_open(struct tracefs **out, const char **why);
void tracefs_close(struct tracefs *t);

/* From now on the events of process pid and of what it starts, and none that came before. 0 or -errno. */
int tracefs_watch(struct tracefs *t, pid_t pid);

/* Calls seen() for each io_uring_queue_async_work since then, in order: user_data, the request's flags, hashed or not.
 * 0; -EOVERFLOW when some were lost; or another -errno. */
int tracefs_queued(struct tracefs *t, void (*seen)(void *ctx, uint64_t user_data, uint64_t flags, int hashed),
		   void *ctx);

#endif
