/* The canary's counters; linked into hands with a planted bug, and into nothing else. */
#include "fuzz/bank/canary.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct bank_canary own;
struct bank_canary *bank_canary = &own;

/* Before main: the hand may be confined later. */
static void __attribute__((constructor)) map_canary(void)
{
	const char *path = getenv("AUGUR_BANK_CANARY");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		bank_canary = at;
	close(fd);
}
