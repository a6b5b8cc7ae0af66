/* What a ring owes: how many CQEs are sure to come without anybody doing more. Who writes a stream waits for that and
 * not for what may never come. */
#ifndef STREAM_OWED_H
#define STREAM_OWED_H

#include "stream/model.h"

/* A lower bound of the CQEs that `ring` is sure to have posted, and nobody has reaped, when step `step` waits: by the
 * requests of the steps before it (and its own, when it is a submit), whatever the schedule, on any kernel. CQEs that an
 * earlier wait, reap or peek may have reaped are not counted. `step` may be nr_steps: after the last one. */
unsigned int stream_owed(const struct stream *s, unsigned int step, unsigned int ring);

#endif
