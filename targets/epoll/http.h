/* The part of HTTP/1.1 that a server of one fixed body needs. */
#ifndef EPOLL_HTTP_H
#define EPOLL_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct request {
    size_t length;   /* bytes of the request; 0: it is not complete yet */
    int status;      /* what to answer: 200, or the error */
    bool head_only;  /* answer without the body (HEAD) */
    bool last;       /* close the connection after the answer */
};

/* The request that starts at `text`, of which `available` bytes have arrived. */
struct request parse_request(const char *text, size_t available);

/* The refusal of a request whose head is longer than the server's memory for it. */
struct request too_long(size_t available);

#define LONGEST_ANSWER 256

/* Writes the answer, at most LONGEST_ANSWER bytes, and returns its length. */
size_t write_answer(char *to, const struct request *request);

#endif
