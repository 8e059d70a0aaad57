#include "counted.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum call { WAIT, CONTROL, ACCEPT, RECEIVE, SEND, CLOSE, CALLS };

/* The calls that the C library's functions make. */
static const char *const NAMES[CALLS] = {
#ifdef SYS_epoll_wait
    [WAIT] = "epoll_wait",
#else
    [WAIT] = "epoll_pwait",
#endif
    [CONTROL] = "epoll_ctl", [ACCEPT] = "accept4", [RECEIVE] = "recvfrom", [SEND] = "sendto", [CLOSE] = "close",
};

static unsigned long long calls[CALLS], failed[CALLS], readiness;

static ssize_t counted(enum call call, ssize_t result)
{
    calls[call]++;
    failed[call] += result < 0;
    return result;
}

int counted_epoll_wait(int epoll, struct epoll_event *events, int room)
{
    int found = counted(WAIT, epoll_wait(epoll, events, room, -1));
    readiness += found > 0 ? found : 0;
    return found;
}

int counted_epoll_ctl(int epoll, int operation, int fd, unsigned events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return counted(CONTROL, epoll_ctl(epoll, operation, fd, &event));
}

int counted_accept(int listener)
{
    return counted(ACCEPT, accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

ssize_t counted_recv(int fd, void *to, size_t room)
{
    return counted(RECEIVE, recv(fd, to, room, 0));
}

ssize_t counted_send(int fd, const void *from, size_t length)
{
    return counted(SEND, send(fd, from, length, MSG_NOSIGNAL));
}

int counted_close(int fd)
{
    return counted(CLOSE, close(fd));
}

void count_from_here(void)
{
    memset(calls, 0, sizeof calls);
    memset(failed, 0, sizeof failed);
    readiness = 0;
}

static void print_object(const char *name, const unsigned long long *values)
{
    printf("\"%s\": {", name);
    for (int call = 0; call < CALLS; call++)
        printf("%s\"%s\": %llu", call ? ", " : "", NAMES[call], values[call]);
    printf("}");
}

void print_counts(void)
{
    print_object("calls", calls);
    printf(", ");
    print_object("failed", failed);
    printf(", \"readiness\": %llu", readiness);
}
