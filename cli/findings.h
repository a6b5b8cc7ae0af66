/* The findings of a campaign: each kind of divergence once for each runner, counted, and stored with what is needed to
 * look at it: DIR/RULE-N/{stream.augur, record-RUNNER.txt, README}. A directory appears whole or not at all.
 *
 * Used by all jobs at once; everything here is safe for threads. */
#ifndef CLI_FINDINGS_H
#define CLI_FINDINGS_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/outcome.h"
#include "oracle/ledger.h"
#include "runner/record.h"

enum { FINDINGS_MAX = 1024, FINDINGS_UNDECIDED_KEPT = 8, FINDING_ID = 96 };

enum divergence_kind { DIVERGENCE_NEW, DIVERGENCE_KNOWN, DIVERGENCE_UNDECIDED, DIVERGENCE_KINDS };

struct divergence {
	char id[FINDING_ID];
	enum rec_runner runner;
	enum divergence_kind kind;
	char ledger[LEDGER_NAME]; /* KNOWN: the entry */
	char dir[PATH_MAX]; /* where it is stored; empty: it is not */
	uint64_t count; /* runs that showed it */
	uint64_t stream_seed, run_seed; /* of what is stored */
	const char *with; /* as in struct findings */
	bool variant; /* the seed alone does not make that stream: its text does */
	unsigned int size; /* its requests */
	unsigned int again_runs, again_seen; /* runs of the stored stream after that, and those that showed it again */
};

struct findings {
	const char *dir;
	const char *with; /* what stands before the lines that repeat: `AUGUR_SIM=.. `; NULL: nothing */
	pthread_mutex_t lock;
	unsigned int nr;
	uint64_t lost; /* kinds of divergence past FINDINGS_MAX: counted only */
	unsigned int stored[DIVERGENCE_KINDS];
	unsigned int serial, temp_serial; /* of the next directory, and of the next one that is being filled */
	int error; /* errno of the first failed store */
	char error_what[PATH_MAX + 32];
	struct divergence *all;
};

/* One run that showed something. */
struct evidence {
	const struct stream *stream;
	const struct record *record; /* that shows it */
	const struct record *records[RUNNERS]; /* those of the other runners, or NULL */
	uint64_t stream_seed, run_seed;
	bool variant;
	const struct finding *finding; /* NULL: there is no law behind it, `id` and `text` say what it is */
	const char *id, *text;
	const struct ledger_entry *known;
	bool undecided;
};

/* dir must be writable: tried by writing. 0 or -errno. */
int findings_open(struct findings *f, const char *dir);
void findings_close(struct findings *f);

/* Counts it. The divergence's index when this run is worth storing (the first, or much smaller than what is stored), else
 * -1; the caller then calls findings_store(). */
int findings_note(struct findings *f, const struct evidence *e);

/* Stores it; a failure is kept in f->error. again_*: how often further runs of the stream showed it. */
void findings_store(struct findings *f, unsigned int index, const struct evidence *e, unsigned int again_runs,
		    unsigned int again_seen);

/* The line that repeats it. */
void findings_replay(const struct divergence *d, char *buf, size_t size);

#endif
