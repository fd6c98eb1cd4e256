# SPDX-License-Identifier: Apache-2.0
"""The order of measuring, and one measurement. In each round every variant of a case has its turn, in an order drawn anew, so that what else the
machine does falls on all alike and a ratio is one of the same minute."""
import random

from harness import client

from . import cpu, wrk
from .farm import Farm
from .tokens import COUNT
from .variants import BARE, VARIANTS

# Of answers over a limit, so many may be let in: what the limit allows.
LET_IN = 16


class WrongAnswers(RuntimeError):
    pass


def look_over(case, variant, told, counted):
    """Raises unless the answers are those that the case is about."""
    want, n = case.expected(variant), told["requests"]
    if told["faults"] or not n:
        raise WrongAnswers(f"{n} answers, {told['faults']} connections or requests failed")
    if counted:
        right = told["statuses"].get(want, 0)
        others = {s: c for s, c in told["statuses"].items() if s != want}
        if right == 0 or sum(others.values()) > (LET_IN if want == 429 and set(others) == {200} else 0):
            raise WrongAnswers(f"expected {want}: {told['statuses']}")
    elif told["denied"]:
        raise WrongAnswers(f"expected {want}: {told['denied']} of {n} were denied")


class Cell:
    """One variant in one case of a group: its rounds, or why there are none."""

    def __init__(self, farm, case, variant_name):
        self.farm, self.case, self.variant = farm, case, VARIANTS[variant_name]
        self.server = farm.servers[variant_name]
        self.rows, self.unsupported, self.error = [], None, None
        # Where every answer is an error, the statuses are counted in each run; elsewhere wrk's own count of errors must be 0, and what it does not
        # tell apart (from 200 to 399) is seen by one request before and one after each run.
        self.counts = case.expected(self.variant) >= 400

    def warm_up(self, seconds):
        """Not measured, every status counted. What keys of another algorithm than RS256 make impossible is "not supported"."""
        other_keys = self.farm.group.alg != "RS256"
        if self.variant.name in self.farm.refused:
            said = f"does not start: {self.farm.refused[self.variant.name]}"
            self.unsupported, self.error = (said, None) if other_keys else (None, said)
            return
        sent, told = 0, None
        try:
            while sent == 0 or self.case.again and sent < COUNT:
                told = wrk.run(self.farm.load_cpus, self.server.port, self.farm.script(self.case, True), seconds, sent, self.farm.apart)
                look_over(self.case, self.variant, told, True)
                sent += told["requests"]
            if self.variant.guards and not self.case.over:
                self._try_wrong_tokens()
            self.server.settle()
        except RuntimeError as wrong:
            if other_keys and told and set(told["statuses"]) == {401}:
                self.unsupported = f"answers 401 to good tokens: {self.server.said().splitlines()[-1:]}"
            else:
                self.error = str(wrong)

    def _status(self, **request):
        try:
            return client.send(self.server.port, **request).status
        except OSError as failed:
            raise WrongAnswers(f"one request failed: {failed}") from failed

    def _try_wrong_tokens(self):
        for what, token in self.farm.tokens.wrong().items():
            status = self._status(path=self.case.path, token=token)
            if status != 401:
                raise WrongAnswers(f"a token that is wrong ({what}) is answered {status}")

    def _probe(self):
        """The status that a request as it is measured is answered with; not asked where all are counted."""
        want = self.case.expected(self.variant)
        status = want if self.counts else self._status(**self.farm.request(self.case))
        if status != want:
            raise WrongAnswers(f"expected {want}: one request is answered {status}")
        return status

    def measure(self, number, seconds, first, again=True):
        if self.error or self.unsupported:
            return
        server = self.server
        try:
            self._probe()
            server.settle()
            before, daemon_before, log_before, fetches_before = server.threads_ns(), server.daemon_ns(), server.log_bytes(), self.farm.fetches(server)
            told = wrk.run(self.farm.load_cpus, server.port, self.farm.script(self.case, self.counts), seconds, first, self.farm.apart)
            server.settle()
            if told["requests"] == 0 and again:
                # Nothing at all for a second is what a machine does that has no time, once.
                return self.measure(number, seconds, first, again=False)
            look_over(self.case, self.variant, told, self.counts)
            n = told["requests"]
            row = {
                "round": number, "requests": n, "rate": n * 1e6 / told["us"], "p50_us": told["p50"], "p99_us": told["p99"],
                "cpu_us": cpu.spent_us(before, server.threads_ns()) / n, "daemon_us": cpu.spent_us(daemon_before, server.daemon_ns()) / n,
                "log_bytes": (server.log_bytes() - log_before) / n, "fetches": self.farm.fetches(server) - fetches_before}
            self.rows.append({**row, "statuses": told["statuses"] or {self._probe(): n}})
        except RuntimeError as error:
            self.error = f"round {number}: {error}"

    def result(self):
        return {"variant": self.variant.name, "rounds": self.rows, "unsupported": self.unsupported, "error": self.error}


def _results(group, all_cells):
    return [{"group": group.title, "mpm": group.mpm, "cores": group.cores, "alg": group.alg, "case": case.name, "title": case.title,
             "cells": [cell.result() for cell in cells]} for case, cells in all_cells.items()]


def measure_group(group, cases, variants, options, say, keep):
    """variants: names, or None for those of the cases. keep: is given after each round what there is so far, [{"group", "case", "cells"}]."""
    chosen = {case.name: [v for v in case.variants if v == BARE or (variants is None or v in variants) and (not group.variants or v in group.variants)]
              for case in cases}
    shuffle = random.Random(options.seed)
    with Farm(group, cases, list(dict.fromkeys(v for names in chosen.values() for v in names))) as farm:
        all_cells = {case: [Cell(farm, case, name) for name in chosen[case.name]] for case in cases}
        for case in cases:
            for cell in all_cells[case]:
                cell.warm_up(options.seconds)
                if cell.error or cell.unsupported:
                    say(f"  {case.title}: {cell.variant.name}: {cell.error or 'not supported'}")
        for number in range(1, options.rounds + 1):
            for case in cases:
                turn = list(all_cells[case])
                shuffle.shuffle(turn)
                first = shuffle.randrange(COUNT)
                for cell in turn:
                    cell.measure(number, options.seconds, first)
            keep(_results(group, all_cells))
            say(f"  round {number} of {options.rounds}")
