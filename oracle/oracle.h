/* The law: may these completions be?
 *
 * judge() reads a stream and a record of one run of it and says for every event whether the rules of io_uring allow it.
 * It knows nothing of the implementation that made the record beyond its profile, and shares no code with the engine.
 *
 * Verdicts: ALLOWED; FORBIDDEN, with at least one finding; UNDECIDED (a bound was hit, the hand died, the record is
 * full): counted and shown, never passed off as allowed. The O(n) laws are applied in every case to what is there. */
#ifndef ORACLE_ORACLE_H
#define ORACLE_ORACLE_H

#include <stdint.h>
#include <stdio.h>

#include "runner/record.h"
#include "stream/model.h"

enum verdict_kind { ALLOWED, FORBIDDEN, UNDECIDED };

/* Behaviour that differs between releases. `corrected` is 6.18's structure plus the fixes newer stable kernels carry;
 * the engine's. */
enum profile_id { PROFILE_CORRECTED, PROFILE_6_18, PROFILE_6_12, PROFILE_6_1, PROFILES };

/* One law. The table of all laws is oracle_rules(). */
struct rule {
	const char *name; /* stable: `cancel.zero`, `chain.order`, ... */
	const char *sentence; /* what it says */
	const char *source; /* man page, kernel release and function, probe */
	uint32_t profiles; /* bit mask of enum profile_id it holds for */
	enum verdict_kind verdict; /* what breaking it means: FORBIDDEN or UNDECIDED */
};

const struct rule *oracle_rules(unsigned int *nr);

enum { VERDICT_MAX_FINDINGS = 8 };

struct finding {
	const struct rule *rule;
	uint32_t event; /* index into the record, or its nr: "at the end" */
	uint16_t req; /* the request it is about, or REC_NO_REQ */
	uint16_t other; /* a second request in the matter, or REC_NO_REQ */
	char id[96]; /* stable: rule and the roles involved, `cancel.zero/read+async,async_cancel` */
	char seen[128];
	char allowed[192]; /* what would have been allowed there */
};

struct verdict {
	enum verdict_kind kind;
	unsigned int nr; /* findings; more are counted, not kept */
	struct finding finding[VERDICT_MAX_FINDINGS];
};

/* Which profile a record is judged by: the engine's runners by PROFILE_CORRECTED, a kernel by its release. */
enum profile_id oracle_profile(const struct record *rec);

/* Always ends; cost O(events * log(requests)). 0, or -EINVAL with *why (a literal) and *event when the record
 * contradicts itself or the stream and cannot be judged. */
int judge(const struct stream *s, const struct record *rec, enum profile_id profile, struct verdict *out,
	  const char **why, unsigned int *event);

/* The same, and counts the cells of the law that the record shows (oracle/cells.h); none when it cannot be judged. */
struct cells;
int judge_and_count(const struct stream *s, const struct record *rec, enum profile_id profile, struct verdict *out,
		    struct cells *cells, const char **why, unsigned int *event);

#endif
