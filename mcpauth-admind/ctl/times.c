/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "base/text.h"
#include "ctl/ctl.h"

/* Two or four digits at *at, then the mark (0: none); moves on. */
static bool take(const char **at, size_t digits, char mark, int *value)
{
    uint64_t number;

    if (strnlen(*at, digits) < digits || !mcpa_text_u64((mcpa_str_t){ *at, digits }, &number)) {
        return false;
    }
    *value = (int)number;
    *at += digits;
    if (mark != '\0') {
        if (**at != mark) {
            return false;
        }
        ++*at;
    }
    return true;
}

/* The fraction of a second and the 'Z' or the offset, to microseconds and seconds east of UTC. */
static bool take_rest(const char *at, int64_t *us, int *east_s)
{
    int64_t scale = 100000;
    int hours, minutes, sign;

    *us = 0;
    *east_s = 0;
    if (*at == '.') {
        for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10) {
            *us += scale * (*at - '0');
        }
    }
    if (*at == 'Z' || *at == 'z') {
        return at[1] == '\0';
    }
    if (*at != '+' && *at != '-') {
        return *at == '\0'; /* as written on a clock in UTC */
    }
    sign = *at++ == '-' ? -1 : 1;
    if (!take(&at, 2, ':', &hours) || !take(&at, 2, '\0', &minutes)) {
        return false;
    }
    *east_s = sign * (hours * 3600 + minutes * 60);
    return *at == '\0';
}

bool ctl_parse_time(const char *text, int64_t now_us, int64_t *unix_us)
{
    struct tm tm = { 0 };
    const char *at = text;
    int64_t back_us, us = 0;
    int east_s = 0;
    time_t seconds;

    if (strchr(text, '-') == NULL) {
        if (!mcpa_text_duration(mcpa_str(text), &back_us) || back_us > now_us) {
            return false;
        }
        *unix_us = now_us - back_us;
        return true;
    }
    if (!take(&at, 4, '-', &tm.tm_year) || !take(&at, 2, '-', &tm.tm_mon) || !take(&at, 2, '\0', &tm.tm_mday) ||
        tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    if (*at != '\0') {
        if ((*at != 'T' && *at != 't' && *at != ' ') || (at++, !take(&at, 2, ':', &tm.tm_hour)) ||
            !take(&at, 2, ':', &tm.tm_min) || !take(&at, 2, '\0', &tm.tm_sec) || tm.tm_hour > 23 || tm.tm_min > 59 ||
            tm.tm_sec > 60 || !take_rest(at, &us, &east_s)) {
            return false;
        }
    }
    seconds = timegm(&tm);
    if (seconds == (time_t)-1) {
        return false;
    }
    *unix_us = ((int64_t)seconds - east_s) * 1000000 + us;
    return true;
}
