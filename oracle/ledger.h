/* The ledger: divergences that are known and explained. A finding that an entry covers is nothing new.
 *
 * One text file for each entry, corpora/ledger/NAME.txt:
 *
 *	id: cancel-lost-while-parking
 *	rule: cancel.lost*
 *	seen: kernel 6.18.*
 *	kind: kernel bug
 *	stream: cancel-lost-while-parking.augur
 *
 *	One paragraph: what happens, why, since when, and how it was settled.
 *
 * id equals the file's name. rule is a pattern for finding ids and seen one for a runner and its release; `*` stands for
 * anything, both may be given several times. stream names the smallest stream that shows it, a file beside the entry. */
#ifndef ORACLE_LEDGER_H
#define ORACLE_LEDGER_H

#include <stdbool.h>

#include "core/base/diag.h"
#include "oracle/oracle.h"
#include "runner/record.h"

enum {
	LEDGER_MAX_ENTRIES = 512,
	LEDGER_MAX_PATTERNS = 8,
	LEDGER_NAME = 96,
	LEDGER_TEXT = 4096,
};

enum ledger_kind { LEDGER_KERNEL_BUG, LEDGER_CHANGE, LEDGER_ENGINE_LIMIT, LEDGER_KINDS };

/* `kernel bug`, `change between releases`, `limit of the engine` */
const char *ledger_kind_name(enum ledger_kind kind);

struct ledger_entry {
	char id[LEDGER_NAME];
	enum ledger_kind kind;
	unsigned int nr_rules, nr_seen;
	char rule[LEDGER_MAX_PATTERNS][LEDGER_NAME];
	struct {
		char runner[LEDGER_NAME]; /* sim, engine, kernel or a pattern */
		char release[LEDGER_NAME];
	} seen[LEDGER_MAX_PATTERNS];
	char stream[LEDGER_NAME];
	char text[LEDGER_TEXT];
};

struct ledger {
	unsigned int nr;
	struct ledger_entry *entry;
};

/* Reads one entry. `path` is shown in errors. The number of errors that were noted in d. */
unsigned int ledger_parse(struct ledger_entry *e, const char *path, const char *text, struct diag *d);

/* Reads every *.txt of a directory, in order of name; all mistakes of all files go to `errors`. 0; -EINVAL after
 * mistakes; or another -errno with *what, which names call and object (static memory). */
int ledger_load(struct ledger **out, const char *dir, FILE *errors, const char **what);
void ledger_free(struct ledger *l);

/* The first entry that covers a finding of a record, or NULL. l may be NULL: an empty ledger. */
const struct ledger_entry *ledger_find(const struct ledger *l, const struct record *rec, const struct finding *f);

/* `*` stands for any characters, also none; all else for itself. */
bool ledger_match(const char *pattern, const char *text);

#endif
