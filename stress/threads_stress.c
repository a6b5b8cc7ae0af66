/* Random streams on the engine on threads, from several submitters at once, judged: what ThreadSanitizer is to watch.
 *
 *	threads_stress [SECONDS [SUBMITTERS [SEED [STREAMS]]]]
 *
 * Ends after SECONDS (default 45) or STREAMS (default 0: no limit), whichever comes first. The streams depend on SEED
 * alone (default 1); what the threads make of them does not. Exit status 1 if something was forbidden. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core/base/prng.h"
#include "core/base/text.h"
#include "oracle/oracle.h"
#include "runner/engine_backend.h"
#include "runner/record_text.h"
#include "stream/generate.h"
#include "stream/print.h"

enum { MAX_SUBMITTERS = 64, MAX_SHOWN = 3 };

static struct {
	uint64_t seed, streams, end_ns;
	_Atomic uint64_t next, verdict[3], unjudged;
	pthread_mutex_t print;
	unsigned int shown;
} run = { .seed = 1, .print = PTHREAD_MUTEX_INITIALIZER };

struct submitter {
	pthread_t thread;
	struct stream stream;
	struct record *record; /* shared memory, as streams that end their process want it */
	struct verdict verdict;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void show(const struct submitter *s, uint64_t seed, const char *unjudged)
{
	char *buf = malloc(RECORD_TEXT_CAP);
	struct text t;

	pthread_mutex_lock(&run.print);
	if (buf && run.shown++ < MAX_SHOWN) {
		printf("---- ./augur gen --seed %" PRIu64 "\n", seed);
		text_init(&t, buf, RECORD_TEXT_CAP);
		stream_print(&s->stream, &t);
		fputs(t.buf, stdout);
		text_init(&t, buf, RECORD_TEXT_CAP);
		record_table(s->record, &s->stream, &t);
		fputs(t.buf, stdout);
		for (unsigned int i = 0; !unjudged && i < s->verdict.nr && i < VERDICT_MAX_FINDINGS; i++)
			printf("%s (event %u)\n  seen      %s\n  allowed   %s\n", s->verdict.finding[i].id,
			       s->verdict.finding[i].event, s->verdict.finding[i].seen, s->verdict.finding[i].allowed);
		if (unjudged)
			printf("the record contradicts itself or the stream: %s\n", unjudged);
		fflush(stdout);
	}
	pthread_mutex_unlock(&run.print);
	free(buf);
}

static void run_one(struct submitter *s, uint64_t seed)
{
	struct executor_options opt = { .luck = prng_mix(seed) };
	struct sched_config cfg = { .seed = seed };
	struct sched_result result;
	const char *why = NULL;
	unsigned int event;

	stream_generate(seed, NULL, &s->stream);
	memset(s->record, 0, offsetof(struct record, ev));
	engine_execute(&cfg, &s->stream, &opt, s->record, &result);
	if (judge(&s->stream, s->record, oracle_profile(s->record), &s->verdict, &why, &event) < 0) {
		atomic_fetch_add(&run.unjudged, 1);
		show(s, seed, why);
		return;
	}
	atomic_fetch_add(&run.verdict[s->verdict.kind], 1);
	if (s->verdict.kind != ALLOWED)
		show(s, seed, NULL);
}

static void *submitter_main(void *arg)
{
	struct submitter *s = arg;

	while (now_ns() < run.end_ns) {
		uint64_t n = atomic_fetch_add(&run.next, 1);

		if (run.streams && n >= run.streams)
			break;
		run_one(s, run.seed + n);
	}
	return NULL;
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

static struct submitter *new_submitter(void)
{
	struct submitter *s = calloc(1, sizeof(*s));
	void *mem = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!s || mem == MAP_FAILED || ((s->record = mem), pthread_create(&s->thread, NULL, submitter_main, s)) != 0) {
		perror("threads_stress: a submitter");
		exit(3);
	}
	return s;
}

int main(int argc, char **argv)
{
	uint64_t seconds = argument(argc, argv, 1, 45), submitters = argument(argc, argv, 2, 4);
	struct submitter *all[MAX_SUBMITTERS];
	uint64_t start = now_ns();

	run.seed = argument(argc, argv, 3, 1);
	run.streams = argument(argc, argv, 4, 0);
	run.end_ns = start + seconds * 1000000000ull;
	if (submitters > MAX_SUBMITTERS)
		submitters = MAX_SUBMITTERS;
	for (uint64_t i = 0; i < submitters; i++)
		all[i] = new_submitter();
	for (uint64_t i = 0; i < submitters; i++) {
		pthread_join(all[i]->thread, NULL);
		munmap(all[i]->record, sizeof(struct record));
		free(all[i]);
	}
	printf("%" PRIu64 " submitters, %.1f s: %" PRIu64 " allowed, %" PRIu64 " forbidden, %" PRIu64
	       " undecided, %" PRIu64 " unjudged\n",
	       submitters, (double)(now_ns() - start) / 1e9, run.verdict[ALLOWED], run.verdict[FORBIDDEN],
	       run.verdict[UNDECIDED], run.unjudged);
	if (run.verdict[ALLOWED] == 0)
		printf("nothing was allowed: that is no pass\n");
	return run.verdict[FORBIDDEN] || run.unjudged || !run.verdict[ALLOWED];
}
