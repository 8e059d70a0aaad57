/* Several rings in several processes, all open at the same time. */
#include <unistd.h>

#include "endpoints.h"
#include "processes.h"
#include "ring.h"
#include "subjects.h"

#define CHILDREN 3
#define RINGS_EACH 2

static struct gate gate;

static bool open_rings(struct ring *rings, struct truth *truth)
{
    for (int i = 0; i < RINGS_EACH; i++)
        if (!ring_open(&rings[i], truth, 32, 0))
            return false;
    return true;
}

/* 1000 NOPs and 10 receives that have to wait, alternating between the rings. */
static void use_rings(struct ring *rings)
{
    char buffer[64];
    int ends[2];
    unix_pair(ends);
    for (int i = 0; i < 10; i++) {
        struct ring *ring = &rings[i % RINGS_EACH];
        ring_queue_nops(ring, 20, 0);
        ring_submit(ring);
        ring_reap_many(ring, 20);
        struct io_uring_sqe *sqe = ring_sqe(ring);
        io_uring_prep_recv(sqe, ends[0], buffer, sizeof(buffer), 0);
        ring_queue(ring, sqe, 0);
        ring_submit(ring);
        for (int k = 0; k < 4; k++) {
            ring_queue_nops(&rings[k % RINGS_EACH], 20, 0);
            ring_submit(&rings[k % RINGS_EACH]);
            ring_reap_many(&rings[k % RINGS_EACH], 20);
        }
        put_bytes(ends[1], 10);
        ring_expect(ring, 10);
    }
    close_pair(ends);
}

static void child_work(struct truth *truth)
{
    struct ring rings[RINGS_EACH];
    bool opened = open_rings(rings, truth);
    gate_arrive_and_wait(&gate);
    if (opened) {
        use_rings(rings);
        for (int i = 0; i < RINGS_EACH; i++)
            ring_close(&rings[i]);
    }
    _exit(0);
}

static void add_process(struct list *list, pid_t pid, uint64_t cqe_total)
{
    list_add(list, "{\"pid\": %d, \"rings\": %d, \"cqe_total\": %llu}", (int)pid, RINGS_EACH,
             (unsigned long long)cqe_total);
}

/* 8 rings in 4 processes. */
void subject_many_rings(struct truth *truth)
{
    struct ring rings[RINGS_EACH];
    struct child children[CHILDREN];
    struct list processes = {0};
    if (!open_rings(rings, truth))
        return;
    gate_open(&gate);
    for (int i = 0; i < CHILDREN; i++)
        children[i] = child_start("many_rings", child_work);
    gate_await(&gate, CHILDREN);
    gate_release(&gate);
    use_rings(rings);
    for (int i = 0; i < RINGS_EACH; i++)
        ring_close(&rings[i]);

    add_process(&processes, getpid(), truth->cqe_total);
    for (int i = 0; i < CHILDREN; i++)
        add_process(&processes, children[i].pid, child_end(&children[i], truth, 0));
    gate_close(&gate);
    truth_fact(truth, "rings_at_once", "%d", (CHILDREN + 1) * RINGS_EACH);
    truth_fact(truth, "by_process", "[%s]", processes.text);
}
