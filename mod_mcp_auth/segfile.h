/* SPDX-License-Identifier: Apache-2.0 */
/* One segment file of a child's spool, from making to unlinking. Layout: wire/segment.h; name: <dir>/<32 hex instance>.<8 digits>, numbers ascending
 * in the order of the records.
 *
 * A segment is made whole under a temporary name (".tmp-" and the name to be): preallocated, so that a full disk says so here and not at a commit;
 * locked with flock, so that whoever finds the name finds the lock too. The lock belongs to the open file description: it ends with the process,
 * however that ends, and a free lock means that the file may be adopted. Nothing here is mapped: a truncated file is an errno, never SIGBUS.
 * A used segment is never used again, so no old record can be taken for a new one.
 *
 * No thread rules of its own: the spool says who may call what. */
#ifndef MOD_MCP_SEGFILE_H
#define MOD_MCP_SEGFILE_H

#include "apr.h"
#include "wire/segment.h"

typedef struct mod_mcp_segfile {
    struct mod_mcp_segfile *next;
    int fd;
    apr_uint32_t number;
    apr_uint64_t first_seq;
    apr_uint64_t last_seq;     /* first_seq - 1 while it holds nothing */
    apr_size_t end;            /* where the next record goes: everything before it is committed */
    int is_named;              /* durability=sync: the file and its name are on the disk */
    int spoiled;               /* a write or a sync failed, or a read found damage: takes no more records */
    apr_uint64_t damaged_from; /* first record that cannot be read back any more; 0: all can */
} mod_mcp_segfile_t;

typedef struct mod_mcp_segdir {
    const char *path;
    const unsigned char *instance;
    apr_uint64_t max_bytes; /* of all segments of all children in the directory */
} mod_mcp_segdir_t;

/* Makes a segment. first_seq: what the header says until mod_mcp_segfile_begin. MCPA_EFULL: the directory's cap is reached (errno 0) or the
 * file system is full (errno); MCPA_EIO: anything else, errno tells. The directory is counted anew at every call, so each child exceeds the cap
 * by one segment at the most. A symbolic link or a world-writable directory is refused. */
mcpa_status_t mod_mcp_segfile_make(mod_mcp_segfile_t **out, const mod_mcp_segdir_t *dir, apr_uint32_t number, apr_uint64_t first_seq) MCPA_MUST_CHECK;
/* Says in the header which record comes first; before the first append. */
mcpa_status_t mod_mcp_segfile_begin(mod_mcp_segfile_t *file, const unsigned char *instance, apr_uint64_t first_seq) MCPA_MUST_CHECK;
/* One pwrite. Whatever is not written whole leaves 'end' where it was and spoils the file. */
mcpa_status_t mod_mcp_segfile_append(mod_mcp_segfile_t *file, const void *bytes, apr_size_t len) MCPA_MUST_CHECK;
/* Waits until the disk has all that was appended to the file of this descriptor; with_name: and the file itself, under its name. */
mcpa_status_t mod_mcp_segfile_sync(int fd, const mod_mcp_segdir_t *dir, int with_name) MCPA_MUST_CHECK;
/* Unlinks, closes, frees, sets *file to NULL. */
void mod_mcp_segfile_drop(mod_mcp_segfile_t **file, const mod_mcp_segdir_t *dir);
/* Closes and frees; the file stays, without its lock. */
void mod_mcp_segfile_leave(mod_mcp_segfile_t **file);

#endif
