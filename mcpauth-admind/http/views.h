/* SPDX-License-Identifier: Apache-2.0 */
/* What each path shows. */
#ifndef ADMIND_HTTP_VIEWS_H
#define ADMIND_HTTP_VIEWS_H

#include "http/routes.h"

admind_view_t admind_view_health, admind_view_ready, admind_view_metrics, admind_view_alerts, admind_view_keys,
    admind_view_status, admind_view_jwks;

#endif
