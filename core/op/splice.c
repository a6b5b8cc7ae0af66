/* SPLICE and TEE: always a worker's, of the unbounded account; they wait in it, and nothing is polled. */
#include <errno.h>

#include "core/op/op.h"
#include "core/ring/ring.h"

struct io_splice {
	int64_t off_in, off_out;
	uint32_t len, flags;
	int32_t fd_in;
};

/* From linux/splice.h, which user space does not get; the input's slot. */
#define SPLICE_FLAGS (0x0fu | SPLICE_F_FD_IN_FIXED)

int io_splice_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_splice *sp = io_cmd(req, struct io_splice);

	sp->flags = sqe->splice_flags;
	if (sp->flags & ~SPLICE_FLAGS)
		return -EINVAL;
	sp->len = sqe->len;
	sp->fd_in = sqe->splice_fd_in;
	sp->off_in = (int64_t)sqe->splice_off_in;
	sp->off_out = (int64_t)sqe->off;
	req->flags |= REQ_F_FORCE_ASYNC;
	return 0;
}

int io_tee_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	if (sqe->splice_off_in || sqe->off)
		return -EINVAL;
	return io_splice_prep(req, sqe);
}

/* *node: what the input is registered as, if it is; else the reference is its own. */
static struct file *io_splice_get_file(struct io_kiocb *req, unsigned int issue_flags, struct io_rsrc_node **node)
{
	struct io_splice *sp = io_cmd(req, struct io_splice);

	*node = NULL;
	if (!(sp->flags & SPLICE_F_FD_IN_FIXED))
		return fdtable_get(req->tctx->proc->fds, sp->fd_in);
	io_ring_submit_lock(req->ctx, issue_flags);
	*node = io_file_node_get(req->ctx, (unsigned int)sp->fd_in);
	io_ring_submit_unlock(req->ctx, issue_flags);
	return *node ? (*node)->file : NULL;
}

static void io_splice_put_file(struct io_kiocb *req, unsigned int issue_flags, struct file *in,
			       struct io_rsrc_node *node)
{
	if (!node) {
		file_put(in);
		return;
	}
	io_ring_submit_lock(req->ctx, issue_flags);
	io_rsrc_node_put(req->ctx, node);
	io_ring_submit_unlock(req->ctx, issue_flags);
}

static int io_move(struct io_kiocb *req, unsigned int issue_flags, bool tee)
{
	struct io_splice *sp = io_cmd(req, struct io_splice);
	struct io_rsrc_node *node;
	struct file *in = io_splice_get_file(req, issue_flags, &node);
	ssize_t ret = -EBADF;

	if (in && !tee && sp->off_out != -1)
		ret = -ESPIPE;
	else if (in)
		ret = sp->len ? file_move_wait(in, req->file, sp->len, sp->off_in, tee) : 0;
	if (in)
		io_splice_put_file(req, issue_flags, in, node);
	if (ret != (ssize_t)sp->len)
		req_set_fail(req);
	io_req_set_res(req, (int32_t)ret, 0);
	return IOU_COMPLETE;
}

int io_splice(struct io_kiocb *req, unsigned int issue_flags)
{
	ENSURE(!(issue_flags & IO_URING_F_NONBLOCK));
	return io_move(req, issue_flags, false);
}

int io_tee(struct io_kiocb *req, unsigned int issue_flags)
{
	ENSURE(!(issue_flags & IO_URING_F_NONBLOCK));
	return io_move(req, issue_flags, true);
}
