/* MSG_RING: a CQE, or a registered file, for another ring; and a CQE from no ring at all. */
#ifndef CORE_RING_MSG_H
#define CORE_RING_MSG_H

struct io_kiocb;
struct io_uring_sqe;
struct io_uring_task;

int io_msg_ring_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_msg_ring(struct io_kiocb *req, unsigned int issue_flags);

/* IORING_REGISTER_SEND_MSG_RING: the SQE at arg is carried out here and now. */
int io_uring_sync_msg_ring(struct io_uring_task *tctx, const void *arg, unsigned int nr);

#endif
