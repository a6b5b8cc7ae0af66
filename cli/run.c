#include <errno.h>
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
	"augur run FILE... [--on RUNNER] [--seed N] [--schedule S] [--times N] [--json] [--record FILE]\n"
	"\n"
	"Runs streams, prints what was seen and judges it: by the rules of io_uring, and by the expectations that stand in\n"
	"the stream. One FILE is shown in full; of several, those that are in order take one line each.\n"
	"All mistakes in all files are reported before anything runs; then nothing runs.\n"
	"\n"
	"  --on RUNNER      sim (default): our engine on the simulated scheduler. engine: our engine on threads.\n"
	"                   kernel: the running kernel\n"
	"  --seed N         sim: seed of the schedule (default 1). Elsewhere: seeds luck: small delays, tasks bound to\n"
	"                   CPUs, the order of independent steps; 0, the default there, is none\n"
	"  --schedule S     sim: walk:N, replay:HEX (one byte for each decision) or @FILE, which holds one of these;\n"
	"                   wins over the stream's own schedule line\n"
	"  --times N        so many runs, with seed N, N+1, ...; shows the first that is not in order\n"
	"  --trace          sim: also shows where each request got to (the tracepoints of the engine), and who made io-wq's\n"
	"                   workers, and judges by that\n"
	"  --dump           sim: also writes what io-wq looks like after each step to stderr: accounts, pending work, workers\n"
	"  --json           the same for machines\n"
	"  --record FILE    keeps the record that is shown, as `augur judge` reads it\n"
	"  --ledger DIR     known divergences; default: corpora/ledger of the workspace\n"
	"  --scratch DIR    kernel: where the scratch files are made\n";

struct run_options {
	const char *on, *schedule, *record, *ledger, *scratch;
	uint64_t seed, times;
	bool seed_given, json, trace, dump;
};

/* What one command line needs while it runs. */
struct run {
	struct run_options o;
	enum rec_runner runner;
	struct stream_files files;
	struct ledger *ledger;
	struct hand *hand;
	struct json json;
	struct record *shown; /* the record of the run that is shown */
	char again[256]; /* the line to paste, of the first that failed */
};

/* The runs of one stream. */
struct runs {
	uint64_t nr, bad;
	uint64_t seed; /* of the run that is shown */
	enum exit_status status;
	struct outcome outcome; /* likewise */
};

static void note_again(struct run *r, const struct stream_file *f, uint64_t seed)
{
	char how[192];

	if (*r->again)
		return;
	if (r->runner != RUNNER_SIM)
		snprintf(how, sizeof(how), "--seed %" PRIu64 " --times 200", seed);
	else if (r->o.schedule)
		snprintf(how, sizeof(how), "--schedule %.160s", r->o.schedule);
	else if (f->stream.schedule.kind)
		how[0] = '\0';
	else
		snprintf(how, sizeof(how), "--schedule walk:%" PRIu64, seed);
	snprintf(r->again, sizeof(r->again), "%s run %s --on %s%s%s", command_self(), f->path, runner_names[r->runner],
		 *how ? " " : "", how);
}

static void copy_record(struct record *to, const struct record *from)
{
	memcpy(to, from, offsetof(struct record, ev));
	if (to->nr > RECORD_MAX_EVENTS)
		to->nr = RECORD_MAX_EVENTS;
	memcpy(to->ev, from->ev, to->nr * sizeof(from->ev[0]));
}

/* Runs one stream as often as asked for; the first run that is not in order is kept, else the last one. */
static enum exit_status run_stream(struct run *r, const struct stream_file *f, struct runs *out)
{
	static struct outcome o;

	*out = (struct runs){ .status = STATUS_OK };
	for (uint64_t i = 0; i < r->o.times; i++) {
		struct job_options jo = { .seed = r->o.seed + i, .trace = r->o.trace, .dump = r->o.dump };
		struct job *job = runner_once(r->hand, &f->stream, &jo);
		enum exit_status status;

		if (!job)
			return STATUS_ENVIRONMENT;
		outcome_of(&f->stream, &job->record, r->ledger, true, &o);
		status = outcome_status(&o);
		out->nr++;
		out->bad += status != STATUS_OK;
		if (out->status != STATUS_OK)
			continue;
		out->status = status;
		out->outcome = o;
		out->seed = jo.seed;
		copy_record(r->shown, &job->record);
	}
	if (out->status != STATUS_OK)
		note_again(r, f, out->seed);
	return out->status;
}

static void print_text(struct run *r, const struct stream_file *f, const struct runs *runs)
{
	if (r->files.nr > 1 && runs->status == STATUS_OK) {
		printf("%s: %s\n", f->path, outcome_word(&runs->outcome));
		return;
	}
	printf("%s on %s, seed %" PRIu64 "\n", f->path, runner_names[r->runner], runs->seed);
	record_show(stdout, &f->stream, r->shown);
	outcome_print(&runs->outcome, &f->stream, r->shown, f, stdout);
	if (runs->nr > 1)
		printf("%" PRIu64 " runs, %" PRIu64 " not in order\n", runs->nr, runs->bad);
}

static void print_json(struct run *r, const struct stream_file *f, const struct runs *runs)
{
	struct json *j = &r->json;

	json_open(j, NULL, '{');
	json_string(j, "file", f->path);
	json_string(j, "runner", runner_names[r->runner]);
	json_u64(j, "seed", runs->seed);
	json_u64(j, "runs", runs->nr);
	json_u64(j, "not_in_order", runs->bad);
	outcome_json(&runs->outcome, &f->stream, r->shown, f, j);
	record_json(&f->stream, r->shown, j);
	json_close(j, '}');
	json_line(j);
}

static enum exit_status keep_record(const struct run *r, const struct stream *s)
{
	FILE *out = fopen(r->o.record, "w");
	int err;

	if (!out) {
		fprintf(stderr, "augur run: open %s: %s\n", r->o.record, strerror(errno));
		return STATUS_ENVIRONMENT;
	}
	record_store(out, s, r->shown);
	err = ferror(out) ? EIO : 0;
	if (fclose(out) != 0)
		err = errno;
	if (err)
		fprintf(stderr, "augur run: write %s: %s\n", r->o.record, strerror(err));
	return err ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum exit_status run_all(struct run *r)
{
	static struct runs runs;
	enum exit_status status = STATUS_OK;

	r->json.out = stdout;
	if (r->o.json)
		json_open(&r->json, NULL, '[');
	for (unsigned int i = 0; i < r->files.nr; i++) {
		struct stream_file *f = &r->files.file[i];

		status = status_worse(status, run_stream(r, f, &runs));
		if (runs.nr < r->o.times)
			break;
		if (r->o.json)
			print_json(r, f, &runs);
		else
			print_text(r, f, &runs);
		if (r->o.record)
			status = status_worse(status, keep_record(r, &f->stream));
	}
	if (r->o.json) {
		json_close(&r->json, ']');
		json_line(&r->json);
	}
	return status;
}

/* Reads everything a run needs, and says everything that is wrong with it. */
static enum exit_status prepare(struct run *r, char **paths, int nr)
{
	enum exit_status status = STATUS_OK;
	uint32_t mask = runners_parse(r->o.on);
	const char *wrong;

	if (!mask || mask & (mask - 1)) {
		fprintf(stderr, "augur run: --on wants sim, engine or kernel, not \"%s\"\n", r->o.on);
		status = STATUS_USAGE;
	}
	r->runner = mask ? (enum rec_runner)__builtin_ctz(mask) : RUNNER_SIM;
	if (r->o.record && nr > 1) {
		fprintf(stderr, "augur run: --record keeps one record, but %d files are named\n", nr);
		status = STATUS_USAGE;
	}
	if ((r->o.trace || r->o.dump) && r->runner != RUNNER_SIM) {
		fprintf(stderr, "augur run: --%s is for sim\n", r->o.trace ? "trace" : "dump");
		status = STATUS_USAGE;
	}
	if (!r->o.seed_given)
		r->o.seed = r->runner == RUNNER_SIM;
	status = status_worse(status, files_load(paths, nr, &r->files));
	for (unsigned int i = 0; r->o.schedule && i < r->files.nr; i++) {
		wrong = schedule_apply(r->o.schedule, &r->files.file[i].stream);
		if (wrong) {
			fprintf(stderr, "augur run: %s\n", wrong);
			status = STATUS_USAGE;
			break;
		}
	}
	return status_worse(status, files_ledger(r->o.ledger, &r->ledger));
}

static enum exit_status run_main(int argc, char **argv)
{
	struct run r = { .o = { .on = "sim", .times = 1 } };
	const struct option_row rows[] = {
		{ "on", OPTION_STRING, &r.o.on, 0, 0, NULL },
		{ "seed", OPTION_NUMBER, &r.o.seed, 0, 0, &r.o.seed_given },
		{ "schedule", OPTION_STRING, &r.o.schedule, 0, 0, NULL },
		{ "times", OPTION_NUMBER, &r.o.times, 1, 1000000000, NULL },
		{ "trace", OPTION_FLAG, &r.o.trace, 0, 0, NULL },
		{ "dump", OPTION_FLAG, &r.o.dump, 0, 0, NULL },
		{ "json", OPTION_FLAG, &r.o.json, 0, 0, NULL },
		{ "record", OPTION_STRING, &r.o.record, 0, 0, NULL },
		{ "ledger", OPTION_STRING, &r.o.ledger, 0, 0, NULL },
		{ "scratch", OPTION_STRING, &r.o.scratch, 0, 0, NULL },
	};
	const char *why;
	int nr, go = options_parse(&command_run, argc, argv, rows, OPTIONS_COUNT(rows), 1, argc, &nr);
	enum exit_status status;

	if (go != OPTIONS_GO_ON)
		return go;
	status = prepare(&r, argv + 1, nr);
	if (status == STATUS_OK)
		status = runner_start(&r.hand, r.runner, r.o.scratch, -1, &why);
	else
		why = NULL;
	if (r.hand) {
		r.shown = calloc(1, sizeof(*r.shown));
		status = r.shown ? run_all(&r) : STATUS_ENVIRONMENT;
		hand_stop(r.hand);
	} else if (why) {
		fprintf(stderr, "augur run: %s\n", why);
	}
	files_free(&r.files);
	ledger_free(r.ledger);
	free(r.shown);
	if (*r.again) {
		fflush(stdout);
		fprintf(r.o.json ? stderr : stdout, "%s\n", r.again);
	}
	return status;
}

const struct command command_run = { "run", "runs streams, prints what was seen and judges it", help, run_main };
