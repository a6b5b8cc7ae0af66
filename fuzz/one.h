/* One input of the stream target: bytes to a schedule and a stream, the engine on the simulated scheduler in this
 * process, the law. What the target, the canary and the corpus have in common. */
#ifndef FUZZ_ONE_H
#define FUZZ_ONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/sched/seam.h"
#include "oracle/oracle.h"
#include "runner/record.h"
#include "stream/model.h"

enum { ONE_SEED = 8 }; /* bytes of the schedule's seed, little-endian, before the stream; missing ones count as 0 */

struct one {
	uint64_t seed;
	struct stream stream;
	struct record record;
	struct sched_result result;
	struct verdict verdict;
	const char *unjudged; /* judge() refused the record, and why */
};

/* Bytes to seed and stream. */
void one_decode(struct one *o, const uint8_t *data, size_t size);
/* Runs the stream under the walk of its seed. */
void one_run(struct one *o);
/* Judges the record. True: all is allowed. */
bool one_judge(struct one *o);
/* The stream and what is wrong, with the lines to paste. */
void one_print(const struct one *o, FILE *out);

/* Changes the result of one CQE of the record, chosen by `pick`, into one that no law should let pass. False: the record
 * has no CQE of a request. */
bool one_alter(struct one *o, uint64_t pick);

#endif
