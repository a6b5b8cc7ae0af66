/* One request: `name: op key=value.. flags..`. Its fields are gathered first, since which ones it takes depends on the
 * object that `fd=` names, which may stand behind them. */
#include "stream/parse_req.h"

#include <string.h>

#include "core/base/text.h"
#include "core/base/uapi.h"

struct fields {
	uint32_t have; /* enum stream_field */
	struct span value[FIELDS]; /* by bit number */
	unsigned int end_col; /* where a field that is missing is missed */
};

/* All words that may stand bare in a request of this operation. */
static const char *bare_words(char *buf, size_t cap, unsigned int op)
{
	struct text t;

	text_init(&t, buf, cap);
	for (const struct stream_word *w = stream_ops[op].flags; w->word; w++)
		text_printf(&t, "%s, ", w->word);
	lex_words(buf + t.len, cap - t.len, stream_sqe_flags);
	return buf;
}

static void bare_word(struct parser *p, struct sreq *r, const struct span *w)
{
	const struct stream_word *row = stream_word_find(stream_sqe_flags, w->s, w->len);
	char words[160];
	bool twice;

	if (row) {
		twice = r->sqe_flags & row->value;
		r->sqe_flags |= (uint8_t)row->value;
	} else {
		row = stream_word_find(stream_ops[r->op].flags, w->s, w->len);
		if (!row) {
			lex_error(&p->x, w->col, "found '%.*s', expected a flag of %s: %s", SPAN_SHOWN(*w),
				  stream_ops[r->op].word, bare_words(words, sizeof(words), r->op));
			return;
		}
		twice = r->op_flags & row->value;
		r->op_flags |= row->value;
	}
	if (twice)
		lex_error(&p->x, w->col, "%s is given twice", row->word);
}

static void keyed_word(struct parser *p, const struct sreq *r, struct fields *f, const struct span *w,
		       const struct span *key, const struct span *value)
{
	unsigned int k;

	for (k = 0; k < FIELDS && !span_is(key, stream_field_words[k]); k++)
		;
	if (k == FIELDS || !(stream_ops[r->op].takes & 1u << k)) {
		struct text t;
		char words[128];

		text_init(&t, words, sizeof(words));
		for (unsigned int i = 0; i < FIELDS; i++)
			if (stream_ops[r->op].takes & 1u << i)
				text_printf(&t, " %s=", stream_field_words[i]);
		lex_error(&p->x, w->col, "%s takes no '%.*s=', expected%s", stream_ops[r->op].word, SPAN_SHOWN(*key),
			  t.len ? words : " only flags");
		return;
	}
	if (f->have & 1u << k) {
		lex_error(&p->x, w->col, "%s= is given twice", stream_field_words[k]);
		return;
	}
	f->have |= 1u << k;
	f->value[k] = *value;
}

static unsigned int bit_nr(enum stream_field field)
{
	return (unsigned int)__builtin_ctz(field);
}

static bool has(const struct fields *f, enum stream_field field)
{
	return f->have & field;
}

static void number_field(struct parser *p, const struct fields *f, enum stream_field field, uint64_t max, uint64_t *out)
{
	if (has(f, field))
		lex_number(&p->x, &f->value[bit_nr(field)], max, stream_field_words[bit_nr(field)], out);
}

/* Which fields are too many or missing, now that the kind of object is known. */
static void check_fields(struct parser *p, const struct sreq *r, const struct fields *f)
{
	unsigned int kind = r->fd.kind == FD_OBJ ? p->s->objs[r->fd.obj].kind : OBJ_KINDS;
	uint32_t extra = f->have & ~stream_op_takes(r->op, kind);
	uint32_t missing = stream_op_needs(r->op, kind) & ~f->have;
	unsigned int k;

	if (extra) {
		k = (unsigned int)__builtin_ctz(extra);
		lex_error(&p->x, f->value[k].col, "%s= is only for a request on %s", stream_field_words[k],
			  1u << k == FIELD_OFF	? "a file" :
			  1u << k == FIELD_IOVS ? "a pipe or a file" :
						  "an eventfd");
	}
	if (missing) {
		k = (unsigned int)__builtin_ctz(missing);
		lex_error(&p->x, f->end_col, "%s needs %s=", stream_ops[r->op].word, stream_field_words[k]);
	}
}

static void cancel_fields(struct parser *p, struct sreq *r, const struct fields *f)
{
	unsigned int op;

	if (has(f, FIELD_FD))
		r->op_flags |= IORING_ASYNC_CANCEL_FD;
	if (has(f, FIELD_OP)) {
		const struct span *w = &f->value[bit_nr(FIELD_OP)];

		r->op_flags |= AU_ASYNC_CANCEL_OP;
		op = stream_op_find(w->s, w->len);
		if (op == SOP_NR)
			lex_error(&p->x, w->col, "no operation is called '%.*s'", SPAN_SHOWN(*w));
		else
			r->cancel_op = (uint8_t)op;
	}
	if (stream_cancel_by_target(r->op_flags) && !has(f, FIELD_TARGET))
		lex_error(&p->x, f->end_col,
			  r->op_flags & AU_ASYNC_CANCEL_USERDATA ? "`userdata` needs target=" :
								   "cancel needs target=, fd=, op= or any");
	else if (!stream_cancel_by_target(r->op_flags) && has(f, FIELD_TARGET))
		lex_error(&p->x, f->value[bit_nr(FIELD_TARGET)].col,
			  r->op_flags & IORING_ASYNC_CANCEL_ANY ? "`any` takes no target=" :
								  "target= beside fd= or op= needs `userdata`");
}

static void target_field(struct parser *p, unsigned int i, const struct span *w)
{
	if (span_is(w, "none"))
		return;
	p->targets[p->nr_targets].name = *w;
	p->targets[p->nr_targets].line = p->x.lineno;
	p->targets[p->nr_targets].req = (uint8_t)i;
	p->nr_targets++;
}

static void fill_fields(struct parser *p, unsigned int i, const struct fields *f)
{
	struct sreq *r = &p->s->reqs[i];
	uint64_t len = 0, count = 0, iovs = stream_ops[r->op].takes & FIELD_IOVS ? 1 : 0;

	if (has(f, FIELD_FD) && !parse_fd(p, &f->value[bit_nr(FIELD_FD)], &r->fd))
		return;
	if (has(f, FIELD_IN) && !parse_fd(p, &f->value[bit_nr(FIELD_IN)], &r->in))
		return;
	if (stream_ops[r->op].takes & FIELD_LEN && r->fd.kind == FD_OBJ && p->s->objs[r->fd.obj].kind == OBJ_EVENTFD)
		len = 8;
	check_fields(p, r, f);
	number_field(p, f, FIELD_LEN, STREAM_MAX_LEN, &len);
	r->len = (uint32_t)len;
	number_field(p, f, FIELD_IOVS, STREAM_MAX_IOVS, &iovs);
	r->iovs = (uint8_t)iovs;
	number_field(p, f, FIELD_COUNT, UINT32_MAX, &count);
	number_field(p, f, FIELD_RES, STREAM_MAX_LEN, &count);
	r->count = (uint32_t)count;
	if (has(f, FIELD_TO) && !span_is(&f->value[bit_nr(FIELD_TO)], "none"))
		parse_find_ring(p, &f->value[bit_nr(FIELD_TO)], &r->to);
	number_field(p, f, FIELD_VALUE, UINT64_MAX, &r->value);
	if (has(f, FIELD_OFF))
		lex_offset(&p->x, &f->value[bit_nr(FIELD_OFF)], &r->off);
	if (has(f, FIELD_IN_OFF))
		lex_offset(&p->x, &f->value[bit_nr(FIELD_IN_OFF)], &r->in_off);
	if (has(f, FIELD_TS))
		lex_time(&p->x, &f->value[bit_nr(FIELD_TS)], &r->ts);
	if (has(f, FIELD_EVENTS))
		lex_flags(&p->x, &f->value[bit_nr(FIELD_EVENTS)], stream_poll_events, "events", &r->op_flags);
	if (has(f, FIELD_TARGET))
		target_field(p, i, &f->value[bit_nr(FIELD_TARGET)]);
	if (r->op == SOP_ASYNC_CANCEL)
		cancel_fields(p, r, f);
}

static void unknown_op(struct parser *p, unsigned int col, const struct span *w)
{
	struct text t;
	char words[320];

	text_init(&t, words, sizeof(words));
	for (unsigned int op = 0; op < SOP_NR; op++)
		text_printf(&t, " %s", stream_ops[op].word);
	if (w)
		lex_error(&p->x, col, "no operation is called '%.*s', expected one of%s", SPAN_SHOWN(*w), words);
	else
		lex_error(&p->x, col, "expected an operation, one of%s", words);
}

void parse_req_args(struct parser *p, unsigned int i)
{
	struct sreq *r = &p->s->reqs[i];
	unsigned int col = lex_col(&p->x), op;
	struct fields f = { .have = 0 };
	struct span w, key, value;

	if (!lex_word(&p->x, &w)) {
		unknown_op(p, col, NULL);
		return;
	}
	op = stream_op_find(w.s, w.len);
	if (op == SOP_NR) {
		unknown_op(p, col, &w);
		return;
	}
	r->op = (uint8_t)op;
	if (stream_sends(r))
		r->to = STREAM_NONE;
	while (lex_word(&p->x, &w)) {
		if (span_split(&w, '=', &key, &value))
			keyed_word(p, r, &f, &w, &key, &value);
		else
			bare_word(p, r, &w);
	}
	f.end_col = lex_col(&p->x);
	fill_fields(p, i, &f);
}

void parse_targets(struct parser *p)
{
	for (unsigned int i = 0; i < p->nr_targets; i++) {
		const struct span *w = &p->targets[i].name;
		unsigned int req = p->targets[i].req, to;

		for (to = 0; to < p->s->nr_reqs && !span_is(w, p->s->reqs[to].name); to++)
			;
		if (to < p->s->nr_reqs) {
			p->s->reqs[req].target = (uint8_t)to;
		} else if (!p->at_req[req].bad) {
			diag_error(p->diag, p->targets[i].line, w->col, "no request is called '%.*s'", SPAN_SHOWN(*w));
			p->at_req[req].bad = true;
		}
	}
}
