/* IOSQE_CQE_SKIP_SUCCESS: success posts no CQE, failure does. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "endpoints.h"
#include "ring.h"
#include "subjects.h"

static char buffer[64];

static void queue_read(struct ring *ring, int fd, unsigned sqe_flags)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_read(sqe, fd, buffer, sizeof(buffer), 0);
    ring_queue(ring, sqe, sqe_flags);
}

/* Counts what stays silent, alone and in chains. In a chain a member that fails and has the
 * flag posts its error and makes all behind it silent, flag or no flag; one without the flag
 * makes all behind it post ECANCELED (io_uring/io_uring.c: io_fail_links, ignore_cqes). */
void subject_skip(struct truth *truth)
{
    struct ring ring;
    int ends[2];
    if (!ring_open(&ring, truth, 64, 0))
        return;
    if (!(ring.uring.features & IORING_FEAT_CQE_SKIP)) {
        truth_unsupported(truth, "the kernel has no IORING_FEAT_CQE_SKIP");
        ring_close(&ring);
        return;
    }
    unix_pair(ends);

    /* Five silent, and a NOP that shows they are through. */
    ring_queue_nops(&ring, 5, IOSQE_CQE_SKIP_SUCCESS);
    ring_queue_nops(&ring, 1, 0);
    ring_expect(&ring, 0);
    truth->silent += 5;

    /* Three that fail: each posts. */
    for (int i = 0; i < 3; i++) {
        queue_read(&ring, -1, IOSQE_CQE_SKIP_SUCCESS);
        ring_expect(&ring, -EBADF);
    }

    /* A silent receive that has to wait first; the NOP behind it tells when it is done. */
    struct io_uring_sqe *sqe = ring_sqe(&ring);
    io_uring_prep_recv(sqe, ends[0], buffer, 10, 0);
    ring_queue(&ring, sqe, IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK);
    ring_queue_nops(&ring, 1, 0);
    ring_submit(&ring);
    put_bytes(ends[1], 10);
    ring_expect(&ring, 0);
    truth->silent += 1;

    /* The failing member has the flag: one error, two silent. */
    queue_read(&ring, -1, IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK);
    ring_queue_nops(&ring, 1, IOSQE_IO_LINK);
    ring_queue_nops(&ring, 1, 0);
    ring_expect(&ring, -EBADF);
    truth->silent += 2;

    /* The failing member has not: three errors, also from the ones that have it. */
    queue_read(&ring, -1, IOSQE_IO_LINK);
    ring_queue_nops(&ring, 1, IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK);
    ring_queue_nops(&ring, 1, IOSQE_CQE_SKIP_SUCCESS);
    ring_expect(&ring, -EBADF);
    ring_expect(&ring, -ECANCELED);
    ring_expect(&ring, -ECANCELED);

    close_pair(ends);
    ring_close(&ring);
    truth_fact(truth, "silent_with_flag", "6");
    truth_fact(truth, "silent_without_flag", "2");
    truth_fact(truth, "chains", "[2, 3, 3]");
}
