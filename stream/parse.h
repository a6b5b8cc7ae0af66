/* Text to stream. docs/stream.md is the reference of the syntax. */
#ifndef STREAM_PARSE_H
#define STREAM_PARSE_H

#include <stddef.h>

#include "core/base/diag.h"
#include "stream/model.h"

/* No stream needs more text than this; a longer one is refused before it is read. */
enum { STREAM_MAX_TEXT = 1 << 18 };

/* Reads `len` bytes. Returns 0 and the stream, which is valid; or -EINVAL, every error in *d and an empty stream. The
 * caller has called diag_init(); an error count from before is kept. */
int stream_parse(const char *text, size_t len, struct stream *out, struct diag *d);

#endif
