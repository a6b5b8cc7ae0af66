/* A lie: a true record altered by one fact, and the rule by which the oracle must reject it.
 *
 * One text file for each lie, corpora/lies/NAME.lie: a head of keys, one paragraph that says what the lie tells, and
 * the true record in its file form, which begins at `augur-record`:
 *
 *	rule: cancel.zero
 *	alter: cqe 17: res -ECANCELED -> 8
 *	coupled: a, k
 *	needs: state
 *
 *	A sentence.
 *
 *	augur-record 1
 *	...
 *
 * `coupled` names the requests that have to be seen together. `needs: state` says that none of the O(n) laws can see
 * it.
 *
 * `alter` names an event by its kind and its number, from 0, then what becomes of it:
 *	cqe 17: res 0 -> -ECANCELED	a field; what it was is checked. Fields, and what they are when not shown, are those
 *					of the record's file form
 *	end 9: stamp 1000 -> 7000	all that comes later comes later by as much
 *	cqe 17: delete			what stands behind it in its ring moves up
 *	cqe 17: copy			a second one right behind it
 *	sim 40: followed by hand 7 a=9	another event behind it
 *	cqe 17: swap with 19		two CQEs, with their data, take each other's place in the ring
 *	data 18: swap a with 20		two events exchange the values of a field */
#ifndef CORPORA_LIES_LIE_H
#define CORPORA_LIES_LIE_H

#include <stdbool.h>

#include "core/base/diag.h"
#include "runner/record.h"
#include "stream/model.h"

enum lie_kind { LIE_FIELD, LIE_STAMP, LIE_DELETE, LIE_COPY, LIE_INSERT, LIE_SWAP, LIE_SWAP_FIELD };

struct lie {
	char rule[64];
	enum lie_kind kind;
	uint32_t event, other; /* other: what it is swapped with */
	unsigned int field; /* index into record_fields */
	uint64_t from, to;
	struct rec_event inserted;
	unsigned int nr_coupled;
	bool needs_state;
};

/* Reads a file: the lie, the record it is told of and its stream. 0; or -EINVAL with what is wrong noted in d. */
int lie_parse(struct lie *l, const char *text, size_t len, struct record *truth, struct stream *s, struct diag *d);

/* The record as the lie has it. */
void lie_tell(const struct lie *l, const struct record *truth, struct record *altered);

/* In how many facts do the records differ? Two things that changed places are one. Knows of l only whether to expect
 * that; how events and their numbers moved it sees for itself. */
unsigned int lie_facts(const struct lie *l, const struct record *truth, const struct record *altered);

#endif
