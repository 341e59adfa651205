# Three images from one file: `--target eventing` (small, no GPU), `--target predictor` (CUDA by way of torch's
# own wheels; the node brings the driver) and `--target steps` (the steps of stories, on a CPU). All: a fixed
# unprivileged user, a root that can be read-only, bytecode compiled (without it a first import takes three times as
# long), no C compiler, no pip.

ARG PYTHON=3.11-slim-bookworm

# What all run on: Python without its package tools, with its bytecode, which the official image leaves out.
FROM python:${PYTHON} AS runtime
RUN python -m pip uninstall --yes --quiet pip setuptools wheel \
 && python -m compileall -q /usr/local/lib \
 && useradd --uid 10001 --no-create-home --home-dir /scratch --shell /usr/sbin/nologin reelzero \
 && install --directory --owner 10001 --group 10001 /scratch
ENV PATH=/opt/reelzero/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /scratch
USER 10001:10001

# The environments are made by a pip outside of them: eventing's holds no tools, the predictor's only those that
# torch and kserve ask for themselves (setuptools, grpcio-tools). constraints.txt pins the versions. It is made with
# torch's CPU build, so the CUDA wheels (nvidia-*, triton) are not in it. torch pins those itself.
FROM python:${PYTHON} AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY eventing eventing
COPY predictor predictor
COPY steps steps
RUN python -m venv --without-pip /opt/reelzero

FROM build AS build-eventing
RUN python -m pip --python /opt/reelzero/bin/python install --no-cache-dir --no-compile --constraint constraints.txt . \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/reelzero/lib

# torch/testing holds a file of a later Python's grammar; nothing here runs it.
FROM build AS build-predictor
RUN python -m pip --python /opt/reelzero/bin/python install --no-cache-dir --no-compile --constraint constraints.txt '.[predictor]' \
 && python -m compileall -q --invalidation-mode unchecked-hash -x torch/testing/ /opt/reelzero/lib

# Only the packages of the extra, and the contract, which signs films: a step needs nothing else of eventing.
FROM build AS build-steps
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['steps'], sep='\n')" > /opt/reelzero/steps.txt \
 && python -m pip --python /opt/reelzero/bin/python install --no-cache-dir --no-compile --constraint constraints.txt --requirement /opt/reelzero/steps.txt \
 && cp -r --no-preserve=mode --parents steps eventing/__init__.py eventing/contract /opt/reelzero/lib/python3.*/site-packages/ \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/reelzero/lib

FROM runtime AS predictor
COPY --from=build-predictor /opt/reelzero /opt/reelzero
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
EXPOSE 8080 8081
ENTRYPOINT ["python", "-m", "predictor"]
CMD ["--http_port", "8080", "--enable_grpc", "false"]

# espeak-ng, which the package espeakng-loader brings, is under the GPL-3. A process of its own loads it.
FROM runtime AS steps
LABEL org.opencontainers.image.licenses="Apache-2.0 AND GPL-3.0-or-later" \
      org.opencontainers.image.documentation="https://github.com/reelzero/reelzero/blob/main/docs/stories/README.md"
COPY --from=build-steps /opt/reelzero /opt/reelzero
EXPOSE 8080
ENTRYPOINT ["python", "-m", "steps.box"]
CMD []

FROM runtime AS eventing
COPY --from=build-eventing /opt/reelzero /opt/reelzero
ENV REELZERO_HOST=0.0.0.0
EXPOSE 8080
ENTRYPOINT ["reelzero"]
CMD ["serve"]
