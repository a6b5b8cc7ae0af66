/* The scheduler on real threads: every task has a pthread to itself, and leaves it to a later one.
 *
 * Parking words are all that is shared without a lock here: one for the tokens of a task, one for its end (sched_join
 * waits for that), one for what an idle thread is to do next.
 *
 *   EMPTY   no token, nobody waits      park: EMPTY -> PARKED, then sleeps       unpark: any -> TOKEN, and wakes
 *   TOKEN   the next park takes it      park: TOKEN -> EMPTY, returns true               if it was PARKED
 *   PARKED  somebody sleeps on it       park, at its end: PARKED or TOKEN -> EMPTY
 *
 * Unpark's exchange is a release, park's are acquires: what was written before an unpark is seen after the park that
 * took its token, and exchanges of several unparkers form one release sequence, so that the last token speaks for
 * all. */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/prng.h"
#include "core/sched/threads/node.h"
#include "sched/sched.h"

enum park_state { PARK_EMPTY, PARK_TOKEN, PARK_PARKED };

/* Frames of the engine fit many times over, and glibc caches 40 MiB of stacks: smaller ones mean cheaper spawns. */
#define STACK_SIZE (512u << 10)

/* One sched_run. Tasks made outside of any belong to `no_run`. */
struct run {
	uint64_t seed;
	struct atomic32 live; /* spawned and not yet joined; read by sched_run after all joins it depends on */
};

struct sched_task {
	struct atomic32 park; /* enum park_state; see above */
	struct atomic32 notified; /* set by sched_notify before its unpark, read by the task after its park */
	struct run *run;
	uint64_t path; /* names the task by its place in the tree of spawns; with the seed it seeds `luck` */
	struct atomic32 ended; /* enum park_state; its token is the last that the thread has to do with the task */
	bool last; /* set before that token, read after it: `thread` ends with this task, and is to be joined */
	pthread_t thread;
	sched_task_fn *fn;
	void *arg;
	char name[16];

	/* Between sched_create and sched_start: the kept thread that is to run it, or else one that waits for this word. */
	struct worker *worker;
	unsigned int node; /* the thread's */
	struct atomic32 started; /* enum park_state; its token speaks for all that was done before sched_start */
	bool waits; /* for `started` */

	/* The task's own from here on. */
	struct prng luck;
	uint32_t nr_children;
	bool spawned; /* by sched_spawn; otherwise made for a thread that was there before */
	bool blocked;
	bool pinned; /* by sched_set_cpus */
	cpu_set_t cpus_before;
	void *local;
	sched_hook_fn *sleeping, *running;
	void *hook_arg;
};

/* A thread of ours, on its own stack. Making one costs as much as a small stream, so one that has ended a task waits
 * for another; one that could serve it under the same name is preferred, for renaming is a system call. */
struct worker {
	struct worker *next; /* the cache's, while it is in there */
	struct atomic32 park; /* enum park_state. The token gives it `task`, by whoever took it out of the cache */
	struct sched_task *task; /* NULL: end */
	pthread_t thread;
	/* Where thread and stack are, for good, or SCHED_NO_NODE; the cache's to read, as is the name. */
	unsigned int node;
	char name[16];
};

/* The threads without a task. A worker is in there before its last task is known to have ended: whoever joins and
 * spawns finds it. */
static struct {
	struct mutex lock; /* protects what follows; the innermost of all. Fork holds it */
	struct worker *idle; /* the last that came first, for it is warm */
	unsigned int nr, max;
} cache = { .lock = MUTEX_INIT, .max = SCHED_KEEP_THREADS };

__thread struct sched_tls sched_tls __attribute__((tls_model("initial-exec")));

static struct run no_run;
static pthread_key_t lazy_key; /* frees the task of a thread that was there before */
static pthread_once_t lazy_once = PTHREAD_ONCE_INIT, fork_once = PTHREAD_ONCE_INIT;

static void task_init(struct sched_task *t, struct run *run, uint64_t path, const char *name)
{
	memset(t, 0, sizeof(*t));
	t->run = run;
	t->path = path;
	t->node = SCHED_NO_NODE;
	t->luck = prng_seed(prng_mix(run->seed) ^ path);
	strncpy(t->name, name, sizeof(t->name) - 1);
}

static void lazy_make_key(void)
{
	ENSURE_OP(pthread_key_create(&lazy_key, free), ==, 0);
}

/* A thread that sched_spawn did not make asks for its task. */
static struct sched_task *lazy_self(void)
{
	struct sched_task *t = malloc(sizeof(*t));

	ENSURE(t != NULL);
	pthread_once(&lazy_once, lazy_make_key);
	task_init(t, &no_run, 0, "thread");
	ENSURE_OP(pthread_setspecific(lazy_key, t), ==, 0);
	sched_tls.task = t;
	return t;
}

struct sched_task *sched_self(void)
{
	struct sched_task *t = sched_tls.task;

	return __builtin_expect(t != NULL, 1) ? t : lazy_self();
}

const char *sched_name(const struct sched_task *t)
{
	return t->name;
}

/* ---- parking ---- */

/* Sleeps while *word is PARK_PARKED. Returns false when the deadline has passed. */
static bool futex_sleep(struct atomic32 *word, uint64_t deadline)
{
	struct timespec ts = { .tv_sec = (time_t)(deadline / 1000000000u), .tv_nsec = (long)(deadline % 1000000000u) };
	long err = syscall(SYS_futex, &word->v, FUTEX_WAIT_BITSET_PRIVATE, PARK_PARKED,
			   deadline == SCHED_NEVER ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY);

	return err == 0 || errno != ETIMEDOUT;
}

/* With SCHED_NEVER it returns only with the token. */
static bool word_park(struct atomic32 *word, uint64_t deadline)
{
	uint32_t seen = PARK_EMPTY;
	int err = errno;

	if (a32_cas(word, &seen, PARK_PARKED)) {
		sched_wake_late(); /* sched_join may be called with a mutex held */
		while (a32_load(word) == PARK_PARKED && futex_sleep(word, deadline))
			;
	}
	errno = err;
	/* A token that came with the deadline is taken: it must not be lost to a caller that saw a time-out. */
	return a32_xchg(word, PARK_EMPTY) == PARK_TOKEN;
}

/* The word may be gone when the futex call is made: its sleeper, awake for another reason, may have ended. The kernel
 * then finds nobody there, or wakes some other sleeper for nothing, which every futex user allows for. */
static void futex_wake(struct atomic32 *word)
{
	int err = errno;

	syscall(SYS_futex, &word->v, FUTEX_WAKE_PRIVATE, 1);
	errno = err;
}

void sched_wake_late(void)
{
	for (uint32_t i = 0; i < sched_tls.nr_late; i++)
		futex_wake(sched_tls.late[i]);
	sched_tls.nr_late = 0;
}

/* Whoever is woken often wants a mutex that the caller holds, and on a busy processor runs at once: so the system call,
 * and it alone, waits until the caller holds none. That is soon: a holder of a mutex does not park. */
static void word_unpark(struct atomic32 *word)
{
	if (a32_xchg(word, PARK_TOKEN) != PARK_PARKED)
		return;
	if (sched_tls.held && sched_tls.nr_late < SCHED_LATE)
		sched_tls.late[sched_tls.nr_late++] = word;
	else
		futex_wake(word);
}

bool sched_park(uint64_t deadline)
{
	ENSURE_OP(sched_tls.held, ==, 0u);
	return word_park(&sched_self()->park, deadline);
}

void sched_unpark(struct sched_task *t)
{
	word_unpark(&t->park);
}

/* ---- threads, and the cache of idle ones ---- */

/* False: there are enough, the thread is to end. */
static bool cache_put(struct worker *w)
{
	bool keep;

	mutex_lock(&cache.lock);
	keep = cache.nr < cache.max;
	if (keep) {
		w->next = cache.idle;
		cache.idle = w;
		cache.nr++;
	}
	mutex_unlock(&cache.lock);
	return keep;
}

/* Of those on the node the one called `name`, or any; NULL: there is none. `name` has sixteen bytes. */
static struct worker *cache_take(const char *name, unsigned int node)
{
	struct worker **at, **any = NULL, *w;

	mutex_lock(&cache.lock);
	for (at = &cache.idle; *at; at = &(*at)->next) {
		if ((*at)->node != node)
			continue;
		if (memcmp((*at)->name, name, sizeof((*at)->name)) == 0)
			break;
		if (!any)
			any = at;
	}
	if (!*at && any)
		at = any;
	w = *at;
	if (w) {
		*at = w->next;
		cache.nr--;
	}
	mutex_unlock(&cache.lock);
	return w;
}

static void cache_before_fork(void)
{
	mutex_lock(&cache.lock);
}

static void cache_in_parent(void)
{
	mutex_unlock(&cache.lock);
}

/* The threads, and what they had on their stacks, are the parent's. */
static void cache_in_child(void)
{
	cache.idle = NULL;
	cache.nr = 0;
	mutex_unlock(&cache.lock);
}

static void cache_meets_fork(void)
{
	ENSURE_OP(pthread_atfork(cache_before_fork, cache_in_parent, cache_in_child), ==, 0);
}

static void worker_end(struct worker *w)
{
	pthread_t thread = w->thread;

	w->task = NULL;
	word_unpark(&w->park);
	ENSURE_OP(pthread_join(thread, NULL), ==, 0);
}

void sched_keep_threads(unsigned int max)
{
	for (;;) {
		struct worker *w;

		mutex_lock(&cache.lock);
		cache.max = max;
		w = cache.nr > max ? cache.idle : NULL;
		if (w) {
			cache.idle = w->next;
			cache.nr--;
		}
		mutex_unlock(&cache.lock);
		if (!w)
			return;
		worker_end(w);
	}
}

/* Leak checkers look when the process has ended. */
static __attribute__((destructor)) void cache_end(void)
{
	sched_keep_threads(0);
}

static void worker_rename(struct worker *w, const char *name)
{
	if (memcmp(w->name, name, sizeof(w->name)) == 0)
		return;
	memcpy(w->name, name, sizeof(w->name));
	pthread_setname_np(pthread_self(), w->name);
}

/* Runs a task and says that it has ended. False: the thread ends as well. */
static bool worker_run(struct worker *w, struct sched_task *t)
{
	bool keep;

	if (t->waits)
		word_park(&t->started, SCHED_NEVER);
	sched_tls.task = t;
	worker_rename(w, t->name);
	errno = 0;
	t->fn(t->arg);
	ENSURE_OP(sched_tls.held, ==, 0u);
	ENSURE(!t->blocked);
	if (t->pinned)
		sched_setaffinity(0, sizeof(t->cpus_before), &t->cpus_before);
	sched_tls.task = NULL;
	keep = cache_put(w);
	t->last = !keep;
	t->thread = w->thread;
	word_unpark(&t->ended); /* whoever joins it frees it */
	return keep;
}

static void *worker_main(void *arg)
{
	struct sched_task *first = arg;
	struct worker w = { .task = first, .thread = pthread_self(), .node = first->node };

	if (w.node != SCHED_NO_NODE)
		node_place_stack(w.node);
	while (w.task && worker_run(&w, w.task))
		word_park(&w.park, SCHED_NEVER);
	if (w.node != SCHED_NO_NODE)
		node_forget_stack();
	return NULL;
}

static void worker_give(struct worker *w, struct sched_task *t)
{
	w->task = t;
	word_unpark(&w->park);
}

static int worker_make(struct sched_task *t)
{
	const struct sched_cpus *cpus = node_cpus(t->node);
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_once(&fork_once, cache_meets_fork);
	ENSURE_OP(pthread_attr_init(&attr), ==, 0);
	ENSURE_OP(pthread_attr_setstacksize(&attr, STACK_SIZE), ==, 0);
	if (cpus)
		ENSURE_OP(pthread_attr_setaffinity_np(&attr, sizeof(*cpus), (const cpu_set_t *)(const void *)cpus), ==,
			  0);
	err = pthread_create(&thread, &attr, worker_main, t);
	pthread_attr_destroy(&attr);
	return err;
}

/* ---- tasks ---- */

static struct {
	struct atomic32 left; /* written under the lock; who reads 0 without it makes no use of the rest */
	struct mutex lock; /* protects what follows; nests in whatever its callers hold, and nothing in it */
	const char *prefix;
	int err;
} fail = { .lock = MUTEX_INIT };

void sched_fail_spawns(const char *prefix, uint32_t n, int err)
{
	mutex_lock(&fail.lock);
	fail.prefix = prefix;
	fail.err = err;
	a32_store(&fail.left, n);
	mutex_unlock(&fail.lock);
}

/* 0, or the error with which it fails. */
static int spawn_fails(const char *name)
{
	uint32_t left;
	int err = 0;

	if (!a32_load(&fail.left))
		return 0;
	mutex_lock(&fail.lock);
	left = a32_load(&fail.left);
	if (left && strncmp(name, fail.prefix, strlen(fail.prefix)) == 0) {
		a32_store(&fail.left, left - 1);
		err = fail.err;
	}
	mutex_unlock(&fail.lock);
	return err;
}

static int task_make(struct sched_task **out, const char *name, sched_task_fn *fn, void *arg, bool start,
		     unsigned int node)
{
	struct sched_task *self = sched_self();
	struct sched_task *t;
	struct worker *w;
	int err = spawn_fails(name);

	if (err)
		return err;
	t = malloc(sizeof(*t));
	if (!t)
		return -EAGAIN;
	task_init(t, self->run, prng_mix(self->path + 1) + ++self->nr_children, name);
	t->fn = fn;
	t->arg = arg;
	t->spawned = true;
	t->node = node_cpus(node) ? node : SCHED_NO_NODE;
	a32_add(&t->run->live, 1);
	*out = t;
	w = cache_take(t->name, t->node);
	t->worker = w;
	t->waits = !w && !start;
	if (!w && worker_make(t) != 0) {
		a32_sub(&t->run->live, 1);
		*out = NULL;
		free(t);
		return -EAGAIN;
	}
	if (w && start)
		worker_give(w, t);
	return 0;
}

int sched_spawn(struct sched_task **out, const char *name, sched_task_fn *fn, void *arg)
{
	return task_make(out, name, fn, arg, true, SCHED_NO_NODE);
}

int sched_create(struct sched_task **out, const char *name, sched_task_fn *fn, void *arg)
{
	return task_make(out, name, fn, arg, false, SCHED_NO_NODE);
}

int sched_create_on(struct sched_task **out, const char *name, sched_task_fn *fn, void *arg, unsigned int node)
{
	return task_make(out, name, fn, arg, false, node);
}

void sched_start(struct sched_task *t)
{
	if (t->worker)
		worker_give(t->worker, t);
	else
		word_unpark(&t->started);
}

void sched_join(struct sched_task *t)
{
	ENSURE(t->spawned);
	ENSURE(t != sched_tls.task);
	word_park(&t->ended, SCHED_NEVER);
	if (t->last)
		ENSURE_OP(pthread_join(t->thread, NULL), ==, 0);
	a32_sub(&t->run->live, 1);
	free(t);
}

/* ---- processors ---- */

static cpu_set_t all_cpus;

static __attribute__((constructor)) void all_cpus_init(void)
{
	ENSURE_OP(sched_getaffinity(0, sizeof(all_cpus), &all_cpus), ==, 0);
}

_Static_assert(sizeof(cpu_set_t) == sizeof(struct sched_cpus) && CPU_SETSIZE == SCHED_CPUS, "the same bits");

void sched_all_cpus(struct sched_cpus *out)
{
	memcpy(out, &all_cpus, sizeof(*out));
}

int sched_set_cpus(const struct sched_cpus *cpus)
{
	struct sched_task *t = sched_self();
	int err = errno, ret = 0;
	cpu_set_t set;

	memcpy(&set, cpus, sizeof(set));
	if (!t->pinned)
		sched_getaffinity(0, sizeof(t->cpus_before), &t->cpus_before);
	t->pinned = true;
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		ret = -EINVAL;
	errno = err;
	return ret;
}

unsigned int sched_cpu(void)
{
	return (unsigned int)sched_getcpu();
}

unsigned int sched_nr_nodes(void)
{
	return node_count();
}

unsigned int sched_node(void)
{
	return node_of_cpu(sched_cpu());
}

unsigned int sched_stack_node(void)
{
	return sched_self()->node;
}

/* ---- the rest of the seam ---- */

void sched_set_step(void (*fn)(void *arg), void *arg)
{
	(void)fn;
	(void)arg;
}

void sched_still(void (*fn)(void *arg), void *arg)
{
	fn(arg);
}

void sched_freeze(void)
{
}

void *sched_local(void)
{
	return sched_self()->local;
}

void sched_set_local(void *p)
{
	sched_self()->local = p;
}

uint64_t sched_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void sched_advance(uint64_t ns)
{
	(void)ns;
}

void sched_notify(struct sched_task *t)
{
	a32_store(&t->notified, 1);
	sched_unpark(t);
}

bool sched_notified(void)
{
	return a32_load(&sched_self()->notified) != 0;
}

void sched_clear_notify(void)
{
	a32_xchg(&sched_self()->notified, 0);
}

void sched_set_hooks(sched_hook_fn *sleeping, sched_hook_fn *running, void *arg)
{
	struct sched_task *t = sched_self();

	ENSURE(!t->blocked);
	t->sleeping = sleeping;
	t->running = running;
	t->hook_arg = arg;
}

void sched_block_begin(void)
{
	struct sched_task *t = sched_self();

	ENSURE(!t->blocked);
	t->blocked = true;
	if (t->sleeping)
		t->sleeping(t->hook_arg);
}

void sched_block_end(void)
{
	struct sched_task *t = sched_self();

	ENSURE(t->blocked);
	t->blocked = false;
	if (t->running)
		t->running(t->hook_arg);
}

void sched_point(const char *where)
{
	(void)where;
}

uint32_t sched_choose(uint32_t n, const char *what)
{
	(void)what;
	ENSURE_OP(n, >, 0u);
	ENSURE_OP(n, <=, 256u);
	return n == 1 ? 0 : prng_below(&sched_self()->luck, n);
}

void sched_run(const struct sched_config *cfg, sched_task_fn *fn, void *arg, struct sched_result *out)
{
	struct sched_task *before = sched_tls.task;
	struct run run = { .seed = cfg->seed };
	struct sched_task self;

	ENSURE(!before || before->run == &no_run);
	task_init(&self, &run, 0, "main");
	sched_tls.task = &self;
	fn(arg);
	sched_tls.task = before;
	ENSURE_OP(sched_tls.held, ==, 0u);
	ENSURE(!self.blocked);
	ENSURE_OP(a32_load(&run.live), ==, 0u);
	memset(out, 0, sizeof(*out));
	out->end = SCHED_DONE;
}
