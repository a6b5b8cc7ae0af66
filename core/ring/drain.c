/* IOSQE_IO_DRAIN, by the count of live requests (6.18): the first of the defer list may go when every request of the
 * ring that is not on the list has been freed. Those behind it that are not drained themselves go with it. */
#include <errno.h>

#include "core/ring/ring.h"

/* A drained SQE inside a chain drains the chain's head, and what comes after the chain as well. */
void io_init_drain(struct io_ring_ctx *ctx)
{
	struct io_kiocb *head = ctx->link.head;

	ctx->drain_active = true;
	if (head) {
		head->flags |= REQ_F_IO_DRAIN | REQ_F_FORCE_ASYNC;
		ctx->drain_next = true;
	}
}

void io_queue_deferred(struct io_ring_ctx *ctx)
{
	bool first = true, drain_seen = false;

	mutex_assert_held(&ctx->uring_lock);
	while (!list_empty(&ctx->defer_list)) {
		struct io_defer_entry *de = list_first(&ctx->defer_list, struct io_defer_entry, node);
		struct io_kiocb *req = de->req;

		ENSURE_OP(ctx->nr_drained, <=, ctx->nr_live);
		drain_seen |= !!(req->flags & REQ_F_IO_DRAIN);
		if ((drain_seen || first) && ctx->nr_live != ctx->nr_drained)
			return;
		ctx->nr_drained -= io_linked_nr(req);
		list_del(&de->node);
		io_mem_free(&ctx->proc->mem, de);
		io_req_task_queue(req);
		first = false;
	}
}

/* Drain stays active until a request that is not drained finds the list empty. */
void io_drain_req(struct io_kiocb *req)
{
	struct io_ring_ctx *ctx = req->ctx;
	struct io_defer_entry *de = io_mem_alloc(&ctx->proc->mem, sizeof(*de));
	bool drain = req->flags & REQ_F_IO_DRAIN;

	mutex_assert_held(&ctx->uring_lock);
	de->req = req;
	ctx->nr_drained += io_linked_nr(req);
	list_add_tail(&de->node, &ctx->defer_list);
	io_queue_deferred(ctx);
	if (!drain && list_empty(&ctx->defer_list))
		ctx->drain_active = false;
}

bool io_cancel_defer_files(struct io_ring_ctx *ctx, struct io_uring_task *tctx, bool cancel_all)
{
	struct list gone = LIST_INIT(gone);
	struct list *last = NULL;

	mutex_assert_held(&ctx->uring_lock);
	/* Everything up to the last match: order is kept by the list, so what is before it cannot stay. */
	list_for_each(node, &ctx->defer_list)
		if (io_match_task(list_entry(node, struct io_defer_entry, node)->req, tctx, cancel_all))
			last = node;
	if (!last)
		return false;
	for (;;) {
		struct list *node = ctx->defer_list.next;

		list_del(node);
		list_add_tail(node, &gone);
		if (node == last)
			break;
	}
	while (!list_empty(&gone)) {
		struct io_defer_entry *de = list_first(&gone, struct io_defer_entry, node);

		ctx->nr_drained -= io_linked_nr(de->req);
		io_req_task_queue_fail(de->req, -ECANCELED);
		list_del(&de->node);
		io_mem_free(&ctx->proc->mem, de);
	}
	return true;
}
