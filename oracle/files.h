/* Registered files. A slot holds one certain file of the stream or nothing (stream/model.h), so all there is to ask is
 * which of the two a request can have found. Tables are made, filled and dropped by steps, one after the other; slots are
 * emptied by CLOSE as well, at some time between its submit and its CQE. Private to oracle/. */
#ifndef ORACLE_FILES_H
#define ORACLE_FILES_H

#include "core/base/uapi.h"
#include "oracle/facts.h"

enum slot_state { SLOT_EMPTY = 1, SLOT_FULL = 2 };

struct slot_look {
	unsigned int states; /* enum slot_state: what the slot can have held; without a table: nothing */
	bool none, beyond, within; /* there may have been no table, one too small for the slot, one that has it */
	uint32_t nr; /* slots of the table when the look ended; 0: there was none */
};

/* From just before event `from` until event `until`; NO_EVENT: to the end. */
struct slot_look slot_look(const struct facts *f, unsigned int ring, const struct fdref *fd, uint32_t from,
			   uint32_t until);
/* While request r looked fd up: by its submitter until the submit returned, or at any time until it ended. */
struct slot_look req_slot_look(const struct facts *f, unsigned int r, const struct fdref *fd);

/* Can r have found its file, or (splice, tee) its input, neither open nor registered? */
bool file_maybe_gone(const struct facts *f, unsigned int r);
bool input_maybe_gone(const struct facts *f, unsigned int r);

#endif
