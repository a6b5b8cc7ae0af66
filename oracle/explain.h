/* Why each request of a record ended as it did, in words. For records that are allowed: it reasons from what the law
 * allows, and finds one explanation where there may be several. */
#ifndef ORACLE_EXPLAIN_H
#define ORACLE_EXPLAIN_H

#include "oracle/oracle.h"

/* Calls say() once for each request, in their order, with one line without newline: "-ECANCELED: c cancelled it and said
 * 0". 0, or -EINVAL as judge() says it. */
int explain(const struct stream *s, const struct record *rec, enum profile_id profile,
	    void (*say)(void *ctx, unsigned int req, const char *line), void *ctx, const char **why,
	    unsigned int *event);

/* The same by states, for each group of coupled requests: the steps of one way through the states that shows the record;
 * or, where there is none, of one that leads as far as there is any, the event at which no state is left, and for each
 * result that would have been allowed there how it could have come about. Calls say() for each line. */
int explain_states(const struct stream *s, const struct record *rec, enum profile_id profile,
		   void (*say)(void *ctx, const char *line), void *ctx, const char **why, unsigned int *event);

#endif
