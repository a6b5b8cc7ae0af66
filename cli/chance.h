/* How sure a share is that was seen in a sample. */
#ifndef CLI_CHANCE_H
#define CLI_CHANCE_H

#include <stdint.h>

struct chance {
	double rate, low, high; /* seen; and where the true one lies, 95 % sure (Wilson's interval) */
};

/* `hits` of `runs`, which is not 0. */
struct chance chance_of(uint64_t hits, uint64_t runs);

/* How sure it is, from 0 to 1, that what was seen `hits` times in `runs` is at least `share` times as frequent as what was
 * seen `hits0` times in `runs0`: both are taken for equally likely to be anything before. It does not matter whether the
 * runs were counted beforehand or ended with a sighting. */
double chance_at_least(uint64_t hits, uint64_t runs, double share, uint64_t hits0, uint64_t runs0);

#endif
