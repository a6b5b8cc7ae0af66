#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bank.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/options.h"

static const char help[] =
	"augur bank [--only ID] [--trials N] [--streams N] [--seconds N] [--seed N] [--patch FILE] [--out DIR]\n"
	"\n"
	"How good is the judge? Builds our engine with one planted bug at a time (fuzz/bank/ID-NAME.patch) and runs random\n"
	"streams on it, on the simulated scheduler, until the judge objects. Prints for each bug how often its line was reached\n"
	"and its fault triggered, in how many trials it was detected, by which rule, and after how many schedules and CPU\n"
	"seconds (medians; > marks one that is longer than its trial, which ended without). The first finding of each bug is\n"
	"kept, and the line below it shows it again. Needs gcc, patch and the libraries: bazel build //fuzz/bank:parts.\n"
	"A patch may name a unit test of the engine that its bug turns red, and that is green without it; that test is run as\n"
	"well, for no stream shows everything, and counted apart: what it finds is not found by the campaign.\n"
	"What is in DIR/results.txt is not run again; that file takes results of one generator and the same limits only.\n"
	"The exit status is 1 if a neutral mutant raised an alarm or a named test stayed green, 2 if a patch does not apply: it\n"
	"is named with its hunk.\n"
	"\n"
	"  --only ID        this bug alone\n"
	"  --patch FILE     this patch instead of those of the bank\n"
	"  --trials N       each bug so often, with other seeds (default 3)\n"
	"  --streams N      a trial ends after so many streams (default 20000)\n"
	"  --seconds N      or after so many seconds (default 60)\n"
	"  --seed N         seed of the first stream of the first trial (default 1)\n"
	"  --out DIR        results.txt, built hands and findings (default: out/bank)\n" MAKE_HELP;

volatile int bank_stop;

static void on_signal(int sig)
{
	(void)sig;
	bank_stop = 1;
}

/* ---- the patches ---- */

/* Takes id, neutral and test from the header. */
static bool add_bug(struct bank *b, const char *path)
{
	char line[1024];
	FILE *f = fopen(path, "re");
	struct bug *bug = &b->bugs[b->nr];

	if (!f || b->nr == BANK_MAX_BUGS) {
		fprintf(stderr, "augur bank: %s: %s\n", path, f ? "too many patches" : strerror(errno));
		if (f)
			fclose(f);
		return false;
	}
	memset(bug, 0, sizeof(*bug));
	snprintf(bug->patch, sizeof(bug->patch), "%s", path);
	while (fgets(line, sizeof(line), f) && strncmp(line, "--- ", 4) != 0) {
		sscanf(line, "id: %23s", bug->id);
		sscanf(line, "test: %95s %95s", bug->program, bug->test);
		bug->neutral |= strncmp(line, "neutral: yes", 12) == 0;
	}
	fclose(f);
	if (!*bug->id || !*bug->program != !*bug->test) {
		fprintf(stderr, "augur bank: %s: the header has no %s\n", path,
			*bug->id ? "`test: PROGRAM NAME`" : "id");
		return false;
	}
	if (!b->only || strcmp(b->only, bug->id) == 0)
		b->nr++;
	return true;
}

static int is_patch(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return len > 6 && strcmp(e->d_name + len - 6, ".patch") == 0;
}

static enum exit_status find_bugs(struct bank *b)
{
	struct dirent **names;
	char dir[PATH_MAX], path[PATH_MAX + 256];
	bool ok = true;
	int n;

	if (b->patch)
		return add_bug(b, b->patch) ? STATUS_OK : STATUS_USAGE;
	snprintf(dir, sizeof(dir), "%s/fuzz/bank", bank_root());
	n = scandir(dir, &names, is_patch, alphasort);
	if (n < 0) {
		fprintf(stderr, "augur bank: scandir %s: %s\n", dir, strerror(errno));
		return STATUS_ENVIRONMENT;
	}
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		ok &= add_bug(b, path);
		free(names[i]);
	}
	free(names);
	if (ok && b->nr == 0)
		fprintf(stderr, "augur bank: no patch has the id %s\n", b->only ? b->only : "");
	return ok && b->nr ? STATUS_OK : STATUS_USAGE;
}

/* ---- the command ---- */

/* Forbidden: a neutral mutant alarms, or a bug leaves the test green that its header names. */
static enum exit_status run_bug(struct bank *b, struct bug *bug)
{
	enum exit_status status = bank_trials(b, bug);

	if (!bank_stop)
		status = status_worse(status, bank_test(b, bug));
	if (bug->tested == TEST_GREEN || (bug->neutral && bank_found(b, bug)))
		status = status_worse(status, STATUS_FORBIDDEN);
	return status;
}

static enum exit_status run_bank(struct bank *b)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
	enum exit_status status = STATUS_OK;
	char path[PATH_MAX];
	int ret = files_mkdir(b->out);

	snprintf(path, sizeof(path), "%s/results.txt", b->out);
	if (ret < 0) {
		fprintf(stderr, "augur bank: %s: %s\n", b->out, strerror(-ret));
		return STATUS_ENVIRONMENT;
	}
	status = bank_results_open(b, path);
	if (status != STATUS_OK) {
		if (b->results)
			fclose(b->results);
		return status;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	bank_print_head();
	for (unsigned int i = 0; i < b->nr && !bank_stop; i++) {
		struct bug *bug = &b->bugs[i];

		status = status_worse(status, run_bug(b, bug));
		bank_print_bug(b, bug);
	}
	bank_print_sum(b);
	if (bank_stop)
		fprintf(stderr, "augur bank: stopped; the same line goes on with what is missing\n");
	fclose(b->results);
	return status;
}

static enum exit_status bank(int argc, char **argv)
{
	struct bank *b = calloc(1, sizeof(*b));
	const struct option_row rows[] = {
		{ "only", OPTION_STRING, &b->only, 0, 0, NULL },
		{ "patch", OPTION_STRING, &b->patch, 0, 0, NULL },
		{ "trials", OPTION_NUMBER, &b->trials, 1, BANK_MAX_TRIALS, NULL },
		{ "streams", OPTION_NUMBER, &b->streams, 1, BANK_TRIAL_SEEDS, NULL },
		{ "seconds", OPTION_NUMBER, &b->seconds, 1, 1000000, NULL },
		{ "seed", OPTION_NUMBER, &b->seed, 0, 0, NULL },
		{ "out", OPTION_STRING, &b->out, 0, 0, NULL },
		{ "size", OPTION_NUMBER, &b->make.size, 1, STREAM_MAX_REQS, NULL },
		{ "weights", OPTION_STRING, &b->make.weights, 0, 0, NULL },
	};
	enum exit_status status;
	const char *wrong;
	int nr, ret;

	b->bugs = calloc(BANK_MAX_BUGS + 1, sizeof(*b->bugs));
	b->trials = 3;
	b->streams = 20000;
	b->seconds = 60;
	b->seed = 1;
	b->out = "out/bank";
	ret = options_parse(&command_bank, argc, argv, rows, OPTIONS_COUNT(rows), 0, 0, &nr);
	status = (enum exit_status)ret;
	if (ret == OPTIONS_GO_ON) {
		wrong = make_prepare(&b->make);
		if (wrong)
			fprintf(stderr, "augur bank: %s\n", wrong);
		status = wrong ? STATUS_USAGE : find_bugs(b);
		if (status == STATUS_OK)
			status = run_bank(b);
	}
	free(b->bugs);
	free(b);
	return status;
}

const struct command command_bank = {
	"bank",
	"measures the judge by the bugs planted in our engine",
	help,
	bank,
};
