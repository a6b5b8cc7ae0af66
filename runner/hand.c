/* The brain's side of a hand. */
#include "runner/hand.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/base/ensure.h"
#include "runner/hand_shared.h"

enum {
	SHM_FD = 3, /* where a hand finds the memory */
	MAX_IDLE_DEATHS = 3, /* in a row, without a job that could be blamed */
};

#define LOOK_NS 5000000ull /* how often a waiting brain looks after the hand */
#define START_NS 10000000000ull /* how long a hand may take to say that it is ready */
#define DEFAULT_HANG_NS 20000000000ull

struct hand {
	struct hand_options opt;
	char *scratch; /* a copy of opt.scratch */
	char path[PATH_MAX];
	cpu_set_t cpus; /* of who started it: its threads may be pinned when the hand is started again */
	int shm;
	struct hand_shared *shared;
	pid_t pid; /* 0: none */
	unsigned int restarts, idle_deaths;
	uint32_t seen_progress, seen_events; /* at the last sign of life */
	uint64_t seen_at;
};

static __thread char why_text[200];

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* ---- starting ---- */

/* The binary: named by the environment, beside the running program, or in the folder runner/ beside that of it. */
static int find_binary(char path[PATH_MAX], enum rec_runner runner)
{
	const char *name = runner == RUNNER_SIM ? "augur-sim" : "augur-exec";
	const char *named = getenv(runner == RUNNER_SIM ? "AUGUR_SIM" : "AUGUR_EXEC");
	static const char *const places[] = { "", "../runner/" };
	char self[PATH_MAX];
	ssize_t n;

	if (named && *named)
		return snprintf(path, PATH_MAX, "%s", named) < PATH_MAX && access(path, X_OK) == 0 ? 0 : -ENOENT;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return -ENOENT;
	self[n] = '\0';
	*(strrchr(self, '/') + 1) = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (snprintf(path, PATH_MAX, "%s%s%s", self, places[i], name) < PATH_MAX && access(path, X_OK) == 0)
			return 0;
	return -ENOENT;
}

/* In the child. Other threads of the brain may hold locks: only plain system calls until exec. */
static _Noreturn void become_hand(const struct hand *h, char *const argv[])
{
	int shm = h->shm;

	sched_setaffinity(0, sizeof(h->cpus), &h->cpus);
	if (shm == SHM_FD)
		shm = dup(shm); /* dup2 onto itself would keep close-on-exec */
	if (shm >= 0 && dup2(shm, SHM_FD) == SHM_FD) {
		close_range(SHM_FD + 1, ~0u, 0); /* what else the brain has open is none of the hand's business */
		execv(h->path, argv);
	}
	_exit(127);
}

static int spawn_hand(struct hand *h)
{
	static const char *const runners[RUNNERS] = { "sim", "engine", "kernel" };
	char parent[16], cpu[16];
	char *argv[12];
	unsigned int n = 0;

	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	snprintf(cpu, sizeof(cpu), "%d", h->opt.cpu);
	argv[n++] = h->path;
	argv[n++] = "--runner";
	argv[n++] = (char *)(uintptr_t)runners[h->opt.runner];
	argv[n++] = "--parent";
	argv[n++] = parent;
	argv[n++] = "--cpu";
	argv[n++] = cpu;
	if (h->scratch) {
		argv[n++] = "--scratch";
		argv[n++] = h->scratch;
	}
	argv[n] = NULL;
	__atomic_store_n(&h->shared->state, HAND_STARTING, __ATOMIC_RELEASE);
	h->pid = fork();
	if (h->pid < 0) {
		h->pid = 0;
		return -errno;
	}
	if (h->pid == 0)
		become_hand(h, argv);
	return 0;
}

/* Reaps the hand if it is dead. */
static bool hand_died(struct hand *h, int *status)
{
	pid_t pid;

	do {
		pid = waitpid(h->pid, status, WNOHANG);
	} while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	h->pid = 0;
	return true;
}

static void kill_hand(struct hand *h)
{
	if (!h->pid)
		return;
	kill(h->pid, SIGKILL);
	while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
		;
	h->pid = 0;
}

static int refused(struct hand *h, const char **why)
{
	snprintf(why_text, sizeof(why_text), "%.*s", (int)sizeof(h->shared->why), h->shared->why);
	*why = why_text;
	return h->shared->error < 0 ? h->shared->error : -EIO;
}

static int await_ready(struct hand *h, const char **why)
{
	uint64_t deadline = now_ns() + START_NS;
	int status;

	for (;;) {
		uint32_t state = __atomic_load_n(&h->shared->state, __ATOMIC_ACQUIRE);

		if (state == HAND_READY)
			break;
		if (state == HAND_REFUSED) {
			kill_hand(h);
			return refused(h, why);
		}
		hand_futex_wait(&h->shared->state, state, LOOK_NS);
		if (now_ns() >= deadline) {
			kill_hand(h);
			*why = "the hand does not get ready";
			return -ETIMEDOUT;
		}
		if (__atomic_load_n(&h->shared->state, __ATOMIC_ACQUIRE) == HAND_STARTING && hand_died(h, &status)) {
			snprintf(why_text, sizeof(why_text), "%.150s: died at its start (wait status 0x%x)", h->path,
				 (unsigned int)status);
			*why = why_text;
			return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -ENOENT : -EIO;
		}
	}
	h->seen_at = now_ns();
	return 0;
}

static int start(struct hand *h, const char **why)
{
	int ret = spawn_hand(h);

	if (ret < 0)
		*why = "fork failed";
	return ret < 0 ? ret : await_ready(h, why);
}

static int make_memory(struct hand *h)
{
	h->shm = memfd_create("augur-hand", MFD_CLOEXEC);
	if (h->shm < 0)
		return -errno;
	if (ftruncate(h->shm, sizeof(*h->shared)) < 0)
		return -errno;
	h->shared = mmap(NULL, sizeof(*h->shared), PROT_READ | PROT_WRITE, MAP_SHARED, h->shm, 0);
	if (h->shared == MAP_FAILED) {
		h->shared = NULL;
		return -errno;
	}
	h->shared->size = sizeof(*h->shared);
	return 0;
}

int hand_start(struct hand **out, const struct hand_options *opt, const char **why)
{
	struct hand *h = calloc(1, sizeof(*h));
	int ret;

	ENSURE(h);
	*why = NULL;
	h->shm = -1;
	h->opt = *opt;
	sched_getaffinity(0, sizeof(h->cpus), &h->cpus);
	if (!h->opt.hang_ns)
		h->opt.hang_ns = DEFAULT_HANG_NS;
	if (opt->scratch) {
		h->scratch = strdup(opt->scratch);
		ENSURE(h->scratch);
	}
	ret = find_binary(h->path, opt->runner);
	if (!ret)
		ret = make_memory(h);
	if (!ret)
		ret = start(h, why);
	if (ret < 0) {
		hand_stop(h);
		return ret;
	}
	*out = h;
	return 0;
}

void hand_stop(struct hand *h)
{
	kill_hand(h);
	if (h->shared)
		munmap(h->shared, sizeof(*h->shared));
	if (h->shm >= 0)
		close(h->shm);
	free(h->scratch);
	free(h);
}

/* ---- jobs ---- */

struct job *hand_job(struct hand *h, unsigned int i)
{
	ENSURE_OP(i, <, (unsigned int)HAND_SLOTS);
	return &h->shared->jobs[i];
}

void hand_post(struct hand *h, unsigned int i)
{
	struct job *job = hand_job(h, i);
	uint32_t state = __atomic_load_n(&job->state, __ATOMIC_ACQUIRE);

	ENSURE(state == JOB_FREE || state == JOB_DONE);
	__atomic_store_n(&job->state, JOB_POSTED, __ATOMIC_RELEASE);
	__atomic_add_fetch(&h->shared->bell, 1, __ATOMIC_SEQ_CST);
	hand_futex_wake(&h->shared->bell);
}

static struct job *running_job(struct hand *h)
{
	for (unsigned int i = 0; i < HAND_SLOTS; i++)
		if (__atomic_load_n(&h->shared->jobs[i].state, __ATOMIC_ACQUIRE) == JOB_RUNNING)
			return &h->shared->jobs[i];
	return NULL;
}

static void note_death(struct record *rec, enum rec_hand what, uint64_t a)
{
	uint32_t nr = __atomic_load_n(&rec->nr, __ATOMIC_ACQUIRE);

	if (nr >= RECORD_MAX_EVENTS)
		nr = RECORD_MAX_EVENTS - 1;
	rec->ev[nr] = (struct rec_event){
		.kind = REC_HAND,
		.task = STREAM_NONE,
		.ring = STREAM_NONE,
		.obj = STREAM_NONE,
		.step = REC_NO_STEP,
		.req = REC_NO_REQ,
		.stamp = nr ? rec->ev[nr - 1].stamp : 0,
		.a = a,
		.flags = what,
	};
	rec->flags &= ~(uint32_t)RECF_COMPLETE;
	rec->nr = nr + 1;
}

/* The hand is gone. The job it was running takes the blame; a new hand takes the rest. */
static int revive(struct hand *h, enum rec_hand what, uint64_t a)
{
	struct job *job = running_job(h);
	const char *why;

	if (job) {
		note_death(&job->record, what, a);
		__atomic_store_n(&job->state, JOB_DONE, __ATOMIC_RELEASE);
		h->idle_deaths = 0;
	} else if (++h->idle_deaths > MAX_IDLE_DEATHS) {
		return -EIO;
	}
	h->restarts++;
	return start(h, &why);
}

/* Whether the hand has shown no sign of life for too long while it had something to do. */
static bool hand_hangs(struct hand *h)
{
	uint32_t progress = __atomic_load_n(&h->shared->progress, __ATOMIC_ACQUIRE);
	struct job *job = running_job(h);
	uint32_t events = job ? __atomic_load_n(&job->record.nr, __ATOMIC_RELAXED) : 0;
	uint64_t now = now_ns();

	if (progress != h->seen_progress || events != h->seen_events) {
		h->seen_progress = progress;
		h->seen_events = events;
		h->seen_at = now;
	}
	return now - h->seen_at > h->opt.hang_ns;
}

static int look_after(struct hand *h)
{
	int status;

	if (!h->pid)
		return -EIO; /* an earlier restart failed */
	if (hand_died(h, &status))
		return WIFSIGNALED(status) ? revive(h, HAND_KILLED, (uint64_t)WTERMSIG(status)) :
					     revive(h, HAND_EXITED, (uint64_t)WEXITSTATUS(status));
	if (!hand_hangs(h))
		return 0;
	kill_hand(h);
	return revive(h, HAND_HUNG, h->opt.hang_ns);
}

int hand_wait(struct hand *h, unsigned int i, volatile const int *stop)
{
	struct job *job = hand_job(h, i);

	ENSURE(__atomic_load_n(&job->state, __ATOMIC_ACQUIRE) != JOB_FREE);
	h->seen_at = now_ns();
	for (;;) {
		uint32_t state = __atomic_load_n(&job->state, __ATOMIC_ACQUIRE);
		int ret;

		if (state == JOB_DONE)
			return 0;
		if (stop && *stop)
			return -EINTR;
		hand_futex_wait(&job->state, state, LOOK_NS);
		if (__atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == JOB_DONE)
			continue;
		ret = look_after(h);
		if (ret < 0)
			return ret;
	}
}

unsigned int hand_restarts(const struct hand *h)
{
	return h->restarts;
}

pid_t hand_pid(const struct hand *h)
{
	return h->pid;
}
