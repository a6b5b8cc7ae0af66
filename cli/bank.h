/* The bank: bugs planted in our engine, one patch each, and what becomes of the engine that has one of them. */
#ifndef CLI_BANK_H
#define CLI_BANK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/exit.h"
#include "cli/findings.h"
#include "cli/make.h"
#include "cli/outcome.h"

enum { BANK_MAX_BUGS = 256, BANK_MAX_TRIALS = 64, BANK_ID = 24, BANK_TEST = 96 };
#define BANK_TRIAL_SEEDS 1000000000ull

/* One run of the campaign. */
struct trial {
	bool done, detected;
	uint64_t streams, cpu_ns, reached, triggered;
	char rule[FINDING_ID];
	/* what is kept of it: a directory, and the schedule; empty: nothing, an earlier one is as good */
	char where[FINDING_ID];
	uint64_t walk;
};

/* The named test, on the engine with the bug. On the one without it is green, or nothing is known. */
enum test_result { TEST_NOT_RUN, TEST_GREEN, TEST_RED };

struct bug {
	char id[BANK_ID], patch[PATH_MAX];
	bool neutral;
	char program[BANK_TEST], test[BANK_TEST]; /* the test that its header names; empty: none */
	enum test_result tested;
	struct trial trial[BANK_MAX_TRIALS];
};

struct bank {
	const char *only, *patch, *out;
	uint64_t trials, streams, seconds, seed;
	struct make_options make;
	char how[256]; /* the first line of results.txt */
	unsigned int nr;
	struct bug *bugs;
	FILE *results;
	uint64_t *canary; /* of the hand that runs: reached, triggered */
	struct outcome outcome;
};

/* Set by the first Ctrl-C. */
extern volatile int bank_stop;

/* ---- bank_build.c ---- */

/* Builds that program of fuzz/bank/BUILD as `out`, with a patch or with "none". STATUS_USAGE: the patch does not apply. */
enum exit_status bank_build(const char *patch, const char *out, const char *program);
/* Where the patches and the sources are. */
const char *bank_root(void);
/* Runs the test that the bug's header names, if it names one and was not run yet: on the engine as it is, where it has to be
 * green, and on the one with the bug. The result is kept. */
enum exit_status bank_test(struct bank *b, struct bug *bug);

/* ---- bank_trial.c ---- */

/* All trials of a bug that are not done. */
enum exit_status bank_trials(struct bank *b, struct bug *bug);

/* ---- bank_results.c: results.txt ---- */

/* Takes what is there already, if it was made in the same way, and opens the file, to go on with. */
enum exit_status bank_results_open(struct bank *b, const char *path);
void bank_keep_trial(struct bank *b, const struct bug *bug, unsigned int n);
void bank_keep_test(struct bank *b, const struct bug *bug);

/* ---- bank_table.c ---- */

void bank_print_head(void);
void bank_print_bug(const struct bank *b, const struct bug *bug);
/* How many were detected, and how. */
void bank_print_sum(const struct bank *b);

static inline bool bank_found(const struct bank *b, const struct bug *bug)
{
	for (unsigned int n = 0; n < b->trials; n++)
		if (bug->trial[n].detected)
			return true;
	return false;
}

#endif
