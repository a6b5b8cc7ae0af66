/* The fuzz target of the law: any stream with any record, true, nearly true or nonsense. judge() and explain() end in
 * time and break nothing; a record is refused with a reason and a place, or gets a verdict, and twice the same one.
 *
 * The input: how events are made (below) and which profile; two bytes with the length of a seed and stream as the stream
 * target has them; these; and the events, or how to change them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/diag.h"
#include "core/base/ensure.h"
#include "core/base/text.h"
#include "fuzz/one.h"
#include "oracle/explain.h"
#include "runner/record_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum how { HOW_RAW, HOW_PLAUSIBLE, HOW_NEARLY_TRUE, HOWS };

enum { HEADER = 4, RAW_EVENT = sizeof(struct rec_event), PLAIN_EVENT = 16, CHANGE = 12, MAX_SECONDS = 10 };

struct input {
	const uint8_t *at, *end;
};

static uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < bytes && in->at < in->end; i++)
		v |= (uint64_t)*in->at++ << (8 * i);
	return v;
}

static bool more(const struct input *in, size_t bytes)
{
	return (size_t)(in->end - in->at) >= bytes;
}

/* ---- records ---- */

/* All of it is what the input says: what a hand that ran amok may leave behind. */
static void make_raw(struct input *in, struct record *rec)
{
	memset(rec, 0, offsetof(struct record, ev));
	rec->version = (uint32_t)take(in, 1);
	rec->version = rec->version < 128 ? RECORD_VERSION : rec->version;
	rec->runner = (uint8_t)take(in, 1);
	rec->flags = (uint32_t)take(in, 1);
	for (size_t i = 0; i < sizeof(rec->release); i++)
		rec->release[i] = (char)take(in, 1);
	for (; more(in, RAW_EVENT) && rec->nr < RECORD_MAX_EVENTS; rec->nr++) {
		memcpy(&rec->ev[rec->nr], in->at, RAW_EVENT);
		in->at += RAW_EVENT;
	}
	if (more(in, 1) && (take(in, 1) & 0xc0) == 0xc0)
		rec->nr = (uint32_t)take(in, 4);
}

/* An index below nr mostly, else `none`. */
static unsigned int index_of(uint8_t byte, unsigned int nr, unsigned int none)
{
	return nr == 0 || byte >= 0xf0 ? none : byte % nr;
}

static int64_t plain_result(uint8_t byte, uint8_t more_of_it)
{
	static const int16_t usual[] = {
		0,	 1,	 8,	 -ECANCELED, -ENOENT, -EALREADY, -EBADF,     -EINVAL,
		-EAGAIN, -ETIME, -EINTR, -EPIPE,     -EBADFD, -ENOMEM,	 -EOVERFLOW, -EFBIG,
	};

	return byte < 128 ? usual[byte % 16] : byte < 192 ? more_of_it : (int64_t)more_of_it * (byte - 224) * 65536;
}

/* Fields within their bounds, in time, and CQEs with the user_data of their request. */
static void make_plausible(struct input *in, const struct stream *s, struct record *rec)
{
	static const char releases[4][8] = { "6.18.44", "6.12.1", "6.1.0", "7.0" };
	uint64_t stamp = 0;
	uint8_t what = (uint8_t)take(in, 1);

	memset(rec, 0, offsetof(struct record, ev));
	rec->version = RECORD_VERSION;
	rec->runner = what % RUNNERS;
	rec->flags = what >> 4;
	memcpy(rec->release, releases[what >> 2 & 3], sizeof(releases[0]));
	for (; more(in, PLAIN_EVENT) && rec->nr < RECORD_MAX_EVENTS; rec->nr++, in->at += PLAIN_EVENT) {
		struct rec_event *e = &rec->ev[rec->nr];
		const uint8_t *b = in->at;

		stamp += b[1] < 240 ? b[1] * 1000u : (uint64_t)b[1] << b[1] % 48;
		*e = (struct rec_event){
			.kind = b[0] % REC_KINDS,
			.task = (uint8_t)index_of(b[2], s->nr_tasks, STREAM_NONE),
			.ring = (uint8_t)index_of(b[3], s->nr_rings, b[3] == 0xff ? STREAM_NONE : 0),
			.obj = (uint8_t)index_of(b[4], s->nr_objs, STREAM_NONE),
			.step = (uint16_t)index_of(b[5], s->nr_steps, REC_NO_STEP),
			.req = (uint16_t)index_of(b[6], s->nr_reqs, REC_NO_REQ),
			.stamp = stamp,
			.res = plain_result(b[7], b[8]),
			.a = b[9] < 0xf8 ? b[9] : (uint64_t)b[9] << (b[10] % 57),
			.flags = b[11],
			.head = b[12],
			.tail_before = b[13],
			.tail_after = (uint32_t)b[13] + b[14],
		};
		if (e->kind == REC_RING)
			e->a = (uint64_t)(b[9] % 65) << 32 | b[10];
		if (e->kind == REC_CQE && e->req != REC_NO_REQ && b[15] < 250)
			e->a = stream_user_data(e->req);
		else if (e->kind == REC_CQE)
			e->a = (b[15] % 2 ? REC_UD_CANCEL : REC_UD_FENCE) + b[9];
	}
}

static void change_field(struct rec_event *e, uint8_t which, uint64_t v)
{
	switch (which % 13) {
	case 0:
		e->kind = (uint8_t)v;
		break;
	case 1:
		e->task = (uint8_t)v;
		break;
	case 2:
		e->ring = (uint8_t)v;
		break;
	case 3:
		e->obj = (uint8_t)v;
		break;
	case 4:
		e->step = (uint16_t)v;
		break;
	case 5:
		e->req = (uint16_t)v;
		break;
	case 6:
		e->stamp = v;
		break;
	case 7:
		e->a = v;
		break;
	case 8:
		e->res = (int64_t)v;
		break;
	case 9:
		e->flags = (uint32_t)v;
		break;
	case 10:
		e->head = (uint32_t)v;
		break;
	case 11:
		e->tail_before = (uint32_t)v;
		break;
	default:
		e->tail_after = (uint32_t)v;
		break;
	}
}

static void change(struct input *in, struct record *rec)
{
	uint8_t way = (uint8_t)take(in, 1), which = (uint8_t)take(in, 1);
	uint32_t at = rec->nr ? (uint32_t)take(in, 2) % rec->nr : 0;
	uint64_t v = take(in, CHANGE - 4);
	struct rec_event *e = &rec->ev[at];

	if (rec->nr == 0)
		return;
	switch (way % 6) {
	case 0: /* lost */
		memmove(e, e + 1, (--rec->nr - at) * sizeof(*e));
		break;
	case 1: /* seen twice */
		if (rec->nr == RECORD_MAX_EVENTS)
			return;
		memmove(e + 1, e, (rec->nr++ - at) * sizeof(*e));
		break;
	case 2: /* cut off */
		rec->nr = at;
		break;
	case 3: { /* told in another order, at the times of the places */
		struct rec_event *to = &rec->ev[v % rec->nr], was = *e;

		*e = *to;
		*to = was;
		to->stamp = e->stamp;
		e->stamp = was.stamp;
		break;
	}
	case 4: /* another result, as results are */
		e->res = plain_result((uint8_t)v, (uint8_t)(v >> 8));
		break;
	default:
		change_field(e, which, way & 0x80 ? v : v & 0xff);
		break;
	}
}

/* What the engine makes of the stream, with a few changes. */
static void make_nearly_true(struct input *in, struct one *o)
{
	one_run(o);
	for (unsigned int i = 0; i < 8 && more(in, 1); i++)
		change(in, &o->record);
}

/* ---- what must hold ---- */

static void check_finding(const struct one *o, const struct finding *fi)
{
	ENSURE(fi->rule && fi->rule->name && fi->rule->sentence && fi->rule->source);
	ENSURE_OP(fi->event, <=, o->record.nr);
	ENSURE(fi->req == REC_NO_REQ || fi->req < o->stream.nr_reqs);
	ENSURE(fi->other == REC_NO_REQ || fi->other < o->stream.nr_reqs);
	ENSURE(strncmp(fi->id, fi->rule->name, strlen(fi->rule->name)) == 0);
	ENSURE(*fi->seen && *fi->allowed);
}

static unsigned int kept(const struct verdict *v)
{
	return v->nr < VERDICT_MAX_FINDINGS ? v->nr : VERDICT_MAX_FINDINGS;
}

static void check_same(const struct verdict *a, const struct verdict *b)
{
	ENSURE(a->kind == b->kind && a->nr == b->nr);
	for (unsigned int i = 0; i < kept(a); i++) {
		const struct finding *x = &a->finding[i], *y = &b->finding[i];

		ENSURE(x->rule == y->rule && x->event == y->event && x->req == y->req && x->other == y->other);
		ENSURE(!strcmp(x->id, y->id) && !strcmp(x->seen, y->seen) && !strcmp(x->allowed, y->allowed));
	}
}

/* How far explain() has got. */
struct said {
	const struct one *o;
	unsigned int next;
};

static void say(void *ctx, unsigned int req, const char *line)
{
	struct said *s = ctx;

	ENSURE_OP(req, ==, s->next);
	ENSURE(line && !strchr(line, '\n'));
	s->next++;
}

static int check_judged(struct one *o, enum profile_id profile)
{
	static struct verdict again;
	const char *why = NULL, *why2 = NULL, *why3 = NULL;
	unsigned int event = 0, event2 = 0, event3 = 0;
	struct said said = { .o = o };
	int ret = judge(&o->stream, &o->record, profile, &o->verdict, &why, &event);

	ENSURE(ret == 0 || ret == -EINVAL);
	ENSURE_OP(judge(&o->stream, &o->record, profile, &again, &why2, &event2), ==, ret);
	ENSURE_OP(explain(&o->stream, &o->record, profile, say, &said, &why3, &event3), ==, ret);
	if (ret < 0) {
		ENSURE(why && *why && why == why2 && why == why3);
		ENSURE(event == event2 && event == event3 && event <= o->record.nr);
		return ret;
	}
	ENSURE_OP(said.next, ==, (unsigned int)o->stream.nr_reqs);
	ENSURE(o->verdict.kind <= UNDECIDED && (o->verdict.kind != FORBIDDEN || o->verdict.nr > 0));
	check_same(&o->verdict, &again);
	for (unsigned int i = 0; i < kept(&o->verdict); i++)
		check_finding(o, &o->verdict.finding[i]);
	return 0;
}

/* A record of ours that can be judged can be kept: what its text is read as is the same, or refused with a place. */
static void check_text(const struct one *o)
{
	static struct stream s;
	static struct record rec;
	static char buf[RECORD_TEXT_CAP];
	struct diag d;
	struct text t;

	text_init(&t, buf, sizeof(buf));
	record_table(&o->record, &o->stream, &t);
	ENSURE(!t.cut);
	text_init(&t, buf, sizeof(buf));
	record_print(&o->record, &o->stream, &t);
	ENSURE(!t.cut);
	diag_init(&d, "record");
	if (record_parse(t.buf, t.len, &rec, &s, &d) < 0) {
		ENSURE_OP(d.count, >, 0u);
		return;
	}
	ENSURE(record_same(&o->record, &rec) && stream_same(&o->stream, &s));
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct one o;
	struct input in = { data, data + size };
	enum how how = take(&in, 1) % HOWS;
	enum profile_id profile = take(&in, 1) % PROFILES;
	size_t len = take(&in, 2);
	double start;

	if (!more(&in, len))
		len = (size_t)(in.end - in.at);
	one_decode(&o, in.at, len);
	in.at += len;
	if (how == HOW_RAW)
		make_raw(&in, &o.record);
	else if (how == HOW_PLAUSIBLE)
		make_plausible(&in, &o.stream, &o.record);
	else
		make_nearly_true(&in, &o);
	if (how != HOW_NEARLY_TRUE)
		o.record.fs[0] = '\0';
	start = cpu_seconds();
	oracle_profile(&o.record);
	if (check_judged(&o, profile) == 0 && how != HOW_RAW)
		check_text(&o);
	ENSURE(cpu_seconds() - start < MAX_SECONDS);
	return 0;
}
