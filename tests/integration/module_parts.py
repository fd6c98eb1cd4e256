# SPDX-License-Identifier: Apache-2.0
"""What the tests of the module share: a stack whose keys stand in a file, so that no daemon is needed."""
import json
import os


def key_file(world, issuer):
    path = world.scratch / f"jwks-{issuer.port}.json"
    path.write_text(json.dumps(issuer.jwks()))
    os.chmod(path, 0o644)
    return path


def fixed_stack(world, issuer_options="", **options):
    """world.stack() without a daemon."""
    issuer = options.pop("issuer", None) or world.issuer()
    return world.stack(issuer=issuer, admind=False, issuer_options=f"jwks=file:{key_file(world, issuer)} {issuer_options}", **options)
