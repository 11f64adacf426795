"""What stands for the npm package onnxruntime-web, in tests that do not run it."""

import json

from pix2pix_jax.deployment.page_runtime import FILES, VERSION


def npm_package(folder):
    """Write the package's folder; return it."""
    package = folder / "package"
    (package / "dist").mkdir(parents=True)
    about = {"name": "onnxruntime-web", "version": VERSION}
    (package / "package.json").write_text(json.dumps(about))
    for name in FILES:
        (package / "dist" / name).write_text(name)
    return package
