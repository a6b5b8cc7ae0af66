/* How sure a share is that was seen in a sample. */
#ifndef CLI_CHANCE_H
#define CLI_CHANCE_H

#include <stdint.h>

struct chance {
	double rate, low, high; /* seen; and where the true one lies, 95 % sure (Wilson's interval) */
};

/* `hits` of `runs`, which is not 0. */
struct chance chance_of(uint64_t hits, uint64_t runs);

#endif
