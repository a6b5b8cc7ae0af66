#include "fuzz/one.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"
#include "runner/engine_backend.h"
#include "runner/record_text.h"
#include "stream/codec.h"
#include "stream/print.h"

/* No stream of the language needs so many; a run that does is a livelock. */
#define MAX_POINTS 50000000ull

void one_decode(struct one *o, const uint8_t *data, size_t size)
{
	size_t n = size < ONE_SEED ? size : ONE_SEED;

	o->seed = 0;
	for (size_t i = 0; i < n; i++)
		o->seed |= (uint64_t)data[i] << (8 * i);
	stream_decode(data + n, size - n, &o->stream);
}

void one_run(struct one *o)
{
	static const struct executor_options opt;
	struct sched_config cfg = { .strategy = SCHED_WALK, .seed = o->seed, .max_points = MAX_POINTS };

	memset(&o->record, 0, offsetof(struct record, ev));
	engine_execute(&cfg, &o->stream, &opt, &o->record, &o->result);
	engine_note_sim(&o->record, &o->result);
}

bool one_judge(struct one *o)
{
	unsigned int event;
	const char *why = NULL;

	o->unjudged = NULL;
	if (judge(&o->stream, &o->record, oracle_profile(&o->record), &o->verdict, &why, &event) < 0)
		o->unjudged = why;
	return !o->unjudged && o->verdict.kind != FORBIDDEN;
}

void one_print(const struct one *o, FILE *out)
{
	char *buf = malloc(RECORD_TEXT_CAP);
	struct text t;

	if (o->unjudged)
		fprintf(out, "the record contradicts itself or the stream: %s\n", o->unjudged);
	for (unsigned int i = 0; !o->unjudged && i < o->verdict.nr && i < VERDICT_MAX_FINDINGS; i++) {
		const struct finding *f = &o->verdict.finding[i];

		fprintf(out, "%s: %s (event %u)\n  seen      %s\n  allowed   %s\n  the law   %s\n",
			f->rule->verdict == FORBIDDEN ? "forbidden" : "undecided", f->id, f->event, f->seen, f->allowed,
			f->rule->sentence);
	}
	if (*o->result.stuck)
		fprintf(out, "stuck:\n%s\n", o->result.stuck);
	if (!buf)
		return;
	text_init(&t, buf, RECORD_TEXT_CAP);
	stream_print(&o->stream, &t);
	fprintf(out, "\n%sschedule walk seed=%" PRIu64 "\n\n", t.buf, o->seed);
	text_init(&t, buf, RECORD_TEXT_CAP);
	record_table(&o->record, &o->stream, &t);
	fprintf(out, "%s\n", t.buf);
	free(buf);
	fprintf(out, "Keep the stream above as x.augur, then: ./augur run x.augur --on sim\n");
}

bool one_alter(struct one *o, uint64_t pick)
{
	/* EXDEV is the result of no operation there is. */
	static const int wrong[] = { -18, -18, 1 << 30 };
	unsigned int cqes = 0;

	for (unsigned int i = 0; i < o->record.nr; i++)
		cqes += o->record.ev[i].kind == REC_CQE && o->record.ev[i].req != REC_NO_REQ;
	if (!cqes)
		return false;
	pick %= cqes;
	for (unsigned int i = 0; i < o->record.nr; i++) {
		struct rec_event *ev = &o->record.ev[i];

		if (ev->kind != REC_CQE || ev->req == REC_NO_REQ || pick-- != 0)
			continue;
		ev->res = ev->res < 0 ? wrong[i % 3] : -18;
		return true;
	}
	return false;
}
