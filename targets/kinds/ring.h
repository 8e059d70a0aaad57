/* An io_uring instance that keeps the books: a thin layer over liburing.
 *
 * Fill an SQE from ring_sqe() with liburing's io_uring_prep_*(), then ring_queue() it: that
 * sets its flags and user_data and counts it. Take CQEs only through ring_reap().
 */
#ifndef KINDS_RING_H
#define KINDS_RING_H

#include <liburing.h>

#include "truth.h"

struct ring {
    struct io_uring uring;
    struct truth *truth;
    uint64_t serial;
    unsigned queued; /* SQEs filled but not yet submitted */
};

struct completion {
    uint64_t user_data;
    int result;
    unsigned flags;
};

/* False, with the reason in the truth, when this kernel does not offer such a ring. */
bool ring_open(struct ring *ring, struct truth *truth, unsigned entries, unsigned setup_flags);
bool ring_open_params(struct ring *ring, struct truth *truth, unsigned entries,
                      struct io_uring_params *params);

/* Whether the kernel knows the operation; ring_offers() says so in the truth if not. */
bool ring_has(struct ring *ring, unsigned opcode);
bool ring_offers(struct ring *ring, unsigned opcode, const char *name);

/* The completion queue must be empty: nothing may be lost unseen. */
void ring_close(struct ring *ring);

struct io_uring_sqe *ring_sqe(struct ring *ring);
/* Both return the user_data. The second takes the caller's; its top byte must be the opcode. */
uint64_t ring_queue(struct ring *ring, struct io_uring_sqe *sqe, unsigned sqe_flags);
uint64_t ring_queue_as(struct ring *ring, struct io_uring_sqe *sqe, unsigned sqe_flags,
                       uint64_t user_data);

/* Submits all that is queued, with as many calls as the kernel asks for. */
void ring_submit(struct ring *ring);

struct completion ring_reap(struct ring *ring);
void ring_reap_many(struct ring *ring, unsigned count);

/* Submits and expects exactly one completion, with this result. */
struct completion ring_expect(struct ring *ring, int result);

/* Submits a cancellation of `user_data` and expects it to work; reaps its completion and the
 * last one of the cancelled request, in whichever order they come. */
void ring_cancel(struct ring *ring, uint64_t user_data);

void ring_queue_nops(struct ring *ring, unsigned count, unsigned sqe_flags);

#endif
