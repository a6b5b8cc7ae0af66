#include "cli/subject.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/records.h"
#include "core/base/diag.h"
#include "core/base/text.h"
#include "runner/record_text.h"
#include "stream/optable.h"
#include "stream/parse.h"
#include "stream/print.h"

/* ---- what it is ---- */

static int print_stream(struct subject *s)
{
	struct text t;

	free(s->file.text);
	s->file.text = malloc(STREAM_PRINT_CAP);
	if (!s->file.text)
		return -ENOMEM;
	text_init(&t, s->file.text, STREAM_PRINT_CAP);
	stream_print(&s->file.stream, &t);
	s->file.len = t.len;
	return 0;
}

enum exit_status subject_load(const char *path, struct subject *s)
{
	struct stream_file *f = &s->file;
	struct diag d;

	f->path = path;
	f->text = files_read(path, &f->len);
	if (!f->text)
		return STATUS_ENVIRONMENT;
	diag_init(&d, path);
	s->is_record = record_marked(f->text);
	if (s->is_record)
		record_read(f->text, f->len, &f->stream, &s->record, &d);
	else
		stream_parse(f->text, f->len, &f->stream, &d);
	diag_print(&d, stderr);
	if (!d.count && s->is_record && print_stream(s) < 0) {
		fprintf(stderr, "augur: malloc: %s\n", strerror(ENOMEM));
		return STATUS_ENVIRONMENT;
	}
	return d.count ? STATUS_USAGE : STATUS_OK;
}

void subject_free(struct subject *s)
{
	free(s->file.text);
	s->file.text = NULL;
}

/* ---- what it shows ---- */

static const char *broken_name(const struct broken *b, const struct stream *s, char buf[FINDING_NAME])
{
	const char *what = b->is_step ? stream_word_of(stream_step_kinds, s->steps[b->index].kind) :
					stream_ops[s->reqs[b->index].op].word;
	char got[24];

	snprintf(buf, FINDING_NAME, "expectation/%s%s=%s", b->is_step ? "step." : "", what,
		 b->none ? "none" : result_name(b->res, got));
	return buf;
}

const char *shown_name(const struct outcome *o, const struct stream *s, unsigned int n, char buf[FINDING_NAME])
{
	const char *more[3];
	unsigned int nr = 0, broken = o->nr_broken < OUTCOME_MAX_BROKEN ? o->nr_broken : OUTCOME_MAX_BROKEN;

	if (n < o->nr_kept)
		return o->verdict.finding[n].id;
	n -= o->nr_kept;
	if (o->unjudged)
		more[nr++] = outcome_unjudged_id;
	if (o->hand_died)
		more[nr++] = outcome_died_id;
	if (n < nr)
		return more[n];
	n -= nr;
	if (o->unjudged)
		return NULL;
	if (n < broken)
		return broken_name(&o->broken[n], s, buf);
	return n == broken && o->verdict.kind == UNDECIDED && !o->nr_kept ? outcome_undecided_id : NULL;
}

bool shown_fits(const char *want, const char *name)
{
	size_t len = strlen(want);

	return ledger_match(want, name) || (strncmp(want, name, len) == 0 && name[len] == '/');
}

const char *shown_find(const struct outcome *o, const struct stream *s, const char *want, char buf[FINDING_NAME])
{
	const char *name;

	for (unsigned int i = 0; (name = shown_name(o, s, i, buf)); i++)
		if (!want || shown_fits(want, name))
			return name;
	return NULL;
}

/* ---- again ---- */

static void post(struct repeat *r, const struct stream *s, unsigned int slot, uint64_t run)
{
	struct job *job = hand_job(r->hand, slot);

	stream_copy_lean(&job->stream, s);
	job->options = (struct job_options){ .seed = r->seed + run };
	hand_post(r->hand, slot);
}

/* The hand may still have jobs: they must be done before a slot is used again. Who was told to stop does not wait. */
static int settle(struct repeat *r, uint64_t done, uint64_t posted, int ret)
{
	for (; done < posted && ret != -EINTR; done++) {
		int one = hand_wait(r->hand, done % HAND_SLOTS, NULL);

		ret = one < 0 && ret >= 0 ? one : ret;
	}
	return ret;
}

static int look_at(struct repeat *r, const struct stream *s, struct job *job, uint64_t run)
{
	static struct outcome o;

	if (job->error) {
		r->error = job->error;
		snprintf(r->why, sizeof(r->why), "%.150s", job->why);
		return job->error;
	}
	outcome_of(s, &job->record, r->ledger, true, &o);
	return r->look(r->ctx, job, &o, r->seed + run);
}

int repeat_run(struct repeat *r, const struct stream *s, uint64_t times)
{
	uint64_t done = 0, posted = 0, window = 1;
	int ret = 0;

	/* The first run goes alone, and so do those behind one that hung: each may be the last that is wanted. */
	while (done < times && ret == 0) {
		for (; posted < times && posted < done + window; posted++)
			post(r, s, posted % HAND_SLOTS, posted);
		ret = hand_wait(r->hand, done % HAND_SLOTS, r->stop);
		window = window < HAND_SLOTS ? 2 * window : HAND_SLOTS;
		if (ret == 0) {
			if (hit_bound(&hand_job(r->hand, done % HAND_SLOTS)->record))
				window = 1;
			ret = look_at(r, s, hand_job(r->hand, done % HAND_SLOTS), done);
			done++;
			r->runs++;
		} else if (ret != -EINTR) {
			snprintf(r->why, sizeof(r->why), "the hand cannot be started again");
		}
		if (ret == 0 && r->stop && *r->stop)
			ret = -EINTR;
		if (r->tick)
			r->tick(r->ctx);
	}
	return settle(r, done, posted, ret);
}

bool hit_bound(const struct record *rec)
{
	for (unsigned int i = 0; i < rec->nr && i < RECORD_MAX_EVENTS; i++)
		if (rec->ev[i].kind == REC_BOUND && rec->ev[i].step != REC_NO_STEP)
			return true;
	return false;
}
