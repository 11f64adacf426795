"""The rules of the house that a reader relies on, read from the source with ast."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "pix2pix_jax"
# The law: a package imports only from packages in the lines above its own.
LAW = """
core
images models
data
runs
evaluation
reports
training
deployment
commands
"""
FLOOR = {name: floor for floor, line in enumerate(LAW.split("\n")) for name in line.split()}
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_id(path):
    return path.relative_to(PACKAGE).as_posix()


def room_of(path):
    """Return the package that a module is in; '' for the top-level `__init__.py`."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def imported_modules(tree):
    """Return the modules of the package that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith(PACKAGE.name)}
    return found


def rooms_of_imports(path):
    """Return the packages that a module imports from."""
    modules = imported_modules(ast.parse(path.read_text()))
    return {module.split(".")[1] for module in modules if "." in module} & FLOOR.keys()


def arrows():
    """Return the pairs (package, package that it imports)."""
    return {
        (room_of(path), other)
        for path in MODULES
        for other in rooms_of_imports(path)
        if room_of(path) not in ("", other)
    }


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_a_module_imports_only_from_packages_below_its_own(path):
    room = room_of(path)
    others = rooms_of_imports(path) - {room}
    assert not {other for other in others if room and FLOOR[other] >= FLOOR[room]}


def test_the_law_has_a_line_for_every_package_and_no_other():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(FLOOR)
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py"}


def test_data_and_models_take_sections_of_a_config_and_do_not_read_it_themselves():
    for path in MODULES:
        if room_of(path) in ("data", "models"):
            imported = imported_modules(ast.parse(path.read_text()))
            assert not any(module.startswith("pix2pix_jax.core.config.") for module in imported)


def test_no_arrow_between_packages_is_missing_from_contributing_or_too_much_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    written = {
        (line.group(1), other)
        for line in re.finditer(r"^- `(\w+)`: imports (.+)$", text, re.MULTILINE)
        for other in re.findall(r"\w+", line.group(2))
        if line.group(1) in FLOOR and other in FLOOR
    }
    assert written == arrows()
    assert len(written) <= 37


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.name == "__init__.py"], ids=module_id
)
def test_an_init_hands_names_on_and_holds_no_logic(path):
    # The one at the top imports its names when they are first used: one function, for that alone.
    allowed = {"__getattr__"} if path.parent == PACKAGE else set()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tree = ast.parse(path.read_text())
    assert {node.name for node in ast.walk(tree) if isinstance(node, kinds)} <= allowed
    loops = (ast.For, ast.While, ast.With, ast.Try)
    assert not any(isinstance(node, loops) for node in ast.walk(tree))


def public_definitions(tree):
    """Yield public functions, classes and methods, with their names."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node.name, node
            for member in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(member, kinds) and not member.name.startswith("_"):
                    yield f"{node.name}.{member.name}", member


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_every_public_name_is_documented_and_typed(path):
    for name, node in public_definitions(ast.parse(path.read_text())):
        assert ast.get_docstring(node), f"{name} has no docstring"
        if isinstance(node, ast.ClassDef):
            continue
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        untyped = [
            each.arg
            for each in arguments
            if each.annotation is None and each.arg not in ("self", "cls")
        ]
        assert not untyped, f"{name} does not say what {untyped} are"
        assert node.returns is not None, f"{name} does not say what it returns"


def test_the_reference_page_has_every_public_name_with_every_argument():
    import inspect

    import pix2pix_jax

    sections = re.split(r"^## ", (ROOT / "docs" / "api.md").read_text(), flags=re.MULTILINE)
    pages = {section.split("\n")[0].strip("`"): section for section in sections[1:]}
    assert list(pages) == sorted(pix2pix_jax.__all__, key=str.lower)
    for name, page in pages.items():
        value = getattr(pix2pix_jax, name)
        if callable(value) and name != "InputError":
            missing = [word for word in inspect.signature(value).parameters if word not in page]
            assert not missing, f"docs/api.md: {name} says nothing of {missing}"


def test_importing_the_package_brings_neither_jax_nor_any_heavy_package():
    code = (
        "import sys, pix2pix_jax;"
        "heavy = {'jax', 'flax', 'torch', 'wandb', 'gradio', 'onnx', 'cv2', 'skimage',"
        "         'matplotlib', 'tensorflow', 'tensorflow_datasets', 'tensorboardX', 'tifffile',"
        "         'jinja2'};"
        "first = sorted(heavy & set(sys.modules));"
        "[getattr(pix2pix_jax, name) for name in pix2pix_jax.__all__];"
        "optional = heavy - {'jax', 'flax'};"
        "print(first, sorted(optional & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[] []"


def test_the_public_names_are_those_of_all():
    import pix2pix_jax

    assert sorted(pix2pix_jax.__all__) == [
        "Generator",
        "InputError",
        "__version__",
        "default_config",
        "keep_memory",
        "load_config",
        "load_generator",
        "train_and_evaluate",
        "translate",
        "translate_draws",
    ]
