/* Registered files, direct descriptors, registered buffers. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "endpoints.h"
#include "newer.h"
#include "ring.h"
#include "subjects.h"

#define SLOTS 6

static char block[4096];

static void transfer(struct ring *ring, unsigned slot, bool write, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct io_uring_sqe *sqe = ring_sqe(ring);
        if (write)
            io_uring_prep_write(sqe, slot, block, sizeof(block), i * sizeof(block));
        else
            io_uring_prep_read(sqe, slot, block, sizeof(block), i * sizeof(block));
        ring_queue(ring, sqe, IOSQE_FIXED_FILE);
        ring_expect(ring, sizeof(block));
    }
}

/* Opens a file into slot 2 without a descriptor, uses and closes it there. */
static void open_into_slot(struct ring *ring)
{
    char path[4096];
    temporary_path(path, sizeof(path));
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_openat_direct(sqe, AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR, 0600, 2);
    ring_queue(ring, sqe, 0);
    ring_expect(ring, 0);
    unlink(path);

    transfer(ring, 2, true, 3);
    transfer(ring, 2, false, 3);

    sqe = ring_sqe(ring);
    io_uring_prep_close_direct(sqe, 2);
    ring_queue(ring, sqe, 0);
    ring_expect(ring, 0);
    sqe = ring_sqe(ring);
    io_uring_prep_read(sqe, 2, block, sizeof(block), 0);
    ring_queue(ring, sqe, IOSQE_FIXED_FILE);
    ring_expect(ring, -EBADF);
}

/* Puts a plain descriptor into slot 1 with FILES_UPDATE and uses it there. */
static void update_slot(struct ring *ring)
{
    int fd = temporary_file(sizeof(block));
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_files_update(sqe, &fd, 1, 1);
    ring_queue(ring, sqe, 0);
    ring_expect(ring, 1);
    close(fd);
    transfer(ring, 1, false, 1);
}

/* A multishot accept that chooses free slots itself, until there is none: ENFILE. */
static void accept_into_slots(struct ring *ring, struct truth *truth)
{
    struct sockaddr_in address;
    int listener = tcp_listener(&address), clients[3];
    struct list slots = {0};
    CHECK_RESULT(io_uring_register_file_alloc_range(&ring->uring, 3, 2), 0);
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_multishot_accept_direct(sqe, listener, NULL, NULL, 0);
    ring_queue(ring, sqe, 0);
    ring_submit(ring);
    for (int i = 0; i < 3; i++) {
        clients[i] = tcp_connect(&address);
        struct completion completion = ring_reap(ring);
        if (i < 2) {
            CHECK(completion.result >= 0 && completion.flags & IORING_CQE_F_MORE);
            list_add(&slots, "%d", completion.result);
        } else {
            CHECK_RESULT(completion.result, -ENFILE);
            CHECK(!(completion.flags & IORING_CQE_F_MORE));
        }
    }
    for (int i = 0; i < 2; i++) {
        sqe = ring_sqe(ring);
        io_uring_prep_send(sqe, 3 + i, block, 50, 0);
        ring_queue(ring, sqe, IOSQE_FIXED_FILE);
        ring_expect(ring, 50);
    }
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    close(listener);
    truth_fact(truth, "accepted_into_slots", "[%s]", slots.text);
    truth_fact(truth, "multishot",
               "[{\"operation\": \"ACCEPT\", \"completions\": 3, \"ended_by\": \"ENFILE\", "
               "\"result\": %d}]", -ENFILE);
}

/* Operations on registered files: the SQE's fd is then an index. */
void subject_fixed_files(struct truth *truth)
{
    struct ring ring;
    if (!ring_open(&ring, truth, 16, 0))
        return;
    int error = io_uring_register_files_sparse(&ring.uring, SLOTS);
    if (error) {
        truth_unsupported(truth, "registering an empty file table: %s", strerror(-error));
        ring_close(&ring);
        return;
    }
    open_into_slot(&ring);
    update_slot(&ring);
    accept_into_slots(&ring, truth);

    /* The other way: a plain descriptor for the file in slot 1; since 6.8. */
    if (ring_has(&ring, OP_FIXED_FD_INSTALL)) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_rw(OP_FIXED_FD_INSTALL, sqe, 1, NULL, 0, 0);
        ring_queue(&ring, sqe, IOSQE_FIXED_FILE);
        ring_submit(&ring);
        int fd = ring_reap(&ring).result;
        CHECK(fd >= 0);
        close(fd);
    }
    ring_close(&ring);
    truth_fact(truth, "registered_files", "%d", SLOTS);
}

/* Reads and writes through two registered buffers, by index. */
void subject_fixed_buffers(struct truth *truth)
{
    static char memory[2][8192];
    struct ring ring;
    struct iovec buffers[2] = {{memory[0], sizeof(memory[0])}, {memory[1], sizeof(memory[1])}};
    if (!ring_open(&ring, truth, 16, 0))
        return;
    int error = io_uring_register_buffers(&ring.uring, buffers, 2);
    if (error) {
        truth_unsupported(truth, "registering buffers: %s", strerror(-error));
        ring_close(&ring);
        return;
    }
    int fd = temporary_file(0);
    for (int i = 0; i < 4; i++) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_write_fixed(sqe, fd, memory[i % 2], 8192, i * 8192, i % 2);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 8192);
    }
    for (int i = 0; i < 8; i++) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_read_fixed(sqe, fd, memory[i % 2], 4096, i * 4096, i % 2);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 4096);
    }
    /* An index that is not registered. */
    struct io_uring_sqe *sqe = ring_sqe(&ring);
    io_uring_prep_read_fixed(sqe, fd, memory[0], 4096, 0, 5);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, -EFAULT);
    close(fd);
    ring_close(&ring);
    truth_fact(truth, "registered_buffers", "2");
}
