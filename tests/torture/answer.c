/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_AT  9 /* behind "HTTP/1.1 " */
#define STATUS_END 12
/* Of a line of the head, when it is there. */
#define LENGTH_LINE  "\r\nContent-Length:"
#define CHUNKED_LINE "\r\nTransfer-Encoding: chunked\r\n"
#define CLOSE_LINE   "\r\nConnection: close\r\n"

/* The head is whole: what follows it? */
static answer_state_t body_of(answer_t *answer)
{
    const char *length = strcasestr(answer->head, LENGTH_LINE);

    answer->closes = strcasestr(answer->head, CLOSE_LINE) != NULL;
    if (answer->to_head || answer->status == 204 || answer->status == 304) {
        return ANSWER_WHOLE;
    }
    if (strcasestr(answer->head, CHUNKED_LINE) != NULL) {
        return ANSWER_CHUNK_SIZE;
    }
    if (length == NULL) {
        return ANSWER_STRANGE;
    }
    answer->left = strtoull(length + sizeof(LENGTH_LINE) - 1, NULL, 10);
    return answer->left > 0 ? ANSWER_LENGTH : ANSWER_WHOLE;
}

static void take_head_byte(answer_t *answer, char byte)
{
    if (answer->head_len + 1 >= ANSWER_HEAD_MAX) {
        answer->state = ANSWER_STRANGE;
        return;
    }
    answer->head[answer->head_len++] = byte;
    answer->head[answer->head_len] = '\0';
    if (answer->head_len == STATUS_END) {
        answer->status = (uint16_t)strtoul(answer->head + STATUS_AT, NULL, 10);
    }
    if (answer->head_len > 4 && memcmp(answer->head + answer->head_len - 4, "\r\n\r\n", 4) == 0) {
        answer->state = body_of(answer);
    }
}

static unsigned digit_of(char byte)
{
    return isdigit((unsigned char)byte) ? (unsigned)(byte - '0') : (unsigned)(tolower((unsigned char)byte) - 'a') + 10;
}

/* What stands around the chunks. */
static void take_chunk_line_byte(answer_t *answer, char byte)
{
    if (byte == '\n') {
        if (answer->state == ANSWER_CHUNK_SIZE) {
            answer->state = answer->left > 0 ? ANSWER_CHUNK : ANSWER_TRAILER;
        } else if (answer->state == ANSWER_CHUNK_END) {
            answer->state = ANSWER_CHUNK_SIZE;
        } else if (answer->left == 0) {
            answer->state = ANSWER_WHOLE;
        } else {
            answer->left = 0;
        }
    } else if (answer->state == ANSWER_CHUNK_SIZE && isxdigit((unsigned char)byte)) {
        answer->left = answer->left * 16 + digit_of(byte);
    } else if (answer->state == ANSWER_TRAILER && byte != '\r') {
        answer->left++;
    } else if (byte != '\r') {
        answer->state = ANSWER_STRANGE;
    }
}

/* Some of the body; the bytes used. */
static size_t take_body(answer_t *answer, size_t len)
{
    size_t used = len < answer->left ? len : (size_t)answer->left;

    answer->left -= used;
    if (answer->left == 0) {
        answer->state = answer->state == ANSWER_CHUNK ? ANSWER_CHUNK_END : ANSWER_WHOLE;
    }
    return used;
}

void answer_take(answer_t *answer, const char *bytes, size_t len)
{
    size_t at = 0;

    while (at < len) {
        switch (answer->state) {
        case ANSWER_HEAD:
            take_head_byte(answer, bytes[at++]);
            break;
        case ANSWER_LENGTH:
        case ANSWER_CHUNK:
            at += take_body(answer, len - at);
            break;
        case ANSWER_CHUNK_SIZE:
        case ANSWER_CHUNK_END:
        case ANSWER_TRAILER:
            take_chunk_line_byte(answer, bytes[at++]);
            break;
        case ANSWER_WHOLE: /* nothing more was asked for */
        case ANSWER_STRANGE:
        default:
            answer->state = ANSWER_STRANGE;
            return;
        }
    }
}

bool answer_is_over(const answer_t *answer)
{
    return answer->state == ANSWER_WHOLE || answer->state == ANSWER_STRANGE;
}
