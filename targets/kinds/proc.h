/* What /proc/self/fdinfo says about a ring (io_uring/fdinfo.c). */
#ifndef KINDS_PROC_H
#define KINDS_PROC_H

#include "ring.h"

/* Thread id of the SQPOLL thread; -1 when there is none or procfs does not tell. */
int ring_sq_thread(const struct ring *ring);

/* Waits until this many CQEs are on the ring's overflow list, without any io_uring call, which
 * would flush it. False when procfs does not show the list. */
bool ring_await_overflow(const struct ring *ring, unsigned count);

#endif
