/* Timeouts: alone, counting completions, removed, updated, and linked. */
#include <errno.h>
#include <string.h>

#include "endpoints.h"
#include "ring.h"
#include "subjects.h"

static struct __kernel_timespec short_time = {.tv_nsec = 2000000};
static struct __kernel_timespec long_time = {.tv_sec = 3600};

static uint64_t queue_timeout(struct ring *ring, struct __kernel_timespec *after,
                              unsigned count, unsigned timeout_flags)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_timeout(sqe, after, count, timeout_flags);
    return ring_queue(ring, sqe, 0);
}

static void queue_receive_with_timeout(struct ring *ring, int fd,
                                       struct __kernel_timespec *after)
{
    static char buffer[64];
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_recv(sqe, fd, buffer, sizeof(buffer), 0);
    ring_queue(ring, sqe, IOSQE_IO_LINK);
    sqe = ring_sqe(ring);
    io_uring_prep_link_timeout(sqe, after, 0);
    ring_queue(ring, sqe, 0);
}

/* Reaps two completions of different opcodes in either order. */
static void expect_pair(struct ring *ring, unsigned opcode, int result, int other_result)
{
    ring_submit(ring);
    for (int i = 0; i < 2; i++) {
        struct completion completion = ring_reap(ring);
        CHECK_RESULT(completion.result,
                     completion.user_data >> 56 == opcode ? result : other_result);
    }
}

/* One firing counts as an error (ETIME) unless ETIME_SUCCESS is set; then only the chain goes
 * on, the result stays -ETIME. A linked timeout whose request ends in time is cancelled
 * (io_uring/timeout.c: io_disarm_next); one that fires cancels its request. */
void subject_timeouts(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    int ends[2];
    if (!ring_open(&ring, truth, 64, 0))
        return;
    unix_pair(ends);

    for (int i = 0; i < 3; i++)
        queue_timeout(&ring, &short_time, 0, 0);
    ring_submit(&ring);
    for (int i = 0; i < 3; i++)
        CHECK_RESULT(ring_reap(&ring).result, -ETIME);
    queue_timeout(&ring, &short_time, 0, IORING_TIMEOUT_ETIME_SUCCESS);
    ring_expect(&ring, -ETIME);

    /* Ends with 0 once two other CQEs were posted (io_uring/timeout.c: io_flush_timeouts). */
    uint64_t counting = queue_timeout(&ring, &long_time, 2, 0);
    ring_submit(&ring);
    ring_queue_nops(&ring, 2, 0);
    ring_submit(&ring);
    ring_reap_many(&ring, 2);
    struct completion counted = ring_reap(&ring);
    CHECK_RESULT(counted.user_data, counting);
    CHECK_RESULT(counted.result, 0);

    uint64_t removed = queue_timeout(&ring, &long_time, 0, 0);
    ring_submit(&ring);
    sqe = ring_sqe(&ring);
    io_uring_prep_timeout_remove(sqe, removed, 0);
    ring_queue(&ring, sqe, 0);
    expect_pair(&ring, IORING_OP_TIMEOUT_REMOVE, 0, -ECANCELED);

    uint64_t updated = queue_timeout(&ring, &long_time, 0, 0);
    ring_submit(&ring);
    sqe = ring_sqe(&ring);
    io_uring_prep_timeout_update(sqe, &short_time, updated, 0);
    ring_queue(&ring, sqe, 0);
    expect_pair(&ring, IORING_OP_TIMEOUT_REMOVE, 0, -ETIME);

    sqe = ring_sqe(&ring);
    io_uring_prep_timeout_remove(sqe, 4711, 0);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, -ENOENT);

    for (int i = 0; i < 2; i++) {
        queue_receive_with_timeout(&ring, ends[0], &short_time);
        expect_pair(&ring, IORING_OP_LINK_TIMEOUT, -ETIME, -ECANCELED);
    }
    for (int i = 0; i < 3; i++) {
        put_bytes(ends[1], 10);
        queue_receive_with_timeout(&ring, ends[0], &long_time);
        expect_pair(&ring, IORING_OP_LINK_TIMEOUT, -ECANCELED, 10);
    }

    close_pair(ends);
    ring_close(&ring);
    truth_paths(truth, IORING_OP_RECV, 3, 2, 0);
    truth_fact(truth, "linked_timeouts_fired", "2");
    truth_fact(truth, "linked_timeouts_cancelled", "3");
    truth_fact(truth, "chains", "[2, 2, 2, 2, 2]");
}
