/* Provided buffers: the legacy operations and registered rings. */
#include "buffers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "endpoints.h"
#include "subjects.h"

bool buffer_ring_open(struct buffer_ring *buffers, struct ring *ring, unsigned group,
                      unsigned count, unsigned size)
{
    *buffers = (struct buffer_ring){.ring = ring, .count = count, .size = size, .group = group};
    buffers->entries = mmap(NULL, count * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                            MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    CHECK(buffers->entries != MAP_FAILED);
    struct io_uring_buf_reg request = {.ring_addr = (uintptr_t)buffers->entries,
                                       .ring_entries = count,
                                       .bgid = group};
    int error = io_uring_register_buf_ring(&ring->uring, &request, 0);
    if (error) {
        munmap(buffers->entries, count * sizeof(struct io_uring_buf));
        truth_unsupported(ring->truth, "IORING_REGISTER_PBUF_RING: %s", strerror(-error));
        return false;
    }
    io_uring_buf_ring_init(buffers->entries);
    buffers->memory = malloc((size_t)count * size);
    CHECK(buffers->memory);
    for (unsigned id = 0; id < count; id++)
        buffer_ring_give(buffers, id);
    return true;
}

void buffer_ring_give(struct buffer_ring *buffers, unsigned id)
{
    io_uring_buf_ring_add(buffers->entries, buffers->memory + (size_t)id * buffers->size,
                          buffers->size, id, io_uring_buf_ring_mask(buffers->count), 0);
    io_uring_buf_ring_advance(buffers->entries, 1);
}

void buffer_ring_close(struct buffer_ring *buffers)
{
    CHECK_RESULT(io_uring_unregister_buf_ring(&buffers->ring->uring, buffers->group), 0);
    munmap(buffers->entries, buffers->count * sizeof(struct io_uring_buf));
    free(buffers->memory);
}

unsigned buffer_id(struct completion completion)
{
    CHECK(completion.flags & IORING_CQE_F_BUFFER);
    return completion.flags >> IORING_CQE_BUFFER_SHIFT;
}

static void queue_receive(struct ring *ring, int fd, unsigned group)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_recv(sqe, fd, NULL, 64, 0);
    sqe->buf_group = group;
    ring_queue(ring, sqe, IOSQE_BUFFER_SELECT);
}

/* Buffers handed over with PROVIDE_BUFFERS: four receives take them, a fifth finds none. Two
 * more are provided and taken away again with REMOVE_BUFFERS. */
void subject_provided_buffers(struct truth *truth)
{
    struct ring ring;
    struct io_uring_sqe *sqe;
    struct list ids = {0};
    char memory[6][64];
    int ends[2];
    if (!ring_open(&ring, truth, 16, 0))
        return;
    unix_pair(ends);

    sqe = ring_sqe(&ring);
    io_uring_prep_provide_buffers(sqe, memory, 64, 4, 3, 100);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);
    for (int i = 0; i < 4; i++) {
        put_bytes(ends[1], 20);
        queue_receive(&ring, ends[0], 3);
        list_add(&ids, "%u", buffer_id(ring_expect(&ring, 20)));
    }
    put_bytes(ends[1], 20);
    queue_receive(&ring, ends[0], 3);
    ring_expect(&ring, -ENOBUFS);

    sqe = ring_sqe(&ring);
    io_uring_prep_provide_buffers(sqe, memory[4], 64, 2, 3, 104);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 0);
    sqe = ring_sqe(&ring);
    io_uring_prep_remove_buffers(sqe, 8, 3);
    ring_queue(&ring, sqe, 0);
    ring_expect(&ring, 2);

    close_pair(ends);
    ring_close(&ring);
    truth_paths(truth, IORING_OP_RECV, 5, 0, 0);
    truth_fact(truth, "buffer_ids", "[%s]", ids.text);
    truth_fact(truth, "buffer_group", "3");
}

/* Buffers from a registered ring of 4: six receives go round it, two of them after waiting. */
void subject_buffer_ring(struct truth *truth)
{
    struct ring ring;
    struct buffer_ring buffers;
    struct list ids = {0};
    int ends[2];
    if (!ring_open(&ring, truth, 16, 0))
        return;
    if (!buffer_ring_open(&buffers, &ring, 7, 4, 64)) {
        ring_close(&ring);
        return;
    }
    unix_pair(ends);
    for (int i = 0; i < 6; i++) {
        bool wait = i >= 4;
        if (!wait)
            put_bytes(ends[1], 30);
        queue_receive(&ring, ends[0], 7);
        ring_submit(&ring);
        if (wait)
            put_bytes(ends[1], 30);
        unsigned id = buffer_id(ring_expect(&ring, 30));
        list_add(&ids, "%u", id);
        buffer_ring_give(&buffers, id);
    }
    close_pair(ends);
    buffer_ring_close(&buffers);
    ring_close(&ring);
    truth_paths(truth, IORING_OP_RECV, 4, 2, 0);
    truth_fact(truth, "buffer_ids", "[%s]", ids.text);
    truth_fact(truth, "buffer_group", "7");
}
