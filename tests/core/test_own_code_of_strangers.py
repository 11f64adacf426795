import pathlib
import sys
import sysconfig

import pytest
from support.own_code import (
    KEY,
    entry,
    given,
    record_of,
    refusal,
    sha256,
    times,
    train,
    write_net,
    write_record,
)

from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.core.own_code_record import Entry


def test_a_config_without_a_record_runs_nothing_even_if_trusted(tmp_path, net, ran, monkeypatch):
    monkeypatch.syspath_prepend(net.parent)
    for reference in (f"{net}:Net", "net:Net"):
        for trust in (False, True):
            assert refusal(reference, tmp_path / "run", trust=trust).endswith(
                "code.json has no record of this code, so it is not run; restore the record, or "
                "train again"
            )
    write_record(tmp_path / "run", entry(f"{net}:Net", net, key="lr.schedule"))
    assert "has no record" in refusal(f"{net}:Net", tmp_path / "run", trust=True)
    write_record(tmp_path / "run", entry(f"{net}:Net", net, kind="module"))
    assert "has no record" in refusal(f"{net}:Net", tmp_path / "run", trust=True)
    assert times(ran) == 0


@pytest.mark.parametrize("way", ["plain", "link to the folder", "link to the file", "dots"])
def test_code_inside_the_runs_folder_is_not_run_unless_trusted(tmp_path, ran, way):
    folder = tmp_path / "run"
    (folder / "code").mkdir(parents=True)
    evil = write_net(folder / "code" / "evil.py", ran)
    digest = sha256(evil)
    recorded = evil
    if way == "link to the folder":
        (tmp_path / "link").symlink_to(folder)
        recorded = tmp_path / "link" / "code" / "evil.py"
    if way == "link to the file":
        recorded = tmp_path / "evil.py"
        recorded.symlink_to(evil)
    if way == "dots":
        recorded = tmp_path / "run" / "code" / ".." / "code" / "evil.py"
    write_record(folder, entry("net.py:Net", recorded))
    (folder / "code" / f"model.generator_Net_{digest[:8]}.py").write_bytes(evil.read_bytes())
    line = refusal("net.py:Net", folder)
    assert line.endswith("pass --trust_code (trust_code=True in Python)") or way == "dots"
    assert refusal("net.py:Net", tmp_path / "run" / ".." / "run")
    assert times(ran) == 0


def test_a_module_inside_the_runs_folder_is_not_run_unless_trusted(tmp_path, monkeypatch, ran):
    folder = tmp_path / "run"
    folder.mkdir()
    evil = write_net(folder / "own_module_f.py", ran)
    write_record(folder, entry("own_module_f:Net", evil, "module"))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend("")
    assert "is in the run's own folder" in refusal("own_module_f:Net", folder)
    assert "is in the run's own folder" in refusal("own_module_f:Net", ".")
    assert times(ran) == 0


def test_a_package_inside_the_runs_folder_does_not_run_before_a_harmless_module(
    tmp_path, monkeypatch, net, ran
):
    package = tmp_path / "run" / "own_package_g"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(ran)!r}, 'a').write('ran ')")
    (package / "net.py").symlink_to(net)
    write_record(tmp_path / "run", entry("own_package_g.net:Net", net, "module"))
    monkeypatch.syspath_prepend(tmp_path / "run")
    assert "is in the run's own folder" in refusal("own_package_g.net:Net", tmp_path / "run")
    assert times(ran) == 0


def test_a_path_through_the_current_folder_is_not_followed(tmp_path, monkeypatch, ran):
    evil = write_net(tmp_path / "evil.py", ran)
    monkeypatch.chdir(tmp_path)
    if not pathlib.Path("/proc/self/cwd").exists():
        pytest.skip("needs /proc")
    folder = tmp_path / "run"
    write_record(folder, entry("net.py:Net", "/proc/self/cwd/evil.py", digest=sha256(evil)))
    copy = folder / "code" / f"model.generator_Net_{sha256(evil)[:8]}.py"
    copy.write_bytes(evil.read_bytes())
    assert "/proc/self/cwd/evil.py has moved, or is a link" in refusal("net.py:Net", folder)
    assert times(ran) == 0


@pytest.mark.parametrize("where", ["python", "package", "ours"])
def test_files_whose_hash_anybody_knows_are_not_run_unless_trusted(tmp_path, where):
    path = {
        "python": pathlib.Path(sysconfig.get_path("stdlib"), "antigravity.py").resolve(),
        "package": pathlib.Path(pytest.__file__).resolve(),
        "ours": pathlib.Path(sys.modules["pix2pix_jax"].__file__).resolve(),
    }[where]
    write_record(tmp_path, entry("net.py:main", path))
    copy = tmp_path / "code" / f"model.generator_main_{sha256(path)[:8]}.py"
    copy.write_bytes(path.read_bytes())
    assert "belongs to an installed package); read it" in refusal("net.py:main", tmp_path)


def test_a_function_of_an_installed_package_is_not_run_unless_trusted(tmp_path):
    # pytest.main() without arguments would run the conftest.py of the folder on the command line.
    path = pathlib.Path(pytest.__file__).resolve()
    write_record(tmp_path, entry("pytest:main", path, "module"))
    assert "belongs to an installed package); read it" in refusal("pytest:main", tmp_path)


def test_a_copy_that_is_not_what_the_record_says_is_not_run_even_if_trusted(tmp_path, net, ran):
    folder, reference = tmp_path / "run", f"{net}:Net"
    train(folder, reference)
    (copy,) = (folder / "code").glob("*.py")
    net.unlink()
    copy.write_text(f"open({str(ran)!r}, 'a').write('ran ')\nNet = 1")
    for trust in (False, True):
        assert refusal(reference, folder, trust=trust) == (
            f"{folder}: {KEY}='{reference}': {copy} is damaged (sha256 {sha256(copy)[:8]}…, "
            f"recorded was {copy.stem[-8:]}…); restore it"
        )
    copy.unlink()
    for trust in (False, True):
        line = f"both {net} and its copy {copy} are missing; restore one"
        assert refusal(reference, folder, trust=trust).endswith(line)
    assert times(ran) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"path": "net.py"},
        {"path": "../net.py"},
        {"path": "/a/../net.py"},
        {"path": "C:\\a\\..\\net.py"},
        {"path": ""},
        {"path": "/net\n.py"},
        {"path": "/net\x1b[2J.py"},
        {"path": "/net\0.py"},
        {"path": "/net\ud800.py"},
        {"path": 3},
        {"path": ["/net.py"]},
        {"sha256": ""},
        {"sha256": "../../../../evil"},
        {"sha256": 64 * "g"},
        {"sha256": None},
        {"kind": {}},
        {"reference": None},
        {"key": 3},
        {"kept": "/evil.py"},
    ],
    ids=repr,
)
def test_an_absurd_record_is_refused_even_if_trusted(tmp_path, net, ran, change):
    reference = f"{net}:Net"
    write_record(tmp_path, {**entry(reference, net), **change})
    for trust in (False, True):
        line = refusal(reference, tmp_path, trust=trust)
        assert line.startswith(f"{record_of(tmp_path)}: not a record of own code (")
        assert line.isprintable()
    assert times(ran) == 0


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"own_code": 3}', '{"own_code": [3]}', '{"own_code": [{}]}', 99999 * "["],
    ids=lambda text: text[:20],
)
def test_a_record_that_is_none_is_refused(tmp_path, net, ran, text):
    (tmp_path / "code").mkdir()
    record_of(tmp_path).write_text(text)
    line = refusal(f"{net}:Net", tmp_path, trust=True)
    assert line.startswith(f"{record_of(tmp_path)}: not a record of own code (")
    assert line.endswith(
        "move it away and start the training again with the same command, which writes a new one"
    )
    assert times(ran) == 0


def test_a_record_with_two_entries_for_one_reference_or_of_absurd_size_is_refused(tmp_path, net):
    one = entry(f"{net}:Net", net)
    write_record(tmp_path, one, one)
    assert "two entries for one reference" in refusal(f"{net}:Net", tmp_path)
    write_record(tmp_path, one, {**one, "reference": "a.py:b" + 2**20 * " "})
    assert "not a file of a sensible size" in refusal(f"{net}:Net", tmp_path)
    record_of(tmp_path).unlink()
    record_of(tmp_path).mkdir()
    assert "not a file of a sensible size" in refusal(f"{net}:Net", tmp_path)


@pytest.mark.parametrize("path", ["C:\\code\\net.py", "/" + 5000 * "a" + ".py", "/dev/zero"])
def test_a_recorded_path_that_cannot_be_read_here_leaves_the_kept_copy(tmp_path, net, path):
    source = net.read_bytes()
    folder, digest = tmp_path / "run", sha256(net)
    write_record(folder, entry("net.py:Net", path, digest=digest))
    (folder / "code" / f"model.generator_Net_{digest[:8]}.py").write_bytes(source)
    assert "pass --trust_code" in refusal("net.py:Net", folder)
    assert OwnCode(folder, trust=True).load("net.py:Net", KEY).number == 1


def test_what_a_strangers_config_adds_to_the_users_references_is_not_given(tmp_path, net, ran):
    folder = tmp_path / "run"
    evil = write_net(tmp_path / "evil.py", ran, number=2)
    train(folder, f"{net}:Net")
    mine = given(f"{net}:Net")
    assert OwnCode(folder, given=mine).load(f"{net}:Net", KEY).number == 1
    assert "has no record" in refusal(f"{evil}:Net", folder, given=mine)
    assert times(ran) == 1


@pytest.mark.parametrize("folder", ["My\xa0code", "\u3000", "caf\udce9"])
def test_a_folder_with_an_unusual_name_can_be_recorded(folder):
    path = str(pathlib.Path("/home/me", folder, "net.py"))
    assert Entry("model.generator", f"{path}:Net", "file", path, 64 * "a").path == path
