/* The hands' tests are the same for each; a leg says which. */
#ifndef RUNNER_HAND_TEST_H
#define RUNNER_HAND_TEST_H

#include "runner/record.h"

extern const enum rec_runner leg_runner;

#endif
