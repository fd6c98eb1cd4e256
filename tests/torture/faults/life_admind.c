/* SPDX-License-Identifier: Apache-2.0 */
/* A life of the daemon under faults: it starts on a journal of earlier days with a checkpoint, adopts the segments of dead children, takes the
 * records of a living one, goes over midnight, and is told to leave. One call of its process fails. Then it lives once more without a fault.
 *
 * What must hold: what was acknowledged was synced before; the daemon ends by itself, with status 0 or, when it could not even start, with a
 * message; it does not spin; after one failure alone it goes on and finishes its work; and at the end of the second life the journal holds every
 * committed record once, in order, and no gap. */
#include "sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admind.h"
#include "life_child.h"
#include "service.h"

#define SPEED        100   /* retries after seconds come after hundredths */
#define QUIET_MS     250   /* and who did nothing for so long then will do nothing more */
#define FINISH_MS    20000 /* who has nothing left that fails finishes before that */
#define STOP_MS      10000
#define ROUNDS_MAX   20000 /* of the daemon's loop in one life: some hundreds are usual; who spins makes this many in a moment */
#define REFUSED      3
#define DAY_S        86400
#define OLD_RECORDS  5
#define LINK_RECORDS 24

static char dir[96]; /* short enough for the socket in it */
static char before[128]; /* a journal directory to begin with */
static int64_t shift_s;  /* of the wall clock when a life begins; a day more when half of the records are acknowledged */

/* ---- the daemon */

static admind_config_t *make_config(char *error, size_t cap)
{
    char text[1024];
    int len = snprintf(text, sizeof(text),
                       "Listen unix:%s/http\nSocket %s/socket\nStateDir %s/state\nSpoolDir %s/spool\nJournalDir %s/journal\nPeerUser root\n"
                       "LogLevel info\n",
                       dir, dir, dir, dir, dir);
    admind_config_t *config = admind_config_parse("faults", text, (size_t)len, error, cap);

    if (config != NULL) {
        config->peer_uid = geteuid();
        config->peer_gid = getegid();
    }
    return config;
}

/* The whole process. */
static int serve(const mcpa_fault_plan_t *plan)
{
    admind_t admind = { .born_us = 0 };
    char error[1024] = "";
    admind_config_t *config = make_config(error, sizeof(error));

    if (config == NULL || !admind_service_prepare()) {
        (void)fprintf(stderr, "%s\n", error);
        return 1;
    }
    sweep_faults.speed(SPEED);
    sweep_faults.arm(plan);
    if (!admind_start(&admind, config, error, sizeof(error))) {
        (void)fprintf(stderr, "cannot start: %s\n", error);
        return error[0] == '\0' ? 1 : REFUSED;
    }
    admind_loop_run(admind.loop);
    admind_stop(&admind);
    sweep_faults.arm(NULL);
    admind_config_free(&config);
    return 0;
}

static pid_t start(const mcpa_fault_plan_t *plan)
{
    sigset_t leave, old;
    char path[160];
    pid_t pid;

    /* Told to leave before it has asked for signals, it must not die of it. */
    (void)sigemptyset(&leave);
    (void)sigaddset(&leave, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &leave, &old);
    pid = fork();
    if (pid != 0) {
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
    } else {
        int log;

        (void)snprintf(path, sizeof(path), "%s/log", dir);
        log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void)dup2(log, STDERR_FILENO);
        _exit(serve(plan));
    }
    return pid;
}

/* ---- the stage */

static bool make_place(void)
{
    static const char *const names[] = { "", "/state", "/state/keys", "/spool", "/journal" };
    char path[160];

    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", dir, names[i]);
        if (mkdir(path, 0700) != 0) {
            return false;
        }
    }
    return true;
}

static bool copy_file(const char *from, const char *to)
{
    static char bytes[1 << 20];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0640);
    ssize_t n = in < 0 || out < 0 ? -1 : read(in, bytes, sizeof(bytes));
    bool good = n >= 0 && write(out, bytes, (size_t)n) == n;

    (void)close(in);
    (void)close(out);
    return good;
}

/* Every file of a directory into another, which is empty. */
static bool copy_files(const char *from, const char *to)
{
    DIR *all = opendir(from);
    const struct dirent *entry;
    bool good = all != NULL;

    while (good && (entry = readdir(all)) != NULL) {
        char source[512], target[512];

        (void)snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
        (void)snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
        good = entry->d_name[0] == '.' || copy_file(source, target);
    }
    if (all != NULL) {
        (void)closedir(all);
    }
    return good;
}

static bool spool_is_empty(void)
{
    char path[160];
    struct dirent **found = NULL;
    int n;

    (void)snprintf(path, sizeof(path), "%s/spool", dir);
    n = scandir(path, &found, NULL, NULL);
    for (int i = 0; i < n; i++) {
        free(found[i]);
    }
    free(found);
    return n == 2; /* "." and ".." */
}

/* ---- one life */

/* Lets the child talk until it has everything acknowledged and the spool is empty; until the daemon is gone; until nothing has happened for
 * quiet_ms. *ended: the daemon's wait status, or -1. false: something was wrong. */
static bool watch(child_t *child, pid_t pid, int64_t quiet_ms, int64_t all_ms, int *ended)
{
    int64_t now = sweep_now_ms(), end = now + all_ms, quiet = now + quiet_ms;
    uint64_t acked = 0;

    *ended = -1;
    while (child->acked < child->total || !spool_is_empty()) {
        if (!child_talk(child)) {
            return false;
        }
        if (child->acked != acked) {
            acked = child->acked;
            quiet = sweep_now_ms() + quiet_ms;
            sweep_faults.shift(shift_s + (acked >= child->total / 2 ? DAY_S : 0));
        }
        if (waitpid(pid, ended, WNOHANG) == pid) {
            return true;
        }
        *ended = -1;
        now = sweep_now_ms();
        if (now > quiet || now > end) {
            return true;
        }
    }
    return true;
}

static bool check_end(int status, const mcpa_fault_plan_t *plan)
{
    if (plan != NULL && plan->kind == MCPA_FAULT_DIE && status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        return true;
    }
    if (status == -1) {
        return sweep_wrong("the daemon does not end");
    }
    if (WIFSIGNALED(status)) {
        return sweep_wrong("the daemon was ended by signal %d; %s", WTERMSIG(status), dir);
    }
    if (WEXITSTATUS(status) != 0 && !(plan != NULL && WEXITSTATUS(status) == REFUSED)) {
        return sweep_wrong("the daemon ended with status %d; %s", WEXITSTATUS(status), dir);
    }
    if (sweep_faults.rounds() > ROUNDS_MAX) {
        return sweep_wrong("the daemon's loop ran %lu rounds", sweep_faults.rounds());
    }
    return true;
}

/* Whether the daemon can come to its end by itself with this plan. */
static bool goes_on(const mcpa_fault_plan_t *plan)
{
    return plan == NULL || (plan->kind != MCPA_FAULT_ONWARD && plan->too == NULL);
}

static bool is_finished(const child_t *child)
{
    return (child->acked == child->total && spool_is_empty()) ||
           sweep_wrong("%" PRIu64 " of %" PRIu64 " records are acknowledged, the spool %s; %s", child->acked, child->total,
                       spool_is_empty() ? "is empty" : "is not", dir);
}

/* One process of the daemon from start to end. */
static bool run(child_t *child, const mcpa_fault_plan_t *plan, int64_t quiet_ms, int64_t all_ms)
{
    pid_t pid = start(plan);
    bool good;
    int status = -1;

    good = pid > 0 && watch(child, pid, quiet_ms, all_ms, &status);
    if (good && status == -1 && goes_on(plan)) {
        good = is_finished(child);
    }
    if (pid > 0 && status == -1) {
        (void)kill(pid, SIGTERM);
        status = sweep_wait(pid, STOP_MS);
    }
    child_hang_up(child);
    return good && check_end(status, plan);
}

/* What an auditor would say: MCPAUTHCTL is the program. */
static bool verify(void)
{
    const char *program = getenv("MCPAUTHCTL");
    char journal[128], log_path[128];
    int status;
    pid_t pid;

    if (program == NULL) {
        return true;
    }
    (void)snprintf(journal, sizeof(journal), "%s/journal", dir);
    (void)snprintf(log_path, sizeof(log_path), "%s/verify", dir);
    pid = fork();
    if (pid == 0) {
        int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        (void)dup2(log, STDOUT_FILENO);
        (void)dup2(log, STDERR_FILENO);
        (void)execl(program, program, "audit", "verify", "--journal", journal, (char *)NULL);
        _exit(127);
    }
    status = sweep_wait(pid, STOP_MS);
    return status == 0 || sweep_wrong("the journal is not whole for mcpauthctl (status %d); %s", status, dir);
}

static bool live(const mcpa_fault_plan_t *plan)
{
    child_t child;
    child_t old = { .total = OLD_RECORDS, .instance = "old" };
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/journal", dir);
    if (!make_place() || !copy_files(before, path) || !child_leave_segments(dir)) {
        return sweep_wrong("the stage cannot be set in %s", dir);
    }
    child_init(&child, dir, LINK_RECORDS);
    shift_s = -DAY_S;
    sweep_faults.shift(shift_s);
    return run(&child, plan, goes_on(plan) ? FINISH_MS : QUIET_MS, FINISH_MS) &&
           run(&child, NULL, FINISH_MS, FINISH_MS) && child_check_journal(dir, &old) && child_check_journal(dir, &child) &&
           child_check_dead(dir) && verify();
}

static bool life(const mcpa_fault_plan_t *plan)
{
    bool good = sweep_make_dir(dir, sizeof(dir)) && live(plan);

    sweep_drop_dir(dir, good);
    return good;
}

/* A journal of days before, with its checkpoint. */
static bool make_before(void)
{
    child_t old;
    char from[160];
    bool good;

    if (!sweep_make_dir(before, sizeof(before)) || !sweep_make_dir(dir, sizeof(dir)) || !make_place()) {
        return false;
    }
    child_init(&old, dir, OLD_RECORDS);
    memset(old.instance, 0, sizeof(old.instance));
    memcpy(old.instance, "old", 3);
    shift_s = -3 * DAY_S;
    sweep_faults.shift(shift_s);
    (void)snprintf(from, sizeof(from), "%s/journal", dir);
    good = run(&old, NULL, FINISH_MS, FINISH_MS) && copy_files(from, before);
    sweep_drop_dir(dir, good);
    return good;
}

int main(int argc, char **argv)
{
    int status = 2;

    if (mcpa_faults_find(&sweep_faults) && !make_before()) {
        (void)fprintf(stderr, "the daemon does not live without faults\n");
    } else {
        status = sweep_main(argc, argv, life);
    }
    sweep_drop_dir(before, true);
    return status;
}
