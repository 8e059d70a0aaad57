#include "processes.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "endpoints.h"

struct child child_start(const char *subject, void (*work)(struct truth *truth))
{
    struct child child = {.truth = mmap(NULL, sizeof(struct truth), PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    CHECK(child.truth != MAP_FAILED);
    truth_start(child.truth, subject);
    child.pid = fork();
    CHECK(child.pid >= 0);
    if (child.pid == 0) {
        work(child.truth);
        _exit(1);
    }
    return child;
}

uint64_t child_end(struct child *child, struct truth *into, int expected)
{
    int status;
    CHECK_RESULT(waitpid(child->pid, &status, 0), child->pid);
    CHECK_RESULT(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), expected);
    if (!child->truth->supported)
        truth_unsupported(into, "%s", child->truth->why);
    truth_add(into, child->truth);
    into->processes++;
    uint64_t cqe_total = child->truth->cqe_total;
    munmap(child->truth, sizeof(struct truth));
    return cqe_total;
}

void gate_open(struct gate *gate)
{
    CHECK_RESULT(pipe(gate->arrived), 0);
    CHECK_RESULT(pipe(gate->released), 0);
}

void gate_arrive_and_wait(const struct gate *gate)
{
    char byte;
    put_bytes(gate->arrived[1], 1);
    /* The end of the pipe is the signal, so every reader must have dropped its writing end. */
    close(gate->released[1]);
    CHECK_RESULT(read(gate->released[0], &byte, 1), 0);
}

void gate_await(const struct gate *gate, unsigned count)
{
    char byte;
    while (count--)
        CHECK_RESULT(read(gate->arrived[0], &byte, 1), 1);
}

void gate_release(const struct gate *gate)
{
    close(gate->released[1]);
}

void gate_close(struct gate *gate)
{
    close(gate->arrived[0]);
    close(gate->arrived[1]);
    close(gate->released[0]);
}
