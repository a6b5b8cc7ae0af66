/* For tests of augur as a program: runs it, and keeps what it says. */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"

enum { PROGRAM_OUT = 1 << 17, PROGRAM_ARGS = 24, PROGRAM_PATH = 512 };

static char program_out[PROGRAM_OUT]; /* what the last one wrote to stdout and stderr */
static char program_dir[256]; /* of the running test */

/* Runs a program; its exit status, 1000 + the signal it died of, or -errno. */
static inline int program_run(const char *path, const char *const argv[])
{
	size_t len = 0;
	ssize_t got;
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execvp(path, (char *const *)(uintptr_t)argv);
		_exit(126);
	}
	close(ends[1]);
	while (len < PROGRAM_OUT - 1 && (got = read(ends[0], program_out + len, PROGRAM_OUT - 1 - len)) > 0)
		len += (size_t)got;
	program_out[len] = '\0';
	close(ends[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* The augur beside us in the runfiles, or that of $AUGUR_BIN, with the arguments up to NULL. */
static inline int program_augur(const char *first, ...)
{
	const char *argv[PROGRAM_ARGS] = { "augur", first };
	const char *named = getenv("AUGUR_BIN");
	va_list ap;

	va_start(ap, first);
	for (int i = 2; i < PROGRAM_ARGS - 1 && (argv[i] = va_arg(ap, const char *)); i++)
		;
	va_end(ap);
	return program_run(named ? named : "cli/augur", argv);
}

static inline bool program_says(const char *what)
{
	if (CHECK(strstr(program_out, what)))
		return true;
	printf("  wanted \"%s\" in:\n%s\n", what, program_out);
	return false;
}

static inline void program_fresh_dir(void)
{
	const char *tmp = getenv("TEST_TMPDIR");

	snprintf(program_dir, sizeof(program_dir), "%s/augur.XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(program_dir));
}

static inline char *program_path(const char *name)
{
	static char ring[4][PROGRAM_PATH];
	static unsigned int at;
	char *path = ring[at++ % 4];

	snprintf(path, PROGRAM_PATH, "%s/%s", program_dir, name);
	return path;
}

static inline char *program_put(const char *name, const char *text)
{
	char *path = program_path(name);
	FILE *f = fopen(path, "w");

	if (CHECK(f)) {
		fputs(text, f);
		fclose(f);
	}
	return path;
}

/* All of a file, to be freed. */
static inline char *program_get(const char *path)
{
	char *text = calloc(1, PROGRAM_OUT);
	FILE *f = fopen(path, "r");

	if (text && CHECK(f)) {
		CHECK(fread(text, 1, PROGRAM_OUT - 1, f) > 0);
		fclose(f);
	}
	return text;
}

/* False, and the test is skipped, where no hand for sim is there. */
static inline bool program_has_sim(void)
{
	program_fresh_dir();
	if (program_augur("run", program_put("probe.augur", "augur 1\n"), NULL) != 3)
		return true;
	/* Under Bazel it is there. */
	if (CHECK(!getenv("TEST_TMPDIR")))
		check_skip("augur-sim is not there");
	return false;
}

#endif
