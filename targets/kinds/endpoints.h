/* Files, pipes and sockets that subjects work on, made with plain system calls. */
#ifndef KINDS_ENDPOINTS_H
#define KINDS_ENDPOINTS_H

#include <netinet/in.h>
#include <stddef.h>

/* An unlinked file of `size` bytes in $TMPDIR or /tmp, opened for reading and writing. */
int temporary_file(size_t size);
/* A path in $TMPDIR or /tmp that does not exist yet. */
void temporary_path(char *path, size_t size);

/* Listens on a free port of 127.0.0.1 and stores the address. */
int tcp_listener(struct sockaddr_in *address);
int tcp_connect(const struct sockaddr_in *address);
/* A connected pair over loopback TCP. */
void tcp_pair(int ends[2]);
/* A connected pair of AF_UNIX stream sockets. */
void unix_pair(int ends[2]);
void close_pair(const int ends[2]);

/* Writes `size` (at most 4096) bytes and expects the kernel to take them all. */
void put_bytes(int fd, size_t size);

#endif
