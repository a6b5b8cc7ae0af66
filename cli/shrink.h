/* Streams made smaller while they still show what somebody looks for. What that is, a function says: it may run the
 * stream, or only look at it.
 *
 * Each pass proposes candidates that are simpler in one way, and takes those that still show it; the passes are gone
 * through until none of them finds anything more. Every candidate is a valid stream that waits for no more CQEs than it
 * has requests; none is asked about twice, whatever pass proposes it. Names and comments mean nothing to a run: comments
 * go at once, names become a, b, c, ... A function that always answers the same makes the outcome the same. */
#ifndef CLI_SHRINK_H
#define CLI_SHRINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/model.h"

/* 1: s shows it; 0: it does not; -errno: stop here. s has no schedule line. */
typedef int shrink_shows_fn(void *ctx, const struct stream *s);

struct shrink {
	shrink_shows_fn *shows;
	void *ctx;
	bool expectations; /* they matter: each is kept if it must be. Otherwise all go at once */
	/* out */
	uint64_t tried, repeated; /* candidates asked about; proposed again and not asked about */
	struct stream *best; /* the smallest that shows it, at any time */
	/* private */
	struct stream *candidate, *spare;
	uint64_t *seen; /* hashes of texts */
	size_t nr_seen, cap_seen;
	char *text;
	int stopped;
};

/* s shows it; it becomes the smallest that does. 0; -ENOMEM; or what made the function stop: s is then the best so far. */
int shrink_run(struct shrink *k, struct stream *s);

/* As a second thing: the shortest and plainest list of decisions. s has a schedule of them (`replay`), and shows it. The
 * function is called with streams that have one. */
int shrink_decisions(struct shrink *k, struct stream *s);

/* What shrink_run() does before it asks anything: no comments, plain names, no expectations unless they matter. */
void shrink_plain(struct stream *s, bool expectations);

/* What is kept of a stream: the rest is left out, and what referred to it is put right. */
struct shrink_plan {
	bool step[STREAM_MAX_STEPS], ring[STREAM_MAX_RINGS], obj[STREAM_MAX_OBJS], task[STREAM_MAX_TASKS];
	uint8_t home[STREAM_MAX_REQS]; /* the step that submits it, or STREAM_NONE: left out */
};

void shrink_plan_all(struct shrink_plan *p, const struct stream *s);
/* True if the outcome is a valid stream. */
bool shrink_rebuild(const struct stream *from, const struct shrink_plan *p, struct stream *to);

/* Private to cli/shrink*.c: asks about k->candidate; true if it is now the best. */
bool shrink_ask(struct shrink *k);
/* One round of all passes; true if any of them found something. */
bool shrink_round(struct shrink *k);

#endif
