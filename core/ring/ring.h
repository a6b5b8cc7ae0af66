/* The request layer: what its files share.
 *
 * A request. Where it is, and the function that takes it there:
 *
 *	 io_submit_sqe
 *	      |
 *	      |  link flag         io_queue_next, worker: io_wq_free_work
 *	      +-----------> LINKED ---------------------------------.
 *	      |  drain active          io_queue_deferred            |
 *	      +-----------> DEFERRED -----------------------.       |
 *	      |  ASYNC, unterminated chain                  v       v
 *	      +-----------> io_queue_iowq <------------- io_req_task_submit (task work)
 *	      |                  |                              |  ^
 *	      |                  v          io_wq_submit_work   |  |
 *	      |               PENDING ----------> RUNNING       |  |
 *	      v                                  |    |         |  |
 *	 io_queue_sqe ----> ISSUED <-------------|----|---------'  |
 *	      (inline)       |  |  |             |    |            |
 *	          io_poll_add|  |  |io_timeout   |    |            |
 *	  io_arm_poll_handler|  |  |             |    |            |
 *	                     v  |  v             |    |            |
 *	                 POLL   | TIMER          |    |            |
 *	    io_poll_wake,|      |  |io_timeout_fn|    |            |
 *	   io_poll_cancel|      |  |io_flush_timeouts |            |
 *	                 v      |  v             |    |            |
 *	            TASK WORK --|--|-------------|----|------------'
 *	    io_poll_task_func   |  |             |    |  (poll: ready)
 *	 io_req_task_complete,  |  |             |    |
 *	   io_req_task_cancel   v  v             |    |
 *	                 COMPLETING <------------'    | io_req_complete_post
 *	                     | __io_submit_flush      | (default rings: the CQE is posted by the worker)
 *	                     v                        v
 *	                   POSTED --- last reference ---> FREE (io_free_req_locked)
 *
 *	LINKED to COMPLETING: io_fail_links, by one task-work item for all followers.
 *	DEFERRED and PENDING to TASK WORK: cancelled (io_cancel_defer_files, io_wq_cancel_cb).
 *
 * req->node is on one list at a time: a completion list, a task-work list or the request cache. A request whose node is on
 * none is held by the code that runs it, by a link, by the drain list, by io-wq, by the cancel table or by a timeout list.
 *
 * References. A plain request has no count: whoever completes it frees it. A count (REQ_F_REFCOUNT) exists when two
 * agents may be the last: a worker and the completion (2); a request with an armed linked timeout; a linked timeout
 * itself, which its timer and whoever submits it hold (2). Who drops the last reference looks at the link and frees.
 *
 * Exactly one completion: REQ_F_POSTED is set where a request's result is made known (or kept silent by CQE_SKIP), and
 * must not be set there; it must be set where the request is freed.
 *
 * What 6.18 does and this profile does not, on purpose: see cancel.c (results stay EALREADY), poll.c and timeout.c (a
 * cancelled worker that arms looks once more), iowq.c (the CANCEL mark stays on a request that is queued anew),
 * submit.c (a worker that comes too late for its task finds no ring).
 * Not here yet: multishot polls and timeouts, updates of polls and timeouts, absolute times of other clocks than
 * MONOTONIC, registered buffers, restrictions, personalities, IOPOLL, SQPOLL; all of them are refused with what
 * a kernel without them would say. */
#ifndef CORE_RING_RING_H
#define CORE_RING_RING_H

#include "core/base/uapi.h"
#include "core/ring/opdef.h"
#include "core/ring/rsrc.h"
#include "core/ring/task.h"
#include "core/ring/trace.h"

/* ---- flags of a request; the low byte is the SQE's ---- */

enum {
	REQ_F_FIXED_FILE = IOSQE_FIXED_FILE,
	REQ_F_IO_DRAIN = IOSQE_IO_DRAIN,
	REQ_F_LINK = IOSQE_IO_LINK,
	REQ_F_HARDLINK = IOSQE_IO_HARDLINK,
	REQ_F_FORCE_ASYNC = IOSQE_ASYNC,
	REQ_F_BUFFER_SELECT = IOSQE_BUFFER_SELECT,
	REQ_F_CQE_SKIP = IOSQE_CQE_SKIP_SUCCESS,
	REQ_F_FAIL = 1 << 8, /* its chain does not go on, unless HARDLINK */
	REQ_F_NOWAIT = 1 << 9, /* -EAGAIN is its result */
	REQ_F_POLLED = 1 << 10, /* was poll armed once: retries are being counted */
	REQ_F_ARM_LTIMEOUT = 1 << 11, /* the next in the chain is a linked timeout that does not run yet */
	REQ_F_LINK_TIMEOUT = 1 << 12, /* likewise, and it runs or has run */
	REQ_F_REFCOUNT = 1 << 13,
	REQ_F_SKIP_LINK_CQES = 1 << 14, /* it had CQE_SKIP and failed: cancelled followers are silent */
	REQ_F_POSTED = 1 << 15, /* its one completion has been made */
	REQ_F_ONLY_FREE = 1 << 16, /* on a completion list just to be freed */
	IO_REQ_LINK_FLAGS = REQ_F_LINK | REQ_F_HARDLINK,
};

/* ---- rings ---- */

/* What user space maps at IORING_OFF_SQ_RING and IORING_OFF_CQ_RING; the SQ array follows the CQEs. The words here that
 * user space writes are sq_tail and cq_head. */
struct io_rings {
	uint32_t sq_head, sq_tail;
	uint32_t cq_head, cq_tail;
	uint32_t sq_ring_mask, cq_ring_mask;
	uint32_t sq_ring_entries, cq_ring_entries;
	uint32_t sq_dropped;
	struct atomic32 sq_flags; /* IORING_SQ_* */
	uint32_t cq_flags;
	struct atomic32 cq_overflow;
	struct io_uring_cqe cqes[] __attribute__((aligned(64)));
};

enum { IO_CHECK_CQ_OVERFLOW = 1 };
enum { IO_LOCAL_TW_DEFAULT_MAX = 20 };

struct io_overflow_cqe {
	struct list node;
	struct io_uring_cqe cqe;
};

struct io_defer_entry {
	struct list node;
	struct io_kiocb *req; /* head of the chain */
};

/* Requests are allocated in slabs and live in the ring's cache between two uses. */
enum { IO_REQ_SLAB = 16 };

struct io_ring_ctx {
	/* Fixed after setup. */
	void *mem; /* the block all of this lies in */
	struct io_proc *proc;
	unsigned int flags; /* IORING_SETUP_* */
	unsigned int sq_entries, cq_entries;
	struct io_rings *rings;
	size_t rings_size, sqes_size;
	uint32_t *sq_array; /* NULL: NO_SQARRAY */
	struct io_uring_sqe *sqes;
	struct list *cancel_table; /* cancel_mask + 1 buckets, under uring_lock */
	unsigned int cancel_mask;

	struct atomic32 disabled; /* R_DISABLED, until enabled */
	struct atomic32 dying; /* the last reference to the ring's file is gone */
	struct io_uring_task *submitter; /* SINGLE_ISSUER; set before the ring is enabled */

	struct mutex uring_lock; /* protects what follows */
	uint32_t cached_sq_head;
	struct {
		struct io_kiocb *head, *last; /* the open chain of this batch */
	} link;
	struct list compl_reqs; /* req->node: done, CQE not posted yet */
	struct list free_reqs; /* req->node */
	struct list slabs;
	unsigned int nr_live; /* requests not in the cache */
	struct list defer_list; /* struct io_defer_entry */
	unsigned int nr_drained; /* requests on it, with their followers */
	bool drain_active, drain_next, drain_disabled;
	struct io_file_table files; /* registered ones */
	struct list retry_list; /* req->node: local work left over by the cap */
	struct atomic32 cancel_seq; /* of the last cancel with ALL or ANY */

	struct mutex completion_lock; /* protects the CQ's tail and CQEs and what follows */
	struct atomic32 cached_cq_tail; /* written under the lock; not yet published if ahead of rings->cq_tail */
	struct list overflow; /* struct io_overflow_cqe */
	struct atomic32 check_cq; /* IO_CHECK_CQ_OVERFLOW: overflow is not empty; written under the lock */

	struct mutex timeout_lock; /* protects what follows, and see task.h */
	struct list timeout_list; /* by target sequence; those without a count at the end */
	struct list ltimeout_list;
	struct atomic32 cq_timeouts; /* fired, or completed by their count; written under the lock */
	struct atomic32 off_timeout_used; /* a timeout with a count was seen */

	struct mutex work_lock; /* protects what follows */
	struct list work_list; /* req->node: local task work */
	struct atomic32 nr_local; /* its length and that of retry_list */

	struct wait_queue cq_wait, poll_wq; /* waiters for CQEs; polls of the ring's file */
	struct atomic32 cq_waiters; /* length of cq_wait, counted before the waiter looks for CQEs */
	struct atomic32 poll_activated; /* somebody has polled the ring's file */

	/* Under proc->nodes_lock: */
	struct list tctx_list; /* struct io_tctx_node.ctx_node */
	struct io_wq_hash *hash_map; /* NULL until a pool is made through this ring */
	unsigned int iowq_limits[2]; /* as registered; 0: not */
	unsigned int pins; /* tasks that exit and look at the ring, which is not freed meanwhile */

	struct list exit_node; /* proc->exiting_rings, under proc->lock */
	unsigned int exit_rounds; /* the kworker's */
};

/* ---- requests ---- */

struct io_tw_state {
	bool cancel; /* the task or the ring is going away: nothing new may be started */
};
typedef void io_req_tw_func_t(struct io_kiocb *req, struct io_tw_state tw);

/* A request, or its poll for -EAGAIN, on the wait queue of its file. */
struct io_poll {
	struct wait_entry wait;
	unsigned int events; /* with EPOLLONESHOT */
	unsigned int retries; /* polls left before io-wq, of a request that is poll armed for -EAGAIN */
};

struct io_timeout_data {
	struct io_timer timer;
	struct list list; /* ctx->timeout_list or ltimeout_list */
	uint64_t ns; /* as given; ABS: the deadline */
	uint32_t flags; /* IORING_TIMEOUT_* */
	uint32_t off, target_seq; /* count; sequence at which it is reached */
	struct io_kiocb *head; /* linked timeout: its target while it may cancel it; under timeout_lock */
	struct io_kiocb *prev; /* linked timeout: the target it must cancel, with a reference */
};

enum { IO_CMD_SIZE = 48 };

struct io_kiocb {
	/* Fixed from io_init_req on. */
	struct io_ring_ctx *ctx;
	struct io_uring_task *tctx;
	uint64_t user_data;
	uint8_t opcode;
	const struct io_issue_def *def;
	int fd;

	/* Of whoever holds the request. */
	uint32_t flags;
	int32_t res;
	uint32_t cflags;
	struct file *file; /* with a reference, from the first issue on: its own, or its node's */
	struct io_rsrc_node *file_node; /* FIXED_FILE: with a reference, likewise */
	struct io_kiocb *link; /* next of the chain; under timeout_lock while LINK_TIMEOUT is set */
	struct list node;
	io_req_tw_func_t *tw;

	struct atomic32 refs;
	struct atomic32 poll_refs; /* see poll.c */
	struct atomic64 cancel_seq; /* of the last cancel that found it with ALL or ANY, and its pass */
	struct atomic64 cancel_file; /* req->file for cancels that do not hold the request */
	struct atomic32 tracked; /* counted in tctx->tracked */

	struct io_wq_work work;
	struct list cancel_node; /* ctx->cancel_table */
	struct io_poll poll;
	unsigned int poll_mask; /* what woke it; of the owner of poll_refs */
	struct io_timeout_data timeout;
	_Alignas(8) char cmd[IO_CMD_SIZE]; /* the operation's own */
};

/* The operation's own part of a request, as a struct of its own. */
#define io_cmd(req, type)                                                                                              \
	__extension__({                                                                                                \
		_Static_assert(sizeof(type) <= IO_CMD_SIZE, "fits the request");                                       \
		(type *)(void *)(req)->cmd;                                                                            \
	})

static inline void req_set_fail(struct io_kiocb *req)
{
	req->flags |= REQ_F_FAIL;
	if (req->flags & REQ_F_CQE_SKIP) {
		req->flags &= ~(uint32_t)REQ_F_CQE_SKIP;
		req->flags |= REQ_F_SKIP_LINK_CQES;
	}
}

static inline void io_req_set_res(struct io_kiocb *req, int32_t res, uint32_t cflags)
{
	req->res = res;
	req->cflags = cflags;
	io_trace(IO_TRACE_ENDED, req->user_data, res);
}

static inline void io_ring_submit_lock(struct io_ring_ctx *ctx, unsigned int issue_flags)
{
	if (issue_flags & IO_URING_F_UNLOCKED)
		mutex_lock(&ctx->uring_lock);
	mutex_assert_held(&ctx->uring_lock);
}

static inline void io_ring_submit_unlock(struct io_ring_ctx *ctx, unsigned int issue_flags)
{
	if (issue_flags & IO_URING_F_UNLOCKED)
		mutex_unlock(&ctx->uring_lock);
}

/* A worker holds the request and a cancel has marked it since it was queued. */
static inline bool io_req_cancel_marked(struct io_kiocb *req, unsigned int issue_flags)
{
	return (issue_flags & IO_URING_F_IOWQ) && (a32_load(&req->work.flags) & IO_WQ_WORK_CANCEL);
}

/* The one place where bytes go between the engine and what a pointer of an SQE or a call names. false: -EFAULT. */
bool io_copy_from_user(void *to, const void *from, size_t len);
bool io_copy_to_user(void *to, const void *from, size_t len);

/* ---- timeout.c ---- */

/* A struct __kernel_timespec in nanoseconds; what does not fit is as good as never, which is a time all the same. */
int io_get_timespec(const void *from, uint64_t *ns);
/* So long from now. */
uint64_t io_deadline(uint64_t ns);

/* ---- setup.c ---- */

int io_uring_setup(struct io_uring_task *tctx, unsigned int entries, struct io_uring_params *p);
void io_ring_ctx_free(struct io_ring_ctx *ctx);
extern const struct file_ops io_uring_fops;
/* A ring's memory, for mmap. NULL: no such offset or length. */
void *io_uring_mmap(struct file *file, size_t len, uint64_t offset);

/* ---- enter.c, register.c ---- */

int io_uring_enter(struct io_uring_task *tctx, unsigned int fd, unsigned int to_submit, unsigned int min_complete,
		   unsigned int flags, const void *arg, size_t argsz);
int io_uring_register(struct io_uring_task *tctx, unsigned int fd, unsigned int opcode, void *arg, unsigned int nr);
/* The ring behind fd, with a reference to its file; or -errno. */
int io_uring_get_ring(struct io_uring_task *tctx, unsigned int fd, struct file **file, struct io_ring_ctx **ctx);

/* ---- submit.c ---- */

int io_submit_sqes(struct io_ring_ctx *ctx, struct io_uring_task *tctx, unsigned int nr); /* uring_lock held */
unsigned int io_sqring_entries(struct io_ring_ctx *ctx);
/* First or next issue in the submitter's context; uring_lock held. */
void io_queue_sqe(struct io_kiocb *req);
int io_issue_sqe(struct io_kiocb *req, unsigned int issue_flags);
/* Looks the request's file up, unless that was done before: an open one or, with FIXED_FILE, a registered one. */
bool io_assign_file(struct io_kiocb *req, unsigned int issue_flags);
bool io_assign_fixed_file(struct io_kiocb *req, unsigned int slot, unsigned int issue_flags);
struct io_kiocb *io_alloc_req(struct io_ring_ctx *ctx); /* uring_lock held */

/* ---- complete.c: completions and the end of requests ---- */

void io_req_complete_defer(struct io_kiocb *req); /* uring_lock held */
void io_req_complete_post(struct io_kiocb *req, unsigned int issue_flags); /* by a worker */
void io_req_defer_failed(struct io_kiocb *req, int32_t res); /* uring_lock held */
void io_submit_flush_completions(struct io_ring_ctx *ctx); /* uring_lock held */
/* The last reference is gone, uring_lock is not held: freed by task work. */
void io_free_req(struct io_kiocb *req);
void io_put_req(struct io_kiocb *req);
void io_req_set_refcount(struct io_kiocb *req, uint32_t nr);
bool req_ref_inc_not_zero(struct io_kiocb *req);
bool req_ref_put_and_test(struct io_kiocb *req);

/* ---- cq.c ---- */

void io_cq_lock(struct io_ring_ctx *ctx);
void io_cq_unlock_post(struct io_ring_ctx *ctx); /* publishes, wakes, looks at timeouts with a count */
/* Under the lock. false: no room; with `spill` it goes to the overflow list instead, and true is returned. */
bool io_post_cqe(struct io_ring_ctx *ctx, uint64_t user_data, int32_t res, uint32_t cflags, bool spill);
/* A CQE of no request's own. Nobody holds the lock. */
void io_post_aux_cqe(struct io_ring_ctx *ctx, uint64_t user_data, int32_t res, uint32_t cflags);
void io_cqring_overflow_flush(struct io_ring_ctx *ctx, bool dying); /* uring_lock held */
unsigned int io_cqring_events_user(struct io_ring_ctx *ctx); /* in the ring, not reaped */
void io_cqring_wake(struct io_ring_ctx *ctx);
/* A task that sleeps until CQEs are posted, or local task work is added; looked for after add. */
struct io_cq_waiter {
	struct wait_entry entry;
	struct sched_task *task;
};
void io_cq_waiter_add(struct io_ring_ctx *ctx, struct io_cq_waiter *w);
void io_cq_waiter_del(struct io_ring_ctx *ctx, struct io_cq_waiter *w);

/* ---- link.c ---- */

void io_queue_next(struct io_kiocb *req);
struct io_kiocb *io_req_find_next(struct io_kiocb *req);
struct io_kiocb *io_prep_linked_timeout(struct io_kiocb *req);
void io_remove_next_linked(struct io_kiocb *req); /* timeout_lock held if a timer may run */
unsigned int io_linked_nr(const struct io_kiocb *req);

/* ---- tw.c ---- */

void io_req_task_work_add(struct io_kiocb *req);
void io_task_work_add(struct io_kiocb *req); /* likewise, but also of a DEFER_TASKRUN ring to the task itself */
void io_req_task_queue(struct io_kiocb *req); /* to be submitted */
void io_req_task_queue_fail(struct io_kiocb *req, int32_t res); /* to fail, severing its chain */
void io_req_queue_tw_complete(struct io_kiocb *req, int32_t res);
io_req_tw_func_t io_req_task_submit, io_req_task_complete, io_req_task_cancel;

static inline bool io_local_work_pending(struct io_ring_ctx *ctx)
{
	return a32_load(&ctx->nr_local) != 0;
}

/* May the task run the ring's local work? (Who is not the submitter may not; false for other rings, too.) */
bool io_allowed_local_tw(struct io_ring_ctx *ctx, struct io_uring_task *tctx);
/* DEFER_TASKRUN: at most max_events items, again while fewer than min_events were run; uring_lock held. */
unsigned int io_run_local_work_locked(struct io_ring_ctx *ctx, unsigned int min_events, unsigned int max_events);
/* To the kworker's fallback, as the submitter will not run it. */
void io_move_task_work_from_local(struct io_ring_ctx *ctx);
unsigned int io_run_fallback_work(struct io_proc *p);
uint64_t io_poller_pass(void *arg);

/* ---- drain.c; uring_lock held ---- */

void io_init_drain(struct io_ring_ctx *ctx);
void io_drain_req(struct io_kiocb *req);
void io_queue_deferred(struct io_ring_ctx *ctx);
bool io_cancel_defer_files(struct io_ring_ctx *ctx, struct io_uring_task *tctx, bool cancel_all);

/* ---- iowq.c ---- */

void io_queue_iowq(struct io_kiocb *req);

/* ---- exit.c ---- */

void io_ring_ctx_wait_and_kill(struct io_ring_ctx *ctx);
uint64_t io_kworker_pass(void *arg);
void io_ring_unpin(struct io_ring_ctx *ctx);
/* Is req to be cancelled with its task (NULL: every task)? */
bool io_match_task(const struct io_kiocb *req, const struct io_uring_task *tctx, bool cancel_all);

#endif
