#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/files.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/outcome.h"
#include "cli/records.h"
#include "cli/runners.h"

static const char help[] =
	"augur diff FILE... [--times N] [--seed N] [--on LIST] [--json]\n"
	"\n"
	"Runs each stream on our engine under the simulated scheduler, on our engine on threads, and on the running kernel;\n"
	"judges every run; and says where the results of requests differ. Different results are no fault when the rules allow\n"
	"both; what a rule forbids, an expectation that is not met or a run that nothing can be said of makes the exit\n"
	"status 1. Without a usable kernel the kernel's part is skipped, said so, and the exit status is 77.\n"
	"\n"
	"  --times N        runs on each runner (default 5), with seed N, N+1, ... (default 1)\n"
	"  --on LIST        the runners, of sim, engine, kernel; default: all three\n"
	"  --json           the same for machines\n"
	"  --ledger DIR     known divergences; default: corpora/ledger of the workspace\n"
	"  --scratch DIR    kernel: where the scratch files are made\n";

enum { SET_MAX = 8, NO_CQE = -100000 };

/* The results a request had in the runs of one runner. */
struct results {
	unsigned int nr;
	int64_t value[SET_MAX];
};

struct leg {
	struct hand *hand;
	bool skipped;
	uint64_t runs;
	uint64_t words[2]; /* in order, not in order */
	uint64_t seed; /* of the run that is kept */
	enum exit_status status;
	struct outcome outcome; /* of the first run that is not in order, else of the last */
	struct record record; /* likewise */
	struct results results[STREAM_MAX_REQS];
};

struct diff {
	const char *on, *ledger_dir, *scratch;
	uint64_t times, seed;
	bool json;
	struct stream_files files;
	struct ledger *ledger;
	struct leg *legs; /* RUNNERS of them */
	struct json out;
	char again[256];
};

static void results_add(struct results *r, int64_t value)
{
	unsigned int i = 0;

	while (i < r->nr && r->value[i] < value)
		i++;
	if (r->nr == SET_MAX || (i < r->nr && r->value[i] == value))
		return;
	memmove(&r->value[i + 1], &r->value[i], (r->nr - i) * sizeof(r->value[0]));
	r->value[i] = value;
	r->nr++;
}

static bool results_equal(const struct results *a, const struct results *b)
{
	return a->nr == b->nr && memcmp(a->value, b->value, a->nr * sizeof(a->value[0])) == 0;
}

static void results_text(const struct results *r, char *buf, size_t size)
{
	size_t at = 0;
	char one[24];

	buf[0] = '\0';
	for (unsigned int i = 0; i < r->nr && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? " | " : "",
				       r->value[i] == NO_CQE ? "none" : result_name(r->value[i], one));
}

static void collect(struct leg *leg, const struct stream *s, const struct record *rec)
{
	bool seen[STREAM_MAX_REQS] = { false };

	for (unsigned int i = 0; i < rec->nr && i < RECORD_MAX_EVENTS; i++) {
		const struct rec_event *ev = &rec->ev[i];

		if (ev->kind != REC_CQE || ev->req >= s->nr_reqs)
			continue;
		seen[ev->req] = true;
		results_add(&leg->results[ev->req], ev->res);
	}
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (!seen[i])
			results_add(&leg->results[i], NO_CQE);
}

static enum exit_status run_leg(struct diff *d, enum rec_runner runner, const struct stream_file *f)
{
	static struct outcome o;
	struct leg *leg = &d->legs[runner];

	leg->runs = leg->words[0] = leg->words[1] = 0;
	leg->status = STATUS_OK;
	memset(leg->results, 0, sizeof(leg->results));
	for (uint64_t i = 0; i < d->times; i++) {
		/* Elsewhere than on sim seed 0 is the run without delays: every leg begins with the plain one. */
		struct job_options jo = { .seed = d->seed + i - (runner != RUNNER_SIM && d->seed > 0) };
		struct job *job = runner_once(leg->hand, &f->stream, &jo);
		enum exit_status status;

		if (!job)
			return STATUS_ENVIRONMENT;
		outcome_of(&f->stream, &job->record, d->ledger, true, &o);
		status = outcome_status(&o);
		collect(leg, &f->stream, &job->record);
		leg->runs++;
		leg->words[status != STATUS_OK]++;
		if (leg->status != STATUS_OK)
			continue;
		leg->status = status;
		leg->outcome = o;
		leg->seed = jo.seed;
		leg->record = job->record;
	}
	return leg->status;
}

static bool used(const struct diff *d, unsigned int runner)
{
	return d->legs[runner].hand;
}

static bool differs(const struct diff *d, unsigned int req)
{
	const struct results *first = NULL;

	for (unsigned int i = 0; i < RUNNERS; i++) {
		if (!used(d, i))
			continue;
		if (first && !results_equal(first, &d->legs[i].results[req]))
			return true;
		first = &d->legs[i].results[req];
	}
	return false;
}

static unsigned int count_differing(const struct diff *d, const struct stream *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->nr_reqs; i++)
		n += differs(d, i);
	return n;
}

static void print_side_by_side(const struct diff *d, const struct stream *s)
{
	char text[SET_MAX * 28];

	printf("  results that differ, over %" PRIu64 " runs each (the rules may allow all of them):\n  %-18s",
	       d->times, "");
	for (unsigned int r = 0; r < RUNNERS; r++)
		if (used(d, r))
			printf(" %-28s", runner_names[r]);
	putchar('\n');
	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		if (!differs(d, i))
			continue;
		printf("  %-18s", s->reqs[i].name);
		for (unsigned int r = 0; r < RUNNERS; r++) {
			if (!used(d, r))
				continue;
			results_text(&d->legs[r].results[i], text, sizeof(text));
			printf(" %-28s", text);
		}
		putchar('\n');
	}
}

static void print_text(struct diff *d, const struct stream_file *f)
{
	const struct stream *s = &f->stream;
	unsigned int differing = count_differing(d, s);

	printf("%s:", f->path);
	for (unsigned int r = 0; r < RUNNERS; r++) {
		const struct leg *leg = &d->legs[r];

		if (leg->skipped)
			printf(" %s skipped;", runner_names[r]);
		else if (used(d, r) && leg->status != STATUS_OK)
			printf(" %s %s (%" PRIu64 " of %" PRIu64 " runs);", runner_names[r],
			       outcome_word(&leg->outcome), leg->words[1], leg->runs);
		else if (used(d, r))
			printf(" %s %s;", runner_names[r], outcome_word(&leg->outcome));
	}
	printf(" %u of %u results differ\n", differing, s->nr_reqs);
	if (differing && d->files.nr == 1)
		print_side_by_side(d, s);
	for (unsigned int r = 0; r < RUNNERS; r++) {
		const struct leg *leg = &d->legs[r];

		if (!used(d, r) || leg->status == STATUS_OK)
			continue;
		if (differing && d->files.nr > 1)
			print_side_by_side(d, s);
		printf("on %s, seed %" PRIu64 ":\n", runner_names[r], leg->seed);
		record_show(stdout, s, &leg->record);
		outcome_print(&leg->outcome, s, &leg->record, f, stdout);
	}
}

static void json_leg(struct diff *d, unsigned int r, const struct stream_file *f)
{
	const struct leg *leg = &d->legs[r];
	struct json *j = &d->out;
	char text[SET_MAX * 28];

	if (!used(d, r) && !leg->skipped)
		return;
	json_open(j, runner_names[r], '{');
	json_bool(j, "skipped", leg->skipped);
	if (used(d, r)) {
		json_u64(j, "runs", leg->runs);
		json_u64(j, "not_in_order", leg->words[1]);
		json_u64(j, "seed", leg->seed);
		outcome_json(&leg->outcome, &f->stream, &leg->record, f, j);
		json_open(j, "results", '{');
		for (unsigned int i = 0; i < f->stream.nr_reqs; i++) {
			results_text(&leg->results[i], text, sizeof(text));
			json_string(j, f->stream.reqs[i].name, text);
		}
		json_close(j, '}');
	}
	json_close(j, '}');
}

static void print_json(struct diff *d, const struct stream_file *f)
{
	struct json *j = &d->out;

	json_open(j, NULL, '{');
	json_string(j, "file", f->path);
	json_number(j, "differing", count_differing(d, &f->stream));
	for (unsigned int r = 0; r < RUNNERS; r++)
		json_leg(d, r, f);
	json_close(j, '}');
	json_line(j);
}

static enum exit_status diff_stream(struct diff *d, const struct stream_file *f)
{
	enum exit_status status = STATUS_OK, one;

	for (unsigned int r = 0; r < RUNNERS; r++) {
		if (!used(d, r))
			continue;
		one = run_leg(d, r, f);
		status = status_worse(status, one);
		if (one == STATUS_ENVIRONMENT)
			return status;
		if (one != STATUS_OK && !*d->again)
			snprintf(d->again, sizeof(d->again), "%s diff %s --times %" PRIu64 " --seed %" PRIu64,
				 command_self(), f->path, d->times, d->seed);
	}
	if (d->json)
		print_json(d, f);
	else
		print_text(d, f);
	return status;
}

/* Starts the hands of all runners in the mask. What is skipped is said. */
static enum exit_status start_legs(struct diff *d, uint32_t mask)
{
	enum exit_status status = STATUS_OK, one;
	const char *why;

	for (unsigned int r = 0; r < RUNNERS; r++) {
		if (!(mask & 1u << r))
			continue;
		one = runner_start(&d->legs[r].hand, r, d->scratch, -1, &why);
		if (one != STATUS_OK)
			fprintf(stderr, "augur diff: %s\n", why);
		d->legs[r].skipped = one == STATUS_SKIPPED;
		status = status_worse(status, one);
	}
	return status;
}

static enum exit_status diff_all(struct diff *d, uint32_t mask)
{
	enum exit_status status;

	d->legs = calloc(RUNNERS, sizeof(*d->legs));
	if (!d->legs) {
		fprintf(stderr, "augur diff: calloc: out of memory\n");
		return STATUS_ENVIRONMENT;
	}
	status = start_legs(d, mask);
	d->out.out = stdout;
	if (d->json)
		json_open(&d->out, NULL, '[');
	for (unsigned int i = 0; i < d->files.nr && status != STATUS_ENVIRONMENT; i++)
		status = status_worse(status, diff_stream(d, &d->files.file[i]));
	if (d->json) {
		json_close(&d->out, ']');
		json_line(&d->out);
	}
	for (unsigned int r = 0; r < RUNNERS; r++)
		if (used(d, r))
			hand_stop(d->legs[r].hand);
	free(d->legs);
	return status;
}

static enum exit_status diff_main(int argc, char **argv)
{
	struct diff d = { .on = "sim,engine,kernel", .times = 5, .seed = 1 };
	const struct option_row rows[] = {
		{ "times", OPTION_NUMBER, &d.times, 1, 1000000, NULL },
		{ "seed", OPTION_NUMBER, &d.seed, 0, 0, NULL },
		{ "on", OPTION_STRING, &d.on, 0, 0, NULL },
		{ "json", OPTION_FLAG, &d.json, 0, 0, NULL },
		{ "ledger", OPTION_STRING, &d.ledger_dir, 0, 0, NULL },
		{ "scratch", OPTION_STRING, &d.scratch, 0, 0, NULL },
	};
	int nr, go = options_parse(&command_diff, argc, argv, rows, OPTIONS_COUNT(rows), 1, argc, &nr);
	enum exit_status status = STATUS_OK;
	uint32_t mask;

	if (go != OPTIONS_GO_ON)
		return go;
	mask = runners_parse(d.on);
	if (!mask) {
		fprintf(stderr, "augur diff: --on wants a list of sim, engine, kernel, not \"%s\"\n", d.on);
		status = STATUS_USAGE;
	}
	status = status_worse(status, files_load(argv + 1, nr, &d.files));
	status = status_worse(status, files_ledger(d.ledger_dir, &d.ledger));
	if (status == STATUS_OK)
		status = diff_all(&d, mask);
	files_free(&d.files);
	ledger_free(d.ledger);
	if (*d.again) {
		fflush(stdout);
		fprintf(d.json ? stderr : stdout, "%s\n", d.again);
	}
	return status;
}

const struct command command_diff = { "diff", "runs streams on all runners, judges, says where they differ", help,
				      diff_main };
