#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "core/base/ensure.h"
#include "core/base/text.h"
#include "runner/run.h"
#include "stream/print.h"

typedef void step_fn(struct run *x, const struct step *st);

static void begin(struct run *x, const struct step *st, uint64_t a)
{
	struct rec_event *e = note(x, REC_BEGIN);

	e->ring = stream_step_on_ring(st->kind) ? st->ring : STREAM_NONE;
	e->obj = st->fd.kind == FD_OBJ && stream_step_has_fd(st->kind) ? st->fd.obj : STREAM_NONE;
	e->a = a;
	note_commit(x, e);
}

static void end_with(struct run *x, const struct step *st, int64_t res, uint32_t taken, uint64_t a)
{
	struct rec_event *e = note(x, REC_END);

	e->res = res;
	e->head = taken;
	e->a = a;
	if (stream_step_registers(st->kind)) {
		e->ring = st->ring;
	} else if (stream_step_on_ring(st->kind)) {
		e->ring = st->ring;
		e->tail_before = x->ring[st->ring].tail_before;
		e->tail_after = x->ring[st->ring].tail_after;
	} else if (stream_step_has_fd(st->kind) && st->fd.kind == FD_OBJ) {
		e->obj = st->fd.obj;
	}
	note_commit(x, e);
}

static void end(struct run *x, const struct step *st, int64_t res, uint32_t taken)
{
	end_with(x, st, res, taken, 0);
}

static void bound_hit(struct run *x, unsigned int ring, uint64_t missing)
{
	struct rec_event *e = note(x, REC_BOUND);

	e->ring = (uint8_t)ring;
	e->a = missing;
	note_commit(x, e);
}

/* A step on a ring that was never made or is closed. */
static bool no_ring(struct run *x, const struct step *st)
{
	if (x->ring[st->ring].fd >= 0)
		return false;
	begin(x, st, 0);
	x->ring[st->ring].tail_before = x->ring[st->ring].tail_after = 0;
	end(x, st, -EBADFD, 0);
	return true;
}

/* The first nr requests of the step were consumed. A request with CQE_SKIP_SUCCESS may end without a CQE, and so may
 * those behind it in its chain. */
static void note_consumed(struct run *x, const struct step *st, unsigned int nr)
{
	struct run_ring *r = &x->ring[st->ring];
	bool silent = false;

	for (unsigned int i = st->first_req; i < st->first_req + nr; i++) {
		uint8_t flags = x->s->reqs[i].sqe_flags;

		if (flags & IOSQE_CQE_SKIP_SUCCESS)
			silent = r->skips = true;
		if (flags & IOSQE_IO_DRAIN)
			r->drains = true;
		x->req_ring[i] = st->ring;
		x->req[i] = silent ? REQ_SILENT : REQ_OWED;
		r->owed += !silent;
		if (!(flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)))
			silent = false;
	}
}

/* A wait counts each CQE once: what was reaped without being waited for, first. */
static void count_waited(struct run_ring *r, uint32_t nr)
{
	r->spare -= nr < r->spare ? nr : r->spare;
}

static void step_submit(struct run *x, const struct step *st)
{
	struct run_ring *r = &x->ring[st->ring];
	unsigned int n = st->nr_reqs, want;
	uint64_t deadline;
	uint32_t taken;
	int ret;

	if (no_ring(x, st))
		return;
	if (n > r->p.sq_entries)
		n = r->p.sq_entries;
	for (unsigned int i = 0; i < n; i++)
		sqe_fill(x, st->first_req + i, ring_sqe(r, i));
	luck_spin_within(x);
	begin(x, st, n);
	deadline = run_now(x) + x->be->wait_bound_ns;
	want = st->wait_nr > r->spare ? st->wait_nr - r->spare : 0;
	ret = ring_submit(x, r, n, want, st->wait, x->be->wait_bound_ns, &taken);
	if (ret > 0)
		note_consumed(x, st, (unsigned int)ret < n ? (unsigned int)ret : n);
	end(x, st, ret, taken);
	if (!st->wait)
		return;
	luck_spin_within(x);
	ring_reap(x, st->ring);
	if (r->spare < st->wait_nr && want <= r->p.cq_entries && run_now(x) >= deadline)
		bound_hit(x, st->ring, st->wait_nr - r->spare);
	count_waited(r, st->wait_nr);
}

/* How an enter may end that a wait goes on after. */
static bool wait_goes_on(int ret)
{
	return ret >= 0 || ret == -EINTR || ret == -ETIME;
}

static void step_wait(struct run *x, const struct step *st)
{
	struct run_ring *r = &x->ring[st->ring];
	uint64_t now = run_now(x), deadline = now + x->be->wait_bound_ns;
	uint32_t tail_before;
	int ret = 0;

	if (no_ring(x, st))
		return;
	begin(x, st, st->wait_nr);
	tail_before = ring_tail(r);
	r->tail_before = r->tail_after = tail_before;
	ring_reap(x, st->ring);
	while (r->spare < st->wait_nr && now < deadline && wait_goes_on(ret) && !x->be->exiting()) {
		ret = ring_wait(x, r, st->wait_nr - r->spare, deadline - now);
		luck_spin_within(x);
		ring_reap(x, st->ring);
		now = run_now(x);
	}
	r->tail_before = tail_before;
	end(x, st, ret == -ETIME && r->spare >= st->wait_nr ? 0 : ret, 0);
	if (r->spare < st->wait_nr && now >= deadline)
		bound_hit(x, st->ring, st->wait_nr - r->spare);
	count_waited(r, st->wait_nr);
}

static void step_reap(struct run *x, const struct step *st)
{
	struct run_ring *r = &x->ring[st->ring];
	int ret;

	if (no_ring(x, st))
		return;
	begin(x, st, 0);
	ret = ring_wait(x, r, 0, x->be->wait_bound_ns);
	end(x, st, ret, 0);
	luck_spin_within(x);
	ring_reap(x, st->ring);
}

static void step_peek(struct run *x, const struct step *st)
{
	struct run_ring *r = &x->ring[st->ring];

	if (no_ring(x, st))
		return;
	begin(x, st, 0);
	r->tail_before = ring_tail(r);
	x->be->relax();
	r->tail_after = ring_tail(r);
	end(x, st, 0, 0);
	ring_reap(x, st->ring);
}

/* No look at the CQ: the call is not about it. What it says beside its return goes to END's a. */
static int register_call(struct run *x, const struct step *st, unsigned int opcode, void *arg, unsigned int nr)
{
	begin(x, st, 0);
	return x->be->reg(x->ring[st->ring].fd, opcode, arg, nr);
}

static void register_step(struct run *x, const struct step *st, unsigned int opcode, void *arg, unsigned int nr)
{
	if (!no_ring(x, st))
		end(x, st, register_call(x, st, opcode, arg, nr), 0);
}

/* What was there before. */
static void step_max_workers(struct run *x, const struct step *st)
{
	uint32_t limit[2] = { st->limit[0], st->limit[1] };
	int ret;

	if (no_ring(x, st))
		return;
	ret = register_call(x, st, IORING_REGISTER_IOWQ_MAX_WORKERS, limit, 2);
	end_with(x, st, ret, 0, ret == 0 ? (uint64_t)limit[0] << 32 | limit[1] : 0);
}

static void step_iowq_aff(struct run *x, const struct step *st)
{
	uint64_t cpus = st->value;

	if (st->kind == STEP_IOWQ_AFF)
		register_step(x, st, IORING_REGISTER_IOWQ_AFF, &cpus, sizeof(cpus));
	else
		register_step(x, st, IORING_UNREGISTER_IOWQ_AFF, NULL, 0);
}

static void step_files(struct run *x, const struct step *st)
{
	struct io_uring_rsrc_register sparse = { .nr = st->len, .flags = IORING_RSRC_REGISTER_SPARSE };
	int32_t fds[STREAM_MAX_SLOTS];

	for (unsigned int i = 0; i < st->len; i++) {
		struct fdref fd;

		fds[i] = stream_slot_fd(x->s, i, &fd) && x->open[fd.obj][fd.end] ? run_fd(x, &fd) : -1;
	}
	if (st->value)
		register_step(x, st, IORING_REGISTER_FILES, fds, st->len);
	else
		register_step(x, st, IORING_REGISTER_FILES2, &sparse, sizeof(sparse));
}

static void step_slot(struct run *x, const struct step *st)
{
	int32_t fd = st->value ? -1 : run_fd(x, &st->fd);
	struct io_uring_rsrc_update up = { .offset = stream_slot(&st->fd), .data = (uint64_t)(uintptr_t)&fd };

	register_step(x, st, IORING_REGISTER_FILES_UPDATE, &up, 1);
}

static void step_unfiles(struct run *x, const struct step *st)
{
	register_step(x, st, IORING_UNREGISTER_FILES, NULL, 0);
}

static void step_probe(struct run *x, const struct step *st)
{
	_Alignas(struct io_uring_probe) char
		buf[sizeof(struct io_uring_probe) + AU_OP_LAST_6_18 * sizeof(struct io_uring_probe_op)] = { 0 };

	register_step(x, st, IORING_REGISTER_PROBE, buf, AU_OP_LAST_6_18);
}

/* Called on no ring. */
static void step_tell(struct run *x, const struct step *st)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_MSG_RING,
		.fd = x->ring[st->ring].fd,
		.off = REC_UD_MSG + STREAM_MAX_REQS + x->step,
		.len = st->len,
	};

	if (no_ring(x, st))
		return;
	begin(x, st, 0);
	end(x, st, x->be->reg(-1, AU_REGISTER_SEND_MSG_RING, &sqe, 1), 0);
}

static bool is_eventfd(const struct run *x, const struct step *st)
{
	return st->fd.kind == FD_OBJ && x->s->objs[st->fd.obj].kind == OBJ_EVENTFD;
}

static void step_write(struct run *x, const struct step *st)
{
	bool counts = is_eventfd(x, st);
	size_t len = counts ? sizeof(st->value) : st->len;
	int64_t ret;

	if (counts)
		__builtin_memcpy(x->scratch, &st->value, sizeof(st->value));
	else
		__builtin_memset(x->scratch, TOKEN_STEP + (int)x->step, len);
	begin(x, st, counts ? st->value : len);
	ret = x->be->write(run_fd(x, &st->fd), x->scratch, len, -1);
	x->be->relax();
	end(x, st, ret, 0);
}

static void step_read(struct run *x, const struct step *st)
{
	size_t len = is_eventfd(x, st) ? sizeof(st->value) : st->len;
	int64_t ret;

	begin(x, st, len);
	ret = x->be->read(run_fd(x, &st->fd), x->scratch, len, -1);
	x->be->relax();
	end(x, st, ret, 0);
	if (ret > 0)
		note_data(x, REC_NO_REQ, st->fd.obj, x->scratch, (size_t)ret);
}

static void step_open(struct run *x, const struct step *st)
{
	int ret;

	begin(x, st, 0);
	ret = x->be->fifo_open(x->path[st->fd.obj], st->fd.end == END_IN ? O_WRONLY : O_RDONLY);
	x->fd[st->fd.obj][st->fd.end] = ret < 0 ? -1 : ret;
	x->open[st->fd.obj][st->fd.end] = ret >= 0;
	x->be->relax();
	end(x, st, ret < 0 ? ret : 0, 0);
}

static void step_close(struct run *x, const struct step *st)
{
	int ret;

	begin(x, st, 0);
	ret = x->be->close(run_fd(x, &st->fd));
	if (ret == 0 && st->fd.kind == FD_OBJ)
		x->open[st->fd.obj][st->fd.end] = false;
	x->be->relax();
	end(x, st, ret, 0);
}

static void step_close_ring(struct run *x, const struct step *st)
{
	if (no_ring(x, st))
		return;
	begin(x, st, 0);
	ring_close(x, st->ring);
	x->be->relax();
	end(x, st, 0, 0);
}

/* The task returns from its main function after this; the executor joins it. */
static void step_exit_thread(struct run *x, const struct step *st)
{
	begin(x, st, 0);
	x->task[st->task].alive = false;
}

static void step_exit_process(struct run *x, const struct step *st)
{
	begin(x, st, 0);
	x->be->exit_process();
}

static step_fn *const steps[STEP_KINDS] = {
	[STEP_SUBMIT] = step_submit,
	[STEP_WAIT] = step_wait,
	[STEP_REAP] = step_reap,
	[STEP_PEEK] = step_peek,
	[STEP_MAX_WORKERS] = step_max_workers,
	[STEP_IOWQ_AFF] = step_iowq_aff,
	[STEP_IOWQ_UNAFF] = step_iowq_aff,
	[STEP_FILES] = step_files,
	[STEP_SLOT] = step_slot,
	[STEP_UNFILES] = step_unfiles,
	[STEP_PROBE] = step_probe,
	[STEP_TELL] = step_tell,
	[STEP_WRITE] = step_write,
	[STEP_READ] = step_read,
	[STEP_OPEN] = step_open,
	[STEP_CLOSE] = step_close,
	[STEP_CLOSE_RING] = step_close_ring,
	[STEP_EXIT_THREAD] = step_exit_thread,
	[STEP_EXIT_PROCESS] = step_exit_process,
};

static void dump_after(struct run *x, unsigned int step)
{
	char buf[4096];
	struct text line;

	text_init(&line, buf, sizeof(buf));
	text_printf(&line, "io-wq after step %u, ", step + 1);
	stream_print_step(x->s, step, &line);
	fprintf(stderr, "%s\n", buf);
	x->be->dump();
}

void step_run(struct run *x, unsigned int step)
{
	const struct step *st = &x->s->steps[step];

	ENSURE_OP(st->kind, <, STEP_KINDS);
	luck_spin(x);
	x->be->relax();
	x->step = (uint16_t)step;
	steps[st->kind](x, st);
	x->step = REC_NO_STEP;
	if (x->dump)
		dump_after(x, step);
}
