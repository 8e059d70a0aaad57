/* Processes, signals, time, and what the system says of itself. */
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "steps.h"

static void wait_for(pid_t child)
{
    int status;
    DONE(wait4(child, &status, 0, NULL));
}

static void children(const char *self)
{
    char *const arguments[] = {"calls", NULL};
    pid_t child = DONE(fork());
    if (!child) {
        execv(self, arguments);
        _exit(1);
    }
    wait_for(child);

    child = DONE(syscall(SYS_fork));
    if (!child)
        syscall(SYS_exit, 3);
    wait_for(child);

    child = DONE(vfork());
    if (!child) {
        execv("missing", arguments);
        _exit(4);
    }
    wait_for(child);

    struct clone_args how = {.exit_signal = SIGCHLD};
    child = DONE(syscall(SYS_clone3, &how, sizeof(how)));
    if (!child)
        _exit(5);
    siginfo_t details;
    DONE(waitid(P_PID, child, &details, WEXITED));
    REFUSED(ECHILD, wait4(-1, NULL, WNOHANG, NULL));
}

static volatile sig_atomic_t arrived;

static void on_signal(int number)
{
    arrived = number;
}

static void signals(void)
{
    sigset_t set;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    DONE(sigaction(SIGUSR1, &action, NULL));
    DONE(sigprocmask(SIG_BLOCK, &set, NULL));
    DONE(kill(getpid(), 0));
    DONE(kill(getpid(), SIGUSR1));
    DONE(syscall(SYS_tgkill, getpid(), gettid(), 0));
    REFUSED(EINVAL, kill(getpid(), 1000));
    DONE(sigprocmask(SIG_UNBLOCK, &set, NULL));
    DONE(sigaltstack(NULL, &(stack_t){0}));
}

static void waiting(void)
{
    unsigned word = 1;
    struct timespec short_time = {.tv_nsec = 1000000};
    DONE(syscall(SYS_nanosleep, &short_time, NULL));
    DONE(clock_nanosleep(CLOCK_MONOTONIC, 0, &short_time, NULL));
    DONE(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    REFUSED(EAGAIN, syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0));
    REFUSED(ETIMEDOUT, syscall(SYS_futex, &word, FUTEX_WAIT, 1, &short_time, NULL, 0));
    REFUSED(EAGAIN, syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 2, NULL,
                            NULL, FUTEX_BITSET_MATCH_ANY));
    DONE(sched_yield());
}

static void identity(void)
{
    struct utsname system;
    struct sysinfo state;
    struct rlimit limit;
    cpu_set_t processors;
    char name[16];
    unsigned processor, random;
    syscall(SYS_getpid);
    syscall(SYS_gettid);
    syscall(SYS_getppid);
    syscall(SYS_getuid);
    syscall(SYS_geteuid);
    syscall(SYS_getgid);
    syscall(SYS_getegid);
    DONE(uname(&system));
    DONE(sysinfo(&state));
    DONE(getrandom(&random, sizeof(random), GRND_NONBLOCK));
    DONE(prctl(PR_SET_NAME, "calls"));
    DONE(prctl(PR_GET_NAME, name));
    DONE(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit));
    DONE(syscall(SYS_getrlimit, RLIMIT_CORE, &limit));
    DONE(sched_getaffinity(0, sizeof(processors), &processors));
    DONE(sched_getscheduler(0));
    DONE(getpriority(PRIO_PROCESS, 0));
    DONE(syscall(SYS_getcpu, &processor, NULL, NULL));
}

void processes(const char *self)
{
    children(self);
    signals();
    waiting();
    identity();
}
