/* What a command looks into: a stream, or a record with its stream; how it is run again; what a run shows, by name. */
#ifndef CLI_SUBJECT_H
#define CLI_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/files.h"
#include "cli/outcome.h"
#include "cli/runners.h"
#include "runner/record.h"

enum { FINDING_NAME = 128 };

struct subject {
	struct stream_file file; /* the stream; of a record, its canonical text */
	bool is_record;
	struct record record; /* if it is one */
};

/* STATUS_OK, or what the message on stderr amounts to. "-" is stdin. */
enum exit_status subject_load(const char *path, struct subject *s);
void subject_free(struct subject *s);

/* What a run shows has a name: a finding has its id, an expectation not met `expectation/read=-EBADF`, and there are the
 * names of outcome.h. The n-th; NULL: there are no more. Findings come first. */
const char *shown_name(const struct outcome *o, const struct stream *s, unsigned int n, char buf[FINDING_NAME]);
/* Does a name fit? `want` is a name, or a rule without roles, and `*` stands for anything. */
bool shown_fits(const char *want, const char *name);
/* The first name that fits (NULL: the first at all). */
const char *shown_find(const struct outcome *o, const struct stream *s, const char *want, char buf[FINDING_NAME]);

/* Runs on one hand, many times. Runs are numbered from 0 on; run i has seed `seed` + i. */
struct repeat {
	struct hand *hand;
	enum rec_runner runner;
	const struct ledger *ledger;
	volatile const int *stop;
	uint64_t seed;
	/* One more was made; for progress. May be NULL. */
	void (*tick)(void *ctx);
	/* Ends the repetition when it says true; in the order of the seeds. */
	bool (*look)(void *ctx, struct job *job, const struct outcome *o, uint64_t seed);
	void *ctx;
	/* out */
	uint64_t runs;
	int error; /* of a job that could not be run; `why` says more */
	char why[160];
};

/* At most `times` runs of s. 1: look said true; 0: it never did; -EINTR: stopped, and the hand is good for nothing but
 * hand_stop(); another -errno: r->why. */
int repeat_run(struct repeat *r, const struct stream *s, uint64_t times);

/* True if a wait of the stream's own steps ended by its bound. */
bool hit_bound(const struct record *rec);

#endif
