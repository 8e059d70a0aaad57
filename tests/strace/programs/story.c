/* story FOLDER: the calls of tests/strace/corpus, in FOLDER, which must be empty.
 *
 * After chdir each process makes the same calls with the same results in every run. The
 * parent waits for what its children do, so lines of both come between each other's halves.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOL_TLS 282
#define TLS_TX 1
#define TLS_RX 2
#define ODD_NAME "a, \"b\" (c) <d> = 0"

static void need(int holds, int line)
{
    if (!holds) {
        fprintf(stderr, "story.c:%d: errno %d\n", line, errno);
        exit(1);
    }
}
#define NEED(condition) need(condition, __LINE__)

static void files(void)
{
    struct stat status;
    int file = openat(AT_FDCWD, ODD_NAME, O_RDWR | O_CREAT, 0600);
    NEED(file == 3);
    NEED(write(file, "x, \"y\") = 1\n\\\377", 14) == 14);
    NEED(openat(AT_FDCWD, "none", O_RDONLY) == -1);
    NEED(unlinkat(AT_FDCWD, ODD_NAME, 0) == 0);
    NEED(fstat(file, &status) == 0);
    NEED(fcntl(file, F_GETFL) >= 0);
    NEED(umask(022) == 022);
    NEED(close(file) == 0);
    NEED(write(STDERR_FILENO, "one line\nand half of one", 24) == 24);
}

static void sockets(void)
{
    /* linux/tls.h: version 1.3, AES-GCM-128, then iv, key, salt, rec_seq. */
    char keys[40] = "\x04\x03\x33\x00" "IV-SECRETKEY-SECRET-KEY1SALTREC-SEQ1";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "sock, ]>"};
    socklen_t length = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0), client, server, named;
    NEED(bind(listening, (struct sockaddr *)&address, sizeof address) == 0);
    NEED(listen(listening, 8) == 0);
    NEED(getsockname(listening, (struct sockaddr *)&address, &length) == 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    NEED(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    server = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    NEED(send(client, "hello", 5, 0) == 5);
    NEED(recv(server, keys + 4, 0, 0) == 0);
    NEED(setsockopt(client, SOL_TLS, TLS_TX, keys, sizeof keys) == -1);
    NEED(setsockopt(client, SOL_TLS, TLS_RX, keys, sizeof keys) == -1);
    length = sizeof keys;
    NEED(getsockopt(client, SOL_TLS, TLS_TX, keys, &length) == -1);
    named = socket(AF_UNIX, SOCK_STREAM, 0);
    NEED(bind(named, (struct sockaddr *)&local, sizeof local) == 0);
    NEED(close(named) == 0 && close(server) == 0 && close(client) == 0 && close(listening) == 0);
}

static void readiness(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};
    struct pollfd polled = {.fd = 3, .events = POLLIN};
    uint64_t one = 1;
    int epoll = epoll_create1(0), ready = eventfd(0, EFD_NONBLOCK);
    NEED(epoll == 3 && ready == 4);
    NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, ready, &event) == 0);
    NEED(epoll_wait(epoll, &event, 1, 0) == 0);
    NEED(poll(&polled, 1, 0) == 0);
    NEED(read(ready, &one, 8) == -1);
    NEED(write(ready, &one, 8) == 8);
    NEED(epoll_wait(epoll, &event, 1, 0) == 1);
    NEED(close(ready) == 0 && close(epoll) == 0);
}

static int child(int (*task)(int, int), int input, int output)
{
    int pid = (int)syscall(SYS_fork);
    NEED(pid >= 0);
    if (pid == 0)
        syscall(SYS_exit_group, task(input, output));
    return pid;
}

static int answers(int input, int output)
{
    char text[8];
    NEED(read(input, text, sizeof text) == 4);
    NEED(write(output, "pong", 4) == 4);
    return 3;
}

/* The parent sleeps without a handler: stopped and continued, its sleep restarts. */
static int stops_parent(int input, int output)
{
    struct timespec while_it_sleeps = {0, 50000000};
    (void)input, (void)output;
    syscall(SYS_nanosleep, &while_it_sleeps, NULL);
    NEED(kill(getppid(), SIGSTOP) == 0);
    syscall(SYS_nanosleep, &while_it_sleeps, NULL);
    NEED(kill(getppid(), SIGCONT) == 0);
    return 0;
}

static int is_killed(int input, int output)
{
    (void)input;
    NEED(write(output, "x", 1) == 1);
    syscall(SYS_pause);
    return 0;
}

static void children(void)
{
    struct timespec long_enough = {0, 400000000}, until_it_pauses = {0, 100000000};
    int there[2], back[2], status, pid;
    char text[8];
    NEED(pipe2(there, 0) == 0 && pipe2(back, 0) == 0);
    pid = child(answers, there[0], back[1]);
    NEED(write(there[1], "ping", 4) == 4);
    NEED(read(back[0], text, sizeof text) == 4);
    NEED(wait4(pid, &status, 0, NULL) == pid);
    pid = child(stops_parent, 0, 0);
    NEED(syscall(SYS_nanosleep, &long_enough, NULL) == 0);
    NEED(wait4(pid, &status, 0, NULL) == pid);
    pid = child(is_killed, 0, back[1]);
    NEED(read(back[0], text, 1) == 1);
    NEED(syscall(SYS_nanosleep, &until_it_pauses, NULL) == 0);
    NEED(kill(pid, SIGKILL) == 0);
    NEED(wait4(pid, &status, 0, NULL) == pid);
}

int main(int argc, char **argv)
{
    NEED(argc == 2 && chdir(argv[1]) == 0);
    files();
    sockets();
    readiness();
    children();
    syscall(SYS_exit_group, 0);
}
