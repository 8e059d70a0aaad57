#include "ring.h"

#include <errno.h>
#include <string.h>

bool ring_open_params(struct ring *ring, struct truth *truth, unsigned entries,
                      struct io_uring_params *params)
{
    memset(ring, 0, sizeof(*ring));
    ring->truth = truth;
    int error = io_uring_queue_init_params(entries, &ring->uring, params);
    if (error) {
        truth_unsupported(truth, "io_uring_setup(flags 0x%x): %s", params->flags,
                          strerror(-error));
        return false;
    }
    truth->rings++;
    truth->polled_submission |= params->flags & IORING_SETUP_SQPOLL;
    return true;
}

bool ring_open(struct ring *ring, struct truth *truth, unsigned entries, unsigned setup_flags)
{
    struct io_uring_params params = {.flags = setup_flags};
    return ring_open_params(ring, truth, entries, &params);
}

bool ring_has(struct ring *ring, unsigned opcode)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);
    bool known = probe && io_uring_opcode_supported(probe, opcode);
    if (probe)
        io_uring_free_probe(probe);
    return known;
}

bool ring_offers(struct ring *ring, unsigned opcode, const char *name)
{
    bool offered = ring_has(ring, opcode);
    if (!offered)
        truth_unsupported(ring->truth, "the kernel has no IORING_OP_%s", name);
    return offered;
}

void ring_close(struct ring *ring)
{
    CHECK_RESULT(io_uring_cq_ready(&ring->uring), 0);
    CHECK_RESULT(*ring->uring.cq.koverflow, 0);
    io_uring_queue_exit(&ring->uring);
}

struct io_uring_sqe *ring_sqe(struct ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (!sqe) {
        ring_submit(ring);
        io_uring_sqring_wait(&ring->uring);
        sqe = io_uring_get_sqe(&ring->uring);
    }
    CHECK(sqe);
    memset(sqe, 0, sizeof(*sqe));
    return sqe;
}

uint64_t ring_queue_as(struct ring *ring, struct io_uring_sqe *sqe, unsigned sqe_flags,
                       uint64_t user_data)
{
    CHECK_RESULT(user_data >> 56, sqe->opcode);
    sqe->flags |= sqe_flags;
    sqe->user_data = user_data;
    truth_submitted(ring->truth, sqe->opcode);
    ring->queued++;
    return user_data;
}

uint64_t ring_queue(struct ring *ring, struct io_uring_sqe *sqe, unsigned sqe_flags)
{
    return ring_queue_as(ring, sqe, sqe_flags, (uint64_t)sqe->opcode << 56 | ++ring->serial);
}

void ring_submit(struct ring *ring)
{
    /* The kernel stops at an SQE it rejects; the ones behind it need another call
     * (io_uring/io_uring.c: io_submit_sqes, without IORING_SETUP_SUBMIT_ALL). */
    while (ring->queued) {
        int consumed = io_uring_submit(&ring->uring);
        /* With SQPOLL it is what the thread has not taken yet, perhaps 0: all are handed over. */
        if (ring->uring.flags & IORING_SETUP_SQPOLL) {
            CHECK(consumed >= 0);
            consumed = ring->queued;
        }
        CHECK(consumed > 0 && (unsigned)consumed <= ring->queued);
        ring->queued -= consumed;
        ring->truth->batches++;
    }
}

struct completion ring_reap(struct ring *ring)
{
    struct io_uring_cqe *cqe;
    int error;
    do
        error = io_uring_wait_cqe(&ring->uring, &cqe);
    while (error == -EINTR);
    CHECK_RESULT(error, 0);

    struct completion completion = {cqe->user_data, cqe->res, cqe->flags};
    io_uring_cqe_seen(&ring->uring, cqe);
    truth_completion(ring->truth, completion.user_data, completion.result, completion.flags);
    return completion;
}

void ring_reap_many(struct ring *ring, unsigned count)
{
    while (count--)
        ring_reap(ring);
}

struct completion ring_expect(struct ring *ring, int result)
{
    ring_submit(ring);
    struct completion completion = ring_reap(ring);
    CHECK_RESULT(completion.result, result);
    return completion;
}

void ring_cancel(struct ring *ring, uint64_t user_data)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_cancel64(sqe, user_data, 0);
    uint64_t cancellation = ring_queue(ring, sqe, 0);
    ring_submit(ring);
    for (int i = 0; i < 2; i++) {
        struct completion completion = ring_reap(ring);
        CHECK_RESULT(completion.result, completion.user_data == cancellation ? 0 : -ECANCELED);
        CHECK(!(completion.flags & IORING_CQE_F_MORE));
    }
}

void ring_queue_nops(struct ring *ring, unsigned count, unsigned sqe_flags)
{
    while (count--) {
        struct io_uring_sqe *sqe = ring_sqe(ring);
        io_uring_prep_nop(sqe);
        ring_queue(ring, sqe, sqe_flags);
    }
}
