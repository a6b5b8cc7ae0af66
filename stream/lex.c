#include "stream/lex.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "core/base/text.h"

void lex_begin(struct lex *x, struct diag *d, unsigned int lineno, const char *line, const char *end)
{
	*x = (struct lex){ .diag = d, .lineno = lineno, .line = line, .p = line, .end = end };
}

void lex_error(struct lex *x, unsigned int col, const char *fmt, ...)
{
	char text[192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_error(x->diag, x->lineno, col, "%s", text);
	x->bad = true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct lex *x)
{
	while (x->p < x->end && is_blank(*x->p))
		x->p++;
}

unsigned int lex_col(struct lex *x)
{
	skip_blanks(x);
	return (unsigned int)(x->p - x->line) + 1;
}

static bool at_arrow(const struct lex *x)
{
	return x->end - x->p >= 2 && x->p[0] == '-' && x->p[1] == '>';
}

bool lex_word(struct lex *x, struct span *w)
{
	skip_blanks(x);
	if (x->p == x->end || *x->p == '#' || at_arrow(x))
		return false;
	w->s = x->p;
	w->col = (unsigned int)(x->p - x->line) + 1;
	while (x->p < x->end && !is_blank(*x->p) && *x->p != '#' && !at_arrow(x))
		x->p++;
	w->len = (size_t)(x->p - w->s);
	return true;
}

bool lex_arrow(struct lex *x)
{
	skip_blanks(x);
	if (!at_arrow(x))
		return false;
	x->p += 2;
	return true;
}

bool lex_comment(struct lex *x, struct span *w)
{
	skip_blanks(x);
	if (x->p == x->end || *x->p != '#')
		return false;
	*w = (struct span){ x->p, (size_t)(x->end - x->p), (unsigned int)(x->p - x->line) + 1 };
	while (is_blank(w->s[w->len - 1]))
		w->len--;
	x->p = x->end;
	return true;
}

bool span_is(const struct span *w, const char *word)
{
	return strncmp(w->s, word, w->len) == 0 && word[w->len] == '\0';
}

bool span_split(const struct span *w, char sep, struct span *head, struct span *rest)
{
	const struct span whole = *w; /* head or rest may be w */
	const char *at = memchr(whole.s, sep, whole.len);
	size_t n;

	if (!at)
		return false;
	n = (size_t)(at - whole.s);
	*rest = (struct span){ at + 1, whole.len - n - 1, whole.col + (unsigned int)n + 1 };
	*head = (struct span){ whole.s, n, whole.col };
	return true;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* Digits from s, decimal or 0x; how many characters were taken, 0: no number. *huge: it does not fit in 64 bits. */
static size_t scan_number(const char *s, size_t len, uint64_t *out, bool *huge)
{
	uint64_t base = 10, v = 0;
	size_t i = 0, start;

	*huge = false;
	if (len > 2 && s[0] == '0' && s[1] == 'x') {
		base = 16;
		i = 2;
	}
	for (start = i; i < len && (uint64_t)digit(s[i]) < base; i++) {
		uint64_t d = (uint64_t)digit(s[i]);

		if (v > (UINT64_MAX - d) / base)
			*huge = true;
		v = v * base + d;
	}
	*out = v;
	return i == start ? 0 : i;
}

bool lex_number(struct lex *x, const struct span *w, uint64_t max, const char *what, uint64_t *out)
{
	bool huge;
	size_t n = scan_number(w->s, w->len, out, &huge);

	if (n == 0 || n != w->len) {
		lex_error(x, w->col, "found '%.*s' for %s, expected a number", SPAN_SHOWN(*w), what);
		return false;
	}
	if (huge || *out > max) {
		lex_error(x, w->col, "%.*s is too large for %s: at most %" PRIu64, SPAN_SHOWN(*w), what, max);
		return false;
	}
	return true;
}

bool lex_offset(struct lex *x, const struct span *w, int64_t *out)
{
	uint64_t v;

	if (span_is(w, "-1")) {
		*out = -1;
		return true;
	}
	if (!lex_number(x, w, STREAM_MAX_LEN, "off", &v))
		return false;
	*out = (int64_t)v;
	return true;
}

bool lex_time(struct lex *x, const struct span *w, uint64_t *out)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
	struct span unit;
	bool huge;
	size_t n;

	if (span_is(w, "never")) {
		*out = STREAM_NEVER_NS;
		return true;
	}
	n = scan_number(w->s, w->len, out, &huge);
	unit = (struct span){ w->s + n, w->len - n, w->col + (unsigned int)n };
	if (n > 0 && unit.len == 0 && *out == 0 && !huge)
		return true;
	for (unsigned int i = 0; n > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (!span_is(&unit, units[i].unit))
			continue;
		if (huge || *out > STREAM_NEVER_NS / units[i].ns) {
			lex_error(x, w->col, "%.*s is too long: at most 360000s, which is `never`", SPAN_SHOWN(*w));
			return false;
		}
		*out *= units[i].ns;
		return true;
	}
	lex_error(x, w->col, "found '%.*s', expected a time: 0, a number with ns, us, ms or s, or never",
		  SPAN_SHOWN(*w));
	return false;
}

bool lex_name(struct lex *x, const struct span *w, char name[STREAM_NAME])
{
	memset(name, 0, STREAM_NAME);
	if (span_is(w, "none")) {
		lex_error(x, w->col, "`none` is no name: it stands for nothing");
		return false;
	}
	for (size_t i = 0; i < w->len; i++) {
		char c = w->s[i];
		bool ok = (c >= 'a' && c <= 'z') || (i > 0 && ((c >= '0' && c <= '9') || c == '_'));

		if (!ok) {
			lex_error(x, w->col + (unsigned int)i,
				  "'%.*s' is no name: a letter a-z, then letters, digits and _", SPAN_SHOWN(*w));
			return false;
		}
	}
	if (w->len == 0 || w->len >= STREAM_NAME) {
		lex_error(x, w->col, "the name '%.*s' has %zu characters, expected 1 to %d", SPAN_SHOWN(*w), w->len,
			  STREAM_NAME - 1);
		return false;
	}
	memcpy(name, w->s, w->len);
	return true;
}

const char *lex_words(char *buf, size_t cap, const struct stream_word *table)
{
	struct text t;

	text_init(&t, buf, cap);
	for (const struct stream_word *w = table; w->word; w++)
		text_printf(&t, "%s%s", w == table ? "" : w[1].word ? ", " : " or ", w->word);
	return buf;
}

bool lex_flags(struct lex *x, const struct span *w, const struct stream_word *table, const char *what, uint32_t *out)
{
	struct span one, rest = *w;
	char words[128];
	bool more = true, ok = true;

	*out = 0;
	while (more) {
		const struct stream_word *row;

		more = span_split(&rest, '|', &one, &rest);
		if (!more)
			one = rest;
		row = stream_word_find(table, one.s, one.len);
		if (!row) {
			lex_error(x, one.col, "found '%.*s' for %s, expected %s", SPAN_SHOWN(one), what,
				  lex_words(words, sizeof(words), table));
			ok = false;
		} else if (*out & row->value) {
			lex_error(x, one.col, "%s is given twice", row->word);
			ok = false;
		} else {
			*out |= row->value;
		}
	}
	return ok;
}

/* One value: a number, perhaps negative, or -ENAME. It ends at a blank, |, .. or #. */
static bool expect_value(struct lex *x, int32_t *out)
{
	unsigned int col = lex_col(x);
	struct span w = { x->p, 0, col };
	bool minus, huge;
	const struct stream_word *row;
	uint64_t v;

	while (x->p < x->end && !is_blank(*x->p) && *x->p != '|' && *x->p != '#' &&
	       !(x->end - x->p >= 2 && x->p[0] == '.' && x->p[1] == '.'))
		x->p++;
	w.len = (size_t)(x->p - w.s);
	minus = w.len > 0 && w.s[0] == '-';
	if (minus) {
		row = stream_word_find(stream_errnos, w.s + 1, w.len - 1);
		if (row) {
			*out = -(int32_t)row->value;
			return true;
		}
	}
	if (scan_number(w.s + minus, w.len - minus, &v, &huge) + minus != w.len || w.len == (size_t)minus) {
		lex_error(x, col, "found '%.*s', expected a result: a number, -ENAME, LO..HI, >=LO, none or any",
			  SPAN_SHOWN(w));
		return false;
	}
	if (huge || v > INT32_MAX) {
		lex_error(x, col, "%.*s is too large for a result: at most %d", SPAN_SHOWN(w), INT32_MAX);
		return false;
	}
	*out = minus ? -(int32_t)v : (int32_t)v;
	return true;
}

static bool take(struct lex *x, const char *what)
{
	size_t n = strlen(what);

	skip_blanks(x);
	if ((size_t)(x->end - x->p) < n || memcmp(x->p, what, n) != 0)
		return false;
	x->p += n;
	return true;
}

/* `none` and `any` as whole words. */
static bool take_word(struct lex *x, const char *what)
{
	const char *was = x->p;

	if (!take(x, what))
		return false;
	if (x->p < x->end && !is_blank(*x->p) && *x->p != '|' && *x->p != '#') {
		x->p = was;
		return false;
	}
	return true;
}

static bool expect_alt(struct lex *x, struct expect *e)
{
	unsigned int col = lex_col(x), nr = e->nr;
	int32_t lo = 0, hi = 0;
	uint8_t kind = ALT_RANGE;

	if (take_word(x, "none")) {
		kind = ALT_NOCQE;
	} else if (take(x, ">=")) {
		if (!expect_value(x, &lo))
			return false;
		hi = INT32_MAX;
	} else {
		if (!expect_value(x, &lo))
			return false;
		hi = lo;
		if (take(x, "..") && !expect_value(x, &hi))
			return false;
	}
	if (lo > hi) {
		lex_error(x, col, "this range ends before it begins");
		return false;
	}
	if (nr == STREAM_MAX_ALTS) {
		lex_error(x, col, "more than %d alternatives", STREAM_MAX_ALTS);
		return false;
	}
	e->alt[nr].kind = kind;
	e->alt[nr].lo = lo;
	e->alt[nr].hi = hi;
	e->nr++;
	return true;
}

bool lex_expect(struct lex *x, struct expect *e)
{
	struct span w;

	memset(e, 0, sizeof(*e));
	if (!take_word(x, "any")) {
		do {
			if (!expect_alt(x, e))
				return false;
		} while (take(x, "|"));
	}
	w.col = lex_col(x);
	if (lex_word(x, &w) || lex_arrow(x)) {
		lex_error(x, w.col, "found more behind the expectation, expected | or the end of the line");
		return false;
	}
	return true;
}
