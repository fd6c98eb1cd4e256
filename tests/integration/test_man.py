# SPDX-License-Identifier: Apache-2.0
"""The pages of docs/man say what the programs' own help and tables say, word for word: who changes these is told here which lines a page lacks."""
import re
import subprocess

import pytest

from harness import SOURCE, paths
from harness.paths import need
from test_docs import README, builtin_alerts, code, marked, output, source, table, usage

PAGES = sorted(path.name for path in (SOURCE / "docs/man").iterdir())
SPEC = (SOURCE / "conf/packaging/mcpauth.spec").read_text()
PLACES = {"S": "server", "L": "section", "S L": "server, section"}


def squeezed(text):
    return " ".join(text.split())


def shown(name):
    """The page as it is read, all blanks and line ends alike."""
    done = subprocess.run([need("mandoc"), "-Tascii", "-Owidth=999", SOURCE / "docs/man" / name], stdout=subprocess.PIPE, timeout=60, check=True)
    return squeezed(re.sub(r".\x08", "", done.stdout.decode("ascii")))


def tags(name, macro):
    """What the items of lists are for, of those that begin with this macro."""
    return re.findall(rf"^\.It {macro} (\S+)", (SOURCE / "docs/man" / name).read_text(), re.M)


def holds(name, texts):
    page = shown(name)
    missing = [text for text in map(squeezed, texts) if text not in page]
    assert not missing, f"docs/man/{name} does not say:\n" + "\n".join(missing)


def plain(cell):
    """A cell of a Markdown table without its marks."""
    return re.sub(r"\[(.*?)\]\(.*?\)", r"\1", cell).replace("`", "")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed(name):
    done = subprocess.run([need("mandoc"), "-Tlint", "-Wwarning", SOURCE / "docs/man" / name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    told = re.findall(r"^\.Xr (\S+) (\d)", (SOURCE / "docs/man" / name).read_text(), re.M)
    assert {f"{page}.{section}" for page, section in told} <= {*PAGES, "apache2.8"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_installed_and_packed(name):
    assert f"docs/man/{name}" in re.search(r"^man_MANS = (.*(?:\\\n.*)*)", (SOURCE / "Makefile.am").read_text(), re.M).group(1).split()
    assert f"\n%{{_mandir}}/man{name[-1]}/{name}*\n" in SPEC.split("%files", 1)[1]


def test_mcpauthctl_has_every_command_and_option():
    said = usage()
    commands = re.findall(r"^  mcpauthctl (.*)\n((?:      .*\n)+)", said, re.M)
    # The help's value and its meaning are one text here: "FILE|- a token ..." may have one blank between them.
    options = re.findall(r"^  (--[\w-]+)(.*\n(?: {20,}.*\n)*)", said, re.M)
    assert len(commands) == said.count("\n  mcpauthctl ") and len(options) > 30
    holds("mcpauthctl.1", [f"{how} {text}" for how, text in commands] + [name + " " + text for name, text in options])
    assert tags("mcpauthctl.1", "Cm") == [how.split()[0] for how, _ in commands]
    assert tags("mcpauthctl.1", "Fl Fl") == [name[2:] for name, _ in options]
    holds("mcpauthctl.1", re.split(r", (?=\d )", squeezed(said.split("exit status: ")[1])))


def test_the_daemon_has_every_option():
    said = output("mcpauth-admind", "-h")
    options = re.findall(r"^  -(\w) (.*)$", said, re.M)
    assert options
    holds("mcpauth-admind.8", [f"-{flag} {text}" for flag, text in options] + [f"SIG{name} {verb}" for name, verb in re.findall(r"SIG(\w+) (\w+)", said)])
    assert sorted(tags("mcpauth-admind.8", "Fl")) == sorted(flag for flag, _ in options)


def test_the_configuration_has_every_key_with_its_default():
    rows = re.findall(r'\{ "([A-Z]\w+)",\s*set_\w+,\s*(?:AT\(\w+\)|0),\s*(?:"([^"]*)"|NULL),\s*"([^"]*)"', source("mcpauth-admind/config.c"))
    page = shown("mcpauth-admind.conf.5")
    assert len(rows) == len(re.findall(r'\{ "[A-Z]\w+",\s*set_', source("mcpauth-admind/config.c"))) > 10
    assert sorted(tags("mcpauth-admind.conf.5", "Ic")) == sorted([key for key, _, _ in rows] + [name for name, _, _ in builtin_alerts()])
    wanted = {key: f"Write {shape}. " + (f"Default: {default}." if default else "No default.") for key, default, shape in rows}
    items = dict(re.findall(r"(?:^|(?<=\. )|(?<=KEYS ))([A-Z][A-Za-z]+) ((?:(?! No default\.| Default:).)*(?: No default\.| Default: \S+))", page.split(" KEYS ", 1)[1].split(" BUILT-IN ")[0]))
    lacking = [f"{key} ... {text}" for key, text in wanted.items() if not items.get(key, "").endswith(text)]
    assert not lacking, "docs/man/mcpauth-admind.conf.5 does not say:\n" + "\n".join(lacking)


def test_the_configuration_says_what_is_answered_and_to_whom():
    routes = dict(re.findall(r'\{ "(/[^"]*)", ADMIND_ROLE_(\w+),', source("mcpauth-admind/http/routes.c")))
    open_ones = {path for path, role in routes.items() if role == "OPEN"}
    page, example = shown("mcpauth-admind.conf.5"), (SOURCE / "conf/mcpauth-admind-complete.conf").read_text()
    assert len(routes) > 5 and open_ones < set(routes)
    for listed, wanted in {
        re.search(r" where the daemon answers HTTP: (.*?)\. Loopback", page).group(1): set(routes),
        re.search(r" the token that all but (.*?) ask for\.", page).group(1): open_ones,
        re.search(r"^# (/healthz .*);", example, re.M).group(1): set(routes),
        re.search(r"^# Without it .*; (.*) always are\.$", example, re.M).group(1): open_ones,
    }.items():
        assert set(re.findall(r"/[\w./-]+", listed)) == wanted, listed


def test_the_configuration_has_alerts_and_the_options_of_forward():
    page = shown("mcpauth-admind.conf.5")
    for name, threshold, minutes in builtin_alerts():
        assert re.search(rf"{name} [^.]*\. Default: (threshold={threshold} )?window={minutes}min\.", page), name
    options = re.findall(r'^ +\{ "([a-z-]+=)", set_\w+, .*?, "([^"]*)" \}', source("mcpauth-admind/configforward.c"), re.M)
    assert len(options) > 5 and tags("mcpauth-admind.conf.5", "Cm") == [name for name, _ in options]
    holds("mcpauth-admind.conf.5", [f"{name} {mend}" for name, mend in options])


def test_the_module_has_every_directive_with_its_default(world):
    httpd = world.httpd(start=False)
    said = subprocess.run(httpd._argv("-L"), env=httpd._env(), stdout=subprocess.PIPE, text=True, timeout=30 * paths.PATIENCE, check=True).stdout
    assert sorted(tags("mod_mcp_auth.5", "Ic")) == sorted(re.findall(r"^(\w+) \(mod_mcp_auth\.c\)", said, re.M))
    rows = table(marked(README, "directives"))
    holds("mod_mcp_auth.5", [f"{code(what)} {plain(meaning)} In: {PLACES[where]}. Default: {plain(default)}." for what, where, default, meaning in rows])
    options = re.findall(r'\{ "([\w-]+=)", set_\w+', source("shared/policy/issuer.c"))
    assert options and tags("mod_mcp_auth.5", "Cm") == options
