import pathlib
import sys
import types

import pytest
from support.own_code import KEY, entry, given, refusal, times, write_net, write_record

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode


def test_a_given_file_is_run_once_for_the_same_path_and_content(net, ran):
    reference = f"{net}:Net"
    first = OwnCode(given=given(reference)).load(reference, KEY)
    again = OwnCode(given=given(reference)).load(reference, KEY)
    assert first is again
    assert (first.number, times(ran)) == (1, 1)
    write_net(net, ran, number=2)
    changed = OwnCode(given=given(reference)).load(reference, KEY)
    assert (changed.number, times(ran)) == (2, 2)


def test_a_given_path_is_relative_to_the_current_folder(net, monkeypatch):
    monkeypatch.chdir(net.parent)
    path = list(sys.path)
    assert OwnCode(given=given("net.py:Net")).load("net.py:Net", KEY).number == 1
    assert sys.path == path
    assert not {"net", "Net"} & set(sys.modules)


def test_a_given_module_is_imported_with_its_neighbours(tmp_path, monkeypatch):
    package = tmp_path / "own_package_a"
    (package / "inner").mkdir(parents=True)  # without __init__.py: namespace packages
    (package / "inner" / "blocks.py").write_text("WIDTH = 5\n")
    (package / "inner" / "net.py").write_text("from .blocks import WIDTH\nclass Net: width=WIDTH\n")
    monkeypatch.syspath_prepend(tmp_path)
    reference = "own_package_a.inner.net:Net"
    assert OwnCode(given=given(reference)).load(reference, KEY).width == 5


def test_dataclasses_of_a_file_know_their_own_module(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "from __future__ import annotations\nimport dataclasses, typing\n"
        "class Width(int): pass\n"
        "@dataclasses.dataclass\nclass Net:\n    width: typing.ClassVar[Width] = 3\n"
    )
    reference = f"{file}:Net"
    assert OwnCode(given=given(reference)).build(reference, KEY, {"width": 4}).width == 3


def test_what_nobody_gave_is_not_run(net, ran):
    reference = f"{net}:Net"
    line = f"{KEY}='{reference}': own code is not run here, as nobody asked for it"
    assert refusal(reference) == line
    assert refusal(reference, given={KEY: ("other.py:Net",), "data.source": (reference,)}) == line
    with pytest.raises(InputError, match="nobody asked"):
        NO_OWN_CODE.build(reference, KEY, {})
    assert times(ran) == 0


@pytest.mark.parametrize("reference", ["net.py:", "net.py:3", "net.py:a b", "net.py:" + 101 * "a"])
def test_a_name_that_is_none_is_refused(reference):
    line = f"{KEY}='{reference}': expected package.module:name or path/to/file.py:name"
    assert refusal(reference, given=given(reference)) == line


def test_a_file_that_is_not_there_lists_its_neighbours(net):
    reference = f"{net.parent}/nets.py:Net"
    line = f"{KEY}='{reference}': there is no such file; choose {net}"
    assert refusal(reference, given=given(reference)) == line
    reference = f"{net.parent}/other/net.py:Net"
    line = f"{KEY}='{reference}': there is no such file; the folder {net.parent}/other has no .py"
    assert refusal(reference, given=given(reference)).startswith(line)


@pytest.mark.parametrize(
    "module", ["no_such_module", "jax.no_such", "no_such.module", "made_by_hand"]
)
def test_a_module_that_is_not_there_says_how_to_add_it(module, monkeypatch):
    monkeypatch.setitem(sys.modules, "made_by_hand", types.ModuleType("made_by_hand"))
    reference = f"{module}:Net"
    line = f"{KEY}='{reference}': found no file of a module {module}; install it, or add its folder"
    assert refusal(reference, given=given(reference)).startswith(line)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x = 1\ndef Net(:\n", "line 2: SyntaxError: invalid syntax"),
        ("\0", "source code string cannot contain null bytes"),
        ("x = 1\n\ny = x / 0\n", "line 3: ZeroDivisionError: division by zero"),
        ("raise RuntimeError('two\\nlines')", "line 1: RuntimeError: two lines"),
        ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
        ("import no_such_module", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_file_that_fails_says_why_and_in_which_line(tmp_path, source, reason):
    file = tmp_path / "net.py"
    file.write_text(source)
    reference = f"{file}:Net"
    for _ in range(2):  # a module that failed is not taken for a loaded one
        line = refusal(reference, given=given(reference))
        assert line.startswith(f"{KEY}='{reference}': {file}")
        assert line.endswith(reason)


def test_a_module_that_fails_says_why_and_in_which_line(tmp_path, monkeypatch):
    file = tmp_path / "own_module_b.py"
    file.write_text("x = 1\nx()\n")
    monkeypatch.syspath_prepend(tmp_path)
    line = f"{KEY}='own_module_b:Net': {file}, line 2: TypeError: 'int' object is not callable"
    assert refusal("own_module_b:Net", given=given("own_module_b:Net")) == line


@pytest.mark.parametrize("source", ["import blocks", "from .blocks import Block", "import parts.a"])
def test_a_file_cannot_import_its_neighbours_and_says_what_can(net, source):
    (net.parent / "blocks.py").write_text("Block = 1")
    (net.parent / "parts").mkdir()
    net.write_text(source)
    reference = f"{net}:Net"
    assert refusal(reference, given=given(reference)).endswith(
        "; a file is run and kept without its neighbours: make a package of them, and give "
        "package.module:Net"
    )


def test_a_name_that_is_missing_lists_the_public_ones(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "import os\nfrom typing import Any\nfrom functools import partial\n"
        "class UNet: pass\ndef build(): pass\nnet = UNet()\nhalf = partial(build)\n_private = 1\n"
    )
    reference = f"{file}:Net"
    line = f"{KEY}='{reference}': {file} has no Net; its public names: UNet, build, net, half"
    assert refusal(reference, given=given(reference)) == line
    file.write_text("_private = 1")
    assert refusal(reference, given=given(reference)).endswith("its public names: none")


def test_what_only_the_running_program_has_is_refused():
    line = f"{KEY}='__main__:Net': no other program finds it; write it to a file"
    assert refusal("__main__:Net", given=given("__main__:Net")).startswith(line)


@pytest.mark.parametrize("reference", ["os:system", "os.path:join", "sys:exit", "builtins:exec"])
def test_modules_of_python_are_never_own_code(reference, tmp_path):
    head = reference.partition(":")[0].partition(".")[0]
    line = f"{KEY}='{reference}': {head} is part of Python, not own code; give package.module:name"
    assert refusal(reference, given=given(reference)).startswith(line)
    write_record(tmp_path, entry(reference, pathlib.__file__, "module"))
    assert refusal(reference, tmp_path, trust=True).startswith(line)


@pytest.mark.parametrize("name", ["system", "rmtree", "wipe", "run"])
def test_functions_of_python_in_own_code_are_refused(tmp_path, name):
    file = tmp_path / "net.py"
    file.write_text(
        "from os import system\nfrom shutil import rmtree\nfrom subprocess import Popen as run\n"
        "import functools\nwipe = functools.partial(functools.partial(rmtree, ignore_errors=1))\n"
    )
    reference = f"{file}:{name}"
    assert refusal(reference, given=given(reference)).endswith("which is not own code")
