/* The words of the language, as tables: operations with the fields they take, and names for flag bits. Parser, printer,
 * codec, generator and documentation all read these, so that a word has one place. */
#ifndef STREAM_OPTABLE_H
#define STREAM_OPTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/model.h"

/* A table of words ends with a row whose word is NULL. */
struct stream_word {
	const char *word;
	uint32_t value;
};

/* What `key=value` may stand in the line of a request. */
enum stream_field {
	FIELD_FD = 1 << 0,
	FIELD_LEN = 1 << 1,
	FIELD_OFF = 1 << 2,
	FIELD_VALUE = 1 << 3,
	FIELD_EVENTS = 1 << 4,
	FIELD_TS = 1 << 5,
	FIELD_COUNT = 1 << 6,
	FIELD_TARGET = 1 << 7,
	FIELD_OP = 1 << 8,
	FIELD_IOVS = 1 << 9,
	FIELD_IN = 1 << 10,
	FIELD_IN_OFF = 1 << 11,
	FIELD_TO = 1 << 12,
	FIELD_RES = 1 << 13,
	FIELDS = 14,
};

/* What kind of operation it is, for all who need not know which. */
enum stream_trait {
	OP_READS = 1 << 0, /* from its descriptor into its own buffer */
	OP_WRITES = 1 << 1, /* the other way */
	OP_HOLDS = 1 << 2, /* holds the file of its descriptor once it is issued: a cancel by descriptor finds it */
	OP_FORCED = 1 << 3, /* always run by a worker */
	OP_KEEPS = 1 << 4, /* its own result severs no chain */
	OP_SIZES = 1 << 5, /* changes the size of a file */
	OP_MOVES = 1 << 6, /* bytes from another descriptor into its own, which is a pipe */
	OP_FILES = 1 << 7, /* is for files only */
	OP_TRANSFERS = OP_READS | OP_WRITES,
};

/* One operation. */
struct stream_oprow {
	const char *word;
	uint8_t opcode; /* IORING_OP_* */
	uint16_t takes, needs; /* enum stream_field */
	const struct stream_word *flags; /* bits of op_flags that are written as words of their own */
	uint32_t flag_bits; /* all of them */
	uint8_t traits; /* enum stream_trait */
};

extern const struct stream_oprow stream_ops[SOP_NR];
extern const char *const stream_field_words[FIELDS]; /* by bit number */

extern const struct stream_word stream_sqe_flags[];
extern const struct stream_word stream_ring_flags[];
extern const struct stream_word stream_poll_events[];
extern const struct stream_word stream_obj_kinds[];
extern const struct stream_word stream_obj_flags[];
extern const struct stream_word stream_step_kinds[]; /* a step's first word; iowq_aff, close and exit have two kinds */
extern const struct stream_word stream_schedules[];
extern const struct stream_word stream_errnos[]; /* without the minus sign */

/* All bits of a table. */
uint32_t stream_word_bits(const struct stream_word *table);
/* The row of that word, len bytes long, or NULL. */
const struct stream_word *stream_word_find(const struct stream_word *table, const char *word, size_t len);
/* The word for exactly that value, or NULL. */
const char *stream_word_of(const struct stream_word *table, uint32_t value);

/* The operation of that word, or SOP_NR. */
unsigned int stream_op_find(const char *word, size_t len);

/* The fields that an operation takes and needs when its descriptor is an object of that kind (OBJ_KINDS: `none`). */
uint32_t stream_op_takes(unsigned int op, unsigned int obj_kind);
uint32_t stream_op_needs(unsigned int op, unsigned int obj_kind);

static inline bool stream_op_is(unsigned int op, unsigned int traits)
{
	return stream_ops[op].traits & traits;
}

/* Does it take bytes out of that object, or put bytes into it? Pipes and eventfds; which end is not asked. */
bool stream_takes_from(const struct sreq *r, unsigned int obj);
bool stream_puts_into(const struct sreq *r, unsigned int obj);

/* Asked for by IOSQE_ASYNC, or by its operation: the first attempt is a worker's. */
bool stream_is_async(const struct sreq *r);

/* Has it a descriptor, so that it may name its slot instead? */
bool stream_may_be_fixed(const struct sreq *r);

/* Whether a cancel with these flags (IORING_ASYNC_CANCEL_*) looks at its target. */
bool stream_cancel_by_target(uint32_t flags);

#endif
