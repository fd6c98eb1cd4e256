/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <errno.h>
#include <unistd.h>

#include "base/crash.h"
#include "spool_impl.h"

/* The segment that holds the first record after 'sent', its committed end and that record's seq. */
static mod_mcp_segfile_t *find_file(mod_mcp_spool_t *spool, apr_uint64_t sent, apr_size_t *end, apr_uint64_t *seq,
                                    apr_uint64_t *last)
{
    mod_mcp_segfile_t *file;

    mod_mcp_spool_lock(spool);
    for (file = spool->oldest; file != NULL && file->last_seq <= sent; file = file->next) {
    }
    if (file != NULL) {
        *end = file->end;
        *seq = sent + 1 > file->first_seq ? sent + 1 : file->first_seq;
        *last = file->last_seq;
    }
    mod_mcp_spool_unlock(spool);
    return file;
}

/* The record at the cursor cannot be read, so nothing behind it can be found: from now on the file takes no records, and those
 * from seq (the first that the daemon does not have) to the last, which is returned, are told as lost. */
static apr_uint64_t mark_damaged(mod_mcp_spool_t *spool, mod_mcp_segfile_t *file, apr_uint64_t seq)
{
    apr_uint64_t last;

    mod_mcp_spool_lock(spool);
    file->damaged_from = spool->cursor.seq;
    file->spoiled = 1;
    last = file->last_seq;
    spool->lost += last - seq + 1;
    mod_mcp_spool_unlock(spool);
    return last;
}

static apr_size_t fill_with_gaps(const mod_mcp_spool_t *spool, apr_uint64_t seq, apr_uint64_t last, unsigned char *buffer,
                                 apr_size_t cap, apr_uint32_t *count)
{
    unsigned char payload[GAP_PAYLOAD_BYTES];
    apr_size_t len = mod_mcp_spool_encode_gap(payload, 1);
    apr_size_t filled = 0;

    for (*count = 0; len > 0 && seq <= last && cap - filled >= MCPA_ENVELOPE_BYTES + len; seq++) {
        memcpy(buffer + filled + MCPA_ENVELOPE_BYTES, payload, len);
        mcpa_envelope_seal(buffer + filled, spool->instance, seq, len);
        filled += MCPA_ENVELOPE_BYTES + len;
        (*count)++;
    }
    return filled;
}

/* Walks the whole envelopes of one chunk from the cursor on. Moves it past those before 'seq', which are dropped from the chunk,
 * and past the kept ones; returns the kept bytes. *walked: envelopes of either kind. */
static apr_size_t walk(mod_mcp_spool_t *spool, unsigned char *chunk, apr_size_t len, apr_uint64_t seq, apr_uint32_t *kept,
                       apr_uint32_t *walked)
{
    mcpa_envelope_t envelope;
    apr_size_t from = 0;
    apr_size_t to = 0;

    *kept = *walked = 0;
    while (mcpa_envelope_open(&envelope, chunk + to, len - to, spool->instance) == MCPA_OK && envelope.seq == spool->cursor.seq) {
        to += envelope.total_len;
        if (envelope.seq < seq) {
            from = to;
        } else {
            (*kept)++;
        }
        (*walked)++;
        spool->cursor.seq++;
    }
    spool->cursor.at += to;
    memmove(chunk, chunk + from, to - from);
    return to - from;
}

apr_size_t mod_mcp_spool_read(mod_mcp_spool_t *spool, apr_uint64_t sent, unsigned char *buffer, apr_size_t cap,
                              apr_uint32_t *count, apr_uint64_t *last_seq)
{
    mod_mcp_segfile_t *file;
    apr_uint64_t seq = 0;
    apr_uint64_t last = 0;
    apr_uint32_t walked;
    apr_size_t end = 0;
    apr_size_t bytes = 0;
    ssize_t got;

    *count = 0;
    file = find_file(spool, sent, &end, &seq, &last);
    if (file == NULL || cap < MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES) {
        return 0;
    }
    if (spool->cursor.file != file || spool->cursor.seq > seq) {
        spool->cursor = (cursor_t){ .file = file, .at = MCPA_SEGMENT_HEADER_BYTES, .seq = file->first_seq };
    }
    while (bytes == 0 && (file->damaged_from == 0 || seq < file->damaged_from)) {
        do {
            got = pread(file->fd, buffer, end - spool->cursor.at < cap ? end - spool->cursor.at : cap, (off_t)spool->cursor.at);
        } while (got < 0 && errno == EINTR);
        bytes = walk(spool, buffer, got > 0 ? (apr_size_t)got : 0, seq, count, &walked);
        if (walked == 0) {
            last = mark_damaged(spool, file, seq);
        }
    }
    if (bytes == 0) {
        bytes = fill_with_gaps(spool, seq, last, buffer, cap, count);
    }
    *last_seq = seq + *count - 1;
    return bytes;
}

void mod_mcp_spool_acked(mod_mcp_spool_t *spool, apr_uint64_t seq)
{
    mod_mcp_segfile_t *file;

    mod_mcp_spool_lock(spool);
    if (seq >= spool->next_seq) {
        seq = spool->next_seq - 1;
    }
    MCPA_CRASH("spool.acked");
    if (seq > spool->acked) {
        spool->acked = seq;
    }
    while ((file = spool->oldest) != spool->current && file->last_seq <= spool->acked) {
        spool->oldest = file->next;
        if (spool->cursor.file == file) {
            spool->cursor.file = NULL;
        }
        mod_mcp_spool_unlock(spool); /* off the list, so nobody else's any more: commits need not wait for the disk */
        mod_mcp_segfile_drop(&file, &spool->dir);
        mod_mcp_spool_lock(spool);
    }
    mod_mcp_spool_unlock(spool);
}

apr_uint64_t mod_mcp_spool_oldest(mod_mcp_spool_t *spool)
{
    apr_uint64_t seq;

    mod_mcp_spool_lock(spool);
    seq = spool->acked + 1;
    mod_mcp_spool_unlock(spool);
    return seq;
}

apr_uint64_t mod_mcp_spool_newest(mod_mcp_spool_t *spool)
{
    apr_uint64_t seq;

    mod_mcp_spool_lock(spool);
    seq = spool->next_seq - 1;
    mod_mcp_spool_unlock(spool);
    return seq;
}

apr_uint64_t mod_mcp_spool_backlog_bytes(mod_mcp_spool_t *spool)
{
    const mod_mcp_segfile_t *file;
    apr_uint64_t total = 0;
    apr_uint64_t used;

    mod_mcp_spool_lock(spool);
    for (file = spool->oldest; file != NULL; file = file->next) {
        if (file->last_seq <= spool->acked) {
            continue;
        }
        used = file->end - MCPA_SEGMENT_HEADER_BYTES;
        if (file->first_seq <= spool->acked) {
            /* In the one segment that is acknowledged in part, all records count as of equal size. */
            used = used * (file->last_seq - spool->acked) / (file->last_seq - file->first_seq + 1);
        }
        total += used;
    }
    mod_mcp_spool_unlock(spool);
    return total;
}
