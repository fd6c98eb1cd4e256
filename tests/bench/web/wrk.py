# SPDX-License-Identifier: Apache-2.0
"""wrk: its script, one run of it, and what it tells."""
import json
import re
import subprocess

from .made import made

CONNECTIONS = 32

# A script with request() is asked for each request and one with response() is told of each answer, headers and all. Both cost the load's CPU, so they
# stand there only where they are needed.
SCRIPT = """
wrk.method = %(method)s
wrk.path = %(path)s
%(headers)s
%(body)s
statuses = {}
local threads = {}
setup = function(thread) threads[#threads + 1] = thread end
%(request)s
%(response)s
done = function(summary, latency)
  local e, all = summary.errors, {}
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do all[status] = (all[status] or 0) + count end
  end
  local list = {}
  for status, count in pairs(all) do list[#list + 1] = string.format('"%%s":%%d', status, count) end
  io.write(string.format('TOLD {"requests":%%d,"us":%%d,"p50":%%d,"p99":%%d,"denied":%%d,"faults":%%d,"statuses":{%%s}}\\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), e.status, e.connect + e.read + e.write + e.timeout, table.concat(list, ",")))
end
"""
# The number of the token to begin with is an argument, so that runs do not repeat each other.
EACH_ITS_TOKEN = """
local tokens, at = {}, 0
init = function(arguments)
  for line in io.lines(%(tokens)s) do
    wrk.headers["Authorization"] = "Bearer " .. line
    tokens[#tokens + 1] = wrk.format()
  end
  at = tonumber(arguments[1]) %% #tokens
end
request = function()
  at = at %% #tokens + 1
  return tokens[at]
end
"""
COUNT_STATUSES = """
response = function(status)
  local name = "s" .. status
  statuses[name] = (statuses[name] or 0) + 1
end
"""


def quote(text):
    """A Lua string."""
    return '"' + re.sub(r'[\\"\n\r\0]', lambda m: "\\%03d" % ord(m.group()), text) + '"'


def script(method, path, token=None, tokens=None, body=None, headers=(), count=False):
    """token: the one that all requests carry; tokens: a file of them, to take in turn. count: tell how often each status came."""
    lines = [f"wrk.headers[{quote(name)}] = {quote(value)}" for name, value in headers]
    if token:
        lines.append(f"wrk.headers[\"Authorization\"] = {quote('Bearer ' + token)}")
    return SCRIPT % {
        "method": quote(method), "path": quote(path), "headers": "\n".join(lines), "body": f"wrk.body = {quote(body)}" if body else "",
        "request": EACH_ITS_TOKEN % {"tokens": quote(str(tokens))} if tokens else "", "response": COUNT_STATUSES if count else "",
    }


def run(cpus, port, script_path, seconds, first=0, apart=True):
    """One run; seconds is a whole number. apart: no server runs on these CPUs, so the load may have all of them and does not sleep. Returns requests, us, p50
    and p99 (us), denied (statuses from 400 on), faults (of sockets), statuses."""
    awake = ["env", f"LD_PRELOAD={made('awake.la')}"] if apart else []
    argv = ["taskset", "-c", cpus, *awake, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "--latency",
            "-s", str(script_path), f"http://127.0.0.1:{port}", "--", str(first)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds + 60, check=False)
    told = re.search(r"^TOLD (.*)$", done.stdout, re.M)
    if done.returncode or not told:
        raise RuntimeError(f"wrk ended with {done.returncode}:\n{done.stdout}")
    found = json.loads(told.group(1))
    found["statuses"] = {int(name[1:]): count for name, count in found["statuses"].items()}
    return found
