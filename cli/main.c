/* augur: the brain. It generates, judges and reports; it links no engine and makes no io_uring system call. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

#define AUGUR_VERSION "0.1"

static const struct command *const commands[] = {
	&command_run,	  &command_diff, &command_fuzz,	    &command_bank, &command_judge, &command_minimise,
	&command_explain, &command_emit, &command_whitebox, &command_gen,  &command_fmt,   &command_help,
};

const struct command *const *command_all(size_t *nr)
{
	*nr = sizeof(commands) / sizeof(commands[0]);
	return commands;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static char self[PATH_MAX + 16] = "augur";

const char *command_self(void)
{
	return self;
}

/* The launcher in the workspace's root says where that is; without it we are called by our own name. */
static void find_self(const char *argv0)
{
	const char *root = getenv("AUGUR_ROOT");
	char cwd[PATH_MAX];

	if (!root || !*root)
		snprintf(self, sizeof(self), "%s", argv0);
	else if (getcwd(cwd, sizeof(cwd)) && strcmp(cwd, root) == 0)
		snprintf(self, sizeof(self), "./augur");
	else
		snprintf(self, sizeof(self), "%s/augur", root);
}

static enum exit_status usage(void)
{
	fprintf(stderr, "Try: %s help\n", self);
	return STATUS_USAGE;
}

int main(int argc, char **argv)
{
	const struct command *c;
	enum exit_status status;

	find_self(argc > 0 ? argv[0] : "augur");
	signal(SIGPIPE, SIG_IGN); /* a reader that left shows as a failed write to stdout, below */
	if (argc < 2) {
		fprintf(stderr, "augur: a command must be named\n");
		return usage();
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("augur " AUGUR_VERSION);
		return STATUS_OK;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		argv[1] = "help";
	c = command_find(argv[1]);
	if (!c) {
		fprintf(stderr, "augur: there is no command %s\n", argv[1]);
		return usage();
	}
	status = c->run(argc - 1, argv + 1);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		if (errno != EPIPE)
			fprintf(stderr, "augur: write to stdout: %s\n", strerror(errno));
		status = status_worse(status, STATUS_ENVIRONMENT);
	}
	return status;
}
