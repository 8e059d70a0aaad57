/* Single and batched submission, files, and the socket calls. */
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "endpoints.h"
#include "ring.h"
#include "subjects.h"

/* NOPs, 8 submitted one at a time and 4 batches of 32. NOP completes where it is issued. */
void subject_nop(struct truth *truth)
{
    struct ring ring;
    if (!ring_open(&ring, truth, 64, 0))
        return;
    for (int i = 0; i < 8; i++) {
        ring_queue_nops(&ring, 1, 0);
        ring_expect(&ring, 0);
    }
    for (int i = 0; i < 4; i++) {
        ring_queue_nops(&ring, 32, 0);
        ring_submit(&ring);
        ring_reap_many(&ring, 32);
    }
    ring_close(&ring);
    truth_paths(truth, IORING_OP_NOP, 8 + 4 * 32, 0, 0);
    truth_fact(truth, "batch_sizes", "{\"1\": 8, \"32\": 4}");
}

/* A file from creation to removal: every call succeeds, but one read of a closed descriptor.
 *
 * fsync, fallocate, statx and unlinkat may sleep, so their prep sets REQ_F_FORCE_ASYNC (older
 * kernels: the issue returns -EAGAIN under IO_URING_F_NONBLOCK); either way a worker does
 * them. Whether reads and writes do depends on the file system and the page cache. */
void subject_files(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    char path[4096], block[4096];
    memset(block, 'b', sizeof(block));
    if (!ring_open(&ring, truth, 64, 0))
        return;
    temporary_path(path, sizeof(path));

    sqe = ring_sqe(&ring);
    io_uring_prep_openat(sqe, AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    ring_queue(&ring, sqe, 0);
    ring_submit(&ring);
    int fd = ring_reap(&ring).result;
    CHECK(fd >= 0);

    sqe = ring_sqe(&ring);
    io_uring_prep_fallocate(sqe, fd, 0, 0, 8 * sizeof(block));
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);

    for (unsigned i = 0; i < 6; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_write(sqe, fd, block, sizeof(block), i * sizeof(block));
        ring_queue(&ring, sqe, 0);
    }
    ring_submit(&ring);
    ring_reap_many(&ring, 6);

    struct iovec pieces[2] = {{block, 1000}, {block, 3096}};
    for (unsigned i = 6; i < 8; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_writev(sqe, fd, pieces, 2, i * sizeof(block));
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, sizeof(block));
    }

    sqe = ring_sqe(&ring);
    io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);

    for (unsigned i = 0; i < 8; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_read(sqe, fd, block, sizeof(block), i * sizeof(block));
        ring_queue(&ring, sqe, 0);
    }
    ring_submit(&ring);
    ring_reap_many(&ring, 8);

    sqe = ring_sqe(&ring);
    io_uring_prep_readv(sqe, fd, pieces, 2, 0);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, sizeof(block));

    /* At the end of the file: success with no bytes. */
    sqe = ring_sqe(&ring);
    io_uring_prep_read(sqe, fd, block, sizeof(block), 8 * sizeof(block));
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);

    struct statx status;
    sqe = ring_sqe(&ring);
    io_uring_prep_statx(sqe, AT_FDCWD, path, 0, STATX_SIZE, (struct statx *)&status);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);
    CHECK_RESULT(status.stx_size, 8 * sizeof(block));

    sqe = ring_sqe(&ring);
    io_uring_prep_close(sqe, fd);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);

    sqe = ring_sqe(&ring);
    io_uring_prep_read(sqe, fd, block, sizeof(block), 0);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, -EBADF);

    sqe = ring_sqe(&ring);
    io_uring_prep_unlinkat(sqe, AT_FDCWD, path, 0);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);
    ring_close(&ring);

    truth_paths(truth, IORING_OP_FALLOCATE, 0, 0, 1);
    truth_paths(truth, IORING_OP_FSYNC, 0, 0, 1);
    truth_paths(truth, IORING_OP_STATX, 0, 0, 1);
    truth_paths(truth, IORING_OP_UNLINKAT, 0, 0, 1);
}

static void connect_and_accept(struct ring *ring, int ends[2])
{
    struct sockaddr_in address;
    struct io_uring_sqe *sqe;
    int listener = tcp_listener(&address);

    sqe = ring_sqe(ring);
    io_uring_prep_socket(sqe, AF_INET, SOCK_STREAM, 0, 0);
    ring_queue(ring, sqe, 0);
    ring_submit(ring);
    ends[0] = ring_reap(ring).result;
    CHECK(ends[0] >= 0);

    sqe = ring_sqe(ring);
    io_uring_prep_connect(sqe, ends[0], (struct sockaddr *)&address, sizeof(address));
    ring_queue(ring, sqe, 0);
    ring_expect(ring, 0);

    sqe = ring_sqe(ring);
    io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    ring_queue(ring, sqe, 0);
    ring_submit(ring);
    ends[1] = ring_reap(ring).result;
    CHECK(ends[1] >= 0);
    close(listener);
}

/* A TCP connection whose every step is an io_uring operation. Data is there before it is
 * asked for, so sends and receives complete where they are issued. */
void subject_sockets(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    char buffer[512] = {0};
    int ends[2], pipes[2][2];
    if (!ring_open(&ring, truth, 64, 0))
        return;
    if (!ring_offers(&ring, IORING_OP_SOCKET, "SOCKET")) {
        ring_close(&ring);
        return;
    }
    connect_and_accept(&ring, ends);

    for (int i = 0; i < 5; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_send(sqe, ends[0], buffer, 100, 0);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 100);
        sqe = ring_sqe(&ring);
        io_uring_prep_recv(sqe, ends[1], buffer, sizeof(buffer), 0);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 100);
    }

    struct iovec pieces[2] = {{buffer, 50}, {buffer + 50, 150}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    for (int i = 0; i < 3; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_sendmsg(sqe, ends[1], &message, 0);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 200);
        sqe = ring_sqe(&ring);
        io_uring_prep_recvmsg(sqe, ends[0], &message, 0);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 200);
    }

    sqe = ring_sqe(&ring);
    io_uring_prep_shutdown(sqe, ends[0], SHUT_WR);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);
    sqe = ring_sqe(&ring);
    io_uring_prep_recv(sqe, ends[1], buffer, sizeof(buffer), 0);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);
    for (int i = 0; i < 2; i++) {
        sqe = ring_sqe(&ring);
        io_uring_prep_close(sqe, ends[i]);
        ring_queue(&ring, sqe, 0);
        ring_expect(&ring, 0);
    }

    CHECK_RESULT(pipe(pipes[0]), 0);
    CHECK_RESULT(pipe(pipes[1]), 0);
    put_bytes(pipes[0][1], 300);
    sqe = ring_sqe(&ring);
    io_uring_prep_tee(sqe, pipes[0][0], pipes[1][1], 120, 0);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 120);
    sqe = ring_sqe(&ring);
    io_uring_prep_splice(sqe, pipes[0][0], -1, pipes[1][1], -1, 300, 0);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 300);
    close_pair(pipes[0]);
    close_pair(pipes[1]);
    ring_close(&ring);

    truth_paths(truth, IORING_OP_SEND, 5, 0, 0);
    truth_paths(truth, IORING_OP_RECV, 6, 0, 0);
    truth_paths(truth, IORING_OP_SENDMSG, 3, 0, 0);
    truth_paths(truth, IORING_OP_RECVMSG, 3, 0, 0);
    /* Splice and tee have no way not to block (io_uring/splice.c: REQ_F_FORCE_ASYNC). */
    truth_paths(truth, IORING_OP_SPLICE, 0, 0, 1);
    truth_paths(truth, IORING_OP_TEE, 0, 0, 1);
}
