/* An echo server whose main thread waits with epoll and hands readable connections to two workers.
 *
 * Hand-over and waking are bare futex calls on a word for each worker, which take turns. A
 * worker says that it is done with a connection through an eventfd of the epoll instance; the
 * main thread then lets the connection report again (EPOLLONESHOT). The workers sleep when
 * the process ends.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "listening.h"

#define LISTENER_TOKEN 1
#define WAKER_TOKEN 2147483648u
#define WORKERS 2
#define CLOSED (1 << 30)

static int waker;
static _Atomic unsigned handed_over[WORKERS];
/* The connection a worker is done with, with CLOSED; one at a time, as the client acts. */
static _Atomic unsigned finished;

static long futex(_Atomic unsigned *word, int operation, unsigned value)
{
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void *work(void *argument)
{
    _Atomic unsigned *mine = argument;
    char buffer[1024];
    for (;;) {
        unsigned connection;
        while (!(connection = atomic_exchange(mine, 0)))
            futex(mine, FUTEX_WAIT, 0);
        ssize_t length = done(recv(connection, buffer, sizeof(buffer), 0), "recv");
        if (length)
            done(send(connection, buffer, length, MSG_NOSIGNAL), "send");
        else
            close(connection);
        atomic_store(&finished, length ? connection : connection | CLOSED);
        done(eventfd_write(waker, 1), "write");
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static pthread_t threads[WORKERS];
    int left = connections(argc, argv), listener = listening(SOCK_NONBLOCK), turn = 0;
    int epoll = done(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = LISTENER_TOKEN};
    done(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event), "epoll_ctl");
    waker = done(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
    event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.u64 = WAKER_TOKEN};
    done(epoll_ctl(epoll, EPOLL_CTL_ADD, waker, &event), "epoll_ctl");
    for (int i = 0; i < WORKERS; i++)
        done(-pthread_create(&threads[i], NULL, work, &handed_over[i]), "pthread_create");
    say_where(listener);

    while (left) {
        struct epoll_event ready[8];
        int count = done(syscall(SYS_epoll_wait, epoll, ready, 8, -1), "epoll_wait");
        for (int i = 0; i < count; i++) {
            unsigned token = ready[i].data.u64;
            if (token == LISTENER_TOKEN) {
                int connection = done(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept4");
                left--;
                event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u64 = connection};
                if (left)
                    done(epoll_ctl(epoll, EPOLL_CTL_ADD, connection, &event), "epoll_ctl");
                else
                    close(connection);
            } else if (token == WAKER_TOKEN) {
                eventfd_t ignored;
                unsigned connection;
                done(eventfd_read(waker, &ignored), "read");
                connection = atomic_load(&finished);
                event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u64 = connection};
                if (!(connection & CLOSED))
                    done(epoll_ctl(epoll, EPOLL_CTL_MOD, connection, &event), "epoll_ctl");
            } else {
                atomic_store(&handed_over[turn], token);
                futex(&handed_over[turn], FUTEX_WAKE, 1);
                turn = (turn + 1) % WORKERS;
            }
        }
    }
    return 0;
}
