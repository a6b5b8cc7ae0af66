/* The head of a lie, read strictly. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/ensure.h"
#include "corpora/lies/lie.h"
#include "runner/record_names.h"
#include "runner/record_text.h"
#include "stream/optable.h"

#define RECORD_START "augur-record "

enum { LINE_MAX_LEN = 256 };

struct head {
	struct lie *l;
	struct diag *d;
	unsigned int line;
	char alter[LINE_MAX_LEN], coupled[LINE_MAX_LEN];
	unsigned int alter_line, coupled_line;
	bool told; /* a paragraph stands there */
};

static void wrong(struct head *h, unsigned int line, const char *what)
{
	diag_error(h->d, line, 1, "%s", what);
}

static bool after(const char *line, const char *key, const char **rest)
{
	size_t n = strlen(key);

	if (strncmp(line, key, n) != 0)
		return false;
	*rest = line + n;
	return true;
}

static void keep(struct head *h, char *buf, size_t cap, const char *value)
{
	if (*buf || !*value || strlen(value) >= cap)
		wrong(h, h->line, "this stands here twice, is empty or is too long");
	else
		strcpy(buf, value);
}

static void head_line(struct head *h, const char *line)
{
	const char *value;

	if (after(line, "rule: ", &value)) {
		keep(h, h->l->rule, sizeof(h->l->rule), value);
	} else if (after(line, "alter: ", &value)) {
		h->alter_line = h->line;
		keep(h, h->alter, sizeof(h->alter), value);
	} else if (after(line, "coupled: ", &value)) {
		h->coupled_line = h->line;
		keep(h, h->coupled, sizeof(h->coupled), value);
	} else if (!strcmp(line, "needs: state") && !h->l->needs_state) {
		h->l->needs_state = true;
	} else {
		wrong(h, h->line, "expected `rule: `, `alter: `, `coupled: ` or `needs: state`, each once");
	}
}

/* Keys, an empty line, a paragraph, an empty line. Returns where the record begins, or NULL. */
static const char *read_head(struct head *h, const char *text, const char *end)
{
	enum { KEYS, PARAGRAPH, RECORD } at = KEYS;
	char line[LINE_MAX_LEN];

	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((nl ? nl : end) - text);

		if (!strncmp(text, RECORD_START, strlen(RECORD_START)))
			return text;
		h->line++;
		if (!nl || len >= sizeof(line)) {
			wrong(h, h->line, "a line that is too long or cut off");
			return NULL;
		}
		memcpy(line, text, len);
		line[len] = '\0';
		text = nl + 1;
		if (!len)
			at = at == KEYS ? PARAGRAPH : RECORD;
		else if (at == KEYS)
			head_line(h, line);
		else if (at == PARAGRAPH)
			h->told = true;
		else
			wrong(h, h->line, "expected the record behind the paragraph");
	}
	wrong(h, h->line, "there is no record");
	return NULL;
}

/* ---- the alteration ---- */

static bool find_field(const char *word, unsigned int *field)
{
	for (*field = 0; *field < RECORD_FIELDS; ++*field)
		if (!strcmp(record_fields[*field].name, word))
			return true;
	return false;
}

/* `-ECANCELED`, `none` where the field has that, or a number that fits the field. */
static bool read_value(const char *word, unsigned int field, uint64_t *v)
{
	const struct record_field *f = field < RECORD_FIELDS ? &record_fields[field] : NULL;
	struct rec_event e = { 0 };
	char *end;

	if (f && f->has_none && !strcmp(word, "none")) {
		*v = record_field_default(f);
		return true;
	}
	for (const struct stream_word *w = stream_errnos; f && f->is_signed && *word == '-' && w->word; w++)
		if (!strcmp(word + 1, w->word)) {
			*v = 0 - (uint64_t)w->value;
			return true;
		}
	if (*word == '+')
		return false;
	errno = 0;
	*v = *word == '-' ? (uint64_t)strtoll(word, &end, 10) : strtoull(word, &end, 10);
	if (errno || end == word || *end || (*word == '-' && !(f && f->is_signed)))
		return false;
	if (!f)
		return true;
	record_field_set(f, &e, *v);
	return record_field_get(f, &e) == *v;
}

/* An event in the record's own words: read as the only one of a record of this stream. */
static void read_inserted(struct head *h, const char *record, const char *line)
{
	static struct record one;
	static struct stream s;
	const char *events = strstr(record, "\nevents ");
	struct diag inner;
	struct text t;
	char *buf;

	if (!events)
		return; /* the record is not one, and that is said elsewhere */
	buf = malloc(RECORD_TEXT_CAP);
	ENSURE(buf);
	text_init(&t, buf, RECORD_TEXT_CAP);
	text_putn(&t, record, (size_t)(events - record));
	text_printf(&t, "\nevents 1\n%s\nend\n", line);
	diag_init(&inner, h->d->file);
	if (record_parse(t.buf, t.len, &one, &s, &inner))
		wrong(h, h->alter_line, "expected an event behind `followed by`, as the record would have it");
	else
		h->l->inserted = one.ev[0];
	free(buf);
}

static void read_swap(struct head *h, const struct record *truth, char *rest)
{
	struct lie *l = h->l;
	char word[16];
	int n = 0;

	if (sscanf(rest, "swap with %" SCNu32 "%n", &l->other, &n) == 1 && !rest[n]) {
		l->kind = LIE_SWAP;
		if (l->other <= l->event || l->other >= truth->nr || truth->ev[l->event].kind != REC_CQE ||
		    truth->ev[l->other].kind != REC_CQE || truth->ev[l->event].ring != truth->ev[l->other].ring)
			wrong(h, h->alter_line, "only a CQE and a later one of its ring can be swapped");
	} else if (sscanf(rest, "swap %15s with %" SCNu32 "%n", word, &l->other, &n) == 2 && !rest[n]) {
		l->kind = LIE_SWAP_FIELD;
		if (!find_field(word, &l->field))
			wrong(h, h->alter_line, "there is no such field");
		else if (l->other >= truth->nr || truth->ev[l->event].kind != truth->ev[l->other].kind)
			wrong(h, h->alter_line, "expected another event of that kind behind `with`");
	} else {
		wrong(h, h->alter_line, "expected `swap with EVENT` or `swap FIELD with EVENT`");
	}
}

static void read_change(struct head *h, const struct record *truth, char *rest)
{
	const struct rec_event *e = &truth->ev[h->l->event];
	struct lie *l = h->l;
	char field[16], from[32], to[32];
	int n = 0;
	bool stamp;

	if (sscanf(rest, "%15s %31s -> %31s%n", field, from, to, &n) != 3 || rest[n]) {
		wrong(h, h->alter_line, "expected `FIELD OLD -> NEW`, `delete`, `copy`, `followed by` or `swap`");
		return;
	}
	stamp = !strcmp(field, "stamp");
	l->kind = stamp ? LIE_STAMP : LIE_FIELD;
	l->field = RECORD_FIELDS;
	if (!stamp && !find_field(field, &l->field))
		wrong(h, h->alter_line, "there is no such field");
	else if (!read_value(from, l->field, &l->from) || !read_value(to, l->field, &l->to))
		wrong(h, h->alter_line, "expected values that fit the field");
	else if ((stamp ? e->stamp : record_field_get(&record_fields[l->field], e)) != l->from)
		wrong(h, h->alter_line, "the field had another value");
	else if (l->from == l->to)
		wrong(h, h->alter_line, "this alters nothing");
}

static void read_alter(struct head *h, const char *record, const struct record *truth)
{
	struct lie *l = h->l;
	char kind[16], *rest;
	const char *line, *name;
	int n = 0;

	if (sscanf(h->alter, "%15s %" SCNu32 ": %n", kind, &l->event, &n) != 2 || !n) {
		wrong(h, h->alter_line, "expected `KIND EVENT: ` first");
		return;
	}
	name = l->event < truth->nr ? record_kind_name(truth->ev[l->event].kind) : "nothing";
	if (strcmp(name, kind) != 0) {
		diag_error(h->d, h->alter_line, 1, "event %" PRIu32 " is a %s here, it is %s in the record", l->event,
			   kind, name);
		return;
	}
	rest = h->alter + n;
	if (!strcmp(rest, "delete")) {
		l->kind = LIE_DELETE;
	} else if (!strcmp(rest, "copy")) {
		l->kind = LIE_COPY;
	} else if (after(rest, "followed by ", &line)) {
		l->kind = LIE_INSERT;
		read_inserted(h, record, line);
	} else if (!strncmp(rest, "swap ", 5)) {
		read_swap(h, truth, rest);
	} else {
		read_change(h, truth, rest);
	}
}

static void read_coupled(struct head *h, const struct stream *s)
{
	char *save = NULL;

	for (char *w = strtok_r(h->coupled, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		unsigned int i = 0;

		while (i < s->nr_reqs && strcmp(s->reqs[i].name, w) != 0)
			i++;
		if (i == s->nr_reqs)
			diag_error(h->d, h->coupled_line, 1, "the stream has no request `%s`", w);
		h->l->nr_coupled++;
	}
	if (h->coupled_line && h->l->nr_coupled < 2)
		wrong(h, h->coupled_line, "it takes two to be coupled");
}

int lie_parse(struct lie *l, const char *text, size_t len, struct record *truth, struct stream *s, struct diag *d)
{
	struct head h = { .l = l, .d = d };
	const char *end = text + len, *record;
	struct diag inner;

	ENSURE(*end == '\0');
	memset(l, 0, sizeof(*l));
	record = read_head(&h, text, end);
	if (!record)
		return -EINVAL;
	if (!*l->rule || !*h.alter || !h.told)
		wrong(&h, h.line, "a lie needs a rule, an alteration and a sentence that says what it tells");
	if (l->needs_state && !*h.coupled)
		wrong(&h, h.line, "what the O(n) laws do not see needs coupled requests");
	diag_init(&inner, d->file);
	if (record_parse(record, (size_t)(end - record), truth, s, &inner)) {
		for (unsigned int i = 0; i < inner.count && i < DIAG_MAX; i++)
			diag_error(d, inner.at[i].line + h.line, inner.at[i].col, "%s", inner.at[i].text);
		return -EINVAL;
	}
	if (*h.alter)
		read_alter(&h, record, truth);
	read_coupled(&h, s);
	return d->count ? -EINVAL : 0;
}
