# A GPU node: torch and mmcv with CUDA 13.0, torch-cluster and the project. Not yet built by anyone: it was written where no Docker
# engine runs; only `make gpu`'s steps were tried, and those on a machine without a GPU.
#
#   docker build -t pointdistiller-study .
#   docker run --gpus all --shm-size 16g -v "$PWD/data:/app/data" -v "$PWD/results:/app/results" pointdistiller-study run quickstart

FROM nvidia/cuda:13.0.1-devel-ubuntu22.04 AS cuda

FROM python:3.11-bookworm
COPY --from=cuda /usr/local/cuda-13.0 /usr/local/cuda
ENV CUDA_HOME=/usr/local/cuda \
    PATH=/usr/local/cuda/bin:$PATH \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    RAY_USAGE_STATS_ENABLED=0

# No GPU is visible while an image is built: Ampere, Ada, Hopper and Blackwell by name.
ARG TORCH_CUDA_ARCH_LIST="8.0 8.6 8.9 9.0 10.0 12.0"
ARG JOBS=4

WORKDIR /app
COPY Makefile ./
COPY requirements requirements
RUN make gpu JOBS=${JOBS}

RUN .venv/bin/python -m pip install --no-cache-dir --no-deps -r requirements/dashboard.lock

COPY . .
RUN make setup
# KubeRay and deploy/compose.yaml start nodes with `ray`, and studies with `python`.
ENV PATH=/app/.venv/bin:$PATH
ENTRYPOINT [".venv/bin/python", "run_study.py"]
CMD ["--help"]
