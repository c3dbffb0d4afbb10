"Bytes that processes send to each other, counted on a loopback interface of their own."

import argparse
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path


def loopback_up():
    "A fresh network namespace has a loopback that is down."
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(s, 0x8913, request)[:18])[1]
        fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", flags | 1))


def loopback_bytes():
    "What was sent over the loopback of this namespace."
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            return int(numbers.split()[8])
    raise KeyError("lo")


def stack_of(width, layers):
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(layers)))


def counted(run, updates=3):
    "Bytes of the last update, of all processes together."
    import torch.distributed as dist

    for _ in range(updates):
        dist.barrier()
        before = loopback_bytes()
        dist.barrier()
        run()
        dist.barrier()
        found = loopback_bytes() - before
    return found


def work(rank, processes, file, out, width, layers):
    import torch
    import torch.distributed as dist
    from torch.distributed.fsdp import fully_shard
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=processes)
    found = {}
    x = torch.ones(width * width)
    found["all-reduce"] = counted(lambda: dist.all_reduce(x))
    parts = torch.empty(processes * len(x))
    found["all-gather"] = counted(lambda: dist.all_gather_into_tensor(parts, x))
    found["reduce-scatter"] = counted(lambda: dist.reduce_scatter_tensor(x, parts))
    rows = torch.randn(4, width)

    def update(network):
        def run():
            network.zero_grad()
            network(rows).square().mean().backward()

        return run

    found["replicas"] = counted(update(DistributedDataParallel(stack_of(width, layers))))
    network = stack_of(width, layers)
    for p in list(network.parameters())[1:]:
        p.requires_grad_(False)
    found["replicas, one layer learns"] = counted(update(DistributedDataParallel(network)))
    network = stack_of(width, layers)
    for layer in network:
        fully_shard(layer)
    fully_shard(network)
    found["sharded"] = counted(update(network))
    if rank == 0:
        Path(out).write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("processes", type=int)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--layers", type=int, default=4)
    options = parser.parse_args()
    import torch.multiprocessing as mp

    loopback_up()
    with tempfile.TemporaryDirectory() as folder:
        file, out = f"{folder}/meet", f"{folder}/out"
        mp.spawn(work, (options.processes, file, out, options.width, options.layers), options.processes)
        print(Path(out).read_text())


def traffic(processes, width=512, layers=4):
    "Bytes over all processes of each kind of exchange; None where no namespace can be made."
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    if probe.returncode:
        return None
    call = ["unshare", "-n", sys.executable, __file__, str(processes), f"--width={width}", f"--layers={layers}"]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
