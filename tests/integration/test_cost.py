# SPDX-License-Identifier: Apache-2.0
"""What a request with a token costs more than one at a bare server must not grow. Counted in instructions, by callgrind, so that a busy machine
changes nothing. A change that is worth it writes the figures anew: tests/bench/instructions.py --baseline."""
import json
import re
import sys
import warnings

import pytest

from harness import paths

sys.path.insert(0, str(paths.SOURCE / "tests" / "bench"))

import instructions  # noqa: E402

TENTH = 1.10
ELSEWHERE = 1.25  # compilers and versions of httpd, OpenSSL, libc and valgrind make a difference of their own


def grown(now, then):
    """Lines that name what grew, the most first."""
    lines = []
    for kind, title in (("own", "alone"), ("inclusive", "with what it calls")):
        more = {name: cost - then[kind].get(name, 0) for name, cost in now[kind].items()}
        lines += [f"  {title}: {name} +{by} (now {now[kind][name]})" for name, by in sorted(more.items(), key=lambda item: -item[1])[:8] if by > 50]
    return "\n".join(lines) or "  no function stands out: many a little"


def verdict(now, then):
    """None, or what is wrong. now, then: as instructions.baseline gives them."""
    others = {name: (version, then["versions"].get(name)) for name, version in now["versions"].items() if version != then["versions"].get(name)}
    margin = ELSEWHERE if others else TENTH
    for name, cost in now["variants"].items():
        before = then["variants"][name]
        if cost["more"] > before["more"] * margin:
            return (f"{name}: {cost['more']} instructions more than the bare server, {before['more']} were written down, and {margin:.2f} of that is let pass"
                    + (f" (other versions: {others})" if others else "") + ". What grew:\n" + grown(cost, before))
        if cost["more"] < before["more"] / margin:
            warnings.warn(f"{name}: {cost['more']} instructions instead of {before['more']}: write it down, with instructions.py --baseline")
    return None


@pytest.mark.slow
def test_a_token_costs_no_more_than_it_did(capsys):
    makefile = (paths.BUILD / "Makefile").read_text()
    if paths.SANITIZE or paths.VALGRIND or not re.search(r"^CFLAGS = .*-O2", makefile, re.M):
        pytest.skip("the module was not built as it is delivered (-O2, no sanitizer), so its instructions tell nothing")
    now = instructions.baseline(instructions.measure(instructions.GUARDED, profile=True))
    with capsys.disabled():
        print(" " + ", ".join(f"{name} +{cost['more']}" for name, cost in now["variants"].items()), end=" ")
    wrong = verdict(now, json.loads(instructions.BASELINE.read_text()))
    assert not wrong, wrong


def test_the_guard_says_what_grew():
    then = {"versions": {"httpd": "1"}, "variants": {"known": {"more": 20000, "own": {"a [x.so]": 5000, "b [x.so]": 100}, "inclusive": {"a": 5100}}}}
    now = json.loads(json.dumps(then))
    now["variants"]["known"].update(more=21900)
    assert verdict(now, then) is None
    now["variants"]["known"].update(more=22100, own={"a [x.so]": 5010, "b [x.so]": 2190})
    said = verdict(now, then)
    assert "22100" in said and "b [x.so] +2090" in said and "a [x.so]" not in said
    now["versions"]["httpd"] = "2"
    assert verdict(now, then) is None
    now["variants"]["known"]["more"] = 25100
    assert "other versions" in verdict(now, then)
    now["variants"]["known"]["more"] = 10000
    with pytest.warns(UserWarning, match="write it down"):
        assert verdict(now, then) is None


def test_another_cpu_is_another_version():
    """What callgrind runs of libc and OpenSSL is chosen by the CPU."""
    told = instructions.cpu_of("processor\t: 0\nflags\t\t: fpu avx2 bmi1 bmi2 avx512ifma\n\nprocessor\t: 1\nflags\t\t: sha_ni\n")
    assert told.split()[1:] == ["avx2", "bmi2"]
    assert len(instructions.cpu_of("Features\t: fp asimd\n").split()) == 1
    then = {"versions": {"cpu": told}, "variants": {"known": {"more": 20000, "own": {}, "inclusive": {}}}}
    now = {"versions": {"cpu": told + " sha_ni"}, "variants": {"known": {"more": 24000, "own": {}, "inclusive": {}}}}
    assert verdict(now, then) is None and "1.10" in verdict({**now, "versions": then["versions"]}, then)
    assert "cpu" in json.loads(instructions.BASELINE.read_text())["versions"]
