#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/subject.h"
#include "core/base/text.h"
#include "oracle/explain.h"
#include "runner/record_text.h"
#include "stream/print.h"

static const char help[] =
	"augur explain FILE [--on RUNNER] [--times N] [--seed N] [--schedule S]\n"
	"\n"
	"Lays a record beside its stream: for each request when it was submitted, where in the CQ its completion stood, its\n"
	"result, and what the stream expects. Then, for each finding: the event where no way was left to allow what was seen,\n"
	"what was seen, what would have been allowed there and why, the rule with its source, and the entry of the ledger.\n"
	"Where nothing is forbidden: for each request one line that explains its result. FILE is a record, or a stream, which\n"
	"is run first.\n"
	"\n"
	"  --on RUNNER      sim (default), engine or kernel: where a stream is run\n"
	"  --times N        runs a stream so often at most, until something is forbidden or an expectation is not met\n"
	"                   (default: 1 on sim, 200 elsewhere)\n"
	"  --seed N         seed of the first run, as in `augur run`\n"
	"  --schedule S     sim: walk:N, replay:HEX or @FILE\n"
	"  --ledger DIR     known divergences; default: corpora/ledger of the workspace\n"
	"  --scratch DIR    kernel: where the scratch files are made\n";

enum { COL_WHEN = 56, COL_CQE = 68, COL_RESULT = 78, COL_EXPECT = 92, LINE = 1024, AROUND = 2 };

struct explain {
	const char *on, *ledger_dir, *scratch, *schedule;
	uint64_t times, seed;
	bool times_given, seed_given;
	struct subject subject;
	struct ledger *ledger;
	struct outcome outcome;
	uint64_t run_seed;
};

/* ---- a run ---- */

static bool look(void *ctx, struct job *job, const struct outcome *o, uint64_t seed)
{
	struct explain *e = ctx;
	char buf[FINDING_NAME];
	bool shows = shown_name(o, &job->stream, 0, buf);

	e->run_seed = seed;
	memcpy(&e->subject.record, &job->record, sizeof(e->subject.record));
	return shows;
}

static enum exit_status run_it(struct explain *e, enum rec_runner runner)
{
	struct repeat r = { .runner = runner, .ledger = e->ledger, .seed = e->seed, .look = look, .ctx = e };
	enum exit_status status;
	const char *why;
	int ret;

	status = runner_start(&r.hand, runner, e->scratch, -1, &why);
	if (status != STATUS_OK) {
		fprintf(stderr, "augur explain: %s\n", why);
		return status;
	}
	ret = repeat_run(&r, &e->subject.file.stream, e->times);
	hand_stop(r.hand);
	if (ret < 0) {
		fprintf(stderr, "augur explain: the stream was not run: %s: %s\n", strerror(-ret), r.why);
		return STATUS_ENVIRONMENT;
	}
	printf("%s on %s, seed %" PRIu64 ", run %" PRIu64 "\n", e->subject.file.path, runner_names[runner], e->run_seed,
	       r.runs);
	return STATUS_OK;
}

/* ---- the record beside the stream ---- */

static const struct rec_event *find(const struct record *rec, enum rec_kind kind, unsigned int step, unsigned int req)
{
	for (unsigned int i = 0; i < rec->nr; i++)
		if (rec->ev[i].kind == kind && (step == REC_NO_STEP || rec->ev[i].step == step) &&
		    (req == REC_NO_REQ || rec->ev[i].req == req))
			return &rec->ev[i];
	return NULL;
}

static void put_event(const struct stream *s, const struct rec_event *begin, const struct rec_event *end,
		      const struct expect *expect, struct text *t)
{
	if (begin) {
		text_pad(t, COL_WHEN);
		text_printf(t, " %.3f", (double)begin->stamp / 1000);
	}
	if (end && end->kind == REC_CQE) {
		text_pad(t, COL_CQE);
		text_printf(t, " %s[%" PRIu32 "]", s->rings[end->ring].name, end->head);
	}
	text_pad(t, COL_RESULT);
	text_putc(t, ' ');
	if (end)
		stream_print_result(end->res, t);
	else
		text_put(t, "none");
	text_pad(t, COL_EXPECT);
	text_putc(t, ' ');
	stream_print_expect(expect, t);
	if (end)
		text_printf(t, "  (%.3f)", (double)end->stamp / 1000);
	if (end && end->kind == REC_END && end->a)
		text_printf(t, "  limits were %u bounded, %u unbounded", (unsigned int)(end->a >> 32),
			    (unsigned int)end->a);
}

static void put_line(struct text *t)
{
	puts(t->buf);
	t->len = 0;
	t->buf[0] = '\0';
	t->cut = false;
}

static void put_beside(const struct stream *s, const struct record *rec)
{
	char buf[LINE];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_put(&t, "step, request");
	text_pad(&t, COL_WHEN);
	text_put(&t, " at us");
	text_pad(&t, COL_CQE);
	text_put(&t, " place");
	text_pad(&t, COL_RESULT);
	text_put(&t, " result");
	text_pad(&t, COL_EXPECT);
	text_put(&t, " expected  (seen at us)");
	put_line(&t);
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		const struct step *st = &s->steps[i];
		const struct rec_event *begin = find(rec, REC_BEGIN, i, REC_NO_REQ);

		text_printf(&t, "%u ", i + 1);
		stream_print_step(s, i, &t);
		put_event(s, begin, find(rec, REC_END, i, REC_NO_REQ), &st->expect, &t);
		put_line(&t);
		for (unsigned int r = st->first_req; r < (unsigned int)st->first_req + st->nr_reqs; r++) {
			text_put(&t, "    ");
			stream_print_req(s, r, &t);
			put_event(s, begin, find(rec, REC_CQE, REC_NO_STEP, r), &s->reqs[r].expect, &t);
			put_line(&t);
		}
	}
}

/* ---- findings ---- */

/* The event and those around it. */
static void put_around(const struct stream *s, const struct record *rec, uint32_t event)
{
	uint32_t from = event > AROUND ? event - AROUND : 0;
	char buf[LINE];
	struct text t;

	for (uint32_t i = from; i < rec->nr && i <= event + AROUND; i++) {
		text_init(&t, buf, sizeof(buf));
		record_line(rec, i, s, &t);
		printf("  %c %4" PRIu32 " %s\n", i == event ? '>' : ' ', i, buf);
	}
}

static void put_paragraph(const char *text)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		printf("            %.*s\n", (int)strcspn(text, "\n"), text);
}

static void put_finding(const struct explain *e, unsigned int i)
{
	const struct finding *f = &e->outcome.verdict.finding[i];
	const struct stream *s = &e->subject.file.stream;
	const struct ledger_entry *known = e->outcome.known[i];

	printf("\n%s: %s\n", f->rule->verdict == FORBIDDEN ? "forbidden" : "undecided", f->id);
	if (f->event < e->subject.record.nr)
		put_around(s, &e->subject.record, f->event);
	else
		printf("  at the end, when nothing more was to come\n");
	printf("  seen      %s\n  allowed   %s\n", f->seen, f->allowed);
	printf("  because   %s: %s\n  source    %s\n", f->rule->name, f->rule->sentence, f->rule->source);
	if (!known) {
		printf("  ledger    not in the ledger\n");
		return;
	}
	printf("  ledger    %s (%s)\n", known->id, ledger_kind_name(known->kind));
	put_paragraph(known->text);
}

static void say(void *ctx, unsigned int req, const char *line)
{
	const struct explain *e = ctx;

	printf("  %-8s  %s\n", e->subject.file.stream.reqs[req].name, line);
}

static void say_state(void *ctx, const char *line)
{
	printf("  %s\n", line);
}

static enum exit_status put_all(struct explain *e)
{
	const struct stream *s = &e->subject.file.stream;
	const struct record *rec = &e->subject.record;
	const char *why;
	unsigned int event;

	outcome_of(s, rec, e->ledger, true, &e->outcome);
	put_beside(s, rec);
	for (unsigned int i = 0; i < e->outcome.nr_kept; i++)
		put_finding(e, i);
	if (e->outcome.verdict.nr == 0 && !e->outcome.unjudged) {
		printf("\nresults explained\n");
		explain(s, rec, oracle_profile(rec), say, e, &why, &event);
	}
	if (!e->outcome.unjudged) {
		printf("\nstates\n");
		explain_states(s, rec, oracle_profile(rec), say_state, e, &why, &event);
	}
	putchar('\n');
	e->outcome.nr_kept = e->outcome.verdict.nr = 0; /* said */
	outcome_print(&e->outcome, s, rec, e->subject.is_record ? NULL : &e->subject.file, stdout);
	return STATUS_OK;
}

static enum exit_status explain_it(struct explain *e)
{
	uint32_t mask = runners_parse(e->on);
	enum exit_status status = STATUS_OK;
	enum rec_runner runner;

	if (!e->subject.is_record) {
		runner = (enum rec_runner)__builtin_ctz(mask);
		if (!e->times_given)
			e->times = runner == RUNNER_SIM ? 1 : 200;
		if (!e->seed_given)
			e->seed = runner == RUNNER_SIM;
		status = run_it(e, runner);
	}
	if (status != STATUS_OK)
		return status;
	put_all(e);
	outcome_of(&e->subject.file.stream, &e->subject.record, e->ledger, true, &e->outcome);
	return outcome_status(&e->outcome);
}

static enum exit_status explain_main(int argc, char **argv)
{
	static struct explain e = { .on = "sim" };
	const struct option_row rows[] = {
		{ "on", OPTION_STRING, &e.on, 0, 0, NULL },
		{ "times", OPTION_NUMBER, &e.times, 1, 1000000000, &e.times_given },
		{ "seed", OPTION_NUMBER, &e.seed, 0, 0, &e.seed_given },
		{ "schedule", OPTION_STRING, &e.schedule, 0, 0, NULL },
		{ "ledger", OPTION_STRING, &e.ledger_dir, 0, 0, NULL },
		{ "scratch", OPTION_STRING, &e.scratch, 0, 0, NULL },
	};
	int nr, go = options_parse(&command_explain, argc, argv, rows, OPTIONS_COUNT(rows), 1, 1, &nr);
	enum exit_status status = STATUS_OK;
	const char *wrong = NULL;
	uint32_t mask;

	if (go != OPTIONS_GO_ON)
		return go;
	mask = runners_parse(e.on);
	if (!mask || mask & (mask - 1)) {
		fprintf(stderr, "augur explain: --on wants sim, engine or kernel, not \"%s\"\n", e.on);
		status = STATUS_USAGE;
	}
	status = status_worse(status, subject_load(argv[1], &e.subject));
	status = status_worse(status, files_ledger(e.ledger_dir, &e.ledger));
	if (status == STATUS_OK && e.schedule)
		wrong = schedule_apply(e.schedule, &e.subject.file.stream);
	if (wrong) {
		fprintf(stderr, "augur explain: %s\n", wrong);
		status = STATUS_USAGE;
	}
	if (status == STATUS_OK)
		status = explain_it(&e);
	subject_free(&e.subject);
	ledger_free(e.ledger);
	return status;
}

const struct command command_explain = { "explain", "lays a record beside its stream and says why", help,
					 explain_main };
