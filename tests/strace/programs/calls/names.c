/* Names, links and folders. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "steps.h"

static void links(int folder)
{
    char text[64];
    DONE(close(DONE(openat(folder, "one", O_WRONLY | O_CREAT, 0644))));
    DONE(syscall(SYS_link, "one", "two"));
    DONE(linkat(folder, "one", folder, "three", 0));
    REFUSED(EEXIST, linkat(folder, "one", folder, "two", 0));
    DONE(syscall(SYS_symlink, "one", "soft"));
    DONE(symlinkat("a target, \"quoted\"", folder, "softer"));
    DONE(syscall(SYS_readlink, "soft", text, sizeof(text)));
    DONE(readlinkat(folder, "softer", text, sizeof(text)));
    REFUSED(EINVAL, readlinkat(folder, "one", text, sizeof(text)));
    DONE(syscall(SYS_rename, "two", "renamed"));
    DONE(renameat(folder, "renamed", AT_FDCWD, "renamed again"));
    DONE(syscall(SYS_renameat2, folder, "renamed again", folder, "two", RENAME_NOREPLACE));
    REFUSED(EEXIST, syscall(SYS_renameat2, folder, "two", folder, "three", RENAME_NOREPLACE));
    DONE(syscall(SYS_mknod, "fifo", S_IFIFO | 0600, 0));
    DONE(mknodat(folder, "plain", S_IFREG | 0600, 0));
    DONE(unlinkat(folder, "plain", 0));
    static const char *const all[] = {"one", "two", "three", "soft", "softer", "fifo"};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        DONE(syscall(SYS_unlink, all[i]));
    REFUSED(ENOENT, unlinkat(AT_FDCWD, "one", 0));
}

static void reopened(int folder, const char *name)
{
    char text[8];
    int file = DONE(openat(folder, name, O_RDONLY));
    DONE(read(file, text, sizeof(text)));
    DONE(close(file));
}

/* One file under several names, one after the other. */
static void renamed(int folder)
{
    DONE(close(DONE(openat(folder, "before", O_WRONLY | O_CREAT, 0644))));
    reopened(folder, "before");
    DONE(rename("before", "after"));
    reopened(folder, "after");
    DONE(link("after", "linked"));
    reopened(folder, "linked");
    DONE(mkdir("below", 0700));
    DONE(rename("after", "below/after"));
    reopened(folder, "below/after");
    DONE(rename("below", "deeper"));
    reopened(folder, "deeper/after");
    DONE(unlink("deeper/after"));
    DONE(unlink("linked"));
    DONE(rmdir("deeper"));
}

/* Names that need quoting, and one that is too long. */
static void odd_names(int folder)
{
    static const char odd[] = "odd, \"name\")\t\303\244 = 0";
    char long_name[301];
    memset(long_name, 'n', 300);
    long_name[300] = 0;
    int file = DONE(openat(folder, odd, O_WRONLY | O_CREAT, 0600));
    DONE(write(file, odd, sizeof(odd)));
    DONE(close(file));
    DONE(unlinkat(folder, odd, 0));
    REFUSED(ENOENT, unlinkat(folder, "", 0));
    REFUSED(ENAMETOOLONG, openat(folder, long_name, O_RDONLY));
    REFUSED(EFAULT, syscall(SYS_openat, folder, NULL, O_RDONLY));
    REFUSED(EFAULT, syscall(SYS_unlink, 8));
}

static void folders(int folder)
{
    char text[4096];
    DONE(syscall(SYS_mkdir, "inner", 0755));
    DONE(mkdirat(folder, "other", 0700));
    REFUSED(EEXIST, mkdirat(folder, "other", 0700));
    int inner = DONE(openat(folder, "inner", O_RDONLY | O_DIRECTORY));
    DONE(syscall(SYS_getdents64, inner, text, sizeof(text)));
    DONE(syscall(SYS_getdents64, inner, text, sizeof(text)));
    DONE(fchdir(inner));
    DONE(syscall(SYS_getcwd, text, sizeof(text)));
    REFUSED(ERANGE, syscall(SYS_getcwd, text, 2));
    DONE(chdir(".."));
    REFUSED(ENOENT, chdir("missing"));
    DONE(close(inner));
    DONE(syscall(SYS_rmdir, "inner"));
    REFUSED(EISDIR, unlinkat(folder, "other", 0));
    DONE(unlinkat(folder, "other", AT_REMOVEDIR));
}

static void watched(void)
{
    char events[256];
    int watch = DONE(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    int number = DONE(inotify_add_watch(watch, ".", IN_CREATE | IN_ISDIR));
    REFUSED(EAGAIN, read(watch, events, sizeof(events)));
    DONE(mkdir("seen", 0700));
    DONE(read(watch, events, sizeof(events)));
    DONE(inotify_rm_watch(watch, number));
    DONE(rmdir("seen"));
    DONE(close(watch));
}

void names(void)
{
    int folder = DONE(open(".", O_RDONLY | O_DIRECTORY));
    links(folder);
    renamed(folder);
    odd_names(folder);
    folders(folder);
    watched();
    DONE(close(folder));
}
