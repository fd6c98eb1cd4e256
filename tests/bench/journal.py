#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a large journal costs: a start of the daemon, a search over plain and over compressed files, and compressing it. The daemon journals some
thousand records itself; files of its lines then stand for the days before, as it would have left them. See README.md."""
import argparse
import datetime
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from daemon_child import Child, request  # noqa: E402
from harness import paths  # noqa: E402
from harness.admind import Admind, Dirs  # noqa: E402

BAR_SECONDS = 2
FILE_BYTES = 64 << 20
RECORDS = 5000  # some 3 MB of lines, so that repeating them is nothing that compression could see
FILES_A_DAY = 8


def line_source(admind):
    """Lines that the daemon wrote, of records that differ where real ones do."""
    child = Child(admind.dirs.socket)
    assert child.hello() == 0
    for first in range(1, RECORDS + 1, 50):
        child.records(first, [request(
            sub=f"user-{random.randrange(2000)}", jti=os.urandom(12).hex(), aud="https://mcp.example.com/mcp", iss="https://id.example.com",
            client_id=f"client-{random.randrange(50)}", scope="mcp:tools.read mcp:tools.exec", user_agent=f"agent/1.{random.randrange(9)}",
            rpc_method="tools/call", rpc_name=f"tool-{random.randrange(30)}", request_id=os.urandom(12).hex(), token_hash=os.urandom(8).hex())
            for _ in range(50)])
        child.acked(first + 49)
    child.close()
    return "".join(line for line in admind.journal_text().splitlines(keepends=True) if '"instance"' in line).encode()


def fill(admind, block, total):
    """Closed files of the days before today, together this many bytes, made of this block of lines."""
    journal, uid = admind.dirs.journal, admind.dirs.journal.stat()
    first = None
    files = max(1, total // FILE_BYTES)
    today = datetime.datetime.now(datetime.timezone.utc).date()
    for i in range(files):
        day = today - datetime.timedelta(days=(files - 1 - i) // FILES_A_DAY + 1)
        number = (i - files) % FILES_A_DAY
        path = journal / f"audit-{day}{f'.{number}' if number else ''}.jsonl"
        with open(path, "wb") as out:
            if first is None:
                out.write(block * (FILE_BYTES // len(block)))
            else:
                with open(first, "rb") as source:
                    shutil.copyfileobj(source, out, 1 << 20)
        os.chmod(path, 0o640)
        os.chown(path, uid.st_uid, uid.st_gid)
        first = first or path
    return first.stat().st_size, files


def drop_caches():
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
        return True
    except OSError:
        return False


def start_seconds(admind, rounds, cold):
    taken, read = [], []
    for _ in range(rounds):
        admind.kill()
        if cold and not drop_caches():
            return None, None
        begun = time.monotonic()
        admind.start(timeout=600)
        taken.append(time.monotonic() - begun)
        io = dict(line.split(": ") for line in Path(f"/proc/{admind.process.pid}/io").read_text().splitlines())
        read.append(int(io["rchar"]))
    return statistics.median(taken), max(read)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compress(admind, files, size):
    """(MB a second of CPU, MB a second, ratio) of the first files that the running daemon compresses."""
    journal = admind.dirs.journal

    def done():
        return sorted(journal.glob("audit-*.gz"))

    while not done():
        time.sleep(0.01)
    begun, cpu, before = time.monotonic(), cpu_seconds(admind.process.pid), len(done())
    while len(done()) < files:
        time.sleep(0.01)
    n = len(done()) - before
    took, cpu = time.monotonic() - begun, cpu_seconds(admind.process.pid) - cpu
    return n * size / 1e6 / cpu, n * size / 1e6 / took, size / done()[0].stat().st_size


def search_rate(folder, size):
    """MB of lines a second of a search that finds nothing, over a folder with journal files of that many bytes."""
    begun = time.monotonic()
    done = subprocess.run([paths.built_program("mcpauthctl"), "audit", "search", "--journal", folder, "--subject", "nobody", "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    assert done.stdout == b"", done.stdout[:200]
    return size / 1e6 / (time.monotonic() - begun)


def search(admind, size, plain, packed):
    """Rates over the plain files and over the compressed ones, each in a folder of links."""
    rates = []
    for found in (plain, packed):
        folder = Path(tempfile.mkdtemp(dir=admind.scratch))
        for path in found:
            os.link(path, folder / path.name)
        rates.append(max(search_rate(folder, size * len(found)) for _ in range(3)))
        shutil.rmtree(folder)
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=5, help="starts of the daemon; the table has the median")
    parser.add_argument("--dir", help="where the journal is made (default: the system's directory for temporary files)")
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="mcpauth-bench-", dir=arguments.dir))
    os.chmod(scratch, 0o755)
    admind = Admind(scratch, Dirs(scratch), f"JournalFileSize {FILE_BYTES}\nLogLevel notice")
    try:
        admind.start()
        block = line_source(admind)
        admind.stop()  # writes a checkpoint
        size, files = fill(admind, block, int(arguments.gigabytes * 1e9))
        admind.start()
        warm, read = start_seconds(admind, arguments.rounds, cold=False)
        cold, _ = start_seconds(admind, arguments.rounds, cold=True)
        packed = min(files - 1, 4)
        per_cpu, per_second, ratio = compress(admind, packed + 1, size)
        admind.freeze()
        done = sorted(admind.dirs.journal.glob("audit-*.gz"))[:packed]
        plain = sorted(admind.dirs.journal.glob("audit-*.jsonl"), key=lambda p: -p.stat().st_size)[:packed]
        rates = search(admind, size, plain, done) if plain else (0, 0)
        admind.thaw()
        print(f"\njournal: {files} closed files, {files * size / 1e9:.2f} GB\n")
        print("| what | measured |\n|---|---|")
        print(f"| start to ready, files in the page cache | {warm:.2f} s (bar: {BAR_SECONDS} s) |")
        print(f"| start to ready, cold | {'not possible here' if cold is None else f'{cold:.2f} s'} |")
        print(f"| read by a start | {read / 1e6:.1f} MB |")
        print(f"| search that finds nothing, plain files | {rates[0]:.0f} MB/s |")
        print(f"| the same, compressed files | {rates[1]:.0f} MB/s of lines |")
        print(f"| compressing and checking, for each second of CPU | {per_cpu:.0f} MB |")
        print(f"| compressing and checking, beside everything else | {per_second:.0f} MB/s |")
        print(f"| a compressed file is smaller | {ratio:.1f} times |")
        return 0 if warm < BAR_SECONDS else 1
    finally:
        if admind.process:
            admind.kill()
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
