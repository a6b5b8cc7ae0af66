/* Records as bad input: cut anywhere, of another version, or at odds with themselves. All commands that take a record
 * refuse them with file, line and column and the reason, status 2, and judge nothing. */
#include "cli/program.h"

static const char stream[] = "augur 1\n"
			     "ring r entries=8\n"
			     "ring q entries=8\n"
			     "pipe p\n"
			     "submit r\n"
			     "  a: read fd=p.out len=8 link\n"
			     "  b: nop\n"
			     "submit r\n"
			     "  c: cancel target=a\n"
			     "wait r 3\n";

static char *good; /* a record of it */

static bool make(void)
{
	char *path;

	if (!program_has_sim())
		return false;
	path = program_path("good.txt");
	CHECK_OP(program_augur("run", program_put("s.augur", stream), "--record", path, NULL), ==, 0);
	good = program_get(path);
	return CHECK(good);
}

/* Every command says where it is wrong, and why. */
static void refused(const char *text, const char *where, const char *why)
{
	char *path = program_put("bad.txt", text);
	static const char *const commands[] = { "judge", "explain", "minimise", "emit" };

	for (size_t i = 0; i < CHECK_COUNT(commands); i++) {
		/* Only emit takes --c, and needs it. */
		int status = program_augur(commands[i], path, i == 3 ? "--c" : NULL, NULL);

		if (!CHECK_OP(status, ==, 2))
			printf("  augur %s\n%s\n", commands[i], program_out);
		program_says(where);
		program_says(why);
		CHECK(!strstr(program_out, "verdict"));
	}
}

static void test_good(void)
{
	if (!make())
		return;
	CHECK_OP(program_augur("judge", program_path("good.txt"), NULL), ==, 0);
	CHECK_OP(program_augur("emit", program_path("good.txt"), "--c", NULL), ==, 0);
	free(good);
}

/* Cut behind each line, and in the midst of it. */
static void test_cut(void)
{
	unsigned int line = 1;

	if (!make())
		return;
	for (char *at = good; *at; line++) {
		char *end = strchr(at, '\n'), where[64], kept;

		kept = at[(end - at) / 2];
		at[(end - at) / 2] = '\0';
		snprintf(where, sizeof(where), "bad.txt:%u:", line);
		refused(good, line == 1 ? "bad.txt:1:" : where, line == 1 ? "error" : "cut off");
		at[(end - at) / 2] = kept;
		at = end + 1;
		kept = *at;
		*at = '\0';
		snprintf(where, sizeof(where), "bad.txt:%u:1: error", line + 1);
		if (kept)
			refused(good, where, "cut off");
		*at = kept;
	}
	free(good);
}

/* `from` becomes `to`, in one line. */
static void altered(const char *from, const char *to, const char *why)
{
	char *at = strstr(good, from), *text, where[64];
	unsigned int line = 1;

	if (!CHECK(at)) {
		printf("  no \"%s\" in:\n%s\n", from, good);
		return;
	}
	for (const char *p = good; p < at; p++)
		line += *p == '\n';
	line += *from == '\n';
	if (asprintf(&text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from)) < 0)
		return;
	snprintf(where, sizeof(where), "bad.txt:%u:", line);
	refused(text, where, why);
	free(text);
}

static void test_altered(void)
{
	if (!make())
		return;
	altered("augur-record 1", "augur-record 2", "version 2 is not known here");
	altered("\nbegin ", "\nbegun ", "no such kind");
	altered("\nbegin ", "\nbegin 99999999999999999999 ", "expected the stamp");
	altered(" ring=0", " rong=0", "no such field");
	altered(" ring=0", " ring=300", "fits the field");
	altered(" ring=0", " ring=2", "the stream has no such ring");
	free(good);
}

/* What parses, but cannot have been. */
static void test_contradictory(void)
{
	char *at;

	if (!make())
		return;
	altered("begin 0 task=0 ring=0 step=0", "begin 0 task=0 ring=1 step=0", "a step on another ring");
	altered("begin 0 task=0 ring=0 step=0", "begin 0 ring=0 step=0", "a step by another task");
	altered("begin 0 task=0 ring=0 step=0", "end 0 task=0 ring=0 step=0", "a step ends that has not begun");
	at = strstr(good, "\ncqe ");
	if (CHECK(at)) {
		char from[128], to[160];
		int len = (int)strcspn(at + 1, "\n") + 1;

		snprintf(from, sizeof(from), "%.*s", len, at);
		snprintf(to, sizeof(to), "%s", from);
		CHECK(strstr(to, " a="));
		strstr(to, " a=")[3] = '7';
		altered(from, to, "user_data is not that of its request");
	}
	free(good);
}

/* Where a stream is wanted, a record is named as such. */
static void test_not_a_stream(void)
{
	if (!make())
		return;
	CHECK_OP(program_augur("run", program_path("good.txt"), NULL), ==, 2);
	program_says("good.txt:1:1: error: this is a record");
	good[strlen(good) / 2] = '\0';
	CHECK_OP(program_augur("run", program_put("half.txt", good), NULL), ==, 2);
	program_says("half.txt:1:1: error: this is a record");
	free(good);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_good),		CHECK_TEST(test_cut),	       CHECK_TEST(test_altered),
	CHECK_TEST(test_contradictory), CHECK_TEST(test_not_a_stream),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
