#include "cli/records.h"

#include <stdlib.h>
#include <string.h>

#include "cli/runners.h"
#include "core/base/text.h"
#include "runner/record_text.h"
#include "stream/print.h"

/* Fills a text by `fill` and writes it out. Out of memory shows as a failed stream. */
static void put_text(FILE *out, size_t cap, void (*fill)(const struct record *, const struct stream *, struct text *),
		     const struct record *rec, const struct stream *s)
{
	char *buf = malloc(cap);
	struct text t;

	if (!buf) {
		fputs("(out of memory)\n", out);
		return;
	}
	text_init(&t, buf, cap);
	fill(rec, s, &t);
	fwrite(t.buf, 1, t.len, out);
	free(buf);
}

void record_show(FILE *out, const struct stream *s, const struct record *rec)
{
	put_text(out, RECORD_TEXT_CAP, record_table, rec, s);
}

void record_store(FILE *out, const struct stream *s, const struct record *rec)
{
	put_text(out, RECORD_TEXT_CAP, record_print, rec, s);
}

static void fill_stream(const struct record *rec, const struct stream *s, struct text *t)
{
	(void)rec;
	stream_print(s, t);
}

void stream_show(FILE *out, const struct stream *s)
{
	put_text(out, STREAM_PRINT_CAP, fill_stream, NULL, s);
}

void record_read(const char *text, size_t len, struct stream *s, struct record *rec, struct diag *d)
{
	static struct verdict v;
	unsigned int event;
	const char *why;

	if (record_parse(text, len, rec, s, d) == 0 && judge(s, rec, oracle_profile(rec), &v, &why, &event) < 0)
		diag_error(d, record_event_line(text, event), 1, "event %u contradicts the others or the stream: %s",
			   event, why);
}

enum exit_status record_fetch(const char *path, struct stream *s, struct record *rec)
{
	struct diag d;
	size_t len;
	char *text = files_read(path, &len);

	if (!text)
		return STATUS_ENVIRONMENT;
	diag_init(&d, path);
	record_read(text, len, s, rec, &d);
	free(text);
	diag_print(&d, stderr);
	return d.count ? STATUS_USAGE : STATUS_OK;
}

/* ---- for machines ---- */

void record_json(const struct stream *s, const struct record *rec, struct json *j)
{
	char *buf = malloc(RECORD_TEXT_CAP);
	struct text t;

	if (!buf)
		return;
	text_init(&t, buf, RECORD_TEXT_CAP);
	record_print_json(rec, s, &t);
	json_raw(j, "record", t.buf);
	free(buf);
}

static void finding_json(const struct outcome *o, unsigned int i, const struct stream *s, const struct record *rec,
			 struct json *j)
{
	const struct finding *f = &o->verdict.finding[i];

	json_open(j, NULL, '{');
	json_string(j, "id", f->id);
	json_string(j, "rule", f->rule->name);
	json_string(j, "sentence", f->rule->sentence);
	json_string(j, "source", f->rule->source);
	json_string(j, "verdict", f->rule->verdict == FORBIDDEN ? "forbidden" : "undecided");
	json_string(j, "request", f->req < s->nr_reqs ? s->reqs[f->req].name : NULL);
	json_string(j, "other", f->other < s->nr_reqs ? s->reqs[f->other].name : NULL);
	json_number(j, "event", f->event < rec->nr ? (int64_t)f->event : -1);
	json_string(j, "seen", f->seen);
	json_string(j, "allowed", f->allowed);
	json_string(j, "ledger", o->known[i] ? o->known[i]->id : NULL);
	json_close(j, '}');
}

static void broken_json(const struct broken *b, const struct stream *s, const struct stream_file *f, struct json *j)
{
	const struct expect *e = b->is_step ? &s->steps[b->index].expect : &s->reqs[b->index].expect;
	char want[STREAM_MAX_ALTS * 56];
	struct text t;

	text_init(&t, want, sizeof(want));
	stream_print_expect(e, &t);
	json_open(j, NULL, '{');
	json_string(j, "request", b->is_step ? NULL : s->reqs[b->index].name);
	if (b->is_step)
		json_number(j, "step", b->index + 1);
	if (f)
		json_number(j, "line",
			    b->is_step ? files_line_of_step(f, b->index) : files_line_of_request(f, b->index));
	json_string(j, "expected", want);
	if (b->none)
		json_string(j, "got", NULL);
	else
		json_number(j, "got", b->res);
	json_close(j, '}');
}

void outcome_json(const struct outcome *o, const struct stream *s, const struct record *rec,
		  const struct stream_file *f, struct json *j)
{
	json_string(j, "release", rec->release);
	json_string(j, "verdict", outcome_word(o));
	json_string(j, "unjudged", o->unjudged ? o->why : NULL);
	json_bool(j, "hand_died", o->hand_died);
	json_open(j, "findings", '[');
	for (unsigned int i = 0; i < o->nr_kept; i++)
		finding_json(o, i, s, rec, j);
	json_close(j, ']');
	json_open(j, "expectations_not_met", '[');
	for (unsigned int i = 0; i < o->nr_broken && i < OUTCOME_MAX_BROKEN; i++)
		broken_json(&o->broken[i], s, f, j);
	json_close(j, ']');
}
