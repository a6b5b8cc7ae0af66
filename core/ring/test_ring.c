#include "core/ring/test_ring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/ensure.h"

/* ---- schedules ---- */

static struct {
	void (*body)(void);
	uint64_t seed;
	struct engine_process *process;
	bool noted;
} now;

struct engine_process *test_process(void)
{
	return now.process;
}

uint64_t test_seed(void)
{
	return now.seed;
}

bool test_note(bool ok)
{
	if (!ok && !now.noted) {
		now.noted = true;
		fprintf(stderr, "seed %llu\n", (unsigned long long)now.seed);
	}
	return ok;
}

static void first_task(void *arg)
{
	(void)arg;
	now.body();
}

static void run_main(void *arg)
{
	uint64_t begin = engine_now();
	struct engine_task *t;

	(void)arg;
	ENSURE_OP(engine_process_new(&now.process, NULL), ==, 0);
	ENSURE_OP(engine_task_spawn(&t, now.process, "main", first_task, NULL), ==, 0);
	engine_task_join(t);
	engine_process_free(now.process);
	/* Nothing was left to the timers that are never meant to fire. */
	T_OP(engine_now() - begin, <, (uint64_t)600000 * MS);
}

void on_seeds(void (*body)(void), unsigned int seeds)
{
	now.body = body;
	now.noted = false;
	for (unsigned int i = 0; i < seeds && !now.noted; i++) {
		struct sched_config cfg = { .strategy = SCHED_WALK, .seed = i, .max_points = 20000000 };
		struct sched_result res;

		now.seed = i;
		engine_run(&cfg, run_main, NULL, &res);
		if (!T_OP((int)res.end, ==, (int)SCHED_DONE))
			fprintf(stderr, "%s", res.stuck);
		/* Real time passes and the seed decides little. */
		if (i == 0 && res.points == 0)
			seeds = seeds < 2400 ? seeds / 6 + 1 : 400;
	}
}

/* ---- rings ---- */

uint32_t *tr_word(struct tr *r, uint32_t offset)
{
	return (uint32_t *)(void *)(r->mem + offset);
}

void tr_open_cq(struct tr *r, unsigned int entries, unsigned int cq_entries, unsigned int flags)
{
	size_t len;

	memset(r, 0, sizeof(*r));
	r->p.flags = flags;
	if (cq_entries) {
		r->p.flags |= IORING_SETUP_CQSIZE;
		r->p.cq_entries = cq_entries;
	}
	r->fd = engine_io_uring_setup(entries, &r->p);
	ENSURE_OP(r->fd, >=, 0);
	len = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe) + r->p.sq_entries * sizeof(uint32_t);
	r->mem = engine_mmap(r->fd, len, IORING_OFF_SQ_RING);
	r->sqes = engine_mmap(r->fd, r->p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ENSURE(r->mem && r->sqes);
}

void tr_open(struct tr *r, unsigned int entries, unsigned int flags)
{
	tr_open_cq(r, entries, 0, flags);
}

void tr_close(struct tr *r)
{
	T_OP(engine_munmap(r->sqes, 0), ==, 0);
	T_OP(engine_munmap(r->mem, 0), ==, 0);
	T_OP(engine_close(r->fd), ==, 0);
}

struct io_uring_sqe *tr_sqe(struct tr *r, uint8_t op, uint64_t ud, unsigned int flags)
{
	uint32_t mask = r->p.sq_entries - 1;
	uint32_t *tail = tr_word(r, r->p.sq_off.tail);
	struct io_uring_sqe *sqe = &r->sqes[*tail & mask];

	ENSURE_OP(r->filled, <, r->p.sq_entries);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op;
	sqe->user_data = ud;
	sqe->flags = (uint8_t)flags;
	tr_word(r, r->p.sq_off.array)[*tail & mask] = *tail & mask;
	shm_store32(tail, *tail + 1);
	r->filled++;
	return sqe;
}

void tr_nop(struct tr *r, uint64_t ud, unsigned int flags)
{
	tr_sqe(r, IORING_OP_NOP, ud, flags);
}

void tr_nop_res(struct tr *r, uint64_t ud, unsigned int flags, int res)
{
	struct io_uring_sqe *sqe = tr_sqe(r, IORING_OP_NOP, ud, flags);

	sqe->rw_flags = AU_NOP_INJECT_RESULT;
	sqe->len = (uint32_t)res;
}

static void tr_rw(struct tr *r, uint8_t op, uint64_t ud, unsigned int flags, int fd, const void *buf, unsigned int len)
{
	struct io_uring_sqe *sqe = tr_sqe(r, op, ud, flags);

	sqe->fd = fd;
	sqe->addr = (uintptr_t)buf;
	sqe->len = len;
	sqe->off = (uint64_t)-1;
}

void tr_read(struct tr *r, uint64_t ud, unsigned int flags, int fd, void *buf, unsigned int len)
{
	tr_rw(r, IORING_OP_READ, ud, flags, fd, buf, len);
}

void tr_write(struct tr *r, uint64_t ud, unsigned int flags, int fd, const void *buf, unsigned int len)
{
	tr_rw(r, IORING_OP_WRITE, ud, flags, fd, buf, len);
}

void tr_poll(struct tr *r, uint64_t ud, unsigned int flags, int fd, unsigned int events)
{
	struct io_uring_sqe *sqe = tr_sqe(r, IORING_OP_POLL_ADD, ud, flags);

	sqe->fd = fd;
	sqe->poll32_events = events;
}

static void tr_time(struct tr *r, uint8_t op, uint64_t ud, unsigned int flags, uint64_t ns, unsigned int count)
{
	struct io_uring_sqe *sqe = tr_sqe(r, op, ud, flags);
	struct __kernel_timespec *ts = &r->ts[(unsigned int)(sqe - r->sqes) % 64];

	ts->tv_sec = (int64_t)(ns / 1000000000u);
	ts->tv_nsec = (int64_t)(ns % 1000000000u);
	sqe->addr = (uintptr_t)ts;
	sqe->len = 1;
	sqe->off = count;
}

void tr_timeout(struct tr *r, uint64_t ud, unsigned int flags, uint64_t ns, unsigned int count)
{
	tr_time(r, IORING_OP_TIMEOUT, ud, flags, ns, count);
}

void tr_lt(struct tr *r, uint64_t ud, unsigned int flags, uint64_t ns)
{
	tr_time(r, IORING_OP_LINK_TIMEOUT, ud, flags, ns, 0);
}

void tr_cancel(struct tr *r, uint64_t ud, unsigned int flags, uint64_t target, unsigned int cancel_flags)
{
	struct io_uring_sqe *sqe = tr_sqe(r, IORING_OP_ASYNC_CANCEL, ud, flags);

	sqe->addr = target;
	sqe->cancel_flags = cancel_flags;
}

void tr_timeout_remove(struct tr *r, uint64_t ud, unsigned int flags, uint64_t target)
{
	tr_sqe(r, IORING_OP_TIMEOUT_REMOVE, ud, flags)->addr = target;
}

unsigned int tr_reap(struct tr *r)
{
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(void *)(r->mem + r->p.cq_off.cqes);
	uint32_t *head = tr_word(r, r->p.cq_off.head);
	uint32_t tail = shm_load32(tr_word(r, r->p.cq_off.tail));
	unsigned int n = 0;

	for (; *head != tail; n++) {
		const struct io_uring_cqe *cqe = &cqes[*head & (r->p.cq_entries - 1)];

		ENSURE_OP(r->nr, <, (unsigned int)TR_MAX_SEEN);
		r->seen[r->nr].user_data = cqe->user_data;
		r->seen[r->nr].res = cqe->res;
		r->seen[r->nr].flags = cqe->flags;
		r->nr++;
		shm_store32(head, *head + 1);
	}
	return n;
}

int tr_enter(struct tr *r, int wait)
{
	int ret = engine_io_uring_enter((unsigned int)r->fd, r->filled, wait > 0 ? (unsigned int)wait : 0,
					wait >= 0 ? IORING_ENTER_GETEVENTS : 0, NULL, 0);

	r->filled = *tr_word(r, r->p.sq_off.tail) - shm_load32(tr_word(r, r->p.sq_off.head));
	tr_reap(r);
	return ret;
}

int tr_submit(struct tr *r)
{
	return tr_enter(r, -1);
}

int tr_wait_ns(struct tr *r, unsigned int min, uint64_t ns)
{
	struct __kernel_timespec ts = { .tv_sec = (int64_t)(ns / 1000000000u), .tv_nsec = (int64_t)(ns % 1000000000u) };
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&ts };

	return engine_io_uring_enter((unsigned int)r->fd, 0, min, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg,
				     sizeof(arg));
}

/* On sim the minute passes at once when nothing can happen any more. */
bool tr_want(struct tr *r, unsigned int nr)
{
	uint64_t end = engine_now() + 60000 * MS;

	tr_reap(r);
	while (r->nr < nr && engine_now() < end) {
		tr_wait_ns(r, 1, 10000 * MS);
		tr_reap(r);
	}
	return T_OP(r->nr, ==, nr);
}

int tr_sync_cancel(struct tr *r, uint64_t target, unsigned int flags, uint64_t ns)
{
	struct io_uring_sync_cancel_reg reg = {
		.addr = target,
		.fd = -1,
		.flags = flags,
		.timeout = { .tv_sec = (int64_t)(ns / 1000000000u), .tv_nsec = (int64_t)(ns % 1000000000u) },
	};

	return engine_io_uring_register((unsigned int)r->fd, IORING_REGISTER_SYNC_CANCEL, &reg, 1);
}

int tr_res(struct tr *r, uint64_t ud)
{
	int pos = tr_pos(r, ud);

	return pos < 0 ? NO_CQE : r->seen[pos].res;
}

int tr_pos(struct tr *r, uint64_t ud)
{
	for (unsigned int i = 0; i < r->nr; i++)
		if (r->seen[i].user_data == ud)
			return (int)i;
	return -1;
}

unsigned int tr_count(struct tr *r, uint64_t ud)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->nr; i++)
		n += r->seen[i].user_data == ud;
	return n;
}

void settle(void)
{
	struct tr r;

	tr_open(&r, 1, DEFAULT);
	tr_wait_ns(&r, 1, 30 * MS);
	tr_close(&r);
}

void tr_pipe(struct tr_pipe *p)
{
	int fds[2];

	ENSURE_OP(engine_pipe(fds, 0, 0), ==, 0);
	p->out = fds[0];
	p->in = fds[1];
}

void tr_max_workers(struct tr *r, unsigned int bounded, unsigned int unbounded)
{
	unsigned int count[2] = { bounded, unbounded };

	T_OP(engine_io_uring_register((unsigned int)r->fd, IORING_REGISTER_IOWQ_MAX_WORKERS, count, 2), ==, 0);
}

int tr_temp_file(uint64_t size)
{
	int fd = memfd_create("scratch", MFD_CLOEXEC);

	ENSURE_OP(fd, >=, 0);
	ENSURE_OP(ftruncate(fd, (off_t)size), ==, 0);
	fd = engine_adopt_file(fd);
	ENSURE_OP(fd, >=, 0);
	return fd;
}

unsigned int any_kind(void)
{
	static const unsigned int kinds[] = { DEFAULT, COOP, DEFER };

	return kinds[now.seed % 3];
}

void block_bounded(struct tr *r, uint64_t ud, struct tr_pipe *p, void *buf)
{
	tr_pipe(p);
	tr_max_workers(r, 1, 0);
	tr_nop(r, ud - 1, A | L);
	tr_read(r, ud, 0, p->out, buf, 1);
	T_OP(tr_submit(r), ==, 2);
	tr_want(r, 1);
	settle();
}

void user_sleep(uint64_t ns)
{
	uint64_t end = sched_now() + ns;

	while (sched_now() < end)
		sched_park(end);
}
