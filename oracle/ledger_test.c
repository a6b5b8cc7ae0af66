/* The ledger's text form, its mistakes with their places, and what an entry covers. */
#include "oracle/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"

static const char good[] = "id: lost-cancel\n"
			   "rule: cancel.lost*\n"
			   "rule: wait.stuck/read,*\n"
			   "# a remark\n"
			   "seen: kernel 6.18.*\n"
			   "seen: kernel 6.12.1\n"
			   "kind: kernel bug\n"
			   "\n"
			   "  A cancel is lost.\nSince 5.4.\n\n";

static void test_match(void)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "a*", "abc", true },
		{ "a*c", "abc", true },
		{ "a*c", "abcd", false },
		{ "*b*", "abc", true },
		{ "a*b*c", "aXbYbZc", true },
		{ "a*b*c", "aXcYb", false },
		{ "**", "x", true },
		{ "a", "b", false },
		{ "6.18.*", "6.18.44-x", true },
		{ "6.18.*", "6.1.8", false },
	};

	for (size_t i = 0; i < CHECK_COUNT(cases); i++)
		if (!CHECK_OP(ledger_match(cases[i].pattern, cases[i].text), ==, cases[i].matches))
			printf("  %s against %s\n", cases[i].pattern, cases[i].text);
}

static void test_good_entry(void)
{
	struct ledger_entry e;
	struct diag d;

	diag_init(&d, "dir/lost-cancel.txt");
	CHECK_OP(ledger_parse(&e, d.file, good, &d), ==, 0u);
	diag_print(&d, stdout);
	CHECK_STR(e.id, "lost-cancel");
	CHECK_OP(e.nr_rules, ==, 2u);
	CHECK_OP(e.nr_seen, ==, 2u);
	CHECK_STR(e.seen[1].release, "6.12.1");
	CHECK(e.kind == LEDGER_KERNEL_BUG);
	CHECK_STR(e.text, "A cancel is lost.\nSince 5.4.");
	CHECK_STR(e.stream, "");
}

static void test_mistakes(void)
{
	static const struct {
		const char *text;
		unsigned int line, col;
		const char *says;
	} cases[] = {
		{ "id: a\nrule x\nrule: r\nseen: kernel 6\nkind: kernel bug\n\nText.\n", 2, 1, "key: value" },
		{ "id: a\nrule: r\nseen: kernel\nkind: kernel bug\n\nText.\n", 3, 7, "its release" },
		{ "id: a\nrule: r\nseen: kernal 6\nkind: kernel bug\n\nText.\n", 3, 7, "kernal" },
		{ "id: a\nrule: r\nseen: kernel 6\nkind: bug\n\nText.\n", 4, 7, "limit of the engine" },
		{ "id: a\nid: a\nrule: r\nseen: kernel 6\nkind: kernel bug\n\nText.\n", 2, 1, "twice" },
		{ "id: a\nseen: kernel 6\nkind: kernel bug\n\nText.\n", 4, 1, "rule" },
		{ "id: a\nrule: r\nseen: kernel 6\nkind: kernel bug\n\n \n", 5, 1, "paragraph" },
		{ "id: b\nrule: r\nseen: kernel 6\nkind: kernel bug\n\nText.\n", 1, 1, "b.txt" },
		{ "id: a\nrule: r\nseen: kernel 6\nkind: kernel bug\nwhy: so\n\nText.\n", 5, 1, "why" },
		{ "id: a\nrule:\nseen: kernel 6\nkind: kernel bug\n\nText.\n", 2, 6, "pattern" },
	};

	for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
		struct ledger_entry e;
		struct diag d;

		diag_init(&d, "a.txt");
		CHECK_OP(ledger_parse(&e, d.file, cases[i].text, &d), ==, 1u);
		if (!CHECK_OP(d.at[0].line, ==, cases[i].line) || !CHECK_OP(d.at[0].col, ==, cases[i].col) ||
		    !CHECK(strstr(d.at[0].text, cases[i].says)))
			diag_print(&d, stdout);
	}
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!CHECK(f))
		return;
	fputs(text, f);
	fclose(f);
}

static void test_directory(void)
{
	struct rule rule = { .name = "cancel.lost", .verdict = FORBIDDEN };
	struct finding f = { .rule = &rule, .id = "cancel.lost/read,async_cancel" };
	static struct record rec = { .runner = RUNNER_KERNEL, .release = "6.18.44" };
	const char *tmp = getenv("TEST_TMPDIR");
	struct ledger *l = NULL;
	const char *what = "";
	char dir[256];

	snprintf(dir, sizeof(dir), "%s/ledger.XXXXXX", tmp ? tmp : "/tmp");
	if (!CHECK(mkdtemp(dir)))
		return;
	put(dir, "lost-cancel.txt", good);
	put(dir, "ignored.md", "not an entry");
	if (!CHECK_OP(ledger_load(&l, dir, stdout, &what), ==, 0))
		return;
	CHECK_OP(l->nr, ==, 1u);
	CHECK(ledger_find(l, &rec, &f) == &l->entry[0]);
	CHECK(!ledger_find(NULL, &rec, &f));
	rec.runner = RUNNER_SIM;
	CHECK(!ledger_find(l, &rec, &f));
	rec.runner = RUNNER_KERNEL;
	strcpy(rec.release, "6.12.10");
	CHECK(!ledger_find(l, &rec, &f));
	strcpy(f.id, "wait.stuck/write,x");
	strcpy(rec.release, "6.18.1");
	CHECK(!ledger_find(l, &rec, &f));
	ledger_free(l);
	put(dir, "bad.txt", "id: bad\n\nText.\n");
	CHECK_OP(ledger_load(&l, dir, stdout, &what), ==, -EINVAL);
	CHECK_OP(ledger_load(&l, "/nonexistent", stdout, &what), ==, -ENOENT);
	CHECK_STR(what, "open /nonexistent");
}

static const struct check_test tests[] = {
	CHECK_TEST(test_match),
	CHECK_TEST(test_good_entry),
	CHECK_TEST(test_mistakes),
	CHECK_TEST(test_directory),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
