/* Hands: the processes that run streams. The brain (augur) starts a hand, shares memory with it, posts jobs into slots
 * and takes records out. Streams may crash, hang or wedge a hand; that is an observation: the record says so
 * (REC_HAND), the hand is started anew and the rest of its slots are posted again.
 *
 * augur-sim runs the engine on the simulated scheduler; augur-exec runs the engine on threads or the running kernel. */
#ifndef RUNNER_HAND_H
#define RUNNER_HAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runner/record.h"
#include "stream/model.h"

enum { HAND_SLOTS = 16, HAND_LOG = STREAM_MAX_DECISIONS };

/* stream.schedule.kind */
enum { SCHEDULE_NONE, SCHEDULE_WALK, SCHEDULE_REPLAY };

/* How to run a job. On sim: the stream's own schedule line wins over strategy and seed. */
struct job_options {
	uint64_t seed; /* sim: seed of the walk; elsewhere: the luck (0: none) */
	bool replay; /* sim: by the decisions in the stream */
	bool reuse; /* executor_options.reuse */
	bool trace; /* executor_options.trace */
	bool dump; /* executor_options.dump */
	uint32_t repeat; /* benchmarks: run the stream so often, keep the last record; 0 and 1: once */
};

struct job {
	uint32_t state; /* free, posted, running, done: futex word; see hand.c */
	struct job_options options;
	int32_t error; /* out: 0, or why it was not run to its end: -EINVAL (not a valid stream), or executor_run's */
	char why[512]; /* out: with error what was wrong; on sim who sleeps where, if the schedule got stuck */
	uint64_t cpu_ns; /* out: CPU time of the hand for this job */
	uint32_t nr_decisions; /* out, sim: choices made; the first HAND_LOG of them in the log */
	uint8_t log[HAND_LOG];
	struct record record; /* out */
	struct stream stream; /* in */
};

struct hand;

struct hand_options {
	enum rec_runner runner;
	const char *scratch; /* kernel: directory for scratch files; NULL: a tmpfs of the hand's own or /tmp */
	int cpu; /* pin to this CPU; -1: not */
	uint64_t hang_ns; /* no progress for so long: killed. 0: 20 s */
};

/* A hand dies with the thread that started it. One thread at a time uses a hand; it may have several.
 *
 * 0, -ENOENT (binary not found), -EOPNOTSUPP with *why (a kernel without io_uring, or forbidden), or another -errno.
 * The binaries are those of $AUGUR_SIM and $AUGUR_EXEC, else beside the running program. */
int hand_start(struct hand **out, const struct hand_options *opt, const char **why);
void hand_stop(struct hand *h);

/* The job in slot i < HAND_SLOTS: fill stream and options while it is free or done. */
struct job *hand_job(struct hand *h, unsigned int i);
void hand_post(struct hand *h, unsigned int i);
/* Waits until slot i is done; watches over the hand meanwhile. 0, -EINTR (a signal arrived and `stop` became true), or
 * -errno when the hand cannot be started any more. */
int hand_wait(struct hand *h, unsigned int i, volatile const int *stop);
unsigned int hand_restarts(const struct hand *h);
pid_t hand_pid(const struct hand *h);

#endif
