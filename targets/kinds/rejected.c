/* SQEs that are wrong: refused when they are read, or failing when they are carried out. */
#include <errno.h>
#include <unistd.h>

#include "endpoints.h"
#include "ring.h"
#include "subjects.h"

#define NO_SUCH_OPCODE 250

static void reject_each(struct ring *ring, int fd)
{
    static char buffer[64];
    struct io_uring_sqe *sqe = ring_sqe(ring);
    sqe->opcode = NO_SUCH_OPCODE;
    ring_queue(ring, sqe, 0);
    ring_expect(ring, -EINVAL);

    sqe = ring_sqe(ring);
    io_uring_prep_nop(sqe);
    ring_queue(ring, sqe, 1U << 7); /* a flag that does not exist */
    ring_expect(ring, -EINVAL);

    sqe = ring_sqe(ring);
    io_uring_prep_fsync(sqe, fd, 0);
    sqe->addr = 1; /* io_uring/sync.c: io_fsync_prep */
    ring_queue(ring, sqe, 0);
    ring_expect(ring, -EINVAL);

    sqe = ring_sqe(ring);
    io_uring_prep_nop(sqe);
    sqe->personality = 77; /* not registered */
    ring_queue(ring, sqe, 0);
    ring_expect(ring, -EINVAL);

    sqe = ring_sqe(ring);
    io_uring_prep_write(sqe, fd, buffer, sizeof(buffer), 0);
    ring_queue(ring, sqe, IOSQE_BUFFER_SELECT); /* writes pick no buffers */
    ring_expect(ring, -EOPNOTSUPP);
}

/* Five kinds of SQE that io_init_req or the operation's prep refuses, in an ordinary ring and in
 * one with SUBMIT_ALL, where good ones behind them go on in the same call; and three that are
 * accepted and fail on a bad descriptor. A refused SQE never was a request in flight: the
 * kernel traces io_uring_req_failed instead of io_uring_submit_req. */
void subject_rejected(struct truth *truth)
{
    struct ring ring;
    int fd = temporary_file(0);
    if (!ring_open(&ring, truth, 16, 0)) {
        close(fd);
        return;
    }
    reject_each(&ring, fd);
    static const int descriptors[] = {-1, 9999, 77777};
    for (int i = 0; i < 3; i++) {
        static char buffer[64];
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_read(sqe, descriptors[i], buffer, sizeof(buffer), 0);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, -EBADF);
    }
    ring_close(&ring);
    unsigned rejected = 5;

    if (ring_open(&ring, truth, 16, IORING_SETUP_SUBMIT_ALL)) {
        ring_queue_nops(&ring, 2, 0);
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        sqe->opcode = NO_SUCH_OPCODE;
        ring_queue(&ring, sqe, 0);
        ring_queue_nops(&ring, 3, 0);
        ring_submit(&ring);
        ring_reap_many(&ring, 6);
        ring_close(&ring);
        rejected++;
    }
    close(fd);
    truth_fact(truth, "rejected", "%u", rejected);
}
