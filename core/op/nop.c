/* NOP, with the means to give it a result, a file, a buffer, task work. */
#include <errno.h>

#include "core/op/op.h"
#include "core/ring/ring.h"

enum {
	NOP_FLAGS = AU_NOP_INJECT_RESULT | AU_NOP_FILE | AU_NOP_FIXED_FILE | AU_NOP_FIXED_BUFFER | AU_NOP_TW |
		    AU_NOP_CQE32,
};

struct io_nop {
	int32_t result;
	uint32_t flags;
};

int io_nop_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_nop *nop = io_cmd(req, struct io_nop);

	nop->flags = (uint32_t)sqe->rw_flags;
	if (nop->flags & ~(uint32_t)NOP_FLAGS)
		return -EINVAL;
	if (nop->flags & AU_NOP_CQE32) /* no ring has 32-byte CQEs */
		return -EINVAL;
	nop->result = nop->flags & AU_NOP_INJECT_RESULT ? (int32_t)sqe->len : 0;
	return 0;
}

int io_nop(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_nop *nop = io_cmd(req, struct io_nop);
	int32_t ret = nop->result;

	if (nop->flags & AU_NOP_FILE) {
		if (nop->flags & AU_NOP_FIXED_FILE)
			io_assign_fixed_file(req, (unsigned int)req->fd, issue_flags);
		else
			req->file = fdtable_get(req->tctx->proc->fds, req->fd);
		if (!req->file)
			ret = -EBADF;
	}
	if (ret != -EBADF && (nop->flags & AU_NOP_FIXED_BUFFER))
		ret = -EFAULT;
	if (ret < 0)
		req_set_fail(req);
	if (nop->flags & AU_NOP_TW) {
		io_req_queue_tw_complete(req, ret);
		return IOU_ISSUE_SKIP_COMPLETE;
	}
	io_req_set_res(req, ret, 0);
	return IOU_COMPLETE;
}
