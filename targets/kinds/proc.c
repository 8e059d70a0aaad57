#include "proc.h"

#include <string.h>
#include <time.h>

static FILE *open_fdinfo(const struct ring *ring)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ring->uring.ring_fd);
    return fopen(path, "r");
}

int ring_sq_thread(const struct ring *ring)
{
    char line[256];
    int thread = -1;
    FILE *file = open_fdinfo(ring);
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "SqThread: %d", &thread) == 1)
            break;
    if (file)
        fclose(file);
    return thread;
}

/* Entries of the overflow list, which comes last; -1 when it is not shown. */
static int overflow_length(const struct ring *ring)
{
    char line[256];
    int length = -1;
    FILE *file = open_fdinfo(ring);
    while (file && fgets(line, sizeof(line), file)) {
        if (!strncmp(line, "CqOverflowList:", 15))
            length = 0;
        else if (length >= 0 && strstr(line, "user_data="))
            length++;
    }
    if (file)
        fclose(file);
    return length;
}

bool ring_await_overflow(const struct ring *ring, unsigned count)
{
    const struct timespec moment = {.tv_nsec = 200000};
    for (;;) {
        int length = overflow_length(ring);
        if (length < 0)
            return false;
        if ((unsigned)length >= count)
            return true;
        nanosleep(&moment, NULL);
    }
}
