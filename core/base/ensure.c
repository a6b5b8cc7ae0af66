#include "core/base/ensure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static ensure_hook *dump_hook;

ensure_hook *ensure_set_hook(ensure_hook *hook)
{
	ensure_hook *old = dump_hook;

	dump_hook = hook;
	return old;
}

static _Noreturn void die(void)
{
	ensure_hook *hook = dump_hook;

	dump_hook = NULL; /* a hook that fails itself must not come back here */
	if (hook)
		hook();
	fflush(stderr);
	abort();
}

_Noreturn void ensure_fail(const char *file, int line, const char *func, const char *what)
{
	fprintf(stderr, "%s:%d: %s: ensure failed: %s\n", file, line, func, what);
	die();
}

_Noreturn void ensure_fail_op(const char *file, int line, const char *func, const char *what, int64_t a, int64_t b)
{
	fprintf(stderr, "%s:%d: %s: ensure failed: %s (%" PRId64 " against %" PRId64 ")\n", file, line, func, what, a,
		b);
	die();
}
