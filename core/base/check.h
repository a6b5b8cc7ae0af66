/* The frame of our unit tests: a table of named tests, and checks that note a failure and go on.
 *
 *	static void test_empty(void)
 *	{
 *		CHECK(list_empty(&head));
 *		CHECK_OP(count, ==, 3);
 *		if (!CHECK_OP(ret, >=, 0))
 *			return;
 *	}
 *
 *	static const struct check_test tests[] = { CHECK_TEST(test_empty) };
 *
 *	int main(int argc, char **argv)
 *	{
 *		return check_main(argc, argv, tests, CHECK_COUNT(tests));
 *	}
 *
 * A check never leaves the function it stands in, so it may stand in any function and on any stack, a fiber's or a
 * thread's (not a signal handler's). It has a value, so a test can stop by itself where going on makes no sense. */
#ifndef CORE_BASE_CHECK_H
#define CORE_BASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct check_test {
	const char *name;
	void (*run)(void);
};

/* clang-format off */
#define CHECK_TEST(fn) { #fn, fn }
/* clang-format on */
#define CHECK_COUNT(tests) (sizeof(tests) / sizeof((tests)[0]))

/* Runs all tests, or those named in argv[1..], one after the other, and prints one line for each:
 *	ok NAME
 *	skip NAME: WHY
 *	FAIL NAME: FILE:LINE: WHAT		(as often as something failed, up to a limit)
 * With --list, prints the names instead. Writes one test case each to $XML_OUTPUT_FILE, if that is set.
 * 0: nothing failed; 1: something did; 2: a name is unknown, or there was nothing to run. */
int check_main(int argc, char **argv, const struct check_test *tests, size_t n);

/* The running test's name, as in the table: for functions that stand there more than once. */
const char *check_name(void);

/* The running test cannot run here; it is counted as skipped unless a check fails. Return after it. */
void check_skip(const char *why);

/* True if cond holds. Otherwise the running test has failed. */
#define CHECK(cond) check_that((cond), __FILE__, __LINE__, #cond)

/* Likewise for `a op b`, two integers or two pointers; both are printed. */
#define CHECK_OP(a, op, b)                                                                                             \
	__extension__({                                                                                                \
		__auto_type check_a_ = (a);                                                                            \
		__auto_type check_b_ = (b);                                                                            \
		check_op_that(check_a_ op check_b_, __FILE__, __LINE__, #a " " #op " " #b, (int64_t)check_a_,          \
			      (int64_t)check_b_);                                                                      \
	})

/* Likewise for equal strings. */
#define CHECK_STR(a, b) check_str(__FILE__, __LINE__, #a " is " #b, a, b)

/* True if fn(arg), run in a child process, ends by that signal; its stderr must contain `says` (NULL: anything). */
#define CHECK_DIES(fn, arg, signal, says) check_dies(__FILE__, __LINE__, #fn "(" #arg ")", fn, arg, signal, says)

bool check_that(bool ok, const char *file, int line, const char *what);
bool check_op_that(bool ok, const char *file, int line, const char *what, int64_t a, int64_t b);
bool check_str(const char *file, int line, const char *what, const char *a, const char *b);
bool check_dies(const char *file, int line, const char *what, void (*fn)(void *), void *arg, int sig, const char *says);

#endif
