/* What a hand and the brain share: a memfd, mapped by both. Private to runner/.
 *
 * A job goes free -> posted (by the brain) -> running -> done (by the hand), and from done to posted again. While it is
 * running its record is the hand's; else all of it is the brain's. If the hand dies, the brain ends the record of the
 * running job and makes it done; posted ones stay posted for the next hand. */
#ifndef RUNNER_HAND_SHARED_H
#define RUNNER_HAND_SHARED_H

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runner/hand.h"

enum job_state { JOB_FREE, JOB_POSTED, JOB_RUNNING, JOB_DONE };
enum hand_state { HAND_STARTING, HAND_READY, HAND_REFUSED };

struct hand_shared {
	uint32_t size; /* of this struct, as the brain knows it */
	uint32_t state; /* enum hand_state; futex word */
	int32_t error; /* REFUSED: -errno */
	char why[160];
	uint32_t bell; /* futex word: a job was posted */
	uint32_t progress; /* jobs begun and ended */
	struct job jobs[HAND_SLOTS];
};

static inline void hand_futex_wait(uint32_t *word, uint32_t seen, uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000ull), .tv_nsec = (long)(ns % 1000000000ull) };

	syscall(SYS_futex, word, FUTEX_WAIT, seen, ns ? &ts : NULL, NULL, 0);
}

static inline void hand_futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

#endif
