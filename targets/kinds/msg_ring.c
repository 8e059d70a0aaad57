/* MSG_RING: CQEs in a ring that belong to no operation of that ring. */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "endpoints.h"
#include "newer.h"
#include "ring.h"
#include "subjects.h"

#define MESSAGE(number) ((uint64_t)MESSAGE_OPCODE << 56 | (number))

static void queue_message(struct ring *ring, int target, uint64_t number, unsigned value)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_rw(IORING_OP_MSG_RING, sqe, target, NULL, value, MESSAGE(number));
    ring_queue(ring, sqe, 0);
}

static void send_messages(struct ring *ring, struct ring *target, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        queue_message(ring, target->uring.ring_fd, i, 100 + i);
        ring_expect(ring, 0);
        struct completion completion = ring_reap(target);
        CHECK_RESULT(completion.user_data, MESSAGE(i));
        CHECK_RESULT(completion.result, 100 + i);
    }
}

/* Five messages to another ring, three to one with DEFER_TASKRUN (whose owner has to run them:
 * io_uring/msg_ring.c: io_msg_data_remote), two to the sender itself, a registered file handed
 * over with a message and another without, and one to a descriptor that is no ring. */
void subject_msg_ring(struct truth *truth)
{
    struct ring sender, receiver, deferred;
    if (!ring_open(&sender, truth, 16, 0))
        return;
    if (!ring_offers(&sender, IORING_OP_MSG_RING, "MSG_RING")) {
        ring_close(&sender);
        return;
    }
    CHECK(ring_open(&receiver, truth, 16, 0));
    send_messages(&sender, &receiver, 5);
    if (ring_open(&deferred, truth, 16,
                  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)) {
        send_messages(&sender, &deferred, 3);
        ring_close(&deferred);
    }

    for (int i = 0; i < 2; i++) {
        queue_message(&sender, sender.uring.ring_fd, 20 + i, 7);
        ring_submit(&sender);
        ring_reap_many(&sender, 2);
    }

    int event = eventfd(0, 0);
    CHECK(event >= 0);
    CHECK_RESULT(io_uring_register_files(&sender.uring, &event, 1), 0);
    CHECK_RESULT(io_uring_register_files_sparse(&receiver.uring, 2), 0);
    for (int silent = 0; silent < 2; silent++) {
        struct io_uring_sqe *sqe = ring_sqe(&sender);
        io_uring_prep_rw(IORING_OP_MSG_RING, sqe, receiver.uring.ring_fd,
                         (void *)(uintptr_t)IORING_MSG_SEND_FD, 0, MESSAGE(30));
        sqe->file_index = silent + 1;
        sqe->msg_ring_flags = silent ? IORING_MSG_RING_CQE_SKIP : 0;
        ring_queue(&sender, sqe, 0);
        ring_expect(&sender, 0);
        if (!silent)
            CHECK_RESULT(ring_reap(&receiver).user_data, MESSAGE(30));
    }

    queue_message(&sender, event, 40, 0);
    ring_expect(&sender, -EBADFD);

    close(event);
    ring_close(&receiver);
    ring_close(&sender);
}
