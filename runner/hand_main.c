#include "runner/hand_main.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "core/base/ensure.h"
#include "runner/hand_shared.h"

enum { SHM_FD = 3, SPINS = 300 };

static struct hand_shared *shared;

/* ---- arguments ---- */

static const char *const runner_words[RUNNERS] = { "sim", "engine", "kernel" };

static bool take_runner(const char *word, uint32_t runners, struct hand_args *args)
{
	for (unsigned int i = 0; i < RUNNERS; i++)
		if ((runners & (1u << i)) && strcmp(word, runner_words[i]) == 0) {
			args->runner = (enum rec_runner)i;
			return true;
		}
	return false;
}

static bool take_number(const char *word, int *v)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(word, &end, 10);
	*v = (int)n;
	return *word && !*end && !errno && n == *v;
}

static bool take_args(int argc, char **argv, uint32_t runners, struct hand_args *args, int *parent)
{
	bool ok = argc > 1 && argc % 2 == 1;

	*args = (struct hand_args){ .runner = RUNNERS, .cpu = -1 };
	*parent = 0;
	for (int i = 1; ok && i < argc; i += 2) {
		const char *key = argv[i], *value = argv[i + 1];

		if (strcmp(key, "--runner") == 0)
			ok = take_runner(value, runners, args);
		else if (strcmp(key, "--parent") == 0)
			ok = take_number(value, parent);
		else if (strcmp(key, "--cpu") == 0)
			ok = take_number(value, &args->cpu);
		else if (strcmp(key, "--scratch") == 0)
			args->scratch = value;
		else
			ok = false;
	}
	return ok && args->runner<RUNNERS && * parent> 0;
}

/* ---- jobs ---- */

static uint64_t cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void run_job(const struct hand_args *args, hand_run_fn *run, struct job *job)
{
	const char *wrong = NULL;
	uint64_t start = cpu_time();

	job->error = 0;
	job->why[0] = '\0';
	job->nr_decisions = 0;
	job->record.version = RECORD_VERSION;
	job->record.runner = (uint8_t)args->runner;
	job->record.flags = 0;
	__atomic_store_n(&job->record.nr, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&job->state, JOB_RUNNING, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&shared->progress, 1, __ATOMIC_RELEASE);
	if (stream_check(&job->stream, &wrong) < 0) {
		job->error = -EINVAL;
		snprintf(job->why, sizeof(job->why), "%s", wrong);
	} else {
		job->error = run(job);
	}
	job->cpu_ns = cpu_time() - start;
	__atomic_add_fetch(&shared->progress, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&job->state, JOB_DONE, __ATOMIC_RELEASE);
	hand_futex_wake(&job->state);
}

static struct job *next_job(unsigned int *at)
{
	for (unsigned int i = 0; i < HAND_SLOTS; i++) {
		unsigned int slot = (*at + i) % HAND_SLOTS;

		if (__atomic_load_n(&shared->jobs[slot].state, __ATOMIC_ACQUIRE) == JOB_POSTED) {
			*at = slot + 1;
			return &shared->jobs[slot];
		}
	}
	return NULL;
}

static _Noreturn void serve(const struct hand_args *args, hand_run_fn *run)
{
	unsigned int at = 0, idle = 0;

	for (;;) {
		uint32_t bell = __atomic_load_n(&shared->bell, __ATOMIC_SEQ_CST);
		struct job *job = next_job(&at);

		if (job) {
			run_job(args, run, job);
			idle = 0;
		} else if (idle++ < SPINS) {
			__asm__ volatile("" ::: "memory");
		} else {
			hand_futex_wait(&shared->bell, bell, 0);
			idle = 0;
		}
	}
}

/* ---- start ---- */

static int map_shared(void)
{
	struct stat st;

	if (fstat(SHM_FD, &st) < 0 || st.st_size != (off_t)sizeof(*shared))
		return -EINVAL;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, SHM_FD, 0);
	if (shared == MAP_FAILED)
		return -errno;
	close(SHM_FD);
	return shared->size == sizeof(*shared) ? 0 : -EINVAL;
}

static void announce(enum hand_state state, int error, const char *why)
{
	shared->error = error;
	snprintf(shared->why, sizeof(shared->why), "%s", why ? why : "");
	__atomic_store_n(&shared->state, state, __ATOMIC_RELEASE);
	hand_futex_wake(&shared->state);
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu % CPU_SETSIZE, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		perror("sched_setaffinity");
}

int hand_main(int argc, char **argv, uint32_t runners, hand_prepare_fn *prepare, hand_run_fn *run)
{
	struct hand_args args;
	const char *why = NULL;
	int parent, ret;

	/* Dies with the brain, also if that was killed before this line. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!take_args(argc, argv, runners, &args, &parent)) {
		fprintf(stderr, "%s is started by augur, which gives it its streams\n", argv[0]);
		return 2;
	}
	if (getppid() != parent)
		return 0;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* of the terminal: the brain's to act on */
	ret = map_shared();
	if (ret < 0) {
		fprintf(stderr, "%s: its memory is not that of this augur: %s\n", argv[0], strerrorname_np(-ret));
		return 2;
	}
	if (sched_getaffinity(0, sizeof(args.cpus), &args.cpus) < 0)
		CPU_ZERO(&args.cpus);
	pin(args.cpu);
	ret = prepare(&args, &why);
	if (ret < 0) {
		announce(HAND_REFUSED, ret, why);
		return 1;
	}
	announce(HAND_READY, 0, NULL);
	serve(&args, run);
}
