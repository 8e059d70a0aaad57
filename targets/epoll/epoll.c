/* epoll: an HTTP/1.1 server with keep-alive and pipelining, one thread on one epoll instance.
 *
 *     epoll [--edge] [--port PORT]      default: level-triggered, a free port of 127.0.0.1
 *
 * Prints {"listening": "127.0.0.1:PORT", "pid": PID}, serves until SIGTERM or SIGINT, and then prints one
 * JSON line with what it did since: connections, requests, bytes, and every system call it made,
 * but for the one that prints. Level-triggered it receives once per readiness, edge-triggered
 * until there is no more.
 */
#include "counted.h"
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define MAX_EVENTS 64
#define MAX_FD 65536
#define BACKLOG 4096

struct connection {
    int fd;
    unsigned events;
    bool last;
    size_t received, sent, to_send;
    char input[8192];
    char output[16384];
};

static struct connection *connections[MAX_FD];
static unsigned long long accepted, closed, requests, bytes_received, bytes_sent;
static int epoll;
static unsigned trigger;

static void fail(const char *what)
{
    fprintf(stderr, "epoll: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void forget(struct connection *connection)
{
    connections[connection->fd] = NULL;
    counted_close(connection->fd);
    closed++;
    free(connection);
}

static void watch(struct connection *connection, unsigned events)
{
    if (connection->events == events)
        return;
    int operation = connection->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (counted_epoll_ctl(epoll, operation, connection->fd, events | trigger))
        fail("epoll_ctl");
    connection->events = events;
}

/* Answers the complete requests that there is room for; false when there was none. */
static bool answer(struct connection *connection)
{
    size_t done = 0, room = sizeof connection->output - LONGEST_ANSWER;
    connection->sent = connection->to_send = 0;
    while (!connection->last && connection->to_send <= room) {
        size_t available = connection->received - done;
        struct request request = parse_request(connection->input + done, available);
        if (!request.length && available == sizeof connection->input)
            request = too_long(available);
        if (!request.length)
            break;
        requests++;
        done += request.length;
        connection->last = request.last;
        connection->to_send += write_answer(connection->output + connection->to_send, &request);
    }
    memmove(connection->input, connection->input + done, connection->received - done);
    connection->received -= done;
    return connection->to_send;
}

/* Sends what is to be sent; false when the connection has to wait, or is gone. */
static bool flush(struct connection *connection)
{
    while (connection->sent < connection->to_send) {
        ssize_t sent = counted_send(connection->fd, connection->output + connection->sent,
                                    connection->to_send - connection->sent);
        if (sent < 0) {
            if (errno == EAGAIN)
                watch(connection, EPOLLOUT);
            else
                forget(connection);
            return false;
        }
        connection->sent += sent;
        bytes_sent += sent;
    }
    return true;
}

/* Receives once; false when there was nothing, or the connection is gone. */
static bool receive(struct connection *connection)
{
    ssize_t received = counted_recv(connection->fd, connection->input + connection->received,
                                    sizeof connection->input - connection->received);
    if (received > 0) {
        connection->received += received;
        bytes_received += received;
        return true;
    }
    if (received == 0 || errno != EAGAIN)
        forget(connection);
    return false;
}

/* Answers all that has arrived; false when the connection has to wait, or is gone. */
static bool settle(struct connection *connection)
{
    do
        if (!flush(connection))
            return false;
    while (answer(connection));
    if (connection->last) {
        forget(connection);
        return false;
    }
    return true;
}

static void serve(struct connection *connection)
{
    if (!settle(connection))
        return;
    if (connection->events == EPOLLOUT)
        watch(connection, EPOLLIN);
    else
        while (receive(connection) && settle(connection) && trigger)
            ;
}

static void welcome(int listener)
{
    do {
        int fd = counted_accept(listener);
        if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
            return;
        if (fd < 0)
            fail("accept4");
        accepted++;
        struct connection *connection = fd < MAX_FD ? calloc(1, sizeof *connection) : NULL;
        if (!connection) {
            errno = ENOMEM;
            fail("too many connections");
        }
        connection->fd = fd;
        connections[fd] = connection;
        watch(connection, EPOLLIN);
    } while (trigger);
}

static int listen_on(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Accepted sockets inherit TCP_NODELAY, so that it costs no call per connection. */
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
        setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) ||
        bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, BACKLOG) ||
        getsockname(listener, (struct sockaddr *)&address, &length))
        fail("cannot listen");
    printf("{\"listening\": \"127.0.0.1:%d\", \"pid\": %d}\n", ntohs(address.sin_port), (int)getpid());
    return listener;
}

static int end_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < 0)
        fail("signalfd");
    return signals;
}

static void run(int listener, int signals)
{
    struct epoll_event events[MAX_EVENTS];
    for (;;) {
        int found = counted_epoll_wait(epoll, events, MAX_EVENTS);
        if (found < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < found; i++) {
            int fd = events[i].data.fd;
            if (fd == signals)
                return;
            if (fd == listener)
                welcome(listener);
            else
                serve(connections[fd]);
        }
    }
}

int main(int argc, char **argv)
{
    int port = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--edge")) {
            trigger = EPOLLET;
        } else if (!strcmp(argv[i], "--port") && i + 1 < argc) {
            port = atoi(argv[++i]);
        } else {
            fprintf(stderr, "usage: epoll [--edge] [--port PORT]\n");
            return 2;
        }
    }
    int signals = end_signals(), listener = listen_on(port);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || counted_epoll_ctl(epoll, EPOLL_CTL_ADD, signals, EPOLLIN) ||
        counted_epoll_ctl(epoll, EPOLL_CTL_ADD, listener, EPOLLIN | trigger))
        fail("epoll");
    fflush(stdout);
    count_from_here();

    run(listener, signals);

    for (int fd = 0; fd < MAX_FD; fd++)
        if (connections[fd])
            forget(connections[fd]);
    printf("{\"connections\": %llu, \"closed\": %llu, \"requests\": %llu, \"bytes_received\": %llu, "
           "\"bytes_sent\": %llu, ",
           accepted, closed, requests, bytes_received, bytes_sent);
    print_counts();
    printf("}\n");
    return 0;
}
