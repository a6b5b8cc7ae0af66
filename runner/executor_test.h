/* The executor's tests are the same on every runner; each leg says how a stream is run there. */
#ifndef RUNNER_EXECUTOR_TEST_H
#define RUNNER_EXECUTOR_TEST_H

#include "runner/record.h"
#include "stream/model.h"

/* NULL, or why this leg cannot run here. */
const char *leg_missing(void);
/* Runs the stream; rec is shared memory. 0 or -errno. */
int leg_run(const struct stream *s, uint64_t seed, struct record *rec);

#endif
