/* Records in and out of augur: shown to people, stored with their stream, told to machines. */
#ifndef CLI_RECORDS_H
#define CLI_RECORDS_H

#include <stdio.h>

#include "cli/exit.h"
#include "cli/json.h"
#include "cli/outcome.h"
#include "core/base/diag.h"
#include "runner/record.h"
#include "stream/model.h"

/* One line for each event, in fixed columns. */
void record_show(FILE *out, const struct stream *s, const struct record *rec);
/* The stream and its record in one text, which record_fetch() reads. */
void record_store(FILE *out, const struct stream *s, const struct record *rec);
/* The stream in canonical text. */
void stream_show(FILE *out, const struct stream *s);
/* Reads such a text. What is wrong with it is in *d: it is cut or no record; or what it says contradicts itself or its
 * stream, so that nothing can be concluded from it. */
void record_read(const char *text, size_t len, struct stream *s, struct record *rec, struct diag *d);
/* Reads what record_store() wrote. STATUS_OK, or what the message on stderr amounts to. */
enum exit_status record_fetch(const char *path, struct stream *s, struct record *rec);

/* The keys of an object that is open. */
void record_json(const struct stream *s, const struct record *rec, struct json *j);
void outcome_json(const struct outcome *o, const struct stream *s, const struct record *rec,
		  const struct stream_file *f, struct json *j);

#endif
