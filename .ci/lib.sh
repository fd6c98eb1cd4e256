# SPDX-License-Identifier: Apache-2.0
# Sourced by quickstart, check and the scripts here: progress on the terminal, package output in a log.
# The caller has set `top` (the source directory) and `logs` (where log files go).

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m'; dim=$'\e[2m'; red=$'\e[31m'; green=$'\e[32m'; yellow=$'\e[33m'; blue=$'\e[34m'; plain=$'\e[0m'; terminal=yes
else
  bold=; dim=; red=; green=; yellow=; blue=; plain=; terminal=
fi

die() { printf '%s%s: %s%s\n' "$red" "${0##*/}" "$*" "$plain" >&2; exit 1; }

# step TITLE LOG COMMAND...: runs COMMAND with its output in $logs/LOG, shows one line with the seconds it took.
# On failure it shows the end of the log and returns the command's status.
step() {
  local title=$1 log=$logs/$2 start=$SECONDS status=0 pid beat=0
  shift 2
  mkdir -p "$logs"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  if [ -n "$terminal" ]; then
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r\e[K  %s… %s s %s' "$title" "$((SECONDS - start))" "$dim$(tail -c 200 "$log" 2>/dev/null | tr '\r' '\n' | tr -cd '[:print:]\n' | tail -n 1 | cut -c 1-60)$plain"
      sleep 0.3
    done
    printf '\r\e[K'
  else
    while kill -0 "$pid" 2>/dev/null; do
      sleep 0.2
      beat=$((beat + 1))
      [ $((beat % 150)) -ne 0 ] || printf '  …   %s (%s s so far)\n' "$title" "$((SECONDS - start))"
    done
  fi
  wait "$pid" || status=$?
  if [ "$status" -eq 0 ]; then
    printf '  %sok%s  %s %s(%s s)%s\n' "$green" "$plain" "$title" "$dim" "$((SECONDS - start))" "$plain"
  else
    printf '  %sFAILED%s  %s (exit %s, %s s). The end of %s:\n' "$red" "$plain" "$title" "$status" "$((SECONDS - start))" "$log"
    tail -n "${TAIL_LINES:-40}" "$log" | sed 's/^/    | /'
  fi
  return "$status"
}
