/* The canary: a fuzzer that must find something. Every record here has one result altered; if the law lets too many of
 * them pass, or none of them ends the process as a finding should, then the fuzzer has gone blind. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/prng.h"
#include "fuzz/one.h"
#include "stream/codec.h"

enum { INPUTS = 400, INPUT_BYTES = 512 };

static struct one one;

static size_t make_input(uint64_t n, uint8_t bytes[INPUT_BYTES])
{
	struct prng p = prng_seed(prng_mix(n));
	size_t size = prng_range(&p, 64, INPUT_BYTES);

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)prng_next(&p);
	return size;
}

static bool run_altered(uint64_t n)
{
	uint8_t bytes[INPUT_BYTES];

	one_decode(&one, bytes, make_input(n, bytes));
	one_run(&one);
	return one_alter(&one, prng_mix(n));
}

/* Unaltered, the same inputs are in order: else what follows proves nothing. */
static void test_unaltered(void)
{
	uint8_t bytes[INPUT_BYTES];

	for (uint64_t n = 0; n < INPUTS; n++) {
		one_decode(&one, bytes, make_input(n, bytes));
		one_run(&one);
		if (!CHECK(one_judge(&one))) {
			one_print(&one, stdout);
			return;
		}
	}
}

static void test_altered_are_found(void)
{
	unsigned int altered = 0, found = 0;

	for (uint64_t n = 0; n < INPUTS; n++) {
		if (!run_altered(n))
			continue;
		altered++;
		found += !one_judge(&one);
	}
	printf("%u records altered, %u of them found\n", altered, found);
	CHECK_OP(altered, >=, INPUTS / 4u);
	/* A result that no operation has should never pass. */
	CHECK_OP(found, ==, altered);
}

/* What the target does with a finding: it ends the process, and says which rule. */
static void die_of_finding(void *arg)
{
	for (uint64_t n = 0; n < INPUTS; n++) {
		if (!run_altered(n) || one_judge(&one))
			continue;
		one_print(&one, stderr);
		abort();
	}
	(void)arg;
}

static void test_finding_ends_the_process(void)
{
	CHECK_DIES(die_of_finding, NULL, SIGABRT, "forbidden");
}

static const struct check_test tests[] = {
	CHECK_TEST(test_unaltered),
	CHECK_TEST(test_altered_are_found),
	CHECK_TEST(test_finding_ends_the_process),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
