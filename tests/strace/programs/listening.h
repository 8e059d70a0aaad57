/* What the echo servers share: a listening socket, and what they say to the test that runs them. */
#ifndef LISTENING_H
#define LISTENING_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The value of a call that must succeed. */
static inline int done(int result, const char *what)
{
    if (result < 0) {
        dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
        exit(1);
    }
    return result;
}

/* A listening socket on a free port of the loopback interface; `type` is added to SOCK_STREAM. */
static inline int listening(int type)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(here);
    int listener = done(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type, 0), "socket");
    done(bind(listener, (struct sockaddr *)&here, size), "bind");
    done(listen(listener, 16), "listen");
    done(getsockname(listener, (struct sockaddr *)&here, &size), "getsockname");
    return listener;
}

/* Prints {"listening": "127.0.0.1:PORT"} once everything is ready. */
static inline void say_where(int listener)
{
    struct sockaddr_in here;
    socklen_t size = sizeof(here);
    char line[64];
    done(getsockname(listener, (struct sockaddr *)&here, &size), "getsockname");
    int length = snprintf(line, sizeof(line), "{\"listening\": \"127.0.0.1:%05u\"}\n", ntohs(here.sin_port));
    done(write(STDOUT_FILENO, line, length), "write");
}

/* How many connections to accept; the last one is accepted and closed, and ends the server. */
static inline int connections(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CONNECTIONS\n", argv[0]);
        exit(2);
    }
    return atoi(argv[1]);
}

#endif
