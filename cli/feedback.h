/* Feedback: which cells of the law (oracle/cells.h) a campaign has seen on each runner, and a pool of the streams that
 * showed new or rare ones, for more streams like them.
 *
 * Used by all jobs at once; everything here is safe for threads. What the pool holds and gives depends on nothing but what
 * it was told, in that order. */
#ifndef CLI_FEEDBACK_H
#define CLI_FEEDBACK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "oracle/cells.h"
#include "runner/record.h"
#include "stream/codec.h"

enum {
	FEEDBACK_POOL = 256,
	FEEDBACK_RARE = 8, /* a cell is rare on a runner until it was seen so often there */
};

/* A stream of the pool, and the rarest cell that it showed. */
struct feedback_member {
	uint8_t runner;
	uint16_t cell; /* as if struct cells were one array */
	uint16_t len;
	uint8_t bytes[STREAM_MAX_BYTES];
};

struct feedback {
	pthread_mutex_t lock;
	struct cells seen[RUNNERS]; /* counts stop at UINT32_MAX */
	unsigned int nr;
	struct feedback_member *pool;
};

/* 0 or -ENOMEM. */
int feedback_open(struct feedback *f);
void feedback_close(struct feedback *f);

/* Counts what one run of s has shown. True: some of it is new or rare there, and s is now in the pool; `draw` says whose
 * place it may take. `keep` false: it is only counted. */
bool feedback_count(struct feedback *f, enum rec_runner runner, const struct cells *run, const struct stream *s,
		    bool keep, uint64_t draw);

/* Makes s a variant of a member, of a rare one by preference, with at most `size` requests. False: there is none. */
bool feedback_variant(struct feedback *f, struct stream *s, unsigned int size, uint64_t draw);

#endif
