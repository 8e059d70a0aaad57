#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char BODY[] = "Hello, world!\n";

static bool starts_with(const char *text, size_t length, const char *prefix)
{
    size_t wanted = strlen(prefix);
    return length >= wanted && !strncasecmp(text, prefix, wanted);
}

/* Whether a field's value, a comma-separated list, holds the word. */
static bool holds(const char *value, size_t length, const char *word)
{
    size_t wanted = strlen(word);
    for (size_t at = 0; at < length;) {
        while (at < length && strchr(" \t,", value[at]))
            at++;
        size_t start = at;
        while (at < length && !strchr(" \t,", value[at]))
            at++;
        if (at - start == wanted && !strncasecmp(value + start, word, wanted))
            return true;
    }
    return false;
}

static void refuse(struct request *request, int status)
{
    if (request->status == 200)
        request->status = status;
    request->last = true;
}

/* Where the next request begins could not be told after a body, so there must be none. */
static void read_field(struct request *request, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    if (!colon) {
        refuse(request, 400);
        return;
    }
    const char *value = colon + 1;
    size_t value_length = line + length - value;
    if (starts_with(line, length, "Connection:"))
        request->last |= holds(value, value_length, "close");
    else if (starts_with(line, length, "Transfer-Encoding:") ||
             (starts_with(line, length, "Content-Length:") && !holds(value, value_length, "0")))
        refuse(request, 413);
}

static void read_request_line(struct request *request, const char *line, size_t length)
{
    request->head_only = starts_with(line, length, "HEAD ");
    const char *version = memrchr(line, ' ', length);
    if (!version || !starts_with(version, line + length - version, " HTTP/1."))
        refuse(request, 400);
    else if (!request->head_only && !starts_with(line, length, "GET "))
        refuse(request, 405);
    else if (version[sizeof " HTTP/1." - 1] == '0')
        request->last = true;
}

struct request parse_request(const char *text, size_t available)
{
    struct request request = {.status = 200};
    const char *end = memmem(text, available, "\r\n\r\n", 4);
    if (!end)
        return request;
    request.length = end + 4 - text;
    for (const char *line = text; line < end + 2;) {
        const char *stop = memmem(line, end + 2 - line, "\r\n", 2);
        if (line == text)
            read_request_line(&request, line, stop - line);
        else
            read_field(&request, line, stop - line);
        line = stop + 2;
    }
    return request;
}

struct request too_long(size_t available)
{
    return (struct request){.length = available, .status = 431, .last = true};
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Bad Request";
    }
}

size_t write_answer(char *to, const struct request *request)
{
    bool found = request->status == 200;
    int length = snprintf(to, LONGEST_ANSWER,
                          "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n%s",
                          request->status, reason(request->status),
                          request->status == 405 ? "Allow: GET, HEAD\r\n" : "", found ? sizeof BODY - 1 : 0,
                          request->last ? "Connection: close\r\n" : "",
                          found && !request->head_only ? BODY : "");
    return length;
}
