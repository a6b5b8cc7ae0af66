/* Groups: which requests of a stream can have to do with each other. Requests of different groups meet at most in the
 * order of a CQ, so each group can be looked at alone; the largest one says how deep a stream goes.
 *
 * Two requests are coupled when they
 *	are in one chain;
 *	are a canceller (cancel, timeout_remove, link_timeout) and one that it selects: by target, fd, op or any, on its
 *	own ring;
 *	read, write or poll one pipe or eventfd, or read, write or resize one file;
 *	are on one ring and any request of that ring drains.
 * What an object holds that bytes are spliced to or from, or that a request closes, nobody tells: it couples nobody.
 * A timeout that counts completions is not coupled to what it counts: that is read off the CQ. */
#ifndef STREAM_GROUPS_H
#define STREAM_GROUPS_H

#include "stream/model.h"

/* The group of each request, numbered from 0 in the order of their first members; returns how many there are. */
unsigned int stream_groups(const struct stream *s, uint8_t group_of[STREAM_MAX_REQS]);

/* Does some request move bytes from or to that object by SPLICE or TEE, or close it? */
bool stream_is_vague(const struct stream *s, unsigned int obj);

/* How many requests the largest group has; 0 without requests. */
unsigned int stream_largest_group(const struct stream *s);

#endif
