/* Variants: a stream that is like another one, changed in a few places. */
#ifndef STREAM_MUTATE_H
#define STREAM_MUTATE_H

#include <stdint.h>

#include "stream/model.h"

/* Makes s a variant of itself, drawn from the seed; pieces may come from `other`. The outcome is valid and waits for no
 * more than is owed, with plain names and neither comments nor expectations. Equal streams and seeds give equal
 * variants. s must have a ring; it stays as it is, but for names, where nothing can be changed. */
void stream_mutate(struct stream *s, const struct stream *other, uint64_t seed);

enum { STREAM_MUTATORS = 19 };

/* What one of them does, for statistics: "retarget". */
const char *stream_mutator_name(unsigned int mutator);

/* By one of them alone. False: it found nothing to change. */
bool stream_mutate_by(struct stream *s, const struct stream *other, unsigned int mutator, uint64_t seed);

#endif
