/* System calls that count themselves: what the server did is compared with what a tracer saw. */
#ifndef EPOLL_COUNTED_H
#define EPOLL_COUNTED_H

#include <stddef.h>
#include <sys/epoll.h>
#include <sys/types.h>

int counted_epoll_wait(int epoll, struct epoll_event *events, int room);
int counted_epoll_ctl(int epoll, int operation, int fd, unsigned events);
int counted_accept(int listener);
ssize_t counted_recv(int fd, void *to, size_t room);
ssize_t counted_send(int fd, const void *from, size_t length);
int counted_close(int fd);

/* Forgets what was counted so far. */
void count_from_here(void);

/* Prints the counts as the members "calls" and "failed" of a JSON object, and "readiness". */
void print_counts(void);

#endif
