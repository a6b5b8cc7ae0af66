/* How sure shares are: known intervals, and comparisons whose answer is plain. */
#include "cli/chance.h"

#include <math.h>
#include <stdio.h>

#include "core/base/check.h"

static bool near(double is, double should, double by)
{
	if (CHECK(fabs(is - should) <= by))
		return true;
	printf("  %.5f, should be %.5f\n", is, should);
	return false;
}

static void test_interval(void)
{
	static const struct {
		uint64_t hits, runs;
		double low, high;
	} rows[] = {
		{ 0, 10, 0, 0.2775 },		{ 5, 10, 0.2366, 0.7634 }, { 10, 10, 0.7225, 1 },
		{ 14, 5000, 0.00167, 0.00469 }, { 1, 1, 0.2065, 1 },
	};

	for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
		struct chance c = chance_of(rows[i].hits, rows[i].runs);

		near(c.rate, (double)rows[i].hits / (double)rows[i].runs, 1e-12);
		near(c.low, rows[i].low, 1e-4);
		near(c.high, rows[i].high, 1e-4);
	}
}

static void test_at_least(void)
{
	near(chance_at_least(1000, 1000, 0.5, 1000, 1000), 1, 1e-6);
	near(chance_at_least(500, 1000, 0.5, 1000, 1000), 0.5, 0.03);
	near(chance_at_least(50, 100000, 0.5, 100, 100000), 0.5, 0.05);
	near(chance_at_least(0, 1000, 0.5, 100, 1000), 0, 1e-6);
	near(chance_at_least(0, 1000, 0.5, 0, 1000), 2.0 / 3, 0.01);
	/* One run each: densities 2p and 2q; P(q >= p) is a half. */
	near(chance_at_least(1, 1, 1, 1, 1), 0.5, 0.01);
	/* Densities 2(1-q) and 2p: P(q >= p) = 1/6. */
	near(chance_at_least(0, 1, 1, 1, 1), 1.0 / 6, 0.01);
	/* Never surer with fewer sightings. */
	for (unsigned int hits = 1; hits <= 200; hits++)
		CHECK(chance_at_least(hits, 200, 0.5, 100, 200) >=
		      chance_at_least(hits - 1, 200, 0.5, 100, 200) - 1e-9);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_interval),
	CHECK_TEST(test_at_least),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
