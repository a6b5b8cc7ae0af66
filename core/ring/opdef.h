/* A row of the opcode table. The rows are in core/op/optable.c, in the order of the opcodes; the ring gets the table
 * when a process is made and never names one. */
#ifndef CORE_RING_OPDEF_H
#define CORE_RING_OPDEF_H

#include <stdbool.h>

struct io_kiocb;
struct io_uring_sqe;

/* What issue returns: one of these, or -errno. Both count as success for whoever called. */
enum {
	IOU_COMPLETE = 0, /* done: the result is in the request (io_req_set_res) */
	IOU_ISSUE_SKIP_COMPLETE = 1, /* armed, or completes by itself: the request may be gone */
};

/* How issue is called. */
enum {
	IO_URING_F_NONBLOCK = 1, /* -EAGAIN rather than sleep */
	IO_URING_F_COMPLETE_DEFER = 2, /* completions are collected; uring_lock is held */
	IO_URING_F_UNLOCKED = 4, /* uring_lock is not held */
	IO_URING_F_IOWQ = 8, /* by a worker */
};

struct io_issue_def {
	const char *name; /* NULL: no such operation */
	bool needs_file;
	bool pollin, pollout; /* -EAGAIN waits for this, if the file can be polled */
	bool hash_reg_file; /* work on one regular file is done in order */
	bool unbound_nonreg_file; /* goes to the unbounded account */
	bool ioprio; /* takes sqe->ioprio */
	bool buffer_select; /* takes IOSQE_BUFFER_SELECT */
	/* Reads the SQE, which is not valid afterwards. 0 or -errno. */
	int (*prep)(struct io_kiocb *req, const struct io_uring_sqe *sqe);
	int (*issue)(struct io_kiocb *req, unsigned int issue_flags);
};

#endif
