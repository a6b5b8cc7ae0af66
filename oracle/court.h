/* What the laws share: the rules by number, the court they are heard in, and how a law accuses. Private to oracle/. */
#ifndef ORACLE_COURT_H
#define ORACLE_COURT_H

#include "oracle/cells.h"
#include "oracle/facts.h"

/* The rules, in the order of the table in rules.c. */
enum rule_id {
	R_CQE_UNKNOWN,
	R_CQE_TWICE,
	R_CQE_FLAGS,
	R_CQE_MISSING,
	R_CQE_STUCK,
	R_CQ_INDEX,
	R_CQ_TAIL,
	R_DEFER_QUIET,
	R_WAIT_STRANDED,
	R_WAIT_STUCK,
	R_WAIT_LATE,
	R_FENCE_ORDER,
	R_ENTER_RETURN,
	R_REGISTER_RETURN,
	R_REGISTER_LIMITS,
	R_FILES_RETURN,
	R_FILES_SLOT,
	R_MSG_UNSENT,
	R_MSG_LOST,
	R_INLINE_VISIBLE,
	R_INLINE_ORDER,
	R_PREP_RESULT,
	R_RESULT,
	R_RESULT_EOF,
	R_RESULT_EPIPE,
	R_RESULT_INTR,
	R_RESULT_RESTART,
	R_CHAIN_ORDER,
	R_CHAIN_SEVER,
	R_CANCEL_ZERO,
	R_CANCEL_NOTFOUND,
	R_CANCEL_COUNT,
	R_CANCEL_CAUSE,
	R_CANCEL_ENOENT,
	R_CANCEL_LOST,
	R_LT_ORDER,
	R_TIMEOUT_EARLY,
	R_TIMEOUT_COUNT,
	R_DRAIN_ORDER,
	R_SKIP_SUCCESS,
	R_DATA_AMOUNT,
	R_DATA_PIPE,
	R_DATA_ORDER,
	R_DATA_COUNTER,
	R_DATA_FILE,
	R_DATA_SIZE,
	R_FINAL_HELD,
	R_FINAL_LATE,
	R_ENGINE_DIED,
	R_SIM_QUIESCENT,
	R_HAND,
	R_STATE_CANCEL,
	R_STATE_RESULT,
	R_STATE_ORDER,
	R_STATE_VISIBLE,
	R_STATE_DIRECT,
	R_STATE_STRANDED,
	R_STATE_BUDGET,
	RULES,
};

extern const struct rule rule_table[RULES];

/* In which state a canceller met a request, where the judge of states can tell: enum cell_state by canceller and request. */
struct told {
	uint8_t state[STREAM_MAX_REQS][STREAM_MAX_REQS];
};

struct court {
	const struct facts *f;
	struct verdict *out;
	struct told *told; /* NULL: nobody asks */
};

/* Adds a finding, unless the rule does not hold for the profile. `seen` and `allowed` are printf texts of one line each:
 * say them through accuse's two formats, separated by a '|': "result 0|-ECANCELED". */
void accuse(struct court *c, enum rule_id rule, uint32_t event, unsigned int req, unsigned int other, const char *fmt,
	    ...) __attribute__((format(printf, 6, 7)));

/* errno's name with its sign, `-ECANCELED`, or the number. Into a small ring of static buffers: for accuse only. */
const char *res_name(int64_t res);

void law_events(struct court *c); /* law_cqe.c: exactly once, indices, waits, fence, hands */
void law_submit(struct court *c); /* law_submit.c: enter's return, inline completions, drain */
void law_register(struct court *c); /* law_register.c: limits and processors of io-wq */
void law_files(struct court *c); /* law_files.c: registered files */
void law_messages(struct court *c); /* law_msg.c: CQEs that other rings sent */
void law_results(struct court *c); /* law_result.c: what each operation may say */
void law_chains(struct court *c); /* law_chain.c */
/* A bound was hit at which nothing could run any more: nobody is there whom a cancel claims to have ended. */
void law_lost(struct court *c, uint32_t ev);
void law_cancels(struct court *c); /* law_cancel.c: cancels and their targets */
void law_timeouts(struct court *c); /* law_timeout.c: timeouts, counted and linked */
void law_data(struct court *c); /* law_data.c: bytes and counters */
void law_states(
	struct court *c); /* law_state.c: coupled requests, by sets of states; last, where the others are silent */
void cells_count(const struct facts *f, const struct told *told, struct cells *out); /* cells.c */
void law_file(struct court *c, unsigned int obj); /* law_file.c, for law_data */

#endif
