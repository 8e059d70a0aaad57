/* POLL_ADD and POLL_REMOVE, also the kinds of POLL_REMOVE that remove nothing. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "endpoints.h"
#include "ring.h"
#include "subjects.h"

static uint64_t queue_poll(struct ring *ring, int fd)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_poll_add(sqe, fd, POLLIN);
    return ring_queue(ring, sqe, 0);
}

/* Polls: ready at once, ready later, removed, and one whose user_data is exchanged while it
 * waits (IORING_POLL_UPDATE_USER_DATA): its CQE carries a user_data that no SQE ever had. */
void subject_polls(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    if (!ring_open(&ring, truth, 64, 0))
        return;
    int event = eventfd(0, 0);
    CHECK(event >= 0);

    uint64_t removed = queue_poll(&ring, event);
    ring_submit(&ring);
    sqe = ring_sqe(&ring);
    io_uring_prep_poll_remove(sqe, removed);
    uint64_t removal = ring_queue(&ring, sqe, 0);
    ring_submit(&ring);
    for (int i = 0; i < 2; i++) {
        struct completion completion = ring_reap(&ring);
        CHECK_RESULT(completion.result, completion.user_data == removal ? 0 : -ECANCELED);
    }

    uint64_t renamed = queue_poll(&ring, event);
    ring_submit(&ring);
    sqe = ring_sqe(&ring);
    io_uring_prep_poll_update(sqe, renamed, renamed + 1000, 0, IORING_POLL_UPDATE_USER_DATA);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);

    eventfd_write(event, 1);
    struct completion completion = ring_reap(&ring);
    CHECK_RESULT(completion.result, POLLIN);
    CHECK_RESULT(completion.user_data, renamed + 1000);

    for (int i = 0; i < 3; i++) {
        queue_poll(&ring, event);
        ring_expect(&ring, POLLIN);
    }

    sqe = ring_sqe(&ring);
    io_uring_prep_poll_remove(sqe, 4711);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, -ENOENT);

    close(event);
    ring_close(&ring);
    truth_fact(truth, "renamed_user_data", "[%llu, %llu]", (unsigned long long)renamed,
               (unsigned long long)renamed + 1000);
}
