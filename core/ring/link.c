/* Chains: who comes next, and what becomes of those behind a failure.
 *
 *	req -> req->link -> ...      a linked timeout stands right behind its target, REQ_F_ARM_LTIMEOUT is set on the target
 *
 * io_req_find_next is called once per linked request, when its last reference is gone: by the flush that frees it, or by
 * the worker that finished it. */
#include <errno.h>

#include "core/ring/ring.h"
#include "core/ring/timeout.h"

unsigned int io_linked_nr(const struct io_kiocb *req)
{
	unsigned int nr = 0;

	for (; req; req = req->link)
		nr++;
	return nr;
}

void io_remove_next_linked(struct io_kiocb *req)
{
	struct io_kiocb *next = req->link;

	req->link = next->link;
	next->link = NULL;
}

/* The target is about to be issued. From now on both have counts: the target, because the timer may look at it; the
 * timeout, because its timer may end before the submission is done with it. */
struct io_kiocb *io_prep_linked_timeout(struct io_kiocb *req)
{
	ENSURE(req->link && req->link->opcode == IORING_OP_LINK_TIMEOUT);
	req->flags &= ~(uint32_t)REQ_F_ARM_LTIMEOUT;
	req->flags |= REQ_F_LINK_TIMEOUT;
	io_req_set_refcount(req, 1);
	io_req_set_refcount(req->link, 2);
	return req->link;
}

/* One task-work item completes all followers in the order of the chain, so that nothing of the chain is reordered. */
static void io_req_tw_fail_links(struct io_kiocb *link, struct io_tw_state tw)
{
	(void)tw;
	while (link) {
		struct io_kiocb *next = link->link;

		link->link = NULL;
		if (!(link->flags & REQ_F_FAIL))
			io_req_set_res(link, -ECANCELED, 0);
		io_req_complete_defer(link);
		link = next;
	}
}

/* A chain whose failed request had CQE_SKIP ends in silence; otherwise everybody speaks, CQE_SKIP or not. */
static void io_fail_links(struct io_kiocb *req)
{
	bool silent = req->flags & REQ_F_SKIP_LINK_CQES;
	struct io_kiocb *first = req->link;

	if (!first)
		return;
	for (struct io_kiocb *link = first; link; link = link->link) {
		if (silent)
			link->flags |= REQ_F_CQE_SKIP;
		else
			link->flags &= ~(uint32_t)REQ_F_CQE_SKIP;
	}
	req->link = NULL;
	first->tw = io_req_tw_fail_links;
	io_req_task_work_add(first);
}

static void io_disarm_next(struct io_kiocb *req)
{
	struct io_kiocb *lt = NULL;

	if (req->flags & REQ_F_ARM_LTIMEOUT) {
		req->flags &= ~(uint32_t)REQ_F_ARM_LTIMEOUT;
		lt = req->link;
		if (lt && lt->opcode == IORING_OP_LINK_TIMEOUT)
			io_remove_next_linked(req);
		else
			lt = NULL;
	} else if (req->flags & REQ_F_LINK_TIMEOUT) {
		mutex_lock(&req->ctx->timeout_lock);
		if (req->link && req->link->opcode == IORING_OP_LINK_TIMEOUT)
			lt = io_disarm_linked_timeout(req);
		mutex_unlock(&req->ctx->timeout_lock);
	}
	if (lt)
		io_req_queue_tw_complete(lt, -ECANCELED);
	if ((req->flags & REQ_F_FAIL) && !(req->flags & REQ_F_HARDLINK))
		io_fail_links(req);
}

struct io_kiocb *io_req_find_next(struct io_kiocb *req)
{
	struct io_kiocb *next;

	if (req->flags & (REQ_F_ARM_LTIMEOUT | REQ_F_LINK_TIMEOUT | REQ_F_FAIL))
		io_disarm_next(req);
	next = req->link;
	req->link = NULL;
	return next;
}

void io_queue_next(struct io_kiocb *req)
{
	struct io_kiocb *next = io_req_find_next(req);

	if (next)
		io_req_task_queue(next);
}
