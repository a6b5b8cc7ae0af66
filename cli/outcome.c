#include "cli/outcome.h"

#include "cli/runners.h"
#include "core/base/text.h"
#include "stream/print.h"

const char outcome_unjudged_id[] = "record.unjudged";
const char outcome_died_id[] = "hand.died";
const char outcome_undecided_id[] = "undecided";
const char outcome_failed_id[] = "run.failed";

const char *result_name(int64_t res, char buf[24])
{
	struct text t;

	text_init(&t, buf, 24);
	stream_print_result(res, &t);
	return buf;
}

/* ---- expectations ---- */

static bool expected(const struct expect *e, bool none, int64_t res)
{
	for (unsigned int i = 0; i < e->nr; i++) {
		if (e->alt[i].kind == ALT_NOCQE ? none : !none && res >= e->alt[i].lo && res <= e->alt[i].hi)
			return true;
	}
	return e->nr == 0;
}

static void note_broken(struct outcome *o, struct broken b)
{
	if (o->nr_broken < OUTCOME_MAX_BROKEN)
		o->broken[o->nr_broken] = b;
	o->nr_broken++;
}

static void check_expectations(const struct stream *s, const struct record *rec, struct outcome *o)
{
	bool req_seen[STREAM_MAX_REQS] = { false };
	bool step_seen[STREAM_MAX_STEPS] = { false };
	bool complete = rec->flags & RECF_COMPLETE;

	for (unsigned int i = 0; i < rec->nr && i < RECORD_MAX_EVENTS; i++) {
		const struct rec_event *ev = &rec->ev[i];

		if (ev->kind == REC_CQE && ev->req < s->nr_reqs) {
			req_seen[ev->req] = true;
			if (!expected(&s->reqs[ev->req].expect, false, ev->res))
				note_broken(o, (struct broken){ false, (uint8_t)ev->req, i, false, ev->res });
		} else if (ev->kind == REC_END && ev->step < s->nr_steps) {
			step_seen[ev->step] = true;
			if (!expected(&s->steps[ev->step].expect, false, ev->res))
				note_broken(o, (struct broken){ true, (uint8_t)ev->step, i, false, ev->res });
		}
	}
	for (unsigned int i = 0; complete && i < s->nr_reqs; i++)
		if (!req_seen[i] && !expected(&s->reqs[i].expect, true, 0))
			note_broken(o, (struct broken){ false, (uint8_t)i, rec->nr, true, 0 });
	for (unsigned int i = 0; complete && i < s->nr_steps; i++)
		if (!step_seen[i] && !expected(&s->steps[i].expect, true, 0))
			note_broken(o, (struct broken){ true, (uint8_t)i, rec->nr, true, 0 });
}

/* ---- the whole ---- */

static bool hand_died(const struct record *rec)
{
	for (unsigned int i = 0; i < rec->nr && i < RECORD_MAX_EVENTS; i++)
		if (rec->ev[i].kind == REC_HAND && rec->ev[i].flags != HAND_FULL)
			return true;
	return false;
}

void outcome_and_cells(const struct stream *s, const struct record *rec, const struct ledger *l, bool expectations,
		       struct cells *cells, struct outcome *out)
{
	out->nr_kept = out->nr_new = out->nr_known = out->nr_broken = 0;
	out->why = NULL;
	out->event = 0;
	out->hand_died = hand_died(rec);
	out->on_kernel = rec->runner == RUNNER_KERNEL;
	out->unjudged = judge_and_count(s, rec, oracle_profile(rec), &out->verdict, cells, &out->why, &out->event) < 0;
	if (out->unjudged)
		return;
	out->nr_kept = out->verdict.nr < VERDICT_MAX_FINDINGS ? out->verdict.nr : VERDICT_MAX_FINDINGS;
	for (unsigned int i = 0; i < out->nr_kept; i++) {
		const struct finding *f = &out->verdict.finding[i];

		out->known[i] = ledger_find(l, rec, f);
		if (f->rule->verdict == FORBIDDEN && out->known[i])
			out->nr_known++;
		else if (f->rule->verdict == FORBIDDEN)
			out->nr_new++;
	}
	if (expectations)
		check_expectations(s, rec, out);
}

void outcome_of(const struct stream *s, const struct record *rec, const struct ledger *l, bool expectations,
		struct outcome *out)
{
	outcome_and_cells(s, rec, l, expectations, NULL, out);
}

enum exit_status outcome_status(const struct outcome *o)
{
	if (o->unjudged || o->nr_new || o->nr_broken)
		return STATUS_FORBIDDEN;
	if (o->verdict.kind == UNDECIDED)
		return o->on_kernel && !o->hand_died ? STATUS_SKIPPED : STATUS_FORBIDDEN;
	return STATUS_OK;
}

const char *outcome_word(const struct outcome *o)
{
	static const char *const words[] = {
		[ALLOWED] = "allowed",
		[FORBIDDEN] = "forbidden",
		[UNDECIDED] = "undecided",
	};

	if (o->unjudged)
		return "unjudged";
	if (o->verdict.kind == FORBIDDEN && o->nr_new == 0)
		return "known";
	if (o->verdict.kind == ALLOWED && o->nr_broken)
		return "expectation";
	return words[o->verdict.kind];
}

static void print_finding(const struct outcome *o, unsigned int i, const struct stream *s, const struct record *rec,
			  FILE *out)
{
	const struct finding *f = &o->verdict.finding[i];

	fprintf(out, "  %s: %s\n", f->rule->verdict == FORBIDDEN ? "forbidden" : "undecided", f->id);
	if (f->event < rec->nr)
		fprintf(out, "    at        event %u", f->event);
	else
		fprintf(out, "    at        the end");
	if (f->req < s->nr_reqs)
		fprintf(out, ", request %s", s->reqs[f->req].name);
	if (f->other < s->nr_reqs)
		fprintf(out, ", with %s", s->reqs[f->other].name);
	fprintf(out, "\n    seen      %s\n    allowed   %s\n", f->seen, f->allowed);
	fprintf(out, "    the law   %s: %s\n    source    %s\n", f->rule->name, f->rule->sentence, f->rule->source);
	if (o->known[i])
		fprintf(out, "    ledger    %s (%s): nothing new\n", o->known[i]->id,
			ledger_kind_name(o->known[i]->kind));
}

static void print_broken(const struct broken *b, const struct stream *s, const struct stream_file *f, FILE *out)
{
	const struct expect *e = b->is_step ? &s->steps[b->index].expect : &s->reqs[b->index].expect;
	unsigned int line = 0;
	char want[STREAM_MAX_ALTS * 56], got[24];
	struct text t;

	if (f)
		line = b->is_step ? files_line_of_step(f, b->index) : files_line_of_request(f, b->index);
	text_init(&t, want, sizeof(want));
	stream_print_expect(e, &t);
	fprintf(out, "  expectation not met: ");
	if (line)
		fprintf(out, "%s:%u: ", f->path, line);
	if (b->is_step)
		fprintf(out, "step %u", b->index + 1u);
	else
		fprintf(out, "request %s", s->reqs[b->index].name);
	if (b->none)
		fprintf(out, ": expected %s, but %s\n", want, b->is_step ? "it did not return" : "no CQE came");
	else
		fprintf(out, ": expected %s, got %s (event %u)\n", want, result_name(b->res, got), b->event);
}

void outcome_print(const struct outcome *o, const struct stream *s, const struct record *rec,
		   const struct stream_file *f, FILE *out)
{
	fprintf(out, "verdict: %s (%s %s)\n", outcome_word(o), rec->runner < RUNNERS ? runner_names[rec->runner] : "?",
		rec->release);
	if (o->unjudged)
		fprintf(out, "  the record contradicts itself or the stream: %s (event %u)\n", o->why, o->event);
	if (o->hand_died)
		fprintf(out, "  the hand died of this stream\n");
	for (unsigned int i = 0; i < o->nr_kept; i++)
		print_finding(o, i, s, rec, out);
	if (!o->unjudged && o->verdict.nr > o->nr_kept)
		fprintf(out, "  %u more findings were counted, but not kept\n", o->verdict.nr - o->nr_kept);
	for (unsigned int i = 0; i < o->nr_broken && i < OUTCOME_MAX_BROKEN; i++)
		print_broken(&o->broken[i], s, f, out);
	if (o->nr_broken > OUTCOME_MAX_BROKEN)
		fprintf(out, "  and %u more expectations\n", o->nr_broken - OUTCOME_MAX_BROKEN);
}
