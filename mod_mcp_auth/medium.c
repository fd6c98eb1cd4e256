/* SPDX-License-Identifier: Apache-2.0 */
#include "medium.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The options of a mount fill a page at the most, and each byte may be written as four. A longer line is none of ours. */
#define LINE_BYTES (16 * 1024 + PATH_MAX)
#define UPPER      "upperdir="

/* One line without its end; false: there is none. What is too long becomes an empty line. */
static bool next_line(char line[LINE_BYTES], FILE *file)
{
    size_t len;
    int c;

    if (fgets(line, LINE_BYTES, file) == NULL) {
        return false;
    }
    len = strlen(line);
    if (len > 0 && line[len - 1] == '\n') {
        line[len - 1] = '\0';
        return true;
    }
    while ((c = fgetc(file)) != EOF && c != '\n') {
        line[0] = '\0';
    }
    return true;
}

/* The options of the overlay on this device; NULL: the line is of another mount. Fields: id parent major:minor root place options tag... - type
 * source options. */
static const char *overlay_options(const char *line, unsigned major, unsigned minor)
{
    const char *at = strstr(line, " - overlay ");
    unsigned id, parent, line_major, line_minor;

    if (at == NULL || sscanf(line, "%9u %9u %9u:%9u ", &id, &parent, &line_major, &line_minor) != 4 || line_major != major ||
        line_minor != minor) {
        return NULL;
    }
    at = strchr(at + strlen(" - overlay "), ' ');
    return at != NULL ? at + 1 : NULL;
}

static bool is_octal(const char *text)
{
    return text[0] >= '0' && text[0] <= '3' && text[1] >= '0' && text[1] <= '7' && text[2] >= '0' && text[2] <= '7';
}

/* One character, which the kernel may have written as \ooo. */
static char next_char(const char **at)
{
    const char *text = *at;

    if (text[0] == '\\' && is_octal(text + 1)) {
        *at += 4;
        return (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
    }
    *at += text[0] != '\0';
    return text[0];
}

/* Up to the next comma. overlayfs wants a backslash before a character that means something to it. */
static bool copy_value(char *out, size_t cap, const char *value)
{
    size_t len = 0;

    while (*value != '\0' && *value != ',') {
        char c = next_char(&value);

        if (c == '\\') {
            c = next_char(&value);
        }
        if (c == '\0' || len + 1 >= cap) {
            return false;
        }
        out[len++] = c;
    }
    out[len] = '\0';
    return len > 0;
}

/* The option's value; NULL: there is none. */
static const char *find_option(const char *options, const char *name)
{
    const char *at = options;

    while (at != NULL && strncmp(at, name, strlen(name)) != 0) {
        at = strchr(at, ',');
        at = at != NULL ? at + 1 : NULL;
    }
    return at != NULL ? at + strlen(name) : NULL;
}

bool mod_mcp_medium_find_upper(char *upper, size_t cap, FILE *mountinfo, unsigned major, unsigned minor)
{
    char line[LINE_BYTES];

    while (next_line(line, mountinfo)) {
        const char *value = find_option(overlay_options(line, major, minor), UPPER);

        if (value != NULL) {
            return copy_value(upper, cap, value);
        }
    }
    return false;
}

static mod_mcp_medium_t of_type(long type)
{
    switch (type) {
    case TMPFS_MAGIC: /* devtmpfs, too */
    case RAMFS_MAGIC:
    case HUGETLBFS_MAGIC:
        return MOD_MCP_MEDIUM_MEMORY;
    case OVERLAYFS_SUPER_MAGIC:
        return MOD_MCP_MEDIUM_OVERLAY;
    default:
        return MOD_MCP_MEDIUM_DISK;
    }
}

static mod_mcp_medium_t of_upper(dev_t device)
{
    FILE *mountinfo = fopen("/proc/self/mountinfo", "re");
    char upper[PATH_MAX];
    struct statfs info;
    bool is_told;

    if (mountinfo == NULL) {
        return MOD_MCP_MEDIUM_OVERLAY;
    }
    is_told = mod_mcp_medium_find_upper(upper, sizeof(upper), mountinfo, major(device), minor(device));
    (void)fclose(mountinfo);
    return is_told && statfs(upper, &info) == 0 ? of_type((long)info.f_type) : MOD_MCP_MEDIUM_OVERLAY;
}

mod_mcp_medium_t mod_mcp_medium_of(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mod_mcp_medium_t medium = MOD_MCP_MEDIUM_HIDDEN;
    struct statfs info;
    struct stat place;
    int error;

    if (fd < 0) {
        return MOD_MCP_MEDIUM_HIDDEN;
    }
    if (fstatfs(fd, &info) == 0 && fstat(fd, &place) == 0) {
        medium = of_type((long)info.f_type);
    }
    error = errno;
    (void)close(fd);
    errno = error;
    return medium == MOD_MCP_MEDIUM_OVERLAY ? of_upper(place.st_dev) : medium;
}
