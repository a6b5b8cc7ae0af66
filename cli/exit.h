/* What the exit status of `augur` says. This is all of it; docs/verdicts.md tells the same in more words. */
#ifndef CLI_EXIT_H
#define CLI_EXIT_H

enum exit_status {
	STATUS_OK = 0, /* nothing new: all was allowed, or is in the ledger of known divergences */
	STATUS_FORBIDDEN =
		1, /* something forbidden that is not in the ledger, an expectation that was not met, a hand that
			       * died, or (run, diff, judge) a run about which nothing can be said. fmt --check: a file is
			       * not in canonical form */
	STATUS_USAGE = 2, /* bad usage, or a stream, record or ledger entry that cannot be read; nothing was run */
	STATUS_ENVIRONMENT = 3, /* a system call, a directory or a hand failed us; the message names call and errno */
	STATUS_SKIPPED = 77, /* what was asked for cannot run on this machine, or a time-out on a kernel left it open */
};

/* The graver of two. A finding counts more than what kept us from looking further, and both more than a skipped leg. */
static inline enum exit_status status_worse(enum exit_status a, enum exit_status b)
{
	static const unsigned char grave[78] = {
		[STATUS_OK] = 0,    [STATUS_SKIPPED] = 1,   [STATUS_ENVIRONMENT] = 2,
		[STATUS_USAGE] = 3, [STATUS_FORBIDDEN] = 4,
	};

	return grave[a] >= grave[b] ? a : b;
}

#endif
