/* struct file: one open description.
 *
 * Bytes come from real objects (a pipe, an eventfd, a file behind real_fd, always non-blocking or regular); readiness
 * and its order are the engine's own: every read, write and release that may change readiness wakes the wait queue.
 *
 * References: whoever holds a struct file * across a point where others run holds a reference (file_get / file_put).
 * The descriptor table holds one per descriptor, a request one from its first issue until it is freed. The last put
 * calls release: the peer sees EOF or EPIPE only then.
 *
 * Source: io_uring's use of struct file in 6.18 (io_file_get_flags, io_file_supports_nowait, file_can_poll). */
#ifndef CORE_FILE_FILE_H
#define CORE_FILE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/list.h"
#include "sched/sched.h"

struct file;

/* ---- wait queues ----
 * Order as in the kernel: a plain entry is put at the head (so the last one in is woken first), an exclusive one at the
 * tail. wake() calls entries from the head until `nr_exclusive` exclusive ones said true (0: all of them).
 * The callback runs under the queue's lock: it may unlink its own entry (wait_unlink_locked) and unpark, queue task work
 * or take the locks listed in ARCHITECTURE.md as nesting inside a wait queue; it must not wait. */
struct wait_entry {
	struct list node;
	bool exclusive;
	bool (*wake)(struct wait_entry *e, unsigned int mask); /* true: it took the wake-up */
};

struct wait_queue {
	struct mutex lock; /* protects head; nests inside a ring's lock and a file's lock */
	struct list head;
};

void wait_queue_init(struct wait_queue *q);
void wait_queue_destroy(struct wait_queue *q);
void wait_add(struct wait_queue *q, struct wait_entry *e);
/* Unlinks e if it is linked; when it returns no callback of e runs or will run. True: it was still linked. */
bool wait_remove(struct wait_queue *q, struct wait_entry *e);
void wait_unlink_locked(struct wait_entry *e);
/* mask: what became ready; 0: something did, look for yourself. */
void wait_wake(struct wait_queue *q, unsigned int mask, unsigned int nr_exclusive);
/* Is anybody on the queue? Stale as soon as it returns, unless a lock of the caller's keeps others out. */
bool wait_active(struct wait_queue *q);

/* ---- files ---- */

enum file_kind { FILE_PIPE_READ, FILE_PIPE_WRITE, FILE_EVENTFD, FILE_REGULAR, FILE_FIFO, FILE_RING };

/* Instead of an offset: at the end of the file, whatever it is by then (RWF_APPEND). Others than regular files do not mind. */
#define FILE_OFF_APPEND (-2)

struct file_ops {
	/* One attempt that does not sleep: bytes moved, 0 at EOF, or -errno; -EAGAIN: not ready. A write may be short.
	 * off -1: the file's position; a write takes FILE_OFF_APPEND, too. */
	ssize_t (*read)(struct file *f, void *buf, size_t len, int64_t off);
	ssize_t (*write)(struct file *f, const void *buf, size_t len, int64_t off);
	/* What is ready now: EPOLL* bits, with ERR and HUP. NULL: the file cannot be polled. */
	unsigned int (*poll)(struct file *f);
	void (*release)(struct file *f); /* last reference gone; frees what is behind priv, not f */
};

struct file {
	struct atomic32 refs;
	enum file_kind kind;
	const struct file_ops *ops;
	bool can_read, can_write; /* FMODE_READ, FMODE_WRITE */
	bool nonblock; /* O_NONBLOCK */
	bool regular; /* S_ISREG: hashed writes, no poll */
	bool nowait; /* FMODE_NOWAIT: reads take RWF_NOWAIT */
	bool nowait_write; /* writes do, too: not a blocking eventfd, not a buffered regular file */
	uint32_t identity; /* inode by order of first use; the key of the io-wq hash */
	/* Who waits for readiness. A pipe has two queues as the kernel's has: its read end points to the readers', its
	 * write end to the writers'. NULL: nobody can wait for it (it is always ready). */
	struct wait_queue *wait;
	int real_fd; /* what the bytes go through, or -1; whose it is, the kind knows */
	void *priv;
};

/* A file of `kind` with one reference and an identity of its own; properties false, real_fd -1. NULL: no memory. */
struct file *file_new(enum file_kind kind, const struct file_ops *ops);
struct file *file_get(struct file *f);
void file_put(struct file *f);

/* A read or write that waits: try, then sleep until ready, notified (sched_notified: -EINTR, nothing consumed) or
 * done. For a worker and for a direct call of a process. Sleeps inside sched_block_begin/end. A partial write of a
 * blocking file goes on until all is written or it is interrupted (then: the partial count). */
ssize_t file_read_wait(struct file *f, void *buf, size_t len, int64_t off);
ssize_t file_write_wait(struct file *f, const void *buf, size_t len, int64_t off);

/* splice(2) and tee(2) into a pipe, from another or (not a tee) from a regular file at `off`, -1: its own position. Waits
 * until something is there and there is room for it, and moves what it can then: the count, 0 at the end of what there
 * is, or -errno; -EINTR if notified before anything was moved, -EAGAIN rather than wait where an end is O_NONBLOCK. */
ssize_t file_move_wait(struct file *in, struct file *out, size_t len, int64_t off, bool tee);

/* Makers: 0 and a file with one reference, or -errno. */

/* ends[0] reads, ends[1] writes. capacity 0: 64 KiB. */
int file_make_pipe(struct file *ends[2], unsigned int capacity, bool nonblock);
int file_make_eventfd(struct file **out, uint64_t count, bool nonblock, bool semaphore);
/* Takes over real_fd (also when it fails). Files of one real inode share an identity. */
int file_make_regular(struct file **out, int real_fd);
/* One more end of the pipe behind `end`: flags O_RDONLY or O_WRONLY, with O_NONBLOCK or without. The open never waits:
 * -ENXIO for writing when nobody reads. -EINVAL if `end` is no pipe. */
int file_reopen_pipe(struct file **out, struct file *end, int flags);
/* What is done to a regular file as a whole; each may take a while, and is a blocking section. 0 or -errno. */
int file_sync(struct file *f); /* -EINVAL if f is not regular */
/* Room for [off, off + len), and at least so long. -EINTR if notified: nothing has changed then. */
int file_allocate(struct file *f, int64_t off, int64_t len);
int file_truncate(struct file *f, int64_t len); /* -EINVAL if f is not regular */

/* ---- FIFOs: names where two ends meet ---- */

enum { FIFO_NAME = 40 }; /* with its NUL */

int file_fifo_make(const char *name); /* -EEXIST */
int file_fifo_unlink(const char *name); /* -ENOENT. What is open stays so. */
/* O_RDONLY or O_WRONLY. Waits for the other end, -EINTR if notified; nonblock: does not wait, and is -ENXIO for writing when
 * nobody reads. */
int file_fifo_open(struct file **out, const char *name, int flags, bool nonblock);

/* -ESPIPE if f is not regular. */
int file_size(struct file *f, uint64_t *size);

/* ---- descriptor table ---- */

/* Numbers are the lowest free, from 3. The table holds one reference per descriptor. A copy has all but rings. */
struct fdtable;
struct fdtable *fdtable_new(const struct fdtable *copy_of /* or NULL */);
void fdtable_free(struct fdtable *t); /* closes all */
int fdtable_install(struct fdtable *t, struct file *f); /* takes over the caller's reference; fd, or -EMFILE */
struct file *fdtable_get(struct fdtable *t, int fd); /* with a reference, or NULL */
int fdtable_close(struct fdtable *t, int fd); /* 0 or -EBADF */

/* Puts identities back to 0 (at the start of a run), so that runs are equal. */
void file_reset_identities(void);

/* After a simulated run that ended stuck: its fibers are gone, and so must be every file, table and pipe they held.
 * Closes and frees them all without a word to anybody. Nobody may use one afterwards. */
void file_abandon_all(void);
/* Closes the real pipes kept for the next file_make_pipe. */
void file_drop_cache(void);

#endif
