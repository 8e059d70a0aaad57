/* A completion queue that is full: CQEs go to a list in the kernel, and none is lost. */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "endpoints.h"
#include "proc.h"
#include "subjects.h"

#define CQ_ENTRIES 16

static bool open_small(struct ring *ring, struct truth *truth, unsigned setup_flags)
{
    struct io_uring_params params = {.flags = setup_flags | IORING_SETUP_CQSIZE,
                                     .cq_entries = CQ_ENTRIES};
    return ring_open_params(ring, truth, 8, &params);
}

static void fill_and_reap(struct ring *ring, unsigned count)
{
    for (unsigned submitted = 0; submitted < count; submitted += 8) {
        ring_queue_nops(ring, 8, 0);
        ring_submit(ring);
    }
    CHECK_RESULT(io_uring_cq_ready(&ring->uring), CQ_ENTRIES);
    ring_reap_many(ring, count);
}

/* 80 NOPs into a queue of 16 before anything is reaped: 64 overflow, in an ordinary ring and in
 * one with DEFER_TASKRUN, whose completion queue has no lock. */
void subject_overflow(struct truth *truth)
{
    struct ring ring;
    unsigned overflows = 0;
    if (!open_small(&ring, truth, 0))
        return;
    fill_and_reap(&ring, 80);
    overflows += 80 - CQ_ENTRIES;
    ring_close(&ring);

    if (open_small(&ring, truth, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)) {
        fill_and_reap(&ring, 80);
        overflows += 80 - CQ_ENTRIES;
        ring_close(&ring);
    }
    truth_fact(truth, "overflows", "%u", overflows);
    truth_fact(truth, "dropped", "0");
}

/* The same with completions that worker threads post. That all have come is read from fdinfo,
 * since any io_uring_enter would already flush. */
void subject_overflow_io_wq(struct truth *truth)
{
    struct ring ring;
    if (!open_small(&ring, truth, 0))
        return;
    for (int i = 0; i < 6; i++) {
        ring_queue_nops(&ring, 8, IOSQE_ASYNC);
        ring_submit(&ring);
    }
    if (ring_await_overflow(&ring, 48 - CQ_ENTRIES))
        truth_fact(truth, "overflows", "%d", 48 - CQ_ENTRIES);
    ring_reap_many(&ring, 48);
    ring_close(&ring);
    truth_paths(truth, IORING_OP_NOP, 0, 0, 48);
    truth_fact(truth, "dropped", "0");
}

/* A multishot poll whose CQE finds the queue full ends there: the kernel does not let one
 * request fill its memory (io_uring/poll.c: io_poll_check_events). */
void subject_overflow_multishot(struct truth *truth)
{
    struct ring ring;
    if (!open_small(&ring, truth, 0))
        return;
    int event = eventfd(0, 0);
    CHECK(event >= 0);
    struct io_uring_sqe *sqe = ring_sqe(&ring);
    io_uring_prep_poll_multishot(sqe, event, POLLIN);
    uint64_t poll = ring_queue(&ring, sqe, 0);
    ring_submit(&ring);
    for (int i = 0; i < CQ_ENTRIES / 8; i++) {
        ring_queue_nops(&ring, 8, 0);
        ring_submit(&ring);
    }
    eventfd_write(event, 1);
    ring_reap_many(&ring, CQ_ENTRIES);
    struct completion completion = ring_reap(&ring);
    CHECK_RESULT(completion.user_data, poll);
    bool ended = !(completion.flags & IORING_CQE_F_MORE);
    if (!ended)
        ring_cancel(&ring, poll);
    close(event);
    ring_close(&ring);
    truth_fact(truth, "overflows", "1");
    truth_fact(truth, "multishot",
               "[{\"operation\": \"POLL_ADD\", \"completions\": %d, \"ended_by\": \"%s\", "
               "\"result\": %d}]",
               ended ? 1 : 2, ended ? "overflow" : "cancel", completion.result);
}
