/* What a ring owes: how many CQEs are sure to come without anybody doing more. Who writes a stream waits for that and
 * not for what may never come. */
#ifndef STREAM_OWED_H
#define STREAM_OWED_H

#include "stream/model.h"

/* A lower bound of the CQEs that `ring` is sure to post by itself, less those that the waits before count: by the
 * requests of the steps before `step` (and its own, when it is a submit), whatever the schedule, on any kernel. `step`
 * may be nr_steps: after the last one. */
unsigned int stream_owed(const struct stream *s, unsigned int step, unsigned int ring);

#endif
