/* The fuzz target of the language: the parser takes any bytes; what it accepts is valid, and printing it gives a text
 * that is the same stream and prints the same. The same bytes through the codec give a stream that holds the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/diag.h"
#include "core/base/ensure.h"
#include "core/base/text.h"
#include "stream/codec.h"
#include "stream/model.h"
#include "stream/parse.h"
#include "stream/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round(const struct stream *s)
{
	static struct stream again;
	static char first[STREAM_PRINT_CAP], second[STREAM_PRINT_CAP];
	const char *why = "";
	struct diag d;
	struct text a, b;

	if (stream_check(s, &why) < 0)
		fprintf(stderr, "not valid: %s\n", why);
	ENSURE(stream_check(s, &why) == 0);
	text_init(&a, first, sizeof(first));
	stream_print(s, &a);
	ENSURE(!a.cut);
	diag_init(&d, "printed");
	if (stream_parse(a.buf, a.len, &again, &d) < 0) {
		fputs(a.buf, stderr);
		diag_print(&d, stderr);
	}
	ENSURE_OP(d.count, ==, 0u);
	ENSURE(stream_same(s, &again));
	text_init(&b, second, sizeof(second));
	stream_print(&again, &b);
	ENSURE(a.len == b.len && memcmp(a.buf, b.buf, a.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stream s;
	struct diag d;

	diag_init(&d, "input");
	if (stream_parse((const char *)data, size, &s, &d) == 0)
		check_round(&s);
	else
		ENSURE_OP(d.count, >, 0u);
	stream_decode(data, size, &s);
	check_round(&s);
	return 0;
}
