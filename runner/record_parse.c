/* The file form of a record, read strictly: it is evidence. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/ensure.h"
#include "runner/record_names.h"
#include "runner/record_text.h"
#include "stream/parse.h"

struct reader {
	const char *at, *end; /* what is still unread */
	unsigned int line; /* of the line last taken, from 1 */
	struct diag *d;
	bool failed;
};

/* A line without its newline, and the unread rest of it. */
struct cursor {
	const char *start, *at, *end;
};

static void complain(struct reader *r, const struct cursor *c, const char *what)
{
	r->failed = true;
	diag_error(r->d, r->line, c ? (unsigned int)(c->at - c->start) + 1 : 1, "%s", what);
}

static bool next_line(struct reader *r, struct cursor *c)
{
	const char *nl = r->at < r->end ? memchr(r->at, '\n', (size_t)(r->end - r->at)) : NULL;

	r->line++;
	if (!nl) {
		r->failed = true;
		diag_error(r->d, r->line, 1, "the record is cut off here");
		return false;
	}
	*c = (struct cursor){ r->at, r->at, nl };
	r->at = nl + 1;
	return true;
}

/* Takes up to the next blank or the given stop; false when there is nothing. */
static bool take_word(struct cursor *c, char stop, const char **word, size_t *len)
{
	*word = c->at;
	while (c->at < c->end && *c->at != ' ' && *c->at != stop)
		c->at++;
	*len = (size_t)(c->at - *word);
	return *len > 0;
}

static bool take_char(struct cursor *c, char ch)
{
	if (c->at == c->end || *c->at != ch)
		return false;
	c->at++;
	return true;
}

static bool is_word(const char *word, size_t len, const char *s)
{
	return strlen(s) == len && memcmp(word, s, len) == 0;
}

/* A decimal number of at most `max`; no signs, no leading zeros. */
static bool take_number(struct cursor *c, uint64_t max, uint64_t *v)
{
	const char *start = c->at;

	*v = 0;
	while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
		unsigned int digit = (unsigned int)(*c->at - '0');

		if (digit > max || *v > (max - digit) / 10)
			return false;
		*v = *v * 10 + digit;
		c->at++;
	}
	return c->at > start && (*start != '0' || c->at == start + 1);
}

/* "key" and, if there is more in the line, a blank. */
static bool head_line(struct reader *r, struct cursor *c, const char *key)
{
	const char *word;
	size_t len;

	if (r->failed || !next_line(r, c))
		return false;
	if (!take_word(c, ' ', &word, &len) || !is_word(word, len, key)) {
		c->at = c->start;
		r->failed = true;
		diag_error(r->d, r->line, 1, "expected `%s` here", key);
		return false;
	}
	take_char(c, ' ');
	return true;
}

static void read_number_line(struct reader *r, const char *key, uint64_t max, uint64_t *v)
{
	struct cursor c;

	*v = 0;
	if (!head_line(r, &c, key))
		return;
	if (!take_number(&c, max, v) || c.at != c.end) {
		r->failed = true;
		diag_error(r->d, r->line, (unsigned int)(c.at - c.start) + 1, "expected a number up to %" PRIu64, max);
	}
}

static void read_string_line(struct reader *r, const char *key, char *buf, size_t cap)
{
	struct cursor c;
	size_t len;

	if (!head_line(r, &c, key))
		return;
	len = (size_t)(c.end - c.at);
	if (len >= cap) {
		complain(r, &c, "too long");
		return;
	}
	for (size_t i = 0; i < len; i++)
		if (c.at[i] < ' ' || c.at[i] > '~') {
			complain(r, &c, "expected printable text");
			return;
		}
	memcpy(buf, c.at, len);
	buf[len] = '\0';
}

static void read_runner(struct reader *r, struct record *rec)
{
	struct cursor c;

	if (!head_line(r, &c, "runner"))
		return;
	for (unsigned int i = 0; i < RUNNERS; i++)
		if (is_word(c.at, (size_t)(c.end - c.at), record_runner_name(i))) {
			rec->runner = (uint8_t)i;
			return;
		}
	complain(r, &c, "expected sim, engine or kernel");
}

static void read_flags(struct reader *r, struct record *rec)
{
	struct cursor c;

	if (!head_line(r, &c, "flags"))
		return;
	while (c.at < c.end) {
		struct cursor word_at = c;
		const char *word;
		uint32_t bit = 0;
		size_t len;

		if (take_word(&c, ' ', &word, &len))
			for (unsigned int i = 0; i < 4; i++)
				if (is_word(word, len, record_flag_words[i]))
					bit = 1u << i;
		if (!bit || (rec->flags & bit)) {
			complain(r, &word_at,
				 bit ? "this flag stands here twice" : "expected fresh, stamps, exact or complete");
			return;
		}
		rec->flags |= bit;
		if (c.at < c.end && !take_char(&c, ' '))
			complain(r, &c, "expected a blank");
	}
}

static void read_stream(struct reader *r, struct stream *s)
{
	struct diag inner;
	struct cursor c = { 0 };
	const char *start;
	unsigned int first;
	uint64_t lines;

	read_number_line(r, "stream", STREAM_MAX_TEXT, &lines);
	start = r->at;
	first = r->line;
	for (uint64_t i = 0; i < lines && !r->failed; i++)
		next_line(r, &c);
	if (r->failed)
		return;
	diag_init(&inner, r->d->file);
	if (stream_parse(start, (size_t)(r->at - start), s, &inner) == 0)
		return;
	r->failed = true;
	for (unsigned int i = 0; i < inner.count && i < DIAG_MAX; i++)
		diag_error(r->d, inner.at[i].line + first, inner.at[i].col, "%s", inner.at[i].text);
}

/* ---- events ---- */

static const struct record_field *find_field(const char *word, size_t len, unsigned int *index)
{
	for (unsigned int i = 0; i < RECORD_FIELDS; i++)
		if (is_word(word, len, record_fields[i].name)) {
			*index = i;
			return &record_fields[i];
		}
	return NULL;
}

static bool take_value(struct cursor *c, const struct record_field *f, uint64_t *v)
{
	uint64_t max = f->size == 8 ? UINT64_MAX : (1ull << (8 * f->size)) - 1;

	if (!f->is_signed)
		return take_number(c, max, v);
	if (!take_char(c, '-'))
		return take_number(c, INT64_MAX, v);
	if (!take_number(c, (uint64_t)INT64_MAX + 1, v) || *v == 0)
		return false;
	*v = 0 - *v;
	return true;
}

static void read_fields(struct reader *r, struct cursor *c, struct rec_event *e)
{
	uint32_t seen = 0;

	while (c->at < c->end && !r->failed) {
		const struct record_field *f = NULL;
		struct cursor field_at;
		const char *word;
		unsigned int i = 0;
		size_t len;
		uint64_t v;

		if (!take_char(c, ' ')) {
			complain(r, c, "expected a blank");
			return;
		}
		field_at = *c;
		if (take_word(c, '=', &word, &len))
			f = find_field(word, len, &i);
		if (!f || (seen & (1u << i)))
			complain(r, &field_at, f ? "this field stands here twice" : "there is no such field");
		else if (!take_char(c, '=') || !take_value(c, f, &v))
			complain(r, c, "expected a number that fits the field");
		else
			record_field_set(f, e, v);
		seen |= 1u << i;
	}
}

/* What an event of its kind must have, and what it cannot say. */
static const char *malformed(const struct rec_event *e)
{
	switch (e->kind) {
	case REC_RING:
	case REC_CQE:
		return e->ring == STREAM_NONE ? "it needs a ring" : NULL;
	case REC_OBJ:
		return e->obj == STREAM_NONE ? "it needs an object" : NULL;
	case REC_FINAL:
		if (e->flags & ~(uint32_t)(FINAL_READERS | FINAL_WRITERS | FINAL_HELD | FINAL_UNSEEN))
			return "there is no such flag";
		return e->obj == STREAM_NONE ? "it needs an object" : NULL;
	case REC_RUN:
		if (e->obj == STREAM_NONE)
			return "it needs an object";
		return e->flags > UINT8_MAX ? "that is no byte" : NULL;
	case REC_DATA:
		return e->flags > UINT8_MAX ? "that is no byte" : NULL;
	case REC_EPILOGUE:
		return e->a > PHASE_SETTLE ? "there is no such phase" : NULL;
	case REC_HAND:
		return e->flags > HAND_EXITED ? "there is no such end of a hand" : NULL;
	case REC_HOST:
		return e->flags > HOST_CPUS ? "there is no such fact of a host" : NULL;
	case REC_SIM:
		return e->flags > SIM_RUNAWAY ? "there is no such end of a run" : NULL;
	default:
		return NULL;
	}
}

static const char *out_of_range(const struct rec_event *e, const struct stream *s)
{
	if (e->task != STREAM_NONE && e->task >= s->nr_tasks)
		return "the stream has no such task";
	if (e->ring != STREAM_NONE && e->ring >= s->nr_rings)
		return "the stream has no such ring";
	if (e->obj != STREAM_NONE && e->obj >= s->nr_objs)
		return "the stream has no such object";
	if (e->step != REC_NO_STEP && e->step >= s->nr_steps)
		return "the stream has no such step";
	if (e->req != REC_NO_REQ && e->req >= s->nr_reqs)
		return "the stream has no such request";
	return malformed(e);
}

static void read_event(struct reader *r, const struct stream *s, uint64_t last_stamp, struct rec_event *e)
{
	struct cursor c;
	const char *word, *wrong;
	unsigned int kind;
	size_t len;

	if (!next_line(r, &c))
		return;
	*e = (struct rec_event){ .kind = REC_KINDS };
	for (unsigned int i = 0; i < RECORD_FIELDS; i++)
		record_field_set(&record_fields[i], e, record_field_default(&record_fields[i]));
	take_word(&c, ' ', &word, &len);
	for (kind = 0; kind < REC_KINDS && !is_word(word, len, record_kind_name(kind)); kind++)
		;
	if (kind == REC_KINDS) {
		c.at = c.start;
		complain(r, &c, "there is no such kind of event");
		return;
	}
	e->kind = (uint8_t)kind;
	if (!take_char(&c, ' ') || !take_number(&c, UINT64_MAX, &e->stamp)) {
		complain(r, &c, "expected the stamp");
		return;
	}
	if (e->stamp < last_stamp)
		complain(r, &c, "time runs backwards");
	read_fields(r, &c, e);
	wrong = r->failed ? NULL : out_of_range(e, s);
	if (wrong)
		complain(r, NULL, wrong);
}

static void read_events(struct reader *r, const struct stream *s, struct record *rec)
{
	uint64_t nr;

	read_number_line(r, "events", RECORD_MAX_EVENTS, &nr);
	for (uint32_t i = 0; i < nr && !r->failed; i++) {
		read_event(r, s, i ? rec->ev[i - 1].stamp : 0, &rec->ev[i]);
		if (!r->failed)
			rec->nr = i + 1;
	}
}

int record_parse(const char *text, size_t len, struct record *rec, struct stream *s, struct diag *d)
{
	struct reader r = { .at = text, .end = text + len, .d = d };
	uint64_t version;
	struct cursor c;

	memset(rec, 0, offsetof(struct record, ev));
	stream_init(s);
	read_number_line(&r, "augur-record", UINT32_MAX, &version);
	if (!r.failed && version != RECORD_VERSION) {
		diag_error(d, 1, 14, "version %" PRIu64 " is not known here, only %d", version, RECORD_VERSION);
		r.failed = true;
	}
	rec->version = RECORD_VERSION;
	read_runner(&r, rec);
	read_string_line(&r, "release", rec->release, sizeof(rec->release));
	read_string_line(&r, "fs", rec->fs, sizeof(rec->fs));
	read_flags(&r, rec);
	if (!r.failed)
		read_stream(&r, s);
	if (!r.failed)
		read_events(&r, s, rec);
	if (!r.failed && head_line(&r, &c, "end") && (c.at != c.end || r.at != r.end)) {
		r.line++;
		complain(&r, NULL, "expected nothing after `end`");
	}
	return r.failed ? -EINVAL : 0;
}

bool record_marked(const char *text)
{
	static const char mark[] = "augur-record ";

	return strncmp(text, mark, sizeof(mark) - 1) == 0;
}

unsigned int record_event_line(const char *text, unsigned int event)
{
	enum { STREAM_LINE = 6 };

	for (int i = 1; i < STREAM_LINE; i++)
		text = strchr(text, '\n') + 1;
	text += strlen("stream ");
	return STREAM_LINE + (unsigned int)strtoul(text, NULL, 10) + 2 + event;
}
