/* SPLICE and TEE: always a worker's, of the unbounded account; they wait in it, and nothing is polled. */
#include <errno.h>

#include "core/op/op.h"
#include "core/ring/ring.h"

struct io_splice {
	int64_t off_in, off_out;
	uint32_t len, flags;
	int32_t fd_in;
};

/* From linux/splice.h, which user space does not get. */
enum { SPLICE_FLAGS = 0x0f };

int io_splice_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_splice *sp = io_cmd(req, struct io_splice);

	sp->flags = sqe->splice_flags;
	if (sp->flags & ~(uint32_t)SPLICE_FLAGS)
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

static int io_move(struct io_kiocb *req, bool tee)
{
	struct io_splice *sp = io_cmd(req, struct io_splice);
	struct file *in = fdtable_get(req->tctx->proc->fds, sp->fd_in);
	ssize_t ret = -EBADF;

	if (in && !tee && sp->off_out != -1)
		ret = -ESPIPE;
	else if (in)
		ret = sp->len ? file_move_wait(in, req->file, sp->len, sp->off_in, tee) : 0;
	if (in)
		file_put(in);
	if (ret != (ssize_t)sp->len)
		req_set_fail(req);
	io_req_set_res(req, (int32_t)ret, 0);
	return IOU_COMPLETE;
}

int io_splice(struct io_kiocb *req, unsigned int issue_flags)
{
	ENSURE(!(issue_flags & IO_URING_F_NONBLOCK));
	return io_move(req, false);
}

int io_tee(struct io_kiocb *req, unsigned int issue_flags)
{
	ENSURE(!(issue_flags & IO_URING_F_NONBLOCK));
	return io_move(req, true);
}
