/* Streams from seeds, as `gen` prints them and `fuzz` runs them: the two must agree. */
#ifndef CLI_MAKE_H
#define CLI_MAKE_H

#include <stdint.h>

#include "stream/generate.h"
#include "stream/model.h"

#define MAKE_HELP                                                                                                             \
	"  --size N         at most so many requests in a stream\n"                                                           \
	"  --weights LIST   KEY=N,...: what streams are made of. Operations (nop, pipe_read, ...) among each other; the\n"    \
	"                   other features (chain, async, drain, ...) in 1000; exit_thread, exit_process, close_ring,\n"      \
	"                   slow: one stream in N, 0 for none; coupled: N streams in 1000 whose requests mostly have to do\n" \
	"                   with each other; tasks: at most N; swarm: 0 switches it off.\n"                                   \
	"                   --weights ? names all keys with what they are by default\n"

struct make_options {
	uint64_t size; /* 0: the generator's choice */
	const char *weights; /* NULL: the generator's choice */
	struct generate_options gen; /* by make_prepare() */
};

/* NULL, or a line about what is wrong with the options, in static memory. */
const char *make_prepare(struct make_options *o);
void make_stream(struct stream *s, uint64_t seed, const struct make_options *o);

#endif
