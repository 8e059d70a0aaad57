/* Operations newer than this program's headers: a tracer must know their names by itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/futex.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoints.h"
#include "newer.h"
#include "ring.h"
#include "subjects.h"

/* FTRUNCATE (6.9), BIND and LISTEN (6.11), FUTEX_WAKE (6.7), PIPE (6.16) and URING_CMD on a
 * socket (6.7), each where the kernel has it. */
void subject_recent(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    struct list offered = {0};
    if (!ring_open(&ring, truth, 16, 0))
        return;

    if (ring_has(&ring, OP_FTRUNCATE)) {
        int fd = temporary_file(100);
        sqe = ring_sqe(&ring);
        io_uring_prep_rw(OP_FTRUNCATE, sqe, fd, NULL, 0, 50);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 0);
        CHECK_RESULT(lseek(fd, 0, SEEK_END), 50);
        close(fd);
        list_add(&offered, "\"FTRUNCATE\"");
    }
    if (ring_has(&ring, OP_BIND) && ring_has(&ring, OP_LISTEN)) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(fd >= 0);
        sqe = ring_sqe(&ring);
        io_uring_prep_rw(OP_BIND, sqe, fd, &address, 0, sizeof(address));
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 0);
        sqe = ring_sqe(&ring);
        io_uring_prep_rw(OP_LISTEN, sqe, fd, NULL, 8, 0);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 0);
        close(fd);
        list_add(&offered, "\"BIND\", \"LISTEN\"");
    }
    if (ring_has(&ring, OP_FUTEX_WAKE)) {
        static unsigned futex;
        sqe = ring_sqe(&ring);
        /* addr2 (off) is how many to wake, addr3 the bitset, fd the futex2 flags: 32 bit. */
        io_uring_prep_rw(OP_FUTEX_WAKE, sqe, 2, &futex, 0, 1);
        sqe->addr3 = FUTEX_BITSET_MATCH_ANY;
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 0);
        list_add(&offered, "\"FUTEX_WAKE\"");
    }
    if (ring_has(&ring, OP_PIPE)) {
        int ends[2];
        sqe = ring_sqe(&ring);
        io_uring_prep_rw(OP_PIPE, sqe, 0, ends, 0, 0);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 0);
        close_pair(ends);
        list_add(&offered, "\"PIPE\"");
    }
    if (ring_has(&ring, IORING_OP_URING_CMD)) {
        int ends[2];
        tcp_pair(ends);
        sqe = ring_sqe(&ring);
        io_uring_prep_rw(IORING_OP_URING_CMD, sqe, ends[0], NULL, 0, 0);
        sqe->cmd_op = SOCKET_COMMAND_BYTES_TO_READ;
        ring_queue(&ring, sqe, 0);
        ring_submit(&ring);
        /* Before 6.7 sockets have no commands: EOPNOTSUPP. */
        if (ring_reap(&ring).result == 0)
            list_add(&offered, "\"URING_CMD\"");
        close_pair(ends);
    }
    ring_close(&ring);
    if (!*offered.text)
        truth_unsupported(truth, "the kernel has none of these operations");
    truth_fact(truth, "offered", "[%s]", offered.text);
}
