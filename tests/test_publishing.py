"""What stands around the package: the image, the workflow, and what the metadata promises."""

import configparser
import pathlib
import re
import subprocess

import pytest
from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")


def test_the_image_runs_as_a_user_and_has_neither_tools_nor_tests():
    _, final = DOCKERFILE.split("\nFROM ")[1:]
    user, entry = final.index("\nUSER 1000"), final.index("\nENTRYPOINT [")
    assert user < entry
    copied = re.findall(r"^COPY (.*)$", final, flags=re.MULTILINE)
    assert copied == ["--from=build /opt/pix2pix_jax /opt/pix2pix_jax"]
    assert "--without-pip" in DOCKERFILE
    assert "[test]" not in DOCKERFILE


def test_what_the_image_is_built_from_is_there_and_nothing_else_is_sent():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    first, *rest = [line for line in lines if not line.startswith("#")]
    sent = {line.removeprefix("!") for line in rest if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, flags=re.MULTILINE)
    assert first == "*"
    assert sent == {name for names in copied for name in names.split()}
    assert all((ROOT / name).exists() for name in sent)


def test_the_workflow_runs_ci_on_every_python_that_the_metadata_names():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    promised = re.findall(r"Python :: (3\.\d+)$", SETUP["metadata"]["classifiers"], re.MULTILINE)
    (row,) = re.findall(r"^ *python: \[(.*)\]$", text, re.MULTILINE)
    assert re.findall(r"3\.\d+", row) == promised
    assert SETUP["options"]["python_requires"] == f">={promised[0]}"
    assert f"ARG PYTHON={promised[-1]}\n" in DOCKERFILE
    assert text.rstrip().endswith("- run: .ci/run")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_opencv_is_one_that_has_cascades():
    requirements = SETUP["options.extras_require"]
    for extra in ("opencv", "test"):
        (line,) = re.findall(r"opencv\S* .*", requirements[extra])
        assert Requirement(line).specifier.contains("4.14.0.94")
        assert not Requirement(line).specifier.contains("5.0.0.93")


def test_every_extra_is_in_the_table_of_the_docs():
    table = (ROOT / "docs" / "install.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert rows == set(SETUP["options.extras_require"])


@pytest.mark.parametrize("script", [".ci/run", "scripts/benchmarking/first_gpu.sh"])
def test_a_script_of_the_shell_has_no_error_of_syntax(script):
    checked = subprocess.run(["bash", "-n", ROOT / script], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
