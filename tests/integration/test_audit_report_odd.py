# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl audit report, of journals that are not as one would like, and of a real one whose numbers are those of the daemon's metrics."""
import gzip
import html
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from daemon_child import Child, request
from harness import paths, wait_until
from report_parts import ARGV, BAD, GOOD, KNOWN, LATER, NEXT, OLD, Journal, Parsed, record, rows


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


@pytest.fixture
def known(journal):
    # The final record of r1 comes behind its decision, as in a real journal.
    records = [*KNOWN[1:13], KNOWN[0], *KNOWN[13:]]
    return journal.write(OLD, records).write(NEXT, LATER)


# -- journals that are not as one would like --------------------------------------------------------------------------------------------


def test_compressed_files_count_the_same(known):
    plain = known.report()
    data = (known.folder / OLD).read_bytes()
    (known.folder / (OLD + ".gz")).write_bytes(gzip.compress(data))
    (known.folder / OLD).unlink()
    assert known.report() == plain


def test_damaged_file_is_named_and_the_rest_counted(known):
    data = gzip.compress((known.folder / OLD).read_bytes())
    (known.folder / OLD).unlink()
    (known.folder / (OLD + ".gz")).write_bytes(data[:len(data) // 2])
    done = known.run("--json")
    found = json.loads(done.stdout)
    assert done.returncode == BAD and f"{OLD}: damaged" in done.stderr and found["complete"] is False
    assert rows(found["subjects"], "subject")[0] == ("alice",) and found["last"] == "2026-01-02T00:00:00.000Z"
    assert "Not all of the journal could be read" in known.run().stdout


def test_file_that_cannot_be_opened_is_named_and_the_rest_counted(known):
    program = known.folder / "mcpauthctl"  # a copy: the build may lie where the other user may not look
    shutil.copy(paths.built_program("mcpauthctl"), program)
    known.write("audit-2026-01-03.jsonl", [record("03T00:00:00")])
    for path, mode in {known.folder: 0o755, known.folder / OLD: 0o644, known.folder / NEXT: 0o600, known.folder / "audit-2026-01-03.jsonl": 0o644}.items():
        os.chmod(path, mode)
    for folder in known.folder.parents:
        if folder.name.startswith(("pytest-", "popen-")):  # pytest's own, one more in a parallel run
            os.chmod(folder, 0o755)
    done = subprocess.run(["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", program, "audit", "report", "--json", "--journal", known.folder],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60 * paths.PATIENCE, check=False)
    assert done.returncode == BAD and done.stderr == f"mcpauthctl: {known.folder}/{NEXT}: Permission denied; it is passed over\n"
    assert json.loads(done.stdout)["requests"] == 11 and json.loads(done.stdout)["last"] == "2026-01-03T00:00:00.000Z"


def test_lines_that_hold_no_record_are_counted_as_such(known):
    with open(known.folder / NEXT, "a") as f:
        f.write('nonsense\n{"ts":"2026-01-02T00:00:00.000Z"}\n')
    found = known.report(status=BAD)
    assert found["unreadable"] == 2 and found["requests"] == 11 and found["complete"] is False


@pytest.mark.parametrize("content", [None, ""])
def test_empty_journal_is_a_report_of_nothing(journal, content):
    if content is not None:
        (journal.folder / OLD).write_text(content)
    found = journal.report()
    assert found["requests"] == 0 and found["times"] == [] and found["subjects"]["rows"] == [] and found["complete"]
    assert "0 requests\n" in journal.run().stdout
    assert Parsed(journal.page()).tables["Sums"][0][:2] == ["Requests", "0"]


def test_no_journal_at_all_is_an_error(journal):
    done = Journal(journal.folder / "nowhere").run()
    assert done.returncode == BAD and "--journal" in done.stderr


HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "\x1b[2J\x1b]0;title\x07", "\u202egnp.exe", "a\u0085b\u009bc", "&lt;b&gt;", "</td></table>", "=cmd|' /C calc'!A0",
           "\n\nSums\n", "é" * 600]


def test_hostile_names_stay_text_everywhere(journal):
    journal.write(OLD, [record("01T00:00:00", "deny", word, sub=word, client_id=word, location=word, rpc_method=word, rpc_name=word, ip=word) for word in HOSTILE])
    found = journal.report()
    assert {row["subject"] for row in found["subjects"]["rows"]} == {w[:512] for w in HOSTILE}  # as long as a record may have them: 1024 bytes
    text = journal.run().stdout
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]", text) and "\\x1b[2J\\x1b]0;title\\x07" in text and text.count("\n\nSums\n") == 0
    page = journal.page()
    parsed = Parsed(page)
    assert not {tag for tag, _ in parsed.elements} & {"script", "img", "b"} and not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]", page)
    shown = {row[0] for row in parsed.tables["Subjects"][1:]}
    assert {"<script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "\\x1b[2J\\x1b]0;title\\x07", "&lt;b&gt;", "</td></table>"} <= shown
    assert html.escape("<script>alert(1)</script>") in page
    assert "\u202e" not in text + page and "\\xe2\\x80\\xaegnp.exe" in text


def read_terminal(primary):
    """All that is written to it, until nobody has it open."""
    text = b""
    try:
        while data := os.read(primary, 65536):
            text += data
    except OSError:  # how a terminal says that it was its end
        pass
    os.close(primary)
    return text.decode()


def has_open(process, name):
    folder = f"/proc/{process.pid}/fd"
    try:
        return any(os.path.basename(os.readlink(f"{folder}/{n}")) == name for n in os.listdir(folder))
    except FileNotFoundError:  # closed meanwhile
        return False


def test_page_of_text_fits_the_terminal(journal):
    """Names that fit stand in their row; longer ones on a line of their own, so that the numbers stay in their columns."""
    long = "service-account-of-the-nightly-build@ci.example.com"
    journal.write(OLD, [record("01T00:00:00"), record("01T00:00:00", sub=long)])
    primary, secondary = pty.openpty()
    subprocess.run(["stty", "cols", "80"], stdin=secondary, check=True)
    done = subprocess.Popen([*ARGV, "--journal", journal.folder], stdout=secondary, env={**os.environ, "NO_COLOR": "1"})
    os.close(secondary)
    shown = read_terminal(primary).replace("\r\n", "\n").splitlines()
    assert done.wait(30 * paths.PATIENCE) == GOOD
    assert max(len(line) for line in shown) <= 80
    at = shown.index("Subjects")
    assert shown[at + 2].startswith("  alice  ") and shown[at + 3].strip() == long and shown[at + 4].split()[0] == "1"
    assert len(shown[at + 2]) == len(shown[at + 4]) == len(shown[at + 1])
    at = shown.index("Who used what")
    assert shown[at + 2].startswith("  alice  ") and shown[at + 3].strip() == long
    assert shown[at + 4] == shown[at + 2].replace("alice", "     ") and shown[at + 4].split() == ["/mcp", "tools/call", "search", "1"]


@pytest.mark.alone
def test_bar_is_shown_after_a_second_and_goes(journal):
    journal.write(OLD, [record("01T00:00:00")] * 100000)
    (journal.folder / (NEXT + ".gz")).write_bytes(b"no gzip")
    primary, secondary = pty.openpty()
    argv = [*ARGV, "--journal", journal.folder, "--json"]
    shower = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=secondary)
    os.close(secondary)
    wait_until(lambda: has_open(shower, OLD), 20, "it reads")
    shower.send_signal(signal.SIGSTOP)
    time.sleep(1.2)
    shower.send_signal(signal.SIGCONT)
    with ThreadPoolExecutor(1) as pool:  # a terminal that nobody reads fills up
        said = pool.submit(read_terminal, primary)
        assert json.loads(shower.communicate(timeout=60 * paths.PATIENCE)[0])["requests"] == 100000
        bars, rest = said.result().rsplit("\r\x1b[K", 1)
    assert re.search(r"\r\[#*\.+\] +\d+%  [\d.]+ MB/s  [\d:]+ left", bars) and "\n" not in bars
    assert re.fullmatch(rf"mcpauthctl: .*{NEXT}: damaged.*\r\n", rest), "the bar is gone before anything else is said"
    quiet = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60 * paths.PATIENCE)
    assert quiet.stderr.decode() == rest.replace("\r\n", "\n")


# -- against the daemon ------------------------------------------------------------------------------------------------------------------


def sums(admind, name, label):
    found = {}
    for (metric, pairs), value in admind.metrics().items():
        if metric == name:
            found[dict(pairs)[label]] = found.get(dict(pairs)[label], 0) + int(value)
    return found


def test_numbers_are_those_of_the_metrics(stack):
    """Requests through httpd, and such of other children, with lost and unreadable ones."""
    good = stack.token(sub="alice")
    for token in (good, good, None, stack.token(sub="bob", signature=b"x" * 256), stack.token(sub="carol", expires_in=-3600), stack.token(sub="dave", scope="other")):
        stack.call(token=token)
    stack.admind.wait_journal(6)
    child = Child(stack.admind.dirs.socket)
    child.hello()
    child.records(1, [request(sub="erin", rpc_method="tools/list"), request("rate_limited_subject", "limit", 429), request("expired", "shadow_deny"),
                      request("keys_missing", "error", 503), b"\xff", request("scope_missing", "deny", 403, event="decision", request_id="x")])
    child.acked(6)
    child.close()
    again = Child(stack.admind.dirs.socket, instance=child.instance)
    again.hello(10)
    again.records(10, [request(sub="erin")])
    again.acked(10)
    again.close()
    report = Journal(stack.admind.dirs.journal).report()
    decisions = {"allowed": "allow", "denied": "deny", "limited": "limit", "errors": "error", "shadow_denied": "shadow_deny", "other": "other"}
    counted = sums(stack.admind, "mcpauth_requests_total", "decision")
    assert report["requests"] == sum(counted.values()) == 11
    assert {d: report[k] for k, d in decisions.items() if report[k]} == counted
    assert {row["location"]: row["requests"] for row in report["locations"]["rows"]} == sums(stack.admind, "mcpauth_requests_total", "location")
    refused = {row["reason"]: row["denied"] + row["limited"] + row["errors"] for row in report["reasons"]["rows"]}
    assert {k: v for k, v in refused.items() if v} == sums(stack.admind, "mcpauth_denials_total", "reason")
    assert sum(row["failures"] for row in report["addresses"]["rows"]) == sum(sums(stack.admind, "mcpauth_auth_failures_total", "reason").values()) > 3
    operations = {}
    for row in report["operations"]["rows"]:
        operations[row["method"]] = operations.get(row["method"], 0) + row["requests"]
    assert operations == sums(stack.admind, "mcpauth_operations_total", "operation")
    assert report["lost"] == stack.admind.metric("mcpauth_audit_lost_total") == 3
    assert (report["corrupt"], report["unfinished"]) == (1, 1)
