/* IOSQE_IO_DRAIN: starts after all before it have ended, and holds up all after it. */
#include <string.h>

#include "endpoints.h"
#include "ring.h"
#include "subjects.h"

/* A receive that waits for data; a drained NOP and three NOPs behind it must wait for it. Then
 * five with nothing to wait for, which newer kernels defer all the same
 * (io_uring/io_uring.c: io_drain_req, where io_uring_defer is traced). */
void subject_drain(struct truth *truth)
{
    struct ring ring;
    char buffer[64];
    int ends[2];
    if (!ring_open(&ring, truth, 64, 0))
        return;
    unix_pair(ends);

    struct io_uring_sqe *sqe = ring_sqe(&ring);
    io_uring_prep_recv(sqe, ends[0], buffer, sizeof(buffer), 0);
    uint64_t receive = ring_queue(&ring, sqe, 0);
    ring_queue_nops(&ring, 1, IOSQE_IO_DRAIN);
    ring_queue_nops(&ring, 3, 0);
    ring_submit(&ring);
    CHECK_RESULT(io_uring_cq_ready(&ring.uring), 0);

    put_bytes(ends[1], 10);
    CHECK_RESULT(ring_reap(&ring).user_data, receive);
    ring_reap_many(&ring, 4);

    for (int i = 0; i < 5; i++) {
        ring_queue_nops(&ring, 1, IOSQE_IO_DRAIN);
        ring_expect(&ring, 0);
    }
    close_pair(ends);
    ring_close(&ring);
    truth_paths(truth, IORING_OP_RECV, 0, 1, 0);
    truth_fact(truth, "drained", "6");
    truth_fact(truth, "held_up", "4");
}
