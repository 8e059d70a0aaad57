#include "truth.h"

#include <inttypes.h>
#include <liburing.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "newer.h"

/* enum io_uring_op without IORING_OP_, in its order. */
static const char *const operation_names[] = {
    "NOP", "READV", "WRITEV", "FSYNC", "READ_FIXED", "WRITE_FIXED", "POLL_ADD", "POLL_REMOVE",
    "SYNC_FILE_RANGE", "SENDMSG", "RECVMSG", "TIMEOUT", "TIMEOUT_REMOVE", "ACCEPT",
    "ASYNC_CANCEL", "LINK_TIMEOUT", "CONNECT", "FALLOCATE", "OPENAT", "CLOSE", "FILES_UPDATE",
    "STATX", "READ", "WRITE", "FADVISE", "MADVISE", "SEND", "RECV", "OPENAT2", "EPOLL_CTL",
    "SPLICE", "PROVIDE_BUFFERS", "REMOVE_BUFFERS", "TEE", "SHUTDOWN", "RENAMEAT", "UNLINKAT",
    "MKDIRAT", "SYMLINKAT", "LINKAT", "MSG_RING", "FSETXATTR", "SETXATTR", "FGETXATTR",
    "GETXATTR", "SOCKET", "URING_CMD", "SEND_ZC", "SENDMSG_ZC", "READ_MULTISHOT", "WAITID",
    "FUTEX_WAIT", "FUTEX_WAKE", "FUTEX_WAITV", "FIXED_FD_INSTALL", "FTRUNCATE", "BIND", "LISTEN",
    "RECV_ZC", "EPOLL_WAIT", "READV_FIXED", "WRITEV_FIXED", "PIPE",
};

static bool moves_bytes(unsigned opcode)
{
    switch (opcode) {
    case IORING_OP_READ:
    case IORING_OP_READV:
    case IORING_OP_READ_FIXED:
    case OP_READ_MULTISHOT:
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV:
    case IORING_OP_WRITE_FIXED:
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC:
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
    case IORING_OP_SPLICE:
    case IORING_OP_TEE:
        return true;
    default:
        return false;
    }
}

void truth_start(struct truth *truth, const char *subject)
{
    memset(truth, 0, sizeof(*truth));
    truth->subject = subject;
    truth->supported = true;
    truth->processes = 1;
}

void truth_unsupported(struct truth *truth, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(truth->why, sizeof(truth->why), format, arguments);
    va_end(arguments);
    truth->supported = false;
}

void truth_submitted(struct truth *truth, unsigned opcode)
{
    truth->operations[opcode].submitted++;
}

void truth_completion(struct truth *truth, uint64_t user_data, int result, unsigned flags)
{
    unsigned opcode = user_data >> 56;
    struct operation *operation = &truth->operations[opcode];

    truth->cqe_total++;
    if (opcode == MESSAGE_OPCODE) {
        truth->messages++;
        return;
    }
    if (!(flags & IORING_CQE_F_MORE))
        operation->ended++;
    /* A notification's result is no byte count and no errno: with REPORT_USAGE it is the
     * sign bit (io_uring/notif.c: io_notif_tw_complete). */
    if (flags & IORING_CQE_F_NOTIF) {
        operation->notifications++;
        return;
    }
    operation->completions++;
    if (result < 0)
        operation->errors++;
    else if (moves_bytes(opcode))
        operation->bytes += result;
}

void truth_paths(struct truth *truth, unsigned opcode, uint64_t inline_, uint64_t poll,
                 uint64_t io_wq)
{
    struct operation *operation = &truth->operations[opcode];
    CHECK_RESULT(inline_ + poll + io_wq, operation->ended);
    operation->paths_known = true;
    operation->inline_ = inline_;
    operation->poll = poll;
    operation->io_wq = io_wq;
}

void truth_fact(struct truth *truth, const char *name, const char *format, ...)
{
    size_t used = strlen(truth->facts), room = sizeof(truth->facts) - used;
    int header = snprintf(truth->facts + used, room, ", \"%s\": ", name);
    CHECK(header > 0 && (size_t)header < room);

    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(truth->facts + used + header, room - header, format, arguments);
    va_end(arguments);
    CHECK(length > 0 && (size_t)length < room - header);
}

void list_add(struct list *list, const char *format, ...)
{
    size_t used = strlen(list->text);
    const char *separator = used ? ", " : "";
    used += snprintf(list->text + used, sizeof(list->text) - used, "%s", separator);

    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(list->text + used, sizeof(list->text) - used, format, arguments);
    va_end(arguments);
    CHECK(length >= 0 && (size_t)length < sizeof(list->text) - used);
}

void truth_add(struct truth *truth, const struct truth *part)
{
    truth->rings += part->rings;
    truth->batches += part->batches;
    truth->polled_submission |= part->polled_submission;
    truth->cqe_total += part->cqe_total;
    truth->messages += part->messages;
    truth->silent += part->silent;
    truth->abandoned += part->abandoned;
    for (unsigned opcode = 0; opcode < MAX_OPCODES; opcode++) {
        struct operation *into = &truth->operations[opcode];
        const struct operation *from = &part->operations[opcode];
        into->submitted += from->submitted;
        into->completions += from->completions;
        into->ended += from->ended;
        into->errors += from->errors;
        into->bytes += from->bytes;
        into->notifications += from->notifications;
    }
}

static struct operation sum_of(const struct truth *truth)
{
    struct operation sum = {0};
    for (unsigned opcode = 0; opcode < MAX_OPCODES; opcode++) {
        const struct operation *operation = &truth->operations[opcode];
        sum.submitted += operation->submitted;
        sum.completions += operation->completions;
        sum.ended += operation->ended;
        sum.errors += operation->errors;
        sum.bytes += operation->bytes;
        sum.notifications += operation->notifications;
    }
    return sum;
}

void truth_check(const struct truth *truth)
{
    struct operation sum = sum_of(truth);
    CHECK_RESULT(sum.submitted - sum.ended, truth->silent + truth->abandoned);
    CHECK_RESULT(sum.completions + sum.notifications + truth->messages, truth->cqe_total);
}

static void print_operation(unsigned opcode, const struct operation *operation, FILE *out)
{
    if (opcode < sizeof(operation_names) / sizeof(*operation_names))
        fprintf(out, "\"%s\": {", operation_names[opcode]);
    else
        fprintf(out, "\"%u\": {", opcode);
    fprintf(out, "\"opcode\": %u, ", opcode);
    fprintf(out,
            "\"submitted\": %" PRIu64 ", \"completions\": %" PRIu64 ", \"ended\": %" PRIu64
            ", \"errors\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"notifications\": %" PRIu64,
            operation->submitted, operation->completions, operation->ended, operation->errors,
            operation->bytes, operation->notifications);
    if (operation->paths_known)
        fprintf(out,
                ", \"inline\": %" PRIu64 ", \"poll\": %" PRIu64 ", \"io_wq\": %" PRIu64,
                operation->inline_, operation->poll, operation->io_wq);
    fputc('}', out);
}

void truth_print(const struct truth *truth, FILE *out)
{
    struct operation sum = sum_of(truth);
    fprintf(out, "{\"subject\": \"%s\", \"supported\": %s, \"why\": \"%s\"", truth->subject,
            truth->supported ? "true" : "false", truth->why);
    fprintf(out, ", \"processes\": %u, \"rings\": %u", truth->processes, truth->rings);
    if (truth->polled_submission)
        fprintf(out, ", \"batches\": null");
    else
        fprintf(out, ", \"batches\": %" PRIu64, truth->batches);
    fprintf(out,
            ", \"submitted\": %" PRIu64 ", \"completions\": %" PRIu64 ", \"ended\": %" PRIu64
            ", \"errors\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"notifications\": %" PRIu64,
            sum.submitted, sum.completions, sum.ended, sum.errors, sum.bytes, sum.notifications);
    fprintf(out,
            ", \"messages\": %" PRIu64 ", \"silent\": %" PRIu64 ", \"abandoned\": %" PRIu64
            ", \"cqe_total\": %" PRIu64,
            truth->messages, truth->silent, truth->abandoned, truth->cqe_total);
    fprintf(out, ", \"operations\": {");
    const char *separator = "";
    for (unsigned opcode = 0; opcode < MAX_OPCODES; opcode++) {
        if (!truth->operations[opcode].submitted)
            continue;
        fputs(separator, out);
        print_operation(opcode, &truth->operations[opcode], out);
        separator = ", ";
    }
    fprintf(out, "}%s}", truth->facts);
}

void broken(const char *file, int line, const char *format, ...)
{
    fprintf(stderr, "kinds: %s:%d: ", file, line);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(1);
}
