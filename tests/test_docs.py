"""The pages and the README: links lead somewhere; keys, commands and flags exist."""

import pathlib
import re
import runpy

import pytest
from support.scripts import run_script

from pix2pix_jax.core.config import default_config, flatten

ROOT = pathlib.Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
KEYS = set(flatten(default_config()))
SECTIONS = {key.partition(".")[0] for key in KEYS if "." in key}
COMMANDS = [path.stem for path in (ROOT / "scripts").glob("*.py")]
CONVERTERS = ("check", "combine", "split", "patches", "derive", "frames", "tfds")
# Of pip, SLURM, Docker and the reference.
FOREIGN = {"--no-deps", "--signal", "--user", "--time", "--eval"}


def page_id(path):
    return path.relative_to(ROOT).as_posix()


def pages(test):
    return pytest.mark.parametrize("page", PAGES, ids=page_id)(test)


def without_code(text):
    """Return the text of a page without its blocks of code."""
    return re.sub(r"(?ms)^ *```.*?^ *```$", "", text)


def links_of(page):
    """Return the links of a page into the repository, as (path, anchor); the path may be empty."""
    found = re.findall(r"\]\(([^()\s#]*)#?([^()\s]*)\)", without_code(page.read_text()))
    return [(path, anchor) for path, anchor in found if not re.match(r"\w+:", path)]


def anchors_of(page):
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"(?m)^#+ (.+)$", without_code(page.read_text()))
    plain = [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def dead_links(page):
    """Return the links of a page that lead nowhere."""
    dead = []
    for path, anchor in links_of(page):
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            dead.append(f"{path}#{anchor}" if anchor else path)
    return dead


def code_of(page):
    """Return what a page has in blocks of code, a command a line, and between backticks."""
    text = page.read_text().replace("\\\n", " ")
    text = re.sub(r"(?m)^\$ .*\nerror: .*$", "", text)  # a mistake that is shown, and its answer
    blocks = re.findall(r"(?ms)^ *```\w*\n(.*?)^ *```$", text)
    lines = [line for block in blocks for line in block.splitlines()]
    return [*lines, *re.findall(r"`([^`\n]+)`", without_code(text))]


def looks_like_a_key(text):
    """Return whether a text has the form of a key: neither a file's name nor a module's."""
    section, _, name = text.partition(".")
    module = ROOT / "pix2pix_jax" / section / f"{name}.py"
    is_file = name in ("py", "md") or module.exists()
    return section in SECTIONS and name.isidentifier() and not is_file


def wrong_keys(page):
    """Return the keys that a page names and that do not exist."""
    named = set()
    for code in code_of(page):
        named |= set(re.findall(r"--config\.([\w.]+)", code))
        named |= set(re.findall(r"(?<![\w.-])config\.(\w+\.\w+)", code))
        named |= set(filter(looks_like_a_key, re.findall(r"(?<![\w./-])(\w+\.\w+)=", code)))
        named |= {code} if looks_like_a_key(code) else set()
    return sorted(named - KEYS - {"section.key"})


def flags_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", text))


def commands_in(code):
    """Yield the commands of a line of code, as (name, its flags but those of the config)."""
    for part in re.split(r"&&|\$\(|#", code):
        found = re.search(r"(?:scripts/(\w+)\.py|pix2pix-jax (\w+))((?: .*)?)$", part)
        if found:
            flags = {flag for flag in flags_in(found[3]) if not flag.startswith("--config.")}
            yield found[1] or found[2], flags


def wrong_flags(page, known):
    """Return the commands and flags that a page names and that do not exist."""
    everywhere = set().union(*known.values()) | FOREIGN
    wrong = []
    for code in code_of(page):
        for name, flags in commands_in(code):
            wrong += sorted(flags - known[name]) if name in known else [name]
        if code.startswith("--") and not code.startswith("--config."):
            wrong += sorted(flags_in(code) - everywhere)
    return wrong


@pytest.fixture(scope="module")
def known():
    """The flags of each command, as its help lists them."""
    found = {}
    for name in COMMANDS:
        subcommands = [(part, "--help") for part in CONVERTERS] if name == "prepare" else []
        helps = [run_script(name, *arguments) for arguments in [("--help",), *subcommands]]
        assert all(status == 0 for status, _, _ in helps)
        found[name] = set().union(*(flags_in(text) for _, text, _ in helps))
    usage = (ROOT / "scripts/benchmarking/first_gpu.sh").read_text().partition("\nset ")[0]
    return {**found, "first_gpu": flags_in(usage)}


@pages
def test_every_link_inside_the_repository_leads_somewhere(page):
    assert dead_links(page) == []


@pages
def test_every_key_exists(page):
    assert wrong_keys(page) == []


@pages
def test_every_command_and_flag_exists(page, known):
    assert wrong_flags(page, known) == []


def test_slips_in_a_page_are_found(tmp_path, known):
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading: `data.root`\n[good](#a-heading-dataroot) [dead](#a-heading) [dead](gone.md)\n"
        "Set `model.generater`, `train.epoch=3` or `--config.lr.decay=1`; see `train.py`.\n"
        "```python\nconfig.data.direktion = 'BtoA'\n```\n"
        "```sh\npython scripts/train.py --config maps \\\n    --workdirs runs/x\n```\n"
        "`pix2pix-jax sample --workdir x`, `pix2pix-jax simple`, `--same_droput`\n"
    )
    assert dead_links(page) == ["#a-heading", "gone.md"]
    wrong = ["data.direktion", "lr.decay", "model.generater", "train.epoch"]
    assert wrong_keys(page) == wrong
    assert wrong_flags(page, known) == ["--workdirs", "simple", "--same_droput"]


@pytest.mark.parametrize("page", DOCS, ids=page_id)
def test_pages_link_to_pages_only_as_the_site_has_nothing_else(page):
    for path, _ in links_of(page):
        assert (page.parent / path).resolve().is_relative_to(ROOT / "docs"), path


def test_every_page_of_the_docs_is_reached_from_the_readme():
    text = (ROOT / "README.md").read_text()
    names = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert {name for name in names if name in text} == names


def test_every_page_is_in_the_navigation_of_the_site():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = re.findall(r"(?m)([\w/]+\.md)$", navigation)
    assert sorted(listed) == sorted(path.relative_to(ROOT / "docs").as_posix() for path in DOCS)


def test_pages_that_messages_and_comments_name_exist():
    for folder in ("pix2pix_jax", "scripts", "configs"):
        for file in (ROOT / folder).rglob("*.py"):
            for name in re.findall(r"docs/\w+\.\w+", file.read_text()):
                assert (ROOT / name).exists(), f"{page_id(file)}: {name}"


def test_the_page_of_all_keys_gets_a_row_for_each():
    fill = runpy.run_path(str(ROOT / "docs" / "hooks.py"))["on_page_markdown"]
    page = fill((ROOT / "docs" / "keys.md").read_text(), page=None)
    assert set(re.findall(r"(?m)^\| `(\S+)` \| `", page)) == KEYS
