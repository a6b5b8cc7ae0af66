#include "cli/chance.h"

#include <math.h>

static struct chance wilson(uint64_t hits, uint64_t runs, double z)
{
	double n = (double)runs, p = (double)hits / n;
	double centre = p + z * z / (2 * n), half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)),
	       all = 1 + z * z / n;
	struct chance c = { p, (centre - half) / all, (centre + half) / all };

	if (c.low < 0 || hits == 0)
		c.low = 0;
	if (c.high > 1 || hits == runs)
		c.high = 1;
	return c;
}

struct chance chance_of(uint64_t hits, uint64_t runs)
{
	return wilson(hits, runs, 1.96);
}

enum { CELLS = 1024 };

/* What the true rate may be, as a histogram of equal cells. */
struct likely {
	double low, width;
	double share[CELLS]; /* adds up to 1 */
};

static void likely_rates(struct likely *l, uint64_t hits, uint64_t runs)
{
	struct chance c = wilson(hits, runs, 8); /* outside is nothing that matters */
	double most = -INFINITY, sum = 0;

	l->low = c.low;
	l->width = (c.high - c.low) / CELLS;
	for (int i = 0; i < CELLS; i++) {
		double p = l->low + (i + 0.5) * l->width;

		l->share[i] = (double)hits * log(p) + (double)(runs - hits) * log1p(-p);
		most = fmax(most, l->share[i]);
	}
	for (int i = 0; i < CELLS; i++) {
		l->share[i] = exp(l->share[i] - most);
		sum += l->share[i];
	}
	for (int i = 0; i < CELLS; i++)
		l->share[i] /= sum;
}

double chance_at_least(uint64_t hits, uint64_t runs, double share, uint64_t hits0, uint64_t runs0)
{
	struct likely a, b;
	double sure = 0, above = 1;
	int k = 0;

	likely_rates(&a, hits, runs);
	likely_rates(&b, hits0, runs0);
	/* above: the part of `a` from cell k on */
	for (int i = 0; i < CELLS; i++) {
		double least = share * (b.low + (i + 0.5) * b.width), part;

		for (; k < CELLS && a.low + (k + 1) * a.width <= least; k++)
			above -= a.share[k];
		part = k < CELLS && least > a.low ? (least - (a.low + k * a.width)) / a.width * a.share[k] : 0;
		sure += b.share[i] * (above - part);
	}
	return fmin(fmax(sure, 0), 1);
}
