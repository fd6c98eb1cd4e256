/* SPDX-License-Identifier: Apache-2.0 */
/* mcpauth-admind: arguments, configuration, the loop. What the loop does is in admind.c. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "admind.h"
#include "log.h"
#include "service.h"

#define DEFAULT_CONFIG "/etc/mcpauth/mcpauth-admind.conf"
#define ERROR_BYTES    4096 /* a path or two and a sentence */

typedef struct arguments {
    char config[PATH_MAX];
    bool check_only;
    bool foreground;
} arguments_t;

static int usage(FILE *out)
{
    fprintf(out, "usage: mcpauth-admind [-c FILE] [-f] [-n] [-V]\n"
                 "  -c FILE  configuration (default " DEFAULT_CONFIG ")\n"
                 "  -f       stay in the foreground, log to stderr\n"
                 "  -n       check the configuration and leave\n"
                 "  -V       print the version and leave\n"
                 "SIGHUP reloads, SIGTERM leaves.\n");
    return 2;
}

/* -1: go on; else the exit status. */
static int parse(arguments_t *arguments, int argc, char **argv)
{
    const char *path = DEFAULT_CONFIG;
    int option;

    while ((option = getopt(argc, argv, "c:nfVh")) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'n':
            arguments->check_only = true;
            break;
        case 'f':
            arguments->foreground = true;
            break;
        case 'V':
            printf("mcpauth-admind " MCPA_VERSION "\n");
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            return usage(stderr);
        }
    }
    if (optind < argc) {
        return usage(stderr);
    }
    /* A reload must find the same file whatever the working directory is by then. */
    if (realpath(path, arguments->config) == NULL) {
        snprintf(arguments->config, sizeof(arguments->config), "%s", path);
    }
    return -1;
}

static admind_config_t *read_config(const char *path, bool check_only, char *error, size_t cap)
{
    admind_config_t *config = admind_config_read(path, error, cap);

    if (config != NULL) {
        config->check_only = check_only;
    }
    if (config != NULL && !admind_config_check(config, error, cap)) {
        admind_config_free(&config);
    }
    return config;
}

/* SIGHUP: the new configuration where it is good; the old one is kept until the daemon runs with the new. */
static void reload(admind_config_t **config, admind_config_t **old, const char *path)
{
    char error[ERROR_BYTES];
    admind_config_t *fresh = read_config(path, false, error, sizeof(error));

    if (fresh == NULL) {
        admind_log(ADMIND_ERR, "MCPA2007", "reload: %s; the old configuration stays in use", error);
        return;
    }
    *old = *config;
    *config = fresh;
    admind_log(ADMIND_NOTICE, "MCPA2008", "configuration %s read again", path);
}

/* false: it does not run. With an old configuration at hand that one is tried, once, before giving up. */
static bool start(admind_t *admind, admind_config_t **config, admind_config_t **old)
{
    char error[ERROR_BYTES];

    if (admind_start(admind, *config, error, sizeof(error))) {
        admind_config_free(old);
        return true;
    }
    admind_log(ADMIND_ERR, "MCPA2001", "cannot start: %s", error);
    if (*old == NULL) {
        return false;
    }
    admind_log(ADMIND_NOTICE, "MCPA2010", "going on with the old configuration");
    admind_config_free(config);
    *config = *old;
    *old = NULL;
    return start(admind, config, old);
}

/* Only now: the journal is open and read back, and both sockets take connections. */
static void say_ready(const admind_config_t *config)
{
    char message[512];

    snprintf(message, sizeof(message), "READY=1\nSTATUS=serving %s and %s", config->socket, config->listen);
    admind_service_notify(message);
}

/* systemd wants to know when a reload began, by its own clock, to tell the READY=1 behind it from an older one. */
static void say_end(bool again)
{
    struct timespec now;
    char message[96];

    if (!again) {
        admind_service_notify("STOPPING=1\nSTATUS=leaving");
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(message, sizeof(message), "RELOADING=1\nSTATUS=reloading\nMONOTONIC_USEC=%lld", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    admind_service_notify(message);
}

/* Runs, and starts again for each reload. The exit status. */
static int serve(admind_config_t **config, const char *path, int background)
{
    admind_config_t *old = NULL;
    admind_t admind = { 0 };
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    admind.born_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    while (start(&admind, config, &old)) {
        bool again;

        admind_log(ADMIND_NOTICE, "MCPA2000", "mcpauth-admind " MCPA_VERSION " serves %s and %s", (*config)->socket,
                   (*config)->listen);
#ifdef MCPA_CRASH_POINTS
        admind_log(ADMIND_ERR, "MCPA2099", "built with --enable-crash-points: this daemon may kill itself; it is for tests/torture alone");
#endif
        say_ready(*config);
        if (background >= 0) {
            admind_service_started(background);
            background = -1;
        }
        admind_loop_run(admind.loop);
        again = admind.reload;
        say_end(again);
        admind_stop(&admind);
        if (!again) {
            admind_listener_close(&admind.listener);
            admind_log(ADMIND_NOTICE, "MCPA2009", "leaving");
            return 0;
        }
        reload(config, &old, path);
    }
    admind_listener_close(&admind.listener);
    return 1;
}

int main(int argc, char **argv)
{
    arguments_t arguments = { .check_only = false };
    char error[ERROR_BYTES];
    admind_config_t *config;
    int background = -1;
    int status = parse(&arguments, argc, argv);

    if (status >= 0) {
        return status;
    }
    config = read_config(arguments.config, arguments.check_only, error, sizeof(error));
    if (config == NULL) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    if (arguments.check_only) {
        if (config->unseen) {
            fprintf(stderr, "%s: credential:NAME was not looked at; only what systemd starts is handed credentials\n", arguments.config);
        }
        printf("OK\n");
        admind_config_free(&config);
        return 0;
    }
    if (!arguments.foreground && (background = admind_service_background()) < 0) {
        perror("mcpauth-admind: fork");
        return 1;
    }
    if (!admind_service_prepare()) {
        perror("mcpauth-admind: signals and limits");
        return 1;
    }
    status = serve(&config, arguments.config, background);
    admind_config_free(&config);
    return status;
}
