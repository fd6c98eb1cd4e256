# SPDX-License-Identifier: Apache-2.0
"""The Ansible collection as it is read: linters, README against the role, the role's configuration against the module's directives."""
import json
import re
import subprocess

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
    """Whoever names mcpauth_secrets with its content is silent; nothing else of it is handed to a module."""
    for path in (ROLE / "tasks").glob("*.yml"):
        for task in yaml.safe_load(path.read_text()):
            if "item.content" in json.dumps(task):
                assert task["no_log"] is True and task["diff"] is False, task["name"]
                assert task["loop"] == "{{ mcpauth_secrets }}" and task["ansible.builtin.copy"]["mode"] == "0600"
