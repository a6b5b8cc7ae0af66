/* Streams of which only one outcome is allowed: to run one of them again and again shows nothing new. */
#ifndef STREAM_CERTAIN_H
#define STREAM_CERTAIN_H

#include "stream/model.h"

/* Has each request one result, whatever the schedule? True where the stream itself expects exactly one of each, or where
 * all of them plainly end while they are submitted; false where that is not plain. */
bool stream_certain(const struct stream *s);

#endif
