/* What is to be said of one record: the verdict of the law, what of it the ledger knows, and where the stream's own
 * expectations were not met. */
#ifndef CLI_OUTCOME_H
#define CLI_OUTCOME_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/exit.h"
#include "cli/files.h"
#include "oracle/ledger.h"
#include "oracle/oracle.h"

enum { OUTCOME_MAX_BROKEN = 16 };

/* An expectation that was not met: of a request, or of a step's own return. */
struct broken {
	bool is_step;
	uint8_t index;
	uint32_t event; /* where in the record; its nr: at the end */
	bool none; /* nothing came: no CQE, no return */
	int64_t res;
};

struct outcome {
	struct verdict verdict;
	const struct ledger_entry *known[VERDICT_MAX_FINDINGS]; /* for each finding; NULL: not in the ledger */
	unsigned int nr_kept; /* findings kept in the verdict */
	unsigned int nr_new; /* forbidden and not in the ledger */
	unsigned int nr_known; /* forbidden and in the ledger */
	bool hand_died; /* the hand was killed, hung or left; the engine's hands never should */
	bool on_kernel; /* a time-out there proves nothing, and nobody can repeat it at will */
	bool unjudged; /* judge() refused the record: `why`, at `event` */
	const char *why;
	unsigned int event;
	unsigned int nr_broken; /* more are counted, not kept */
	struct broken broken[OUTCOME_MAX_BROKEN];
};

/* For findings that no law stands behind. */
extern const char outcome_unjudged_id[], outcome_died_id[], outcome_undecided_id[], outcome_failed_id[];

/* Judges a record. Expectations are looked at only when `expectations` is set. */
/* cells: counts what the record shows of the law, or NULL. */
void outcome_and_cells(const struct stream *s, const struct record *rec, const struct ledger *l, bool expectations,
		       struct cells *cells, struct outcome *out);
void outcome_of(const struct stream *s, const struct record *rec, const struct ledger *l, bool expectations,
		struct outcome *out);

/* Of one run that somebody asked for by name: undecided is not good enough. */
enum exit_status outcome_status(const struct outcome *o);

/* One word: allowed, forbidden, known, undecided, unjudged, expectation. */
const char *outcome_word(const struct outcome *o);

/* All of it, for a person. f gives the position of expectations; it may be NULL. */
void outcome_print(const struct outcome *o, const struct stream *s, const struct record *rec,
		   const struct stream_file *f, FILE *out);

/* `-ECANCELED`, `17` */
const char *result_name(int64_t res, char buf[24]);

#endif
