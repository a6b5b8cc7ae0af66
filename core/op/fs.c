/* What a worker does to a file as a whole: FSYNC, FALLOCATE, FTRUNCATE. Their result is stored and is never a failure: a
 * chain goes on behind it. They go to a worker before they were ever issued, so their file is not known by then: unlike
 * in 6.12 they are not hashed. */
#include <errno.h>

#include "core/op/op.h"
#include "core/ring/ring.h"

struct io_sync {
	uint64_t off, len;
	uint32_t flags, mode;
};

int io_fsync_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_sync *sync = io_cmd(req, struct io_sync);

	if (sqe->addr || sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	sync->flags = sqe->fsync_flags;
	if (sync->flags & ~(uint32_t)IORING_FSYNC_DATASYNC)
		return -EINVAL;
	sync->off = sqe->off;
	sync->len = sqe->len;
	req->flags |= REQ_F_FORCE_ASYNC;
	return 0;
}

int io_fsync(struct io_kiocb *req, unsigned int issue_flags)
{
	ENSURE(!(issue_flags & IO_URING_F_NONBLOCK));
	io_req_set_res(req, file_sync(req->file), 0);
	return IOU_COMPLETE;
}

int io_fallocate_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_sync *sync = io_cmd(req, struct io_sync);

	if (sqe->buf_index || sqe->rw_flags || sqe->splice_fd_in)
		return -EINVAL;
	sync->off = sqe->off;
	sync->len = sqe->addr;
	sync->mode = sqe->len;
	req->flags |= REQ_F_FORCE_ASYNC;
	return 0;
}

int io_fallocate(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_sync *sync = io_cmd(req, struct io_sync);
	int ret = -EOPNOTSUPP;

	ENSURE(!(issue_flags & IO_URING_F_NONBLOCK));
	if (!sync->mode)
		ret = file_allocate(req->file, (int64_t)sync->off, (int64_t)sync->len);
	io_req_set_res(req, ret, 0);
	return IOU_COMPLETE;
}

int io_ftruncate_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_sync *sync = io_cmd(req, struct io_sync);

	if (sqe->rw_flags || sqe->addr || sqe->len || sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	sync->len = sqe->off;
	req->flags |= REQ_F_FORCE_ASYNC;
	return 0;
}

int io_ftruncate(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_sync *sync = io_cmd(req, struct io_sync);

	ENSURE(!(issue_flags & IO_URING_F_NONBLOCK));
	io_req_set_res(req, file_truncate(req->file, (int64_t)sync->len), 0);
	return IOU_COMPLETE;
}
