/* Loaded with LD_PRELOAD: counts the operations on files below a folder, and lets one go wrong.

   failing_begin(folder, mode, nth) starts to count; failing_count() returns how many there were.
   Modes: 0 only counts; 1 kills the process before the nth operation; 2 fails it and every later
   one that needs space (the disk is full); 3 fails the nth with an input/output error; 4 writes
   only half of what the nth write was asked to, or, if it is no write, of the next one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL, FULL, IO_ERROR, SHORT };
static char folder[4096];
static size_t folder_length;
static int mode;
static long nth, *count; /* the count is shared with child processes */
static int half_pending;
static char watched[65536]; /* by file descriptor */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void failing_begin(const char *path, int what, long number) {
    snprintf(folder, sizeof folder, "%s", path);
    folder_length = strlen(folder);
    mode = what;
    nth = number;
    *count = half_pending = 0;
}
long failing_count(void) { return *count; }
__attribute__((constructor)) static void share(void) {
    count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static int below(int at, const char *path) {
    char whole[8192], base[4096];
    if (!folder_length || !path) return 0;
    if (path[0] == '/') return !strncmp(path, folder, folder_length);
    if (at == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length < 0) return 0;
        base[length] = 0;
    }
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    return !strncmp(whole, folder, folder_length);
}

/* Counts an operation; returns an error number if it is to fail. */
static int step(int needs_space) {
    int error = 0;
    pthread_mutex_lock(&lock);
    ++*count;
    if (mode == KILL && *count == nth) kill(getpid(), SIGKILL);
    if (mode == FULL && *count >= nth && needs_space) error = ENOSPC;
    if (mode == IO_ERROR && *count == nth) error = EIO;
    if (mode == SHORT && *count == nth) half_pending = 1;
    pthread_mutex_unlock(&lock);
    return error;
}
static size_t shortened(size_t size) {
    if (!half_pending || size < 2) return size;
    half_pending = 0;
    return size / 2;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define TRY(condition, space) \
    if (condition) { int error = step(space); if (error) { errno = error; return -1; } }

static int note(int fd, int mine) {
    if (fd >= 0 && fd < (int)sizeof watched) watched[fd] = (char)mine;
    return fd;
}
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; va_start(rest, flags); mode_t bits = va_arg(rest, mode_t); va_end(rest); \
        int mine = below(AT_FDCWD, path) && (flags & (O_WRONLY | O_RDWR | O_CREAT)); \
        TRY(mine, flags & O_CREAT) \
        return note(real(path, flags, bits), mine); \
    }
OPEN(open)
OPEN(open64)
#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; va_start(rest, flags); mode_t bits = va_arg(rest, mode_t); va_end(rest); \
        int mine = below(at, path) && (flags & (O_WRONLY | O_RDWR | O_CREAT)); \
        TRY(mine, flags & O_CREAT) \
        return note(real(at, path, flags, bits), mine); \
    }
OPENAT(openat)
OPENAT(openat64)
#define MINE(fd) ((fd) >= 0 && (fd) < (int)sizeof watched && watched[fd])
int close(int fd) { REAL(close); note(fd, 0); return real(fd); }
ssize_t write(int fd, const void *data, size_t size) {
    REAL(write); TRY(MINE(fd), 1)
    return real(fd, data, MINE(fd) ? shortened(size) : size);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t place) {
    REAL(pwrite64); TRY(MINE(fd), 1)
    return real(fd, data, MINE(fd) ? shortened(size) : size, place);
}
ssize_t writev(int fd, const struct iovec *parts, int number) {
    REAL(writev); TRY(MINE(fd), 1)
    if (MINE(fd) && half_pending && number > 0) {
        half_pending = 0;
        return write(fd, parts[0].iov_base, (parts[0].iov_len + 1) / 2);
    }
    return real(fd, parts, number);
}
int fsync(int fd) { REAL(fsync); TRY(MINE(fd), 0) return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); TRY(MINE(fd), 0) return real(fd); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); TRY(MINE(fd), 0) return real(fd, size); }
int rename(const char *from, const char *to) {
    REAL(rename); TRY(below(AT_FDCWD, from) || below(AT_FDCWD, to), 0)
    return real(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    REAL(renameat); TRY(below(a, from) || below(b, to), 0)
    return real(a, from, b, to);
}
int mkdir(const char *path, mode_t bits) {
    REAL(mkdir); TRY(below(AT_FDCWD, path), 1)
    return real(path, bits);
}
int mkdirat(int at, const char *path, mode_t bits) {
    REAL(mkdirat); TRY(below(at, path), 1)
    return real(at, path, bits);
}
int unlink(const char *path) { REAL(unlink); TRY(below(AT_FDCWD, path), 0) return real(path); }
int unlinkat(int at, const char *path, int flags) {
    REAL(unlinkat); TRY(below(at, path), 0)
    return real(at, path, flags);
}
int rmdir(const char *path) { REAL(rmdir); TRY(below(AT_FDCWD, path), 0) return real(path); }
