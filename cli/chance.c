#include "cli/chance.h"

/* Newton's, so that nobody needs libm. */
static double root(double x)
{
	double r = x > 1 ? x : 1;

	for (int i = 0; i < 64; i++)
		r = (r + x / r) / 2;
	return r;
}

struct chance chance_of(uint64_t hits, uint64_t runs)
{
	const double z = 1.96;
	double n = (double)runs, p = (double)hits / n;
	double centre = p + z * z / (2 * n), half = z * root(p * (1 - p) / n + z * z / (4 * n * n)),
	       all = 1 + z * z / n;
	struct chance c = { p, (centre - half) / all, (centre + half) / all };

	if (c.low < 0 || hits == 0)
		c.low = 0;
	if (c.high > 1 || hits == runs)
		c.high = 1;
	return c;
}
