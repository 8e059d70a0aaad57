/* Requests that are in flight when a tracer attaches.
 *
 * Puts 64 polls, a read, a multishot poll and a multishot receive in flight, prints {"ready": PID}
 * and waits for a line. Then lets the 64 and the read complete, the multishot poll post three
 * times and be removed, the multishot receive post three times and end, and does 100 NOPs.
 * Prints what completed as one JSON line.
 */
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLLS 64
#define NOPS 100
#define MULTISHOT 1000
#define READ 2000
#define RECEIVE 3000
#define BUFFERS 8

static struct io_uring ring;

static struct io_uring_sqe *request(unsigned long long user_data)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (!sqe)
        abort();
    sqe->user_data = user_data;
    return sqe;
}

static void reap(int count)
{
    while (count--) {
        struct io_uring_cqe *cqe;
        if (io_uring_wait_cqe(&ring, &cqe))
            abort();
        io_uring_cqe_seen(&ring, cqe);
    }
}

int main(void)
{
    int once = eventfd(0, 0), repeated = eventfd(0, 0), read_from = eventfd(0, 0), pair[2];
    static char buffers[BUFFERS][64];
    eventfd_t read_value;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        return 1;
    if (io_uring_queue_init(256, &ring, 0))
        return 1;
    for (int i = 0; i < POLLS; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
        io_uring_prep_poll_add(sqe, once, POLLIN);
        sqe->user_data = i + 1;
    }
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_poll_multishot(sqe, repeated, POLLIN);
    sqe->user_data = MULTISHOT;
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_read(sqe, read_from, &read_value, sizeof(read_value), 0);
    sqe->user_data = READ;
    io_uring_submit(&ring);
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_provide_buffers(sqe, buffers, sizeof(buffers[0]), BUFFERS, 1, 0);
    io_uring_submit(&ring);
    reap(1);
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_recv_multishot(sqe, pair[0], NULL, 0, 0);
    sqe->user_data = RECEIVE;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 1;
    io_uring_submit(&ring);

    printf("{\"ready\": %d}\n", (int)getpid());
    fflush(stdout);
    if (getchar() == EOF)
        return 1;

    eventfd_write(once, 1);
    reap(POLLS);
    for (int i = 0; i < 3; i++) {
        eventfd_t value;
        eventfd_write(repeated, 1);
        reap(1);
        eventfd_read(repeated, &value);
    }
    eventfd_write(read_from, 1);
    reap(1);
    for (int i = 0; i < 3; i++) {
        if (write(pair[1], "x", 1) != 1)
            return 1;
        reap(1);
    }
    close(pair[1]);
    reap(1);
    sqe = request(0);
    io_uring_prep_poll_remove(sqe, MULTISHOT);
    io_uring_submit(&ring);
    reap(2);
    for (int i = 0; i < NOPS; i++) {
        io_uring_prep_nop(request(0));
        io_uring_submit(&ring);
        reap(1);
    }
    io_uring_queue_exit(&ring);
    printf("{\"before\": {\"POLL_ADD\": %d, \"READ\": 1, \"RECV\": %d}, ", POLLS + 3 + 1, 3 + 1);
    printf("\"after\": {\"POLL_REMOVE\": 1, \"NOP\": %d}}\n", NOPS);
    return 0;
}
