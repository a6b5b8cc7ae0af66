#include "cli/runners.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/files.h"
#include "cli/options.h"

const char *const runner_names[RUNNERS] = {
	[RUNNER_SIM] = "sim",
	[RUNNER_ENGINE] = "engine",
	[RUNNER_KERNEL] = "kernel",
};

static uint32_t one_runner(const char *word, size_t len)
{
	for (unsigned int i = 0; i < RUNNERS; i++)
		if (strlen(runner_names[i]) == len && memcmp(runner_names[i], word, len) == 0)
			return 1u << i;
	return len == strlen("threads") && memcmp(word, "threads", len) == 0 ? 1u << RUNNER_ENGINE : 0;
}

uint32_t runners_parse(const char *list)
{
	uint32_t mask = 0;

	for (;;) {
		size_t len = strcspn(list, ",");
		uint32_t bit = one_runner(list, len);

		if (!bit)
			return 0;
		mask |= bit;
		list += len;
		if (!*list)
			return mask;
		list++;
	}
}

enum exit_status runner_start(struct hand **out, enum rec_runner runner, const char *scratch, int cpu, const char **why)
{
	static __thread char line[256];
	struct hand_options o = { .runner = runner, .scratch = scratch, .cpu = cpu };
	const char *reason = NULL;
	int ret = hand_start(out, &o, &reason);

	*why = line;
	if (ret == 0)
		return STATUS_OK;
	if (ret == -EOPNOTSUPP) {
		snprintf(line, sizeof(line), "%s: skipped: %s", runner_names[runner], reason ? reason : strerror(-ret));
		return STATUS_SKIPPED;
	}
	if (ret == -ENOENT && !reason)
		reason = runner == RUNNER_SIM ? "augur-sim is neither in $AUGUR_SIM nor beside augur" :
						"augur-exec is neither in $AUGUR_EXEC nor beside augur";
	snprintf(line, sizeof(line), "%s: the hand does not start: %s%s%s", runner_names[runner], strerror(-ret),
		 reason ? ": " : "", reason ? reason : "");
	return STATUS_ENVIRONMENT;
}

void stream_copy_lean(struct stream *to, const struct stream *from)
{
	memcpy(to, from, offsetof(struct stream, tasks));
	memcpy(to->tasks, from->tasks, from->nr_tasks * sizeof(from->tasks[0]));
	memcpy(to->rings, from->rings, from->nr_rings * sizeof(from->rings[0]));
	memcpy(to->objs, from->objs, from->nr_objs * sizeof(from->objs[0]));
	memcpy(to->reqs, from->reqs, from->nr_reqs * sizeof(from->reqs[0]));
	memcpy(to->steps, from->steps, from->nr_steps * sizeof(from->steps[0]));
	to->schedule = from->schedule;
	to->pool_len = from->pool_len;
	memcpy(to->pool, from->pool, from->pool_len);
	memcpy(to->decisions, from->decisions, from->schedule.nr_decisions);
}

struct job *runner_once(struct hand *h, const struct stream *s, const struct job_options *o)
{
	struct job *job = hand_job(h, 0);
	int ret;

	stream_copy_lean(&job->stream, s);
	job->options = *o;
	hand_post(h, 0);
	ret = hand_wait(h, 0, NULL);
	if (ret < 0)
		fprintf(stderr, "augur: the hand cannot be started again: %s\n", strerror(-ret));
	else if (job->error)
		fprintf(stderr, "augur: the stream was not run to its end: %s: %s\n", strerror(-job->error), job->why);
	return ret < 0 || job->error ? NULL : job;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static const char *apply_replay(const char *hex, struct stream *s)
{
	size_t len = strlen(hex);

	if (len % 2)
		return "replay: wants two hexadecimal digits for each decision";
	if (len / 2 > STREAM_MAX_DECISIONS)
		return "replay: holds more than 16384 decisions";
	for (size_t i = 0; i < len; i += 2) {
		int hi = hex_digit(hex[i]), lo = hex_digit(hex[i + 1]);

		if (hi < 0 || lo < 0)
			return "replay: wants two hexadecimal digits (0-9, a-f) for each decision";
		s->decisions[i / 2] = (uint8_t)(hi << 4 | lo);
	}
	s->schedule = (struct schedule){ .kind = SCHEDULE_REPLAY, .nr_decisions = (uint32_t)(len / 2) };
	return NULL;
}

static const char *apply_file(const char *path, struct stream *s)
{
	size_t len;
	char *text = files_read(path, &len);
	const char *wrong;

	if (!text)
		return "the file of --schedule cannot be read";
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		text[--len] = '\0';
	wrong = *text == '@' ? "the file of --schedule names a file again" : schedule_apply(text, s);
	free(text);
	return wrong;
}

const char *schedule_apply(const char *text, struct stream *s)
{
	uint64_t seed;

	if (*text == '@')
		return apply_file(text + 1, s);
	if (strncmp(text, "replay:", 7) == 0)
		return apply_replay(text + 7, s);
	if (strncmp(text, "walk:", 5) != 0 || !option_number(text + 5, &seed))
		return "--schedule wants walk:N, replay:HEX or @FILE";
	s->schedule = (struct schedule){ .kind = SCHEDULE_WALK, .seed = seed };
	return NULL;
}
