/* A campaign against the engine with a planted bug. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cli/bank.h"
#include "cli/campaign.h"
#include "cli/files.h"
#include "cli/runners.h"
#include "core/base/prng.h"

enum { HALF = HAND_SLOTS / 2, CANARY_SIZE = 4096 };

static uint64_t now_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void post(struct bank *b, struct hand *h, unsigned int i, uint64_t seed)
{
	static struct stream s;
	struct job *job = hand_job(h, i);

	make_stream(&s, seed, &b->make);
	stream_copy_lean(&job->stream, &s);
	job->options = (struct job_options){ .seed = prng_mix(seed + RUNNER_SIM) };
	hand_post(h, i);
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Judges what is in slot i. True: the judge objects, and that is stored. */
static bool judge_one(struct bank *b, const struct job *job, uint64_t seed, struct findings *f, struct trial *t)
{
	struct outcome *o = &b->outcome;
	struct evidence e = { .stream = &job->stream, .record = &job->record, .stream_seed = seed };
	int index;

	t->cpu_ns += job->cpu_ns;
	t->streams++;
	outcome_of(&job->stream, &job->record, NULL, false, o);
	if (!o->hand_died && !o->unjudged && o->nr_new == 0)
		return false;
	e.records[RUNNER_SIM] = &job->record;
	e.run_seed = prng_mix(seed + RUNNER_SIM);
	e.id = o->unjudged ? outcome_unjudged_id : outcome_died_id;
	e.text = o->unjudged ? o->why : "the hand died of the stream";
	for (unsigned int k = o->nr_kept; k-- > 0;)
		if (o->verdict.finding[k].rule->verdict == FORBIDDEN)
			e.finding = &o->verdict.finding[k];
	t->detected = true;
	snprintf(t->rule, sizeof(t->rule), "%s", e.finding ? e.finding->rule->name : e.id);
	index = findings_note(f, &e);
	if (index >= 0) {
		findings_store(f, (unsigned int)index, &e, 0, 0);
		t->walk = e.run_seed;
		snprintf(t->where, sizeof(t->where), "%.95s", file_name(f->all[index].dir));
	}
	return true;
}

/* Streams are judged in the order of their seeds, so a trial ends with the same one each time. */
static int run_trial(struct bank *b, struct hand *h, struct findings *f, uint64_t seed, struct trial *t)
{
	uint64_t end = campaign_now() + b->seconds * 1000000000ull, cpu = now_of(CLOCK_THREAD_CPUTIME_ID);
	int ret = 0;

	for (unsigned int i = 0; i < HAND_SLOTS; i++)
		post(b, h, i, seed + i);
	while (!t->detected && t->streams < b->streams && campaign_now() < end) {
		uint64_t n = t->streams;
		unsigned int i = n % HAND_SLOTS;

		/* The last of a half first: one wake-up for the half. */
		ret = i % HALF == 0 ? hand_wait(h, i + HALF - 1, &bank_stop) : 0;
		if (ret == 0)
			ret = hand_wait(h, i, &bank_stop);
		if (ret < 0)
			return ret;
		if (!judge_one(b, hand_job(h, i), seed + n, f, t))
			post(b, h, i, seed + n + HAND_SLOTS);
	}
	t->cpu_ns += now_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
	t->done = true;
	return 0;
}

enum exit_status bank_trials(struct bank *b, struct bug *bug)
{
	char dir[PATH_MAX], path[PATH_MAX + 32], canary[PATH_MAX + 32], with[PATH_MAX + 48];
	struct findings *f = calloc(1, sizeof(*f));
	enum exit_status status = STATUS_OK;
	int fd = -1;

	snprintf(dir, sizeof(dir), "%s/%s", b->out, bug->id);
	snprintf(path, sizeof(path), "%s/augur-sim", dir);
	snprintf(canary, sizeof(canary), "%s/canary", dir);
	snprintf(with, sizeof(with), "AUGUR_SIM=%s ", path);
	if (!f || files_mkdir(dir) < 0 || findings_open(f, dir) < 0 ||
	    (fd = open(canary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) < 0 || ftruncate(fd, CANARY_SIZE) < 0) {
		fprintf(stderr, "augur bank: %s: %s\n", dir, strerror(errno));
		free(f);
		return STATUS_ENVIRONMENT;
	}
	f->with = with;
	b->canary = mmap(NULL, CANARY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	setenv("AUGUR_SIM", path, 1);
	setenv("AUGUR_BANK_CANARY", canary, 1);
	status = b->canary == MAP_FAILED ? STATUS_ENVIRONMENT : bank_build(bug->patch, path, "runner/augur-sim");
	for (unsigned int n = 0; status == STATUS_OK && !bank_stop && n < b->trials; n++) {
		struct trial *t = &bug->trial[n];
		struct hand *h;
		const char *why;

		if (t->done)
			continue;
		memset(b->canary, 0, CANARY_SIZE);
		status = runner_start(&h, RUNNER_SIM, NULL, -1, &why);
		if (status != STATUS_OK) {
			fprintf(stderr, "augur bank: %s: %s\n", bug->id, why);
			break;
		}
		if (run_trial(b, h, f, b->seed + n * BANK_TRIAL_SEEDS, t) < 0 && !bank_stop)
			status = STATUS_ENVIRONMENT;
		hand_stop(h);
		t->reached = b->canary[0];
		t->triggered = b->canary[1];
		if (t->done)
			bank_keep_trial(b, bug, n);
	}
	if (b->canary != MAP_FAILED)
		munmap(b->canary, CANARY_SIZE);
	findings_close(f);
	free(f);
	return status;
}
