/* Seed to stream: random streams that are cheap to run and sharp to judge. Equal seeds and options give equal streams,
 * whoever compiled this. */
#ifndef STREAM_GENERATE_H
#define STREAM_GENERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/model.h"

/* What a stream may be made of. Swarm switches each off in some seeds, so that what remains meets itself more often. */
enum gen_feature {
	/* operations: weights among each other */
	GEN_NOP,
	GEN_PIPE_READ,
	GEN_PIPE_WRITE,
	GEN_EVENT_READ,
	GEN_EVENT_WRITE,
	GEN_FILE_READ,
	GEN_FILE_WRITE,
	GEN_POLL,
	GEN_TIMEOUT,
	GEN_REMOVE,
	GEN_CANCEL,
	GEN_FSYNC,
	GEN_RESIZE, /* fallocate, ftruncate */
	GEN_SPLICE, /* and tee */
	GEN_OPEN, /* of a fifo */
	GEN_TRIVIAL, /* statx, sync_file_range, madvise */
	GEN_CLOSING, /* a close */
	GEN_MSG, /* to another ring: a CQE, or a registered file */
	GEN_OPS,
	/* the rest: chances in 1000 */
	GEN_CHAIN = GEN_OPS, /* a chain of several requests */
	GEN_HARD, /* a link is a hard one */
	GEN_LINK_TIMEOUT, /* a member of a chain has one */
	GEN_ASYNC, /* a request */
	GEN_BAD_FD, /* a descriptor */
	GEN_ZERO, /* a length */
	GEN_BIG, /* a length: more than a pipe holds */
	GEN_NOWAIT, /* a transfer on a pipe has RWF_NOWAIT */
	GEN_POSITION, /* a file transfer uses the file's own position, or appends */
	GEN_COUNT, /* a timeout counts completions */
	GEN_WIDE, /* a cancel is by any, all, fd or op */
	GEN_PREP, /* a request is made to fail preparation */
	GEN_OPEN_CHAIN, /* a batch ends within a chain */
	GEN_OVERFLOW, /* a ring has a small CQ */
	GEN_SHARED, /* a pipe has several readers */
	GEN_CLOSE, /* between two submits an end is closed */
	GEN_LOOK, /* between two submits there is a reap or a peek */
	GEN_DIRECT, /* between two submits there is a direct read or write */
	GEN_WAIT, /* after a submit what is owed is waited for */
	GEN_DRAIN, /* a request has IOSQE_IO_DRAIN */
	GEN_SKIP, /* a request has IOSQE_CQE_SKIP_SUCCESS */
	GEN_VECTOR, /* a transfer is a vectored one */
	GEN_LIMIT, /* between two submits limits of io-wq are set or read */
	GEN_AFFINITY, /* between two submits its workers are bound, or no longer */
	GEN_TELL, /* between two submits a CQE is sent to a ring from none, or a ring probed */
	GEN_TABLE, /* the stream begins with tables of registered files */
	GEN_FILES, /* then between two submits something changes in one of them */
	GEN_FIXED, /* and a request names its slot */
	GEN_SHAPE, /* what comes next is one of the shapes of stream/generate_shape.c */
	GEN_HOLD, /* likewise, one of those that hold a worker */
	GEN_FEATURES,
};

struct generate_options {
	unsigned int size; /* at most so many requests, 1 to STREAM_MAX_REQS */
	unsigned int max_tasks; /* 1 to STREAM_MAX_TASKS */
	bool swarm;
	/* One stream in so many ends, or goes on, after such an exit; 0: none does. */
	unsigned int exit_thread, exit_process, close_ring;
	unsigned int slow; /* one stream in so many has a timer of 1 to 20 ms; 0: none has */
	unsigned int coupled; /* of 1000 streams, those whose requests mostly have to do with each other */
	uint16_t weight[GEN_FEATURES];
};

/* The defaults: size 12, 2 tasks, swarm, each kind of exit in one stream of 12, slow timers in one of 200, and so much
 * coupled that nearly every second stream has a group (stream/groups.h) of 8 requests or more. */
void generate_options_init(struct generate_options *opt);

/* `opt` NULL: the defaults. */
void stream_generate(uint64_t seed, const struct generate_options *opt, struct stream *out);

/* The word of a feature, for options and statistics: "pipe_read". */
extern const char *const gen_feature_words[GEN_FEATURES];

#endif
