/* SPDX-License-Identifier: Apache-2.0 */
#undef _FORTIFY_SOURCE /* the functions here are the ones that fortified calls would come to */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX  512
#define RANGES_MAX 8

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
/* What a fortified build calls in place of pread, open and openat. */
ssize_t __pread_chk(int fd, void *bytes, size_t len, off_t at, size_t room);
int __open_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
extern const mcpa_faults_t mcpa_faults_table;

/* In memory shared with all children. One process syncs files at a time; the others read. */
typedef struct common {
    atomic_ulong failed, rounds;
    _Atomic int64_t shift_s;
    struct {
        dev_t dev;
        ino_t ino;
        _Atomic uint64_t bytes;
    } files[FILES_MAX];
    atomic_uint n_files;
} common_t;

static common_t fallback;
static common_t *common = &fallback;
static const volatile int64_t *clock_file;
static mcpa_fault_plan_t plan;
static atomic_bool armed, broken; /* broken: the planned call has failed */
static atomic_ulong counted;
static unsigned speed = 1;
static int64_t speed_from_ns;
static struct {
    uintptr_t from, to;
} ranges[RANGES_MAX];
static unsigned n_ranges;

/* ---- whose call, and whether it fails */

/* Called for what is loaded, one after the other, of which the first is the program itself. */
static int note_ranges(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];

        if (header->p_type == PT_LOAD && (header->p_flags & PF_X) != 0 && n_ranges < RANGES_MAX) {
            ranges[n_ranges].from = info->dlpi_addr + header->p_vaddr;
            ranges[n_ranges].to = ranges[n_ranges].from + header->p_memsz;
            n_ranges++;
        }
    }
    return 1; /* the others are none of ours */
}

static bool is_ours(const void *caller)
{
    for (unsigned i = 0; i < n_ranges; i++) {
        if ((uintptr_t)caller >= ranges[i].from && (uintptr_t)caller < ranges[i].to) {
            return true;
        }
    }
    return false;
}

/* Whether this call is the one; errno is set then. */
static bool fails(const char *function, const void *caller)
{
    unsigned long number;

    if (!atomic_load(&armed) || !is_ours(caller)) {
        return false;
    }
    if (plan.too != NULL && strcmp(function, plan.too) == 0 && atomic_load(&broken)) {
        errno = EIO;
        return true;
    }
    if (strcmp(function, plan.function) != 0) {
        return false;
    }
    number = atomic_fetch_add(&counted, 1) + 1;
    if (number != plan.nth && (plan.kind != MCPA_FAULT_ONWARD || number < plan.nth)) {
        return false;
    }
    atomic_fetch_add(&common->failed, 1);
    atomic_store(&broken, true);
    if (plan.kind == MCPA_FAULT_DIE) {
        (void)kill(getpid(), SIGKILL);
    }
    errno = plan.error;
    return true;
}

/* How many bytes of a write are let through: all, half, or -1 for none. */
static ssize_t allowed(const char *function, int fd, size_t len, const void *caller)
{
    if (fd <= STDERR_FILENO || !fails(function, caller)) {
        return (ssize_t)len;
    }
    return plan.kind == MCPA_FAULT_SHORT && len > 1 ? (ssize_t)(len / 2) : -1;
}

#define CALLER      __builtin_return_address(0)
#define FAILS(name) fails(name, CALLER)

/* ---- what the driver may ask */

static int64_t mono_ns(void)
{
    struct timespec now;

    (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void faults_arm(const mcpa_fault_plan_t *wanted)
{
    atomic_store(&armed, false);
    if (wanted != NULL) {
        plan = *wanted;
        atomic_store(&counted, 0);
        atomic_store(&broken, false);
        atomic_store(&armed, true);
    }
}

static void faults_speed(unsigned times)
{
    speed_from_ns = mono_ns();
    speed = times;
}

static void faults_reset(void)
{
    atomic_store(&common->failed, 0);
    atomic_store(&common->rounds, 0);
    atomic_store(&common->n_files, 0);
}

static unsigned long faults_failed(void)
{
    return atomic_load(&common->failed);
}

static unsigned long faults_rounds(void)
{
    return atomic_load(&common->rounds);
}

static void faults_shift(int64_t seconds)
{
    atomic_store(&common->shift_s, seconds);
}

static int find_file(dev_t dev, ino_t ino)
{
    for (unsigned i = 0; i < atomic_load(&common->n_files); i++) {
        if (common->files[i].dev == dev && common->files[i].ino == ino) {
            return (int)i;
        }
    }
    return -1;
}

static uint64_t faults_synced(dev_t dev, ino_t ino)
{
    int i = find_file(dev, ino);

    return i < 0 ? 0 : atomic_load(&common->files[i].bytes);
}

const mcpa_faults_t mcpa_faults_table = { faults_arm,   faults_speed, faults_reset, faults_failed, faults_rounds,
                                          faults_shift, faults_synced };

__attribute__((constructor)) static void set_up(void)
{
    void *memory = mmap(NULL, sizeof(common_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *path = getenv("MCPA_FAULTS_CLOCK");
    int fd = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

    if (memory != MAP_FAILED) {
        common = memory;
    }
    if (fd >= 0) {
        memory = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
        clock_file = memory == MAP_FAILED ? NULL : memory;
        (void)close(fd);
    }
    (void)dl_iterate_phdr(note_ranges, NULL);
}

/* ---- memory */

void *malloc(size_t size)
{
    return FAILS("memory") ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return FAILS("memory") ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return FAILS("memory") ? NULL : __libc_realloc(old, size);
}

char *strdup(const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = FAILS("memory") ? NULL : __libc_malloc(len);

    return copy == NULL ? NULL : memcpy(copy, text, len);
}

/* ---- files */

static void note_sync(int fd, uint64_t bytes, bool shorten)
{
    struct stat st;
    int i;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    i = find_file(st.st_dev, st.st_ino);
    if (i < 0 && !shorten && atomic_load(&common->n_files) < FILES_MAX) {
        i = (int)atomic_load(&common->n_files);
        common->files[i].dev = st.st_dev;
        common->files[i].ino = st.st_ino;
        atomic_store(&common->files[i].bytes, 0);
        atomic_fetch_add(&common->n_files, 1);
    }
    if (i >= 0 && (!shorten || atomic_load(&common->files[i].bytes) > bytes)) {
        atomic_store(&common->files[i].bytes, shorten ? bytes : (uint64_t)st.st_size);
    }
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    ssize_t n = allowed("write", fd, len, CALLER);

    return n < 0 ? -1 : syscall(SYS_write, fd, bytes, (size_t)n);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    ssize_t n = allowed("write", fd, len, CALLER);

    return n < 0 ? -1 : syscall(SYS_pwrite64, fd, bytes, (size_t)n, at);
}

ssize_t read(int fd, void *bytes, size_t len)
{
    return fd > STDERR_FILENO && FAILS("read") ? -1 : syscall(SYS_read, fd, bytes, len);
}

ssize_t pread(int fd, void *bytes, size_t len, off_t at)
{
    return FAILS("read") ? -1 : syscall(SYS_pread64, fd, bytes, len, at);
}

ssize_t __pread_chk(int fd, void *bytes, size_t len, off_t at, size_t room)
{
    return len > room ? (abort(), -1) : FAILS("read") ? -1 : syscall(SYS_pread64, fd, bytes, len, at);
}

static int sync_file(long number, int fd, const void *caller)
{
    int status = fails("sync", caller) ? -1 : (int)syscall(number, fd);

    if (status == 0) {
        note_sync(fd, 0, false);
    }
    return status;
}

int fsync(int fd)
{
    return sync_file(SYS_fsync, fd, CALLER);
}

int fdatasync(int fd)
{
    return sync_file(SYS_fdatasync, fd, CALLER);
}

int ftruncate(int fd, off_t len)
{
    int status = FAILS("truncate") ? -1 : (int)syscall(SYS_ftruncate, fd, len);

    if (status == 0) {
        note_sync(fd, (uint64_t)len, true);
    }
    return status;
}

int posix_fallocate(int fd, off_t at, off_t len)
{
    return FAILS("allocate") ? errno : syscall(SYS_fallocate, fd, 0, at, len) == 0 ? 0 : errno;
}

static int open_file(int dir, const char *path, int flags, mode_t mode, const void *caller)
{
    int fd = fails("open", caller) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);

    if (fd >= 0 && (flags & O_EXCL) != 0) {
        note_sync(fd, 0, true); /* an inode may come back as another file */
    }
    return fd;
}

static mode_t mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_file(AT_FDCWD, path, flags, mode, CALLER);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_file(dir, path, flags, mode, CALLER);
}

int __open_2(const char *path, int flags)
{
    return open_file(AT_FDCWD, path, flags, 0, CALLER);
}

int __openat_2(int dir, const char *path, int flags)
{
    return open_file(dir, path, flags, 0, CALLER);
}

DIR *opendir(const char *path)
{
    int fd = open_file(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, CALLER);

    return fd < 0 ? NULL : fdopendir(fd);
}

int rename(const char *from, const char *to)
{
    return FAILS("rename") ? -1 : (int)syscall(SYS_rename, from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return FAILS("rename") ? -1 : (int)syscall(SYS_renameat, from_dir, from, to_dir, to);
}

int unlink(const char *path)
{
    return FAILS("unlink") ? -1 : (int)syscall(SYS_unlink, path);
}

int unlinkat(int dir, const char *path, int flags)
{
    return FAILS("unlink") ? -1 : (int)syscall(SYS_unlinkat, dir, path, flags);
}

/* ---- sockets */

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    ssize_t n = allowed("send", fd, len, CALLER);

    return n < 0 ? -1 : syscall(SYS_sendto, fd, bytes, (size_t)n, flags, NULL, 0);
}

ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
    ssize_t n = allowed("send", fd, len, CALLER);

    return n < 0 ? -1 : syscall(SYS_sendto, fd, bytes, (size_t)n, flags, to, to_len);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return FAILS("send") ? -1 : syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    return FAILS("read") ? -1 : syscall(SYS_recvfrom, fd, bytes, len, flags, NULL, NULL);
}

/* ---- clocks */

static int64_t shift_s(void)
{
    return clock_file != NULL ? *clock_file : atomic_load(&common->shift_s);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, id, now);
    int64_t ns;

    if (status == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += shift_s();
    } else if (status == 0 && id == CLOCK_MONOTONIC && speed > 1) {
        ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec;
        ns = speed_from_ns + (ns - speed_from_ns) * (int64_t)speed;
        *now = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
    }
    return status;
}

time_t time(time_t *out)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){ .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
    return 0;
}

int poll(struct pollfd *fds, nfds_t count, int wait_ms)
{
    if (wait_ms > 0 && speed > 1) {
        wait_ms = wait_ms / (int)speed + 1;
    }
    return (int)syscall(SYS_poll, fds, count, wait_ms);
}

int epoll_wait(int fd, struct epoll_event *events, int max, int wait_ms)
{
    atomic_fetch_add(&common->rounds, 1);
    if (wait_ms > 0 && speed > 1) {
        wait_ms = wait_ms / (int)speed + 1;
    }
    return (int)syscall(SYS_epoll_pwait, fd, events, max, wait_ms, NULL, 8);
}
