/* bench wq: the kernel's io-wq, by requests with IOSQE_ASYNC on a ring. A read of a pipe with that flag is polled for and
 * blocks nowhere; one that follows an asynchronous NOP in a chain runs in the NOP's worker and blocks there. */
#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <stdlib.h>

#include "core/base/ensure.h"
#include "stress/bench_wq.h"

enum { RING_ENTRIES = 4096, TAG_NOP = 1, TAG_CANCEL = 2, TAG_BLOCKER = 3, TAG_ITEM = 1000 };

struct kernel {
	struct wq_world world;
	struct io_uring ring;
	char byte[WQ_MAX_BATCH];
	unsigned int ended, nops; /* items and NOPs that have ended in this round */
	unsigned int owed; /* cancels that have not been answered */
	bool missed[WQ_MAX_BATCH]; /* a cancel did not find it */
};

static struct io_uring_sqe *next_sqe(struct kernel *k, uint64_t tag, unsigned int flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&k->ring);

	ENSURE(sqe != NULL);
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data64(sqe, tag);
	io_uring_sqe_set_flags(sqe, flags);
	return sqe;
}

static void prep_read(struct kernel *k, unsigned int i, uint64_t tag)
{
	struct io_uring_sqe *sqe;

	next_sqe(k, TAG_NOP, IOSQE_ASYNC | IOSQE_IO_LINK);
	sqe = next_sqe(k, tag, 0);
	io_uring_prep_read(sqe, k->world.pipe[0], &k->byte[i], 1, (uint64_t)-1);
	io_uring_sqe_set_data64(sqe, tag);
}

static void prep_item(struct kernel *k, unsigned int i)
{
	const struct wq_row *row = k->world.row;
	struct io_uring_sqe *sqe;

	if (row->kind == WQ_BLOCK || row->kind == WQ_CANCEL_BLOCKED) {
		prep_read(k, i, TAG_ITEM + i);
		return;
	}
	sqe = next_sqe(k, TAG_ITEM + i, 0);
	if (row->kind == WQ_HASHED) {
		io_uring_prep_write(sqe, k->world.file[i % row->files], "x", 1, 0);
		io_uring_sqe_set_data64(sqe, TAG_ITEM + i);
	}
	io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
}

static void prep_cancel(struct kernel *k, unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&k->ring);

	ENSURE(sqe != NULL);
	io_uring_prep_cancel64(sqe, TAG_ITEM + i, 0);
	io_uring_sqe_set_data64(sqe, (uint64_t)(i + 1) << 32 | TAG_CANCEL);
	k->owed++;
}

static void note(struct kernel *k, const struct io_uring_cqe *cqe)
{
	uint32_t tag = (uint32_t)cqe->user_data;

	if (tag >= TAG_ITEM) {
		k->ended++;
	} else if (tag == TAG_NOP) {
		k->nops++;
	} else if (tag == TAG_CANCEL) {
		k->owed--;
		if (cqe->res == -ENOENT)
			k->missed[(cqe->user_data >> 32) - 1] = true;
	}
}

/* Submits what there is and sleeps for so many completions. */
static void submit_and_reap(struct kernel *k, unsigned int wait)
{
	struct io_uring_cqe *cqe;
	unsigned int head, nr = 0;
	int ret = io_uring_submit_and_wait(&k->ring, wait);

	ENSURE(ret >= 0 || ret == -EINTR);
	io_uring_for_each_cqe(&k->ring, head, cqe)
	{
		note(k, cqe);
		nr++;
	}
	io_uring_cq_advance(&k->ring, nr);
}

/* Only WQ_CANCEL_PENDING's batch may be out of reach for its cancels: none is. The read behind a NOP may not be in its
 * worker's hands yet when the NOP's completion is there: it is cancelled again. */
static void cancel_all(struct kernel *k)
{
	unsigned int batch = k->world.row->batch;

	for (unsigned int i = 0; i < batch; i++)
		prep_cancel(k, i);
	while (k->ended < batch || k->owed) {
		submit_and_reap(k, 1);
		for (unsigned int i = 0; i < batch; i++) {
			if (!k->missed[i])
				continue;
			k->missed[i] = false;
			if (k->ended < batch)
				prep_cancel(k, i);
		}
	}
}

static void run_batch(void *pool)
{
	struct kernel *k = pool;
	const struct wq_row *row = k->world.row;
	bool blocks = row->kind == WQ_BLOCK || row->kind == WQ_CANCEL_BLOCKED;

	k->ended = k->nops = 0;
	for (unsigned int i = 0; i < row->batch; i++)
		prep_item(k, i);
	if (row->kind == WQ_CANCEL_PENDING) {
		cancel_all(k);
		return;
	}
	while (blocks && k->nops < row->batch)
		submit_and_reap(k, row->batch - k->nops);
	if (row->kind == WQ_BLOCK)
		wq_answer(&k->world);
	if (row->kind == WQ_CANCEL_BLOCKED)
		cancel_all(k);
	while (k->ended < row->batch)
		submit_and_reap(k, row->batch - k->ended);
}

static void *begin(const struct wq_world *w)
{
	struct kernel *k = calloc(1, sizeof(*k));
	unsigned int bounded = w->row->kind == WQ_CANCEL_PENDING ? 1 :
			       w->row->kind == WQ_BLOCK		 ? WQ_MAX_BATCH + 100 :
			       w->row->kind == WQ_CANCEL_BLOCKED ? w->row->batch + 1 :
								   8;
	unsigned int limits[2] = { bounded, WQ_MAX_BATCH + 100 };
	cpu_set_t cpus;

	ENSURE(k != NULL);
	k->world = *w;
	if (io_uring_queue_init(RING_ENTRIES, &k->ring, 0) < 0) {
		free(k);
		return NULL;
	}
	CPU_ZERO(&cpus);
	CPU_SET(w->cpu, &cpus);
	ENSURE_OP(io_uring_register_iowq_aff(&k->ring, sizeof(cpus), &cpus), ==, 0);
	ENSURE_OP(io_uring_register_iowq_max_workers(&k->ring, limits), ==, 0);
	if (w->row->kind == WQ_CANCEL_PENDING) {
		prep_read(k, 0, TAG_BLOCKER);
		while (!k->nops)
			submit_and_reap(k, 1);
	}
	return k;
}

static void end(void *pool)
{
	struct kernel *k = pool;

	io_uring_queue_exit(&k->ring);
	free(k);
}

const struct wq_side wq_kernel = {
	.name = "kernel",
	.kinds = (1 << WQ_KINDS) - 1,
	.begin = begin,
	.round = run_batch,
	.end = end,
};
