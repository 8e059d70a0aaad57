/* Child processes that keep books of their own. */
#ifndef KINDS_PROCESSES_H
#define KINDS_PROCESSES_H

#include <sys/types.h>

#include "truth.h"

struct child {
    pid_t pid;
    struct truth *truth; /* shared with the child; valid until child_end() */
};

/* Forks a child that runs `work`. The child must not return from it but call _exit(). */
struct child child_start(const char *subject, void (*work)(struct truth *truth));

/* Waits for the child, expects this exit status (or -SIGNAL), and adds its books. Returns the
 * number of CQEs it reaped. */
uint64_t child_end(struct child *child, struct truth *into, int status);

/* A line of processes that start together: each arrives once, then waits for release. */
struct gate {
    int arrived[2];
    int released[2];
};
void gate_open(struct gate *gate);
void gate_arrive_and_wait(const struct gate *gate);
void gate_await(const struct gate *gate, unsigned count);
void gate_release(const struct gate *gate);
void gate_close(struct gate *gate);

#endif
