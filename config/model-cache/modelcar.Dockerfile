# syntax=docker/dockerfile:1
# Weights as an image, a "modelcar": a node keeps it among its images, so that a cold start downloads and copies nothing.
#
#   docker build --file config/model-cache/modelcar.Dockerfile --build-arg MODEL=zai-org/CogVideoX-2b \
#     --tag registry.example.org/cogvideox-2b:1 config/model-cache
#
# A gated repository also needs --secret id=hf_token,env=HF_TOKEN. In the chart: storage.uri oci://registry.example.org/….

FROM python:3.11-slim-bookworm AS download
ARG MODEL
ARG REVISION=main
# A pattern of files to leave out, such as checkpoints in another format.
ARG EXCLUDE="*.bin"
RUN python -m pip install --no-cache-dir huggingface-hub==2.4.0
SHELL ["/bin/sh", "-eu", "-c"]
RUN --mount=type=secret,id=hf_token \
    if [ -f /run/secrets/hf_token ]; then HF_TOKEN=$(cat /run/secrets/hf_token); export HF_TOKEN; fi; \
    hf download "$MODEL" --revision "$REVISION" --exclude "$EXCLUDE" --local-dir /models && rm -rf /models/.cache

# KServe starts a modelcar with a shell, `ln` and `sleep`, so the base has them.
FROM busybox:1.37
COPY --from=download --chown=10001:10001 /models /models
USER 10001:10001
