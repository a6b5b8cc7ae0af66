#include "runner/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "core/base/ensure.h"
#include "runner/run.h"

/* Memory that outlives a run: no stream needs a system call for its buffers. The arena is address space; pages exist as
 * streams touch them, and are given back when that was much. */
enum { ARENA_LEN = STREAM_MAX_REQS * (STREAM_MAX_LEN + 64), ARENA_KEEP = 1 << 20 };

static struct {
	struct run run;
	char *arena, *scratch;
	/* The ring that the last run left for the next (executor_options.reuse); fd -1: none. */
	const struct backend *kept_by;
	struct ring kept_spec;
	struct run_ring kept;
} memory = { .kept.fd = -1 };

const char *executor_failed(void)
{
	return memory.run.failed;
}

static int failed(struct run *x, const char *call, const char *object, int ret)
{
	snprintf(x->failed, sizeof(x->failed), "%s %s: %s", call, object, strerrorname_np(-ret));
	return ret;
}

static char *map(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static struct run *run_start(const struct backend *be, const struct stream *s, const struct executor_options *opt,
			     struct record *rec)
{
	struct run *x = &memory.run;

	if (!memory.arena)
		memory.arena = map(ARENA_LEN);
	if (!memory.scratch)
		memory.scratch = map(STREAM_MAX_LEN);
	memset(x, 0, sizeof(*x));
	x->be = be;
	x->s = s;
	x->rec = rec;
	x->dump = opt->dump && be->dump;
	luck_begin(x, opt->luck);
	x->arena = memory.arena;
	x->scratch = memory.scratch;
	x->actor = STREAM_NONE;
	x->step = REC_NO_STEP;
	x->dir = AT_FDCWD;
	for (unsigned int i = 0; i < STREAM_MAX_RINGS; i++)
		x->ring[i].fd = -1;
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		x->exits_process |= s->steps[i].kind == STEP_EXIT_PROCESS;
		x->exits_thread |= s->steps[i].kind == STEP_EXIT_THREAD;
	}
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		x->fences |= s->reqs[i].op != SOP_NOP || s->reqs[i].sqe_flags;
	x->solo = s->nr_tasks == 1 && !x->exits_thread;
	rec->version = RECORD_VERSION;
	rec->runner = (uint8_t)be->runner;
	rec->flags = be->record_flags;
	__atomic_store_n(&rec->nr, 0, __ATOMIC_RELEASE);
	be->describe(rec);
	x->start = be->now();
	return x;
}

/* ---- objects ---- */

static int obj_make(struct run *x, unsigned int i)
{
	const struct obj *o = &x->s->objs[i];
	int flags = o->flags & OBJ_NONBLOCK ? O_NONBLOCK : 0;
	int ret = 0;

	switch (o->kind) {
	case OBJ_PIPE:
		ret = x->be->pipe(x->fd[i], (unsigned int)o->init, flags);
		break;
	case OBJ_EVENTFD:
		if (o->flags & OBJ_SEMAPHORE)
			flags |= EFD_SEMAPHORE;
		ret = x->fd[i][END_OUT] = x->be->eventfd(o->init, flags);
		break;
	case OBJ_FILE:
		ret = x->fd[i][END_OUT] = x->be->file(o->init);
		break;
	case OBJ_FIFO:
		x->fd[i][END_OUT] = x->fd[i][END_IN] = -1;
		return x->be->fifo(i, x->path[i], &x->dir);
	default:
		ENSURE_UNREACHABLE();
	}
	if (ret < 0)
		return ret;
	x->open[i][END_OUT] = true;
	x->open[i][END_IN] = o->kind == OBJ_PIPE;
	return 0;
}

static void note_host_fact(struct run *x, enum rec_host fact, uint64_t a, uint32_t res)
{
	struct rec_event *e = note(x, REC_HOST);

	e->flags = fact;
	e->a = a;
	e->res = res;
	note_commit(x, e);
}

/* For those who judge what a step registered. */
static void note_host(struct run *x)
{
	struct backend_host h;

	if (!stream_registers_iowq(x->s))
		return;
	x->be->host(&h);
	note_host_fact(x, HOST_LIMITS, h.nproc, h.cpus);
	note_host_fact(x, HOST_CPUS, h.allowed, h.cpu_ids);
}

static int make_objects(struct run *x)
{
	static const char *const kinds[OBJ_KINDS] = { "pipe", "eventfd", "file", "fifo" };

	for (unsigned int i = 0; i < x->s->nr_objs; i++) {
		int ret = obj_make(x, i);
		struct rec_event *e = note(x, REC_OBJ);

		e->obj = (uint8_t)i;
		e->res = ret;
		note_commit(x, e);
		if (ret < 0)
			return failed(x, kinds[x->s->objs[i].kind], x->s->objs[i].name, ret);
	}
	return 0;
}

static void close_end(struct run *x, unsigned int obj, enum obj_end end)
{
	if (x->open[obj][end])
		x->be->close(x->fd[obj][end]);
	x->open[obj][end] = false;
}

static void close_objects(struct run *x)
{
	for (unsigned int i = 0; i < x->s->nr_objs; i++) {
		close_end(x, i, END_IN);
		close_end(x, i, END_OUT);
	}
}

/* ---- one task: no hand-offs ---- */

static void solo_main(void *arg)
{
	struct run *x = arg;

	/* A thread that lives on is not ours to pin. */
	if (!x->keeps)
		luck_pin(x, 0);
	x->actor = 0;
	for (unsigned int i = 0; i < x->s->nr_rings; i++)
		ring_setup(x, i);
	for (unsigned int i = 0; i < x->s->nr_steps && !x->be->exiting(); i++)
		step_run(x, i);
	if (!x->be->exiting())
		epilogue_run(x);
	x->actor = STREAM_NONE;
}

static int run_solo(struct run *x)
{
	void *task;
	int ret = x->be->spawn(&task, x->s->tasks[0].name, solo_main, x);

	if (ret < 0)
		return failed(x, "start of task", x->s->tasks[0].name, ret);
	x->be->join(task);
	return 0;
}

/* ---- several tasks: the caller has each do its part in turn ---- */

static void task_main(void *arg)
{
	struct run_task *t = arg;
	const struct backend *be = t->run->be;

	luck_pin(t->run, (unsigned int)(t - t->run->task));
	for (;;) {
		uint32_t w = __atomic_load_n(&t->word, __ATOMIC_ACQUIRE);
		bool leave;

		if (!(w & 1)) {
			if (be->exiting())
				return;
			be->wait_word(&t->word, w);
			continue;
		}
		if (t->fn)
			t->fn(t->run, t->arg);
		leave = !t->fn || !t->alive || be->exiting();
		__atomic_store_n(&t->word, w + 1, __ATOMIC_RELEASE);
		be->wake_word(&t->word);
		if (leave)
			return;
	}
}

static int task_start(struct run *x, unsigned int task, const char *name)
{
	struct run_task *t = &x->task[task];
	int ret;

	t->run = x;
	t->word = 0;
	t->alive = true;
	ret = x->be->spawn(&t->handle, name, task_main, t);
	if (ret < 0) {
		t->alive = false;
		t->handle = NULL;
		return failed(x, "start of task", name, ret);
	}
	return 0;
}

static void task_call(struct run *x, struct run_task *t, run_fn *fn, unsigned int arg)
{
	uint32_t w = t->word;

	t->fn = fn;
	t->arg = arg;
	__atomic_store_n(&t->word, w + 1, __ATOMIC_RELEASE);
	x->be->wake_word(&t->word);
	while (__atomic_load_n(&t->word, __ATOMIC_ACQUIRE) == w + 1 && !x->be->exiting())
		x->be->wait_word(&t->word, w + 1);
}

static void task_join(struct run *x, struct run_task *t)
{
	if (!t->handle)
		return;
	x->be->join(t->handle);
	t->handle = NULL;
}

static void tasks_end(struct run *x)
{
	for (unsigned int i = 0; i < RUN_TASKS; i++) {
		struct run_task *t = &x->task[i];

		if (t->handle && !x->be->exiting())
			task_call(x, t, NULL, 0);
		task_join(x, t);
		t->alive = false;
	}
}

void run_on(struct run *x, unsigned int task, run_fn *fn, unsigned int arg)
{
	if (x->solo || task == RUN_TASKS) {
		fn(x, arg);
		return;
	}
	x->actor = task < x->s->nr_tasks ? (uint8_t)task : STREAM_NONE;
	task_call(x, &x->task[task], fn, arg);
	x->actor = STREAM_NONE;
}

unsigned int run_owner(struct run *x, unsigned int ring)
{
	unsigned int task = x->s->rings[ring].task;

	if (x->solo || x->task[task].alive)
		return task;
	if (x->s->rings[ring].flags & IORING_SETUP_SINGLE_ISSUER)
		return RUN_TASKS;
	if (!x->task[RUN_REAPER].alive && task_start(x, RUN_REAPER, "reaper") < 0)
		return RUN_TASKS;
	return RUN_REAPER;
}

/* A step of a task that has exited. */
static void step_missed(struct run *x, unsigned int step)
{
	struct rec_event *e = note(x, REC_BEGIN);

	e->step = (uint16_t)step;
	note_commit(x, e);
	e = note(x, REC_END);
	e->step = (uint16_t)step;
	e->res = -ESRCH;
	note_commit(x, e);
}

static void crew_step(struct run *x, unsigned int i)
{
	const struct step *st = &x->s->steps[i];
	struct rec_event *e;

	if (!x->task[st->task].alive) {
		step_missed(x, i);
		return;
	}
	run_on(x, st->task, step_run, i);
	if (st->kind != STEP_EXIT_THREAD || x->be->exiting())
		return;
	task_join(x, &x->task[st->task]);
	e = note(x, REC_EXIT);
	e->task = st->task;
	e->step = (uint16_t)i;
	note_commit(x, e);
}

static int run_crew(struct run *x)
{
	int ret = 0;

	for (unsigned int i = 0; i < x->s->nr_tasks && !ret; i++)
		ret = task_start(x, i, x->s->tasks[i].name);
	for (unsigned int i = 0; i < x->s->nr_rings && !ret; i++)
		run_on(x, x->s->rings[i].task, ring_setup, i);
	for (unsigned int i = 0; i < x->s->nr_steps && !ret && !x->be->exiting(); i++)
		crew_step(x, x->order[i]);
	if (!ret && !x->be->exiting())
		epilogue_run(x);
	tasks_end(x);
	return ret;
}

/* ---- streams that exit their process ---- */

static bool stream_closes(const struct stream *s, unsigned int obj, enum obj_end end)
{
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (stream_closes_fd(&s->reqs[i]) && s->reqs[i].fd.obj == obj && s->reqs[i].fd.end == end)
			return true;
	for (unsigned int i = 0; i < s->nr_steps; i++)
		if (s->steps[i].kind == STEP_CLOSE && s->steps[i].fd.kind == FD_OBJ && s->steps[i].fd.obj == obj &&
		    s->steps[i].fd.end == end)
			return true;
	return false;
}

static void child_main(void *arg)
{
	struct run *x = arg;

	if (x->solo)
		solo_main(x);
	else if (run_crew(x) < 0)
		x->be->exit_process();
}

/* In the parent, before the child runs: of each pipe only one end may stay open here, and only an end that the stream
 * itself never closes, or the parent would keep readers and writers from seeing EOF and EPIPE. The run is the child's
 * from now on; what the parent still holds is `mine`. */
static bool mine[STREAM_MAX_OBJS][2];

static void parent_parts(void *arg)
{
	struct run *x = arg;

	for (unsigned int i = 0; i < x->s->nr_objs; i++) {
		bool pipe = x->s->objs[i].kind == OBJ_PIPE;

		mine[i][END_OUT] = mine[i][END_IN] = false;
		if (x->s->objs[i].kind == OBJ_FIFO)
			continue;
		mine[i][END_OUT] = !stream_closes(x->s, i, END_OUT);
		mine[i][END_IN] = pipe && !mine[i][END_OUT] && !stream_closes(x->s, i, END_IN);
		if (!mine[i][END_OUT])
			x->be->close(x->fd[i][END_OUT]);
		if (pipe && !mine[i][END_IN])
			x->be->close(x->fd[i][END_IN]);
	}
}

static int run_in_child(struct run *x)
{
	uint8_t task = x->s->steps[x->s->nr_steps - 1].task;
	struct rec_event *e;
	void *child;
	int ret, status;

	ret = x->be->fork_process(&child, child_main, parent_parts, x);
	if (ret < 0)
		return failed(x, "fork of", "the stream", ret);
	status = x->be->wait_process(child);
	memcpy(x->open, mine, sizeof(x->open));
	x->actor = STREAM_NONE;
	x->step = REC_NO_STEP;
	e = note(x, REC_EXIT);
	e->task = task;
	e->step = (uint16_t)(x->s->nr_steps - 1);
	e->res = status;
	note_commit(x, e);
	return 0;
}

/* ---- the benchmark's way: the caller's thread, and the last stream's ring ---- */

static bool may_reuse(const struct run *x)
{
	if (!x->solo || x->exits_process || x->s->nr_rings != 1)
		return false;
	for (unsigned int i = 0; i < x->s->nr_reqs; i++)
		if ((x->s->reqs[i].sqe_flags & (IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_DRAIN)) ||
		    stream_sends(&x->s->reqs[i]))
			return false;
	for (unsigned int i = 0; i < x->s->nr_steps; i++)
		if (x->s->steps[i].kind == STEP_CLOSE_RING || stream_step_registers(x->s->steps[i].kind))
			return false;
	return true;
}

void executor_forget(void)
{
	const struct backend *be = memory.kept_by;

	if (memory.kept.fd < 0)
		return;
	be->munmap(memory.kept.sqes, memory.kept.sqes_len);
	be->munmap(memory.kept.rings, memory.kept.rings_len);
	be->close(memory.kept.fd);
	memory.kept.fd = -1;
}

static bool same_ring(const struct ring *a, const struct ring *b)
{
	return a->entries == b->entries && a->cq_entries == b->cq_entries && a->flags == b->flags;
}

static void run_again(struct run *x)
{
	struct run_ring *r = &x->ring[0];

	if (memory.kept.fd >= 0 && (memory.kept_by != x->be || !same_ring(&memory.kept_spec, &x->s->rings[0])))
		executor_forget();
	x->rec->flags &= ~(uint32_t)RECF_FRESH;
	x->keeps = true;
	if (memory.kept.fd >= 0) {
		*r = memory.kept;
		r->base = *r->cq_head;
		memory.kept.fd = -1;
	}
	solo_main(x);
	if (r->fd >= 0) {
		memory.kept = *r;
		memory.kept_by = x->be;
		memory.kept_spec = x->s->rings[0];
		r->fd = -1;
	}
}

/* ---- tracepoints ---- */

static void traced(void *ctx, unsigned int point, uint64_t user_data, int32_t res)
{
	struct run *x = ctx;
	struct rec_event *e;

	if (point != TRACE_CREATE && (!user_data || user_data > x->s->nr_reqs))
		return; /* the epilogue's own */
	e = note(x, REC_TRACE);
	e->task = STREAM_NONE;
	e->step = REC_NO_STEP;
	e->req = user_data ? (uint16_t)(user_data - 1) : REC_NO_REQ;
	e->flags = point;
	e->res = res;
	note_commit(x, e);
}

/* ---- the whole ---- */

int executor_run(const struct backend *be, const struct stream *s, const struct executor_options *opt,
		 struct record *rec)
{
	struct run *x = run_start(be, s, opt, rec);
	int ret;

	if (!x->arena || !x->scratch)
		return failed(x, "mmap of", "the buffers", -ENOMEM);
	sqe_layout(x);
	if (opt->trace && be->trace)
		be->trace(traced, x);
	note_host(x);
	ret = make_objects(x);
	if (!ret && opt->reuse && may_reuse(x)) {
		run_again(x);
	} else if (!ret) {
		executor_forget();
		ret = x->exits_process ? run_in_child(x) : x->solo ? run_solo(x) : run_crew(x);
	}
	if (!ret)
		probe_objects(x);
	close_objects(x);
	if (x->arena_used > ARENA_KEEP)
		madvise(x->arena, x->arena_used, MADV_DONTNEED);
	if (opt->trace && be->trace)
		be->trace(NULL, NULL);
	if (!ret)
		rec->flags |= RECF_COMPLETE;
	return ret;
}
