#!/usr/bin/env bash
# Packs recaug's wheel and what it needs into one archive for executors that have no checkout:
#
#   conf/emr/pack.sh [OUT]          OUT: environment.tar.gz by default
#
# Run it where the executors' Python and C library are: in the image amazonlinux:2023 with python3.11, or on a node of
# EMR. EXTRAS says what of setup.py goes in: train,petastorm by default. HOROVOD=NCCL builds Horovod with NCCL (needs
# g++, and CUDA's headers), HOROVOD=CPU without; left out, TorchDistributor trains.
set -euo pipefail
out=$(realpath -m "${1:-environment.tar.gz}")
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/environment"
pip() { "$work/environment/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
pip wheel --no-deps --wheel-dir "$work/wheel" .
pip install --constraint conf/constraints.txt venv-pack setuptools "$(ls "$work"/wheel/recaug-*.whl)[${EXTRAS-train,petastorm}]"
pip install --no-deps --constraint conf/constraints.txt delta-spark # Python's side of Delta, without a Spark of its own
if [ -n "${HOROVOD:-}" ]; then
  pip install --constraint conf/constraints.txt cmake ninja wheel
  [ "$HOROVOD" = CPU ] || export HOROVOD_GPU_OPERATIONS=$HOROVOD
  PATH=$work/environment/bin:$PATH CMAKE_TOOLCHAIN_FILE=$PWD/.ci/toolchain.cmake HOROVOD_WITH_GLOO=1 HOROVOD_WITH_PYTORCH=1 \
    HOROVOD_WITHOUT_MPI=1 HOROVOD_WITHOUT_TENSORFLOW=1 HOROVOD_WITHOUT_MXNET=1 \
    "$work/environment/bin/python" -m pip install --no-build-isolation --no-deps horovod==0.28.1
fi
"$work/environment/bin/venv-pack" --quiet --force --prefix "$work/environment" --output "$out"
echo "$out: $(du -h "$out" | cut -f1)"
