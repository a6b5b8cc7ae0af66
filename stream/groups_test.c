/* Groups: each way in which requests are coupled, and none besides. */
#include "stream/groups.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/diag.h"
#include "stream/generate.h"
#include "stream/parse.h"

static struct stream s;

/* The groups of a stream on ring r, one letter for each request: "aab", group 0 is a. */
static void groups(const char *want, const char *text)
{
	char all[2048], got[STREAM_MAX_REQS + 1] = "";
	uint8_t group_of[STREAM_MAX_REQS];
	unsigned int nr, most = 0;
	struct diag d;

	snprintf(all, sizeof(all), "augur 1\nring r entries=8\nring q entries=8\npipe p\npipe o\neventfd e\nfile f\n%s",
		 text);
	diag_init(&d, "test");
	if (!CHECK_OP(stream_parse(all, strlen(all), &s, &d), ==, 0)) {
		diag_print(&d, stdout);
		return;
	}
	nr = stream_groups(&s, group_of);
	for (unsigned int i = 0; i < s.nr_reqs; i++) {
		got[i] = (char)('a' + group_of[i]);
		most = group_of[i] + 1u > most ? group_of[i] + 1u : most;
	}
	CHECK_OP(nr, ==, most);
	if (!CHECK(strcmp(got, want) == 0))
		printf("%sgroups %s, wanted %s\n", text, got, want);
}

static void test_chains(void)
{
	groups("", "reap r\n");
	groups("ab", "submit r\n a: nop\n b: nop\n");
	groups("aaab", "submit r\n a: nop link\n b: nop hardlink\n c: nop\n d: nop\n");
	groups("aab", "submit r\n a: timeout ts=1us link\n b: link_timeout ts=1us\n c: link_timeout ts=1us\n");
	/* A chain ends with its submit. */
	groups("ab", "submit r\n a: nop link\nsubmit r\n b: nop\n");
}

static void test_targets(void)
{
	groups("aba", "submit r\n a: nop\n b: nop\n c: cancel target=a\n");
	groups("aab", "submit r\n a: cancel target=b\n b: nop\n c: cancel target=none\n");
	groups("ab", "submit r\n a: nop\nsubmit q\n b: cancel target=a\n");
	groups("aba", "submit r\n a: timeout ts=never\n b: timeout ts=never\n c: timeout_remove target=a\n");
	/* Two cancels that mean each other's target are one group. */
	groups("aabaa", "submit r\n a: nop\n b: cancel target=e\n c: nop\n d: cancel target=a\n e: cancel target=d\n");
}

static void test_wide_cancels(void)
{
	groups("aaab", "submit r\n a: nop\n b: cancel any\n c: nop\nsubmit q\n d: nop\n");
	groups("aabcaa", "submit r\n a: read fd=p.out len=8\n b: cancel fd=p.out\n c: read fd=o.out len=8\n d: nop\n"
			 " e: cancel fd=p.out all\n f: write fd=p.in len=8\n");
	groups("abab", "submit r\n a: nop\n b: poll_add fd=p.out events=in\n c: cancel op=nop\n"
		       " d: cancel op=poll_add\n");
	groups("abb", "submit r\n a: nop\n b: nop\n c: cancel op=nop target=b userdata\n");
	groups("aba", "submit r\n a: read fd=f len=8\n b: poll_add fd=f events=in\n c: cancel fd=f op=read\n");
}

static void test_objects(void)
{
	groups("abab", "submit r\n a: read fd=p.out len=8\n b: read fd=o.out len=8\nsubmit q\n c: write fd=p.in len=8\n"
		       " d: poll_add fd=o.in events=out\n");
	groups("aab", "submit r\n a: read fd=e\n b: write fd=e value=1\n c: read fd=none len=8\n");
	groups("aab", "submit r\n a: write fd=f len=8\n b: read fd=f len=8 off=100\n c: poll_add fd=f events=in\n");
	groups("ab", "submit r\n a: read fd=none len=8\n b: read fd=none len=8\n");
}

static void test_drain(void)
{
	groups("aaaba", "submit r\n a: nop\n b: nop drain\n c: nop\nsubmit q\n d: nop\nsubmit r\n e: nop\n");
}

/* The count is read off the CQ. */
static void test_count(void)
{
	groups("abc", "submit r\n a: nop\n b: timeout ts=never count=2\n c: nop\n");
}

/* Numbers are dense and in the order of first members, whatever the stream. */
static void test_numbers(void)
{
	struct generate_options opt;
	uint8_t group_of[STREAM_MAX_REQS];

	generate_options_init(&opt);
	for (unsigned int seed = 0; seed < 2000; seed++) {
		unsigned int nr, next = 0, most;

		opt.size = 1 + seed % STREAM_MAX_REQS;
		stream_generate(seed, &opt, &s);
		nr = stream_groups(&s, group_of);
		for (unsigned int i = 0; i < s.nr_reqs; i++) {
			CHECK_OP(group_of[i], <=, next);
			next += group_of[i] == next;
		}
		CHECK_OP(nr, ==, next);
		most = stream_largest_group(&s);
		CHECK_OP(most, <=, s.nr_reqs - nr + 1);
		CHECK_OP(most * nr, >=, (unsigned int)s.nr_reqs);
	}
}

static const struct check_test tests[] = {
	CHECK_TEST(test_chains), CHECK_TEST(test_targets), CHECK_TEST(test_wide_cancels), CHECK_TEST(test_objects),
	CHECK_TEST(test_drain),	 CHECK_TEST(test_count),   CHECK_TEST(test_numbers),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
