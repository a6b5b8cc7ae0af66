/* Random streams on the engine on threads, from several submitters at once, judged: what ThreadSanitizer is to watch.
 *
 *	threads_stress [SECONDS [SUBMITTERS [SEED [STREAMS]]]]
 *
 * A submitter is a process, for an executor runs one stream at a time in its own; what one stream makes of tasks, workers
 * and timers are threads of that process, and all submitters compete for the CPUs. Ends after SECONDS (default 45) or
 * STREAMS (default 0: no limit), whichever comes first. The streams depend on SEED alone (default 1); what the threads
 * make of them does not. Exit status 1 if something was forbidden or a submitter died. */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/prng.h"
#include "core/base/text.h"
#include "oracle/oracle.h"
#include "runner/engine_backend.h"
#include "runner/record_text.h"
#include "stream/generate.h"
#include "stream/print.h"

enum { MAX_SUBMITTERS = 64, MAX_SHOWN = 3 };

static uint64_t first_seed, max_streams, end_ns;

/* Shared by the submitters. */
static struct totals {
	_Atomic uint64_t next, verdict[3], unjudged;
	_Atomic unsigned int shown;
} * totals;

/* Of one submitter. */
static struct submitter {
	struct stream stream;
	struct record *record; /* shared memory, as streams that end their process want it */
	struct verdict verdict;
} me;

static void *shared_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem != MAP_FAILED)
		return mem;
	perror("threads_stress: mmap");
	exit(3);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void show(uint64_t seed, const char *unjudged)
{
	char *buf = malloc(RECORD_TEXT_CAP);
	struct text t;

	if (buf && totals->shown++ < MAX_SHOWN) {
		printf("---- ./augur gen --seed %" PRIu64 "\n", seed);
		text_init(&t, buf, RECORD_TEXT_CAP);
		stream_print(&me.stream, &t);
		fputs(t.buf, stdout);
		text_init(&t, buf, RECORD_TEXT_CAP);
		record_table(me.record, &me.stream, &t);
		fputs(t.buf, stdout);
		for (unsigned int i = 0; !unjudged && i < me.verdict.nr && i < VERDICT_MAX_FINDINGS; i++)
			printf("%s (event %u)\n  seen      %s\n  allowed   %s\n", me.verdict.finding[i].id,
			       me.verdict.finding[i].event, me.verdict.finding[i].seen, me.verdict.finding[i].allowed);
		if (unjudged)
			printf("the record contradicts itself or the stream: %s\n", unjudged);
		fflush(stdout);
	}
	free(buf);
}

static void run_one(uint64_t seed)
{
	struct executor_options opt = { .luck = prng_mix(seed) };
	struct sched_config cfg = { .seed = seed };
	struct sched_result result;
	const char *why = NULL;
	unsigned int event;

	stream_generate(seed, NULL, &me.stream);
	memset(me.record, 0, offsetof(struct record, ev));
	engine_execute(&cfg, &me.stream, &opt, me.record, &result);
	if (judge(&me.stream, me.record, oracle_profile(me.record), &me.verdict, &why, &event) < 0) {
		atomic_fetch_add(&totals->unjudged, 1);
		show(seed, why);
		return;
	}
	atomic_fetch_add(&totals->verdict[me.verdict.kind], 1);
	if (me.verdict.kind != ALLOWED)
		show(seed, NULL);
}

static _Noreturn void submit_streams(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me.record = shared_memory(sizeof(*me.record));
	while (now_ns() < end_ns) {
		uint64_t n = atomic_fetch_add(&totals->next, 1);

		if (max_streams && n >= max_streams)
			break;
		run_one(first_seed + n);
	}
	fflush(stdout);
	exit(0); /* and not _exit: the sanitizers report there */
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
	char *end;
	uint64_t v;

	if (i >= argc)
		return otherwise;
	v = strtoull(argv[i], &end, 0);
	if (!*argv[i] || *end) {
		fprintf(stderr, "usage: threads_stress [SECONDS [SUBMITTERS [SEED [STREAMS]]]]\n");
		exit(2);
	}
	return v;
}

/* Waits for all submitters. False: one of them died. */
static bool wait_for(const pid_t *pids, uint64_t n)
{
	bool well = true;
	int status;

	for (uint64_t i = 0; i < n; i++) {
		if (waitpid(pids[i], &status, 0) == pids[i] && status == 0)
			continue;
		printf("submitter %" PRIu64 " ended with wait status 0x%x\n", i, (unsigned int)status);
		well = false;
	}
	return well;
}

int main(int argc, char **argv)
{
	uint64_t seconds = argument(argc, argv, 1, 45), submitters = argument(argc, argv, 2, 4);
	pid_t pids[MAX_SUBMITTERS];
	uint64_t start = now_ns();
	bool well;

	first_seed = argument(argc, argv, 3, 1);
	max_streams = argument(argc, argv, 4, 0);
	end_ns = start + seconds * 1000000000ull;
	totals = shared_memory(sizeof(*totals));
	if (submitters > MAX_SUBMITTERS)
		submitters = MAX_SUBMITTERS;
	for (uint64_t i = 0; i < submitters; i++) {
		fflush(NULL);
		pids[i] = fork();
		if (pids[i] < 0) {
			perror("threads_stress: fork");
			return 3;
		}
		if (pids[i] == 0)
			submit_streams();
	}
	well = wait_for(pids, submitters);
	printf("%" PRIu64 " submitters, %.1f s: %" PRIu64 " allowed, %" PRIu64 " forbidden, %" PRIu64
	       " undecided, %" PRIu64 " unjudged\n",
	       submitters, (double)(now_ns() - start) / 1e9, totals->verdict[ALLOWED], totals->verdict[FORBIDDEN],
	       totals->verdict[UNDECIDED], totals->unjudged);
	if (totals->verdict[ALLOWED] == 0)
		printf("nothing was allowed: that is no pass\n");
	return !well || totals->verdict[FORBIDDEN] || totals->unjudged || !totals->verdict[ALLOWED];
}
