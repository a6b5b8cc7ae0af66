/* The parser's state, and the parts of it that read steps and requests. Private to stream/parse*.c. */
#ifndef STREAM_PARSE_REQ_H
#define STREAM_PARSE_REQ_H

#include "stream/lex.h"
#include "stream/rules.h"

/* Where an item stands, and whether an error about it was noted: one each is enough. */
struct where {
	unsigned int line, col;
	bool bad;
};

struct place {
	enum stream_item item;
	uint8_t index;
	unsigned int line, col;
};

struct parser {
	struct lex x;
	struct stream *s;
	struct diag *diag;
	unsigned int errors_before;
	struct place item; /* what the current line is about */
	bool any_line; /* `augur 1` has been there */
	bool submit; /* requests may follow */
	bool pending; /* comment lines are being gathered at pool offset pending_at */
	bool pool_full;
	uint32_t pending_at;
	struct where at_task[STREAM_MAX_TASKS], at_ring[STREAM_MAX_RINGS], at_obj[STREAM_MAX_OBJS];
	struct where at_schedule;
	unsigned int nr_targets;
	/* not cleared: written before they are read */
	struct {
		struct span name;
		unsigned int line;
		uint8_t req;
	} targets[STREAM_MAX_REQS];
	struct where at_req[STREAM_MAX_REQS], at_step[STREAM_MAX_STEPS];
};

struct where *parse_place(struct parser *p, enum stream_item item, unsigned int index);
bool parse_fd(struct parser *p, const struct span *w, struct fdref *out);

/* The keys of declarations and steps. */
enum arg_key {
	ARG_FLAGS,
	ARG_ENTRIES,
	ARG_CQ,
	ARG_TASK,
	ARG_CAPACITY,
	ARG_COUNT,
	ARG_SIZE,
	ARG_WAIT,
	ARG_LEN,
	ARG_VALUE,
	ARG_BOUNDED,
	ARG_UNBOUNDED,
	ARG_CPUS,
	ARG_RES,
	ARGS
};

struct args {
	uint32_t have;
	struct span value[ARGS];
};

#define HAVE(a, key) ((a)->have & 1u << (key))

/* Reads `key=value` words; `allowed` keys only. Other words go to *flags by the table, if there is one. */
bool parse_args(struct parser *p, struct args *a, uint32_t allowed, const struct stream_word *table, uint8_t *flags);
/* The number of a key, if it is there. */
void parse_arg_number(struct parser *p, const struct args *a, enum arg_key key, uint64_t max, uint64_t *out);
bool parse_find_task(struct parser *p, const struct span *w, uint8_t *out);
bool parse_find_ring(struct parser *p, const struct span *w, uint8_t *out);

/* What stands behind the first word of a step; of some it changes the kind. */
void parse_step_args(struct parser *p, struct step *t);
/* The operation of request i and everything behind it up to the expectation. */
void parse_req_args(struct parser *p, unsigned int i);
/* Finds the requests that `target=` named; they may stand later in the text. */
void parse_targets(struct parser *p);

#endif
