/* The two ways that are not inline: worker threads, and poll with a retry. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "endpoints.h"
#include "ring.h"
#include "subjects.h"

static char buffer[4096];

static void queue_receive(struct ring *ring, int fd, unsigned sqe_flags)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_recv(sqe, fd, buffer, 64, 0);
    ring_queue(ring, sqe, sqe_flags);
}

/* IOSQE_ASYNC sends an operation to a worker without trying it first. A receive that finds
 * nothing there arms a poll from the worker (io_uring/io_uring.c: io_wq_submit_work) and so has
 * both paths, unless the data is faster than the worker: its path is not stated. */
void subject_io_wq(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    int ends[2];
    if (!ring_open(&ring, truth, 32, 0))
        return;
    int fd = temporary_file(8 * sizeof(buffer));
    unix_pair(ends);

    ring_queue_nops(&ring, 10, IOSQE_ASYNC);
    ring_submit(&ring);
    ring_reap_many(&ring, 10);
    for (int i = 0; i < 8; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_read(sqe, fd, buffer, sizeof(buffer), i * sizeof(buffer));
        ring_queue(&ring, sqe, IOSQE_ASYNC);
        ring_expect(&ring, sizeof(buffer));
        sqe = ring_sqe(&ring);
        io_uring_prep_write(sqe, fd, buffer, sizeof(buffer), i * sizeof(buffer));
        ring_queue(&ring, sqe, IOSQE_ASYNC);
        ring_expect(&ring, sizeof(buffer));
    }

    for (int i = 0; i < 2; i++) {
        queue_receive(&ring, ends[0], IOSQE_ASYNC);
        ring_submit(&ring);
        put_bytes(ends[1], 10);
        ring_expect(&ring, 10);
    }
    close(fd);
    close_pair(ends);
    ring_close(&ring);
    truth_paths(truth, IORING_OP_NOP, 0, 0, 10);
    truth_paths(truth, IORING_OP_READ, 0, 0, 8);
    truth_paths(truth, IORING_OP_WRITE, 0, 0, 8);
}

/* Fills a socket until it takes no more. Returns the bytes written. */
static size_t fill(int fd)
{
    size_t written = 0;
    ssize_t size;
    while ((size = send(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
        written += size;
    CHECK_RESULT(errno, EAGAIN);
    return written;
}

/* Operations that would block and whose file can be polled: receives, reads, an accept, a send
 * into a full socket. Each is tried, armed and retried. */
void subject_poll_retry(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    struct sockaddr_in address;
    int ends[2], pipe_ends[2];
    if (!ring_open(&ring, truth, 32, 0))
        return;
    unix_pair(ends);
    CHECK_RESULT(pipe(pipe_ends), 0);

    for (int i = 0; i < 4; i++) {
        queue_receive(&ring, ends[0], 0);
        ring_submit(&ring);
        put_bytes(ends[1], 10);
        ring_expect(&ring, 10);
    }
    struct iovec piece = {buffer, 64};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    for (int i = 0; i < 2; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_recvmsg(sqe, ends[0], &message, 0);
        ring_queue(&ring, sqe, 0);
        ring_submit(&ring);
        put_bytes(ends[1], 10);
        ring_expect(&ring, 10);
    }
    for (int i = 0; i < 3; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_read(sqe, pipe_ends[0], buffer, 64, 0);
        ring_queue(&ring, sqe, 0);
        ring_submit(&ring);
        put_bytes(pipe_ends[1], 10);
        ring_expect(&ring, 10);
    }

    int listener = tcp_listener(&address);
    sqe = ring_sqe(&ring);
    io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
    ring_queue(&ring, sqe, 0);
    ring_submit(&ring);
    int client = tcp_connect(&address);
    int accepted = ring_reap(&ring).result;
    CHECK(accepted >= 0);

    size_t waiting = fill(ends[0]);
    sqe = ring_sqe(&ring);
    io_uring_prep_send(sqe, ends[0], buffer, 1, 0);
    ring_queue(&ring, sqe, 0);
    ring_submit(&ring);
    while (waiting) {
        ssize_t size = read(ends[1], buffer, waiting < sizeof(buffer) ? waiting : sizeof(buffer));
        CHECK(size > 0);
        waiting -= size;
    }
    ring_expect(&ring, 1);

    close(client);
    close(accepted);
    close(listener);
    close_pair(ends);
    close_pair(pipe_ends);
    ring_close(&ring);
    truth_paths(truth, IORING_OP_RECV, 0, 4, 0);
    truth_paths(truth, IORING_OP_RECVMSG, 0, 2, 0);
    truth_paths(truth, IORING_OP_READ, 0, 3, 0);
    truth_paths(truth, IORING_OP_ACCEPT, 0, 1, 0);
    truth_paths(truth, IORING_OP_SEND, 0, 1, 0);
}
