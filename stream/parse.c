/* The parser: line by line. A line is a declaration, a step, a request of the submit step above it, or a schedule; its
 * first word tells which. An error ends a line, not the file. What can only be known at the end (targets, the rules of
 * stream/rules.h) is checked there and reported with the line of the item. */
#include "stream/parse.h"

#include <errno.h>
#include <string.h>

#include "core/base/ensure.h"
#include "core/base/uapi.h"
#include "stream/parse_req.h"
#include "stream/rules.h"

static void begin_item(struct parser *p, enum stream_item item, unsigned int index, unsigned int col)
{
	p->item = (struct place){ item, (uint8_t)index, p->x.lineno, col };
	*parse_place(p, item, index) = (struct where){ p->x.lineno, col, false };
}

struct where *parse_place(struct parser *p, enum stream_item item, unsigned int index)
{
	switch (item) {
	case ITEM_TASK:
		return &p->at_task[index];
	case ITEM_RING:
		return &p->at_ring[index];
	case ITEM_OBJ:
		return &p->at_obj[index];
	case ITEM_REQ:
		return &p->at_req[index];
	case ITEM_STEP:
		return &p->at_step[index];
	case ITEM_STREAM:
	case ITEM_SCHEDULE:
		break;
	}
	return &p->at_schedule;
}

/* Comments. The lines before an item are gathered at the end of the pool as "# text\n", blank ones as "\n". */

static bool pool_put(struct parser *p, const char *s, size_t len, unsigned int col)
{
	if (p->s->pool_len + len > STREAM_POOL) {
		if (!p->pool_full)
			lex_error(&p->x, col, "the comments have more than %d bytes", STREAM_POOL);
		p->pool_full = true;
		return false;
	}
	memcpy(p->s->pool + p->s->pool_len, s, len);
	p->s->pool_len += (uint32_t)len;
	return true;
}

/* `#text` and `#   text` keep their blanks but one; `# text` is the canonical form. */
static void put_comment(struct parser *p, const struct span *w)
{
	bool spaced = w->len == 1 || w->s[1] == ' ';

	if (pool_put(p, spaced ? "#" : "# ", spaced ? 1 : 2, w->col))
		pool_put(p, w->s + 1, w->len - 1, w->col);
}

static void comment_line(struct parser *p, const struct span *w)
{
	if (!p->pending) {
		p->pending = true;
		p->pending_at = p->s->pool_len;
	}
	if (w)
		put_comment(p, w);
	pool_put(p, "\n", 1, 1);
}

static void blank_line(struct parser *p)
{
	const struct stream *s = p->s;

	if (!p->any_line && !p->pending)
		return;
	/* Several blank lines are one. */
	if (p->pending &&
	    (s->pool_len == p->pending_at + 1 ? s->pool[p->pending_at] == '\n' :
						s->pool_len >= 2 && memcmp(s->pool + s->pool_len - 2, "\n\n", 2) == 0))
		return;
	comment_line(p, NULL);
}

/* Ends the gathered lines; they belong to what comes now. */
static uint32_t take_comment(struct parser *p)
{
	uint32_t at = p->pending_at;

	if (!p->pending)
		return 0;
	p->pending = false;
	return pool_put(p, "", 1, 1) ? at + 1 : 0;
}

static uint32_t take_tail(struct parser *p)
{
	uint32_t at = p->s->pool_len;
	struct span w;

	if (!lex_comment(&p->x, &w))
		return 0;
	put_comment(p, &w);
	return pool_put(p, "", 1, 1) ? at + 1 : 0;
}

/* What every line may end with. `expect` NULL: it has no result. */
static void end_line(struct parser *p, struct expect *expect, uint32_t *tail)
{
	unsigned int col = lex_col(&p->x);
	struct span w;

	if (!p->x.bad && lex_arrow(&p->x)) {
		if (expect)
			lex_expect(&p->x, expect);
		else
			lex_error(&p->x, col, "only requests and steps have an expectation");
	}
	if (p->x.bad) {
		parse_place(p, p->item.item, p->item.index)->bad = true;
		return;
	}
	if (lex_word(&p->x, &w)) {
		lex_error(&p->x, w.col, "found '%.*s', expected the end of the line", SPAN_SHOWN(w));
		parse_place(p, p->item.item, p->item.index)->bad = true;
		return;
	}
	*tail = take_tail(p);
}

/* Names. */

bool parse_find_task(struct parser *p, const struct span *w, uint8_t *out)
{
	for (unsigned int i = 0; i < p->s->nr_tasks; i++) {
		if (span_is(w, p->s->tasks[i].name)) {
			*out = (uint8_t)i;
			return true;
		}
	}
	lex_error(&p->x, w->col, "no task is called '%.*s'", SPAN_SHOWN(*w));
	return false;
}

bool parse_find_ring(struct parser *p, const struct span *w, uint8_t *out)
{
	for (unsigned int i = 0; i < p->s->nr_rings; i++) {
		if (span_is(w, p->s->rings[i].name)) {
			*out = (uint8_t)i;
			return true;
		}
	}
	lex_error(&p->x, w->col, "no ring is called '%.*s'", SPAN_SHOWN(*w));
	return false;
}

bool parse_fd(struct parser *p, const struct span *w, struct fdref *out)
{
	static const char *const ends[] = { [END_OUT] = "out", [END_IN] = "in" };
	struct span name = *w, end = { NULL, 0, w->col };
	bool dotted = span_split(w, '.', &name, &end);

	*out = (struct fdref){ .kind = FD_BAD };
	if (!dotted && span_is(w, "none"))
		return true;
	for (unsigned int i = 0; i < p->s->nr_objs; i++) {
		const struct obj *o = &p->s->objs[i];

		if (!span_is(&name, o->name))
			continue;
		*out = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)i };
		if (!stream_has_ends(o->kind)) {
			if (dotted)
				lex_error(&p->x, end.col - 1, "%s has one descriptor, expected %s", o->name, o->name);
			return !dotted;
		}
		for (unsigned int e = END_OUT; dotted && e <= END_IN; e++) {
			if (span_is(&end, ends[e])) {
				out->end = (uint8_t)e;
				return true;
			}
		}
		lex_error(&p->x, w->col, "'%.*s' is no end of a pipe, expected %s.out or %s.in", SPAN_SHOWN(*w),
			  o->name, o->name);
		return false;
	}
	lex_error(&p->x, w->col, "no object is called '%.*s'", SPAN_SHOWN(name));
	return false;
}

/* Declarations. */

static const char *const arg_words[] = {
	"flags", "entries", "cq",      "task",	    "capacity", "count", "size", "wait",
	"len",	 "value",   "bounded", "unbounded", "cpus",	"res",	 NULL,
};

bool parse_args(struct parser *p, struct args *a, uint32_t allowed, const struct stream_word *table, uint8_t *flags)
{
	struct span w, key, value;
	unsigned int k;

	a->have = 0;
	while (lex_word(&p->x, &w)) {
		const struct stream_word *row = table ? stream_word_find(table, w.s, w.len) : NULL;

		if (row && !(*flags & row->value)) {
			*flags |= (uint8_t)row->value;
			continue;
		}
		if (row || !span_split(&w, '=', &key, &value)) {
			lex_error(&p->x, w.col, row ? "'%.*s' is given twice" : "did not expect '%.*s' here",
				  SPAN_SHOWN(w));
			return false;
		}
		for (k = 0; arg_words[k] && !span_is(&key, arg_words[k]); k++)
			;
		if (!arg_words[k] || !(allowed & 1u << k)) {
			lex_error(&p->x, w.col, "did not expect '%.*s=' here", SPAN_SHOWN(key));
			return false;
		}
		if (HAVE(a, k)) {
			lex_error(&p->x, w.col, "%s= is given twice", arg_words[k]);
			return false;
		}
		a->have |= 1u << k;
		a->value[k] = value;
	}
	return true;
}

void parse_arg_number(struct parser *p, const struct args *a, enum arg_key key, uint64_t max, uint64_t *out)
{
	if (HAVE(a, key))
		lex_number(&p->x, &a->value[key], max, arg_words[key], out);
}

static bool read_name(struct parser *p, char name[STREAM_NAME], const char *of)
{
	unsigned int col = lex_col(&p->x);
	struct span w;

	if (lex_word(&p->x, &w))
		return lex_name(&p->x, &w, name);
	lex_error(&p->x, col, "expected the name of the %s", of);
	return false;
}

static bool room(struct parser *p, const struct span *first, unsigned int nr, unsigned int max, const char *of)
{
	if (p->s->nr_steps > 0) {
		lex_error(&p->x, first->col, "%ss are declared before the first step", of);
		return false;
	}
	if (nr == max)
		lex_error(&p->x, first->col, "a stream has at most %u %ss", max, of);
	return nr < max;
}

static void parse_task(struct parser *p, const struct span *first)
{
	unsigned int i = p->s->nr_tasks;
	struct task *t = &p->s->tasks[i];

	if (!room(p, first, i, STREAM_MAX_TASKS, "task"))
		return;
	begin_item(p, ITEM_TASK, i, first->col);
	t->comment = take_comment(p);
	p->s->nr_tasks++;
	read_name(p, t->name, "task");
	end_line(p, NULL, &t->tail);
}

static void parse_ring(struct parser *p, const struct span *first)
{
	unsigned int i = p->s->nr_rings;
	struct ring *r = &p->s->rings[i];
	unsigned int col;
	struct args a;
	uint64_t n = 0, cq = 0;

	if (!room(p, first, i, STREAM_MAX_RINGS, "ring"))
		return;
	begin_item(p, ITEM_RING, i, first->col);
	r->comment = take_comment(p);
	p->s->nr_rings++;
	if (read_name(p, r->name, "ring") &&
	    parse_args(p, &a, 1 << ARG_FLAGS | 1 << ARG_ENTRIES | 1 << ARG_CQ | 1 << ARG_TASK, NULL, NULL)) {
		col = lex_col(&p->x);
		if (!HAVE(&a, ARG_ENTRIES))
			lex_error(&p->x, col, "expected entries=N");
		parse_arg_number(p, &a, ARG_ENTRIES, UINT32_MAX, &n);
		parse_arg_number(p, &a, ARG_CQ, UINT32_MAX, &cq);
		if (HAVE(&a, ARG_CQ) && cq == 0 && !p->x.bad)
			lex_error(&p->x, a.value[ARG_CQ].col, "expected at least 1 for cq");
		if (HAVE(&a, ARG_FLAGS))
			lex_flags(&p->x, &a.value[ARG_FLAGS], stream_ring_flags, "flags", &r->flags);
		if (HAVE(&a, ARG_TASK))
			parse_find_task(p, &a.value[ARG_TASK], &r->task);
	}
	r->entries = (uint32_t)n;
	r->cq_entries = (uint32_t)cq;
	end_line(p, NULL, &r->tail);
}

static void parse_obj(struct parser *p, const struct span *first, unsigned int kind)
{
	static const uint32_t keys[OBJ_KINDS] = { 1 << ARG_CAPACITY, 1 << ARG_COUNT, 1 << ARG_SIZE };
	unsigned int i = p->s->nr_objs;
	struct obj *o = &p->s->objs[i];
	struct args a;

	if (!room(p, first, i, STREAM_MAX_OBJS, "object"))
		return;
	begin_item(p, ITEM_OBJ, i, first->col);
	o->comment = take_comment(p);
	o->kind = (uint8_t)kind;
	p->s->nr_objs++;
	if (read_name(p, o->name, "object") &&
	    parse_args(p, &a, keys[kind], kind >= OBJ_FILE ? NULL : stream_obj_flags, &o->flags) && keys[kind])
		parse_arg_number(p, &a, (enum arg_key)__builtin_ctz(keys[kind]),
				 kind == OBJ_EVENTFD ? UINT64_MAX - 1 : STREAM_MAX_LEN, &o->init);
	end_line(p, NULL, &o->tail);
}

/* Steps and requests. What a step is about: stream/parse_step.c. */

static void parse_step(struct parser *p, const struct span *first, unsigned int kind)
{
	unsigned int i = p->s->nr_steps;
	struct step *t = &p->s->steps[i];

	if (i == STREAM_MAX_STEPS) {
		lex_error(&p->x, first->col, "a stream has at most %d steps", STREAM_MAX_STEPS);
		return;
	}
	begin_item(p, ITEM_STEP, i, first->col);
	t->comment = take_comment(p);
	t->kind = (uint8_t)kind;
	p->s->nr_steps++;
	parse_step_args(p, t);
	end_line(p, &t->expect, &t->tail);
}

static void parse_req(struct parser *p, const struct span *name)
{
	unsigned int i = p->s->nr_reqs;
	struct sreq *r = &p->s->reqs[i];

	if (!p->submit) {
		lex_error(&p->x, name->col, "a request stands below the `submit` it belongs to");
		return;
	}
	if (i == STREAM_MAX_REQS) {
		lex_error(&p->x, name->col, "a stream has at most %d requests", STREAM_MAX_REQS);
		return;
	}
	begin_item(p, ITEM_REQ, i, name->col);
	r->comment = take_comment(p);
	r->target = STREAM_NONE;
	p->s->nr_reqs++;
	p->s->steps[p->s->nr_steps - 1].nr_reqs++;
	if (lex_name(&p->x, name, r->name))
		parse_req_args(p, i);
	end_line(p, &r->expect, &r->tail);
}

/* Schedules. */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void parse_decisions(struct parser *p, const struct span *w)
{
	struct schedule *c = &p->s->schedule;

	for (size_t i = 0; i < w->len; i += 2) {
		int hi = hex(w->s[i]), lo = i + 1 < w->len ? hex(w->s[i + 1]) : -1;

		if (hi < 0 || lo < 0) {
			lex_error(&p->x, w->col + (unsigned int)i, "expected two digits 0-9 a-f for each decision");
			return;
		}
		if (c->nr_decisions == STREAM_MAX_DECISIONS) {
			lex_error(&p->x, w->col + (unsigned int)i, "a schedule has at most %d decisions",
				  STREAM_MAX_DECISIONS);
			return;
		}
		p->s->decisions[c->nr_decisions++] = (uint8_t)(hi << 4 | lo);
	}
}

/* The comment `first` with the lines of `second` behind it, blank ones aside. */
static uint32_t join_comments(struct parser *p, uint32_t first, uint32_t second)
{
	const char *line = p->s->pool + second - 1;
	uint32_t at = p->s->pool_len;

	if (!first || !second)
		return first ? first : second;
	pool_put(p, p->s->pool + first - 1, strlen(p->s->pool + first - 1), 1);
	while (*line) {
		size_t len = strcspn(line, "\n") + 1;

		if (len > 1)
			pool_put(p, line, len, 1);
		line += len;
	}
	return pool_put(p, "", 1, 1) ? at + 1 : 0;
}

static void parse_schedule(struct parser *p, const struct span *first)
{
	struct schedule *c = &p->s->schedule;
	unsigned int col = lex_col(&p->x);
	const struct stream_word *row = NULL;
	struct span w, key, value, tail;
	bool more = c->kind != 0;

	if (!more)
		begin_item(p, ITEM_SCHEDULE, 0, first->col);
	/* Comments of the lines that continue a replay are put before the first; blank lines are not. */
	c->comment = join_comments(p, c->comment, take_comment(p));
	if (lex_word(&p->x, &w))
		row = stream_word_find(stream_schedules, w.s, w.len);
	if (!row || (more && (row->value != 2 || c->kind != 2))) {
		lex_error(&p->x, col,
			  row ? "only `schedule replay` has several lines" :
				"expected `schedule walk seed=N` or `schedule replay HEX`");
		return;
	}
	c->kind = (uint8_t)row->value;
	col = lex_col(&p->x);
	if (c->kind == 1) {
		if (!lex_word(&p->x, &w) || !span_split(&w, '=', &key, &value) || !span_is(&key, "seed"))
			lex_error(&p->x, col, "expected seed=N");
		else
			lex_number(&p->x, &value, UINT64_MAX, "seed", &c->seed);
	} else if (lex_word(&p->x, &w)) {
		parse_decisions(p, &w);
	}
	if (!more) {
		end_line(p, NULL, &c->tail);
	} else if (!p->x.bad && lex_comment(&p->x, &tail)) {
		comment_line(p, &tail);
		c->comment = join_comments(p, c->comment, take_comment(p));
	} else if (!p->x.bad && lex_word(&p->x, &w)) {
		lex_error(&p->x, w.col, "found '%.*s', expected the end of the line", SPAN_SHOWN(w));
	}
}

/* Lines. */

static void parse_version(struct parser *p, const struct span *first)
{
	uint64_t version = 0;
	uint32_t tail = 0;
	struct span w;

	p->any_line = true;
	p->item = (struct place){ ITEM_STREAM, 0, p->x.lineno, first->col };
	p->s->comment = take_comment(p);
	if (!span_is(first, "augur") || !lex_word(&p->x, &w)) {
		lex_error(&p->x, first->col, "expected `augur %d` first: the version of the language", STREAM_VERSION);
		return;
	}
	if (!lex_number(&p->x, &w, UINT32_MAX, "the version", &version))
		return;
	if (version != STREAM_VERSION) {
		lex_error(&p->x, w.col, "version %.*s of the language is not known, expected %d", SPAN_SHOWN(w),
			  STREAM_VERSION);
		return;
	}
	if (lex_comment(&p->x, &w)) {
		/* The first line has no tail of its own: its comment goes above it. */
		comment_line(p, &w);
		tail = take_comment(p);
		p->s->comment = join_comments(p, p->s->comment, tail);
		return;
	}
	end_line(p, NULL, &tail);
}

static void parse_words(struct parser *p, const struct span *first)
{
	const struct stream_word *row;
	struct span name, rest;

	if (span_split(first, ':', &name, &rest)) {
		if (rest.len == 0)
			parse_req(p, &name);
		else
			lex_error(&p->x, rest.col, "expected a blank behind the ':'");
		return;
	}
	p->submit = false;
	row = stream_word_find(stream_step_kinds, first->s, first->len);
	if (row) {
		parse_step(p, first, row->value);
		return;
	}
	row = stream_word_find(stream_obj_kinds, first->s, first->len);
	if (row)
		parse_obj(p, first, row->value);
	else if (span_is(first, "task"))
		parse_task(p, first);
	else if (span_is(first, "ring"))
		parse_ring(p, first);
	else if (span_is(first, "schedule"))
		parse_schedule(p, first);
	else
		lex_error(
			&p->x, first->col,
			"found '%.*s', expected task, ring, pipe, eventfd, file, a step, a request `name:` or schedule",
			SPAN_SHOWN(*first));
}

/* Control characters would make comments and errors unreadable, and a NUL would end them. */
static bool clean(struct parser *p)
{
	for (const char *c = p->x.line; c < p->x.end; c++) {
		unsigned char u = (unsigned char)*c;

		if ((u < ' ' && u != '\t' && !(u == '\r' && c + 1 == p->x.end)) || u == 0x7f) {
			lex_error(&p->x, (unsigned int)(c - p->x.line) + 1, "found the control character 0x%02x", u);
			return false;
		}
	}
	return true;
}

static void parse_line(struct parser *p)
{
	struct span w;

	if (!clean(p))
		return;
	if (lex_comment(&p->x, &w))
		comment_line(p, &w);
	else if (!lex_word(&p->x, &w)) {
		unsigned int col = lex_col(&p->x);

		if (lex_arrow(&p->x))
			lex_error(&p->x, col, "an expectation stands behind what it is about");
		else
			blank_line(p);
	} else if (!p->any_line) {
		parse_version(p, &w);
	} else {
		parse_words(p, &w);
	}
	/* What was gathered for a line with an error is lost with it. */
	if (p->x.bad)
		p->pending = false;
}

static void breach(void *ctx, enum stream_item item, unsigned int index, const char *why)
{
	struct parser *p = ctx;
	struct where *at;

	if (item == ITEM_STREAM) {
		/* Counts are bounded as they grow and every request has its step. */
		ENSURE(p->diag->count > p->errors_before);
		return;
	}
	at = parse_place(p, item, index);
	if (!at->bad)
		diag_error(p->diag, at->line ? at->line : 1, at->line ? at->col : 1, "%s", why);
	at->bad = true;
}

static void end_comment(struct parser *p)
{
	struct stream *s = p->s;

	if (!p->pending)
		return;
	/* Blank lines at the end say nothing. */
	while (s->pool_len > p->pending_at && s->pool[s->pool_len - 1] == '\n' &&
	       (s->pool_len == p->pending_at + 1 || s->pool[s->pool_len - 2] == '\n'))
		s->pool_len--;
	if (s->pool_len > p->pending_at)
		s->end_comment = take_comment(p);
}

int stream_parse(const char *text, size_t len, struct stream *out, struct diag *d)
{
	const char *at = text, *end = text + len;
	struct parser p;
	unsigned int lineno = 0;

	memset(&p, 0, offsetof(struct parser, targets));
	p.s = out;
	p.diag = d;
	p.errors_before = d->count;
	stream_init(out);
	if (len > STREAM_MAX_TEXT) {
		diag_error(d, 1, 1, "the text has %zu bytes: at most %d", len, STREAM_MAX_TEXT);
		return -EINVAL;
	}
	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		lex_begin(&p.x, d, ++lineno, at, nl ? nl : end);
		parse_line(&p);
		at = nl ? nl + 1 : end;
	}
	if (!p.any_line)
		diag_error(d, 1, 1, "found nothing, expected `augur %d` first", STREAM_VERSION);
	end_comment(&p);
	parse_targets(&p);
	stream_rules(out, breach, &p);
	if (d->count == p.errors_before)
		return 0;
	stream_init(out);
	return -EINVAL;
}
