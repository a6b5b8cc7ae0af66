/* The differential campaign: streams made from seeds run on several runners at once, every record is judged, what is
 * found is kept.
 *
 * A job is a thread of augur with one hand for each runner. Each hand has HAND_SLOTS slots; the job keeps two halves of
 * them: while it judges one half, the hands work on the other. Jobs share only the counter of streams, the findings, the
 * feedback and the totals. Nothing here grows with the length of the campaign.
 *
 * On real time a stream whose results are not certain may run several times, each with other luck. With one job and the
 * simulation alone, the seed makes the streams and the findings. */
#ifndef CLI_CAMPAIGN_H
#define CLI_CAMPAIGN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/coverage.h"
#include "cli/feedback.h"
#include "cli/findings.h"
#include "cli/make.h"
#include "oracle/ledger.h"
#include "runner/hand.h"

enum { CAMPAIGN_MAX_JOBS = 256, CAMPAIGN_MAX_SCRATCH = 4, CAMPAIGN_MAX_FS = 4 };

struct campaign_options {
	uint64_t seed; /* of the first stream; each has its own, one more */
	uint64_t seconds, streams; /* the end, by whichever comes first; 0: not by this */
	uint64_t jobs;
	uint64_t luck[RUNNERS]; /* real time: so many runs of each stream that is not certain; 0: one */
	uint64_t feedback; /* so many in 100 streams are variants of those that showed something rare */
	uint64_t again; /* how often a finding on real time is run again, to see how rare it is */
	struct make_options make;
	const struct stream *fixed; /* always this one, instead of those that seeds make (the benchmark) */
	const char *
		scratch[CAMPAIGN_MAX_SCRATCH]; /* kernel: directories, by turns for the jobs; NULL: the hand's choice */
	unsigned int nr_scratch;
	uint32_t runners; /* mask of enum rec_runner */
	bool pin; /* each job and its hands to one CPU */
};

/* What has been done, by runner. */
struct leg_totals {
	uint64_t streams, runs; /* a stream may run several times: the rest counts runs */
	uint64_t verdict[3]; /* enum verdict_kind; FORBIDDEN also when all of it is known */
	uint64_t known; /* of the forbidden: nothing new */
	uint64_t unjudged;
	uint64_t died; /* hands that died of a stream */
	uint64_t cpu_ns;
	uint64_t restarts;
	char release[32];
	struct {
		char name[8];
		uint64_t streams;
	} fs[CAMPAIGN_MAX_FS];
};

struct totals {
	uint64_t streams; /* judged on all runners there are */
	uint64_t variants; /* of these, made of an earlier one */
	uint64_t brain_ns; /* CPU time of the jobs' own threads */
	struct leg_totals leg[RUNNERS];
	struct coverage coverage[RUNNERS];
};

enum campaign_end { END_DONE, END_STOPPED, END_DISK, END_HANDS };

struct campaign {
	struct campaign_options o;
	const struct ledger *ledger;
	struct findings findings;
	struct feedback feedback; /* for the report; open while the campaign runs and after */
	volatile int stop; /* a signal, a full disk, a hand that is gone */
	pthread_mutex_t lock; /* of what follows */
	struct totals totals;
	uint32_t skipped; /* runners that cannot be used here */
	char why[RUNNERS][256]; /* what is to be said of them, or of a hand that failed */
	bool hand_failed;
	unsigned int starting; /* jobs whose hands are not started yet */
	unsigned int running; /* jobs that have not ended */
	pthread_cond_t changed;
	_Atomic uint64_t next; /* streams handed out */
	uint64_t started_ns, deadline_ns; /* CLOCK_MONOTONIC; deadline 0: none */
	uint64_t ended_ns;
};

uint64_t campaign_now(void);

/* Starts the jobs, with findings and feedback open; calls tick(c, arg) about every `tick_ns`, and returns when all have ended. STATUS_OK when it could run
 * at all; the reasons are then in c. */
enum campaign_end campaign_run(struct campaign *c, uint64_t tick_ns, void (*tick)(struct campaign *c, void *arg),
			       void *arg);

/* The n-th CPU we may run on, again from the first when there are fewer: where job n is pinned. -1: unknown. */
int campaign_cpu(unsigned int n);

/* A copy that is consistent. */
void campaign_totals(struct campaign *c, struct totals *out);

#endif
