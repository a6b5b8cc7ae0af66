#ifndef CORE_FILE_TEST_IO_H
#define CORE_FILE_TEST_IO_H

#include <errno.h>
#include <string.h>

#include "core/base/check.h"
#include "core/file/internal.h"

/* One attempt each, at the file's position. */
static inline ssize_t rd(struct file *f, void *buf, size_t len)
{
	return f->ops->read(f, buf, len, -1);
}

static inline ssize_t wr(struct file *f, const void *buf, size_t len)
{
	return f->ops->write(f, buf, len, -1);
}

#endif
