/* Cells of the law: which operation, in which state, met what, and what came of it. A campaign counts them: they are its
 * coverage, and a run that shows a rare one is worth more runs like it. */
#ifndef ORACLE_CELLS_H
#define ORACLE_CELLS_H

#include <stdint.h>

#include "oracle/oracle.h"

enum cell_state {
	CELL_HELD, /* by a link */
	CELL_DEFERRED, /* by a drain */
	CELL_READY, /* about to be issued */
	CELL_QUEUED, /* on io-wq */
	CELL_RUNNING, /* in a worker */
	CELL_ARMED, /* its poll or timer */
	CELL_WOKEN, /* or fired, and not finished */
	CELL_DONE, /* finished */
	CELL_POSTED,
	CELL_UNKNOWN, /* the record does not tell */
	CELL_STATES,
};

enum cell_event {
	CELL_COMPLETE, /* ends by itself */
	CELL_CANCEL, /* a cancel that means it */
	CELL_LINK_TIMEOUT, /* its linked timeout fires */
	CELL_TIMEOUT_REMOVE,
	CELL_EXIT, /* its task or process exits */
	CELL_CLOSE, /* its ring is closed by a step */
	CELL_EVENTS,
};

/* Of CANCEL, LINK_TIMEOUT and TIMEOUT_REMOVE: what the canceller said; of the others what the request ended with. */
enum cell_result {
	CELL_OK,
	CELL_SHORT, /* less than was asked for */
	CELL_ZERO, /* nothing of it; of a cancel of many: none */
	CELL_ECANCELED,
	CELL_EINTR,
	CELL_EALREADY,
	CELL_ENOENT,
	CELL_ETIME,
	CELL_ERROR, /* another */
	CELL_NONE, /* no CQE */
	CELL_RESULTS,
};

struct cells {
	uint32_t count[SOP_NR][CELL_STATES][CELL_EVENTS][CELL_RESULTS];
};

/* Adds one for each cell that the record shows. 0, or -EINVAL when it cannot be judged; then nothing is added. */
int judge_cells(const struct stream *s, const struct record *rec, enum profile_id profile, struct cells *out);

#endif
