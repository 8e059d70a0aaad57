/* kinds: performs every kind of io_uring operation a known number of times.
 *
 *     kinds [--pause] [SUBJECT ...]     run these subjects, or all of them
 *     kinds --list                      print the names of the subjects
 *
 * Prints one JSON line: {"schema": 1, "pid": ..., "subjects": [...], "total": {...}}. Each subject
 * tells what this program submitted and reaped; nothing is taken from a tracer. Exits 1 when
 * the kernel does something else than the subject expects, 0 otherwise: a feature this kernel
 * lacks is reported as "supported": false.
 *
 * With --pause it first prints {"ready": PID} and waits for a line on stdin, so that a tracer
 * can attach. "many_rings" and "exit_in_flight" fork; all else happens in this process.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "subjects.h"
#include "truth.h"

#define DEADLINE_SECONDS 60

static const struct subject {
    const char *name;
    void (*run)(struct truth *truth);
} subjects[] = {
#define LIST_SUBJECT(name) {#name, subject_##name},
    SUBJECTS(LIST_SUBJECT)
#undef LIST_SUBJECT
};

#define SUBJECT_COUNT (sizeof(subjects) / sizeof(*subjects))

static const char *volatile running = "start";

static void on_deadline(int signal_number)
{
    (void)signal_number;
    static const char before[] = "kinds: no progress in subject ";
    ssize_t ignored = write(STDERR_FILENO, before, sizeof(before) - 1);
    ignored = write(STDERR_FILENO, running, strlen(running));
    ignored = write(STDERR_FILENO, "\n", 1);
    (void)ignored;
    _exit(1);
}

static const struct subject *find(const char *name)
{
    for (size_t i = 0; i < SUBJECT_COUNT; i++)
        if (!strcmp(subjects[i].name, name))
            return &subjects[i];
    fprintf(stderr, "kinds: no subject \"%s\"; kinds --list prints them\n", name);
    exit(2);
}

static void wait_for_line(void)
{
    printf("{\"ready\": %d}\n", (int)getpid());
    fflush(stdout);
    int character;
    do
        character = getchar();
    while (character != '\n' && character != EOF);
}

static void run(const struct subject *subject, struct truth *total, bool first)
{
    static struct truth truth;
    running = subject->name;
    truth_start(&truth, subject->name);
    subject->run(&truth);
    truth_check(&truth);
    if (!first)
        fputs(", ", stdout);
    truth_print(&truth, stdout);
    truth_add(total, &truth);
    total->processes += truth.processes - 1;
}

int main(int argc, char **argv)
{
    bool pause = false;
    int first = 1;
    if (first < argc && !strcmp(argv[first], "--list")) {
        for (size_t i = 0; i < SUBJECT_COUNT; i++)
            puts(subjects[i].name);
        return 0;
    }
    if (first < argc && !strcmp(argv[first], "--pause")) {
        pause = true;
        first++;
    }
    for (int i = first; i < argc; i++)
        find(argv[i]);
    if (pause)
        wait_for_line();

    signal(SIGALRM, on_deadline);
    signal(SIGPIPE, SIG_IGN);
    alarm(DEADLINE_SECONDS);
    /* One line at the end, also when it is long; forked children leave through _exit(). */
    static char output[1 << 18];
    setvbuf(stdout, output, _IOFBF, sizeof(output));

    static struct truth total;
    truth_start(&total, "total");
    printf("{\"schema\": 1, \"pid\": %d, \"subjects\": [", (int)getpid());
    if (first == argc)
        for (size_t i = 0; i < SUBJECT_COUNT; i++)
            run(&subjects[i], &total, i == 0);
    for (int i = first; i < argc; i++)
        run(find(argv[i]), &total, i == first);
    printf("], \"total\": ");
    truth_print(&total, stdout);
    puts("}");
    return fflush(stdout) == 0 ? 0 : 1;
}
