/* What the benches share. */
#ifndef STRESS_BENCH_H
#define STRESS_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/exit.h"
#include "cli/runners.h"

enum { BENCH_MAX_REPEATS = 101, BENCH_MIN_REPEATS = 5 };

/* The middle of n values, which it sorts. */
double bench_median(double *v, unsigned int n);

/* What judging costs: on default streams beside running them, and by the number of SQEs. hand[r] NULL: that runner is
 * not there. Prints a table, or JSON. */
enum exit_status bench_judge(struct hand *hand[RUNNERS], unsigned int repeats, bool json);

#endif
