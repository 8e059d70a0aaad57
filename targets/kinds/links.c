/* Chains: soft, hard, broken in every way the kernel knows. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "endpoints.h"
#include "ring.h"
#include "subjects.h"

static char block[4096];

static void queue_read(struct ring *ring, int fd, unsigned size, unsigned sqe_flags)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_read(sqe, fd, block, size, 0);
    ring_queue(ring, sqe, sqe_flags);
}

static void queue_nop_chain(struct ring *ring, unsigned length, unsigned link_flag)
{
    ring_queue_nops(ring, length - 1, link_flag);
    ring_queue_nops(ring, 1, 0);
}

/* Reaps the completions of one submission, which come in the order of the chain. */
static void expect_results(struct ring *ring, unsigned count, const int *results)
{
    ring_submit(ring);
    for (unsigned i = 0; i < count; i++)
        CHECK_RESULT(ring_reap(ring).result, results[i]);
}

/* Chains that run to their end: NOPs; write, fsync, read; two chains in one batch; hard links;
 * a link flag on the last SQE of a submission, where the chain ends anyway and is left to a
 * worker (io_uring/io_uring.c: io_submit_state_end). Where a member runs in a worker, the ones
 * behind it follow there without being queued again (io_uring/io-wq.c: io_worker_handle_work). */
void subject_links(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    if (!ring_open(&ring, truth, 64, 0))
        return;
    int fd = temporary_file(0);

    queue_nop_chain(&ring, 4, IOSQE_IO_LINK);
    ring_submit(&ring);
    ring_reap_many(&ring, 4);

    sqe = ring_sqe(&ring);
    io_uring_prep_write(sqe, fd, block, sizeof(block), 0);
    ring_queue(&ring, sqe, IOSQE_IO_LINK);
    sqe = ring_sqe(&ring);
    io_uring_prep_fsync(sqe, fd, 0);
    ring_queue(&ring, sqe, IOSQE_IO_LINK);
    queue_read(&ring, fd, sizeof(block), 0);
    expect_results(&ring, 3, (int[]){sizeof(block), 0, sizeof(block)});

    queue_nop_chain(&ring, 2, IOSQE_IO_LINK);
    queue_nop_chain(&ring, 3, IOSQE_IO_LINK);
    ring_submit(&ring);
    ring_reap_many(&ring, 5);

    queue_nop_chain(&ring, 3, IOSQE_IO_HARDLINK);
    ring_submit(&ring);
    ring_reap_many(&ring, 3);

    ring_queue_nops(&ring, 2, IOSQE_IO_LINK);
    ring_submit(&ring);
    ring_reap_many(&ring, 2);
    ring_queue_nops(&ring, 1, 0);
    ring_expect(&ring, 0);

    close(fd);
    ring_close(&ring);
    truth_fact(truth, "chains", "[4, 3, 2, 3, 3, 2]");
    truth_fact(truth, "unlinked", "1");
}

/* Chains that break: by an error, by a short read (io_uring/rw.c: req_set_fail unless all bytes
 * came), by an SQE the kernel rejects in the middle; and a hard chain that does not. What
 * follows a break ends with ECANCELED (io_uring/io_uring.c: io_fail_links). */
void subject_broken_links(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    if (!ring_open(&ring, truth, 64, 0))
        return;
    int fd = temporary_file(100);

    queue_read(&ring, -1, sizeof(block), IOSQE_IO_LINK);
    queue_nop_chain(&ring, 2, IOSQE_IO_LINK);
    expect_results(&ring, 3, (int[]){-EBADF, -ECANCELED, -ECANCELED});

    queue_read(&ring, fd, sizeof(block), IOSQE_IO_LINK);
    queue_nop_chain(&ring, 2, IOSQE_IO_LINK);
    expect_results(&ring, 3, (int[]){100, -ECANCELED, -ECANCELED});

    queue_read(&ring, -1, sizeof(block), IOSQE_IO_HARDLINK);
    queue_nop_chain(&ring, 2, IOSQE_IO_HARDLINK);
    expect_results(&ring, 3, (int[]){-EBADF, 0, 0});

    /* The whole chain fails, also the members before the rejected one. With its link flag set
     * the kernel goes on assembling the chain (io_uring/io_uring.c: io_submit_fail_init). */
    ring_queue_nops(&ring, 2, IOSQE_IO_LINK);
    sqe = ring_sqe(&ring);
    io_uring_prep_fsync(sqe, fd, 0);
    sqe->addr = 1;
    ring_queue(&ring, sqe, IOSQE_IO_LINK);
    ring_queue_nops(&ring, 1, 0);
    expect_results(&ring, 4, (int[]){-ECANCELED, -ECANCELED, -EINVAL, -ECANCELED});

    close(fd);
    ring_close(&ring);
    truth_fact(truth, "chains", "[3, 3, 3, 4]");
    truth_fact(truth, "rejected", "1");
}
