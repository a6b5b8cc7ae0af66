/* The rules that make a stream valid, as one walk that reports every breach with the item it is about. The parser turns
 * items into lines, stream_check() takes the first breach, and the generator and the codec keep to the same rules. */
#ifndef STREAM_RULES_H
#define STREAM_RULES_H

#include <stdbool.h>

#include "stream/model.h"

enum stream_item { ITEM_STREAM, ITEM_TASK, ITEM_RING, ITEM_OBJ, ITEM_REQ, ITEM_STEP, ITEM_SCHEDULE };

/* `why` is a literal. */
typedef void stream_breach_fn(void *ctx, enum stream_item item, unsigned int index, const char *why);

void stream_rules(const struct stream *s, stream_breach_fn *breach, void *ctx);

/* The sizes a ring gets, when its setup is sure to succeed; false when it is not. */
bool stream_ring_size(const struct ring *r, uint32_t *sq, uint32_t *cq);

/* A name: [a-z][a-z0-9_]*, with its NUL within STREAM_NAME, and not `none`. */
bool stream_name_ok(const char name[STREAM_NAME]);

/* Names for a stream that no person wrote: requests a, b, .. z, aa, ..; pipes p, p2, ..; eventfds e, ..; files f, ..; fifos q, ..;
 * rings r, ..; tasks main, t2, .. */
void stream_name_all(struct stream *s);

#endif
