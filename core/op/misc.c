/* STATX, SYNC_FILE_RANGE, MADVISE: done by a worker, their result is stored and never a failure. CLOSE, which its submitter
 * does. */
#include <errno.h>

#include "core/op/op.h"
#include "core/ring/ring.h"

int io_statx_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	if (sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	if (req->flags & REQ_F_FIXED_FILE)
		return -EBADF;
	req->flags |= REQ_F_FORCE_ASYNC;
	return 0;
}

/* Of the descriptor itself (AT_EMPTY_PATH), looked up by the operation. What it says of the file is not told. */
int io_statx(struct io_kiocb *req, unsigned int issue_flags)
{
	struct file *f = fdtable_get(req->tctx->proc->fds, req->fd);

	ENSURE(!(issue_flags & IO_URING_F_NONBLOCK));
	if (f)
		file_put(f);
	io_req_set_res(req, f ? 0 : -EBADF, 0);
	return IOU_COMPLETE;
}

int io_sfr_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	if (sqe->addr || sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	req->flags |= REQ_F_FORCE_ASYNC;
	return 0;
}

int io_sync_file_range(struct io_kiocb *req, unsigned int issue_flags)
{
	int ret = file_sync(req->file);

	ENSURE(!(issue_flags & IO_URING_F_NONBLOCK));
	io_req_set_res(req, ret == -EINVAL ? -ESPIPE : ret, 0);
	return IOU_COMPLETE;
}

int io_madvise_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	if (sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	req->flags |= REQ_F_FORCE_ASYNC;
	return 0;
}

int io_madvise(struct io_kiocb *req, unsigned int issue_flags)
{
	ENSURE(!(issue_flags & IO_URING_F_NONBLOCK));
	io_req_set_res(req, 0, 0);
	return IOU_COMPLETE;
}

struct io_close {
	uint32_t file_slot; /* from 1; 0: a descriptor */
};

int io_close_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_close *close = io_cmd(req, struct io_close);

	if (sqe->off || sqe->addr || sqe->len || sqe->rw_flags || sqe->buf_index)
		return -EINVAL;
	if (req->flags & REQ_F_FIXED_FILE)
		return -EBADF;
	close->file_slot = sqe->file_index;
	return close->file_slot && sqe->fd ? -EINVAL : 0;
}

/* A ring does not close rings. */
static int io_close_fd(struct io_kiocb *req)
{
	struct fdtable *fds = req->tctx->proc->fds;
	struct file *f = fdtable_get(fds, req->fd);
	int ret = -EBADF;

	if (f && f->kind != FILE_RING)
		ret = fdtable_close(fds, req->fd);
	if (f)
		file_put(f);
	return ret;
}

int io_close(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_close *close = io_cmd(req, struct io_close);
	int ret;

	if (close->file_slot) {
		io_ring_submit_lock(req->ctx, issue_flags);
		ret = io_fixed_fd_remove(req->ctx, close->file_slot - 1);
		io_ring_submit_unlock(req->ctx, issue_flags);
	} else {
		ret = io_close_fd(req);
	}
	if (ret < 0)
		req_set_fail(req);
	io_req_set_res(req, ret, 0);
	return IOU_COMPLETE;
}
