#include "stream/print.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/uapi.h"
#include "stream/optable.h"

/* Columns, counted from 0. A line that is longer moves only its own rest, so that one changed line is one changed line
 * in a diff. */
enum { EXPECT_COLUMN = 44, TAIL_COLUMN = 68, DECISIONS_PER_LINE = 48 };

static void put_flags(struct text *out, const struct stream_word *table, uint32_t flags, const char *sep)
{
	const char *s = "";

	for (; table->word; table++) {
		if (flags & table->value) {
			text_put(out, s);
			text_put(out, table->word);
			s = sep;
		}
	}
}

/* Plain words, each with a blank before it. */
static void put_words(struct text *out, const struct stream_word *table, uint32_t flags)
{
	if (flags & stream_word_bits(table)) {
		text_putc(out, ' ');
		put_flags(out, table, flags, " ");
	}
}

static void put_in_base(struct text *out, const char *key, uint64_t n, uint64_t base)
{
	char buf[24];
	unsigned int at = sizeof(buf);

	do
		buf[--at] = "0123456789abcdef"[n % base];
	while (n /= base);
	text_put(out, key);
	if (base == 16)
		text_put(out, "0x");
	text_putn(out, buf + at, sizeof(buf) - at);
}

/* What does not fit in 32 bits is easier to read in hexadecimal. */
static void put_number(struct text *out, const char *key, uint64_t n)
{
	put_in_base(out, key, n, n > UINT32_MAX ? 16 : 10);
}

static void put_mask(struct text *out, const char *key, uint64_t mask)
{
	put_in_base(out, key, mask, 16);
}

void stream_print_time(uint64_t ns, struct text *out)
{
	if (ns == STREAM_NEVER_NS) {
		text_put(out, "never");
		return;
	}
	if (ns % 1000) {
		put_number(out, "", ns);
		text_put(out, "ns");
	} else if (ns % 1000000) {
		put_number(out, "", ns / 1000);
		text_put(out, "us");
	} else if (ns % 1000000000) {
		put_number(out, "", ns / 1000000);
		text_put(out, "ms");
	} else {
		put_number(out, "", ns / 1000000000);
		text_put(out, ns ? "s" : "");
	}
}

void stream_print_fd(const struct stream *s, const struct fdref *fd, struct text *out)
{
	if (fd->kind == FD_BAD) {
		text_put(out, "none");
		return;
	}
	text_put(out, s->objs[fd->obj].name);
	if (stream_has_ends(s->objs[fd->obj].kind))
		text_put(out, fd->end == END_IN ? ".in" : ".out");
}

void stream_print_result(int64_t res, struct text *out)
{
	const char *name = res < 0 && res > -4096 ? stream_word_of(stream_errnos, (uint32_t)-res) : NULL;

	if (name) {
		text_putc(out, '-');
		text_put(out, name);
	} else {
		put_number(out, res < 0 ? "-" : "", res < 0 ? -(uint64_t)res : (uint64_t)res);
	}
}

void stream_print_expect(const struct expect *e, struct text *out)
{
	if (e->nr == 0)
		text_put(out, "any");
	for (unsigned int i = 0; i < e->nr; i++) {
		if (i)
			text_put(out, " | ");
		if (e->alt[i].kind == ALT_NOCQE) {
			text_put(out, "none");
			continue;
		}
		if (e->alt[i].hi == INT32_MAX && e->alt[i].lo != INT32_MAX)
			text_put(out, ">=");
		stream_print_result(e->alt[i].lo, out);
		if (e->alt[i].hi == INT32_MAX || e->alt[i].lo == e->alt[i].hi)
			continue;
		text_put(out, "..");
		stream_print_result(e->alt[i].hi, out);
	}
}

void stream_print_ring(const struct stream *s, unsigned int ring, struct text *out)
{
	const struct ring *r = &s->rings[ring];

	text_put(out, "ring ");
	text_put(out, r->name);
	if (r->flags) {
		text_put(out, " flags=");
		put_flags(out, stream_ring_flags, r->flags, "|");
	}
	put_number(out, " entries=", r->entries);
	if (r->cq_entries)
		put_number(out, " cq=", r->cq_entries);
	if (r->task) {
		text_put(out, " task=");
		text_put(out, s->tasks[r->task].name);
	}
}

void stream_print_obj(const struct stream *s, unsigned int obj, struct text *out)
{
	static const char *const keys[OBJ_KINDS] = { " capacity=", " count=", " size=", "" };
	const struct obj *o = &s->objs[obj];

	text_put(out, stream_word_of(stream_obj_kinds, o->kind));
	text_putc(out, ' ');
	text_put(out, o->name);
	if (o->init)
		put_number(out, keys[o->kind], o->init);
	put_words(out, stream_obj_flags, o->flags);
}

static void put_transfer(const struct stream *s, const struct fdref *fd, uint32_t len, uint64_t value, bool adds,
			 struct text *out)
{
	bool event = fd->kind == FD_OBJ && s->objs[fd->obj].kind == OBJ_EVENTFD;

	if (event && adds)
		put_number(out, " value=", value);
	if (!event || len != 8)
		put_number(out, " len=", len);
}

static void put_target(const struct stream *s, uint8_t target, struct text *out)
{
	text_put(out, " target=");
	text_put(out, target == STREAM_NONE ? "none" : s->reqs[target].name);
}

static void put_cancel(const struct stream *s, const struct sreq *r, struct text *out)
{
	if (stream_cancel_by_target(r->op_flags))
		put_target(s, r->target, out);
	if (r->op_flags & IORING_ASYNC_CANCEL_FD) {
		text_put(out, " fd=");
		stream_print_fd(s, &r->fd, out);
	}
	if (r->op_flags & AU_ASYNC_CANCEL_OP) {
		text_put(out, " op=");
		text_put(out, stream_ops[r->cancel_op].word);
	}
}

void stream_print_req(const struct stream *s, unsigned int req, struct text *out)
{
	const struct sreq *r = &s->reqs[req];
	const struct stream_oprow *op = &stream_ops[r->op];

	text_put(out, r->name);
	text_put(out, ": ");
	text_put(out, op->word);
	if (op->takes & FIELD_FD && r->op != SOP_ASYNC_CANCEL) {
		text_put(out, " fd=");
		stream_print_fd(s, &r->fd, out);
	}
	if (op->takes & FIELD_IN) {
		text_put(out, " in=");
		stream_print_fd(s, &r->in, out);
	}
	if (op->takes & FIELD_LEN)
		put_transfer(s, &r->fd, r->len, r->value, stream_op_is(r->op, OP_WRITES), out);
	if (r->iovs > 1)
		put_number(out, " iovs=", r->iovs);
	if (r->off < 0)
		text_put(out, " off=-1");
	else if (r->off)
		put_number(out, " off=", (uint64_t)r->off);
	if (r->in_off < 0)
		text_put(out, " in_off=-1");
	else if (r->in_off)
		put_number(out, " in_off=", (uint64_t)r->in_off);
	if (op->takes & FIELD_EVENTS) {
		text_put(out, " events=");
		put_flags(out, stream_poll_events, r->op_flags, "|");
	}
	if (op->takes & FIELD_TS) {
		text_put(out, " ts=");
		stream_print_time(r->ts, out);
	}
	if (op->takes & FIELD_TO) {
		text_put(out, " to=");
		text_put(out, r->to == STREAM_NONE ? "none" : s->rings[r->to].name);
	}
	if (r->count)
		put_number(out, op->takes & FIELD_RES ? " res=" : " count=", r->count);
	if (r->op == SOP_ASYNC_CANCEL)
		put_cancel(s, r, out);
	else if (op->takes & FIELD_TARGET)
		put_target(s, r->target, out);
	put_words(out, op->flags, r->op_flags);
	put_words(out, stream_sqe_flags, r->sqe_flags);
}

void stream_print_step(const struct stream *s, unsigned int step, struct text *out)
{
	const struct step *t = &s->steps[step];
	unsigned int task = 0;

	text_put(out, stream_word_of(stream_step_kinds, t->kind));
	if (stream_step_on_ring(t->kind)) {
		task = s->rings[t->ring].task;
		text_putc(out, ' ');
		text_put(out, s->rings[t->ring].name);
	} else if (t->kind <= STEP_CLOSE) {
		text_putc(out, ' ');
		stream_print_fd(s, &t->fd, out);
	} else {
		text_put(out, t->kind == STEP_EXIT_THREAD ? " thread" : " process");
	}
	if (t->kind == STEP_FILES) {
		put_number(out, " ", t->len);
		text_put(out, t->value ? " open" : "");
	} else if (t->kind == STEP_TELL && t->len) {
		put_number(out, " res=", t->len);
	} else if (t->kind == STEP_SLOT) {
		text_putc(out, ' ');
		stream_print_fd(s, &t->fd, out);
		text_put(out, t->value ? " empty" : "");
	}
	if (t->kind == STEP_WAIT)
		put_number(out, " ", t->wait_nr);
	else if (t->wait)
		put_number(out, " wait=", t->wait_nr);
	if (t->kind == STEP_WRITE || t->kind == STEP_READ)
		put_transfer(s, &t->fd, t->len, t->value, t->kind == STEP_WRITE, out);
	if (t->limit[0])
		put_number(out, " bounded=", t->limit[0]);
	if (t->limit[1])
		put_number(out, " unbounded=", t->limit[1]);
	if (t->kind == STEP_IOWQ_AFF)
		put_mask(out, " cpus=", t->value);
	else if (t->kind == STEP_IOWQ_UNAFF)
		text_put(out, " none");
	if (t->task != task) {
		text_put(out, " task=");
		text_put(out, s->tasks[t->task].name);
	}
}

/* The lines before an item. */
static void put_comment(const struct stream *s, uint32_t comment, const char *indent, struct text *out)
{
	const char *line;

	if (!comment)
		return;
	for (line = s->pool + comment - 1; *line;) {
		size_t len = strcspn(line, "\n");

		if (len) {
			text_put(out, indent);
			text_putn(out, line, len);
		}
		text_putc(out, '\n');
		line += len + (line[len] == '\n');
	}
}

/* The rest of a line whose first part stands in out. */
static void end_line(const struct stream *s, size_t start, const struct expect *e, uint32_t tail, struct text *out)
{
	size_t column = EXPECT_COLUMN;

	if (e && e->nr) {
		text_putc(out, ' ');
		if (out->len - start < EXPECT_COLUMN)
			text_pad(out, EXPECT_COLUMN);
		text_put(out, "-> ");
		stream_print_expect(e, out);
		column = TAIL_COLUMN;
	}
	if (tail) {
		text_put(out, "  ");
		if (out->len - start < column)
			text_pad(out, column);
		text_put(out, s->pool + tail - 1);
	}
	text_putc(out, '\n');
}

static void put_decls(const struct stream *s, struct text *out)
{
	size_t start;

	for (unsigned int i = 1; i < s->nr_tasks; i++) {
		put_comment(s, s->tasks[i].comment, "", out);
		start = out->len;
		text_put(out, "task ");
		text_put(out, s->tasks[i].name);
		end_line(s, start, NULL, s->tasks[i].tail, out);
	}
	for (unsigned int i = 0; i < s->nr_rings; i++) {
		put_comment(s, s->rings[i].comment, "", out);
		start = out->len;
		stream_print_ring(s, i, out);
		end_line(s, start, NULL, s->rings[i].tail, out);
	}
	for (unsigned int i = 0; i < s->nr_objs; i++) {
		put_comment(s, s->objs[i].comment, "", out);
		start = out->len;
		stream_print_obj(s, i, out);
		end_line(s, start, NULL, s->objs[i].tail, out);
	}
}

static void put_step(const struct stream *s, unsigned int i, struct text *out)
{
	const struct step *t = &s->steps[i];
	size_t start;

	put_comment(s, t->comment, "", out);
	start = out->len;
	stream_print_step(s, i, out);
	end_line(s, start, &t->expect, t->tail, out);
	for (unsigned int r = t->first_req; r < (unsigned int)t->first_req + t->nr_reqs; r++) {
		put_comment(s, s->reqs[r].comment, "  ", out);
		start = out->len;
		text_put(out, "  ");
		stream_print_req(s, r, out);
		end_line(s, start, &s->reqs[r].expect, s->reqs[r].tail, out);
	}
}

static void put_schedule(const struct stream *s, struct text *out)
{
	static const char digits[] = "0123456789abcdef";
	const struct schedule *c = &s->schedule;
	size_t start;

	if (!c->kind)
		return;
	put_comment(s, c->comment, "", out);
	start = out->len;
	text_put(out, "schedule ");
	text_put(out, stream_word_of(stream_schedules, c->kind));
	if (c->kind == 1)
		put_number(out, " seed=", c->seed);
	for (unsigned int i = 0; i < c->nr_decisions; i++) {
		if (i % DECISIONS_PER_LINE == 0) {
			if (i == DECISIONS_PER_LINE)
				end_line(s, start, NULL, c->tail, out);
			else if (i)
				text_putc(out, '\n');
			text_put(out, i ? "schedule replay " : " ");
		}
		text_putc(out, digits[s->decisions[i] >> 4]);
		text_putc(out, digits[s->decisions[i] & 15]);
	}
	if (c->nr_decisions <= DECISIONS_PER_LINE)
		end_line(s, start, NULL, c->tail, out);
	else
		text_putc(out, '\n');
}

void stream_print(const struct stream *s, struct text *out)
{
	put_comment(s, s->comment, "", out);
	put_number(out, "augur ", s->version);
	text_putc(out, '\n');
	put_decls(s, out);
	for (unsigned int i = 0; i < s->nr_steps; i++)
		put_step(s, i, out);
	put_schedule(s, out);
	put_comment(s, s->end_comment, "", out);
}
