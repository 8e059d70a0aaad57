/* calls: performs many different system calls, the same ones with the same results in every run.
 *
 *     calls FOLDER     in FOLDER, which must be empty; single-threaded
 *     calls            does nothing; what a child of the first form executes
 *
 * Exits 1, naming the place, when a call has another result than the program is written for.
 * Where the C library would choose another call than the one meant, it is made with syscall().
 */
#include <stdio.h>

#include "steps.h"

static void fail(const char *file, int line, long result)
{
    dprintf(STDERR_FILENO, "%s:%d: result %ld, errno %d\n", file, line, result, errno);
    exit(1);
}

long step_done(const char *file, int line, long result)
{
    if (result == -1)
        fail(file, line, result);
    return result;
}

void step_refused(const char *file, int line, int error, long result)
{
    if (result != -1 || errno != error)
        fail(file, line, result);
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return 0;
    /* Calls that wait have 30 s; none does in a run that succeeds. */
    alarm(30);
    DONE(chdir(argv[1]));
    files();
    names();
    descriptors();
    sockets();
    readiness();
    processes(argv[0]);
    memory();
    rings();
    return 0;
}
