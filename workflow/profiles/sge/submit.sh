#!/bin/sh
# Submit a job script: submit.sh SLOTS MEGABYTES MINUTES GPUS SCRIPT. Prints the number of the job.
set -eu
slots=$1 megabytes=$2 minutes=$3 gpus=$4 script=$5
logs=.snakemake/sge_logs
mkdir -p "$logs"
set -- -terse -cwd -V -S /bin/sh -j y -o "$logs" -l "h_rt=$((minutes * 60))"
# h_vmem is per slot, and limits addresses, of which PyTorch reserves some gigabytes more than it
# uses. If your cluster limits used memory (m_mem_free, mem, tmem), request that here instead.
set -- "$@" -l "h_vmem=$(((megabytes + slots - 1) / slots))M"
# The names of the parallel environment and of the GPU resource are those of your cluster.
if [ "$slots" -gt 1 ]; then set -- "$@" -pe smp "$slots"; fi
if [ "$gpus" -gt 0 ]; then set -- "$@" -l "gpu=$gpus"; fi
# A project or a queue: set -- "$@" -P mine -q long
exec qsub "$@" "$script"
