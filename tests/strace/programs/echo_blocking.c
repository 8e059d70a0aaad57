/* An echo server that serves one connection after the other with blocking calls. */
#include "listening.h"

int main(int argc, char **argv)
{
    int left = connections(argc, argv), listener = listening(0);
    say_where(listener);
    while (left--) {
        struct sockaddr_in peer;
        socklen_t size = sizeof(peer);
        char buffer[1024];
        ssize_t length;
        int connection = done(accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC), "accept4");
        while (left && (length = done(recv(connection, buffer, sizeof(buffer), 0), "recv")) > 0)
            done(send(connection, buffer, length, MSG_NOSIGNAL), "send");
        close(connection);
    }
    return 0;
}
