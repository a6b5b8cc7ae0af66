/* Always-on assertions: our own bugs stop the program and say both operands.
 *
 * ENSURE(cond)            the condition holds
 * ENSURE_OP(a, op, b)     a op b holds for two integers or two pointers; both are printed
 * ENSURE_UNREACHABLE()    this line is never run
 *
 * A failing assertion calls the dump hook, if one is set (a room may print a picture of itself there), and aborts. */
#ifndef CORE_BASE_ENSURE_H
#define CORE_BASE_ENSURE_H

#include <stdint.h>

typedef void ensure_hook(void);

/* Sets what is called before the abort; returns what was set. Not thread-safe: set it at start. */
ensure_hook *ensure_set_hook(ensure_hook *hook);

_Noreturn void ensure_fail(const char *file, int line, const char *func, const char *what);
_Noreturn void ensure_fail_op(const char *file, int line, const char *func, const char *what, int64_t a, int64_t b);

#define ENSURE(cond)                                                                                                   \
	do {                                                                                                           \
		if (__builtin_expect(!(cond), 0))                                                                      \
			ensure_fail(__FILE__, __LINE__, __func__, #cond);                                              \
	} while (0)

#define ENSURE_OP(a, op, b)                                                                                            \
	do {                                                                                                           \
		__auto_type ensure_a_ = (a);                                                                           \
		__auto_type ensure_b_ = (b);                                                                           \
		if (__builtin_expect(!(ensure_a_ op ensure_b_), 0))                                                    \
			ensure_fail_op(__FILE__, __LINE__, __func__, #a " " #op " " #b, (int64_t)ensure_a_,            \
				       (int64_t)ensure_b_);                                                            \
	} while (0)

#define ENSURE_UNREACHABLE() ensure_fail(__FILE__, __LINE__, __func__, "unreachable")

#endif
