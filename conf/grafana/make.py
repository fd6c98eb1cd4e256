#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The dashboard for Grafana 9.5 and newer, from the table below: make.py >mcpauth.json. A test holds the two together, and runs every query.

It asks what the daemons export themselves, so that it works without the recording rules; only the count of alerts needs the rules."""
import json
import sys

AT = 'instance=~"$instance"'
IN = AT + ', location=~"$location"'
RATE = "[$__rate_interval]"
GOOD, ILL, BAD = "green", "orange", "red"
WIDTH = {"stat": 4, "lines": 8, "stack": 8}
HEIGHT = {"stat": 4, "lines": 8, "stack": 8}


def rate(by, name, more="", where=IN):
    return f"sum by ({by}) (rate({name}{{{where}{', ' + more if more else ''}}}{RATE}))"


def quantile(q, name, by="", where=IN):
    return f"histogram_quantile({q}, sum by ({by + ', ' if by else ''}le) (rate({name}_bucket{{{where}}}{RATE})))"


def gauge(name, where=AT):
    return f"{name}{{{where}}}"


def per(part, whole):
    """A share of the rate; 0 where there is none of the part, nothing where there is nothing at all."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


ANSWERS = f"sum(rate(mcpauth_requests_total{{{IN}}}{RATE}))"
GUESSES = f'sum(rate(mcpauth_auth_failures_total{{{AT}, reason!~"no_token|expired|not_yet_valid"}}{RATE}))'
ATTEMPTS = f"sum(rate(mcpauth_auth_attempts_total{{{AT}}}{RATE}))"
UP = 'up{job="mcpauth", instance=~"$instance"}'
# As the alert McpauthAuditLost asks: what was counted while nobody scraped is lost, too.
LOST = gauge("mcpauth_audit_lost_total")
LOST_LATELY = f"{LOST} - (last_over_time({LOST}[7d] offset 15m) or 0 * {LOST}) > 0 or increase({LOST}[15m])"
FORWARDED = '{{name}} on {{instance}}'

# Row -> its panels: (title, kind, unit, [(query, legend)], {from this value: colour}). A stat shows the newest value, lines and stacks the course.
ROWS = {
    "Overview": [
        ("Daemons that answer", "stat", "percentunit", [(f"(count({UP} == 1) or vector(0)) / count({UP})", "")], {0: BAD, 1: GOOD}),
        ("Well", "stat", "percentunit", [(f"avg({gauge('mcpauth_health_status')})", "")], {0: BAD, 1: GOOD}),
        ("Alerts that fire", "stat", "none", [('count(ALERTS{alertname=~"Mcpauth.*", alertstate="firing"}) or vector(0)', "")], {0: GOOD, 1: BAD}),
        ("Requests", "stat", "reqps", [(ANSWERS, "")], {0: GOOD}),
        ("Errors", "stat", "percentunit", [(per(f'sum(rate(mcpauth_requests_total{{{IN}, code=~"5.."}}{RATE}))', ANSWERS), "")], {0: GOOD, 0.01: ILL, 0.05: BAD}),
        ("In progress", "stat", "none", [(f"sum({gauge('mcpauth_active_requests')})", "")], {0: GOOD}),
        ("Requests by Location", "lines", "reqps", [(rate("location", "mcpauth_requests_total"), "{{location}}")], {}),
        ("Time to answer", "lines", "s", [(quantile(q, "mcpauth_request_duration_seconds"), f"p{round(q * 100)}") for q in (0.5, 0.95, 0.99)], {}),
        ("Components", "lines", "none", [(f"min by (component) ({gauge('mcpauth_health_status')})", "{{component}}")], {}),
    ],
    "Decisions": [
        ("Decisions", "stack", "reqps", [(rate("decision", "mcpauth_requests_total"), "{{decision}}")], {}),
        ("Denials by reason", "stack", "reqps", [(rate("reason", "mcpauth_denials_total"), "{{reason}}")], {}),
        ("Answers by status", "stack", "reqps", [(rate("code", "mcpauth_requests_total"), "{{code}}")], {}),
        ("Slowest in a hundred, by Location", "lines", "s", [(quantile(0.99, "mcpauth_request_duration_seconds", "location"), "{{location}}")], {}),
        ("Bytes received", "lines", "Bps", [(rate("location", "mcpauth_request_bytes_sum"), "{{location}}")], {}),
        ("Bytes sent", "lines", "Bps", [(rate("location", "mcpauth_response_bytes_sum"), "{{location}}")], {}),
    ],
    "Authentication": [
        ("Attempts", "lines", "reqps", [(rate("method", "mcpauth_auth_attempts_total", where=AT), "{{method}}")], {}),
        ("Failures by reason", "stack", "reqps", [(rate("reason", "mcpauth_auth_failures_total", where=AT), "{{reason}}")], {}),
        ("Wrong tokens, of all attempts", "lines", "percentunit", [(per(GUESSES, ATTEMPTS), "wrong")], {0: GOOD, 0.25: BAD}),
        ("Time to verify a token that is new", "lines", "s", [(quantile(q, "mcpauth_token_verify_duration_seconds", where=AT), f"p{round(q * 100)}") for q in (0.5, 0.99)], {}),
        ("Tokens found in the cache", "lines", "percentunit",
         [(per(f"sum(rate({gauge('mcpauth_token_cache_hits_total')}{RATE}))", f"sum(rate({gauge('mcpauth_token_cache_lookups_total')}{RATE}))"), "hits")], {}),
    ],
    "Limits": [
        ("Over a limit, by its key", "stack", "reqps", [(rate("key", "mcpauth_rate_limited_total"), "{{key}}")], {}),
        ("Over a limit, by Location", "lines", "reqps", [(rate("location", "mcpauth_rate_limited_total"), "{{location}}")], {}),
        ("Tables of limits in use", "lines", "percentunit",
         [(f"{gauge('mcpauth_limit_table_entries')} / ({gauge('mcpauth_limit_table_capacity')} > 0)", "{{instance}}")], {0: GOOD, 0.45: BAD}),
    ],
    "MCP operations": [
        ("Operations", "stack", "reqps", [(rate("operation", "mcpauth_operations_total"), "{{operation}}")], {}),
        ("Tool calls", "stack", "reqps", [(rate("tool", "mcpauth_operations_total", 'operation="tools/call"'), "{{tool}}")], {}),
        ("Operations that were refused", "stack", "reqps", [(rate("operation, tool", "mcpauth_operations_total", 'decision!="allow"'), "{{operation}} {{tool}}")], {}),
    ],
    "Keys": [
        ("Usable keys", "lines", "none", [(f"min by (issuer) ({gauge('mcpauth_jwks_keys')})", "{{issuer}}")], {0: BAD, 1: GOOD}),
        ("Age of the keys", "lines", "s", [(f"time() - min by (issuer) ({gauge('mcpauth_jwks_last_success_timestamp_seconds')} > 0)", "{{issuer}}")], {0: GOOD, 3600: ILL, 69120: BAD}),
        ("Fetches, and those that failed", "lines", "cps", [(rate("issuer", "mcpauth_jwks_refreshes_total", where=AT), "{{issuer}}"),
                                                           (rate("issuer", "mcpauth_jwks_refresh_failures_total", where=AT), "{{issuer}} failed")], {}),
        ("Age of our own issuer's key", "lines", "s", [(f"max by (issuer) ({gauge('mcpauth_issuer_key_age_seconds')})", "{{issuer}}")], {0: GOOD, 8 * 86400: BAD}),
        ("Key ids that nobody knew", "lines", "cps", [(rate("issuer", "mcpauth_unknown_kid_total", where=AT), "{{issuer}}")], {}),
    ],
    "Audit": [
        ("Records", "lines", "cps", [(rate("instance", "mcpauth_audit_records_total", where=AT), "{{instance}}")], {}),
        ("Records lost within 15 minutes", "lines", "none", [(LOST_LATELY, "{{instance}}")], {0: GOOD, 1: BAD}),
        ("Waiting in the spool", "lines", "bytes", [(gauge("mcpauth_audit_backlog_bytes"), "{{instance}}")], {0: GOOD, 64 * 1024 * 1024: BAD}),
        ("Lines without a seal", "lines", "none", [(gauge("mcpauth_audit_unsealed_lines"), "{{instance}}")], {}),
        ("Receivers: behind", "lines", "s", [(gauge("mcpauth_forward_lag_seconds"), FORWARDED)], {0: GOOD, 900: BAD}),
        ("Receivers: taken, and attempts that failed", "lines", "cps", [(rate("name, instance", "mcpauth_forward_records_total", where=AT), FORWARDED),
                                                                       (rate("name, instance", "mcpauth_forward_failures_total", where=AT), FORWARDED + " failed")], {}),
    ],
    "Process": [
        ("Linked children", "lines", "none", [(gauge("mcpauth_links"), "{{instance}}")], {0: BAD, 1: GOOD}),
        ("CPU", "lines", "percentunit", [(f"rate({gauge('process_cpu_seconds_total')}{RATE})", "{{instance}}")], {0: GOOD, 0.8: BAD}),
        ("Memory", "lines", "bytes", [(gauge("process_resident_memory_bytes"), "{{instance}}")], {0: GOOD, 256 * 1024 * 1024: BAD}),
        ("File descriptors in use", "lines", "percentunit", [(f"{gauge('process_open_fds')} / {gauge('process_max_fds')}", "{{instance}}")], {0: GOOD, 0.8: BAD}),
        ("Running for", "lines", "s", [(f"time() - {gauge('process_start_time_seconds')}", "{{instance}}")], {}),
        ("Alerts of the daemon", "lines", "none", [(f"sum by (name) ({gauge('mcpauth_alerts_firing')})", "{{name}}")], {0: GOOD, 1: BAD}),
    ],
}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panel(number, place, title, kind, unit, queries, colours):
    steps = [{"color": colour, "value": None if i == 0 else at} for i, (at, colour) in enumerate(colours.items())] or [{"color": GOOD, "value": None}]
    fields = {"unit": unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}
    if kind != "stat":
        fields["color"] = {"mode": "palette-classic"}
        fields["custom"] = {"fillOpacity": 30 if kind == "stack" else 0, "showPoints": "never", "stacking": {"mode": "normal" if kind == "stack" else "none"},
                            "thresholdsStyle": {"mode": "line" if len(steps) > 1 else "off"}}
        options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return {"id": number, "type": "stat" if kind == "stat" else "timeseries", "title": title, "datasource": SOURCE, "gridPos": place,
            "fieldConfig": {"defaults": fields, "overrides": []}, "options": options,
            "targets": [{"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": query, "legendFormat": legend} for i, (query, legend) in enumerate(queries)]}


def panels():
    made, y = [], 0
    for name, row in ROWS.items():
        made.append({"id": len(made) + 1, "type": "row", "title": name, "collapsed": False, "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}, "panels": []})
        x, y, height = 0, y + 1, 0
        for entry in row:
            w, h = WIDTH[entry[1]], HEIGHT[entry[1]]
            if x + w > 24:
                x, y = 0, y + height
            made.append(panel(len(made) + 1, {"h": h, "w": w, "x": x, "y": y}, *entry))
            x, height = x + w, h
        y += height
    return made


def chosen(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name}, "definition": query,
            "includeAll": True, "multi": True, "refresh": 2, "sort": 1, "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}


def dashboard():
    variables = [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}},
                 chosen("instance", "Daemon", "label_values(mcpauth_build_info, instance)"),
                 chosen("location", "Location", f"label_values(mcpauth_requests_total{{{AT}}}, location)")]
    return {"uid": "mcpauth", "title": "mcpauth", "tags": ["mcpauth"], "schemaVersion": 38, "version": 1, "editable": True, "graphTooltip": 1, "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"}, "timezone": "", "templating": {"list": variables}, "annotations": {"list": []}, "links": [], "panels": panels()}


def text():
    """A line for each panel, so that a difference shows which."""
    board = dashboard()
    last = board.pop("panels")
    head = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in board.items())
    return "{\n" + head + ',\n"panels": [\n' + ",\n".join(map(json.dumps, last)) + "\n]\n}\n"


if __name__ == "__main__":
    sys.stdout.write(text())
