"""`pix2pix-jax demo`, from a checkout; `--help` lists its flags."""

from pix2pix_jax.commands import entry

if __name__ == "__main__":
    entry.run("demo")
