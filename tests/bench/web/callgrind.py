# SPDX-License-Identifier: Apache-2.0
"""Instructions a request takes in httpd with a peer's module or the floor's, counted in the way of ../instructions.py, which counts our own."""
import shutil
import statistics

import instructions
from harness import paths

from .cases import CASES, GROUPS
from .farm import Farm
from .servers import Httpd
from .tokens import BAD, KNOWN
from .variants import BARE, VARIANTS

N = 50
CASES_OF = {"static": KNOWN, "static-bad": BAD}


class CountedHttpd(Httpd):
    """One process, never root: callgrind could not write its file any more after a change of user."""
    START_SECONDS = 120

    def __init__(self, folder, cpus, values, variant, _mpm, load_cpus):
        super().__init__(folder, cpus, values, variant, "prefork", load_cpus)
        shutil.chown(folder, "www-data", "www-data")

    def argv(self):
        command, option, *rest = super().argv()
        assert option == "-DFOREGROUND"
        return [paths.need("setpriv"), "--reuid=www-data", "--regid=www-data", "--init-groups", paths.need("valgrind"), "--tool=callgrind",
                f"--dump-before={instructions.MARK}", f"--callgrind-out-file={self.folder}/count", command, "-X", *rest]


def _requests(server, case, tokens):
    for token in tokens:
        yield f"GET {case.path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def _count(server, case, tokens):
    """The median over pairs of blocks, N and 2N requests: their difference over N."""
    tokens = (tokens * (1 + 20 + 3 * N * instructions.PAIRS // len(tokens)))[:20 + 3 * N * instructions.PAIRS]
    status, connection, blocks = case.expected(server.variant), instructions.Connection(server.port), []
    sizes = [20] + [N, 2 * N] * instructions.PAIRS
    for size in sizes:
        before = len(list(server.folder.glob("count.*")))
        for request in _requests(server, case, tokens[:size]):
            connection.ask(request, status)
        tokens = tokens[size:]
        connection.mark()
        blocks.append(instructions.count_of(server.folder / f"count.{before + 1}"))
    connection.socket.close()
    return statistics.median((twice - once) / N for once, twice in zip(blocks[1::2], blocks[2::2]))


def count_peers(results):
    """Puts "instructions_over" into the cells of modules that are not ours, in the cases that are counted."""
    wanted = {name: [c for r in results if r["case"] == name and r["group"] == GROUPS[0].title for c in r["cells"]
                     if c["figures"] and VARIANTS[c["variant"]].modules and VARIANTS[c["variant"]].kind == "httpd" and not VARIANTS[c["variant"]].daemon]
              for name in CASES_OF}
    names = list(dict.fromkeys(c["variant"] for cells in wanted.values() for c in cells))
    if not names:
        return
    with Farm(GROUPS[0], [CASES[name] for name in CASES_OF], [BARE, *names], CountedHttpd) as farm:
        for name, cells in wanted.items():
            tokens = farm.tokens.path(CASES_OF[name]).read_text().split()
            bare = _count(farm.servers[BARE], CASES[name], tokens) if cells else 0
            for cell in cells:
                cell["instructions"] = round(_count(farm.servers[cell["variant"]], CASES[name], tokens))
                cell["instructions_over"] = round(cell["instructions"] - bare)
