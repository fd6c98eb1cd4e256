/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define LINE_BYTES 2048 /* longer messages are cut; journald and syslog take at least this */
#define MINUTE_US  60000000

typedef enum target { TO_UNKNOWN = 0, TO_STDERR, TO_JOURNAL, TO_SYSLOG } target_t;

static admind_level_t max_level = ADMIND_NOTICE;
static target_t target;

static const struct level_word {
    const char *word;
    admind_level_t level;
} level_words[] = { { "err", ADMIND_ERR },
                    { "warning", ADMIND_WARNING },
                    { "notice", ADMIND_NOTICE },
                    { "info", ADMIND_INFO },
                    { "debug", ADMIND_DEBUG } };
#define LEVELS (sizeof(level_words) / sizeof(level_words[0]))

void admind_log_level(admind_level_t level)
{
    max_level = level;
}

void admind_log_to_syslog(const char *ident)
{
    openlog(ident, LOG_PID, LOG_DAEMON);
    target = TO_SYSLOG;
}

bool admind_level_find(admind_level_t *level, const char *word)
{
    for (size_t i = 0; i < LEVELS; i++) {
        if (strcmp(level_words[i].word, word) == 0) {
            *level = level_words[i].level;
            return true;
        }
    }
    return false;
}

static const char *word_of(admind_level_t level)
{
    for (size_t i = 0; i < LEVELS; i++) {
        if (level_words[i].level == level) {
            return level_words[i].word;
        }
    }
    return "notice";
}

static void put_escaped(mcpa_out_t *out, const char *text)
{
    mcpa_str_t rest = mcpa_str(text);

    while (rest.len > 0 && !out->truncated) {
        size_t n = mcpa_text_utf8_next(rest);
        unsigned char c = (unsigned char)rest.ptr[0];

        if (n == 0 || c < 0x20 || c == 0x7f || (n == 2 && c == 0xc2 && (unsigned char)rest.ptr[1] < 0xa0)) {
            n = n == 0 ? 1 : n; /* C1 controls (U+0080..9F) drive terminals as well */
            for (size_t i = 0; i < n; i++) {
                mcpa_out_printf(out, "\\x%02x", (unsigned)(unsigned char)rest.ptr[i]);
            }
        } else {
            mcpa_out_put(out, rest.ptr, n);
        }
        rest.ptr += n;
        rest.len -= n;
    }
}

/* journald reads a level from "<n>" when our stderr is its stream; people read times and words. */
static void put_head(mcpa_out_t *out, admind_level_t level)
{
    struct timespec now;
    char stamp[25];

    if (target == TO_UNKNOWN) {
        target = getenv("JOURNAL_STREAM") != NULL && !isatty(STDERR_FILENO) ? TO_JOURNAL : TO_STDERR;
    }
    if (target == TO_JOURNAL) {
        mcpa_out_printf(out, "<%d>", (int)level);
    } else if (target == TO_STDERR) {
        clock_gettime(CLOCK_REALTIME, &now);
        mcpa_text_rfc3339(stamp, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
        mcpa_out_printf(out, "%s %s ", stamp, word_of(level));
    }
}

void admind_log(admind_level_t level, const char *id, const char *format, ...)
{
    char text[LINE_BYTES];
    char line[LINE_BYTES + 64];
    mcpa_out_t out;
    va_list args;

    if (level > max_level) {
        return;
    }
    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    mcpa_out_init(&out, line, sizeof(line) - 1);
    put_head(&out, level);
    mcpa_out_printf(&out, "%s: ", id);
    put_escaped(&out, text);
    if (target == TO_SYSLOG) {
        syslog((int)level, "%s", line);
        return;
    }
    line[out.len] = '\n'; /* one write, so lines of several processes do not mix */
    if (write(STDERR_FILENO, line, out.len + 1) < 0) {
        return; /* nowhere to complain to */
    }
}

bool admind_log_admit(admind_log_gate_t *gate, int64_t mono_us, uint64_t *held)
{
    int64_t minute = mono_us / MINUTE_US + 1;

    if (gate->minute != minute) {
        gate->minute = minute;
        gate->passed = 0;
    }
    if (gate->passed >= ADMIND_LOG_BURST) {
        gate->held++;
        return false;
    }
    gate->passed++;
    *held = gate->held;
    gate->held = 0;
    return true;
}
