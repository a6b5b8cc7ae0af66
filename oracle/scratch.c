#include "oracle/scratch.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/ensure.h"

static pthread_key_t keys[SCRATCHES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_keys(void)
{
	for (unsigned int i = 0; i < SCRATCHES; i++)
		ENSURE_OP(pthread_key_create(&keys[i], free), ==, 0);
}

void *scratch(enum scratch_of of, size_t size)
{
	void *block;

	ENSURE_OP(pthread_once(&once, make_keys), ==, 0);
	block = pthread_getspecific(keys[of]);
	if (block)
		return block;
	block = calloc(1, size);
	ENSURE(block != NULL);
	ENSURE_OP(pthread_setspecific(keys[of], block), ==, 0);
	return block;
}
