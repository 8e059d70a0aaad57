/* calls: one kind of system call, over and over, as fast as it goes.
 *
 *     calls [--pause] [KIND [SECONDS]]      default: pread, for 1 second
 *
 * KIND is getppid (the least a call can do), pread (1 byte of /dev/zero), or 64 bytes that go
 * through a pipe (write, read) or over a TCP connection to itself (tcp: send, recv).
 *
 * Prints one JSON line with the calls per second of its processor time, which other processes'
 * use of the processor does not shorten. With --pause it first prints {"ready": PID} and
 * waits for a line on stdin. It serves as target, and as the bystander that a tracer should not slow.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../pause.h"

#define BETWEEN_CLOCKS 256
#define SIZE 64

static int from, to;
static char bytes[SIZE];

static long long now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static bool open_nothing(void)
{
    return true;
}

static bool open_zero(void)
{
    from = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    return from >= 0;
}

static bool open_pipe(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return false;
    from = ends[0];
    to = ends[1];
    return true;
}

static bool open_connection(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    to = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&address, &length) ||
        setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) ||
        connect(to, (struct sockaddr *)&address, length))
        return false;
    from = accept(listener, NULL, NULL);
    return from >= 0;
}

static bool call_getppid(void)
{
    return getppid() >= 0;
}

static bool call_pread(void)
{
    return pread(from, bytes, 1, 0) == 1;
}

static bool call_write_and_read(void)
{
    return write(to, bytes, SIZE) == SIZE && read(from, bytes, SIZE) == SIZE;
}

static bool call_send_and_receive(void)
{
    return send(to, bytes, SIZE, 0) == SIZE && recv(from, bytes, SIZE, 0) == SIZE;
}

static const struct kind {
    const char *name;
    int calls; /* in one go */
    bool (*open)(void);
    bool (*go)(void);
} KINDS[] = {
    {"getppid", 1, open_nothing, call_getppid},
    {"pread", 1, open_zero, call_pread},
    {"pipe", 2, open_pipe, call_write_and_read},
    {"tcp", 2, open_connection, call_send_and_receive},
};

static const struct kind *kind_named(const char *name)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (!strcmp(KINDS[i].name, name))
            return &KINDS[i];
    return NULL;
}

int main(int argc, char **argv)
{
    bool pause = argc > 1 && !strcmp(argv[1], "--pause");
    char **words = argv + 1 + pause;
    int given = argc - 1 - pause;
    const struct kind *kind = kind_named(given > 0 ? words[0] : "pread");
    double seconds = given > 1 ? atof(words[1]) : 1;
    if (!kind || seconds <= 0 || given > 2) {
        fprintf(stderr, "usage: calls [--pause] [getppid|pread|pipe|tcp [SECONDS]]\n");
        return 2;
    }
    if (!kind->open()) {
        perror("calls: cannot prepare");
        return 1;
    }
    if (pause)
        wait_for_line();

    long long calls = 0, start_ns = now_ns(CLOCK_MONOTONIC), elapsed_ns;
    long long cpu_start_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    do {
        for (int i = 0; i < BETWEEN_CLOCKS; i++)
            if (!kind->go()) {
                perror("calls: failed");
                return 1;
            }
        calls += BETWEEN_CLOCKS * kind->calls;
        elapsed_ns = now_ns(CLOCK_MONOTONIC) - start_ns;
    } while (elapsed_ns < seconds * 1e9);
    long long cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_start_ns;

    printf("{\"kind\": \"%s\", \"calls\": %lld, \"elapsed_ns\": %lld, \"cpu_ns\": %lld, "
           "\"calls_per_second\": %.0f}\n",
           kind->name, calls, elapsed_ns, cpu_ns, calls * 1e9 / cpu_ns);
    return 0;
}
