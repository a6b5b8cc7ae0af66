/* All schedules of a small program, each once, up to a number of preemptions (Musuvathi and Qadeer's context bound: most
 * races need two). Only the simulation can do that.
 *
 *	struct sched_explore *e = sched_explore_new(2);
 *	struct sched_config cfg = { .strategy = SCHED_EXPLORE, .explore = e };
 *
 *	while (sched_explore_next(e))
 *		sched_run(&cfg, program, NULL, &result);
 *	sched_explore_free(e);
 *
 * A preemption is a switch away from a task that could go on, or a park that returns for nothing. Who runs next when a
 * task cannot go on, and every sched_choose, are free: all their choices are tried. The search is depth first. It keeps
 * the choices of the last run, of which the next one repeats all but the last that can still be made otherwise; so the
 * program must depend on nothing but its decisions, and a run in which it does is a failed assertion. */
#ifndef CORE_SCHED_SIM_EXPLORE_H
#define CORE_SCHED_SIM_EXPLORE_H

#include <stdbool.h>

struct sched_explore;

struct sched_explore *sched_explore_new(unsigned int preemptions);
void sched_explore_free(struct sched_explore *e);

/* True: there is one more schedule, and the next run with `e` takes it. Every true must be followed by that run. */
bool sched_explore_next(struct sched_explore *e);

#endif
