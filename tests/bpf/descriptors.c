/* One operation on each kind of descriptor: descriptors FOLDER.
 *
 * Prints {"ready": PID}, waits for a line, does one operation on each descriptor and prints
 * one JSON line: the name of each, its number, and for sockets both addresses as the program
 * knows them. Then it waits for another line, with all descriptors open.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct io_uring ring;
static char buffer[64] = "hello";
static unsigned long long serial;

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                            \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

static void carry_out(struct io_uring_sqe *sqe, int result)
{
    struct io_uring_cqe *cqe;
    sqe->user_data = ++serial;
    CHECK(io_uring_submit(&ring) == 1);
    CHECK(io_uring_wait_cqe(&ring, &cqe) == 0);
    CHECK(cqe->res == result);
    io_uring_cqe_seen(&ring, cqe);
}

static void write_to(int fd)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_write(sqe, fd, buffer, 5, 0);
    carry_out(sqe, 5);
}

static void read_from(int fd, unsigned size, int result, unsigned flags)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_read(sqe, fd, buffer, size, 0);
    sqe->flags = flags;
    carry_out(sqe, result);
}

static void send_to(int fd)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_send(sqe, fd, buffer, 5, 0);
    carry_out(sqe, 5);
}

static void say(const char *name, int fd)
{
    printf("%s\"%s\": {\"user_data\": %llu, \"fd\": %d", serial == 1 ? "{" : ", ", name, serial, fd);
}

static void say_address(const char *side, int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char text[INET6_ADDRSTRLEN];
    CHECK(get(fd, (struct sockaddr *)&address, &length) == 0);
    int six = address.ss_family == AF_INET6;
    const struct sockaddr_in *in = (void *)&address;
    const struct sockaddr_in6 *in6 = (void *)&address;
    inet_ntop(address.ss_family, six ? (void *)&in6->sin6_addr : (void *)&in->sin_addr, text, sizeof(text));
    printf(", \"%s\": [\"%s\", %d]", side, text, ntohs(six ? in6->sin6_port : in->sin_port));
}

static void say_socket(const char *name, int fd)
{
    say(name, fd);
    say_address("local", fd, getsockname);
    say_address("remote", fd, getpeername);
    printf("}");
}

/* A listener on the loopback address of a family and a client that is connected to it. */
static void connected(int family, int ends[2])
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *address = family == AF_INET ? (void *)&in : (void *)&in6;
    socklen_t length = family == AF_INET ? sizeof(in) : sizeof(in6);
    int listener = socket(family, SOCK_STREAM, 0);
    CHECK(bind(listener, address, length) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, address, &length) == 0);
    ends[0] = socket(family, SOCK_STREAM, 0);
    CHECK(connect(ends[0], address, length) == 0);
    ends[1] = accept(listener, NULL, NULL);
    CHECK(ends[1] >= 0);
}

static void use_files(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/a file", folder);
    int file = open(path, O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0);
    write_to(file);
    say("file", file);
    printf("}");
    CHECK(io_uring_register_files(&ring, &file, 1) == 0);
    read_from(0, 5, 5, IOSQE_FIXED_FILE);
    say("fixed", 0);
    printf("}");
    int device = open("/dev/null", O_RDWR);
    write_to(device);
    say("device", device);
    printf("}");
    int event = eventfd(1, 0);
    read_from(event, 8, 8, 0);
    say("event", event);
    printf("}");
    int ends[2];
    CHECK(pipe(ends) == 0);
    write_to(ends[1]);
    say("pipe", ends[1]);
    printf("}");
}

static void use_sockets(const char *folder)
{
    int ends[2];
    connected(AF_INET, ends);
    send_to(ends[0]);
    say_socket("tcp", ends[0]);
    read_from(ends[1], 5, 5, 0);
    say_socket("tcp accepted", ends[1]);
    connected(AF_INET6, ends);
    send_to(ends[0]);
    say_socket("tcp6", ends[0]);

    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(9)};
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(connect(datagram, (void *)&in, sizeof(in)) == 0);
    send_to(datagram);
    say_socket("udp", datagram);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    send_to(ends[0]);
    say("unix pair", ends[0]);
    printf("}");

    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", folder);
    int bound = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(bind(bound, (void *)&un, sizeof(un)) == 0 && connect(bound, (void *)&un, sizeof(un)) == 0);
    send_to(bound);
    say("unix bound", bound);
    printf(", \"path\": \"%s\"}", un.sun_path);
}

int main(int argc, char **argv)
{
    if (argc != 2 || io_uring_queue_init(8, &ring, 0))
        return 2;
    printf("{\"ready\": %d}\n", (int)getpid());
    fflush(stdout);
    CHECK(getchar() == '\n');
    use_files(argv[1]);
    use_sockets(argv[1]);
    puts("}");
    fflush(stdout);
    CHECK(getchar() == '\n');
    return 0;
}
