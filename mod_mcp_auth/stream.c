/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void mod_mcp_stream_init(mod_mcp_stream_t *stream, apr_pool_t *pool)
{
    memset(stream, 0, sizeof(*stream));
    stream->fd = -1;
    stream->in = apr_palloc(pool, MCPA_FRAME_MAX_BYTES);
    stream->out = apr_palloc(pool, MOD_MCP_STREAM_OUT_BYTES);
}

int mod_mcp_stream_connect(mod_mcp_stream_t *stream, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    int error = 0;
    int fd;

    if (len >= sizeof(address.sun_path)) {
        return ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, len);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        error = errno;
        close(fd);
        return error;
    }
    stream->fd = fd;
    stream->in_at = stream->in_end = stream->out_at = stream->out_end = 0;
    return 0;
}

void mod_mcp_stream_close(mod_mcp_stream_t *stream)
{
    if (stream->fd >= 0) {
        close(stream->fd);
        stream->fd = -1;
    }
}

int mod_mcp_stream_receive(mod_mcp_stream_t *stream)
{
    ssize_t got;

    memmove(stream->in, stream->in + stream->in_at, stream->in_end - stream->in_at);
    stream->in_end -= stream->in_at;
    stream->in_at = 0;
    if (stream->in_end == MCPA_FRAME_MAX_BYTES) {
        return 0; /* the frames in it come first; a longer one is refused by its length */
    }
    do {
        got = recv(stream->fd, stream->in + stream->in_end, MCPA_FRAME_MAX_BYTES - stream->in_end, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        stream->in_end += (apr_size_t)got;
        return 0;
    }
    return got == 0 ? ECONNRESET : errno == EAGAIN ? 0 : errno;
}

mcpa_status_t mod_mcp_stream_next(mod_mcp_stream_t *stream, mcpa_frame_t *frame)
{
    size_t consumed = 0;
    mcpa_status_t status;

    status = mcpa_frame_read(frame, &consumed, stream->in + stream->in_at, stream->in_end - stream->in_at);
    if (status == MCPA_OK) {
        stream->in_at += consumed;
    }
    return status;
}

static apr_size_t make_room(mod_mcp_stream_t *stream)
{
    memmove(stream->out, stream->out + stream->out_at, stream->out_end - stream->out_at);
    stream->out_end -= stream->out_at;
    stream->out_at = 0;
    return MOD_MCP_STREAM_OUT_BYTES - stream->out_end;
}

mcpa_status_t mod_mcp_stream_put(mod_mcp_stream_t *stream, const mcpa_frame_t *frame)
{
    apr_size_t room = make_room(stream);
    mcpa_status_t status;
    mcpa_out_t out;

    if (room == 0) {
        return MCPA_ETOOBIG;
    }
    mcpa_out_init(&out, (char *)stream->out + stream->out_end, room);
    status = mcpa_frame_write(&out, frame);
    if (status == MCPA_OK) {
        stream->out_end += out.len;
    }
    return status;
}

unsigned char *mod_mcp_stream_records(mod_mcp_stream_t *stream, apr_size_t *cap)
{
    if (make_room(stream) < MCPA_FRAME_MAX_BYTES) {
        return NULL;
    }
    *cap = MCPA_FRAME_MAX_BYTES - MCPA_FRAME_RECORDS_HEAD_BYTES;
    return stream->out + stream->out_end + MCPA_FRAME_RECORDS_HEAD_BYTES;
}

void mod_mcp_stream_put_records(mod_mcp_stream_t *stream, apr_uint32_t count, apr_size_t len)
{
    mcpa_frame_records_head(stream->out + stream->out_end, count, len);
    stream->out_end += MCPA_FRAME_RECORDS_HEAD_BYTES + len;
}

int mod_mcp_stream_flush(mod_mcp_stream_t *stream)
{
    ssize_t sent;

    while (stream->out_at < stream->out_end) {
        sent = send(stream->fd, stream->out + stream->out_at, stream->out_end - stream->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EINTR) {
            return errno == EAGAIN ? 0 : errno;
        }
        stream->out_at += sent > 0 ? (apr_size_t)sent : 0;
    }
    return 0;
}
