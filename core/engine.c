/* The engine's calls. */
#include "core/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "core/engine_internal.h"

void engine_check_steps(bool on)
{
	sched_set_step(on ? io_wq_check_step : NULL, NULL);
}

static void dump(void *unused)
{
	(void)unused;
	io_wq_dump_all();
}

void engine_dump(void)
{
	sched_still(dump, NULL);
}

_Static_assert((int)ENGINE_TRACE_SUBMIT == (int)IO_TRACE_SUBMIT && (int)ENGINE_TRACE_QUEUED == (int)IO_TRACE_QUEUED &&
		       (int)ENGINE_TRACE_WORKER == (int)IO_TRACE_WORKER &&
		       (int)ENGINE_TRACE_ARMED == (int)IO_TRACE_ARMED &&
		       (int)ENGINE_TRACE_ENDED == (int)IO_TRACE_ENDED &&
		       (int)ENGINE_TRACE_CREATE == (int)IO_TRACE_CREATE,
	       "the ring's tracepoints are the engine's");
_Static_assert((int)ENGINE_CREATE_BY_SUBMITTER == (int)IO_WQ_BY_SUBMITTER &&
		       (int)ENGINE_CREATE_BY_WORKER == (int)IO_WQ_BY_WORKER &&
		       (int)ENGINE_CREATE_BY_TASK_WORK == (int)IO_WQ_BY_TASK_WORK &&
		       (int)ENGINE_CREATE_BY_RETRY == (int)IO_WQ_BY_RETRY &&
		       (int)ENGINE_CREATE_UNBOUND == (int)IO_TRACE_CREATE_UNBOUND &&
		       (int)ENGINE_CREATE_ERR == (int)IO_TRACE_CREATE_ERR,
	       "who makes a worker is said in the engine's words");

void engine_trace(void (*fn)(void *ctx, unsigned int point, uint64_t user_data, int32_t res), void *ctx)
{
	io_trace_fn = fn;
	io_trace_ctx = ctx;
}

void engine_host(struct engine_host *out)
{
	struct sched_cpus all;

	sched_all_cpus(&all);
	*out = (struct engine_host){
		.cpus = IO_NR_CPUS, .nproc = IO_NR_PROC, .cpu_ids = sched_cpus_end(&all), .allowed = all.bits[0]
	};
}

const char *engine_profile(void)
{
	return "corrected";
}

void engine_run(const struct sched_config *cfg, sched_task_fn *fn, void *arg, struct sched_result *out)
{
	file_reset_identities();
	sched_run(cfg, fn, arg, out);
	if (out->end == SCHED_DONE)
		return;
	engine_abandon_words();
	io_wq_abandon_all();
	engine_abandon_processes();
	file_abandon_all();
}

/* ---- time, user mode, words ---- */

uint64_t engine_now(void)
{
	return sched_now();
}

void engine_relax(void)
{
	struct engine_task *t = engine_self();

	sched_point("user mode");
	/* One interrupt, or as many as it takes until all that comes of the first is done. */
	while (a32_load(&t->tctx->pending) && sched_choose(2, "kick")) {
		if (io_task_enter_kernel(t->tctx))
			io_task_leave_kernel(t->tctx);
		sched_point("user mode");
	}
}

/* Who waits for a word, of all processes: they may share memory. */
struct word_waiter {
	struct list node; /* on `words`, until it is woken */
	const uint32_t *word;
	struct sched_task *task;
};

static struct mutex words_lock = MUTEX_INIT; /* protects words, and their tasks from leaving */
static struct list words = LIST_INIT(words);

void engine_abandon_words(void)
{
	mutex_init(&words_lock);
	list_init(&words);
}

static bool word_add(struct word_waiter *w, uint32_t seen)
{
	bool same;

	mutex_lock(&words_lock);
	same = shm_load32(w->word) == seen;
	if (same)
		list_add_tail(&w->node, &words);
	mutex_unlock(&words_lock);
	return same;
}

static bool word_waits(struct word_waiter *w)
{
	bool waits;

	mutex_lock(&words_lock);
	waits = list_is_linked(&w->node);
	mutex_unlock(&words_lock);
	return waits;
}

static int word_sleep(struct engine_task *t, struct word_waiter *w)
{
	int ret = 0;

	while (word_waits(w)) {
		io_run_task_work(t->tctx);
		if (a32_load(&t->process->proc.exiting)) {
			ret = -EINTR;
			break;
		}
		if (!a32_load(&t->tctx->pending) && word_waits(w))
			sched_park(SCHED_NEVER);
	}
	mutex_lock(&words_lock);
	list_del(&w->node);
	mutex_unlock(&words_lock);
	return ret;
}

int engine_wait_word(uint32_t *word, uint32_t seen)
{
	struct engine_task *t = engine_enter_call();
	struct word_waiter w = { .word = word, .task = sched_self() };
	int ret;

	if (!t)
		return -ESRCH;
	list_init(&w.node);
	ret = word_add(&w, seen) ? word_sleep(t, &w) : -EAGAIN;
	engine_leave_call(t);
	return ret;
}

void engine_wake_word(uint32_t *word)
{
	mutex_lock(&words_lock);
	list_for_each_safe(node, &words) {
		struct word_waiter *w = list_entry(node, struct word_waiter, node);

		if (w->word != word)
			continue;
		list_del(node);
		sched_unpark(w->task);
	}
	mutex_unlock(&words_lock);
}

/* ---- descriptors ---- */

int engine_pipe(int fds[2], unsigned int capacity, int flags)
{
	struct engine_task *t;
	struct file *ends[2];
	int ret;

	if (flags & ~O_NONBLOCK)
		return -EINVAL;
	t = engine_enter_call();
	if (!t)
		return -ESRCH;
	ret = file_make_pipe(ends, capacity, flags & O_NONBLOCK);
	if (!ret) {
		fds[0] = fdtable_install(t->process->proc.fds, ends[0]);
		fds[1] = fdtable_install(t->process->proc.fds, ends[1]);
		if (fds[0] < 0 || fds[1] < 0) {
			fdtable_close(t->process->proc.fds, fds[0]);
			fdtable_close(t->process->proc.fds, fds[1]);
			ret = -EMFILE;
		}
	}
	engine_leave_call(t);
	return ret;
}

int engine_eventfd(uint64_t count, int flags)
{
	struct engine_task *t;
	struct file *f;
	int ret;

	if (flags & ~(EFD_NONBLOCK | EFD_SEMAPHORE))
		return -EINVAL;
	t = engine_enter_call();
	if (!t)
		return -ESRCH;
	ret = file_make_eventfd(&f, count, flags & EFD_NONBLOCK, flags & EFD_SEMAPHORE);
	if (!ret)
		ret = fdtable_install(t->process->proc.fds, f);
	engine_leave_call(t);
	return ret;
}

int engine_adopt_file(int real_fd)
{
	struct engine_task *t = engine_enter_call();
	struct file *f;
	int ret;

	if (!t)
		return -ESRCH;
	ret = file_make_regular(&f, real_fd);
	if (!ret)
		ret = fdtable_install(t->process->proc.fds, f);
	engine_leave_call(t);
	return ret;
}

struct direct_io {
	bool write;
	void *buf;
	size_t len;
	int64_t off;
	bool nowait;
};

static ssize_t direct_attempt(struct file *f, const struct direct_io *io)
{
	if (!io->nowait)
		return io->write ? file_write_wait(f, io->buf, io->len, io->off) :
				   file_read_wait(f, io->buf, io->len, io->off);
	if (io->write ? !f->can_write : !f->can_read)
		return -EBADF;
	if (io->write ? !f->ops->write : !f->ops->read)
		return -EINVAL;
	return io->write ? f->ops->write(f, io->buf, io->len, io->off) : f->ops->read(f, io->buf, io->len, io->off);
}

/* Task work interrupts a sleeping call as it does in the kernel: the work is run, the call starts anew. Whoever tells the
 * process to exit sets `exiting` before the notification that io_run_task_work clears. */
static ssize_t direct_wait(struct engine_task *t, struct file *f, const struct direct_io *io)
{
	ssize_t ret;

	do {
		io_run_task_work(t->tctx);
		if (a32_load(&t->process->proc.exiting))
			return -EINTR;
		ret = direct_attempt(f, io);
	} while (ret == -EINTR);
	return ret;
}

static ssize_t direct_rw(int fd, const struct direct_io *io)
{
	struct engine_task *t = engine_enter_call();
	ssize_t ret = -EBADF;
	struct file *f;

	if (!t)
		return -ESRCH;
	f = fdtable_get(t->process->proc.fds, fd);
	if (f) {
		ret = io->nowait ? direct_attempt(f, io) : direct_wait(t, f, io);
		file_put(f);
	}
	engine_leave_call(t);
	return ret;
}

ssize_t engine_read(int fd, void *buf, size_t len, int64_t off, bool nowait)
{
	return direct_rw(fd, &(struct direct_io){ .buf = buf, .len = len, .off = off, .nowait = nowait });
}

ssize_t engine_write(int fd, const void *buf, size_t len, int64_t off, bool nowait)
{
	struct direct_io io = { .write = true, .buf = (void *)(uintptr_t)buf, .len = len, .off = off, .nowait = nowait };

	return direct_rw(fd, &io);
}

int engine_close(int fd)
{
	struct engine_task *t = engine_enter_call();
	int ret;

	if (!t)
		return -ESRCH;
	ret = fdtable_close(t->process->proc.fds, fd);
	engine_leave_call(t);
	return ret;
}

/* Of a file that cannot be polled poll(2) says that it is ready. */
static unsigned int file_ready(struct file *f)
{
	return f->ops->poll ? f->ops->poll(f) : EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
}

int engine_poll(int fd, unsigned int events)
{
	struct engine_task *t = engine_enter_call();
	int ret = -EBADF;
	struct file *f;

	if (!t)
		return -ESRCH;
	f = fdtable_get(t->process->proc.fds, fd);
	if (f) {
		ret = (int)(file_ready(f) & (events | EPOLLERR | EPOLLHUP));
		file_put(f);
	}
	engine_leave_call(t);
	return ret;
}

int engine_reopen(int fd, int flags)
{
	struct engine_task *t = engine_enter_call();
	struct file *f, *fresh;
	int ret = -EBADF;

	if (!t)
		return -ESRCH;
	f = fdtable_get(t->process->proc.fds, fd);
	if (f) {
		ret = file_reopen_pipe(&fresh, f, flags);
		if (!ret)
			ret = fdtable_install(t->process->proc.fds, fresh);
		file_put(f);
	}
	engine_leave_call(t);
	return ret;
}

int engine_fifo(const char *name)
{
	return file_fifo_make(name);
}

int engine_fifo_unlink(const char *name)
{
	return file_fifo_unlink(name);
}

int engine_fifo_open(const char *name, int flags)
{
	struct engine_task *t = engine_enter_call();
	struct file *f;
	int ret;

	if (!t)
		return -ESRCH;
	ret = file_fifo_open(&f, name, flags, true);
	if (!ret)
		ret = fdtable_install(t->process->proc.fds, f);
	engine_leave_call(t);
	return ret;
}

int engine_file_size(int fd, uint64_t *size)
{
	struct engine_task *t = engine_enter_call();
	int ret = -EBADF;
	struct file *f;

	if (!t)
		return -ESRCH;
	f = fdtable_get(t->process->proc.fds, fd);
	if (f) {
		ret = file_size(f, size);
		file_put(f);
	}
	engine_leave_call(t);
	return ret;
}

/* ---- the system calls ---- */

int engine_io_uring_setup(unsigned int entries, struct io_uring_params *p)
{
	struct engine_task *t = engine_enter_call();
	int ret;

	if (!t)
		return -ESRCH;
	ret = io_uring_setup(t->tctx, entries, p);
	engine_leave_call(t);
	return ret;
}

int engine_io_uring_enter(unsigned int fd, unsigned int to_submit, unsigned int min_complete, unsigned int flags,
			  const void *arg, size_t argsz)
{
	struct engine_task *t = engine_enter_call();
	int ret;

	if (!t)
		return -ESRCH;
	ret = io_uring_enter(t->tctx, fd, to_submit, min_complete, flags, arg, argsz);
	engine_leave_call(t);
	return ret;
}

int engine_io_uring_register(unsigned int fd, unsigned int opcode, void *arg, unsigned int nr_args)
{
	struct engine_task *t = engine_enter_call();
	int ret;

	if (!t)
		return -ESRCH;
	ret = io_uring_register(t->tctx, fd, opcode, arg, nr_args);
	engine_leave_call(t);
	return ret;
}
