#include "cli/feedback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/prng.h"
#include "stream/mutate.h"

enum {
	CELLS = sizeof(struct cells) / sizeof(uint32_t),
	CELLS_OF_ONE = 1024, /* more than a run can show: a few for each request */
	TRIES = 4,
};

int feedback_open(struct feedback *f)
{
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	f->pool = calloc(FEEDBACK_POOL, sizeof(*f->pool));
	return f->pool ? 0 : -ENOMEM;
}

void feedback_close(struct feedback *f)
{
	free(f->pool);
	pthread_mutex_destroy(&f->lock);
}

static uint32_t *count_of(struct feedback *f, unsigned int runner, unsigned int cell)
{
	return &f->seen[runner].count[0][0][0][0] + cell;
}

static uint32_t rarity(struct feedback *f, const struct feedback_member *m)
{
	return *count_of(f, m->runner, m->cell);
}

/* Of two members the one whose cell has been seen less, or (common) more. */
static struct feedback_member *choose(struct feedback *f, struct prng *p, bool common)
{
	struct feedback_member *a = &f->pool[prng_below(p, f->nr)];
	struct feedback_member *b = &f->pool[prng_below(p, f->nr)];

	return (rarity(f, a) > rarity(f, b)) == common ? a : b;
}

/* ---- in ---- */

static unsigned int list_cells(const struct cells *run, uint16_t list[CELLS_OF_ONE])
{
	const uint32_t *n = &run->count[0][0][0][0];
	unsigned int nr = 0;

	for (unsigned int i = 0; i < CELLS && nr < CELLS_OF_ONE; i++)
		if (n[i])
			list[nr++] = (uint16_t)i;
	return nr;
}

static bool keep_stream(struct feedback *f, enum rec_runner runner, unsigned int cell, const struct stream *s,
			uint64_t draw)
{
	struct prng p = prng_seed(draw);
	struct feedback_member *m = f->nr < FEEDBACK_POOL ? &f->pool[f->nr] : choose(f, &p, true);
	uint8_t bytes[STREAM_MAX_BYTES];
	size_t len = stream_encode(s, bytes, sizeof(bytes));

	if (!len)
		return false;
	if (f->nr < FEEDBACK_POOL)
		f->nr++;
	m->runner = (uint8_t)runner;
	m->cell = (uint16_t)cell;
	m->len = (uint16_t)len;
	memcpy(m->bytes, bytes, len);
	return true;
}

bool feedback_count(struct feedback *f, enum rec_runner runner, const struct cells *run, const struct stream *s,
		    bool keep, uint64_t draw)
{
	uint16_t list[CELLS_OF_ONE];
	unsigned int nr = list_cells(run, list), rarest = 0;
	uint32_t least = UINT32_MAX;
	bool kept = false;

	pthread_mutex_lock(&f->lock);
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t *n = count_of(f, runner, list[i]), more = (&run->count[0][0][0][0])[list[i]];

		if (*n < least) {
			least = *n;
			rarest = list[i];
		}
		*n = *n > UINT32_MAX - more ? UINT32_MAX : *n + more;
	}
	if (keep && least < FEEDBACK_RARE)
		kept = keep_stream(f, runner, rarest, s, draw);
	pthread_mutex_unlock(&f->lock);
	return kept;
}

/* ---- out ---- */

bool feedback_variant(struct feedback *f, struct stream *s, unsigned int size, uint64_t draw)
{
	static _Thread_local struct stream other;
	struct feedback_member one, two;
	struct prng p = prng_seed(draw);

	pthread_mutex_lock(&f->lock);
	if (f->nr > 0) {
		one = *choose(f, &p, false);
		two = *choose(f, &p, false);
	}
	pthread_mutex_unlock(&f->lock);
	if (f->nr == 0)
		return false;
	stream_decode(two.bytes, two.len, &other);
	for (unsigned int i = 0; i < TRIES; i++) {
		stream_decode(one.bytes, one.len, s);
		stream_mutate(s, &other, prng_next(&p));
		if (s->nr_reqs > 0 && s->nr_reqs <= size)
			return true;
	}
	return false;
}
