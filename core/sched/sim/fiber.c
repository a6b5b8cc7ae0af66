#include "core/sched/sim/fiber.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/ensure.h"

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#ifndef FIBER_ASAN
#define FIBER_ASAN 0
#endif
#ifndef FIBER_TSAN
#define FIBER_TSAN 0
#endif

/* Boost.Context's C interface (libboost_context), which has no header of its own. */
typedef void *fcontext_t;
typedef struct {
	fcontext_t fctx;
	void *data;
} transfer_t;
transfer_t jump_fcontext(fcontext_t const to, void *vp);
fcontext_t make_fcontext(void *sp, size_t size, void (*fn)(transfer_t));

#if FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_SIZE (256u << 10)
#else
/* The sanitizer's calls, so that the code below can be read and compiled without it. */
#define STACK_SIZE ((FIBER_TSAN ? 256u : 64u) << 10)
static inline void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size)
{
	(void)save, (void)bottom, (void)size;
}
static inline void __sanitizer_finish_switch_fiber(void *fake, const void **bottom_old, size_t *size_old)
{
	(void)fake, (void)bottom_old, (void)size_old;
}
static inline void __asan_unpoison_memory_region(void const volatile *addr, size_t size)
{
	(void)addr, (void)size;
}
#endif

#if FIBER_TSAN
/* gcc 12 has these in its runtime and not in its header. */
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned int flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned int flags);
#else
static inline void *__tsan_get_current_fiber(void)
{
	return NULL;
}
static inline void *__tsan_create_fiber(unsigned int flags)
{
	(void)flags;
	return NULL;
}
static inline void __tsan_destroy_fiber(void *fiber)
{
	(void)fiber;
}
static inline void __tsan_switch_to_fiber(void *fiber, unsigned int flags)
{
	(void)fiber, (void)flags;
}
#endif

/* The first thing a fiber does after a switch to it. `t.data` is the fiber that was left. */
static void arrive(struct fiber *self, transfer_t t)
{
	struct fiber *from = t.data;
	const void *bottom = NULL;
	size_t size = 0;

	__sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &size);
	from->context = t.fctx;
	if (!from->stack && FIBER_ASAN) { /* An adopted stack: now its bounds are known. */
		from->stack = (char *)(uintptr_t)bottom;
		from->size = size;
	}
}

/* What a new fiber cannot learn from `t`: which one it is. Read at once, before anything else can be started. */
static struct fiber *starting;

static void enter(transfer_t t)
{
	struct fiber *self = starting;

	arrive(self, t);
	fiber_main(self);
}

void fiber_adopt(struct fiber *self)
{
	*self = (struct fiber){ .tsan = __tsan_get_current_fiber() };
}

void fiber_map(struct fiber *f)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, guard + STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ENSURE(p != MAP_FAILED);
	ENSURE_OP(mprotect(p + guard, STACK_SIZE, PROT_READ | PROT_WRITE), ==, 0);
	*f = (struct fiber){ .stack = p + guard, .size = STACK_SIZE };
}

void fiber_start(struct fiber *f)
{
	/* Frames that were never returned from have left their red zones behind. */
	__asan_unpoison_memory_region(f->stack, f->size);
	f->context = make_fcontext(f->stack + f->size, f->size, enter);
	f->fake_stack = NULL;
	f->tsan = __tsan_create_fiber(0);
}

void fiber_end(struct fiber *f)
{
	__tsan_destroy_fiber(f->tsan);
	f->tsan = NULL;
}

void fiber_switch(struct fiber *self, struct fiber *to)
{
	int err = errno;

	starting = to;
	__sanitizer_start_switch_fiber(&self->fake_stack, to->stack, to->size);
	__tsan_switch_to_fiber(to->tsan, 0);
	arrive(self, jump_fcontext(to->context, self));
	errno = err;
}

_Noreturn void fiber_exit(struct fiber *self, struct fiber *to)
{
	starting = to;
	__sanitizer_start_switch_fiber(NULL, to->stack, to->size);
	__tsan_switch_to_fiber(to->tsan, 0);
	jump_fcontext(to->context, self);
	ENSURE_UNREACHABLE();
}

/* AddressSanitizer frees the fake stack of a fiber only when that fiber says it leaves for good. So we say that we go
 * to f, and that f leaves for good to us, and run nothing that has a fake frame in between. */
__attribute__((no_sanitize_address)) void fiber_abandon(struct fiber *self, struct fiber *f)
{
	if (f->fake_stack) {
		__sanitizer_start_switch_fiber(&self->fake_stack, f->stack, f->size);
		__sanitizer_finish_switch_fiber(f->fake_stack, NULL, NULL);
		__sanitizer_start_switch_fiber(NULL, self->stack, self->size);
		__sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
	}
	f->fake_stack = NULL;
}
