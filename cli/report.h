/* What a campaign says: while it runs, and at its end. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdio.h>

#include "cli/campaign.h"

/* One line, for now. */
void report_progress(struct campaign *c, char *buf, size_t size);

/* All of it. */
void report_text(struct campaign *c, enum campaign_end end, FILE *out);
void report_json(struct campaign *c, enum campaign_end end, FILE *out);
/* Every cell of the law that was seen, one a line. */
void report_cells(struct campaign *c, enum campaign_end end, FILE *out);

/* Findings of that kind, and how many of them are shown in no list because there were too many. */
unsigned int report_count(const struct campaign *c, enum divergence_kind kind);

#endif
