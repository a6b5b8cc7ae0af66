/* Inside core/file.
 *
 *	struct file --- wait ---> struct wait_queue      a pipe's two, an eventfd's one; a regular file has none
 *	     |
 *	   priv ----> struct pipe      two real descriptors, two queues, counts of ends; shared by all its ends
 *	              struct eventfd   one real descriptor, one queue
 *	              struct regular   one real descriptor, a position, the struct inode shared by all files on it
 *
 * Locks, outermost first; each is left before anything sleeps:
 *
 *	fdtable.lock      the table's slots
 *	pipe.lock         counts of ends and bytes, and every transfer, as the kernel's pipe->mutex
 *	regular.lock      the file's position
 *	wait_queue.lock   the queue; callbacks run under it
 *	heap.lock         the list of all objects, identities, the kept pipes, the inodes (innermost)
 *
 * Readiness protocol. A waiter first adds its entry, then looks whether it must wait; whoever changes readiness first
 * makes the change, then calls wait_wake. So either the waiter sees the change or the waker sees the entry. */
#ifndef CORE_FILE_INTERNAL_H
#define CORE_FILE_INTERNAL_H

#include <poll.h>
#include <sys/epoll.h>

#include "core/base/ensure.h"
#include "core/file/file.h"

/* Heap objects of this room are on one list, so that file_abandon_all finds them. `drop` closes the real descriptors and
 * frees what hangs on the object; it takes no lock and wakes nobody. An object has none until it is set. */
void *heap_new(size_t size); /* zeroed; NULL: no memory */
void heap_set_drop(void *object, void (*drop)(void *object));
void heap_free(void *object); /* does not call drop */

uint32_t file_new_identity(void);

extern struct mutex heap_lock;
void inodes_forget(void);
void fifos_forget(void);

/* Bits a waiter for reading, for writing looks for. */
#define WAIT_IN (EPOLLIN | EPOLLRDNORM | EPOLLHUP | EPOLLERR)
#define WAIT_OUT (EPOLLOUT | EPOLLWRNORM | EPOLLHUP | EPOLLERR)

/* What poll(2) says of a real descriptor now. */
unsigned int real_poll(int fd, short events);

/* Sleeps on f's queue until ready(f), looked at anew at each wake-up; -EINTR if notified, -EAGAIN instead of sleeping. */
int wait_until(struct file *f, unsigned int want, bool nonblock, bool (*ready)(struct file *f));

/* The position a transfer at `off` begins at, and what becomes of it. */
uint64_t regular_start(struct file *f, int64_t off);
void regular_finish(struct file *f, int64_t off, uint64_t pos);

ssize_t regular_read_wait(struct file *f, void *buf, size_t len, int64_t off);
ssize_t regular_write_wait(struct file *f, const void *buf, size_t len, int64_t off);

#endif
