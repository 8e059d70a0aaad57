/* Very many operations in flight, and operations still in flight when their process ends. */
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "endpoints.h"
#include "processes.h"
#include "ring.h"
#include "subjects.h"

#define EACH 50000

/* 100,000 polls, half of them on each of two eventfds; then one half becomes ready after the
 * other, so that the completion queue (65,536 at most) holds each half. */
void subject_in_flight(struct truth *truth)
{
    struct ring ring;
    struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                     .cq_entries = 65536};
    int events[2];
    if (!ring_open_params(&ring, truth, 4096, &params))
        return;
    CHECK(params.cq_entries >= EACH);
    for (int half = 0; half < 2; half++) {
        events[half] = eventfd(0, 0);
        CHECK(events[half] >= 0);
        for (int i = 0; i < EACH; i++) {
            struct io_uring_sqe *sqe = ring_sqe(&ring);
            io_uring_prep_poll_add(sqe, events[half], POLLIN);
            ring_queue(&ring, sqe, 0);
        }
    }
    ring_submit(&ring);
    CHECK_RESULT(io_uring_cq_ready(&ring.uring), 0);
    for (int half = 0; half < 2; half++) {
        eventfd_write(events[half], 1);
        ring_reap_many(&ring, EACH);
        close(events[half]);
    }
    ring_close(&ring);
    truth_fact(truth, "max_in_flight", "%d", 2 * EACH);
    truth_fact(truth, "overflows", "0");
}

static struct gate gate;

/* 10 NOPs that complete and 20 receives that never do. */
static void leave_in_flight(struct truth *truth)
{
    struct ring ring;
    static char buffer[64];
    int ends[2];
    if (!ring_open(&ring, truth, 32, 0))
        return;
    unix_pair(ends);
    ring_queue_nops(&ring, 10, 0);
    ring_submit(&ring);
    ring_reap_many(&ring, 10);
    for (int i = 0; i < 20; i++) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_recv(sqe, ends[0], buffer, sizeof(buffer), 0);
        ring_queue(&ring, sqe, 0);
    }
    ring_submit(&ring);
    truth->abandoned = 20;
}

static void exit_work(struct truth *truth)
{
    leave_in_flight(truth);
    _exit(0);
}

static void killed_work(struct truth *truth)
{
    leave_in_flight(truth);
    gate_arrive_and_wait(&gate);
}

/* Two children with 20 operations in flight each: one calls exit, one is killed. The kernel
 * cancels what is left from a kworker (io_uring/io_uring.c: io_ring_exit_work) and posts CQEs
 * that nobody reaps: "abandoned" counts what was submitted and never seen again. */
void subject_exit_in_flight(struct truth *truth)
{
    struct child leaving = child_start("exit_in_flight", exit_work);
    child_end(&leaving, truth, 0);

    gate_open(&gate);
    struct child killed = child_start("exit_in_flight", killed_work);
    gate_await(&gate, 1);
    kill(killed.pid, SIGKILL);
    child_end(&killed, truth, -SIGKILL);
    gate_release(&gate);
    gate_close(&gate);
}
