/* A provided-buffer ring: buffers the kernel picks from by itself. */
#ifndef KINDS_BUFFERS_H
#define KINDS_BUFFERS_H

#include "ring.h"

struct buffer_ring {
    struct ring *ring;
    struct io_uring_buf_ring *entries;
    unsigned count; /* a power of two */
    unsigned size;
    unsigned group;
    char *memory;
};

/* Registers group `group` with all `count` buffers of `size` bytes in it. False, with the
 * reason in the truth, when the kernel has no buffer rings. */
bool buffer_ring_open(struct buffer_ring *buffers, struct ring *ring, unsigned group,
                      unsigned count, unsigned size);
/* Gives a buffer back to the kernel. */
void buffer_ring_give(struct buffer_ring *buffers, unsigned id);
void buffer_ring_close(struct buffer_ring *buffers);

/* The buffer a completion used; it must have used one. */
unsigned buffer_id(struct completion completion);

#endif
