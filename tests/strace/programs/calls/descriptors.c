/* Descriptors that are no files with a name, and what moves data between descriptors. */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <termios.h>

#include "steps.h"

static void copies(void)
{
    int file = DONE(open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
    int copy = DONE(dup(file));
    DONE(syscall(SYS_dup2, file, 40));
    DONE(dup3(file, 41, O_CLOEXEC));
    REFUSED(EINVAL, dup3(file, file, 0));
    REFUSED(EBADF, dup(1000));
    DONE(fcntl(file, F_GETFD));
    DONE(fcntl(file, F_SETFD, 0));
    DONE(fcntl(file, F_GETFL));
    DONE(fcntl(file, F_SETFL, O_NONBLOCK | O_APPEND));
    int other = DONE(fcntl(file, F_DUPFD_CLOEXEC, 50));
    DONE(fcntl(file, F_SETLK, &lock));
    lock.l_type = F_UNLCK;
    DONE(fcntl(file, F_SETLK, &lock));
    REFUSED(EBADF, fcntl(1000, F_GETFD));
    DONE(unlink("locked"));
    DONE(close(copy));
    DONE(close(other));
    TRIED(syscall(SYS_close_range, 40, 41, 0));
    DONE(close(file));
}

static void pipes(void)
{
    int first[2], second[2], waiting, space;
    char text[16];
    struct iovec piece = {"spliced", 7};
    DONE(syscall(SYS_pipe, first));
    DONE(pipe2(second, O_CLOEXEC | O_NONBLOCK));
    DONE(write(first[1], "through", 7));
    DONE(ioctl(first[0], FIONREAD, &waiting));
    DONE(tee(first[0], second[1], 7, SPLICE_F_NONBLOCK));
    DONE(splice(first[0], NULL, second[1], NULL, 7, SPLICE_F_MOVE));
    DONE(vmsplice(second[1], &piece, 1, 0));
    DONE(read(second[0], text, sizeof(text)));
    DONE(read(second[0], text, sizeof(text)));
    REFUSED(EAGAIN, read(second[0], text, sizeof(text)));
    space = DONE(fcntl(second[1], F_GETPIPE_SZ));
    DONE(fcntl(second[1], F_SETPIPE_SZ, space));
    REFUSED(ENOTTY, ioctl(second[1], TCGETS, text));
    DONE(close(first[1]));
    DONE(read(first[0], text, sizeof(text)));
    DONE(close(first[0]));
    DONE(close(second[0]));
    DONE(close(second[1]));
}

static void between_files(void)
{
    off_t place = 2;
    loff_t from = 1;
    int both[2];
    int source = DONE(memfd_create("source", MFD_CLOEXEC));
    int destination = DONE(open("copy", O_RDWR | O_CREAT, 0600));
    DONE(write(source, "0123456789", 10));
    DONE(sendfile(destination, source, &place, 4));
    DONE(lseek(source, 0, SEEK_SET));
    DONE(sendfile(destination, source, NULL, 4));
    TRIED(copy_file_range(destination, &from, destination, NULL, 3, 0));
    DONE(pipe2(both, 0));
    DONE(splice(destination, &from, both[1], NULL, 2, 0));
    REFUSED(EINVAL, splice(source, NULL, destination, NULL, 1, 0));
    DONE(close(both[0]));
    DONE(close(both[1]));
    DONE(close(source));
    DONE(close(destination));
    DONE(unlink("copy"));
}

static void counters(void)
{
    uint64_t value = 3;
    int counter = DONE(syscall(SYS_eventfd2, 0, EFD_NONBLOCK | EFD_CLOEXEC));
    REFUSED(EAGAIN, read(counter, &value, sizeof(value)));
    DONE(write(counter, &value, sizeof(value)));
    DONE(read(counter, &value, sizeof(value)));
    DONE(close(counter));
    DONE(close(DONE(syscall(SYS_eventfd, 7))));

    struct itimerspec past = {.it_value = {.tv_nsec = 1}}, setting;
    int timer = DONE(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    REFUSED(EAGAIN, read(timer, &value, sizeof(value)));
    DONE(timerfd_settime(timer, TFD_TIMER_ABSTIME, &past, NULL));
    DONE(read(timer, &value, sizeof(value)));
    DONE(timerfd_gettime(timer, &setting));
    REFUSED(EINVAL, timerfd_settime(timer, 1 << 20, &past, NULL));
    DONE(close(timer));

    struct signalfd_siginfo signal;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    DONE(sigprocmask(SIG_BLOCK, &set, NULL));
    int signals = DONE(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    REFUSED(EAGAIN, read(signals, &signal, sizeof(signal)));
    DONE(kill(getpid(), SIGUSR2));
    DONE(read(signals, &signal, sizeof(signal)));
    DONE(close(signals));
    DONE(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

void descriptors(void)
{
    copies();
    pipes();
    between_files();
    counters();
}
