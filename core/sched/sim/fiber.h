/* Fibers: stacks, and the switch between them. Who runs next is decided elsewhere (sim.c). A switch is Boost.Context's
 * jump_fcontext plus what AddressSanitizer and ThreadSanitizer must be told about it; errno goes with the fiber. */
#ifndef CORE_SCHED_SIM_FIBER_H
#define CORE_SCHED_SIM_FIBER_H

#include <stddef.h>

struct fiber {
	void *context; /* where it goes on; valid while it does not run */
	char *stack; /* lowest usable byte; a page that faults is below. NULL until fiber_map() */
	size_t size;
	void *fake_stack; /* AddressSanitizer's, while it does not run */
	void *tsan; /* ThreadSanitizer's */
};

/* The stack of the calling thread becomes a fiber, so that others can switch back to it. */
void fiber_adopt(struct fiber *self);

/* Gives f a stack, for the rest of the process. */
void fiber_map(struct fiber *f);

/* Makes f ready to run fiber_main() from its start, whatever it did before. fiber_end() must come before the next. */
void fiber_start(struct fiber *f);
void fiber_end(struct fiber *f);

/* Ends with fiber_exit(). Defined by the user of fibers. */
_Noreturn void fiber_main(struct fiber *self);

/* Leaves `self`, which must be running, for `to`. Returns when somebody switches to `self`. */
void fiber_switch(struct fiber *self, struct fiber *to);
/* The same, never to return. */
_Noreturn void fiber_exit(struct fiber *self, struct fiber *to);

/* Gives up f, which stands somewhere in the middle and is not the caller `self`, in place of its fiber_exit(). */
void fiber_abandon(struct fiber *self, struct fiber *f);

#endif
