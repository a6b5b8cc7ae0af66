#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/campaign.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/make.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/runners.h"

static const char help[] =
	"augur fuzz [--seconds N] [--streams N] [--jobs N] [--seed N] [--out DIR] [--on LIST] [--json] ...\n"
	"\n"
	"The differential campaign: makes streams from seeds, runs each on our engine under the simulated scheduler, on our\n"
	"engine on threads and on the running kernel, judges every record, and keeps what is forbidden or undecided. Ends by\n"
	"itself, or at SIGINT or SIGTERM, with a report: what ran, what was found, where it is stored, what repeats it.\n"
	"The exit status is 1 if something was found that is not in the ledger of known divergences.\n"
	"\n"
	"Fuzzing a running kernel as root can wedge the machine: use one you can lose.\n"
	"\n"
	"  --seconds N      ends after N seconds (default 60, or never when --streams is given)\n"
	"  --streams N      ends after N streams\n"
	"  --jobs N         so many sets of hands at once (default: one for each CPU)\n"
	"  --seed N         seed of the first stream; the next have N+1, ... (default: from the clock)\n"
	"  --out DIR        where findings and report.txt, report.json go (default: out/fuzz-1, out/fuzz-2, ...)\n"
	"  --on LIST        the runners, of sim, engine, kernel (default: all; a kernel that cannot be used is skipped)\n"
	"  --scratch LIST   kernel: directories for scratch files, by turns for the jobs; \"-\" is the hand's own choice\n"
	"                   (default: -,/var/tmp, to see two file systems)\n"
	"  --luck N         real time: runs each stream whose results are not certain so often, each time with other luck\n"
	"                   (default: 2 on the kernel, 1 on the engine)\n"
	"  --feedback N     so many in 100 streams are variants of streams that showed something rare; 0: none (default 20;\n"
	"                   with --weights none, for variants do not keep to them)\n"
	"  --again N        runs a finding on real time so often again, to see how rare it is (default 200)\n"
	"  --fail-on WHAT   new (default): status 1 for what is not in the ledger. any: also for what is\n"
	"  --no-pin         does not pin each job to a CPU\n"
	"  --ledger DIR     known divergences; default: corpora/ledger of the workspace\n"
	"  --json           the report for machines on stdout\n" MAKE_HELP;

enum { LUCK_KERNEL = 2, FEEDBACK_PERCENT = 20 };

struct fuzz_options {
	const char *on, *out, *ledger, *scratch, *fail_on;
	uint64_t luck;
	bool seed_given, feedback_given, json, no_pin;
	char out_made[64];
	char scratch_copy[4096];
};

static struct campaign *running; /* what a signal stops */

static void on_signal(int sig)
{
	(void)sig;
	running->stop = 1;
}

/* The second signal of a kind ends us at once; the hands see that we are gone. */
static void catch_signals(struct campaign *c)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	running = c;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

struct progress {
	bool terminal;
	uint64_t last_ns; /* of the last line that stays */
};

static void tick(struct campaign *c, void *arg)
{
	struct progress *p = arg;
	uint64_t now = campaign_now();
	char line[256];

	if (!p->terminal && now - p->last_ns < 10ull * 1000000000)
		return;
	p->last_ns = now;
	report_progress(c, line, sizeof(line));
	fprintf(stderr, p->terminal ? "\r\033[K%s" : "%s\n", line);
}

static uint64_t usable_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint64_t)CPU_COUNT(&set) : 1;
}

/* The first out/fuzz-N that nobody has. */
static int make_out(struct fuzz_options *fo)
{
	int ret = files_mkdir("out");

	fo->out = "out";
	for (unsigned int n = 1; ret == 0 && n < 100000; n++) {
		snprintf(fo->out_made, sizeof(fo->out_made), "out/fuzz-%u", n);
		fo->out = fo->out_made;
		if (mkdir(fo->out_made, 0755) == 0)
			return 0;
		if (errno != EEXIST)
			ret = -errno;
	}
	return ret;
}

static bool split_scratch(struct campaign_options *o, struct fuzz_options *fo)
{
	char *at = fo->scratch_copy, *word;

	if (!fo->scratch) {
		o->scratch[0] = NULL;
		o->scratch[1] = "/var/tmp";
		o->nr_scratch = access("/var/tmp", W_OK) == 0 ? 2 : 1;
		return true;
	}
	snprintf(fo->scratch_copy, sizeof(fo->scratch_copy), "%s", fo->scratch);
	while ((word = strsep(&at, ","))) {
		if (o->nr_scratch == CAMPAIGN_MAX_SCRATCH || !*word)
			return false;
		if (strcmp(word, "-") != 0 && access(word, W_OK | X_OK) < 0)
			fprintf(stderr, "augur fuzz: --scratch %s: %s\n", word, strerror(errno));
		o->scratch[o->nr_scratch++] = strcmp(word, "-") == 0 ? NULL : word;
	}
	return true;
}

static enum exit_status check_options(struct campaign *c, struct fuzz_options *fo)
{
	enum exit_status status = STATUS_OK;
	const char *wrong = make_prepare(&c->o.make);

	if (wrong) {
		fprintf(stderr, "augur fuzz: %s\n", wrong);
		status = STATUS_USAGE;
	}
	c->o.runners = runners_parse(fo->on ? fo->on : "sim,engine,kernel");
	if (!c->o.runners) {
		fprintf(stderr, "augur fuzz: --on wants a list of sim, engine, kernel, not \"%s\"\n", fo->on);
		status = STATUS_USAGE;
	}
	if (strcmp(fo->fail_on, "new") != 0 && strcmp(fo->fail_on, "any") != 0) {
		fprintf(stderr, "augur fuzz: --fail-on wants new or any, not \"%s\"\n", fo->fail_on);
		status = STATUS_USAGE;
	}
	if (!split_scratch(&c->o, fo)) {
		fprintf(stderr, "augur fuzz: --scratch wants up to %d directories\n", CAMPAIGN_MAX_SCRATCH);
		status = STATUS_USAGE;
	}
	if (!c->o.seconds && !c->o.streams)
		c->o.seconds = 60;
	if (!c->o.jobs)
		c->o.jobs = usable_cpus();
	if (c->o.jobs > CAMPAIGN_MAX_JOBS)
		c->o.jobs = CAMPAIGN_MAX_JOBS;
	if (!fo->seed_given)
		c->o.seed = (uint64_t)time(NULL) * 1000000;
	c->o.pin = !fo->no_pin;
	c->o.luck[RUNNER_KERNEL] = fo->luck ? fo->luck : LUCK_KERNEL;
	c->o.luck[RUNNER_ENGINE] = fo->luck ? fo->luck : 1;
	if (!fo->feedback_given)
		c->o.feedback = c->o.make.weights ? 0 : FEEDBACK_PERCENT;
	return status;
}

/* The report goes to the screen and into the directory. */
static enum exit_status tell(struct campaign *c, enum campaign_end end, bool json)
{
	static const struct {
		const char *name;
		void (*make)(struct campaign *c, enum campaign_end end, FILE *out);
	} forms[] = { { "report.txt", report_text }, { "report.json", report_json }, { "cells.txt", report_cells } };
	enum exit_status status = STATUS_OK;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);
		int ret;

		if (!out)
			return STATUS_ENVIRONMENT;
		forms[i].make(c, end, out);
		if (fclose(out) != 0)
			return STATUS_ENVIRONMENT;
		ret = files_write(c->findings.dir, forms[i].name, text, len);
		if (ret < 0) {
			fprintf(stderr, "augur fuzz: write %s/%s: %s\n", c->findings.dir, forms[i].name,
				strerror(-ret));
			status = STATUS_ENVIRONMENT;
		}
		if (i == json)
			fwrite(text, 1, len, stdout);
		free(text);
	}
	return status;
}

static enum exit_status status_of(const struct campaign *c, enum campaign_end end, const struct fuzz_options *fo)
{
	enum exit_status status = STATUS_OK;

	if (report_count(c, DIVERGENCE_NEW) || c->findings.lost)
		status = STATUS_FORBIDDEN;
	if (strcmp(fo->fail_on, "any") == 0 && report_count(c, DIVERGENCE_KNOWN))
		status = STATUS_FORBIDDEN;
	if (end == END_DISK || end == END_HANDS)
		status = status_worse(status, STATUS_ENVIRONMENT);
	/* A kernel that nobody asked for by name may be missing; but something must have run. */
	if (c->skipped == c->o.runners || (c->skipped && fo->on))
		status = status_worse(status, STATUS_SKIPPED);
	return status;
}

static enum exit_status run_campaign(struct campaign *c, struct fuzz_options *fo)
{
	struct progress p = { .terminal = isatty(STDERR_FILENO), .last_ns = campaign_now() };
	enum exit_status status;
	enum campaign_end end;
	int ret = fo->out ? 0 : make_out(fo);

	if (ret == 0)
		ret = findings_open(&c->findings, fo->out);
	if (ret < 0) {
		fprintf(stderr, "augur fuzz: --out %s cannot be written: %s\n", fo->out, strerror(-ret));
		return STATUS_ENVIRONMENT;
	}
	fprintf(stderr, "augur fuzz: seed %" PRIu64 ", %" PRIu64 " jobs, findings go to %s\n", c->o.seed, c->o.jobs,
		fo->out);
	if (feedback_open(&c->feedback) < 0) {
		fprintf(stderr, "augur fuzz: malloc: %s\n", strerror(ENOMEM));
		return STATUS_ENVIRONMENT;
	}
	catch_signals(c);
	end = campaign_run(c, p.terminal ? 250000000ull : 1000000000ull, tick, &p);
	if (p.terminal)
		fputs("\r\033[K", stderr);
	status = tell(c, end, fo->json);
	status = status_worse(status, status_of(c, end, fo));
	findings_close(&c->findings);
	feedback_close(&c->feedback);
	return status;
}

static enum exit_status fuzz_main(int argc, char **argv)
{
	static struct campaign c = { .o = { .again = 200 } };
	static struct fuzz_options fo = { .fail_on = "new" };
	const struct option_row rows[] = {
		{ "seconds", OPTION_NUMBER, &c.o.seconds, 1, 1000000000, NULL },
		{ "streams", OPTION_NUMBER, &c.o.streams, 1, 0, NULL },
		{ "jobs", OPTION_NUMBER, &c.o.jobs, 1, CAMPAIGN_MAX_JOBS, NULL },
		{ "seed", OPTION_NUMBER, &c.o.seed, 0, 0, &fo.seed_given },
		{ "out", OPTION_STRING, &fo.out, 0, 0, NULL },
		{ "on", OPTION_STRING, &fo.on, 0, 0, NULL },
		{ "scratch", OPTION_STRING, &fo.scratch, 0, 0, NULL },
		{ "luck", OPTION_NUMBER, &fo.luck, 1, 1000, NULL },
		{ "feedback", OPTION_NUMBER, &c.o.feedback, 0, 100, &fo.feedback_given },
		{ "again", OPTION_NUMBER, &c.o.again, 0, 1000000, NULL },
		{ "fail-on", OPTION_STRING, &fo.fail_on, 0, 0, NULL },
		{ "no-pin", OPTION_FLAG, &fo.no_pin, 0, 0, NULL },
		{ "ledger", OPTION_STRING, &fo.ledger, 0, 0, NULL },
		{ "json", OPTION_FLAG, &fo.json, 0, 0, NULL },
		{ "size", OPTION_NUMBER, &c.o.make.size, 1, STREAM_MAX_REQS, NULL },
		{ "weights", OPTION_STRING, &c.o.make.weights, 0, 0, NULL },
	};
	int nr, go = options_parse(&command_fuzz, argc, argv, rows, OPTIONS_COUNT(rows), 0, 0, &nr);
	struct ledger *ledger = NULL;
	enum exit_status status;

	if (go != OPTIONS_GO_ON)
		return go;
	status = check_options(&c, &fo);
	status = status_worse(status, files_ledger(fo.ledger, &ledger));
	c.ledger = ledger;
	if (status == STATUS_OK)
		status = run_campaign(&c, &fo);
	ledger_free(ledger);
	return status;
}

const struct command command_fuzz = { "fuzz", "runs random streams on all runners until it is told to end", help,
				      fuzz_main };
