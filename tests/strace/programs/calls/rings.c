/* The three calls of io_uring, with one NOP. */
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "steps.h"

void rings(void)
{
    struct io_uring_params params = {0};
    int ring = syscall(SYS_io_uring_setup, 4, &params);
    if (ring < 0)
        return;
    int counter = DONE(eventfd(0, EFD_CLOEXEC));
    size_t size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    size_t sqes_size = params.sq_entries * sizeof(struct io_uring_sqe);
    char *queue = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
                       IORING_OFF_SQ_RING);
    struct io_uring_sqe *sqes = mmap(NULL, sqes_size, PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
    DONE((long)queue);
    DONE((long)sqes);
    sqes[0] = (struct io_uring_sqe){.opcode = IORING_OP_NOP, .user_data = 42};
    ((unsigned *)(queue + params.sq_off.array))[0] = 0;
    atomic_store((_Atomic unsigned *)(queue + params.sq_off.tail), 1);
    DONE(syscall(SYS_io_uring_register, ring, IORING_REGISTER_EVENTFD, &counter, 1));
    DONE(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
    DONE(syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_EVENTFD, NULL, 0));
    REFUSED(EINVAL, syscall(SYS_io_uring_setup, 0, &params));
    REFUSED(EBADF, syscall(SYS_io_uring_enter, 1000, 0, 0, 0, NULL, 0));
    DONE(munmap(sqes, sqes_size));
    DONE(munmap(queue, size));
    DONE(close(counter));
    DONE(close(ring));
}
