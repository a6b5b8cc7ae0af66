/* Builds the engine with a planted bug, and runs its tests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bank.h"
#include "cli/files.h"

enum { TEST_SECONDS = 120 }; /* one that takes longer hangs, which is red */

const char *bank_root(void)
{
	const char *dir = getenv("AUGUR_ROOT");

	return dir && *dir ? dir : ".";
}

/* The end of a child that was forked. */
static enum exit_status wait_for(pid_t pid, int *status)
{
	if (pid > 0 && waitpid(pid, status, 0) == pid)
		return STATUS_OK;
	fprintf(stderr, "augur bank: %s: %s\n", pid < 0 ? "fork" : "waitpid", strerror(errno));
	return STATUS_ENVIRONMENT;
}

enum exit_status bank_build(const char *patch, const char *out, const char *program)
{
	char script[PATH_MAX];
	int status;
	pid_t pid;

	snprintf(script, sizeof(script), "%s/fuzz/bank/build.sh", bank_root());
	pid = fork();
	if (pid == 0) {
		execl(script, script, patch, out, program, (char *)NULL);
		fprintf(stderr, "augur bank: %s: %s\n", script, strerror(errno));
		_exit(STATUS_ENVIRONMENT);
	}
	if (wait_for(pid, &status) != STATUS_OK)
		return STATUS_ENVIRONMENT;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return STATUS_OK;
	return WIFEXITED(status) && WEXITSTATUS(status) == 2 ? STATUS_USAGE : STATUS_ENVIRONMENT;
}

/* Red: a check failed, or the program died or hangs. A program that does not know the test says so with status 2. */
static enum exit_status run_test(const char *program, const char *test, enum test_result *out)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		unsetenv("XML_OUTPUT_FILE");
		unsetenv("AUGUR_BANK_CANARY");
		alarm(TEST_SECONDS);
		if (freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr))
			execl(program, program, test, (char *)NULL);
		_exit(127);
	}
	if (wait_for(pid, &status) != STATUS_OK)
		return STATUS_ENVIRONMENT;
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 2 || WEXITSTATUS(status) == 127)) {
		fprintf(stderr, "augur bank: %s: no test %s\n", program, test);
		return STATUS_USAGE;
	}
	*out = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? TEST_GREEN : TEST_RED;
	return STATUS_OK;
}

/* Is there already, from an earlier bug: tests without a bug are built once. */
static enum exit_status build_healthy(const struct bank *b, const char *program, char *path, size_t size)
{
	static char built[64][BANK_TEST + 8];
	unsigned int i;
	enum exit_status status;

	snprintf(path, size, "%s/none/%s", b->out, program);
	for (i = 0; i < 64 && *built[i]; i++)
		if (strcmp(built[i], program) == 0)
			return STATUS_OK;
	status = bank_build("none", path, program);
	if (status == STATUS_OK && i < 64)
		snprintf(built[i], sizeof(built[i]), "%s", program);
	return status;
}

enum exit_status bank_test(struct bank *b, struct bug *bug)
{
	char path[PATH_MAX], sim[BANK_TEST + 8];
	enum test_result healthy;
	enum exit_status status;

	if (!*bug->test || bug->tested != TEST_NOT_RUN)
		return STATUS_OK;
	snprintf(sim, sizeof(sim), "%s_sim", bug->program);
	status = build_healthy(b, sim, path, sizeof(path));
	if (status == STATUS_OK)
		status = run_test(path, bug->test, &healthy);
	if (status == STATUS_OK && healthy != TEST_GREEN) {
		fprintf(stderr, "augur bank: %s: %s fails without the bug, and proves nothing\n", bug->id, bug->test);
		status = STATUS_USAGE;
	}
	snprintf(path, sizeof(path), "%s/%s/test", b->out, bug->id);
	if (status == STATUS_OK)
		status = bank_build(bug->patch, path, sim);
	if (status == STATUS_OK)
		status = run_test(path, bug->test, &bug->tested);
	if (bank_stop)
		bug->tested = TEST_NOT_RUN; /* Ctrl-C ends the test as well, which is not red for that */
	if (bug->tested != TEST_NOT_RUN)
		bank_keep_test(b, bug);
	return status;
}
