#include "runner/hand_test.h"

const enum rec_runner leg_runner = RUNNER_SIM;
