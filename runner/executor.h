/* The executor: one stream, one back end, one record. The same code on every runner.
 *
 * Rules (they make a record judgeable):
 * - Objects and rings are made first, in the order of the stream; each task is a thread made for it and joined after.
 * - Tasks take turns, step by step.
 * - A wait never depends on the subject: it ends when it has what it asked for or when the bound is hit (REC_BOUND).
 * - After the last step the epilogue ends the stream by itself: release every peer, cancel ANY|ALL until a pass returns
 *   0, wait for what is owed, a drained NOP as fence, unmap and close, probe the objects. Nobody sleeps "to be sure".
 * - A stream that exits its process runs in a child; the caller keeps the far ends and probes them afterwards. */
#ifndef RUNNER_EXECUTOR_H
#define RUNNER_EXECUTOR_H

#include <stdint.h>

#include "runner/backend.h"
#include "runner/record.h"
#include "stream/model.h"

struct executor_options {
	uint64_t luck;	/* seeds the spins between actions on real time; 0: none */
	bool reuse;	/* keep thread and ring between streams that touch no task state (kernel benchmark) */
};

/* Runs s and fills rec. Returns 0 when the run came to its end (whatever was seen), or -errno when the environment
 * failed before the first step (no descriptors, no memory); the record then says where. */
int executor_run(const struct backend *be, const struct stream *s, const struct executor_options *opt, struct record *rec);

#endif
