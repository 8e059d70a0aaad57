/* Rings that are set up differently: SQPOLL, DEFER_TASKRUN, IOPOLL, large entries. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "endpoints.h"
#include "proc.h"
#include "subjects.h"

static void queue_receive(struct ring *ring, int fd)
{
    static char buffer[64];
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_recv(sqe, fd, buffer, sizeof(buffer), 0);
    ring_queue(ring, sqe, 0);
}

/* A kernel thread submits: 64 NOPs, 8 reads, a receive that has to wait. The thread sleeps after
 * 20 ms without work, so that waking it up happens too. */
void subject_sqpoll(struct truth *truth)
{
    struct ring ring;
    char block[4096];
    int ends[2];
    struct io_uring_params params = {.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 20};
    if (!ring_open_params(&ring, truth, 32, &params))
        return;
    unix_pair(ends);
    int fd = temporary_file(8 * sizeof(block));

    for (int i = 0; i < 4; i++) {
        ring_queue_nops(&ring, 16, 0);
        ring_submit(&ring);
        ring_reap_many(&ring, 16);
    }
    for (int i = 0; i < 8; i++) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_read(sqe, fd, block, sizeof(block), i * sizeof(block));
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, sizeof(block));
    }
    queue_receive(&ring, ends[0]);
    ring_submit(&ring);
    /* Once the queue is empty, the receive has been issued or is about to be: data sent now may
     * overtake the poll, so its path is not stated. */
    put_bytes(ends[1], 10);
    ring_expect(&ring, 10);

    truth_fact(truth, "sq_thread", "%d", ring_sq_thread(&ring));
    close(fd);
    close_pair(ends);
    ring_close(&ring);
    truth_paths(truth, IORING_OP_NOP, 64, 0, 0);
}

/* Completions are run only when the application asks for them. */
void subject_defer_taskrun(struct truth *truth)
{
    struct ring ring;
    int ends[2];
    if (!ring_open(&ring, truth, 32, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN))
        return;
    unix_pair(ends);
    for (int i = 0; i < 4; i++) {
        ring_queue_nops(&ring, 16, 0);
        ring_submit(&ring);
        ring_reap_many(&ring, 16);
    }
    for (int i = 0; i < 5; i++) {
        queue_receive(&ring, ends[0]);
        ring_submit(&ring);
        put_bytes(ends[1], 10);
        CHECK_RESULT(io_uring_cq_ready(&ring.uring), 0);
        ring_expect(&ring, 10);
    }
    close_pair(ends);
    ring_close(&ring);
    truth_paths(truth, IORING_OP_NOP, 64, 0, 0);
    truth_paths(truth, IORING_OP_RECV, 0, 5, 0);
}

/* Completions are found by polling the device: 20 NOPs, which every kernel allows here, then
 * reads with O_DIRECT. Those need a file system with ->iopoll and a device with poll queues;
 * without them the first read ends with EOPNOTSUPP (block/fops.c, io_uring/rw.c). */
void subject_iopoll(struct truth *truth)
{
    struct ring ring;
    void *block;
    if (!ring_open(&ring, truth, 32, IORING_SETUP_IOPOLL))
        return;
    ring_queue_nops(&ring, 20, 0);
    ring_submit(&ring);
    ring_reap_many(&ring, 20);

    int fd = temporary_file(16 * 4096);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int direct = open(path, O_RDWR | O_DIRECT);
    if (direct < 0) {
        truth_unsupported(truth, "O_DIRECT on the temporary file: %s", strerror(errno));
        close(fd);
        ring_close(&ring);
        return;
    }
    CHECK_RESULT(posix_memalign(&block, 4096, 4096), 0);
    int result = 4096;
    for (int i = 0; i < 16 && result == 4096; i++) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_read(sqe, direct, block, 4096, i * 4096);
        ring_queue(&ring, sqe, 0);
        ring_submit(&ring);
        result = ring_reap(&ring).result;
    }
    if (result != 4096)
        truth_unsupported(truth, "a polled read of the temporary file: %s", strerror(-result));
    free(block);
    close(direct);
    close(fd);
    ring_close(&ring);
}

/* 128-byte SQEs and 32-byte CQEs: the same operations in larger slots. */
void subject_large_entries(struct truth *truth)
{
    struct ring ring;
    if (!ring_open(&ring, truth, 16, IORING_SETUP_SQE128 | IORING_SETUP_CQE32))
        return;
    for (int i = 0; i < 4; i++) {
        ring_queue_nops(&ring, 10, 0);
        ring_submit(&ring);
        ring_reap_many(&ring, 10);
    }
    ring_close(&ring);
    truth_paths(truth, IORING_OP_NOP, 40, 0, 0);
}
