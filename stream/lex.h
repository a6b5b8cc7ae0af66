/* One line of text, word by word: what the parser stands on. Errors go to the diagnostics with their place. */
#ifndef STREAM_LEX_H
#define STREAM_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "stream/model.h"
#include "stream/optable.h"

struct lex {
	struct diag *diag;
	unsigned int lineno;
	const char *line, *p, *end; /* the line without its newline; where we are */
	bool bad; /* an error was noted in this line */
};

/* A piece of the line. */
struct span {
	const char *s;
	size_t len;
	unsigned int col;
};

/* For "%.*s": what an error shows of a piece. */
#define SPAN_SHOWN(w) (int)((w).len > 40 ? 40 : (w).len), (w).s

void lex_begin(struct lex *x, struct diag *d, unsigned int lineno, const char *line, const char *end);
void lex_error(struct lex *x, unsigned int col, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The column of what comes next. */
unsigned int lex_col(struct lex *x);
/* The next word; false at the end of the line, at `->` and at a comment. */
bool lex_word(struct lex *x, struct span *w);
/* Takes `->` if it comes next. */
bool lex_arrow(struct lex *x);
/* Takes the comment if it comes next: from # to the last character that is not blank. */
bool lex_comment(struct lex *x, struct span *w);

bool span_is(const struct span *w, const char *word);
/* Splits at the first `sep` into head and rest; false when there is none. */
bool span_split(const struct span *w, char sep, struct span *head, struct span *rest);

/* All of these note an error and return false when the piece is no such thing. `what` names it in the error. */
bool lex_number(struct lex *x, const struct span *w, uint64_t max, const char *what, uint64_t *out);
bool lex_offset(struct lex *x, const struct span *w, int64_t *out);
bool lex_time(struct lex *x, const struct span *w, uint64_t *out);
bool lex_name(struct lex *x, const struct span *w, char name[STREAM_NAME]);
/* Words of the table, joined by |. */
bool lex_flags(struct lex *x, const struct span *w, const struct stream_word *table, const char *what, uint32_t *out);
/* The alternatives behind `->`. */
bool lex_expect(struct lex *x, struct expect *e);

/* "a, b or c": the words of a table, for errors. */
const char *lex_words(char *buf, size_t cap, const struct stream_word *table);

#endif
