/* nop: NOP operations through io_uring, at full speed or at a rate.
 *
 *     nop [--pause] [OPERATIONS [BATCH [RATE]]]      default: 20,000,000 operations, 32 at a time
 *
 * With RATE it makes that many operations each second, if it can, and sleeps in between.
 *
 * Prints one JSON line with the nanoseconds per operation. The clock runs around the loop only,
 * so that neither start-up nor a tracer's attaching counts. With --pause it first prints
 * {"ready": PID} and waits for a line on stdin.
 */
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../pause.h"

#define MAX_BATCH 256

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Sleep when more was done than the rate allows until now; shorter sleeps are not worth their call. */
static void keep_to(long long rate, long long start_ns, long long done)
{
    long long due_ns = start_ns + (long long)((double)done * 1e9 / rate);
    if (due_ns - now_ns() < 500000)
        return;
    struct timespec due = {.tv_sec = due_ns / 1000000000LL, .tv_nsec = due_ns % 1000000000LL};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static void run_batch(struct io_uring *ring, unsigned batch, unsigned long long user_data)
{
    for (unsigned i = 0; i < batch; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        io_uring_prep_nop(sqe);
        sqe->user_data = user_data + i;
    }
    for (unsigned reaped = 0; reaped < batch;) {
        struct io_uring_cqe *cqe;
        unsigned head, found = 0;
        if (io_uring_submit_and_wait(ring, batch - reaped) < 0) {
            perror("nop: io_uring_enter");
            exit(1);
        }
        io_uring_for_each_cqe(ring, head, cqe) found++;
        io_uring_cq_advance(ring, found);
        reaped += found;
    }
}

int main(int argc, char **argv)
{
    bool pause = argc > 1 && !strcmp(argv[1], "--pause");
    char **numbers = argv + 1 + pause;
    int given = argc - 1 - pause;
    long long operations = given > 0 ? atoll(numbers[0]) : 20000000;
    long long batch = given > 1 ? atoll(numbers[1]) : 32;
    long long rate = given > 2 ? atoll(numbers[2]) : 0;
    if (operations < 1 || batch < 1 || batch > MAX_BATCH || rate < 0 || given > 3) {
        fprintf(stderr, "usage: nop [--pause] [OPERATIONS [BATCH [RATE]]]   (BATCH at most %d)\n", MAX_BATCH);
        return 2;
    }

    struct io_uring ring;
    int error = io_uring_queue_init(MAX_BATCH, &ring, 0);
    if (error) {
        fprintf(stderr, "nop: io_uring_setup: %s\n", strerror(-error));
        return 1;
    }
    if (pause)
        wait_for_line();

    long long start_ns = now_ns();
    for (long long done = 0; done < operations; done += batch) {
        run_batch(&ring, operations - done < batch ? operations - done : batch, done);
        if (rate)
            keep_to(rate, start_ns, done + batch);
    }
    long long elapsed_ns = now_ns() - start_ns;

    printf("{\"operations\": %lld, \"batch\": %lld, \"elapsed_ns\": %lld, \"ns_per_operation\": %.2f}\n",
           operations, batch, elapsed_ns, (double)elapsed_ns / operations);
    io_uring_queue_exit(&ring);
    return 0;
}
