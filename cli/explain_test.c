/* augur explain: the words it finds, and what it says of a record that was altered. */
#include "cli/program.h"

static const char chain[] = "augur 1\n"
			    "ring r entries=8\n"
			    "pipe p\n"
			    "submit r\n"
			    "  a: read fd=p.out len=8 link             -> -ECANCELED\n"
			    "  b: nop                                  -> -ECANCELED\n"
			    "  d: read fd=p.out len=8                  -> 5\n"
			    "  x: timeout ts=10us\n"
			    "  w: read fd=none len=1 link\n"
			    "  y: nop\n"
			    "submit r\n"
			    "  c: cancel target=a                      -> 0\n"
			    "wait r 6\n"
			    "write p.in len=5\n"
			    "wait r 1\n";

static void test_allowed(void)
{
	if (!program_has_sim())
		return;
	CHECK_OP(program_augur("explain", program_put("chain.augur", chain), NULL), ==, 0);
	program_says("a: read fd=p.out len=8 link");
	program_says("-ECANCELED: c cancelled it and said 0");
	program_says("-ECANCELED: severed by a, which failed with -ECANCELED");
	program_says("5: data of step 4");
	program_says("-ETIME: it fired");
	program_says("-EBADF: its descriptor is open nowhere");
	program_says("-ECANCELED: severed by w, which failed with -EBADF");
	program_says("0: it found a and cancelled it");
	program_says("verdict: allowed");
}

/* The CQE of b says 0 instead of -ECANCELED. */
static bool alter(char *text)
{
	char *at = text, *res;

	while ((at = strstr(at, "\ncqe "))) {
		at++;
		if (!strstr(at, " req=1 ") || strstr(at, " req=1 ") > strchr(at, '\n'))
			continue;
		res = strstr(at, "res=-125");
		if (!res || res > strchr(at, '\n'))
			return false;
		memmove(res + 5, res + 8, strlen(res + 8) + 1);
		res[4] = '0';
		return true;
	}
	return false;
}

static void test_forbidden(void)
{
	char *record, *text;

	if (!program_has_sim())
		return;
	record = program_path("record.txt");
	CHECK_OP(program_augur("run", program_put("chain.augur", chain), "--record", record, NULL), ==, 0);
	text = program_get(record);
	if (CHECK(text && alter(text))) {
		CHECK_OP(program_augur("explain", program_put("altered.txt", text), NULL), ==, 1);
		program_says("forbidden: chain.sever/nop+linked,read.pipe");
		program_says("  allowed   -ECANCELED");
		program_says("  because   chain.sever: Behind a member that fails");
		program_says("  ledger    not in the ledger");
	}
	free(text);
}

static void test_truncated(void)
{
	char *record, *text;

	if (!program_has_sim())
		return;
	record = program_path("record.txt");
	CHECK_OP(program_augur("run", program_put("chain.augur", chain), "--record", record, NULL), ==, 0);
	text = program_get(record);
	if (CHECK(text)) {
		text[strlen(text) / 2] = '\0';
		CHECK_OP(program_augur("explain", program_put("cut.txt", text), NULL), ==, 2);
		program_says("cut.txt:");
	}
	free(text);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_allowed),
	CHECK_TEST(test_forbidden),
	CHECK_TEST(test_truncated),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
