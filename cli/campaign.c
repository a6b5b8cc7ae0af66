#include "cli/campaign.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/make.h"
#include "cli/outcome.h"
#include "cli/runners.h"
#include "core/base/prng.h"
#include "stream/certain.h"

enum { HALF = HAND_SLOTS / 2 };

#define VARIANT_SALT 0x76617269616e7473ull /* so that it is not the generator's sequence */
#define AGAIN_NS (5ull * 1000000000) /* so long at most is spent on running one finding again */

/* One stream under way: the brain's own copy, which no hand can touch. */
struct slot {
	bool busy;
	uint64_t seed;
	bool variant; /* not made from its seed alone */
	bool certain;
	bool kept; /* in the pool of the feedback */
	unsigned int round;
	uint32_t posted; /* in this round; mask of enum rec_runner */
	struct job_options run[RUNNERS]; /* of the last round that it was posted in */
	struct stream stream;
};

struct job_thread {
	struct campaign *c;
	unsigned int nr;
	pthread_t thread;
	int cpu;
	struct hand *hand[RUNNERS];
	struct totals batch; /* of this half; added to the campaign's and cleared */
	struct outcome outcome;
	struct cells cells; /* of one run */
	struct record *kept; /* a record, while its slot is used to run the stream again */
	uint64_t brain_ns;
	struct slot slot[HAND_SLOTS];
};

static uint64_t now_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

uint64_t campaign_now(void)
{
	return now_of(CLOCK_MONOTONIC);
}

/* ---- totals ---- */

static void add_fs(struct leg_totals *t, const char *name, uint64_t streams)
{
	for (unsigned int i = 0; i < CAMPAIGN_MAX_FS; i++) {
		if (t->fs[i].streams && strcmp(t->fs[i].name, name) != 0)
			continue;
		snprintf(t->fs[i].name, sizeof(t->fs[i].name), "%s", name);
		t->fs[i].streams += streams;
		return;
	}
}

static void add_leg(struct leg_totals *to, const struct leg_totals *from)
{
	to->streams += from->streams;
	to->runs += from->runs;
	for (unsigned int i = 0; i < 3; i++)
		to->verdict[i] += from->verdict[i];
	to->known += from->known;
	to->unjudged += from->unjudged;
	to->died += from->died;
	to->cpu_ns += from->cpu_ns;
	if (*from->release)
		memcpy(to->release, from->release, sizeof(to->release));
	for (unsigned int i = 0; i < CAMPAIGN_MAX_FS; i++)
		if (from->fs[i].streams)
			add_fs(to, from->fs[i].name, from->fs[i].streams);
}

static void add_batch(struct job_thread *j)
{
	struct totals *t = &j->c->totals;
	uint64_t cpu = now_of(CLOCK_THREAD_CPUTIME_ID);

	pthread_mutex_lock(&j->c->lock);
	t->streams += j->batch.streams;
	t->variants += j->batch.variants;
	t->brain_ns += cpu - j->brain_ns;
	for (unsigned int r = 0; r < RUNNERS; r++) {
		add_leg(&t->leg[r], &j->batch.leg[r]);
		coverage_add(&t->coverage[r], &j->batch.coverage[r]);
	}
	pthread_mutex_unlock(&j->c->lock);
	j->brain_ns = cpu;
	memset(&j->batch, 0, sizeof(j->batch));
}

void campaign_totals(struct campaign *c, struct totals *out)
{
	pthread_mutex_lock(&c->lock);
	*out = c->totals;
	pthread_mutex_unlock(&c->lock);
}

/* ---- what a run showed ---- */

/* How often the stream shows the same again; its slot of that hand is ours for the time. */
static unsigned int run_again(struct job_thread *j, unsigned int i, enum rec_runner r, const char *id,
			      unsigned int *seen)
{
	struct job *job = hand_job(j->hand[r], i);
	uint64_t end = campaign_now() + AGAIN_NS;
	unsigned int n = 0;

	*seen = 0;
	while (n < j->c->o.again && !j->c->stop && campaign_now() < end) {
		bool found = false;

		job->options = (struct job_options){ .seed = j->slot[i].run[r].seed + n };
		hand_post(j->hand[r], i);
		if (hand_wait(j->hand[r], i, &j->c->stop) < 0)
			break;
		outcome_of(&j->slot[i].stream, &job->record, j->c->ledger, false, &j->outcome);
		for (unsigned int k = 0; k < j->outcome.nr_kept; k++)
			found |= strcmp(j->outcome.verdict.finding[k].id, id) == 0;
		*seen += found;
		n++;
	}
	return n;
}

static void keep_evidence(struct job_thread *j, unsigned int i, struct evidence *e)
{
	enum rec_runner r = e->record->runner;
	unsigned int runs = 0, seen = 0;
	struct finding finding;
	int index = findings_note(&j->c->findings, e);

	if (index < 0)
		return;
	if (r != RUNNER_SIM && e->finding && !e->undecided && j->c->o.again) {
		finding = *e->finding;
		e->finding = &finding;
		memcpy(j->kept, e->record, sizeof(*j->kept));
		runs = run_again(j, i, r, finding.id, &seen);
		memcpy(&hand_job(j->hand[r], i)->record, j->kept, sizeof(*j->kept));
	}
	findings_store(&j->c->findings, (unsigned int)index, e, runs, seen);
}

static void count_cells(struct job_thread *j, unsigned int i, enum rec_runner r)
{
	struct slot *slot = &j->slot[i];
	bool keep = j->c->o.feedback && !slot->kept;

	if (!j->outcome.unjudged)
		slot->kept |= feedback_count(&j->c->feedback, r, &j->cells, &slot->stream, keep, prng_mix(slot->seed));
}

/* The records of a stream are there: counts and keeps what one of them shows. */
static void judge_leg(struct job_thread *j, unsigned int i, enum rec_runner r,
		      const struct record *const records[RUNNERS])
{
	static const char died[] = "the hand that ran the stream was killed, hung or left";
	const struct slot *slot = &j->slot[i];
	struct leg_totals *t = &j->batch.leg[r];
	const struct job *job = hand_job(j->hand[r], i);
	struct outcome *o = &j->outcome;
	struct evidence e = { .stream = &slot->stream,
			      .record = records[r],
			      .stream_seed = slot->seed,
			      .variant = slot->variant,
			      .run_seed = slot->run[r].seed };
	struct verdict verdict;
	const struct ledger_entry *known[VERDICT_MAX_FINDINGS];
	char id[FINDING_ID];
	unsigned int nr;

	memcpy(e.records, records, sizeof(e.records));
	memset(&j->cells, 0, sizeof(j->cells));
	outcome_and_cells(&slot->stream, records[r], j->c->ledger, false, &j->cells, o);
	t->streams += slot->round == 0;
	t->runs++;
	t->cpu_ns += job->cpu_ns;
	memcpy(t->release, records[r]->release, sizeof(t->release));
	if (slot->round == 0)
		add_fs(t, records[r]->fs, 1);
	coverage_count(&j->batch.coverage[r], &slot->stream, records[r]);
	t->died += o->hand_died;
	if (job->error) {
		t->verdict[UNDECIDED]++;
		e.id = outcome_failed_id;
		e.text = job->why;
		e.undecided = true;
		keep_evidence(j, i, &e);
		return;
	}
	if (o->unjudged) {
		t->unjudged++;
		snprintf(id, sizeof(id), "%s/%s", outcome_unjudged_id, o->why);
		e.id = id;
		e.text = o->why;
		keep_evidence(j, i, &e);
		return;
	}
	count_cells(j, i, r);
	t->verdict[o->verdict.kind]++;
	t->known += o->verdict.kind == FORBIDDEN && o->nr_new == 0;
	if (o->verdict.kind == ALLOWED && !o->hand_died)
		return;
	/* Running a finding again needs the outcome's memory. */
	verdict = o->verdict;
	memcpy(known, o->known, sizeof(known));
	nr = o->nr_kept;
	if (o->hand_died && r != RUNNER_KERNEL && o->nr_new == 0) {
		e.id = outcome_died_id;
		e.text = died;
		keep_evidence(j, i, &e);
	}
	for (unsigned int k = 0; k < nr; k++) {
		e.finding = &verdict.finding[k];
		e.known = known[k];
		e.undecided = e.finding->rule->verdict == UNDECIDED;
		keep_evidence(j, i, &e);
	}
	if (nr == 0 && verdict.kind == UNDECIDED) {
		e.id = outcome_undecided_id;
		e.text = "the record is not complete, and no law says more";
		e.undecided = true;
		keep_evidence(j, i, &e);
	}
}

/* ---- the pipeline ---- */

static bool time_is_up(const struct campaign *c)
{
	return c->stop || (c->deadline_ns && campaign_now() >= c->deadline_ns);
}

/* sim: the schedule's seed. Elsewhere the luck: none in the first round of every second stream, and then always. */
static uint64_t seed_of(const struct slot *slot, enum rec_runner r, unsigned int round)
{
	uint64_t first = prng_mix(slot->seed + r);

	if (round > 0)
		return prng_mix(first + round);
	return r == RUNNER_SIM || slot->seed % 2 ? first : 0;
}

static uint64_t rounds_of(const struct campaign *c, const struct slot *slot, enum rec_runner r)
{
	return r == RUNNER_SIM || slot->certain || !c->o.luck[r] ? 1 : c->o.luck[r];
}

/* Sends the stream to those that are to run it in this round. False: nobody is. */
static bool post_round(struct job_thread *j, unsigned int i, unsigned int round)
{
	struct slot *slot = &j->slot[i];

	slot->round = round;
	slot->posted = 0;
	for (unsigned int r = 0; r < RUNNERS; r++) {
		struct job *job;

		if (!j->hand[r] || round >= rounds_of(j->c, slot, r))
			continue;
		slot->posted |= 1u << r;
		slot->run[r] = (struct job_options){ .seed = seed_of(slot, r, round) };
		job = hand_job(j->hand[r], i);
		stream_copy_lean(&job->stream, &slot->stream);
		job->options = slot->run[r];
		hand_post(j->hand[r], i);
	}
	return slot->posted;
}

/* Makes the next stream: from its seed, or of an earlier one that showed something rare. */
static void next_stream(struct campaign *c, struct slot *slot)
{
	struct prng p = prng_seed(prng_mix(slot->seed ^ VARIANT_SALT));
	bool variant = prng_chance(&p, (uint32_t)c->o.feedback, 100);

	slot->kept = slot->variant = false;
	if (c->o.fixed) {
		stream_copy_lean(&slot->stream, c->o.fixed);
		return;
	}
	slot->variant = variant && feedback_variant(&c->feedback, &slot->stream, c->o.make.gen.size, prng_next(&p));
	if (!slot->variant)
		make_stream(&slot->stream, slot->seed, &c->o.make);
}

static void fill_slot(struct job_thread *j, unsigned int i)
{
	struct campaign *c = j->c;
	struct slot *slot = &j->slot[i];
	uint64_t n = atomic_fetch_add(&c->next, 1);

	slot->busy = !c->o.streams || n < c->o.streams;
	if (!slot->busy)
		return;
	slot->seed = c->o.seed + n;
	next_stream(c, slot);
	slot->certain = stream_certain(&slot->stream);
	post_round(j, i, 0);
}

static void hand_gone(struct job_thread *j, enum rec_runner r, int err)
{
	pthread_mutex_lock(&j->c->lock);
	if (!j->c->hand_failed)
		snprintf(j->c->why[r], sizeof(j->c->why[r]), "%s: the hand cannot be started again: %s",
			 runner_names[r], strerror(-err));
	j->c->hand_failed = true;
	pthread_mutex_unlock(&j->c->lock);
	j->c->stop = 1;
}

/* Waits for slot i on every hand. False: stopped, or a hand is gone. */
static bool wait_slot(struct job_thread *j, unsigned int i)
{
	for (unsigned int r = 0; r < RUNNERS; r++) {
		int ret = j->slot[i].posted & 1u << r ? hand_wait(j->hand[r], i, &j->c->stop) : 0;

		if (ret < 0 && ret != -EINTR)
			hand_gone(j, r, ret);
		if (ret < 0)
			return false;
	}
	return true;
}

static void judge_slot(struct job_thread *j, unsigned int i)
{
	const struct record *records[RUNNERS] = { NULL };

	for (unsigned int r = 0; r < RUNNERS; r++)
		if (j->hand[r])
			records[r] = &hand_job(j->hand[r], i)->record;
	for (unsigned int r = 0; r < RUNNERS; r++)
		if (j->slot[i].posted & 1u << r)
			judge_leg(j, i, r, records);
	j->batch.streams += j->slot[i].round == 0;
	j->batch.variants += j->slot[i].round == 0 && j->slot[i].variant;
}

/* Takes in one half and sends it out again. False: nothing is under way in it any more. */
static bool turn_half(struct job_thread *j, unsigned int first)
{
	bool any = false;
	unsigned int last = first + HALF;

	while (last > first && !j->slot[last - 1].busy)
		last--;
	/* The last one first: one wake-up for the half, not one for each. */
	for (unsigned int i = last; i-- > first;)
		if (j->slot[i].busy && !wait_slot(j, i))
			return false;
	for (unsigned int i = first; i < last; i++) {
		struct slot *slot = &j->slot[i];

		if (slot->busy)
			judge_slot(j, i);
		if (!slot->busy || time_is_up(j->c) || !post_round(j, i, slot->round + 1)) {
			slot->busy = false;
			if (!time_is_up(j->c))
				fill_slot(j, i);
		}
		any |= slot->busy;
	}
	add_batch(j);
	if (j->c->findings.error)
		j->c->stop = 1;
	return any;
}

static void pump(struct job_thread *j)
{
	bool any = true;

	for (unsigned int i = 0; i < HAND_SLOTS && !time_is_up(j->c); i++)
		fill_slot(j, i);
	while (any && !j->c->stop) {
		any = turn_half(j, 0);
		any |= turn_half(j, HALF);
	}
}

/* ---- jobs ---- */

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set); /* where it is refused, the job runs unpinned */
}

static void start_hands(struct job_thread *j)
{
	struct campaign *c = j->c;
	const char *scratch = c->o.nr_scratch ? c->o.scratch[j->nr % c->o.nr_scratch] : NULL;
	const char *why;

	for (unsigned int r = 0; r < RUNNERS; r++) {
		enum exit_status status;

		if (!(c->o.runners & 1u << r))
			continue;
		status = runner_start(&j->hand[r], r, r == RUNNER_KERNEL ? scratch : NULL, j->cpu, &why);
		if (status == STATUS_OK)
			continue;
		j->hand[r] = NULL;
		pthread_mutex_lock(&c->lock);
		snprintf(c->why[r], sizeof(c->why[r]), "%s", why);
		if (status == STATUS_SKIPPED)
			c->skipped |= 1u << r;
		else
			c->hand_failed = true;
		pthread_mutex_unlock(&c->lock);
		if (status != STATUS_SKIPPED)
			c->stop = 1;
	}
}

static void stop_hands(struct job_thread *j)
{
	for (unsigned int r = 0; r < RUNNERS; r++) {
		unsigned int restarts;

		if (!j->hand[r])
			continue;
		restarts = hand_restarts(j->hand[r]);
		hand_stop(j->hand[r]);
		pthread_mutex_lock(&j->c->lock);
		j->c->totals.leg[r].restarts += restarts;
		pthread_mutex_unlock(&j->c->lock);
	}
}

static void *job_main(void *arg)
{
	struct job_thread *j = arg;
	struct campaign *c = j->c;
	bool any = false;

	start_hands(j); /* first: luck may use the CPUs that a hand's starter may, not only the one it is pinned to */
	pin(j->cpu);
	pthread_mutex_lock(&c->lock);
	c->starting--;
	pthread_cond_broadcast(&c->changed);
	while (c->starting > 0)
		pthread_cond_wait(&c->changed, &c->lock);
	if (!c->started_ns) {
		c->started_ns = campaign_now();
		c->deadline_ns = c->o.seconds ? c->started_ns + c->o.seconds * 1000000000ull : 0;
	}
	pthread_mutex_unlock(&c->lock);
	for (unsigned int r = 0; r < RUNNERS; r++)
		any |= j->hand[r] != NULL;
	j->brain_ns = now_of(CLOCK_THREAD_CPUTIME_ID);
	if (any)
		pump(j);
	add_batch(j);
	stop_hands(j);
	pthread_mutex_lock(&c->lock);
	c->running--;
	c->ended_ns = campaign_now();
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int campaign_cpu(unsigned int n)
{
	cpu_set_t set;
	unsigned int count;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -1;
	count = (unsigned int)CPU_COUNT(&set);
	n %= count;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set) && n-- == 0)
			return cpu;
	return -1;
}

static struct job_thread *new_job(struct campaign *c, unsigned int nr)
{
	struct job_thread *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->kept = malloc(sizeof(*j->kept));
	j->c = c;
	j->nr = nr;
	j->cpu = c->o.pin ? campaign_cpu(nr) : -1;
	if (j->kept)
		return j;
	free(j);
	return NULL;
}

static void watch(struct campaign *c, uint64_t tick_ns, void (*tick)(struct campaign *c, void *arg), void *arg)
{
	pthread_mutex_lock(&c->lock);
	while (c->running > 0) {
		struct timespec until;
		uint64_t t = now_of(CLOCK_REALTIME) + tick_ns;

		until.tv_sec = (time_t)(t / 1000000000ull);
		until.tv_nsec = (long)(t % 1000000000ull);
		pthread_cond_timedwait(&c->changed, &c->lock, &until);
		pthread_mutex_unlock(&c->lock);
		tick(c, arg);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
}

enum campaign_end campaign_run(struct campaign *c, uint64_t tick_ns, void (*tick)(struct campaign *c, void *arg),
			       void *arg)
{
	struct job_thread *jobs[CAMPAIGN_MAX_JOBS] = { NULL };
	unsigned int nr = 0;
	int err = 0;

	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	pthread_mutex_lock(&c->lock);
	for (; nr < c->o.jobs; nr++) {
		jobs[nr] = new_job(c, nr);
		err = jobs[nr] ? pthread_create(&jobs[nr]->thread, NULL, job_main, jobs[nr]) : ENOMEM;
		if (err)
			break;
		c->starting++;
		c->running++;
	}
	pthread_mutex_unlock(&c->lock);
	if (err && nr < c->o.jobs && jobs[nr]) {
		free(jobs[nr]->kept);
		free(jobs[nr]);
	}
	c->o.jobs = nr; /* as many as the machine gave us */
	watch(c, tick_ns, tick, arg);
	for (unsigned int i = 0; i < nr; i++) {
		pthread_join(jobs[i]->thread, NULL);
		free(jobs[i]->kept);
		free(jobs[i]);
	}
	if (c->findings.error)
		return END_DISK;
	if (c->hand_failed || nr == 0)
		return END_HANDS;
	return c->stop ? END_STOPPED : END_DONE;
}
