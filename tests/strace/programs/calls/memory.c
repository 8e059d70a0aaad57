/* Address space. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "steps.h"

#define PAGE 4096

void memory(void)
{
    char *pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    DONE((long)pages);
    unsigned char resident[4];
    pages[0] = 1;
    DONE(mprotect(pages + PAGE, PAGE, PROT_READ));
    DONE(madvise(pages, PAGE, MADV_DONTNEED));
    DONE(msync(pages, PAGE, MS_ASYNC));
    DONE(mincore(pages, PAGE, resident));
    DONE(mlock(pages, PAGE));
    DONE(munlock(pages, PAGE));
    pages = mremap(pages, 4 * PAGE, 2 * PAGE, 0);
    DONE((long)pages);
    DONE(munmap(pages, 2 * PAGE));
    REFUSED(EINVAL, munmap((void *)1, PAGE));
    REFUSED(EBADF, (long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, 1000, 0));
    int file = DONE(memfd_create("mapped", 0));
    DONE(ftruncate(file, PAGE));
    pages = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    DONE((long)pages);
    DONE(munmap(pages, PAGE));
    DONE(close(file));
    DONE(syscall(SYS_brk, 0));
}
