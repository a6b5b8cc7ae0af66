/* Options, by one table for each command. `--name VALUE` and `--name=VALUE`; `--` ends them; options and operands may be
 * mixed. Every mistake is named, all of them at once. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/command.h"

enum option_kind {
	OPTION_FLAG, /* bool; no value */
	OPTION_NUMBER, /* uint64_t, decimal or 0x, between min and max */
	OPTION_STRING, /* const char *, not empty */
};

struct option_row {
	const char *name; /* without the dashes */
	enum option_kind kind;
	void *where;
	uint64_t min, max; /* NUMBER; max 0: no limit */
	bool *given; /* may be NULL: set when the option is there */
};

enum { OPTIONS_GO_ON = -1 };

/* Takes the options out of argv (from argv[1]); the operands move to argv[1 .. *nr], a NULL behind them. OPTIONS_GO_ON;
 * STATUS_OK when --help was asked for and printed; STATUS_USAGE after the mistakes were printed. min and max count
 * operands. */
int options_parse(const struct command *c, int argc, char **argv, const struct option_row *rows, size_t nr_rows,
		  int min, int max, int *nr);

/* All of text as a number; false: it is none. */
bool option_number(const char *text, uint64_t *value);

#define OPTIONS_COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

#endif
