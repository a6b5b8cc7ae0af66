/* The hand's side: what augur-sim and augur-exec share. Private to runner/. */
#ifndef RUNNER_HAND_MAIN_H
#define RUNNER_HAND_MAIN_H

#include <sched.h>

#include "runner/hand.h"

struct hand_args {
	enum rec_runner runner;
	const char *scratch; /* NULL: the hand's own choice */
	int cpu; /* -1: any */
	cpu_set_t cpus; /* those that the hand may run on, before it is pinned to that one */
};

/* Runs the stream of the job into its record; 0 or -errno with job->why. */
typedef int hand_run_fn(struct job *job);
/* Makes the hand ready; 0 or -errno with *why. */
typedef int hand_prepare_fn(const struct hand_args *args, const char **why);

/* Serves until killed: by the brain, or with it. Returns the exit status of a program that was called wrongly. */
int hand_main(int argc, char **argv, uint32_t runners, hand_prepare_fn *prepare, hand_run_fn *run);

/* Limits what this process can do to the machine, as far as it may: core files, file sizes, descriptors, address space,
 * network. */
void hand_confine(void);

/* A directory for scratch files: `path`, else a tmpfs of this process's own, else one that everybody has. An open
 * descriptor, or -errno with *why. */
int hand_scratch(const char *path, const char **why);

#endif
