/* The back end that is the engine. Compiled twice, once for each scheduler. */
#include "runner/engine_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/ensure.h"
#include "core/base/uapi.h"
#include "core/engine.h"

_Static_assert((int)SIM_DONE == (int)SCHED_DONE && (int)SIM_QUIESCENT == (int)SCHED_QUIESCENT &&
		       (int)SIM_RUNAWAY == (int)SCHED_RUNAWAY,
	       "a record says how a schedule ended in the words of the seam");

/* The process whose tasks the executor is starting. While a stream's child runs, its parent only waits. */
static struct engine_process *process;

void engine_be_describe(struct record *rec)
{
	const char *profile = engine_profile();
	size_t len = strlen(profile);

	ENSURE_OP(len, <, sizeof(rec->release));
	memcpy(rec->release, profile, len + 1);
	memcpy(rec->fs, "tmpfs", sizeof("tmpfs"));
}

/* ---- tasks and processes ---- */

int engine_be_spawn(void **task, const char *name, backend_fn *fn, void *arg)
{
	struct engine_task *t;
	int ret = engine_task_spawn(&t, process, name, fn, arg);

	if (ret == 0)
		*task = t;
	return ret;
}

void engine_be_join(void *task)
{
	engine_task_join(task);
}

struct child {
	struct engine_process *parent, *process;
	struct engine_task *first;
};

int engine_be_fork_process(void **proc, backend_fn *fn, backend_fn *parted, void *arg)
{
	struct child *c = malloc(sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	c->parent = process;
	ret = engine_process_new(&c->process, c->parent);
	if (ret < 0) {
		free(c);
		return ret;
	}
	parted(arg);
	process = c->process;
	ret = engine_task_spawn(&c->first, c->process, "child", fn, arg);
	if (ret < 0) {
		process = c->parent;
		engine_process_free(c->process);
		free(c);
		return ret;
	}
	*proc = c;
	return 0;
}

int engine_be_wait_process(void *proc)
{
	struct child *c = proc;

	engine_task_join(c->first);
	process = c->parent;
	engine_process_free(c->process);
	free(c);
	return 0;
}

void engine_be_nap(uint64_t ns)
{
	sched_park(sched_now() + ns);
}

/* ---- descriptors ---- */

int engine_be_file(uint64_t size)
{
	int fd = memfd_create("augur-scratch", MFD_CLOEXEC);
	void *p;

	if (fd < 0)
		return -errno;
	if (size) {
		p = ftruncate(fd, (off_t)size) < 0 ? MAP_FAILED :
						     mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED) {
			int ret = -errno;

			close(fd);
			return ret;
		}
		memset(p, TOKEN_INIT, size);
		munmap(p, size);
	}
	return engine_adopt_file(fd);
}

int engine_be_fifo(unsigned int n, char name[BACKEND_NAME], int *dir)
{
	*dir = AT_FDCWD;
	snprintf(name, BACKEND_NAME, "fifo-%u", n);
	engine_fifo_unlink(name);
	return engine_fifo(name);
}

void engine_be_fifo_drop(const char *name)
{
	engine_fifo_unlink(name);
}

static bool is_regular(int fd)
{
	uint64_t size;

	return engine_file_size(fd, &size) == 0;
}

/* A regular file may refuse to promise anything, but never waits for a peer. */
ssize_t engine_be_read(int fd, void *buf, size_t len, int64_t off)
{
	ssize_t ret = engine_read(fd, buf, len, off, true);

	return ret == -EAGAIN && is_regular(fd) ? engine_read(fd, buf, len, off, false) : ret;
}

ssize_t engine_be_write(int fd, const void *buf, size_t len, int64_t off)
{
	ssize_t ret = engine_write(fd, buf, len, off, true);

	return ret == -EAGAIN && is_regular(fd) ? engine_write(fd, buf, len, off, false) : ret;
}

/* ---- rings ---- */

int engine_be_enter(int fd, unsigned int to_submit, unsigned int min_complete, unsigned int flags, const void *arg,
		    size_t argsz)
{
	return engine_io_uring_enter((unsigned int)fd, to_submit, min_complete, flags, arg, argsz);
}

int engine_be_register(int fd, unsigned int opcode, void *arg, unsigned int nr)
{
	return engine_io_uring_register((unsigned int)fd, opcode, arg, nr);
}

void engine_be_host(struct backend_host *out)
{
	struct engine_host h;

	engine_host(&h);
	*out = (struct backend_host){ .cpus = h.cpus, .nproc = h.nproc, .cpu_ids = h.cpu_ids, .allowed = h.allowed };
}

/* ---- a run ---- */

struct execution {
	const struct stream *s;
	const struct executor_options *opt;
	struct record *rec;
	int ret;
};

static void execute(void *arg)
{
	struct execution *e = arg;

	e->ret = engine_process_new(&process, NULL);
	if (e->ret < 0)
		return;
	engine_task_adopt(process);
	e->ret = executor_run(&backend_engine, e->s, e->opt, e->rec);
	engine_task_release();
	engine_process_free(process);
	process = NULL;
}

int engine_execute(const struct sched_config *cfg, const struct stream *s, const struct executor_options *opt,
		   struct record *rec, struct sched_result *result)
{
	struct executor_options o = *opt;
	struct execution e = { .s = s, .opt = &o, .rec = rec };

	o.reuse = false; /* no descriptor outlives the engine's process */
	rec->nr = 0;
	/* It costs more than the run: one walk in sixteen, told by its seed, so that it is the same again. */
	engine_check_steps(cfg->strategy == SCHED_REPLAY || cfg->seed % 16 == 0);
	engine_run(cfg, execute, &e, result);
	if (result->end != SCHED_DONE)
		rec->flags &= ~(uint32_t)RECF_COMPLETE;
	return e.ret;
}

void engine_note_sim(struct record *rec, const struct sched_result *result)
{
	uint32_t nr = rec->nr < RECORD_MAX_EVENTS ? rec->nr : RECORD_MAX_EVENTS - 1;

	rec->ev[nr] = (struct rec_event){
		.kind = REC_SIM,
		.task = STREAM_NONE,
		.ring = STREAM_NONE,
		.obj = STREAM_NONE,
		.step = REC_NO_STEP,
		.req = REC_NO_REQ,
		.stamp = nr ? rec->ev[nr - 1].stamp : 0,
		.a = result->hash,
		.res = (int64_t)result->decisions,
		.flags = result->end,
	};
	__atomic_store_n(&rec->nr, nr + 1, __ATOMIC_RELEASE);
}
