/* Connections that io_uring accepts: ring_server MODE
 *
 * MODE is single, multishot, direct, multishot-direct, or mixed: accepted by io_uring into a
 * descriptor, received from with recv(2) and answered by io_uring.
 *
 * Prints {"ready": PID} and waits for a line. Then serves three clients of its own, which use plain
 * system calls, one after the other: number i asks with 10 * i bytes, is answered with 7 * i, and
 * closes first. Prints what is to be expected of the servers' ends as one JSON line.
 */
#include <arpa/inet.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 3

static struct io_uring ring;
static bool multishot, direct, mixed;
static char bytes[256];

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "ring_server: %s\n", what);
        exit(1);
    }
}

static int result_of_next(void)
{
    struct io_uring_cqe *cqe;
    require(!io_uring_wait_cqe(&ring, &cqe), "no completion");
    int result = cqe->res;
    io_uring_cqe_seen(&ring, cqe);
    return result;
}

static int perform(struct io_uring_sqe *sqe, int fd)
{
    if (direct && fd >= 0)
        sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_submit(&ring);
    return result_of_next();
}

static void start_accept(int listener)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (multishot && direct)
        io_uring_prep_multishot_accept_direct(sqe, listener, NULL, NULL, 0);
    else if (multishot)
        io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, 0);
    else if (direct)
        io_uring_prep_accept_direct(sqe, listener, NULL, NULL, 0, 5);
    else
        io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
    io_uring_submit(&ring);
}

static int receive(int fd, size_t size)
{
    if (mixed)
        return recv(fd, bytes, size, 0);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_recv(sqe, fd, bytes, size, 0);
    return perform(sqe, fd);
}

static void serve(int fd, int client, int number)
{
    int asked = 10 * number, answered = 7 * number;
    require(write(client, bytes, asked) == asked, "write");
    require(receive(fd, sizeof bytes) == asked, "receive");
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_send(sqe, fd, bytes, answered, 0);
    require(perform(sqe, fd) == answered, "send");
    require(read(client, bytes, answered) == answered, "read");
    close(client);
    require(receive(fd, sizeof bytes) == 0, "end");
    sqe = io_uring_get_sqe(&ring);
    if (direct)
        io_uring_prep_close_direct(sqe, fd);
    else
        io_uring_prep_close(sqe, fd);
    require(perform(sqe, -1) == 0, "close");
}

int main(int argc, char **argv)
{
    require(argc == 2, "MODE is missing");
    multishot = strstr(argv[1], "multishot");
    direct = strstr(argv[1], "direct");
    mixed = !strcmp(argv[1], "mixed");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    require(!bind(listener, (struct sockaddr *)&address, length) && !listen(listener, CLIENTS) &&
                !getsockname(listener, (struct sockaddr *)&address, &length),
            "listen");
    require(!io_uring_queue_init(16, &ring, 0), "no ring");
    require(!direct || !io_uring_register_files_sparse(&ring, 8), "no direct descriptors");
    printf("{\"ready\": %d}\n", (int)getpid());
    fflush(stdout);
    getchar();

    printf("{\"connections\": [");
    for (int number = 1; number <= CLIENTS; number++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (number == 1 || !multishot)
            start_accept(listener);
        require(!connect(client, (struct sockaddr *)&address, sizeof address), "connect");
        length = sizeof peer;
        getsockname(client, (struct sockaddr *)&peer, &length);
        int fd = result_of_next();
        require(fd >= 0, "accept");
        /* Into the slot that it asked for, an accept succeeds with 0. */
        if (direct && !multishot)
            fd = 5;
        serve(fd, client, number);
        int port = ntohs(address.sin_port);
        printf("%s{\"local\": \"127.0.0.1:%d\", \"remote\": \"127.0.0.1:%d\", \"listener\": \"127.0.0.1:%d\", "
               "\"role\": \"server\", \"began_by\": \"accept\", \"bytes_in\": %d, \"bytes_out\": %d, \"fd\": %d, "
               "\"direct\": %s, \"interfaces\": \"%s\", \"closed_by\": \"remote\", \"requests\": 1, \"errors\": 0}",
               number > 1 ? ", " : "", port, ntohs(peer.sin_port), port, 10 * number, 7 * number, fd,
               direct ? "true" : "false", mixed ? "io_uring syscall" : "io_uring");
    }
    printf("]}\n");
    return 0;
}
