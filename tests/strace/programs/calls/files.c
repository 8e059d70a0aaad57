/* Contents and attributes of files. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <utime.h>

#include "steps.h"

static void opening(void)
{
    DONE(close(DONE(syscall(SYS_open, "first", O_RDWR | O_CREAT | O_TRUNC, 0644))));
    DONE(close(DONE(syscall(SYS_creat, "created", 0600))));
    REFUSED(ENOENT, syscall(SYS_open, "missing", O_RDONLY));
    REFUSED(EEXIST, openat(AT_FDCWD, "first", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    REFUSED(ENOTDIR, openat(AT_FDCWD, "first/below", O_RDONLY));
    REFUSED(EBADF, openat(1000, "relative", O_RDONLY));
    int folder = DONE(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DONE(close(DONE(openat(folder, "first", O_WRONLY | O_APPEND | O_NONBLOCK))));
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    TRIED(close(syscall(SYS_openat2, folder, "first", &how, sizeof(how))));
    DONE(close(folder));
    REFUSED(EBADF, close(folder));
}

static void contents(void)
{
    char buffer[64] = "";
    struct iovec two[2] = {{"scattered", 9}, {" text, with \"quotes\"\n", 21}};
    struct iovec into[2] = {{buffer, 4}, {buffer + 4, 32}};
    int file = DONE(open("contents", O_RDWR | O_CREAT, 0644));

    DONE(write(file, "plain text", 10));
    DONE(pwrite(file, "at an offset", 12, 4096));
    DONE(writev(file, two, 2));
    DONE(pwritev(file, two, 2, 100));
    DONE(syscall(SYS_pwritev2, file, two, 1, 200, 0, 0));
    DONE(lseek(file, 0, SEEK_SET));
    DONE(read(file, buffer, 5));
    DONE(pread(file, buffer, sizeof(buffer), 4096));
    DONE(readv(file, into, 2));
    DONE(preadv(file, into, 2, 100));
    DONE(syscall(SYS_preadv2, file, into, 1, 200, 0, 0));
    DONE(lseek(file, -10, SEEK_END));
    DONE(lseek(file, 3, SEEK_CUR));
    REFUSED(EINVAL, lseek(file, -1, SEEK_SET));
    REFUSED(EINVAL, pread(file, buffer, 1, -1));
    REFUSED(EFAULT, syscall(SYS_read, file, 8, 1));
    REFUSED(EBADF, read(1000, buffer, 1));
    REFUSED(EBADF, write(-1, buffer, 1));

    DONE(fsync(file));
    DONE(fdatasync(file));
    TRIED(sync_file_range(file, 0, 4096, SYNC_FILE_RANGE_WRITE));
    DONE(posix_fadvise(file, 0, 4096, POSIX_FADV_WILLNEED));
    DONE(readahead(file, 0, 4096));
    DONE(ftruncate(file, 8192));
    DONE(truncate("contents", 16384));
    TRIED(fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 32768));
    TRIED(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    DONE(flock(file, LOCK_EX | LOCK_NB));
    DONE(flock(file, LOCK_UN));
    DONE(close(file));
}

static void attributes(void)
{
    struct stat status;
    struct statx extended;
    struct statfs system;
    char value[16];
    struct timespec times[2] = {{1000000000, 5}, {.tv_nsec = UTIME_OMIT}};
    struct timeval earlier[2] = {{1000000000, 7}, {1000000001, 8}};
    struct utimbuf earliest = {1000000000, 1000000001};
    int file = DONE(open("contents", O_RDONLY));

    DONE(syscall(SYS_stat, "contents", &status));
    DONE(syscall(SYS_lstat, "contents", &status));
    DONE(syscall(SYS_fstat, file, &status));
    DONE(fstatat(AT_FDCWD, "contents", &status, AT_SYMLINK_NOFOLLOW));
    DONE(fstatat(file, "", &status, AT_EMPTY_PATH));
    REFUSED(ENOENT, fstatat(AT_FDCWD, "missing", &status, 0));
    DONE(statx(AT_FDCWD, "contents", AT_STATX_SYNC_AS_STAT, STATX_SIZE | STATX_MODE, &extended));
    REFUSED(ENOENT, statx(AT_FDCWD, "missing", 0, STATX_BASIC_STATS, &extended));
    DONE(statfs(".", &system));
    DONE(fstatfs(file, &system));

    DONE(syscall(SYS_access, "contents", R_OK | W_OK));
    REFUSED(ENOENT, syscall(SYS_access, "missing", F_OK));
    DONE(syscall(SYS_faccessat, AT_FDCWD, "contents", R_OK));
    TRIED(syscall(SYS_faccessat2, AT_FDCWD, "contents", R_OK, AT_EACCESS));
    DONE(umask(022));
    DONE(syscall(SYS_chmod, "contents", 0640));
    DONE(fchmod(file, 0600));
    DONE(fchmodat(AT_FDCWD, "contents", 0644, 0));
    DONE(syscall(SYS_chown, "contents", -1, -1));
    DONE(fchown(file, -1, -1));
    DONE(syscall(SYS_lchown, "contents", -1, -1));
    DONE(fchownat(AT_FDCWD, "contents", -1, -1, AT_SYMLINK_NOFOLLOW));
    DONE(utimensat(AT_FDCWD, "contents", times, 0));
    DONE(futimens(file, NULL));
    DONE(syscall(SYS_utimes, "contents", earlier));
    DONE(syscall(SYS_futimesat, AT_FDCWD, "contents", earlier));
    DONE(syscall(SYS_utime, "contents", &earliest));

    TRIED(setxattr("contents", "user.colour", "blue", 4, XATTR_CREATE));
    TRIED(getxattr("contents", "user.colour", value, sizeof(value)));
    TRIED(fgetxattr(file, "user.missing", value, sizeof(value)));
    TRIED(listxattr("contents", NULL, 0));
    TRIED(removexattr("contents", "user.colour"));
    DONE(close(file));
}

void files(void)
{
    opening();
    contents();
    attributes();
    DONE(syscall(SYS_unlink, "first"));
    DONE(syscall(SYS_unlink, "created"));
    DONE(unlinkat(AT_FDCWD, "contents", 0));
}
