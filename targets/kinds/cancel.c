/* Cancelling, by every key. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "endpoints.h"
#include "ring.h"
#include "subjects.h"

static char buffer[64];

static uint64_t queue_receive(struct ring *ring, int fd)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_recv(sqe, fd, buffer, sizeof(buffer), 0);
    return ring_queue(ring, sqe, 0);
}

/* Cancels one receive by user_data, three at once by descriptor, two by "any", one with
 * IORING_REGISTER_SYNC_CANCEL (which is no operation), and one that is not there. */
void subject_cancel(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    int ends[2];
    if (!ring_open(&ring, truth, 64, 0))
        return;
    unix_pair(ends);

    ring_cancel(&ring, queue_receive(&ring, ends[0]));

    /* With CANCEL_ALL the result is how many were found; since 5.19. */
    static const unsigned keys[] = {IORING_ASYNC_CANCEL_FD, IORING_ASYNC_CANCEL_ANY};
    static const unsigned counts[] = {3, 2};
    for (int i = 0; i < 2; i++) {
        for (unsigned k = 0; k < counts[i]; k++)
            queue_receive(&ring, ends[0]);
        ring_submit(&ring);
        sqe = ring_sqe(&ring);
        io_uring_prep_cancel_fd(sqe, ends[0], 0);
        sqe->cancel_flags = keys[i] | IORING_ASYNC_CANCEL_ALL;
        uint64_t cancellation = ring_queue(&ring, sqe, 0);
        ring_submit(&ring);
        for (unsigned k = 0; k < counts[i] + 1; k++) {
            struct completion completion = ring_reap(&ring);
            CHECK_RESULT(completion.result,
                         completion.user_data == cancellation ? (int)counts[i] : -ECANCELED);
        }
    }

    sqe = ring_sqe(&ring);
    io_uring_prep_cancel64(sqe, 4711, 0);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, -ENOENT);

    uint64_t receive = queue_receive(&ring, ends[0]);
    ring_submit(&ring);
    struct io_uring_sync_cancel_reg request = {
        .addr = receive, .fd = -1, .timeout = {.tv_sec = -1, .tv_nsec = -1}};
    int error = io_uring_register_sync_cancel(&ring.uring, &request);
    if (error == 0) {
        CHECK_RESULT(ring_reap(&ring).result, -ECANCELED);
        truth_fact(truth, "cancelled_without_operation", "1");
    } else {
        ring_cancel(&ring, receive);
        truth_fact(truth, "cancelled_without_operation", "0");
    }

    close_pair(ends);
    ring_close(&ring);
    truth_paths(truth, IORING_OP_RECV, 0, 7, 0);
}
