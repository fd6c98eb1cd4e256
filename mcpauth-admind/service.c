/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

static void fill_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

bool admind_service_prepare(void)
{
    struct rlimit files;
    const struct rlimit none = { 0, 0 };
    sigset_t set;

    umask(027);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    fill_signals(&set);
    /* A sandbox may forbid limits; a process that is not dumpable writes no core in any case. */
    return (setrlimit(RLIMIT_CORE, &none) == 0 || errno == EPERM) && prctl(PR_SET_DUMPABLE, 0) == 0 &&
           signal(SIGPIPE, SIG_IGN) != SIG_ERR && sigprocmask(SIG_BLOCK, &set, NULL) == 0;
}

int admind_service_signals(void)
{
    sigset_t set;

    fill_signals(&set);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int admind_service_signal_read(int fd)
{
    struct signalfd_siginfo info;

    return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

void admind_service_notify(const char *message)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = path == NULL ? 0 : strlen(path);
    int fd;

    if (len < 2 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* an abstract socket */
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    if (sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)(const void *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
        admind_log(ADMIND_DEBUG, "MCPA2002", "systemd could not be told: %s", strerror(errno));
    }
    close(fd);
}

int admind_service_watchdog_ms(void)
{
    const char *text = getenv("WATCHDOG_USEC"), *meant = getenv("WATCHDOG_PID");
    long long us = text == NULL ? 0 : strtoll(text, NULL, 10);

    if (meant != NULL && strtoll(meant, NULL, 10) != getpid()) {
        return 0; /* inherited from a service that started us */
    }
    return us < 2000 || us > 3600000000LL ? 0 : (int)(us / 2000);
}

int admind_service_background(void)
{
    int ends[2];
    char byte;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
        return -1;
    }
    if (pid > 0) { /* the first process: waits for news of the third */
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
    }
    close(ends[0]);
    if (setsid() < 0 || (pid = fork()) < 0) {
        _exit(1);
    }
    if (pid > 0) { /* the session's leader leaves, so that no terminal can ever become ours */
        _exit(0);
    }
    return chdir("/") == 0 ? ends[1] : -1;
}

void admind_service_started(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    admind_log_to_syslog("mcpauth-admind");
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
    if (write(fd, "1", 1) != 1) {
        admind_log(ADMIND_WARNING, "MCPA2003", "who started the daemon is gone");
    }
    close(fd);
}
