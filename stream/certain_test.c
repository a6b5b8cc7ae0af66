/* Certain is only what plainly is: each stream below differs from a certain one in one thing. */
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "stream/certain.h"
#include "stream/generate.h"
#include "stream/parse.h"

#define HEAD "augur 1\nring r entries=8\npipe p\nfile f\n"

static struct stream s;

static bool certain(const char *text)
{
	struct diag d;

	diag_init(&d, "stream");
	if (!CHECK_OP(stream_parse(text, strlen(text), &s, &d), ==, 0))
		diag_print(&d, stdout);
	return stream_certain(&s);
}

static void test_certain(void)
{
	static const char *const streams[] = {
		HEAD "submit r\n  a: nop\nwait r 1\n",
		HEAD "submit r\n  a: nop link\n  b: read fd=none len=8 hardlink\n  c: poll_add fd=none events=in\n",
		HEAD "submit r\n  a: write fd=p.in len=4000 link\n  b: nop\nwrite p.in len=96\n",
		HEAD "submit r\n  a: read fd=p.out len=8 async -> -ECANCELED\n  c: cancel target=a -> 0\n",
		HEAD "submit r\n  a: nop async -> none\nclose r\n",
	};

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		if (!CHECK(certain(streams[i])))
			printf("%s", streams[i]);
}

static void test_uncertain(void)
{
	static const char *const streams[] = {
		HEAD "submit r\n  a: nop async\nwait r 1\n",
		HEAD "submit r\n  a: nop\n  b: nop drain\n",
		HEAD "submit r\n  a: nop\n  b: nop link\n",
		HEAD "submit r\n  a: nop\nclose r\n",
		HEAD "submit r\n  a: nop\nexit thread\n",
		HEAD "submit r\n  a: nop\nexit process\n",
		HEAD "submit r\n  a: write fd=p.in len=4000 link\n  b: nop\nwrite p.in len=97\n",
		HEAD "submit r\n  a: write fd=p.in len=8\nclose p.out\n",
		HEAD "submit r\n  a: write fd=p.out len=8\n",
		HEAD "submit r\n  a: write fd=f len=8\n",
		HEAD "submit r\n  a: read fd=p.out len=8\n",
		HEAD "submit r\n  a: timeout ts=0\n",
		HEAD "submit r\n  a: cancel any\n",
		HEAD "submit r\n  a: read fd=p.out len=8 -> 1..8\n",
		HEAD "submit r\n  a: read fd=p.out len=8 -> 8 | -ECANCELED\n",
		HEAD "submit r\n  a: read fd=p.out len=8 -> 8\n  b: read fd=p.out len=8\n",
	};

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		if (!CHECK(!certain(streams[i])))
			printf("%s", streams[i]);
}

/* Of what the generator makes, very little is. */
static void test_generated(void)
{
	unsigned int n = 0;

	for (unsigned int seed = 0; seed < 20000; seed++) {
		stream_generate(seed, NULL, &s);
		n += stream_certain(&s);
	}
	printf("%u of 20000 are certain\n", n);
	CHECK_OP(n, >, 2u);
	CHECK_OP(n, <, 2000u);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_certain),
	CHECK_TEST(test_uncertain),
	CHECK_TEST(test_generated),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
