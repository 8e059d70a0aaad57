/* What makes an operation itself: not the address of its request, and not its user_data. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "endpoints.h"
#include "ring.h"
#include "subjects.h"

/* One NOP at a time, 100,000 times: the kernel takes the request it freed last
 * (io_uring/io_uring.h: io_alloc_req), so every operation lives at the same address. */
void subject_reuse(struct truth *truth)
{
    struct ring ring;
    if (!ring_open(&ring, truth, 32, 0))
        return;
    for (int i = 0; i < 100000; i++) {
        ring_queue_nops(&ring, 1, 0);
        ring_submit(&ring);
        ring_reap(&ring);
    }
    ring_close(&ring);
    truth_paths(truth, IORING_OP_NOP, 100000, 0, 0);
}

static uint64_t shared(unsigned opcode)
{
    return (uint64_t)opcode << 56 | 0x2a;
}

/* Everything of one kind has the same user_data: 64 NOPs, 16 receives that wait together, and
 * two multishot polls that are open together, cancelled with one request. */
void subject_shared_user_data(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    static char buffer[64];
    int ends[2], events[2];
    if (!ring_open(&ring, truth, 64, 0))
        return;
    unix_pair(ends);

    for (int i = 0; i < 64; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_nop(sqe);
        ring_queue_as(&ring, sqe, 0, shared(IORING_OP_NOP));
    }
    ring_submit(&ring);
    ring_reap_many(&ring, 64);

    for (int i = 0; i < 16; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_recv(sqe, ends[0], buffer, 1, 0);
        ring_queue_as(&ring, sqe, 0, shared(IORING_OP_RECV));
    }
    ring_submit(&ring);
    put_bytes(ends[1], 16);
    for (int i = 0; i < 16; i++)
        CHECK_RESULT(ring_reap(&ring).result, 1);

    for (int i = 0; i < 2; i++) {
        events[i] = eventfd(0, 0);
        CHECK(events[i] >= 0);
        sqe = ring_sqe(&ring);
        io_uring_prep_poll_multishot(sqe, events[i], POLLIN);
        ring_queue_as(&ring, sqe, 0, shared(IORING_OP_POLL_ADD));
    }
    ring_submit(&ring);
    for (int i = 0; i < 6; i++) {
        eventfd_t value;
        eventfd_write(events[i % 2], 1);
        CHECK_RESULT(ring_reap(&ring).result, POLLIN);
        eventfd_read(events[i % 2], &value);
    }
    sqe = ring_sqe(&ring);
    io_uring_prep_cancel64(sqe, shared(IORING_OP_POLL_ADD), IORING_ASYNC_CANCEL_ALL);
    uint64_t cancellation = ring_queue(&ring, sqe, 0);
    ring_submit(&ring);
    for (int i = 0; i < 3; i++) {
        struct completion completion = ring_reap(&ring);
        CHECK_RESULT(completion.result, completion.user_data == cancellation ? 2 : -ECANCELED);
    }

    close(events[0]);
    close(events[1]);
    close_pair(ends);
    ring_close(&ring);
    truth_fact(truth, "multishot_sharing_user_data", "[4, 4]");
}
