#include "cli/make.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

static char wrong[1024];

/* A key that is no feature. */
struct other {
	const char *word;
	unsigned int *where;
	unsigned int min, max;
};

static const char *set_other(const struct other *o, uint64_t value)
{
	if (value < o->min || value > o->max) {
		snprintf(wrong, sizeof(wrong), "--weights: %s is from %u to %u", o->word, o->min, o->max);
		return wrong;
	}
	*o->where = (unsigned int)value;
	return NULL;
}

static const char *set_weight(struct generate_options *g, const char *key, uint64_t value)
{
	unsigned int swarm = g->swarm;
	const struct other others[] = {
		{ "tasks", &g->max_tasks, 1, STREAM_MAX_TASKS },
		{ "swarm", &swarm, 0, 1 },
		{ "exit_thread", &g->exit_thread, 0, 1000000 },
		{ "exit_process", &g->exit_process, 0, 1000000 },
		{ "close_ring", &g->close_ring, 0, 1000000 },
		{ "slow", &g->slow, 0, 1000000 },
		{ "coupled", &g->coupled, 0, 1000 },
	};
	const char *bad;

	for (unsigned int i = 0; i < GEN_FEATURES; i++) {
		if (strcmp(gen_feature_words[i], key) != 0)
			continue;
		if (value > 1000) {
			snprintf(wrong, sizeof(wrong), "--weights: %s is from 0 to 1000", key);
			return wrong;
		}
		g->weight[i] = (uint16_t)value;
		return NULL;
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(others[i].word, key) != 0)
			continue;
		bad = set_other(&others[i], value);
		g->swarm = swarm;
		return bad;
	}
	snprintf(wrong, sizeof(wrong), "--weights: there is no key \"%.60s\"; --weights ? names them", key);
	return wrong;
}

static const char *name_keys(const struct generate_options *g)
{
	int at = snprintf(wrong, sizeof(wrong),
			  "--weights tasks=%u,swarm=%u,exit_thread=%u,exit_process=%u,close_ring=%u,slow=%u,coupled=%u",
			  g->max_tasks, g->swarm, g->exit_thread, g->exit_process, g->close_ring, g->slow, g->coupled);

	for (unsigned int i = 0; i < GEN_FEATURES && at < (int)sizeof(wrong); i++)
		at += snprintf(wrong + at, sizeof(wrong) - (size_t)at, ",%s=%u", gen_feature_words[i], g->weight[i]);
	return wrong;
}

static bool any_operation(const struct generate_options *g)
{
	for (unsigned int i = 0; i < GEN_OPS; i++)
		if (g->weight[i])
			return true;
	return false;
}

const char *make_prepare(struct make_options *o)
{
	char copy[2048], *at = copy, *word;
	const char *bad = NULL;
	uint64_t value;

	generate_options_init(&o->gen);
	if (o->size)
		o->gen.size = (unsigned int)o->size;
	if (!o->weights)
		return NULL;
	if (strcmp(o->weights, "?") == 0)
		return name_keys(&o->gen);
	if (snprintf(copy, sizeof(copy), "%s", o->weights) >= (int)sizeof(copy))
		return "--weights is too long";
	while (!bad && (word = strsep(&at, ","))) {
		char *equals = strchr(word, '=');

		if (!equals || !option_number(equals + 1, &value))
			return "--weights wants KEY=N,...; --weights ? names the keys";
		*equals = '\0';
		bad = set_weight(&o->gen, word, value);
	}
	return bad || any_operation(&o->gen) ? bad : "--weights leaves no operation to make streams of";
}

void make_stream(struct stream *s, uint64_t seed, const struct make_options *o)
{
	stream_generate(seed, &o->gen, s);
}
