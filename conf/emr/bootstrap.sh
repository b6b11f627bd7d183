#!/usr/bin/env bash
# EMR 7: lets YARN hand GPUs to containers, and refuses a machine that lacks the environment's Python.
# Amazon Linux 2023 mounts cgroups of version 2 alone; YARN's GPU plugin wants the devices of version 1 (cluster.json).
set -euo pipefail

test -x /usr/bin/python3.11 || { echo "recaug: no /usr/bin/python3.11 on this release of EMR; take 7.x" >&2; exit 1; }
sudo mkdir -p /yarn-cgroup/devices
sudo mount -t cgroup -o devices cgroupv1-devices /yarn-cgroup/devices
sudo chmod a+rwx -R /yarn-cgroup
