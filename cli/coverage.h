/* What a campaign has covered, by runner: how often each operation ended well, with an error and cancelled; each flag of
 * a request; each kind of ring; each kind of exit; how many streams were deep. Counted from records, so only what really happened counts. */
#ifndef CLI_COVERAGE_H
#define CLI_COVERAGE_H

#include <stdint.h>
#include <stdio.h>

#include "cli/json.h"
#include "runner/record.h"
#include "stream/model.h"

enum { COVER_DEEP_REQS = 8 };

/* -ETIME of a timeout is how it ends well; -ECANCELED is `cancelled` for every operation. */
enum cover_end { COVER_SUCCESS, COVER_ERROR, COVER_CANCELLED, COVER_ENDS };
enum cover_flag { COVER_LINK, COVER_HARDLINK, COVER_DRAIN, COVER_ASYNC, COVER_SKIP, COVER_FLAGS };
enum cover_ring { COVER_DEFAULT, COVER_COOP, COVER_DEFER, COVER_RINGS };
/* A ring counts as closed when it is closed, by a step, with requests in flight. */
enum cover_exit { COVER_THREAD, COVER_PROCESS, COVER_CLOSE, COVER_EXITS };

struct coverage {
	uint64_t op[SOP_NR][COVER_ENDS];
	uint64_t flag[COVER_FLAGS];
	uint64_t ring[COVER_RINGS];
	uint64_t exit[COVER_EXITS];
	uint64_t deep; /* streams with a group (stream/groups.h) of COVER_DEEP_REQS requests or more */
};

void coverage_count(struct coverage *c, const struct stream *s, const struct record *rec);
void coverage_add(struct coverage *to, const struct coverage *from);

/* The table; `used` is a mask of enum rec_runner. Counts below `low` are marked with `<`. */
void coverage_print(const struct coverage by_runner[RUNNERS], uint32_t used, uint64_t low, FILE *out);
void coverage_json(const struct coverage *c, struct json *j);

#endif
