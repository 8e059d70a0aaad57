#include "endpoints.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "truth.h"

static const char *temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

int temporary_file(size_t size)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/uringtrace-kinds.XXXXXX", temporary_folder());
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    unlink(path);

    char block[4096];
    memset(block, 'u', sizeof(block));
    for (size_t written = 0; written < size;) {
        size_t piece = size - written < sizeof(block) ? size - written : sizeof(block);
        CHECK_RESULT(write(fd, block, piece), (ssize_t)piece);
        written += piece;
    }
    /* Durable, so that later direct reads meet no dirty pages. */
    CHECK_RESULT(fsync(fd), 0);
    return fd;
}

void temporary_path(char *path, size_t size)
{
    static unsigned number;
    snprintf(path, size, "%s/uringtrace-kinds.%d.%u", temporary_folder(), (int)getpid(), number++);
}

int tcp_listener(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_RESULT(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
    CHECK_RESULT(listen(fd, 64), 0);
    socklen_t length = sizeof(*address);
    CHECK_RESULT(getsockname(fd, (struct sockaddr *)address, &length), 0);
    return fd;
}

int tcp_connect(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK_RESULT(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

void tcp_pair(int ends[2])
{
    struct sockaddr_in address;
    int listener = tcp_listener(&address);
    ends[0] = tcp_connect(&address);
    ends[1] = accept(listener, NULL, NULL);
    CHECK(ends[1] >= 0);
    close(listener);
}

void unix_pair(int ends[2])
{
    CHECK_RESULT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

void close_pair(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

void put_bytes(int fd, size_t size)
{
    static const char bytes[4096];
    CHECK(size <= sizeof(bytes));
    CHECK_RESULT(write(fd, bytes, size), (ssize_t)size);
}
