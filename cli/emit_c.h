/* A stream as a C program that needs nothing but liburing: for a bug report. */
#ifndef CLI_EMIT_C_H
#define CLI_EMIT_C_H

#include <stdbool.h>
#include <stdio.h>

#include "stream/model.h"

struct emission {
	const struct stream *s;
	const char *name; /* of the stream, for the first line */
	const char *finding; /* the id it is about, or NULL */
	const char *text; /* a paragraph about it, or NULL */
};

/* The rules of oracle/rules.c that emitted programs can look for by themselves. */
bool emit_checks_rule(const char *id);

/* Every result has one allowed value, and no finding says that this is a matter of luck: one round is enough. */
bool emit_is_certain(const struct emission *e);

void emit_c(const struct emission *e, FILE *out);

/* ---- private to cli/emit_*.c ---- */

/* What a program needs beyond what all need. */
enum emit_need {
	NEED_CREW = 1 << 0, /* several tasks, or one that exits: they are told what to do */
	NEED_SOLO = 1 << 1,
	NEED_FORK = 1 << 2, /* the stream ends its process */
	NEED_WAIT = 1 << 5,
	NEED_REAP = 1 << 6,
	NEED_SEVER = 1 << 7,
	NEED_CANCEL_ZERO = 1 << 8,
	NEED_CANCEL_ENOENT = 1 << 9,
	NEED_FAILED = 1 << 10,
	NEED_FILE = 1 << 12,
	NEED_PIPE = 1 << 13,
	NEED_EVENTFD = 1 << 14,
	NEED_SUBMIT = 1 << 15,
	NEED_TIMEOUT_COUNT = 1 << 16,
	NEED_SET = 1 << 17,
	NEED_FIFO = 1 << 18,
};

/* A constant and its name; a table ends with a row without one. */
struct emit_name {
	uint32_t value;
	const char *text;
};

/* cli/emit_prep.c: the calls that fill the SQE of a request, and what goes into them. */
void emit_prep(const struct stream *s, unsigned int req, FILE *out);
void emit_fd(const struct stream *s, const struct fdref *fd, FILE *out);
bool emit_is_eventfd(const struct stream *s, const struct fdref *fd);
/* "A | B"; "0" */
void emit_flags(uint32_t flags, const struct emit_name *names, FILE *out);

/* A piece of the program that is the same for all streams; written when all of `need` (0: always) is needed. */
struct emit_piece {
	unsigned int need;
	const char *text;
};

/* Those before and those behind what is made of the stream; a NULL text ends them. */
extern const struct emit_piece emit_first[], emit_then[], emit_last[];

unsigned int emit_law_needs(const struct stream *s);
/* `.nr_allowed = 2, .allowed = { { 0, 0 }, { -ECANCELED, -ECANCELED } }`: what the operation may say in this stream; nothing
 * where that is not for a simple list to say. */
void emit_allowed(const struct stream *s, unsigned int req, FILE *out);
/* The calls of the check functions. */
void emit_checks(const struct stream *s, FILE *out);
/* "-ECANCELED", "8" */
void emit_result(long res, FILE *out);
/* It posts no CQE when it succeeds, or may end silently behind one that does not. */
bool emit_is_silent(const struct stream *s, unsigned int req);

#endif
