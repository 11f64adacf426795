import json
import logging

from support.own_code import (
    KEY,
    config_with,
    entry,
    forget_loaded_files,
    given,
    record_of,
    refusal,
    sha256,
    times,
    train,
    write_net,
    write_record,
)

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.own_code import OwnCode, own_keys


def test_a_run_keeps_the_source_that_was_loaded(tmp_path, net, ran):
    folder, reference = tmp_path / "run", f"{net}:Net"
    config = config_with(reference)
    code = OwnCode(folder, given=own_keys(config))
    code.load(reference, KEY)
    source, digest = net.read_bytes(), sha256(net)
    write_net(net, ran, number=2)  # too late: another source was loaded
    code.keep(config)
    assert json.loads(record_of(folder).read_text()) == {
        "own_code": [entry(reference, net, digest=digest)]
    }
    copy = folder / "code" / f"model.generator_Net_{digest[:8]}.py"
    assert copy.read_bytes() == source
    assert sorted(folder.rglob("*.*")) == [record_of(folder), copy]


def test_a_run_without_own_code_keeps_nothing(tmp_path):
    OwnCode(tmp_path).keep(default_config())
    assert list(tmp_path.iterdir()) == []


def test_two_references_of_one_name_are_kept_apart(tmp_path):
    config = default_config()
    for number, name in enumerate(("a", "b")):
        (tmp_path / f"{name}.py").write_text(f"def edges(): return {number}")
    config.loss.extra = (f"{tmp_path}/a.py:edges", f"{tmp_path}/b.py:edges")
    OwnCode(tmp_path / "run", given=own_keys(config)).keep(config)
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").unlink()
    code = OwnCode(tmp_path / "run", trust=True)
    assert [code.load(text, "loss.extra")() for text in config.loss.extra] == [0, 1]


def test_a_module_is_recorded_by_its_file_without_a_copy(tmp_path, monkeypatch):
    file = tmp_path / "own_module_c.py"
    file.write_text("class Net: pass")
    monkeypatch.syspath_prepend(tmp_path)
    train(tmp_path / "run", "own_module_c:Net")
    assert json.loads(record_of(tmp_path / "run").read_text()) == {
        "own_code": [entry("own_module_c:Net", file, "module")]
    }
    assert list((tmp_path / "run" / "code").iterdir()) == [record_of(tmp_path / "run")]


def test_resuming_with_a_changed_file_says_so_and_keeps_the_new_source(tmp_path, net, ran, caplog):
    folder, reference = tmp_path / "run", f"{net}:Net"
    train(folder, reference)
    old = sha256(net)
    with caplog.at_level(logging.WARNING):
        train(folder, reference)
    assert caplog.messages == []
    write_net(net, ran, number=2)
    new = sha256(net)
    with caplog.at_level(logging.WARNING):
        train(folder, reference)
    assert caplog.messages == [
        f"{KEY}='{reference}': the file has changed since the last start "
        f"(sha256 {old[:8]}… -> {new[:8]}…)"
    ]
    net.unlink()
    assert OwnCode(folder, trust=True).load(reference, KEY).number == 2


def test_resuming_without_the_file_needs_trust_in_the_kept_copy(tmp_path, net, ran):
    folder, reference = tmp_path / "run", f"{net}:Net"
    train(folder, reference)
    digest = sha256(net)
    net.unlink()
    forget_loaded_files()
    assert "pass --trust_code" in refusal(reference, folder, given=given(reference))
    assert times(ran) == 1
    config = config_with(reference)
    code = OwnCode(folder, given=own_keys(config), trust=True)
    assert code.load(reference, KEY).number == 1
    code.keep(config)  # the record still says where the original was
    assert json.loads(record_of(folder).read_text())["own_code"] == [
        entry(reference, net, digest=digest)
    ]


def test_a_file_that_is_missing_in_a_new_run_is_plainly_missing(tmp_path):
    reference = f"{tmp_path}/net.py:Net"
    line = f"{KEY}='{reference}': there is no such file; the folder {tmp_path} has no .py file"
    assert refusal(reference, tmp_path / "run", given=given(reference)) == line


def test_the_file_at_the_recorded_path_with_the_recorded_hash_is_run(
    tmp_path, net, ran, monkeypatch
):
    folder = tmp_path / "run"
    monkeypatch.chdir(net.parent)
    train(folder, "net.py:Net")
    monkeypatch.chdir(tmp_path)  # the record has the absolute path
    forget_loaded_files()
    assert OwnCode(folder).load("net.py:Net", KEY).number == 1
    assert times(ran) == 2


def test_a_file_that_has_changed_or_is_missing_is_not_run_but_its_copy_if_trusted(
    tmp_path, net, ran
):
    folder, reference = tmp_path / "run", f"{net}:Net"
    train(folder, reference)
    digest = sha256(net)[:8]
    line = (
        f"{folder}: {KEY}='{reference}' needs code that is kept in "
        f"{folder}/code/model.generator_Net_{digest}.py (sha256 {digest}…; the file {net} %s); "
        "read it, then pass --trust_code (trust_code=True in Python)"
    )
    write_net(net, ran, number=2)
    assert refusal(reference, folder) == line % "has changed"
    net.unlink()
    assert refusal(reference, folder) == line % "is missing"
    net.mkdir()
    assert refusal(reference, folder) == line % "is missing"
    assert times(ran) == 1
    assert OwnCode(folder, trust=True).load(reference, KEY).number == 1


def test_a_module_is_compared_before_anything_of_its_package_runs(tmp_path, monkeypatch, ran):
    package = tmp_path / "own_package_d"
    package.mkdir()
    (package / "__init__.py").write_text(f"open({str(ran)!r}, 'a').write('ran ')")
    net = write_net(package / "net.py", ran)
    folder, reference = tmp_path / "run", "own_package_d.net:Net"
    write_record(folder, entry(reference, net, "module"))
    monkeypatch.syspath_prepend(tmp_path)
    digest = sha256(net)[:8]
    write_net(net, ran, number=2)
    assert refusal(reference, folder) == (
        f"{folder}: {KEY}='{reference}' needs code that is in {net} (sha256 "
        f"{sha256(net)[:8]}…; the module {net} has changed); read it, then pass --trust_code "
        "(trust_code=True in Python)"
    )
    assert times(ran) == 0
    write_net(net, ran, number=1)
    assert sha256(net)[:8] == digest
    assert OwnCode(folder).load(reference, KEY).number == 1
    assert times(ran) == 2  # the package, then its module


def test_a_module_in_another_place_needs_trust_and_a_missing_one_is_to_be_installed(
    tmp_path, monkeypatch, ran
):
    net = write_net(tmp_path / "own_module_e.py", ran)
    folder, reference = tmp_path / "run", "own_module_e:Net"
    write_record(folder, entry(reference, "/old/own_module_e.py", "module", sha256(net)))
    line = f"{folder}: {KEY}='{reference}': found no file of a module own_module_e; install it"
    assert refusal(reference, folder).startswith(line)
    assert refusal(reference, folder, trust=True).startswith(line)
    monkeypatch.syspath_prepend(tmp_path)
    assert "the module /old/own_module_e.py has moved, or is a link); " in refusal(
        reference, folder
    )
    assert times(ran) == 0
    assert OwnCode(folder, trust=True).load(reference, KEY).number == 1
