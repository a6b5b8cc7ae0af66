#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool option_number(const char *text, uint64_t *value)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	v = strtoull(text, &end, text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10);
	if (errno || *end)
		return false;
	*value = v;
	return true;
}

static const struct option_row *find_row(const struct option_row *rows, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0)
			return &rows[i];
	return NULL;
}

static bool take_number(const struct command *c, const struct option_row *row, const char *value)
{
	uint64_t max = row->max ? row->max : UINT64_MAX;
	uint64_t v;

	if (!option_number(value, &v)) {
		fprintf(stderr, "augur %s: --%s wants a number, not \"%s\"\n", c->name, row->name, value);
		return false;
	}
	if (v < row->min || v > max) {
		fprintf(stderr, "augur %s: --%s wants a number from %" PRIu64 " to %" PRIu64 ", not %s\n", c->name,
			row->name, row->min, max, value);
		return false;
	}
	*(uint64_t *)row->where = v;
	return true;
}

static bool take_value(const struct command *c, const struct option_row *row, const char *value)
{
	if (row->kind == OPTION_NUMBER)
		return take_number(c, row, value);
	if (!*value) {
		fprintf(stderr, "augur %s: --%s wants a value that is not empty\n", c->name, row->name);
		return false;
	}
	*(const char **)row->where = value;
	return true;
}

/* One option at argv[*i]; moves *i over its value. */
static bool take_option(const struct command *c, const struct option_row *rows, size_t nr_rows, int argc, char **argv,
			int *i)
{
	const char *name = argv[*i] + 2;
	const char *equals = strchr(name, '=');
	const struct option_row *row = find_row(rows, nr_rows, name, equals ? (size_t)(equals - name) : strlen(name));

	if (!row) {
		fprintf(stderr, "augur %s: there is no option %s\n", c->name, argv[*i]);
		return false;
	}
	if (row->given)
		*row->given = true;
	if (row->kind == OPTION_FLAG) {
		if (equals)
			fprintf(stderr, "augur %s: --%s takes no value\n", c->name, row->name);
		*(bool *)row->where = true;
		return !equals;
	}
	if (equals)
		return take_value(c, row, equals + 1);
	if (*i + 1 >= argc) {
		fprintf(stderr, "augur %s: --%s wants a value\n", c->name, row->name);
		return false;
	}
	return take_value(c, row, argv[++*i]);
}

static bool count_operands(const struct command *c, int nr, int min, int max)
{
	if (nr < min)
		fprintf(stderr, "augur %s: %s\n", c->name, nr ? "too few operands" : "a file must be named");
	if (nr > max)
		fprintf(stderr, "augur %s: there is one operand too many\n", c->name);
	return nr >= min && nr <= max;
}

int options_parse(const struct command *c, int argc, char **argv, const struct option_row *rows, size_t nr_rows,
		  int min, int max, int *nr)
{
	bool ok = true, ended = false;

	*nr = 0;
	for (int i = 1; i < argc; i++) {
		if (!ended && strcmp(argv[i], "--") == 0) {
			ended = true;
		} else if (!ended && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
			fputs(c->help, stdout);
			return STATUS_OK;
		} else if (!ended && argv[i][0] == '-' && argv[i][1] == '-') {
			ok &= take_option(c, rows, nr_rows, argc, argv, &i);
		} else if (!ended && argv[i][0] == '-' && argv[i][1]) {
			fprintf(stderr, "augur %s: there is no option %s\n", c->name, argv[i]);
			ok = false;
		} else {
			argv[++*nr] = argv[i];
		}
	}
	argv[*nr + 1] = NULL;
	ok = ok && count_operands(c, *nr, min, max);
	if (!ok)
		fprintf(stderr, "Try: %s help %s\n", command_self(), c->name);
	return ok ? OPTIONS_GO_ON : STATUS_USAGE;
}
