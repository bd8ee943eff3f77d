/* Records what a process does to the files below a folder, for tests/tests/power_cut.rs. Loaded with LD_PRELOAD.
 *
 * PORTCULLIS_TRACE_ROOT names the folder, PORTCULLIS_TRACE_FILE the file that takes the records. Each call is made and
 * recorded under one mutex, so that the records are in the order of the calls. A record is kind, handle, number and length
 * of the payload, 64 bits each, then the payload. sync_file_range is let through unrecorded: it makes nothing durable. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, LENGTH, SYNC, RENAME, UNLINK, MKDIR };
enum { MAX_FILES = 65536, MAX_PATH = 4096 };

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static struct { uint64_t handle; char *path; } files[MAX_FILES];
static uint64_t handles;
static const char *root;
static int trace = -1;

#define REAL(result, name, ...)                                          \
    static result (*real)(__VA_ARGS__);                                  \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("PORTCULLIS_TRACE_FILE");
    root = getenv("PORTCULLIS_TRACE_ROOT");
    if (root && file) trace = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void put(const void *bytes, size_t length) {
    const char *next = bytes;
    while (length > 0) {
        long n = syscall(SYS_write, trace, next, length);
        if (n <= 0) abort();
        next += n;
        length -= n;
    }
}

static void record(uint64_t kind, uint64_t handle, uint64_t number, const void *payload, size_t length) {
    int kept = errno;
    uint64_t head[4] = { kind, handle, number, length };
    put(head, sizeof head);
    put(payload, length);
    errno = kept;
}

/* The path below the root, or NULL where it is not below it. */
static const char *below(const char *path) {
    size_t length = root && trace >= 0 ? strlen(root) : 0;
    if (!length || strncmp(path, root, length)) return NULL;
    if (path[length] == '/') return path + length + 1;
    return path[length] ? NULL : path + length;
}

static int tracked(int fd) { return fd >= 0 && fd < MAX_FILES && files[fd].path; }

/* The same for a path that may be relative to a descriptor. */
static const char *below_at(int folder, const char *path, char *buffer) {
    if (path[0] == '/') return below(path);
    if (!tracked(folder)) return NULL;
    snprintf(buffer, MAX_PATH, "%s%s%s", files[folder].path, *files[folder].path ? "/" : "", path);
    return buffer;
}

static void forget(int fd) {
    if (fd < 0 || fd >= MAX_FILES) return;
    free(files[fd].path);
    files[fd].path = NULL;
}

static void opened(int fd, const char *path, int flags) {
    forget(fd);
    if (fd < 0 || fd >= MAX_FILES || !path) return;
    files[fd].path = strdup(path);
    files[fd].handle = ++handles;
    uint64_t how = (flags & O_CREAT ? 1 : 0) | (flags & O_TRUNC ? 2 : 0);
    record(OPEN, files[fd].handle, how, path, strlen(path));
}

static int open_at(int folder, const char *path, int flags, mode_t mode) {
    char buffer[MAX_PATH];
    pthread_mutex_lock(&order);
    int fd = syscall(SYS_openat, folder, path, flags, mode);
    if (fd >= 0) opened(fd, below_at(folder, path, buffer), flags);
    pthread_mutex_unlock(&order);
    return fd;
}

#define MODE(flags)                                      \
    mode_t mode = 0;                                     \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {             \
        va_list more;                                    \
        va_start(more, flags);                           \
        mode = va_arg(more, mode_t);                     \
        va_end(more);                                    \
    }

int open(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return open_at(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return open_at(folder, path, flags, mode); }

int close(int fd) {
    REAL(int, close, int);
    pthread_mutex_lock(&order);
    forget(fd);
    int result = real(fd);
    pthread_mutex_unlock(&order);
    return result;
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t offset) {
    pthread_mutex_lock(&order);
    ssize_t n = syscall(SYS_pwrite64, fd, bytes, length, offset);
    if (n > 0) record(WRITE, files[fd].handle, offset, bytes, n);
    pthread_mutex_unlock(&order);
    return n;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
    return tracked(fd) ? write_at(fd, bytes, length, offset) : real(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    return tracked(fd) ? write_at(fd, bytes, length, offset) : real(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (!tracked(fd)) return real(fd, bytes, length);
    pthread_mutex_lock(&order);
    ssize_t n = real(fd, bytes, length);
    if (n > 0) record(WRITE, files[fd].handle, lseek(fd, 0, SEEK_CUR) - n, bytes, n);
    pthread_mutex_unlock(&order);
    return n;
}

/* A vector is written as its first part only, which the callers must expect. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (!tracked(fd) || count < 1) return real(fd, parts, count);
    return write(fd, parts[0].iov_base, parts[0].iov_len);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t);
    if (!tracked(fd) || count < 1) return real(fd, parts, count, offset);
    return write_at(fd, parts[0].iov_base, parts[0].iov_len, offset);
}

static void resized(int fd) {
    struct stat now;
    if (tracked(fd) && !fstat(fd, &now)) record(LENGTH, files[fd].handle, now.st_size, "", 0);
}

#define RESIZE(name, parameters, arguments, ...)                         \
    int name parameters {                                                \
        REAL(int, name, __VA_ARGS__);                                    \
        pthread_mutex_lock(&order);                                      \
        int result = real arguments;                                     \
        if (!result) resized(fd);                                        \
        pthread_mutex_unlock(&order);                                    \
        return result;                                                   \
    }
RESIZE(ftruncate, (int fd, off_t length), (fd, length), int, off_t)
RESIZE(ftruncate64, (int fd, off64_t length), (fd, length), int, off64_t)
RESIZE(fallocate, (int fd, int mode, off_t at, off_t length), (fd, mode, at, length), int, int, off_t, off_t)
RESIZE(fallocate64, (int fd, int mode, off64_t at, off64_t length), (fd, mode, at, length), int, int, off64_t, off64_t)

#define SYNC_CALL(name)                                                  \
    int name(int fd) {                                                   \
        REAL(int, name, int);                                            \
        pthread_mutex_lock(&order);                                      \
        int result = real(fd);                                           \
        if (!result && tracked(fd)) record(SYNC, files[fd].handle, 0, "", 0); \
        pthread_mutex_unlock(&order);                                    \
        return result;                                                   \
    }
SYNC_CALL(fsync)
SYNC_CALL(fdatasync)

/* Only paths from the root are recorded, as the writer's are. */
int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    REAL(int, renameat, int, const char *, int, const char *);
    char both[2 * MAX_PATH];
    pthread_mutex_lock(&order);
    int result = real(from_folder, from, to_folder, to);
    if (!result && below(from) && below(to)) {
        int length = snprintf(both, sizeof both, "%s\n%s", below(from), below(to));
        record(RENAME, 0, 0, both, length);
    }
    pthread_mutex_unlock(&order);
    return result;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

static int unlink_at(int folder, const char *path, int flags) {
    char buffer[MAX_PATH];
    pthread_mutex_lock(&order);
    int result = syscall(SYS_unlinkat, folder, path, flags);
    const char *name = result ? NULL : below_at(folder, path, buffer);
    if (name) record(UNLINK, 0, 0, name, strlen(name));
    pthread_mutex_unlock(&order);
    return result;
}
int unlink(const char *path) { return unlink_at(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlink_at(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int folder, const char *path, int flags) { return unlink_at(folder, path, flags); }

int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    pthread_mutex_lock(&order);
    int result = real(path, mode);
    if (!result && below(path)) record(MKDIR, 0, 0, below(path), strlen(below(path)));
    pthread_mutex_unlock(&order);
    return result;
}
