/* A command of augur: one file each, its help text first in the file. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stddef.h>

#include "cli/exit.h"

struct command {
	const char *name;
	const char *summary; /* one line */
	const char *help; /* the whole text of `augur help NAME` */
	enum exit_status (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct command command_run, command_diff, command_fuzz, command_bank, command_judge, command_gen,
	command_fmt, command_whitebox, command_minimise, command_explain, command_emit, command_help;

const struct command *command_find(const char *name); /* NULL: no such command */
const struct command *const *command_all(size_t *nr);

/* How whoever called us can call us again, for lines to paste: `./augur` in the workspace. */
const char *command_self(void);

#endif
