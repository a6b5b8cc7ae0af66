/* The fuzz target: any bytes are a schedule and a stream; the engine runs it on the simulated scheduler; what the law
 * forbids, or the engine's own assertions, end the process. Undecided runs are none of its business. */
#include <stdlib.h>
#include <string.h>

#include "core/base/prng.h"
#include "fuzz/one.h"
#include "stream/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
/* libFuzzer's own; not there in other builds, which do not mutate. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct one o;

	one_decode(&o, data, size);
	one_run(&o);
	if (one_judge(&o))
		return 0;
	one_print(&o, stderr);
	abort();
}

/* ---- mutations that know where the records are ---- */

/* The steps and requests lie behind the declarations; how many of those there are is the codec's business, so a mutation
 * takes records of the size of a step at any place that is a multiple of the smaller one. */
enum { START = ONE_SEED + CODEC_HEADER };

struct cut {
	size_t at, len;
};

static struct cut choose_cut(struct prng *p, size_t size)
{
	uint32_t records = (uint32_t)((size - START) / CODEC_DECL);
	uint32_t at = prng_below(p, records);
	uint32_t n = prng_range(p, 1, 4) * (CODEC_RECORD / CODEC_DECL);

	if (n > records - at)
		n = records - at;
	return (struct cut){ START + (size_t)at * CODEC_DECL, (size_t)n * CODEC_DECL };
}

static size_t drop_records(struct prng *p, uint8_t *data, size_t size, size_t max_size)
{
	struct cut c = choose_cut(p, size);

	(void)max_size;
	memmove(data + c.at, data + c.at + c.len, size - c.at - c.len);
	return size - c.len;
}

static size_t copy_records(struct prng *p, uint8_t *data, size_t size, size_t max_size)
{
	struct cut from = choose_cut(p, size), to = choose_cut(p, size);
	uint8_t kept[CODEC_RECORD * 4];

	if (size + from.len > max_size)
		return drop_records(p, data, size, max_size);
	memcpy(kept, data + from.at, from.len);
	memmove(data + to.at + from.len, data + to.at, size - to.at);
	memcpy(data + to.at, kept, from.len);
	return size + from.len;
}

static size_t swap_records(struct prng *p, uint8_t *data, size_t size, size_t max_size)
{
	struct cut a = choose_cut(p, size), b = choose_cut(p, size);
	size_t len = a.len < b.len ? a.len : b.len;

	(void)max_size;
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = data[a.at + i];

		data[a.at + i] = data[b.at + i];
		data[b.at + i] = byte;
	}
	return size;
}

static size_t other_schedule(struct prng *p, uint8_t *data, size_t size, size_t max_size)
{
	uint64_t seed = prng_next(p);

	(void)max_size;
	memcpy(data, &seed, ONE_SEED);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	static size_t (*const mutations[])(struct prng *, uint8_t *, size_t, size_t) = { drop_records, copy_records,
											 swap_records, other_schedule };
	struct prng p = prng_seed(seed);

	if (size < START + 2 * CODEC_RECORD || prng_chance(&p, 1, 2))
		return LLVMFuzzerMutate ? LLVMFuzzerMutate(data, size, max_size) : size;
	return mutations[prng_below(&p, 4)](&p, data, size, max_size);
}
