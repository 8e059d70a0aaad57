/* Sockets of IPv4, IPv6 and unix, with each other. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "steps.h"

static struct sockaddr *any(void *address)
{
    return address;
}

/* A listening socket on a free port; `address` becomes the one it has. */
static int listener(struct sockaddr *address, socklen_t size)
{
    int one = 1, made = DONE(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    DONE(setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
    if (bind(made, address, size)) {
        DONE(close(made));
        return -1;
    }
    DONE(getsockname(made, address, &size));
    DONE(listen(made, 16));
    return made;
}

static void ipv4(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, there;
    socklen_t size = sizeof(there);
    int value, waiting = listener(any(&here), sizeof(here));
    char text[64];

    int client = DONE(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
    DONE(connect(client, any(&here), sizeof(here)));
    int server = DONE(syscall(SYS_accept, waiting, &there, &size));
    DONE(getpeername(server, any(&there), &size));
    DONE(getsockname(server, any(&there), &size));
    value = 1;
    DONE(setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)));
    size = sizeof(value);
    DONE(getsockopt(server, SOL_SOCKET, SO_TYPE, &value, &size));
    DONE(getsockopt(server, SOL_SOCKET, SO_ERROR, &value, &size));
    REFUSED(ENOPROTOOPT, setsockopt(server, SOL_SOCKET, 9999, &value, sizeof(value)));
    REFUSED(EAGAIN, recv(server, text, sizeof(text), MSG_DONTWAIT));
    DONE(send(client, "a request", 9, MSG_NOSIGNAL));
    DONE(recv(server, text, 9, MSG_WAITALL));
    DONE(write(server, "an answer", 9));
    DONE(recv(client, text, 9, MSG_WAITALL));
    DONE(shutdown(client, SHUT_WR));
    DONE(recv(server, text, sizeof(text), 0));
    DONE(close(server));
    DONE(recv(client, text, sizeof(text), 0));
    REFUSED(EPIPE, send(client, "late", 4, MSG_NOSIGNAL));
    DONE(close(client));

    client = DONE(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    REFUSED(EINPROGRESS, connect(client, any(&here), sizeof(here)));
    struct pollfd writable = {.fd = client, .events = POLLOUT};
    DONE(poll(&writable, 1, -1));
    DONE(getsockopt(client, SOL_SOCKET, SO_ERROR, &value, &size));
    size = sizeof(there);
    server = DONE(accept4(waiting, any(&there), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    REFUSED(EAGAIN, recv(server, text, sizeof(text), 0));
    DONE(close(server));
    DONE(close(client));
    DONE(close(waiting));
}

static void refused(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(here);
    char text[4];
    int silent = DONE(socket(AF_INET, SOCK_STREAM, 0)), client = DONE(socket(AF_INET, SOCK_STREAM, 0));
    DONE(bind(silent, any(&here), sizeof(here)));
    DONE(getsockname(silent, any(&here), &size));
    REFUSED(EADDRINUSE, bind(client, any(&here), sizeof(here)));
    REFUSED(ECONNREFUSED, connect(client, any(&here), sizeof(here)));
    REFUSED(EINVAL, syscall(SYS_accept, silent, NULL, NULL));
    REFUSED(ENOTCONN, getpeername(silent, any(&here), &size));
    REFUSED(ENOTCONN, recv(client, text, sizeof(text), MSG_DONTWAIT));
    REFUSED(ENOTSOCK, listen(STDIN_FILENO, 1));
    REFUSED(EBADF, connect(1000, any(&here), sizeof(here)));
    REFUSED(EAFNOSUPPORT, socket(200, SOCK_STREAM, 0));
    DONE(close(silent));
    DONE(close(client));
}

static void ipv6(void)
{
    struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}, there;
    socklen_t size = sizeof(there);
    char text[8];
    int waiting = listener(any(&here), sizeof(here));
    if (waiting < 0)
        return;
    int client = DONE(socket(AF_INET6, SOCK_STREAM, 0));
    DONE(connect(client, any(&here), sizeof(here)));
    int server = DONE(accept4(waiting, any(&there), &size, 0));
    DONE(send(server, "six", 3, 0));
    DONE(recv(client, text, 3, MSG_WAITALL));
    DONE(getpeername(client, any(&there), &size));
    DONE(close(waiting));
    DONE(close(client));
    DONE(recv(server, text, sizeof(text), 0));
    DONE(close(server));
}

static void datagrams(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, there;
    socklen_t size = sizeof(here);
    char text[32];
    int first = DONE(socket(AF_INET, SOCK_DGRAM, 0)), second = DONE(socket(AF_INET, SOCK_DGRAM, 0));
    DONE(bind(first, any(&here), sizeof(here)));
    DONE(getsockname(first, any(&here), &size));
    DONE(sendto(second, "a datagram", 10, 0, any(&here), sizeof(here)));
    DONE(recvfrom(first, text, sizeof(text), 0, any(&there), &size));
    DONE(connect(second, any(&here), sizeof(here)));

    struct iovec pieces[2] = {{"one", 3}, {"two", 3}}, into = {text, sizeof(text)};
    struct mmsghdr out[2] = {{.msg_hdr = {.msg_iov = pieces, .msg_iovlen = 1}},
                             {.msg_hdr = {.msg_iov = pieces, .msg_iovlen = 2}}};
    struct mmsghdr in[2] = {{.msg_hdr = {.msg_iov = &into, .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = &into, .msg_iovlen = 1}}};
    DONE(sendmmsg(second, out, 2, 0));
    DONE(recvmmsg(first, in, 2, MSG_WAITFORONE, NULL));
    DONE(close(first));
    DONE(close(second));
}

static void named(void)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "a socket"}, there;
    struct sockaddr_un hidden = {.sun_family = AF_UNIX, .sun_path = "\0uringtrace calls"};
    socklen_t hidden_size = offsetof(struct sockaddr_un, sun_path) + 17, size = sizeof(there);
    int waiting = DONE(socket(AF_UNIX, SOCK_STREAM, 0)), client = DONE(socket(AF_UNIX, SOCK_STREAM, 0));
    DONE(bind(waiting, any(&path), sizeof(path)));
    DONE(listen(waiting, 4));
    DONE(connect(client, any(&path), sizeof(path)));
    int server = DONE(accept4(waiting, any(&there), &size, SOCK_CLOEXEC));
    size = sizeof(there);
    DONE(getpeername(client, any(&there), &size));
    DONE(close(server));
    DONE(close(client));
    DONE(close(waiting));
    client = DONE(socket(AF_UNIX, SOCK_STREAM, 0));
    REFUSED(ECONNREFUSED, connect(client, any(&path), sizeof(path)));
    DONE(unlink("a socket"));
    REFUSED(ENOENT, connect(client, any(&path), sizeof(path)));
    DONE(close(client));
    waiting = DONE(socket(AF_UNIX, SOCK_DGRAM, 0));
    DONE(bind(waiting, any(&hidden), hidden_size));
    client = DONE(socket(AF_UNIX, SOCK_DGRAM, 0));
    DONE(sendto(client, "named", 5, 0, any(&hidden), hidden_size));
    char text[8];
    size = sizeof(there);
    DONE(recvfrom(waiting, text, sizeof(text), 0, any(&there), &size));
    DONE(close(waiting));
    DONE(close(client));
}

static void passed(void)
{
    int ends[2], given[2];
    char text[16];
    DONE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    DONE(pipe2(given, 0));

    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &given[1], sizeof(int));
    struct iovec pieces[2] = {{"with a ", 7}, {"descriptor", 10}}, into = {text, sizeof(text)};
    struct msghdr out = {.msg_iov = pieces, .msg_iovlen = 2, .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct msghdr in = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = &control,
                        .msg_controllen = sizeof(control)};
    DONE(sendmsg(ends[0], &out, MSG_NOSIGNAL));
    DONE(recvmsg(ends[1], &in, MSG_CMSG_CLOEXEC));
    int received;
    memcpy(&received, CMSG_DATA(&control.header), sizeof(int));
    DONE(write(received, "through it", 10));
    DONE(read(given[0], text, sizeof(text)));
    in.msg_controllen = 0;
    DONE(recvmsg(ends[1], &in, 0));
    REFUSED(EAGAIN, recvmsg(ends[1], &in, MSG_DONTWAIT));
    DONE(close(received));
    DONE(close(given[0]));
    DONE(close(given[1]));
    DONE(close(ends[0]));
    DONE(close(ends[1]));
}

void sockets(void)
{
    ipv4();
    refused();
    ipv6();
    datagrams();
    named();
    passed();
}
