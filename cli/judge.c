#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/files.h"
#include "cli/options.h"
#include "cli/outcome.h"
#include "cli/records.h"
#include "cli/runners.h"

static const char help[] =
	"augur judge RECORD... [--json] [--ledger DIR]\n"
	"\n"
	"Judges records that were made anywhere: by `augur run --record`, by a campaign, on another machine. A record holds\n"
	"its stream, so nothing else is needed and nothing is run.\n"
	"\n"
	"  --json           the same for machines\n"
	"  --ledger DIR     known divergences; default: corpora/ledger of the workspace\n";

struct judgement {
	struct stream stream;
	struct record record;
	struct outcome outcome;
};

static void tell(const struct judgement *g, const char *path, bool many, struct json *j)
{
	if (j->out) {
		json_open(j, NULL, '{');
		json_string(j, "file", path);
		outcome_json(&g->outcome, &g->stream, &g->record, NULL, j);
		json_close(j, '}');
		json_line(j);
		return;
	}
	if (many && outcome_status(&g->outcome) == STATUS_OK) {
		printf("%s: %s\n", path, outcome_word(&g->outcome));
		return;
	}
	printf("%s\n", path);
	record_show(stdout, &g->stream, &g->record);
	outcome_print(&g->outcome, &g->stream, &g->record, NULL, stdout);
}

static enum exit_status judge_all(char **paths, int nr, const struct ledger *ledger, struct json *j)
{
	struct judgement *g = malloc((size_t)nr * sizeof(*g));
	enum exit_status status = STATUS_OK;
	const char *failed = NULL;

	if (!g) {
		fprintf(stderr, "augur judge: malloc %d records: out of memory\n", nr);
		return STATUS_ENVIRONMENT;
	}
	for (int i = 0; i < nr; i++)
		status = status_worse(status, record_fetch(paths[i], &g[i].stream, &g[i].record));
	if (status != STATUS_OK) {
		free(g);
		return status;
	}
	if (j->out)
		json_open(j, NULL, '[');
	for (int i = 0; i < nr; i++) {
		outcome_of(&g[i].stream, &g[i].record, ledger, true, &g[i].outcome);
		tell(&g[i], paths[i], nr > 1, j);
		if (outcome_status(&g[i].outcome) != STATUS_OK && !failed)
			failed = paths[i];
		status = status_worse(status, outcome_status(&g[i].outcome));
	}
	if (j->out) {
		json_close(j, ']');
		json_line(j);
	}
	fflush(stdout);
	if (failed)
		fprintf(j->out ? stderr : stdout, "%s judge %s\n", command_self(), failed);
	free(g);
	return status;
}

static enum exit_status judge_main(int argc, char **argv)
{
	struct json j = { 0 };
	struct ledger *ledger = NULL;
	const char *dir = NULL;
	bool json = false;
	const struct option_row rows[] = {
		{ "json", OPTION_FLAG, &json, 0, 0, NULL },
		{ "ledger", OPTION_STRING, &dir, 0, 0, NULL },
	};
	int nr, go = options_parse(&command_judge, argc, argv, rows, OPTIONS_COUNT(rows), 1, argc, &nr);
	enum exit_status status;

	if (go != OPTIONS_GO_ON)
		return go;
	status = files_ledger(dir, &ledger);
	if (status != STATUS_OK)
		return status;
	if (json)
		j.out = stdout;
	status = judge_all(argv + 1, nr, ledger, &j);
	ledger_free(ledger);
	return status;
}

const struct command command_judge = { "judge", "judges records that were made anywhere", help, judge_main };
