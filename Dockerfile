# An image that runs `pix2pix-jax`, on CPUs or on NVIDIA GPUs; docs/install.md says how.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
# Extras, comma-separated: "" for CPUs; cuda13 or cuda12 for NVIDIA GPUs; more as in "cuda13,opencv".
ARG EXTRAS=""
WORKDIR /source
COPY pyproject.toml setup.cfg README.md LICENSE ./
COPY configs configs
COPY pix2pix_jax pix2pix_jax
# The environment has no pip: nothing is installed in a container.
RUN python -m venv --without-pip /opt/pix2pix_jax \
    && pip --python /opt/pix2pix_jax/bin/python install --no-cache-dir "/source${EXTRAS:+[$EXTRAS]}"

FROM python:${PYTHON}-slim
RUN useradd --create-home --user-group --uid 1000 pix2pix \
    && install --directory --owner=pix2pix --group=pix2pix /work
COPY --from=build /opt/pix2pix_jax /opt/pix2pix_jax
# Without PYTHONUNBUFFERED, the log of a container shows lines late.
ENV PATH=/opt/pix2pix_jax/bin:$PATH PYTHONUNBUFFERED=1
USER 1000
WORKDIR /work
# Without a shell between, a `docker stop` reaches the run, which saves a checkpoint.
ENTRYPOINT ["pix2pix-jax"]
CMD ["--help"]
