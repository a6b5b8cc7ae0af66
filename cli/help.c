#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"

static const char help[] =
	"augur help [COMMAND]\n"
	"\n"
	"Says what COMMAND does and what its options are; without COMMAND, which commands there are.\n";

static const char exits[] =
	"\n"
	"Exit status:\n"
	"   0  nothing new\n"
	"   1  forbidden behaviour that is not in the ledger, an expectation not met, nothing could be said\n"
	"   2  bad usage, or a file that cannot be read as what it should be; nothing was run\n"
	"   3  the environment failed (the message names call and errno)\n"
	"  77  skipped: this machine cannot run it\n"
	"\n"
	"docs/verdicts.md tells how to read what is printed. Fuzzing a running kernel as root can wedge the machine.\n";

static enum exit_status help_main(int argc, char **argv)
{
	const struct command *c;
	const struct command *const *all;
	size_t nr;
	int n, ret = options_parse(&command_help, argc, argv, NULL, 0, 0, 1, &n);

	if (ret != OPTIONS_GO_ON)
		return ret;
	if (n == 1) {
		c = command_find(argv[1]);
		if (!c) {
			fprintf(stderr, "augur help: there is no command %s\n", argv[1]);
			fprintf(stderr, "Try: %s help\n", command_self());
			return STATUS_USAGE;
		}
		fputs(c->help, stdout);
		return STATUS_OK;
	}
	puts("augur: runs streams of io_uring requests on a kernel and on an engine of our own, and judges what completes.\n");
	all = command_all(&nr);
	for (size_t i = 0; i < nr; i++)
		printf("  augur %-8s %s\n", all[i]->name, all[i]->summary);
	puts("  augur --version");
	fputs(exits, stdout);
	return STATUS_OK;
}

const struct command command_help = { "help", "says what a command does", help, help_main };
