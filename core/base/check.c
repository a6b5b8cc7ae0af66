#include "core/base/check.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_SHOWN 20 /* failures printed for one test */

/* The running test. Checks may fail on any thread. */
static struct {
	pthread_mutex_t lock;
	const char *name;
	unsigned int failures;
	char first[512]; /* the first failure, for the XML file */
	char skip[256]; /* why it was skipped; empty: it was not */
} now = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __attribute__((format(printf, 3, 4))) bool fail(const char *file, int line, const char *fmt, ...)
{
	char what[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&now.lock);
	if (now.failures == 0)
		snprintf(now.first, sizeof(now.first), "%s:%d: %s", file, line, what);
	if (now.failures < MAX_SHOWN)
		printf("FAIL %s: %s:%d: %s\n", now.name ? now.name : "(no test)", file, line, what);
	else if (now.failures == MAX_SHOWN)
		printf("FAIL %s: and more\n", now.name ? now.name : "(no test)");
	now.failures++;
	fflush(stdout);
	pthread_mutex_unlock(&now.lock);
	return false;
}

bool check_that(bool ok, const char *file, int line, const char *what)
{
	return ok || fail(file, line, "%s", what);
}

bool check_op_that(bool ok, const char *file, int line, const char *what, int64_t a, int64_t b)
{
	return ok || fail(file, line, "%s (%" PRId64 " against %" PRId64 ")", what, a, b);
}

bool check_str(const char *file, int line, const char *what, const char *a, const char *b)
{
	if (a && b && strcmp(a, b) == 0)
		return true;
	return fail(file, line, "%s (\"%s\" against \"%s\")", what, a ? a : "NULL", b ? b : "NULL");
}

/* In the child: dies as told, its stderr into the pipe, and leaves no core file. */
static _Noreturn void die_in_child(int out, void (*fn)(void *), void *arg)
{
	struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	dup2(out, STDERR_FILENO);
	fn(arg);
	_exit(0);
}

bool check_dies(const char *file, int line, const char *what, void (*fn)(void *), void *arg, int sig, const char *says)
{
	char said[4096];
	size_t len = 0;
	ssize_t got;
	int ends[2], status;
	pid_t child;

	fflush(NULL);
	if (pipe(ends) < 0)
		return fail(file, line, "%s: no pipe", what);
	child = fork();
	if (child < 0)
		return fail(file, line, "%s: no child", what);
	if (child == 0)
		die_in_child(ends[1], fn, arg);
	close(ends[1]);
	while (len < sizeof(said) - 1 && (got = read(ends[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)got;
	said[len] = '\0';
	close(ends[0]);
	waitpid(child, &status, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != sig)
		return fail(file, line, "%s ended with wait status 0x%x, not by signal %d; it said \"%s\"", what,
			    (unsigned int)status, sig, said);
	if (says && !strstr(said, says))
		return fail(file, line, "%s died as it should, but said \"%s\" and not \"%s\"", what, said, says);
	return true;
}

const char *check_name(void)
{
	return now.name;
}

void check_skip(const char *why)
{
	pthread_mutex_lock(&now.lock);
	snprintf(now.skip, sizeof(now.skip), "%s", *why ? why : "no reason given");
	pthread_mutex_unlock(&now.lock);
}

/* The XML file is kept in memory until the end: a test that ends the process leaves none, and Bazel says so. */
static struct {
	FILE *out;
	char *buf;
	size_t size;
	unsigned int tests, failed, skipped;
} xml;

static void xml_text(const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			fputs("&amp;", xml.out);
			break;
		case '<':
			fputs("&lt;", xml.out);
			break;
		case '>':
			fputs("&gt;", xml.out);
			break;
		case '"':
			fputs("&quot;", xml.out);
			break;
		default:
			fputc((unsigned char)*s < ' ' || (unsigned char)*s > '~' ? '?' : *s, xml.out);
		}
	}
}

static void xml_case(double seconds)
{
	fputs("  <testcase name=\"", xml.out);
	xml_text(now.name);
	fprintf(xml.out, "\" time=\"%.3f\">", seconds);
	if (now.failures) {
		fputs("<failure message=\"", xml.out);
		xml_text(now.first);
		fputs("\"/>", xml.out);
	} else if (*now.skip) {
		fputs("<skipped message=\"", xml.out);
		xml_text(now.skip);
		fputs("\"/>", xml.out);
	}
	fputs("</testcase>\n", xml.out);
}

static int xml_write(const char *path)
{
	const char *target = getenv("TEST_TARGET");
	FILE *f = fopen(path, "w");

	fclose(xml.out);
	if (!f) {
		perror(path);
		free(xml.buf);
		return 1;
	}
	fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
	fprintf(f, " <testsuite name=\"%s\" tests=\"%u\" failures=\"%u\" errors=\"0\" skipped=\"%u\">\n",
		target ? target : "check", xml.tests, xml.failed, xml.skipped);
	fwrite(xml.buf, 1, xml.size, f);
	fprintf(f, " </testsuite>\n</testsuites>\n");
	fclose(f);
	free(xml.buf);
	return 0;
}

static void run_one(const struct check_test *t)
{
	struct timespec start, end;

	now.name = t->name;
	now.failures = 0;
	now.first[0] = now.skip[0] = '\0';
	clock_gettime(CLOCK_MONOTONIC, &start);
	t->run();
	clock_gettime(CLOCK_MONOTONIC, &end);
	xml.tests++;
	if (now.failures) {
		xml.failed++;
	} else if (*now.skip) {
		xml.skipped++;
		printf("skip %s: %s\n", t->name, now.skip);
	} else {
		printf("ok %s\n", t->name);
	}
	fflush(stdout);
	xml_case((double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	now.name = NULL;
}

static const struct check_test *find(const struct check_test *tests, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(tests[i].name, name) == 0)
			return &tests[i];
	return NULL;
}

int check_main(int argc, char **argv, const struct check_test *tests, size_t n)
{
	const char *path = getenv("XML_OUTPUT_FILE");
	int ret = 0;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < n; i++)
			puts(tests[i].name);
		return 0;
	}
	xml.out = open_memstream(&xml.buf, &xml.size);
	if (!xml.out)
		return 2;
	for (size_t i = 0; argc < 2 && i < n; i++)
		run_one(&tests[i]);
	for (int i = 1; i < argc; i++) {
		const struct check_test *t = find(tests, n, argv[i]);

		if (t) {
			run_one(t);
		} else {
			fprintf(stderr, "no test is named %s\n", argv[i]);
			ret = 2;
		}
	}
	if (xml.tests == 0) {
		fprintf(stderr, "no test ran\n");
		ret = 2;
	}
	if (path) {
		ret |= xml_write(path);
	} else {
		fclose(xml.out);
		free(xml.buf);
	}
	return xml.failed ? 1 : ret;
}
