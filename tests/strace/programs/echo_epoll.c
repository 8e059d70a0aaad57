/* An echo server with one edge-triggered epoll instance: it reads and accepts until EAGAIN. */
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "listening.h"

#define LISTENER_TOKEN 2147483648u

static int epoll;

static void watch(int descriptor, unsigned events, uint64_t token)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.u64 = token};
    done(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

/* Returns how many connections there were to accept. */
static int accept_all(int listener, int left)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof(peer);
    int accepted = 0, connection;
    while ((connection = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        accepted++;
        if (accepted == left) {
            close(connection);
            return accepted;
        }
        watch(connection, EPOLLIN | EPOLLOUT | EPOLLRDHUP, connection);
    }
    return accepted;
}

static void echo(int connection)
{
    char buffer[1024];
    ssize_t length;
    while ((length = recv(connection, buffer, sizeof(buffer), 0)) > 0)
        done(send(connection, buffer, length, MSG_NOSIGNAL), "send");
    if (length == 0) {
        done(epoll_ctl(epoll, EPOLL_CTL_DEL, connection, NULL), "epoll_ctl");
        close(connection);
    }
}

int main(int argc, char **argv)
{
    int left = connections(argc, argv), listener = listening(SOCK_NONBLOCK);
    epoll = done(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    watch(listener, EPOLLIN, LISTENER_TOKEN);
    say_where(listener);
    while (left) {
        struct epoll_event ready[32];
        int count = done(syscall(SYS_epoll_wait, epoll, ready, 32, -1), "epoll_wait");
        for (int i = 0; i < count; i++)
            if (ready[i].data.u64 == LISTENER_TOKEN)
                left -= accept_all(listener, left);
            else
                echo(ready[i].data.u64);
    }
    return 0;
}
