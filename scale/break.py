"""Runs a command on a Ray cluster of two nodes, and breaks things once it is under way.

    python break.py FOLDER COMMAND...

Once three files are in FOLDER a node is killed with all that runs on it, then a worker of the
other. RAY_ADDRESS of the command is the cluster's.
"""
import os, signal, subprocess, sys, time
from ray.cluster_utils import Cluster

folder, command = sys.argv[1], sys.argv[2:]

def commands():
    """Of all processes by their number, with that of the one that started it."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f, open(f"/proc/{pid}/stat") as s:
                yield int(pid), f.read().replace(b"\0", b" ").decode(errors="replace"), int(s.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass  # it ended meanwhile

def workers(raylet):
    return [pid for pid, line, parent in commands() if line.startswith("ray::work") and parent == raylet]

def raylet(node):
    return next(p[0].process.pid for kind, p in node.all_processes.items() if kind == "raylet")

def wait(what, until):
    for _ in range(6000):
        if until():
            return
        time.sleep(0.05)
    sys.exit(f"nothing came of waiting for {what}")

small = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=small)
second = cluster.add_node(**small)
driver = subprocess.Popen(command, env={**os.environ, "RAY_ADDRESS": cluster.address})
files = lambda: len([f for f in os.listdir(folder) if f.endswith(".parquet")]) if os.path.isdir(folder) else 0
wait("three files", lambda: files() >= 3 or driver.poll() is not None)
wait("a worker on the second node", lambda: workers(raylet(second)) or driver.poll() is not None)
if driver.poll() is None:
    cluster.remove_node(second, allow_graceful=False)
    print(f"killed a node after {files()} files", flush=True)
    head = raylet(cluster.head_node)
    wait("a worker", lambda: workers(head) or driver.poll() is not None)
    if pids := workers(head):
        os.kill(pids[0], signal.SIGKILL)
        print(f"killed a worker after {files()} files", flush=True)
code = driver.wait()
cluster.shutdown()
sys.exit(code)
