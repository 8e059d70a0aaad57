/* Zero-copy sends: a first CQE with the result, a second when the buffer is free again. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "endpoints.h"
#include "newer.h"
#include "ring.h"
#include "subjects.h"

static char bytes[4096];

struct outcome {
    int result;
    int notification; /* result of the notification; 0 when none was announced */
};

/* Reaps the result and, if announced with CQE_F_MORE, the notification behind it. A send that
 * fails announces one too, unless it was refused (io_uring/net.c: io_sendrecv_fail). */
static struct outcome finish(struct ring *ring)
{
    ring_submit(ring);
    struct completion answer = ring_reap(ring);
    CHECK(!(answer.flags & IORING_CQE_F_NOTIF));
    struct outcome outcome = {.result = answer.result};
    if (answer.flags & IORING_CQE_F_MORE) {
        struct completion notification = ring_reap(ring);
        CHECK(notification.flags & IORING_CQE_F_NOTIF);
        CHECK_RESULT(notification.user_data, answer.user_data);
        outcome.notification = notification.result;
    }
    return outcome;
}

static void expect_sent(struct ring *ring, int result)
{
    CHECK_RESULT(finish(ring).result, result);
}

static struct io_uring_sqe *send_zc(struct ring *ring, int fd, unsigned size)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_send_zc(sqe, fd, bytes, size, 0, 0);
    return sqe;
}

/* Asks whether the kernel copied after all: over loopback it does, and then the notification's
 * result is the sign bit, which is no error. Since 6.2; refused before. */
static void report_usage(struct ring *ring, int fd)
{
    struct io_uring_sqe *sqe = send_zc(ring, fd, 200);
    sqe->ioprio = IORING_SEND_ZC_REPORT_USAGE;
    ring_queue(ring, sqe, 0);
    struct outcome outcome = finish(ring);
    if (outcome.result == -EINVAL)
        return;
    CHECK_RESULT(outcome.result, 200);
    CHECK_RESULT(outcome.notification, (int)IORING_NOTIF_USAGE_ZC_COPIED);
    truth_fact(ring->truth, "notification_result", "%d", outcome.notification);
}

/* Six plain sends, one from a registered buffer, one on a bad descriptor, two SENDMSG_ZC, and one
 * that asks what the kernel did. */
void subject_zerocopy(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    int ends[2];
    if (!ring_open(&ring, truth, 16, 0))
        return;
    if (!ring_offers(&ring, IORING_OP_SEND_ZC, "SEND_ZC") ||
        !ring_offers(&ring, IORING_OP_SENDMSG_ZC, "SENDMSG_ZC")) {
        ring_close(&ring);
        return;
    }
    tcp_pair(ends);

    for (int i = 0; i < 6; i++) {
        ring_queue(&ring, send_zc(&ring, ends[0], 1000), 0);
        expect_sent(&ring, 1000);
    }

    struct iovec memory = {bytes, sizeof(bytes)};
    CHECK_RESULT(io_uring_register_buffers(&ring.uring, &memory, 1), 0);
    sqe = send_zc(&ring, ends[0], 500);
    sqe->ioprio = IORING_RECVSEND_FIXED_BUF;
    sqe->buf_index = 0;
    ring_queue(&ring, sqe, 0);
    expect_sent(&ring, 500);

    ring_queue(&ring, send_zc(&ring, -1, 100), 0);
    expect_sent(&ring, -EBADF);

    struct iovec pieces[2] = {{bytes, 300}, {bytes + 300, 400}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    for (int i = 0; i < 2; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_sendmsg_zc(sqe, ends[0], &message, 0);
        ring_queue(&ring, sqe, 0);
        expect_sent(&ring, 700);
    }

    report_usage(&ring, ends[0]);
    close_pair(ends);
    ring_close(&ring);
}
