/* main() of a fuzz target that is not linked with a fuzzer: runs the target over every file named, over every file in
 * the directories named (all the way down), and over a few inputs of its own that no corpus should need to hold. That
 * nothing crashes is the test. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/prng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static unsigned int inputs, files;

/* Said before each run, so that a crash leaves the name of its input as the last line. */
static const char *current = "";

static void run_input(const char *name, const uint8_t *data, size_t size)
{
	/* A copy of exactly this size, for AddressSanitizer to guard. */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy) {
		perror("malloc");
		exit(2);
	}
	memcpy(copy, data, size);
	current = name;
	LLVMFuzzerTestOneInput(copy, size);
	current = "";
	free(copy);
	inputs++;
}

static void say_current(void)
{
	if (*current)
		fprintf(stderr, "replay: the target ended the process in input %s\n", current);
}

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t size = 0, cap = 0, got;

	if (!f)
		return -errno;
	do {
		if (size == cap) {
			cap = cap ? 2 * cap : 4096;
			data = realloc(data, cap);
			if (!data) {
				fclose(f);
				return -ENOMEM;
			}
		}
		got = fread(data + size, 1, cap - size, f);
		size += got;
	} while (got > 0);
	fclose(f);
	fprintf(stderr, "replay: %s (%zu bytes)\n", path, size);
	run_input(path, data, size);
	files++;
	free(data);
	return 0;
}

static int run_path(const char *path);

static int run_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int ret = 0;

	if (!dir)
		return -errno;
	while (ret == 0 && (entry = readdir(dir))) {
		char sub[4096];

		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(sub, sizeof(sub), "%s/%s", path, entry->d_name) >= (int)sizeof(sub))
			ret = -ENAMETOOLONG;
		else
			ret = run_path(sub);
	}
	closedir(dir);
	return ret;
}

static int run_path(const char *path)
{
	struct stat st;
	int ret;

	if (stat(path, &st) < 0)
		ret = -errno;
	else
		ret = S_ISDIR(st.st_mode) ? run_dir(path) : run_file(path);
	if (ret < 0)
		fprintf(stderr, "replay: %s: %s\n", path, strerror(-ret));
	return ret;
}

static void run_built_in(void)
{
	uint8_t bytes[1024] = { 0 };
	struct prng p = prng_seed(1);

	run_input("(empty)", bytes, 0);
	for (int fill = 0; fill < 256; fill += 51) {
		memset(bytes, fill, sizeof(bytes));
		run_input("(one byte)", bytes, 1);
		run_input("(one byte repeated)", bytes, sizeof(bytes));
	}
	for (unsigned int round = 0; round < 32; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)prng_next(&p);
		run_input("(noise)", bytes, (round + 1) * sizeof(bytes) / 32);
	}
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	atexit(say_current);
	run_built_in();
	for (int i = 1; i < argc; i++)
		failed |= run_path(argv[i]) < 0;
	printf("replay: %u inputs, %u of them files\n", inputs, files);
	if (argc > 1 && files == 0) {
		fprintf(stderr, "replay: paths were named, but no file was in them\n");
		failed = 1;
	}
	return failed;
}
