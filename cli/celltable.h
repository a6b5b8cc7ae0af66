/* The cells of the law that a campaign has seen, for people and for machines. `used` is a mask of enum rec_runner. */
#ifndef CLI_CELLTABLE_H
#define CLI_CELLTABLE_H

#include <stdint.h>
#include <stdio.h>

#include "cli/json.h"
#include "oracle/cells.h"
#include "runner/record.h"

/* How many different ones. */
unsigned int cells_distinct(const struct cells *c);

/* A row for each operation: how many cells, how often they were seen, and which were the rarest; then those that the
 * simulation has seen and the kernel has not. */
void cells_print(const struct cells seen[RUNNERS], uint32_t used, FILE *out);

/* All that any runner has seen, one a line: operation, state, event, result, and the counts. */
void cells_list(const struct cells seen[RUNNERS], uint32_t used, FILE *out);
void cells_json(const struct cells seen[RUNNERS], uint32_t used, struct json *j);

#endif
