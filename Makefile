# Set-up and the commands that everyone needs. Nothing but Python 3.11, make and a C++ compiler has to be there before.
#
# Every step leaves a stamp in .venv that depends on its list of pinned packages, so a step runs again only after its list changed.
# Byte code is made by all cores at the end instead of by pip on one. It must be there: where PYTHONDONTWRITEBYTECODE is set, every
# process would otherwise take twelve seconds instead of five to import mmdet3d.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help study test test-all lint setup setup-test gpu clean

PYTHON ?= python3.11
VENV ?= .venv
PIP := $(VENV)/bin/python -m pip install -qq --no-compile --disable-pip-version-check
# Compiling against torch's headers takes up to 2.1 GB of memory a process.
JOBS ?= $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$((cores < 4 ? cores : 4)))
# Processes that test: one more than that, as some tests mostly wait for Ray. Each takes up to 2 GB.
TESTERS ?= $(shell echo $$(($(JOBS) + 1)))
# cpu or cuda. Once `make gpu` has set this folder up, the other targets use that set-up.
SETUP_FOR ?= $(if $(wildcard $(VENV)/cuda-torch.stamp),cuda,cpu)

# mmcv 2.1.0 asks nvcc for C++17 and torch's headers need C++20: nvcc takes the last of two `-std`. No cache for what is compiled: a
# wheel made for another torch would load and then crash.
INSTALL_cpu := $(PIP) --no-deps
INSTALL_cuda := MMCV_WITH_OPS=1 FORCE_CUDA=1 MAX_JOBS=$(JOBS) NVCC_APPEND_FLAGS=-std=c++20 \
  $(PIP) --no-build-isolation --no-cache-dir --no-deps

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

study: setup ## set-up, then the default study and its report: results/quickstart/report/index.html
	$(VENV)/bin/python run_study.py run quickstart --resume

test: ## set-up with torch-cluster compiled (some minutes), then the tests but the long ones
	@$(MAKE) --no-print-directory --jobs=2 setup-test
	REQUIRE_TORCH_CLUSTER=1 OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(TESTERS) --dist loadfile $(MARKED)

test-all: ## the same with the long tests
	@$(MAKE) --no-print-directory test MARKED='-m "long or not long"'

lint: $(VENV)/dev.stamp ## ruff and mypy
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

setup: $(VENV)/warm.stamp ## only create .venv with what a study needs

setup-test: $(VENV)/dev.stamp $(VENV)/warm.stamp $(VENV)/torch-cluster.stamp ## set-up for the tests

gpu: ## set-up on a node with CUDA 13 and nvcc: compiles mmcv's operators and torch-cluster
	@command -v nvcc >/dev/null || { echo "set-up: CUDA's compiler nvcc is needed, and it is not on PATH (usually /usr/local/cuda/bin)" >&2; exit 1; }
	@$(MAKE) --no-print-directory SETUP_FOR=cuda $(VENV)/cuda.stamp $(VENV)/torch-cluster.stamp

clean: ## remove .venv and the tools' caches; results and data stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(VENV)/venv.stamp:
	@command -v $(PYTHON) >/dev/null || { echo "set-up: Python 3.11 is needed, and there is no '$(PYTHON)' here; name yours: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@found=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); [ "$$found" = 3.11 ] || { \
	  echo "set-up: Python 3.11 is needed, and '$(PYTHON)' is Python $$found; name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "set-up: '$(PYTHON)' cannot make virtual environments; install its venv package (python3.11-venv on Debian)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/$(SETUP_FOR)-torch.stamp: requirements/$(SETUP_FOR).lock | $(VENV)/venv.stamp
	@[ -z "$(filter-out $@,$(wildcard $(VENV)/*-torch.stamp))" ] || { \
	  echo "set-up: $(VENV) was set up for the other kind of machine (CPU or CUDA); run make clean first" >&2; exit 1; }
	@echo "Installing torch and the packages of $< (one to three minutes)"
	$(PIP) -c $< torch
	@touch $@

$(VENV)/$(SETUP_FOR).stamp: requirements/$(SETUP_FOR).lock $(VENV)/$(SETUP_FOR)-torch.stamp
	$(INSTALL_$(SETUP_FOR)) -r $<
	@$(VENV)/bin/python -m compileall -q -j $(JOBS) -x '/(tests|testing|rllib)/' $(VENV)/lib/python3.11/site-packages
	@touch $@

# numba's machine code is cached on disk, so that no run has to make it again.
$(VENV)/warm.stamp: $(wildcard trainables/ops/*.py trainables/ops/setup/*.py) $(VENV)/$(SETUP_FOR).stamp
	@echo "Compiling the CPU operators and mmdet3d's numba code (about a minute)"
	$(VENV)/bin/python -m trainables.ops.setup.warm_up
	@touch $@

$(VENV)/dev.stamp: requirements/dev.lock requirements/object-store.lock $(VENV)/$(SETUP_FOR).stamp
	$(PIP) --no-deps $(addprefix -r ,$(filter %.lock,$^))
	@touch $@

# Its own set-up compiles one file after the other; setuptools does `parallel` of them at a time when told so. Debug symbols, which
# are stripped anyway, cost a quarter of the time.
$(VENV)/torch-cluster.stamp: requirements/torch-cluster.lock $(VENV)/$(SETUP_FOR)-torch.stamp
	@command -v $(firstword $(CXX)) >/dev/null || { echo "set-up: torch-cluster needs a C++ compiler, and there is no '$(firstword $(CXX))' here; name yours: make CXX=clang++" >&2; exit 1; }
	@$(VENV)/bin/python -c 'import os, sysconfig as s; p = s.get_path("include"); os.path.exists(p + "/Python.h") or exit(f"set-up: torch-cluster needs the Python headers, and {p}/Python.h is not there (python3.11-dev on Debian)")'
	@printf '[build_ext]\nparallel = $(JOBS)\n' > $(VENV)/parallel-build.cfg
	@echo "Compiling torch-cluster with $(JOBS) processes (about five minutes on two cores)"
	DIST_EXTRA_CONFIG=$(abspath $(VENV)/parallel-build.cfg) CXX="$(CXX)" CXXFLAGS=-g0 $(if $(filter cuda,$(SETUP_FOR)),FORCE_CUDA=1,FORCE_ONLY_CPU=1) \
	  nice -n 10 $(PIP) --no-build-isolation --no-cache-dir --no-deps -r $<
	@touch $@
