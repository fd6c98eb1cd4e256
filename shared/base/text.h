/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded scanners for the small grammars around us. */
#ifndef MCPA_BASE_TEXT_H
#define MCPA_BASE_TEXT_H

#include "base/bytes.h"

/* Takes the next run of bytes other than ' ' from *rest; false at the end. Only SP separates (RFC 6749 section 3.3). */
bool mcpa_text_next_word(mcpa_str_t *rest, mcpa_str_t *word);
/* Without the blanks and tabs around it (OWS, RFC 9110 section 5.6.3). */
mcpa_str_t mcpa_text_trim(mcpa_str_t text);
/* Decimal digits only, no sign, no overflow, at least one digit. */
bool mcpa_text_u64(mcpa_str_t text, uint64_t *value);
/* "64k", "10m", "1g" or plain bytes, case-insensitive. */
bool mcpa_text_size(mcpa_str_t text, uint64_t *bytes);
/* "500ms", "10s", "5min", "24h", "90d", plain digits = seconds, case-insensitive; result in microseconds. */
bool mcpa_text_duration(mcpa_str_t text, int64_t *us);
/* Length of the well-formed UTF-8 sequence text begins with (1..4); 0 when it begins with none. */
size_t mcpa_text_utf8_next(mcpa_str_t text);
bool mcpa_text_is_utf8(mcpa_str_t text);
/* RFC 9110 token (tchar), at least one. */
bool mcpa_text_is_token(mcpa_str_t text);
/* RFC 6750 token68: 1*(ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/") *"=". */
bool mcpa_text_is_token68(mcpa_str_t text);
/* RFC 6749 scope-token: 1*(%x21 / %x23-5B / %x5D-7E). */
bool mcpa_text_is_scope_token(mcpa_str_t text);
/* No byte below 0x20, no DEL. */
bool mcpa_text_is_printable(mcpa_str_t text);
/* '*' any run, '?' one byte. No recursion and no backtracking beyond the last star: at most |pattern| x |text| steps. */
bool mcpa_text_glob(mcpa_str_t pattern, mcpa_str_t text);
/* RFC 3339 in UTC with milliseconds, "2026-11-21T09:00:00.123Z"; memory of at least 25 bytes. */
void mcpa_text_rfc3339(char memory[25], int64_t unix_us);
/* An absolute http(s) URL (RFC 3986): scheme, host, no user info, no fragment, only ASCII that may stand in a URL, so no blanks,
 * control characters, quotes or backslashes. *is_https is set only when true is returned. */
bool mcpa_text_is_url(mcpa_str_t url, bool *is_https);
/* The host of such a URL is 127.x.y.z, [::1] or "localhost". */
bool mcpa_text_url_is_loopback(mcpa_str_t url);

#endif
