/* MSG_RING: a CQE, or a registered file, for another ring.
 *
 * A DEFER_TASKRUN ring is touched by its submitter alone: a CQE goes there as local task work, a file as task work of the
 * submitter, which then completes the sender's request. A CQE for any other ring is posted here and now.
 *
 * Sending a file needs the locks of two rings: with its own held the sender only tries to get the other's, and what it does
 * not get a worker waits for, which holds none. */
#include <errno.h>

#include "core/ring/msg.h"
#include "core/ring/ring.h"

enum { MSG_FLAGS = IORING_MSG_RING_CQE_SKIP | AU_MSG_RING_FLAGS_PASS };

struct io_msg {
	uint64_t user_data, cmd;
	uint32_t len, flags;
	uint32_t src_slot; /* SEND_FD: from 0 */
	uint32_t dst_slot; /* SEND_FD: from 1; DATA with FLAGS_PASS: the CQE's flags */
};

/* What the target's submitter is to do, as a piece of task work of the target's: no request of any SQE. */
struct io_msg_remote {
	struct io_kiocb work;
	struct io_kiocb *sender; /* of a file; completed by whoever does the work */
	struct file *file; /* with a reference */
};

static int __io_msg_ring_prep(struct io_msg *msg, const struct io_uring_sqe *sqe)
{
	if (sqe->buf_index || sqe->personality)
		return -EINVAL;
	*msg = (struct io_msg){
		.user_data = sqe->off,
		.cmd = sqe->addr,
		.len = sqe->len,
		.flags = sqe->msg_ring_flags,
		.src_slot = (uint32_t)sqe->addr3,
		.dst_slot = sqe->file_index,
	};
	return msg->flags & ~(uint32_t)MSG_FLAGS ? -EINVAL : 0;
}

int io_msg_ring_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	return __io_msg_ring_prep(io_cmd(req, struct io_msg), sqe);
}

static struct io_msg_remote *io_msg_remote_new(struct io_ring_ctx *target, io_req_tw_func_t *tw)
{
	struct io_msg_remote *m = io_mem_alloc(&target->proc->mem, sizeof(*m));

	list_init(&m->work.node);
	m->work.ctx = target;
	m->work.tctx = target->submitter;
	m->work.tw = tw;
	return m;
}

static bool io_msg_need_remote(const struct io_ring_ctx *target)
{
	return target->flags & IORING_SETUP_DEFER_TASKRUN;
}

/* ---- a CQE ---- */

static void io_msg_tw_data(struct io_kiocb *work, struct io_tw_state tw)
{
	struct io_ring_ctx *target = work->ctx;

	(void)tw;
	io_post_aux_cqe(target, work->user_data, work->res, work->cflags);
	io_mem_free(&target->proc->mem, container_of(work, struct io_msg_remote, work));
}

static int io_msg_ring_data(struct io_ring_ctx *target, const struct io_msg *msg)
{
	bool pass = msg->flags & AU_MSG_RING_FLAGS_PASS;
	struct io_msg_remote *m;

	if (msg->src_slot || (msg->flags & ~(uint32_t)AU_MSG_RING_FLAGS_PASS) || (!pass && msg->dst_slot))
		return -EINVAL;
	if (a32_load(&target->disabled))
		return -EBADFD;
	if (!io_msg_need_remote(target)) {
		io_post_aux_cqe(target, msg->user_data, (int32_t)msg->len, pass ? msg->dst_slot : 0);
		return 0;
	}
	m = io_msg_remote_new(target, io_msg_tw_data);
	m->work.user_data = msg->user_data;
	m->work.res = (int32_t)msg->len;
	m->work.cflags = pass ? msg->dst_slot : 0;
	io_req_task_work_add(&m->work);
	return 0;
}

/* ---- a file ---- */

/* The target's lock is held. Takes over the file's reference. */
static int io_msg_install(struct io_ring_ctx *target, const struct io_msg *msg, struct file *file)
{
	int ret = io_fixed_fd_install(target, file, msg->dst_slot);

	if (ret >= 0 && !(msg->flags & IORING_MSG_RING_CQE_SKIP))
		io_post_aux_cqe(target, msg->user_data, ret, 0);
	return ret;
}

static void io_msg_tw_fd(struct io_kiocb *work, struct io_tw_state tw)
{
	struct io_msg_remote *m = container_of(work, struct io_msg_remote, work);
	struct io_ring_ctx *target = work->ctx;
	struct io_kiocb *sender = m->sender;
	int ret = -EOWNERDEAD;

	if (!tw.cancel)
		ret = io_msg_install(target, io_cmd(sender, struct io_msg), m->file);
	else
		file_put(m->file);
	io_mem_free(&target->proc->mem, m);
	if (ret < 0)
		req_set_fail(sender);
	io_req_queue_tw_complete(sender, ret);
}

static int io_msg_fd_remote(struct io_kiocb *req, struct file *file)
{
	struct io_msg_remote *m = io_msg_remote_new(req->file->priv, io_msg_tw_fd);

	m->sender = req;
	m->file = file;
	io_task_work_add(&m->work);
	return IOU_ISSUE_SKIP_COMPLETE;
}

/* The file in the sender's own table, with a reference; or NULL. */
static struct file *io_msg_grab_file(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_msg *msg = io_cmd(req, struct io_msg);
	struct io_rsrc_node *node;
	struct file *file = NULL;

	io_ring_submit_lock(req->ctx, issue_flags);
	node = io_file_node_get(req->ctx, msg->src_slot);
	if (node) {
		file = file_get(node->file);
		io_rsrc_node_put(req->ctx, node);
	}
	io_ring_submit_unlock(req->ctx, issue_flags);
	return file;
}

static int io_msg_send_fd(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_ring_ctx *target = req->file->priv;
	struct io_msg *msg = io_cmd(req, struct io_msg);
	struct file *file;
	int ret;

	if (msg->len || target == req->ctx)
		return -EINVAL;
	if (a32_load(&target->disabled))
		return -EBADFD;
	file = io_msg_grab_file(req, issue_flags);
	if (!file)
		return -EBADF;
	if (io_msg_need_remote(target))
		return io_msg_fd_remote(req, file);
	if (issue_flags & IO_URING_F_UNLOCKED) {
		mutex_lock(&target->uring_lock);
	} else if (!mutex_trylock(&target->uring_lock)) {
		file_put(file);
		return -EAGAIN;
	}
	ret = io_msg_install(target, msg, file);
	mutex_unlock(&target->uring_lock);
	return ret;
}

int io_msg_ring(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_msg *msg = io_cmd(req, struct io_msg);
	int ret = -EINVAL;

	if (req->file->kind != FILE_RING)
		ret = -EBADFD;
	else if (msg->cmd == IORING_MSG_DATA)
		ret = io_msg_ring_data(req->file->priv, msg);
	else if (msg->cmd == IORING_MSG_SEND_FD)
		ret = io_msg_send_fd(req, issue_flags);
	if (ret == -EAGAIN || ret == IOU_ISSUE_SKIP_COMPLETE)
		return ret;
	if (ret < 0)
		req_set_fail(req);
	io_req_set_res(req, ret, 0);
	return IOU_COMPLETE;
}

int io_uring_sync_msg_ring(struct io_uring_task *tctx, const void *arg, unsigned int nr)
{
	struct io_uring_sqe sqe;
	struct io_msg msg;
	struct file *file;
	int ret;

	if (!arg || nr != 1)
		return -EINVAL;
	if (!io_copy_from_user(&sqe, arg, sizeof(sqe)))
		return -EFAULT;
	if (sqe.flags || sqe.opcode != IORING_OP_MSG_RING)
		return -EINVAL;
	ret = __io_msg_ring_prep(&msg, &sqe);
	if (ret)
		return ret;
	if (msg.cmd != IORING_MSG_DATA)
		return -EINVAL;
	file = fdtable_get(tctx->proc->fds, sqe.fd);
	if (!file)
		return -EBADF;
	ret = file->kind == FILE_RING ? io_msg_ring_data(file->priv, &msg) : -EBADFD;
	file_put(file);
	return ret;
}
