/* Records as text: for people, for files (a record with its stream, which parses back), and for machines. */
#ifndef RUNNER_RECORD_TEXT_H
#define RUNNER_RECORD_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/diag.h"
#include "core/base/text.h"
#include "runner/record.h"
#include "stream/model.h"

/* Enough for any record in any of these forms. */
enum { RECORD_TEXT_CAP = 2 << 20 };

/* One line for each event in fixed columns: time in microseconds, task, what, request or object, result, more. The
 * events must be of s. record_line is one of them, without newline. */
void record_table(const struct record *rec, const struct stream *s, struct text *out);
void record_line(const struct record *rec, unsigned int event, const struct stream *s, struct text *out);

/* The file form:
 *	augur-record 1
 *	runner kernel
 *	release 6.18.44
 *	fs tmpfs
 *	flags fresh stamps complete
 *	stream 9		that many lines of stream text follow
 *	...
 *	events 21		that many lines follow
 *	begin 1297 task=0 ring=0 step=0 a=8
 *	...
 *	end
 * An event is its kind, its stamp, and those fields that do not have their default: task, ring, obj, step and req are
 * then `none`, the others 0. */
void record_print(const struct record *rec, const struct stream *s, struct text *out);

/* Reads the file form. 0; or -EINVAL with errors in *d: another version, a text that is cut, a number out of range, an
 * event of what the stream does not have. */
int record_parse(const char *text, size_t len, struct record *rec, struct stream *s, struct diag *d);

/* Does the text begin as a record does? */
bool record_marked(const char *text);
/* The line, from 1, of an event in a text that record_parse() has read. */
unsigned int record_event_line(const char *text, unsigned int event);

/* One JSON object, without newline at its end. */
void record_print_json(const struct record *rec, const struct stream *s, struct text *out);

/* Equal in every event and in what they say of the runner. */
bool record_same(const struct record *a, const struct record *b);

/* "kernel" */
const char *record_runner_name(unsigned int runner);
/* "begin"; NULL past the last */
const char *record_kind_name(unsigned int kind);
/* "release" */
const char *record_phase_name(uint64_t phase);

#endif
