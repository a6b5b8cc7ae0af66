/* Polls: POLL_ADD, POLL_REMOVE, and the poll of a request whose first attempt said -EAGAIN. */
#ifndef CORE_RING_POLL_H
#define CORE_RING_POLL_H

#include "core/ring/ring.h"

struct io_cancel_data;

enum io_apoll { IO_APOLL_OK, IO_APOLL_ABORTED, IO_APOLL_READY };

/* For an issue that said -EAGAIN. OK: the request is armed, and may be gone. */
enum io_apoll io_arm_poll_handler(struct io_kiocb *req, unsigned int issue_flags);
/* Has the file a way to wait for it? */
bool io_file_can_poll(const struct io_kiocb *req);

int io_poll_add_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_poll_add(struct io_kiocb *req, unsigned int issue_flags);
int io_poll_remove_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_poll_remove(struct io_kiocb *req, unsigned int issue_flags);

/* 0, or -ENOENT. */
int io_poll_cancel(struct io_ring_ctx *ctx, struct io_cancel_data *cd, unsigned int issue_flags);
bool io_poll_remove_all(struct io_ring_ctx *ctx, struct io_uring_task *tctx, bool cancel_all); /* uring_lock held */

#endif
