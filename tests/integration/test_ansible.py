# SPDX-License-Identifier: Apache-2.0
"""The Ansible collection as it is read: linters, README against the role, the role's configuration against the module's directives."""
import json
import re
import subprocess

import jinja2
import pytest
import yaml

from ansible_parts import COLLECTION, DEFAULTS, ROLE, SPECS, Ansible, nested_tables, variables_table
from harness import SOURCE

TEMPLATE = (ROLE / "templates/httpd.conf.j2").read_text()


@pytest.fixture(scope="module")
def ansible(tmp_path_factory):
    return Ansible(tmp_path_factory.mktemp("ansible"))


def tool(ansible, *argv):
    return subprocess.run(argv, cwd=ansible.collection, env=ansible.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)


def test_ansible_lint_finds_nothing_at_its_strictest(ansible):
    """Profile production, as the collection's own configuration says; warnings count."""
    assert yaml.safe_load((COLLECTION / ".config/ansible-lint.yml").read_text()) == {"profile": "production"}
    subprocess.run(["git", "init", "-q", "."], cwd=ansible.collection, check=True, env=ansible.env)  # or it would look at the folders above
    done = tool(ansible, "ansible-lint", "--offline", "--strict", "--nocolor", "-p")
    assert done.returncode == 0 and "Passed with production profile" in done.stdout, done.stdout


def test_yamllint_finds_nothing(ansible):
    done = tool(ansible, "yamllint", "--strict", ".")
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_the_collection_can_be_installed_and_shows_its_documentation(ansible, tmp_path):
    done = tool(ansible, "ansible-galaxy", "collection", "install", ".", "-p", str(tmp_path))
    assert done.returncode == 0, done.stdout
    env = {**ansible.env, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path)}
    for name in ("mcpauth.gateway.guarded_files", "mcpauth.gateway.preflight"):
        done = subprocess.run(["ansible-doc", "-j", name], env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        options = json.loads(done.stdout)[name]["doc"]["options"]
        source = (COLLECTION / f"plugins/modules/{name.rsplit('.', 1)[1]}.py").read_text().split("\ndef main():", 1)[1]
        assert options and all(f'"{option}": ' in source for option in options)
    done = subprocess.run(["ansible-doc", "-t", "role", "-j", "mcpauth.gateway.mcpauth"], env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    assert set(json.loads(done.stdout)["mcpauth.gateway.mcpauth"]["entry_points"]["main"]["options"]) == set(SPECS)


def test_readme_has_every_variable():
    said = re.search(r"<!-- variables:begin -->\n## Variables\n\n(.*?)\n<!-- variables:end -->", (COLLECTION / "README.md").read_text(), re.S).group(1)
    assert said == variables_table() + "\n\n" + nested_tables()


def test_every_variable_has_a_default_and_the_specification_says_the_same():
    assert set(DEFAULTS) == set(SPECS)
    computed = {name for name, value in DEFAULTS.items() if isinstance(value, str) and "{{" in value}
    assert {name: value for name, value in DEFAULTS.items() if name not in computed and not (value == [] or value == {})} == {
        name: spec["default"] for name, spec in SPECS.items() if spec.get("default") not in (None, [], {})}


def test_the_directives_that_are_written_are_those_of_the_module():
    """What has no variable yet is for mcpauth_server_settings, or for settings of a Location; what has one is not."""
    readme = (SOURCE / "README.md").read_text().split("<!-- directives:begin -->")[1].split("<!-- directives:end -->")[0]
    directives = set(re.findall(r"^\| `(MCPAuth\w*)", readme, re.M))
    written = set(re.findall(r"\b(MCPAuth\w*)\b(?!\{)", TEMPLATE)) | {f"MCPAuth{name}" for name in re.findall(r"\('(\w+)', '\w+'\)", TEMPLATE)}
    assert len(written) > 25 and written <= directives
    own = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__mcpauth_own_directives"]
    assert set(own) == written - {"MCPAuth"}


def test_every_option_of_an_issuer_can_be_written():
    readme = (SOURCE / "README.md").read_text().split("**MCPAuthIssuer** takes", 1)[1].split("**Scopes**")[0]
    options = {option for option in re.findall(r"`([\w-]+)=", readme) if option != "key"}
    keys = SPECS["mcpauth_issuers"]["options"]
    renamed = {"algorithms": "alg", "type": "typ"}
    assert {renamed.get(key, key.replace("_", "-")) for key in keys if key != "url"} == options
    assert set(keys["preset"]["choices"]) == set(re.search(r"`preset=([\w|]+)`", readme).group(1).split("|"))


def test_every_option_of_a_location_stands_in_the_template():
    for name in SPECS["mcpauth_locations"]["options"]:
        assert re.search(rf"location\.{name}\b|'{name}'", TEMPLATE), name


def test_no_task_that_touches_a_secret_shows_it():
    """Their content goes to one parameter of one module, which hides it; nothing else of the role asks for more than their names and readers."""
    module = (COLLECTION / "plugins/modules/guarded_files.py").read_text()
    assert '"content": {"type": "str", "required": True, "no_log": True}' in module
    handed = []
    for path in sorted((ROLE / "tasks").glob("*.yml")):
        for task in yaml.safe_load(path.read_text()):
            handed += re.findall(r"mcpauth_secrets\b(?!\s*\|\s*selectattr\('reader', 'equalto', 'httpd'\) \| map\(attribute='name'\)|\s*\|\s*map\(attribute='name'\))[^}]*",
                                 json.dumps({**task, "mcpauth.gateway.guarded_files": {**task.get("mcpauth.gateway.guarded_files", {}), "secrets": ""}}))
    assert handed == []


def rendered(issuers, *locations):
    """The fragment as Ansible makes it of these variables and the defaults."""
    environment = jinja2.Environment(trim_blocks=True)
    environment.tests["search"] = lambda text, pattern: re.search(pattern, text) is not None
    return environment.from_string(TEMPLATE).render({**DEFAULTS, "mcpauth_issuers": issuers, "mcpauth_locations": locations, "__mcpauth_secrets_dir": "/etc/mcpauth/secrets"})


def test_every_issuer_has_a_line_of_its_own():
    issuers = [{"url": "https://a.example/"}, {"url": "https://b.example/", "secret": "b", "algorithms": ["HS256"]}, {"url": "https://c.example/", "require": ["sub"]}]
    lines = rendered(issuers, {"path": "/mcp", "resource": "https://x/mcp", "issuers": issuers, "scopes": ["a", "b"]}).splitlines()
    said = ['MCPAuthIssuer "https://a.example/"', 'MCPAuthIssuer "https://b.example/" "secret=file:/etc/mcpauth/secrets/b" "alg=HS256"', 'MCPAuthIssuer "https://c.example/" "require=sub"']
    assert [line for line in lines if "MCPAuthIssuer" in line] == said + [f"    {line}" for line in said]
    assert '    MCPAuthScope "a" "b"' in lines


@pytest.mark.parametrize("path", ["/", "/mcp", "/mcp/"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_no_path_of_a_client_becomes_a_part_of_the_upstreams_address(world, path, slash):
    """With ProxyPass "http://127.0.0.1:3000" in Location "/", POST /@127.0.0.1:22/x would go to port 22."""
    upstream, other = world.upstream(), world.upstream()
    written = re.search(r'ProxyPass "(.*?)"', rendered([], {"path": path, "resource": "https://x/", "upstream": f"http://127.0.0.1:{upstream.port}{slash}"})).group(1)
    httpd = world.httpd(modules=["proxy", "proxy_http"], locations={path: f'ProxyPass "{written}"'})
    with other.untouched():
        for rest in (f"@127.0.0.1:{other.port}/x", f"/@127.0.0.1:{other.port}/x", f"%40127.0.0.1:{other.port}/x", "1/x"):
            httpd.post(path + rest, body="{}")
    assert httpd.post(path, body="{}").status == 200 and upstream.last.path == "/"
