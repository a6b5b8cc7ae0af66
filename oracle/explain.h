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

#endif
