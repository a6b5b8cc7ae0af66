#include <fcntl.h>
#include <stdlib.h>

#include "runner/executor.h"
#include "runner/executor_test.h"

const char *leg_missing(void)
{
	const char *why = NULL, *dir = getenv("TEST_TMPDIR");
	int fd;

	if (backend_kernel_probe(&why) < 0)
		return why;
	fd = open(dir ? dir : "/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return "the directory for temporary files cannot be opened";
	backend_kernel_scratch(fd);
	return NULL;
}

int leg_run(const struct stream *s, uint64_t seed, struct record *rec)
{
	struct executor_options opt = { .luck = seed };

	return executor_run(&backend_kernel, s, &opt, rec);
}
