/* TIMEOUT, TIMEOUT_REMOVE, LINK_TIMEOUT. */
#ifndef CORE_RING_TIMEOUT_H
#define CORE_RING_TIMEOUT_H

#include "core/ring/ring.h"

struct io_cancel_data;

int io_timeout_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_timeout(struct io_kiocb *req, unsigned int issue_flags);
int io_timeout_remove_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_timeout_remove(struct io_kiocb *req, unsigned int issue_flags);
int io_link_timeout_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_link_timeout_issue(struct io_kiocb *req, unsigned int issue_flags); /* never the way it starts: -EINVAL */

/* Starts the timer of a linked timeout that io_prep_linked_timeout gave, and drops the submission's reference. */
void io_queue_linked_timeout(struct io_kiocb *req);
/* Completes the timeouts whose count is reached. */
void io_flush_timeouts(struct io_ring_ctx *ctx);
/* req completes: its linked timeout must not fire. Returns it for completion with ECANCELED, or NULL: there is none, or
 * its timer runs already and it will report by itself. timeout_lock held. */
struct io_kiocb *io_disarm_linked_timeout(struct io_kiocb *req);
/* 0, -EALREADY: its timer runs right now, -ENOENT. */
int io_timeout_cancel(struct io_ring_ctx *ctx, struct io_cancel_data *cd);
bool io_kill_timeouts(struct io_ring_ctx *ctx, struct io_uring_task *tctx, bool cancel_all);

#endif
