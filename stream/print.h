/* Stream to text, in canonical form: `augur fmt` is print after parse. */
#ifndef STREAM_PRINT_H
#define STREAM_PRINT_H

#include "core/base/text.h"
#include "stream/model.h"

/* Enough for any stream. */
enum { STREAM_PRINT_CAP = 1 << 18 };

/* The whole stream. It must be valid. */
void stream_print(const struct stream *s, struct text *out);

/* Parts of it, as they stand in the text, without comments, expectations and newlines: for messages. */
void stream_print_ring(const struct stream *s, unsigned int ring, struct text *out);
void stream_print_obj(const struct stream *s, unsigned int obj, struct text *out);
void stream_print_req(const struct stream *s, unsigned int req, struct text *out);
void stream_print_step(const struct stream *s, unsigned int step, struct text *out);
/* "0 | -EALREADY"; an expectation that allows anything is `any`. */
void stream_print_expect(const struct expect *e, struct text *out);
/* "p.in" */
void stream_print_fd(const struct stream *s, const struct fdref *fd, struct text *out);
/* "-ECANCELED", "8" */
void stream_print_result(int64_t res, struct text *out);
/* "20us", "never" */
void stream_print_time(uint64_t ns, struct text *out);

#endif
