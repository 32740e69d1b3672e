#!/bin/sh
# A task of a Slurm array for each line of a list of shards:
#
#   sbatch --array=0-99%20 --gres=gpu:1 scale/slurm.sh shards.txt vectors bin/run embed -model clip
#
# Task i takes line i + 1. A task whose file is there ends at once; Slurm puts those of a node
# that is gone back into its queue.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --cpus-per-task=4
set -eu
[ $# -ge 4 ] || { echo 'usage: sbatch --array=0-N scale/slurm.sh LIST FOLDER run embed|classify|caption [FLAGS]' >&2; exit 2; }
list=$1
out=$2
shift 2
shard=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$list")
[ -n "$shard" ] || { echo "$list has no line $((SLURM_ARRAY_TASK_ID + 1))" >&2; exit 1; }
mkdir -p "$out"
exec "$@" -in "$shard" -out "$out/$(basename "$shard").parquet"
