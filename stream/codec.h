/* Bytes to stream and back, for fuzzers that mutate bytes. Not a format to keep: text is.
 *
 * Decoding is total: any bytes are a valid stream, and nothing waits for CQEs that may not come. The bytes are a
 * header, a record of 8 bytes for each ring and object, and a record of 16 bytes for each step and request in their
 * order, so that a changed byte is a changed field and a moved record a moved step. Missing bytes count as 0. */
#ifndef STREAM_CODEC_H
#define STREAM_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "stream/model.h"

enum {
	CODEC_HEADER = 4,
	CODEC_DECL = 8,
	CODEC_RECORD = 16,
	/* No encoding is longer; bytes behind this are not read. */
	STREAM_MAX_BYTES = CODEC_HEADER + (STREAM_MAX_RINGS + STREAM_MAX_OBJS) * CODEC_DECL +
			   (STREAM_MAX_REQS + STREAM_MAX_STEPS) * CODEC_RECORD,
};

/* Equal bytes give equal streams. */
void stream_decode(const uint8_t *bytes, size_t n, struct stream *out);

/* The number of bytes, at most STREAM_MAX_BYTES; 0 when they are more than cap. For what the generator makes,
 * stream_same(decode(encode(s)), s). Other streams may hold what bytes cannot say (odd times and sizes, names,
 * expectations): they come back with something like it. */
size_t stream_encode(const struct stream *s, uint8_t *out, size_t cap);

#endif
