/* READ and WRITE, READV and WRITEV. What is given in pieces goes through one buffer: the files know no pieces.
 *
 * An attempt that may not sleep is made where the kernel would make one; it says -EAGAIN at once for what cannot promise
 * not to sleep: buffered writes to regular files, writes to a blocking eventfd, reads of files whose pages may have to
 * be fetched (a decision). Who may sleep is a worker. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#include "core/op/op.h"
#include "core/ring/poll.h"
#include "core/ring/ring.h"

/* As much as one call moves at most. */
enum { MAX_RW_COUNT = 0x7ffff000 };

struct io_rw {
	uint64_t addr;
	int64_t off;
	uint32_t len;
	uint32_t flags;
	uint32_t nr_pieces; /* addr is a struct iovec[]; 0: it is the buffer */
};

int io_rw_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_rw *rw = io_cmd(req, struct io_rw);

	if (sqe->ioprio)
		return -EINVAL;
	rw->addr = sqe->addr;
	rw->off = (int64_t)sqe->off;
	rw->len = sqe->len < MAX_RW_COUNT ? sqe->len : MAX_RW_COUNT;
	rw->flags = (uint32_t)sqe->rw_flags;
	rw->nr_pieces = 0;
	return 0;
}

int io_rwv_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	const struct iovec *piece = (const struct iovec *)(uintptr_t)sqe->addr;
	struct io_rw *rw = io_cmd(req, struct io_rw);
	size_t sum = 0;

	if (sqe->ioprio || sqe->len > UIO_MAXIOV)
		return -EINVAL;
	if (!piece && sqe->len)
		return -EFAULT;
	for (uint32_t i = 0; i < sqe->len; i++) {
		if (piece[i].iov_len > MAX_RW_COUNT)
			return -EINVAL;
		sum += piece[i].iov_len;
	}
	rw->addr = sqe->addr;
	rw->off = (int64_t)sqe->off;
	rw->len = (uint32_t)(sum < MAX_RW_COUNT ? sum : MAX_RW_COUNT);
	rw->flags = (uint32_t)sqe->rw_flags;
	rw->nr_pieces = sqe->len;
	return 0;
}

/* The bytes in one piece: the caller's own buffer, or a copy until io_rw_drop(). */
static void *io_rw_buffer(struct io_kiocb *req, bool write)
{
	struct io_rw *rw = io_cmd(req, struct io_rw);
	const struct iovec *piece = (const struct iovec *)(uintptr_t)rw->addr;
	char *buf;
	size_t at = 0;

	if (!rw->nr_pieces)
		return (void *)(uintptr_t)rw->addr;
	if (rw->nr_pieces == 1)
		return piece->iov_base;
	buf = io_mem_alloc(&req->ctx->proc->mem, rw->len + 1);
	for (uint32_t i = 0; write && i < rw->nr_pieces; at += piece[i++].iov_len)
		if (piece[i].iov_len)
			memcpy(buf + at, piece[i].iov_base, piece[i].iov_len);
	return buf;
}

static void io_rw_drop(struct io_kiocb *req, char *buf, ssize_t got)
{
	struct io_rw *rw = io_cmd(req, struct io_rw);
	const struct iovec *piece = (const struct iovec *)(uintptr_t)rw->addr;
	size_t at = 0;

	if (rw->nr_pieces < 2)
		return;
	for (uint32_t i = 0; i < rw->nr_pieces && (ssize_t)at < got; at += piece[i++].iov_len) {
		size_t left = (size_t)got - at;

		if (piece[i].iov_len)
			memcpy(piece[i].iov_base, buf + at, left < piece[i].iov_len ? left : piece[i].iov_len);
	}
	io_mem_free(&req->ctx->proc->mem, buf);
}

/* The file and the flags, each time the request is issued. */
static int io_rw_init_file(struct io_kiocb *req, bool write)
{
	struct io_rw *rw = io_cmd(req, struct io_rw);
	struct file *f = req->file;

	if (write ? !f->can_write : !f->can_read)
		return -EBADF;
	/* DSYNC and SYNC ask for nothing here: no file of the engine outlives its machine. */
	if (rw->flags & ~(uint32_t)(RWF_NOWAIT | RWF_APPEND | RWF_DSYNC | RWF_SYNC))
		return -EOPNOTSUPP;
	if (rw->flags & RWF_NOWAIT) {
		if (!f->nowait)
			return -EOPNOTSUPP;
		req->flags |= REQ_F_NOWAIT;
	}
	if (f->nonblock && !f->nowait)
		req->flags |= REQ_F_NOWAIT;
	if (write ? !f->ops->write : !f->ops->read)
		return -EINVAL;
	if (!rw->addr && rw->len)
		return -EFAULT;
	return 0;
}

/* The data is there or not: the kernel's page cache decides, here a decision. */
static bool io_read_would_sleep(struct file *f)
{
	return f->regular && (!f->nowait || sched_choose(2, "inline"));
}

static int io_rw_done(struct io_kiocb *req, ssize_t ret)
{
	struct io_rw *rw = io_cmd(req, struct io_rw);

	if (ret != (ssize_t)rw->len)
		req_set_fail(req);
	io_req_set_res(req, (int32_t)ret, 0);
	return IOU_COMPLETE;
}

int io_read(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_rw *rw = io_cmd(req, struct io_rw);
	struct file *f = req->file;
	bool nonblock = issue_flags & IO_URING_F_NONBLOCK;
	ssize_t ret = io_rw_init_file(req, false);
	void *buf;

	if (ret)
		return (int)ret;
	buf = io_rw_buffer(req, false);
	if (nonblock || (req->flags & REQ_F_NOWAIT))
		ret = io_read_would_sleep(f) ? -EAGAIN : f->ops->read(f, buf, rw->len, rw->off);
	else
		ret = file_read_wait(f, buf, rw->len, rw->off);
	io_rw_drop(req, buf, ret);
	/* Poll or a worker goes on with it; otherwise it is the result. */
	if (ret == -EAGAIN && (io_file_can_poll(req) || nonblock) && !(req->flags & REQ_F_NOWAIT))
		return -EAGAIN;
	return io_rw_done(req, ret);
}

int io_write(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_rw *rw = io_cmd(req, struct io_rw);
	struct file *f = req->file;
	bool nonblock = issue_flags & IO_URING_F_NONBLOCK;
	int64_t off = rw->flags & RWF_APPEND ? FILE_OFF_APPEND : rw->off;
	ssize_t ret = io_rw_init_file(req, true);
	void *buf;

	if (ret)
		return (int)ret;
	buf = io_rw_buffer(req, true);
	if (nonblock || (req->flags & REQ_F_NOWAIT))
		ret = f->nowait_write ? f->ops->write(f, buf, rw->len, off) : -EAGAIN;
	else
		ret = file_write_wait(f, buf, rw->len, off);
	io_rw_drop(req, buf, 0);
	if (ret == -EAGAIN && (io_file_can_poll(req) || nonblock) && !(req->flags & REQ_F_NOWAIT))
		return -EAGAIN;
	return io_rw_done(req, ret);
}
