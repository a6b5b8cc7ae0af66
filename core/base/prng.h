/* The one source of randomness: a counter-based generator (SplitMix64, Steele, Lea and Flood 2014), so that a seed is
 * all its state and equal seeds give equal sequences on every compiler. Not for secrets. */
#ifndef CORE_BASE_PRNG_H
#define CORE_BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
	uint64_t state;
};

static inline struct prng prng_seed(uint64_t seed)
{
	return (struct prng){ seed };
}

/* Mixes 64 bits into 64 bits; also a good hash of an integer. */
static inline uint64_t prng_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline uint64_t prng_next(struct prng *p)
{
	p->state += 0x9e3779b97f4a7c15ull;
	return prng_mix(p->state);
}

/* Uniform enough in [0, n); n > 0. */
static inline uint32_t prng_below(struct prng *p, uint32_t n)
{
	return (uint32_t)(((prng_next(p) >> 32) * n) >> 32);
}

/* In [lo, hi], both included. */
static inline uint32_t prng_range(struct prng *p, uint32_t lo, uint32_t hi)
{
	return lo + prng_below(p, hi - lo + 1);
}

/* True `num` times in `den`. */
static inline bool prng_chance(struct prng *p, uint32_t num, uint32_t den)
{
	return prng_below(p, den) < num;
}

/* An independent child generator, named by `tag`; the parent advances once. */
static inline struct prng prng_fork(struct prng *p, uint64_t tag)
{
	return prng_seed(prng_mix(prng_next(p) ^ prng_mix(tag)));
}

#endif
