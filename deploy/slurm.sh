#!/bin/bash
# A study on several nodes of Slurm: a Ray of its own for as long as the job has its nodes. From the project's folder, which,
# like data and results, lies on a disk that every node sees:
#
#   (umask 077; .venv/bin/ray get-auth-token --generate) > /dev/null      once: ~/.ray/auth_token
#   sbatch --nodes=4 deploy/slurm.sh search --data /shared/kitti --results /shared/results
#
# What stands behind the script's name goes to `run_study.py run`. Five minutes before its time is up the job stops its study
# and queues itself again; preempted jobs are queued again by Slurm. Either way the next start runs only what is missing.
#SBATCH --job-name=pointdistiller-study
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@300
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:?is set by sbatch: start this with sbatch, from the folder of the project}"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}" RAY_USAGE_STATS_ENABLED=0
python=${PYTHON:-.venv/bin/python}
ray=$(dirname "$python")/ray
port=$((20000 + SLURM_JOB_ID % 10000)) # two jobs may share a node

if [[ ! -s $RAY_AUTH_TOKEN_PATH ]]; then
    echo "slurm.sh: no token in $RAY_AUTH_TOKEN_PATH; make one with: (umask 077; $ray get-auth-token --generate) > /dev/null" >&2
    exit 2
fi

# on HOST COMMAND...: becomes a step of this job there, beside others; for a process of its own (`&`), which a signal then reaches.
on() {
    local host=$1
    shift
    exec srun --overlap --nodes=1 --ntasks=1 --nodelist="$host" "$@"
}

# start_ray HOST...: a head on the first host, which is this one, and a worker on each other; returns once all are there.
start_ray() {
    local resources=("--num-cpus=${SLURM_CPUS_PER_TASK:-1}" "--num-gpus=${SLURM_GPUS_ON_NODE:-0}") host
    on "$1" "$ray" start --head --block --node-ip-address="$head" --port="$port" --temp-dir="/tmp/ray-$SLURM_JOB_ID" \
        --disable-usage-stats --include-dashboard="${DASHBOARD:-false}" --dashboard-host=127.0.0.1 "${resources[@]}" &
    for _ in {1..60}; do
        "$ray" health-check --address "$head:$port" 2> /dev/null && break
        sleep 2
    done
    for host in "${@:2}"; do
        on "$host" "$ray" start --block --address="$head:$port" --disable-usage-stats "${resources[@]}" &
    done
    "$python" - "$head:$port" $# << 'END'
import sys, time
import ray

ray.init(address=sys.argv[1], log_to_driver=False)
for _ in range(150):
    there = sum(node["Alive"] for node in ray.nodes())
    if there == int(sys.argv[2]):
        sys.exit(print(f"Ray runs on {there} nodes"))
    time.sleep(2)
sys.exit(f"slurm.sh: {there} of {sys.argv[2]} nodes joined Ray within five minutes")
END
}

# run_study ARGUMENT...: until it ends, or the time of the job does.
run_study() {
    local status=0
    "$python" run_study.py run "$@" --address "$head:$port" --resume &
    study=$!
    [[ -z $signaled ]] || kill -TERM "$study"
    wait "$study" || status=$?
    if [[ $signaled ]]; then # it may have been a signal that ended the wait; 127: no, the study is over and was waited for
        local again=0
        wait "$study" || again=$?
        [[ $again == 127 ]] || status=$again
    fi
    if [[ $signaled == out_of_time ]]; then
        echo "slurm.sh: the time of the job is up; it is queued again and goes on with what is missing"
        scontrol requeue "$SLURM_JOB_ID"
    fi
    return "$status"
}

head=${HEAD_ADDRESS:-$(hostname -I | cut -d ' ' -f 1)}
mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT
# Before anything is started: a signal that comes while Ray starts ends the study as soon as there is one.
study='' signaled=''
trap 'signaled=out_of_time; [[ -z $study ]] || kill -TERM "$study"' USR1
trap 'signaled=${signaled:-ended}; [[ -z $study ]] || kill -TERM "$study"' TERM
start_ray "${hosts[@]}"
run_study "$@"
