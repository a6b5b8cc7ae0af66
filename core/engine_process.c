/* Processes and tasks: their making, exits, mappings. */
#include <errno.h>
#include <stdlib.h>

#include "core/engine_internal.h"
#include "core/op/op.h"

/* All processes, so that those of a run that ended stuck can be thrown away. */
static struct mutex engine_lock = MUTEX_INIT;
static struct list processes = LIST_INIT(processes);

int engine_process_new(struct engine_process **out, struct engine_process *parent)
{
	struct engine_process *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	io_proc_init(&p->proc, io_issue_defs, io_nr_issue_defs);
	p->proc.fds = fdtable_new(parent ? parent->proc.fds : NULL);
	ENSURE(p->proc.fds != NULL);
	mutex_init(&p->lock);
	list_init(&p->mappings);
	mutex_lock(&engine_lock);
	list_add_tail(&p->node, &processes);
	mutex_unlock(&engine_lock);
	*out = p;
	return 0;
}

/* exit_mm and exit_files: by the last task, or for a process that never had one. */
static void engine_drop_files(struct engine_process *p)
{
	struct list dropped = LIST_INIT(dropped);
	struct fdtable *fds = p->proc.fds;

	mutex_lock(&p->lock);
	list_splice_tail(&p->mappings, &dropped);
	mutex_unlock(&p->lock);
	while (!list_empty(&dropped)) {
		struct engine_mapping *m = list_first(&dropped, struct engine_mapping, node);

		list_del(&m->node);
		file_put(m->file);
		io_mem_free(&p->proc.mem, m);
	}
	p->proc.fds = NULL;
	fdtable_free(fds);
}

void engine_process_free(struct engine_process *p)
{
	bool never_ran;

	mutex_lock(&p->proc.lock);
	never_ran = !p->proc.had_task;
	mutex_unlock(&p->proc.lock);
	if (never_ran)
		engine_drop_files(p);
	io_proc_finish(&p->proc);
	ENSURE(list_empty(&p->mappings));
	mutex_destroy(&p->lock);
	mutex_lock(&engine_lock);
	list_del(&p->node);
	mutex_unlock(&engine_lock);
	free(p);
}

void engine_abandon_processes(void)
{
	mutex_init(&engine_lock);
	while (!list_empty(&processes)) {
		struct engine_process *p = list_first(&processes, struct engine_process, node);

		list_del(&p->node);
		io_mem_abandon(&p->proc.mem);
		free(p);
	}
}

/* ---- tasks ---- */

/* -ESRCH: the process is gone, or on its way. */
static int engine_count_task(struct engine_process *p)
{
	int ret = 0;

	mutex_lock(&p->proc.lock);
	if (p->proc.had_task && !p->proc.nr_tasks) {
		ret = -ESRCH;
	} else {
		p->proc.had_task = true;
		p->proc.nr_tasks++;
	}
	mutex_unlock(&p->proc.lock);
	return ret;
}

static void engine_task_begin(struct engine_task *t, const char *name)
{
	t->tctx = io_task_new(&t->process->proc, name);
	sched_set_local(t);
}

/* The last task takes the process with it. Its count goes only then, so that nobody sees the process ended before. */
static void engine_task_end(struct engine_task *t)
{
	struct engine_process *p = t->process;
	bool last;

	io_task_exit(t->tctx);
	t->tctx = NULL;
	sched_set_local(NULL);
	mutex_lock(&p->proc.lock);
	last = p->proc.nr_tasks == 1;
	if (!last)
		p->proc.nr_tasks--;
	mutex_unlock(&p->proc.lock);
	if (!last)
		return;
	engine_drop_files(p);
	mutex_lock(&p->proc.lock);
	p->proc.nr_tasks--;
	io_proc_wake_waiter(&p->proc);
	mutex_unlock(&p->proc.lock);
}

static void engine_task_main(void *arg)
{
	struct engine_task *t = arg;

	engine_task_begin(t, sched_name(sched_self()));
	t->fn(t->arg);
	engine_task_end(t);
}

int engine_task_spawn(struct engine_task **out, struct engine_process *p, const char *name, sched_task_fn *fn,
		      void *arg)
{
	struct engine_task *t;
	int ret = engine_count_task(p);

	if (ret)
		return ret;
	t = io_mem_alloc(&p->proc.mem, sizeof(*t));
	t->process = p;
	t->fn = fn;
	t->arg = arg;
	ret = sched_spawn(&t->sched, name, engine_task_main, t);
	ENSURE_OP(ret, ==, 0);
	*out = t;
	return 0;
}

void engine_task_join(struct engine_task *t)
{
	ENSURE(t->sched != NULL);
	sched_join(t->sched);
	ENSURE(!t->tctx);
	io_mem_free(&t->process->proc.mem, t);
}

void engine_task_adopt(struct engine_process *p)
{
	struct engine_task *t;

	ENSURE(!sched_local());
	ENSURE_OP(engine_count_task(p), ==, 0);
	t = io_mem_alloc(&p->proc.mem, sizeof(*t));
	t->process = p;
	engine_task_begin(t, sched_name(sched_self()));
}

void engine_task_release(void)
{
	struct engine_task *t = engine_self();
	struct engine_process *p = t->process;

	ENSURE(!t->sched);
	/* The process may be freed as soon as it has ended. */
	mutex_lock(&p->proc.lock);
	p->proc.nr_holds++;
	mutex_unlock(&p->proc.lock);
	engine_task_end(t);
	io_mem_free(&p->proc.mem, t);
	mutex_lock(&p->proc.lock);
	p->proc.nr_holds--;
	io_proc_wake_waiter(&p->proc);
	mutex_unlock(&p->proc.lock);
}

void engine_process_exit(void)
{
	io_proc_exit(&engine_self()->process->proc);
}

bool engine_process_exiting(void)
{
	return a32_load(&engine_self()->process->proc.exiting);
}

/* ---- mappings ---- */

void *engine_mmap(int fd, size_t len, uint64_t offset)
{
	struct engine_task *t = engine_enter_call();
	struct engine_mapping *m;
	struct file *f;
	void *addr = NULL;

	if (!t)
		return NULL;
	f = fdtable_get(t->process->proc.fds, fd);
	if (f && f->kind == FILE_RING)
		addr = io_uring_mmap(f, len, offset);
	if (addr) {
		m = io_mem_alloc(&t->process->proc.mem, sizeof(*m));
		m->addr = addr;
		m->file = f;
		mutex_lock(&t->process->lock);
		list_add_tail(&m->node, &t->process->mappings);
		mutex_unlock(&t->process->lock);
	} else if (f) {
		file_put(f);
	}
	engine_leave_call(t);
	return addr;
}

int engine_munmap(void *addr, size_t len)
{
	struct engine_task *t = engine_enter_call();
	struct engine_mapping *found = NULL;

	(void)len;
	if (!t)
		return -ESRCH;
	mutex_lock(&t->process->lock);
	list_for_each(node, &t->process->mappings) {
		struct engine_mapping *m = list_entry(node, struct engine_mapping, node);

		if (m->addr == addr) {
			list_del(node);
			found = m;
			break;
		}
	}
	mutex_unlock(&t->process->lock);
	if (found) {
		file_put(found->file);
		io_mem_free(&t->process->proc.mem, found);
	}
	engine_leave_call(t);
	return found ? 0 : -EINVAL;
}
