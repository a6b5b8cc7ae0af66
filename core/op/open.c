/* OPENAT of a FIFO. The attempt of the submitter is made as with O_NONBLOCK: reading opens at once, writing without a
 * reader is -ENXIO. A worker waits for the other end. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/op/op.h"
#include "core/ring/ring.h"

struct io_open {
	char name[FIFO_NAME];
	uint32_t flags;
	uint32_t file_slot; /* where it goes, from 1; 0: among the descriptors */
};

int io_openat_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	const char *name = (const char *)(uintptr_t)sqe->addr;
	struct io_open *open = io_cmd(req, struct io_open);

	if (sqe->buf_index)
		return -EINVAL;
	if (req->flags & REQ_F_FIXED_FILE)
		return -EBADF;
	if (!name)
		return -EFAULT;
	if (strlen(name) >= sizeof(open->name))
		return -ENAMETOOLONG;
	memcpy(open->name, name, strlen(name) + 1);
	open->flags = sqe->open_flags;
	open->file_slot = sqe->file_index;
	return open->file_slot && (open->flags & O_CLOEXEC) ? -EINVAL : 0;
}

static int io_open_install(struct io_kiocb *req, struct file *f, unsigned int issue_flags)
{
	struct io_open *open = io_cmd(req, struct io_open);
	int ret;

	if (!open->file_slot)
		return fdtable_install(req->tctx->proc->fds, f);
	io_ring_submit_lock(req->ctx, issue_flags);
	ret = io_fixed_fd_install(req->ctx, f, open->file_slot);
	io_ring_submit_unlock(req->ctx, issue_flags);
	return ret;
}

int io_openat(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_open *open = io_cmd(req, struct io_open);
	bool nonblock = (issue_flags & IO_URING_F_NONBLOCK) || (open->flags & O_NONBLOCK);
	struct file *f;
	int ret = file_fifo_open(&f, open->name, (int)open->flags, nonblock);

	if (!ret)
		ret = io_open_install(req, f, issue_flags);
	if (ret < 0)
		req_set_fail(req);
	io_req_set_res(req, ret, 0);
	return IOU_COMPLETE;
}
