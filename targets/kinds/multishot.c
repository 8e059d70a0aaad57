/* Multishot operations: one submission, many completions, and every way they end.
 *
 * Each subject reports "multishot": a list of {"operation", "completions", "ended_by",
 * "result"}, in the order they ended; "result" is the last completion's.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffers.h"
#include "endpoints.h"
#include "newer.h"
#include "subjects.h"

/* One multishot operation and what was reaped of it. */
struct series {
    struct ring *ring;
    const char *operation;
    uint64_t user_data;
    unsigned completions;
    int result;
    bool open;
};

static struct series start(struct ring *ring, const char *operation, struct io_uring_sqe *sqe,
                           unsigned sqe_flags)
{
    struct series series = {.ring = ring, .operation = operation, .open = true};
    series.user_data = ring_queue(ring, sqe, sqe_flags);
    ring_submit(ring);
    return series;
}

static struct completion next(struct series *series)
{
    struct completion completion = ring_reap(series->ring);
    CHECK(series->open);
    CHECK_RESULT(completion.user_data, series->user_data);
    series->completions++;
    series->result = completion.result;
    series->open = completion.flags & IORING_CQE_F_MORE;
    return completion;
}

static void cancel(struct series *series)
{
    ring_cancel(series->ring, series->user_data);
    series->completions++;
    series->result = -ECANCELED;
    series->open = false;
}

static void report(struct list *list, const struct series *series, const char *ended_by)
{
    CHECK(!series->open);
    list_add(list,
             "{\"operation\": \"%s\", \"completions\": %u, \"ended_by\": \"%s\", \"result\": %d}",
             series->operation, series->completions, ended_by, series->result);
}

/* A kernel that does not know the multishot flag rejects the SQE: EINVAL and no second CQE. */
static bool refused(struct series *series, struct completion completion, const char *name)
{
    if (completion.result != -EINVAL || series->open)
        return false;
    truth_unsupported(series->ring->truth, "the kernel has no multishot %s", name);
    return true;
}

static struct series start_accept(struct ring *ring, int listener)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    return start(ring, "ACCEPT", sqe, 0);
}

static bool accept_connections(struct series *series, const struct sockaddr_in *address,
                               unsigned count)
{
    while (count--) {
        int client = tcp_connect(address);
        struct completion completion = next(series);
        close(client);
        if (refused(series, completion, "accept"))
            return false;
        CHECK(completion.result >= 0);
        close(completion.result);
    }
    return true;
}

/* Three connections, then cancelled; two connections, then the listener is shut down, on which
 * accept fails with EINVAL (net/ipv4/inet_connection_sock.c: inet_csk_accept). */
void subject_multishot_accept(struct truth *truth)
{
    struct ring ring;
    struct sockaddr_in address;
    struct list list = {0};
    if (!ring_open(&ring, truth, 16, 0))
        return;
    int listener = tcp_listener(&address);
    struct series series = start_accept(&ring, listener);
    if (accept_connections(&series, &address, 3)) {
        cancel(&series);
        report(&list, &series, "cancel");

        series = start_accept(&ring, listener);
        accept_connections(&series, &address, 2);
        shutdown(listener, SHUT_RDWR);
        CHECK_RESULT(next(&series).result, -EINVAL);
        report(&list, &series, "error");
        truth_fact(truth, "multishot", "[%s]", list.text);
    }
    close(listener);
    ring_close(&ring);
}

static struct series start_receive(struct ring *ring, int fd, unsigned group)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_recv(sqe, fd, NULL, 0, 0);
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->buf_group = group;
    return start(ring, "RECV", sqe, IOSQE_BUFFER_SELECT);
}

/* Sends three times 10 bytes and receives each; gives the buffers back if asked to. */
static bool receive_three(struct series *series, struct buffer_ring *buffers, int peer,
                          int result)
{
    for (int i = 0; i < 3; i++) {
        put_bytes(peer, 10);
        struct completion completion = next(series);
        if (refused(series, completion, "receive"))
            return false;
        CHECK_RESULT(completion.result, result);
        buffer_ring_give(buffers, buffer_id(completion));
    }
    return true;
}

/* Receives until cancelled, until the buffers are used up, and until the peer closes; then the
 * same with RECVMSG, whose result includes a header (struct io_uring_recvmsg_out). */
void subject_multishot_recv(struct truth *truth)
{
    struct ring ring;
    struct buffer_ring buffers;
    struct list list = {0};
    int ends[2];
    if (!ring_open(&ring, truth, 16, 0))
        return;
    if (!buffer_ring_open(&buffers, &ring, 1, 4, 64)) {
        ring_close(&ring);
        return;
    }
    unix_pair(ends);

    struct series series = start_receive(&ring, ends[0], 1);
    if (receive_three(&series, &buffers, ends[1], 10)) {
        cancel(&series);
        report(&list, &series, "cancel");

        series = start_receive(&ring, ends[0], 1);
        unsigned ids[4];
        for (int i = 0; i < 4; i++) {
            put_bytes(ends[1], 10);
            ids[i] = buffer_id(next(&series));
        }
        put_bytes(ends[1], 10);
        CHECK_RESULT(next(&series).result, -ENOBUFS);
        report(&list, &series, "ENOBUFS");
        for (int i = 0; i < 4; i++)
            buffer_ring_give(&buffers, ids[i]);

        /* The 10 bytes that found no buffer are still in the socket. */
        series = start_receive(&ring, ends[0], 1);
        buffer_ring_give(&buffers, buffer_id(next(&series)));
        receive_three(&series, &buffers, ends[1], 10);
        struct msghdr message = {0};
        close(ends[1]);
        CHECK_RESULT(next(&series).result, 0);
        report(&list, &series, "end of stream");
        close(ends[0]);

        unix_pair(ends);
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_recvmsg(sqe, ends[0], &message, 0);
        sqe->ioprio = IORING_RECV_MULTISHOT;
        sqe->buf_group = 1;
        series = start(&ring, "RECVMSG", sqe, IOSQE_BUFFER_SELECT);
        receive_three(&series, &buffers, ends[1], sizeof(struct io_uring_recvmsg_out) + 10);
        cancel(&series);
        report(&list, &series, "cancel");
        truth_fact(truth, "multishot", "[%s]", list.text);
    }
    close_pair(ends);
    buffer_ring_close(&buffers);
    ring_close(&ring);
}

/* Four events, then cancelled by ASYNC_CANCEL; two, then removed by POLL_REMOVE. */
void subject_multishot_poll(struct truth *truth)
{
    struct ring ring;
    struct list list = {0};
    if (!ring_open(&ring, truth, 16, 0))
        return;
    int event = eventfd(0, 0);
    CHECK(event >= 0);
    for (int removed = 0; removed < 2; removed++) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_poll_multishot(sqe, event, POLLIN);
        struct series series = start(&ring, "POLL_ADD", sqe, 0);
        for (int i = 0; i < (removed ? 2 : 4); i++) {
            eventfd_write(event, 1);
            CHECK_RESULT(next(&series).result, POLLIN);
            eventfd_t value;
            eventfd_read(event, &value);
        }
        if (!removed) {
            cancel(&series);
        } else {
            sqe = ring_sqe(&ring);
            io_uring_prep_poll_remove(sqe, series.user_data);
            uint64_t removal = ring_queue(&ring, sqe, 0);
            ring_submit(&ring);
            for (int i = 0; i < 2; i++) {
                struct completion completion = ring_reap(&ring);
                CHECK_RESULT(completion.result,
                             completion.user_data == removal ? 0 : -ECANCELED);
            }
            series.completions++;
            series.result = -ECANCELED;
            series.open = false;
        }
        report(&list, &series, "cancel");
    }
    close(event);
    ring_close(&ring);
    truth_fact(truth, "multishot", "[%s]", list.text);
}

/* A timeout that fires three times by its own count; then one that is cancelled after two. */
void subject_multishot_timeout(struct truth *truth)
{
    struct ring ring;
    struct list list = {0};
    struct __kernel_timespec period = {.tv_nsec = 2000000};
    if (!ring_open(&ring, truth, 16, 0))
        return;
    for (int endless = 0; endless < 2; endless++) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_timeout(sqe, &period, endless ? 0 : 3, IORING_TIMEOUT_MULTISHOT);
        struct series series = start(&ring, "TIMEOUT", sqe, 0);
        struct completion completion = next(&series);
        if (refused(&series, completion, "timeout"))
            break;
        CHECK_RESULT(completion.result, -ETIME);
        CHECK_RESULT(next(&series).result, -ETIME);
        if (!endless) {
            CHECK_RESULT(next(&series).result, -ETIME);
            report(&list, &series, "count");
            continue;
        }
        /* It may fire again before the cancellation reaches it. */
        sqe = ring_sqe(&ring);
        io_uring_prep_cancel64(sqe, series.user_data, 0);
        uint64_t cancellation = ring_queue(&ring, sqe, 0);
        ring_submit(&ring);
        for (bool answered = false; series.open || !answered;) {
            completion = ring_reap(&ring);
            if (completion.user_data == cancellation) {
                CHECK_RESULT(completion.result, 0);
                answered = true;
                continue;
            }
            series.completions++;
            series.result = completion.result;
            series.open = completion.flags & IORING_CQE_F_MORE;
        }
        report(&list, &series, "cancel");
    }
    ring_close(&ring);
    truth_fact(truth, "multishot", "[%s]", list.text);
}

/* Reads from a pipe: four times, then cancelled; then until the buffers are used up. */
void subject_multishot_read(struct truth *truth)
{
    struct ring ring;
    struct buffer_ring buffers;
    struct list list = {0};
    int ends[2];
    if (!ring_open(&ring, truth, 16, 0))
        return;
    if (!ring_offers(&ring, OP_READ_MULTISHOT, "READ_MULTISHOT") ||
        !buffer_ring_open(&buffers, &ring, 1, 4, 64)) {
        ring_close(&ring);
        return;
    }
    CHECK_RESULT(pipe(ends), 0);
    for (int give_back = 1; give_back >= 0; give_back--) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_rw(OP_READ_MULTISHOT, sqe, ends[0], NULL, 0, 0);
        sqe->buf_group = 1;
        struct series series = start(&ring, "READ_MULTISHOT", sqe, IOSQE_BUFFER_SELECT);
        for (int i = 0; i < 4; i++) {
            put_bytes(ends[1], 12);
            struct completion completion = next(&series);
            CHECK_RESULT(completion.result, 12);
            if (give_back)
                buffer_ring_give(&buffers, buffer_id(completion));
        }
        if (give_back) {
            cancel(&series);
            report(&list, &series, "cancel");
        } else {
            put_bytes(ends[1], 12);
            CHECK_RESULT(next(&series).result, -ENOBUFS);
            report(&list, &series, "ENOBUFS");
        }
    }
    close_pair(ends);
    buffer_ring_close(&buffers);
    ring_close(&ring);
    truth_fact(truth, "multishot", "[%s]", list.text);
}
