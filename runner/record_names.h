/* The words and fields of the record's text forms, for runner/ and for those who alter records (corpora/lies). */
#ifndef RUNNER_RECORD_NAMES_H
#define RUNNER_RECORD_NAMES_H

#include "runner/record.h"

/* A field of an event as the file form has it. */
struct record_field {
	const char *name;
	uint16_t offset;
	uint8_t size;
	bool is_signed, has_none; /* none: all bits set, which is then the default */
};

enum { RECORD_FIELDS = 11 };

extern const struct record_field record_fields[RECORD_FIELDS];
extern const char *const record_flag_words[4]; /* by bit */

uint64_t record_field_get(const struct record_field *f, const struct rec_event *e);
void record_field_set(const struct record_field *f, struct rec_event *e, uint64_t v);
uint64_t record_field_default(const struct record_field *f);

#endif
