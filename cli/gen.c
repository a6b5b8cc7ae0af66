#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/make.h"
#include "cli/options.h"
#include "cli/records.h"

static const char help[] =
	"augur gen [--seed N] [--count N] [--size N] [--weights LIST]\n"
	"\n"
	"Prints the stream that a seed makes: the same that `augur fuzz --seed N` runs first.\n"
	"\n"
	"  --seed N         default 1\n"
	"  --count N        streams of the seeds N, N+1, ..., each begun by a comment with its seed\n" MAKE_HELP;

static enum exit_status gen_main(int argc, char **argv)
{
	uint64_t seed = 1, count = 1;
	struct make_options make = { 0 };
	const struct option_row rows[] = {
		{ "seed", OPTION_NUMBER, &seed, 0, 0, NULL },
		{ "count", OPTION_NUMBER, &count, 1, 1000000000, NULL },
		{ "size", OPTION_NUMBER, &make.size, 1, STREAM_MAX_REQS, NULL },
		{ "weights", OPTION_STRING, &make.weights, 0, 0, NULL },
	};
	int nr, go = options_parse(&command_gen, argc, argv, rows, OPTIONS_COUNT(rows), 0, 0, &nr);
	static struct stream s;
	const char *wrong;

	if (go != OPTIONS_GO_ON)
		return go;
	wrong = make_prepare(&make);
	if (wrong) {
		fprintf(stderr, "augur gen: %s\n", wrong);
		return STATUS_USAGE;
	}
	for (uint64_t i = 0; i < count && !ferror(stdout); i++) {
		make_stream(&s, seed + i, &make);
		if (count > 1)
			printf("# seed %" PRIu64 "\n", seed + i);
		stream_show(stdout, &s);
	}
	return STATUS_OK;
}

const struct command command_gen = { "gen", "prints the stream that a seed makes", help, gen_main };
