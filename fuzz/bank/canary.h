/* What a planted bug tells of itself. The build of the bank includes this into every file that it patches, and nothing
 * else includes it: the engine itself has no trace of it. The counters lie in a file that both sides map, so they survive
 * the end of the hand; without $AUGUR_BANK_CANARY they are the process's own. */
#ifndef FUZZ_BANK_CANARY_H
#define FUZZ_BANK_CANARY_H

#include <stdint.h>

enum { BANK_NOTES = 6 };

struct bank_canary {
	uint64_t reached; /* times a faulty line was executed */
	uint64_t triggered; /* times the fault changed what happens */
	uint64_t note[BANK_NOTES]; /* of the patch itself: what one of its places tells another */
};

extern struct bank_canary *bank_canary; /* canary.c; never NULL */

static inline void bank_reached(void)
{
	bank_canary->reached++;
}

static inline void bank_triggered(void)
{
	bank_canary->triggered++;
}

/* To stand in a condition: counts when the fault makes a difference there. */
static inline int bank_if(int differs)
{
	bank_canary->reached++;
	bank_canary->triggered += differs != 0;
	return differs;
}

#endif
