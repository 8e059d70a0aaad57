/* What one subject did, counted by the program itself: the ground truth.
 *
 * Invariant: every number comes from SQEs handed to the kernel and CQEs taken from it.
 * A CQE finds its operation through its user_data, whose top byte is the opcode.
 */
#ifndef KINDS_TRUTH_H
#define KINDS_TRUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MAX_OPCODES 256
#define MESSAGE_OPCODE 0xff /* user_data of CQEs that MSG_RING posts: no operation of that ring */

struct operation {
    uint64_t submitted;
    uint64_t completions;   /* CQEs, without zero-copy notifications */
    uint64_t ended;         /* CQEs without CQE_F_MORE: the operation's last */
    uint64_t errors;        /* completions with a negative result */
    uint64_t bytes;         /* sum of positive results, for operations that move bytes */
    uint64_t notifications; /* CQEs with CQE_F_NOTIF */
    bool paths_known;       /* the three below were stated with truth_paths() */
    uint64_t inline_;
    uint64_t poll;
    uint64_t io_wq;
};

struct truth {
    const char *subject;
    bool supported;
    char why[200];
    unsigned processes;
    unsigned rings;
    uint64_t batches; /* io_uring_enter calls that consumed SQEs */
    bool polled_submission; /* an SQPOLL thread took the SQEs: batches cannot be known */
    uint64_t cqe_total;
    uint64_t messages;
    uint64_t silent;    /* operations the subject knows to have ended without a CQE */
    uint64_t abandoned; /* operations left in flight on purpose when a process ended */
    struct operation operations[MAX_OPCODES];
    char facts[6000]; /* further JSON members, each starting with a comma */
};

void truth_start(struct truth *truth, const char *subject);

/* The kernel lacks what the subject needs. What was counted until then stays valid. */
void truth_unsupported(struct truth *truth, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void truth_submitted(struct truth *truth, unsigned opcode);
void truth_completion(struct truth *truth, uint64_t user_data, int result, unsigned flags);

/* States the path of every operation of this opcode at its first CQE. Only for paths that the
 * kernel's code makes certain; silent operations are not among them. */
void truth_paths(struct truth *truth, unsigned opcode, uint64_t inline_, uint64_t poll,
                 uint64_t io_wq);

/* Adds the member `"name": <formatted JSON value>`. */
void truth_fact(struct truth *truth, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Elements for a fact that is a JSON list: `truth_fact(truth, name, "[%s]", list.text)`. */
struct list {
    char text[1500];
};
void list_add(struct list *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds a child process's counts. Its facts and paths are not taken over. */
void truth_add(struct truth *truth, const struct truth *part);

/* Checks the books: whatever was submitted has ended, is known silent or was abandoned. */
void truth_check(const struct truth *truth);

void truth_print(const struct truth *truth, FILE *out);

/* Ends the program with a message: an expectation about the kernel is wrong. */
_Noreturn void broken(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition))                                                                      \
            broken(__FILE__, __LINE__, "not so: %s", #condition);                              \
    } while (0)

/* For results of system calls and CQEs: shows the number. */
#define CHECK_RESULT(value, expected)                                                          \
    do {                                                                                       \
        long long value_ = (value), expected_ = (expected);                                    \
        if (value_ != expected_)                                                               \
            broken(__FILE__, __LINE__, "%s is %lld, expected %lld", #value, value_, expected_);\
    } while (0)

#endif
