"""Runs a worker over shards on a Ray cluster, a task a shard; a second run goes on where one ended.

    python scale/ray_driver.py -out vectors -gpus 1 shards/*.tar -- bin/run embed -model clip

Files of shards that are there are not made again: one of them is shown to the worker, which
refuses what another model made. A worker that is killed, and one of a node that is gone, is
tried again; one that fails says why.
"""
import argparse, os, subprocess, sys
import ray

class Killed(Exception):
    pass

def work(command, shard, out):
    """What the worker complains of, '' if it made the file."""
    done = subprocess.run([*command, "-in", shard, "-out", out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode < 0 or done.returncode > 128:
        raise Killed(f"{shard}: signal {done.returncode}")
    return f"{shard}: {done.stderr.strip()}" if done.returncode else ""

def main():
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    a = argparse.ArgumentParser(usage="ray_driver.py -out FOLDER [-cpus N] [-gpus N] SHARD ... -- run embed|classify|caption [FLAGS]")
    a.add_argument("-out", required=True)
    a.add_argument("-cpus", type=float, default=1)
    a.add_argument("-gpus", type=float, default=0)
    a.add_argument("shards", nargs="+")
    o, command = a.parse_args(sys.argv[1:at]), sys.argv[at + 1:]
    outs = {os.path.abspath(s): os.path.join(os.path.abspath(o.out), os.path.basename(os.path.abspath(s)) + ".parquet") for s in o.shards}
    if not command or len(set(outs.values())) < len(o.shards):
        a.error("give the worker's command behind --, and shards of different names")
    os.makedirs(o.out, exist_ok=True)
    command[0] = os.path.abspath(command[0]) if os.path.exists(command[0]) else command[0]
    ray.init(logging_level="warning")  # the cluster of RAY_ADDRESS, or one here
    task = ray.remote(work).options(num_cpus=o.cpus, num_gpus=o.gpus, max_retries=-1, retry_exceptions=[Killed])
    there = [s for s in outs if os.path.exists(outs[s])]
    wrong = [e for s in there[:1] if (e := ray.get(task.remote(command, s, outs[s])))]
    running = [] if wrong else [task.remote(command, s, outs[s]) for s in outs if s not in there]
    print(f"{len(there)} shards done, {len(running)} started", flush=True)
    while running:
        ended, running = ray.wait(running)
        wrong += [e for e in ray.get(ended) if e]
    sys.exit("\n".join(wrong) or 0)

main()
