/* The seeds are what people read first: each parses, stands in canonical form, says what it shows and expects
 * something. The files are the arguments. */
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "stream/parse.h"
#include "stream/print.h"

static struct stream s;
static char text[STREAM_MAX_TEXT], printed[STREAM_PRINT_CAP];
static char **files;
static int nr_files;

static size_t load(const char *file)
{
	FILE *f = fopen(file, "r");
	size_t n = 0;

	if (CHECK(f != NULL)) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return n;
}

static bool parse(const char *file)
{
	struct diag d;
	size_t n = load(file);

	diag_init(&d, file);
	if (stream_parse(text, n, &s, &d) == 0)
		return true;
	diag_print(&d, stdout);
	return CHECK(!"the seed parses");
}

static void test_canonical(void)
{
	for (int i = 0; i < nr_files; i++) {
		struct text t;

		if (!parse(files[i]))
			continue;
		text_init(&t, printed, sizeof(printed));
		stream_print(&s, &t);
		if (!CHECK(strcmp(text, printed) == 0))
			printf("%s is not as `augur fmt` would have it\n", files[i]);
	}
}

static bool has_comment(void)
{
	return s.comment || s.rings[0].comment || (s.nr_tasks > 1 && s.tasks[1].comment);
}

/* Process exits and closed rings take their CQEs with them: there the objects at the end are what is looked at. */
static bool expects_something(void)
{
	for (unsigned int i = 0; i < s.nr_reqs; i++)
		if (s.reqs[i].expect.nr)
			return true;
	for (unsigned int i = 0; i < s.nr_steps; i++)
		if (s.steps[i].expect.nr || s.steps[i].kind == STEP_EXIT_PROCESS)
			return true;
	return false;
}

static void test_useful(void)
{
	for (int i = 0; i < nr_files; i++) {
		bool ok;

		if (!parse(files[i]))
			continue;
		ok = CHECK(has_comment()) && CHECK(expects_something()) && CHECK_OP(s.nr_steps, >, 0) &&
		     CHECK_OP(s.nr_reqs, <=, 12);
		if (!ok)
			printf("... in %s\n", files[i]);
	}
}

static void test_enough(void)
{
	CHECK_OP(nr_files, >=, 48);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_canonical),
	CHECK_TEST(test_useful),
	CHECK_TEST(test_enough),
};

int main(int argc, char **argv)
{
	files = argv + 1;
	nr_files = argc - 1;
	return check_main(1, argv, tests, CHECK_COUNT(tests));
}
