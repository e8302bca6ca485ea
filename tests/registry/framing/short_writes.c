/* Preloaded by test_short_writes.py: pwrite as POSIX allows it to be. It takes 1000 bytes at most, is
 * interrupted every third time, and with SHORT_WRITES=none takes nothing and gives no reason. */
#define _GNU_SOURCE

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static ssize_t
write_some(int fd, const void *bytes, size_t size, off_t offset)
{
    static int calls;
    const char *mode = getenv("SHORT_WRITES");

    if (mode != NULL && strcmp(mode, "none") == 0) {
        return 0;
    }
    if (++calls % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, size < 1000 ? size : 1000, offset);
}

ssize_t
pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return write_some(fd, bytes, size, offset);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
    return write_some(fd, bytes, size, offset);
}
