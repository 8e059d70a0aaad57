/* Waiting for descriptors: epoll, poll, select. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "steps.h"

static void with_epoll(int first, int second)
{
    uint64_t value = 1;
    struct epoll_event ready[8];
    struct epoll_event edge = {.events = EPOLLIN | EPOLLET, .data.u64 = 2147483648u};
    struct epoll_event once = {.events = EPOLLIN | EPOLLOUT | EPOLLONESHOT, .data.u64 = 0x123456789abcull};
    struct epoll_event alone = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = second};
    int epoll = DONE(epoll_create1(EPOLL_CLOEXEC)), outer = DONE(syscall(SYS_epoll_create, 1));

    DONE(epoll_ctl(epoll, EPOLL_CTL_ADD, first, &edge));
    DONE(syscall(SYS_epoll_wait, epoll, ready, 8, 0));
    REFUSED(EEXIST, epoll_ctl(epoll, EPOLL_CTL_ADD, first, &edge));
    REFUSED(EBADF, epoll_ctl(epoll, EPOLL_CTL_ADD, 1000, &edge));
    DONE(write(first, &value, sizeof(value)));
    DONE(syscall(SYS_epoll_wait, epoll, ready, 8, -1));
    DONE(syscall(SYS_epoll_wait, epoll, ready, 8, 0));
    DONE(epoll_ctl(epoll, EPOLL_CTL_MOD, first, &once));
    DONE(epoll_pwait(epoll, ready, 8, 100, NULL));
    DONE(syscall(SYS_epoll_wait, epoll, ready, 8, 1));
    DONE(epoll_ctl(epoll, EPOLL_CTL_MOD, first, &once));
    DONE(epoll_ctl(epoll, EPOLL_CTL_ADD, second, &alone));
    DONE(write(second, &value, sizeof(value)));
    DONE(syscall(SYS_epoll_wait, epoll, ready, 8, -1));
    REFUSED(EINVAL, epoll_ctl(epoll, EPOLL_CTL_MOD, second, &alone));
    DONE(epoll_ctl(outer, EPOLL_CTL_ADD, epoll, &edge));
    DONE(syscall(SYS_epoll_wait, outer, ready, 1, 0));
    DONE(read(second, &value, sizeof(value)));
    DONE(epoll_ctl(epoll, EPOLL_CTL_DEL, second, NULL));
    REFUSED(ENOENT, epoll_ctl(epoll, EPOLL_CTL_DEL, second, NULL));
    REFUSED(EINVAL, syscall(SYS_epoll_wait, epoll, ready, 0, 0));
    REFUSED(EINVAL, syscall(SYS_epoll_wait, first, ready, 1, 0));
    TRIED(syscall(SYS_epoll_pwait2, epoll, ready, 8, &(struct timespec){0}, NULL, 0));
    DONE(close(outer));
    DONE(close(epoll));
    DONE(read(first, &value, sizeof(value)));
}

/* `first` is not readable, `second` becomes so. */
static void with_sets(int first, int second)
{
    uint64_t value = 1;
    struct timeval soon = {0};
    struct timespec sooner = {0};
    sigset_t none;
    sigemptyset(&none);
    struct pollfd both[3] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}, {.fd = -1}};
    fd_set readable, writable;
    FD_ZERO(&readable);
    FD_SET(first, &readable);
    FD_SET(second, &readable);

    DONE(syscall(SYS_poll, both, 3, 1));
    DONE(syscall(SYS_select, second + 1, &readable, NULL, NULL, &soon));
    DONE(write(second, &value, sizeof(value)));
    DONE(syscall(SYS_poll, both, 3, -1));
    DONE(ppoll(both, 2, NULL, &none));
    DONE(ppoll(both, 1, &sooner, NULL));
    FD_SET(first, &readable);
    FD_SET(second, &readable);
    FD_ZERO(&writable);
    FD_SET(first, &writable);
    DONE(syscall(SYS_select, second + 1, &readable, &writable, NULL, NULL));
    FD_SET(first, &readable);
    DONE(pselect(second + 1, &readable, NULL, NULL, NULL, &none));
    REFUSED(EINVAL, syscall(SYS_select, -1, NULL, NULL, NULL, NULL));
    both[0].fd = 1000;
    DONE(syscall(SYS_poll, both, 1, 0));
    REFUSED(EFAULT, syscall(SYS_poll, 8, 1, 0));
    DONE(read(second, &value, sizeof(value)));
}

#define MANY 20

/* More than fit into one piece of anything. */
static void with_many(void)
{
    struct epoll_event ready[MANY];
    struct pollfd polled[MANY];
    fd_set writable;
    int epoll = DONE(epoll_create1(0)), last = 0;
    FD_ZERO(&writable);
    for (int i = 0; i < MANY; i++) {
        last = DONE(eventfd(0, 0));
        struct epoll_event event = {.events = EPOLLOUT, .data.u64 = last};
        DONE(epoll_ctl(epoll, EPOLL_CTL_ADD, last, &event));
        polled[i] = (struct pollfd){.fd = last, .events = i % 2 ? POLLIN | POLLOUT : POLLIN};
        FD_SET(last, &writable);
    }
    DONE(syscall(SYS_epoll_wait, epoll, ready, MANY, -1));
    DONE(syscall(SYS_poll, polled, MANY, -1));
    DONE(syscall(SYS_select, last + 1, NULL, &writable, NULL, NULL));
    for (int i = 0; i < MANY; i++)
        DONE(close(polled[i].fd));
    DONE(close(epoll));
}

void readiness(void)
{
    int first = DONE(eventfd(0, 0)), second = DONE(eventfd(0, 0));
    with_epoll(first, second);
    with_sets(first, second);
    with_many();
    DONE(close(first));
    DONE(close(second));
}
