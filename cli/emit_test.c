/* Emitted programs: they compile without a warning, they end, and their exit status says what they saw. On the running
 * kernel, with the system's compiler and liburing. */
#include <glob.h>
#include <sys/utsname.h>

#include "cli/program.h"
#include "oracle/ledger.h"

enum { CANNOT_RUN = 77 };

static bool can_compile(void)
{
	static const char *const argv[] = { "gcc",	  "-E",	 "-o",	      "/dev/null", "-include",
					    "liburing.h", "-xc", "/dev/null", NULL };

	program_fresh_dir();
	if (program_run("gcc", argv) == 0)
		return true;
	check_skip("gcc or liburing.h is not there");
	return false;
}

/* Emits, compiles and runs; the program's exit status, or -1 when it did not come to that. */
static int emit_and_run(const char *stream, const char *rounds)
{
	const char *c = program_path("x.c"), *x = program_path("x");
	const char *const compile[] = { "gcc", "-Wall", "-Wextra", "-Werror", "-o", x, c, "-luring", NULL };
	const char *const run[] = { x, rounds, NULL };

	if (!CHECK_OP(program_augur("emit", stream, "--c", "--out", c, NULL), ==, 0) ||
	    !CHECK_OP(program_run("gcc", compile), ==, 0)) {
		printf("  %s:\n%s\n", stream, program_out);
		return -1;
	}
	return program_run(x, run);
}

/* A file of a package beside ours in the runfiles. */
static void each(const char *pattern, unsigned int every, void (*fn)(const char *path))
{
	glob_t g;

	if (!CHECK_OP(glob(pattern, 0, NULL, &g), ==, 0))
		return;
	for (size_t i = 0; i < g.gl_pathc; i += every)
		fn(g.gl_pathv[i]);
	globfree(&g);
}

/* Was it seen on the kernel that runs here? */
static bool seen_here(const struct ledger_entry *e)
{
	struct utsname uts;

	uname(&uts);
	for (unsigned int i = 0; i < e->nr_seen; i++)
		if (ledger_match(e->seen[i].runner, "kernel") && ledger_match(e->seen[i].release, uts.release))
			return true;
	return false;
}

/* Where it was seen the program shows it, sooner or later; elsewhere it finds nothing. */
static void ledger_entry(const struct ledger_entry *e)
{
	static const char *const rounds[] = { "200", "20000" };
	char path[PROGRAM_PATH];
	bool here = seen_here(e);
	int status = 0;

	snprintf(path, sizeof(path), "corpora/ledger/%s", e->stream);
	for (size_t i = 0; i < (here ? CHECK_COUNT(rounds) : 1) && status == 0; i++)
		status = emit_and_run(path, rounds[i]);
	if (status == CANNOT_RUN)
		return;
	if (!CHECK_OP(status, ==, here ? 1 : 0))
		printf("  %s, which was%s seen on this kernel:\n%s\n", e->id, here ? "" : " not", program_out);
	program_says("rounds show what is forbidden");
}

/* Every entry, and no stream besides. */
static void test_ledger(void)
{
	struct ledger *l = NULL;
	const char *what;
	glob_t g;

	if (!CHECK_OP(ledger_load(&l, "corpora/ledger", stdout, &what), ==, 0) || !can_compile())
		return;
	if (CHECK_OP(glob("corpora/ledger/*.augur", 0, NULL, &g), ==, 0)) {
		CHECK_OP(g.gl_pathc, ==, l->nr);
		globfree(&g);
	}
	for (unsigned int i = 0; i < l->nr; i++)
		ledger_entry(&l->entry[i]);
	ledger_free(l);
}

static void seed_stream(const char *path)
{
	int status = emit_and_run(path, "3");

	if (!CHECK(status == 0 || status == CANNOT_RUN))
		printf("  %s: %d\n%s\n", path, status, program_out);
}

static void test_seeds(void)
{
	if (can_compile())
		each("corpora/seeds/*/*.augur", 4, seed_stream);
}

static void test_false_expectation(void)
{
	int status;

	if (!can_compile())
		return;
	status = emit_and_run(program_put("wrong.augur", "augur 1\nring r entries=8\npipe p\nsubmit r\n"
							 "  a: nop -> 0\n  b: read fd=none len=8 -> -EAGAIN\n"
							 "wait r 2\n"),
			      NULL);
	if (status == CANNOT_RUN) {
		check_skip("no io_uring");
		return;
	}
	CHECK_OP(status, ==, 1);
	program_says("the stream's expectation: b: read fd=none len=8: -EBADF");
	program_says("1 of 1 rounds");
}

static void test_usage(void)
{
	program_fresh_dir();
	CHECK_OP(program_augur("emit", program_put("a.augur", "augur 1\n"), NULL), ==, 2);
	program_says("--c");
	CHECK_OP(program_augur("emit", program_put("bad.augur", "augur 1\nfrob\n"), "--c", NULL), ==, 2);
	program_says("bad.augur:2:1: error");
}

static const struct check_test tests[] = {
	CHECK_TEST(test_ledger),
	CHECK_TEST(test_seeds),
	CHECK_TEST(test_false_expectation),
	CHECK_TEST(test_usage),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
