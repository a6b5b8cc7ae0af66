/* Looking for requests and cancelling them. */
#ifndef CORE_RING_CANCEL_H
#define CORE_RING_CANCEL_H

#include "core/ring/ring.h"

struct io_cancel_data {
	struct io_ring_ctx *ctx;
	uint32_t flags; /* IORING_ASYNC_CANCEL_* */
	uint64_t data; /* user_data */
	struct file *file; /* FD */
	const struct io_kiocb *self; /* never matches */
	uint8_t opcode; /* OP */
	uint32_t seq; /* ALL, ANY: a request is found by one pass of one cancel */
	uint32_t pass; /* counts the searches of an io-wq */
	const struct io_kiocb *found; /* the last match; not to be looked into */
	const struct io_kiocb *only; /* no other matches, if set */
	bool running; /* some search found a match in a worker */
};

bool io_cancel_req_match(struct io_kiocb *req, struct io_cancel_data *cd);
/* One match, wherever it is: 0, -EALREADY, -ENOENT. tctx: whose io-wq to look at first. */
int io_try_cancel(struct io_uring_task *tctx, struct io_cancel_data *cd, unsigned int issue_flags);

int io_async_cancel_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_async_cancel(struct io_kiocb *req, unsigned int issue_flags);

/* IORING_REGISTER_SYNC_CANCEL. */
int io_sync_cancel(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr);

#endif
