/* The runners as a command line names them, and hands for them. */
#ifndef CLI_RUNNERS_H
#define CLI_RUNNERS_H

#include <stdint.h>

#include "cli/exit.h"
#include "runner/hand.h"

extern const char *const runner_names[RUNNERS];

/* `sim`, `engine` (also `threads`) or `kernel`, separated by commas, into a bit mask of enum rec_runner. 0: some word is
 * none of them, or the list is empty. */
uint32_t runners_parse(const char *list);

/* Starts a hand. On failure, *why is a line about it in static memory, and the status says whether the runner is skipped
 * here (STATUS_SKIPPED) or the environment failed. */
enum exit_status runner_start(struct hand **out, enum rec_runner runner, const char *scratch, int cpu,
			      const char **why);

/* Runs s once in slot 0 and waits for it. The job stays valid until the next call; NULL after a message on stderr, when
 * the hand or the environment failed. */
struct job *runner_once(struct hand *h, const struct stream *s, const struct job_options *o);

/* Copies a stream without those parts of its arrays that it does not use. */
void stream_copy_lean(struct stream *to, const struct stream *from);

/* `walk:N`, `replay:HEX` or `@FILE` (which holds one of the two) into the schedule line of s. NULL, or a line about what
 * is wrong, in static memory. */
const char *schedule_apply(const char *text, struct stream *s);

#endif
