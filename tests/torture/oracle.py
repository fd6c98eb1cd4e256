# SPDX-License-Identifier: Apache-2.0
"""Holds the journal against what the clients saw. Knows nothing of how the records got there."""
import collections
import gzip
import json
import re

from shapes import SHAPES

UNUSED, SENT, BEGUN, COMPLETE = range(4)
PATH = re.compile(r"^/(?:mcp|on)/[a-z]+/(\d+)$")
EXAMPLES = 8
FILE = re.compile(r"^audit-(\d{4}-\d\d-\d\d)(?:\.(\d+))?\.jsonl(\.gz)?$")


def journal_files(folder):
    """Oldest first, by name. A file that is there twice, plain and compressed, is read once: a crash fell between the two."""
    found = {}
    for path in folder.iterdir():
        match = FILE.match(path.name)
        if match:
            key = match.group(1), int(match.group(2) or 0)
            if key not in found or not match.group(3):
                found[key] = path
    return [found[key] for key in sorted(found)]


class Journal:
    """What stands in it, by request number."""

    def __init__(self, folder, count):
        self.finals, self.decisions = bytearray(count), bytearray(count)
        self.status, self.names, self.numbers = {}, {}, {}
        self.records = self.gaps = self.gap_sum = self.corrupt = self.broken = self.foreign = 0
        self.seqs = {}
        self.holes, self.notes = 0, []
        self.files = journal_files(folder)
        for path in self.files:
            with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as f:
                for number, line in enumerate(f, 1):
                    self._line(f"{path.name}:{number}", line)

    def note(self, text):
        if len(self.notes) < EXAMPLES:
            self.notes.append(text)

    def _line(self, where, line):
        try:
            record = json.loads(line)
            event = record.get("event")
            if event == "seal":
                return
            _ = record["instance"], record["seq"]
        except (ValueError, AttributeError, KeyError):
            self.broken += 1
            self.note(f"{where} is no record: {line[:80]!r}")
            return
        self._order(where, record)
        if event == "gap":
            self.gaps += 1
            self.gap_sum += record["lost"]
            self.note(f"{where} is a gap of {record['lost']}")
        elif event == "corrupt":
            self.corrupt += 1
            self.note(f"{where} is a record that arrived corrupt")
        else:
            self._request(where, record, event)

    def _order(self, where, record):
        instance, seq = record["instance"], record["seq"]
        expected = self.seqs.get(instance, 0) + 1
        if seq != expected:
            self.holes += 1
            self.note(f"{where} has seq {seq} of {instance} where {expected} is due")
        self.seqs[instance] = max(seq, expected - 1)

    def _request(self, where, record, event):
        match = PATH.match(record.get("path", ""))
        number = int(match.group(1)) if match else -1
        if event not in (None, "decision") or not 0 <= number < len(self.finals):
            self.foreign += 1
            self.note(f"{where} is of no request that was sent: {line_of(record)}")
            return
        self.records += 1
        table = self.decisions if event else self.finals
        table[number] = min(255, table[number] + 1)
        if table[number] > 1:
            self.note(f"{where} is the {'decision' if event else 'record'} {number} once more")
        if not event:
            self.status[number] = record.get("status")
        # A request's two records carry one name, no other request has it.
        name = record.get("request_id")
        if self.names.setdefault(number, name) != name or self.numbers.setdefault(name, number) != number:
            self.foreign += 1
            self.note(f"{where}: request_id {name} of {number} is not the one of its other record, or {self.numbers.get(name)}'s")


def line_of(record):
    return json.dumps(record)[:120]


class Verdict:
    """counts: what was found; answers: whole ones, by name of the shape and status; faults: those that must not be, {} when the journal is exactly what
    it should be.

    entries       [(kind, outcome, status)] as the clients noted them; kind: number of the shape
    open_limit    requests that killed children can have had open
    no_room       records could be lost for want of room, and the gaps must tell how many: exactly, but for those of requests that killed children
                  had open, which are told and nobody misses them"""

    def __init__(self, journal, entries, open_limit, no_room=False):
        self.journal = journal
        self.counts, self.answers = collections.Counter(), collections.Counter()
        for number, (kind, outcome, status) in enumerate(entries):
            if outcome != UNUSED:
                self._request(number, SHAPES[kind], outcome, status, no_room)
        self.counts["duplicated"] += sum(n - 1 for table in (journal.finals, journal.decisions) for n in table if n > 1)
        self.faults = self._faults(open_limit, no_room)

    def _request(self, number, shape, outcome, status, no_room):
        count, journal = self.counts, self.journal
        final, decision = journal.finals[number], journal.decisions[number]
        count["requests"] += 1
        if outcome == COMPLETE:
            count["answered"] += 1
            self.answers[shape.name, status] += 1
        # Any byte of its usual answer says that the handler ran, so its decision must be there, whoever died then.
        if shape.decides and status == shape.status and not decision:
            self._lost(number, "was handled without a decision in the journal")
        if decision and not shape.decides:
            count["foreign"] += 1
            journal.note(f"request {number} has a decision that nobody asked for")
        if final:
            if outcome >= BEGUN and journal.status[number] != status:
                count["foreign"] += 1
                journal.note(f"request {number} was answered with {status}, its record says {journal.status[number]}")
            count["unanswered"] += outcome < COMPLETE
        elif outcome == COMPLETE and no_room and not (decision and status == shape.status):  # that was let in: room was kept for its end
            count["missing"] += 1
        elif outcome == COMPLETE:
            self._lost(number, f"({shape.name}) was answered to the last byte and has no record")
        else:
            count["in flight"] += outcome == BEGUN or decision > 0

    def _lost(self, number, what):
        self.counts["lost"] += 1
        self.journal.note(f"LOST: request {number} {what}")

    def _faults(self, open_limit, no_room):
        journal, count = self.journal, self.counts
        faults = {
            "lost": count["lost"], "duplicated": count["duplicated"], "holes in seq": journal.holes, "corrupt": journal.corrupt,
            "lines that are no record": journal.broken, "records of no request": journal.foreign + count["foreign"],
            "more in flight than dead children had threads": max(0, count["in flight"] - open_limit),
        }
        if no_room:
            faults["records missing that no gap tells of"] = max(0, count["missing"] - journal.gap_sum)
            faults["gaps that tell of more than can be missing"] = max(0, journal.gap_sum - count["missing"] - open_limit)
        else:
            faults["lost as gaps"] = journal.gap_sum
        return {name: n for name, n in faults.items() if n}
