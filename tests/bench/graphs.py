#!/usr/bin/env python3
"""Heed's training on many small graphs against PyTorch Geometric's with the same layers,
TransformerConv with edge features, ReLU, mean pooling and a linear layer; Adam, batches of 64. The
programs take turns. Needs a Python with torch, torch_geometric and numpy, and a built
tests/bench/graphs (make tests/bench/graphs).

    python3 graphs.py --graphs build/tests/bench/graphs --data esol.csv

PyTorch Geometric runs as people run it, with its DataLoader, and tuned: batches put together once,
before the clock runs, and an allocator that keeps its memory.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from peers import VARIANTS, spread


def peer(arrays, tuned, threads, epochs, layers, heads, dim, batch):
    """Answers each line of standard input by training `epochs` epochs: JSON with graphs a second."""
    import numpy as np
    import torch
    import torch.nn.functional as F
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader
    from torch_geometric.nn import TransformerConv, global_mean_pool
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    archive = np.load(arrays)
    ptr, edges = archive["graph_ptr"], archive["edges"]
    y = torch.from_numpy(archive["values"])
    y = (y - y.mean(0)) / y.std(0)
    owner = np.searchsorted(ptr, edges[:, 0], side="right") - 1
    first = np.searchsorted(owner, np.arange(len(ptr)))
    graphs = []
    for g in range(len(ptr) - 1):
        mine = slice(first[g], first[g + 1])
        one_way = torch.from_numpy(edges[mine] - ptr[g]).t()
        features = torch.from_numpy(archive["edge_features"][mine])
        graphs.append(Data(x=torch.from_numpy(archive["features"][ptr[g]:ptr[g + 1]]),
                           edge_index=torch.cat([one_way, one_way.flip(0)], 1),
                           edge_attr=torch.cat([features, features]), y=y[g:g + 1]))

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            width = graphs[0].x.shape[1]
            self.convs = torch.nn.ModuleList()
            for _ in range(layers):
                self.convs.append(TransformerConv(width, dim, heads=heads,
                                                  edge_dim=graphs[0].edge_attr.shape[1]))
                width = heads * dim
            self.output = torch.nn.Linear(width, y.shape[1])

        def forward(self, data):
            x = data.x
            for conv in self.convs:
                x = F.relu(conv(x, data.edge_index, data.edge_attr))
            return self.output(global_mean_pool(x, data.batch, data.num_graphs))

    net = Net()
    adam = torch.optim.Adam(net.parameters(), lr=0.001)
    batches = DataLoader(graphs, batch_size=batch, shuffle=True)
    if tuned:
        batches = list(batches)

    def epoch():
        total = 0.0
        for data in batches:
            adam.zero_grad()
            loss = F.mse_loss(net(data), data.y)
            loss.backward()
            adam.step()
            total += float(loss.detach()) * data.num_graphs
        return total / len(graphs)

    epoch()
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(epochs):
            loss = epoch()
        print(json.dumps({"rate": len(graphs) * epochs / (time.perf_counter() - start), "loss": loss}),
              flush=True)


def ask(process):
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--graphs", default="build/tests/bench/graphs", help="the built program")
    parser.add_argument("--data", help="a collection with numbers as targets, as heed takes it")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3, help="of the peer, a round (default 3)")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--role", choices=["peer"], help=argparse.SUPPRESS)
    parser.add_argument("--arrays", help=argparse.SUPPRESS)
    parser.add_argument("--tuned", action="store_true", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.role == "peer":
        return peer(a.arrays, a.tuned, int(a.threads), a.epochs, a.layers, a.heads, a.dim, a.batch)
    sizes = [str(a.layers), str(a.heads), str(a.dim), str(a.batch)]
    pipes = {"text": True, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    for threads in a.threads.split(","):
        with tempfile.TemporaryDirectory() as folder:
            arrays = os.path.join(folder, "graphs.npz")
            ours = subprocess.Popen([a.graphs, a.data, threads, str(10 * a.epochs)] + sizes + [arrays],
                                    **pipes)
            ask(ours)
            peers = {}
            for name, environment in VARIANTS.items():
                env = dict(os.environ, OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads,
                           **environment)
                command = [sys.executable, os.path.abspath(__file__), "--role", "peer", "--arrays",
                           arrays, "--threads", threads, "--epochs", str(a.epochs), "--layers",
                           sizes[0], "--heads", sizes[1], "--dim", sizes[2], "--batch", sizes[3]]
                if name.startswith("tuned"):
                    command.append("--tuned")
                peers[name] = subprocess.Popen(command, env=env, **pipes)
                peers[name].stdout.readline()
            rates = {name: [] for name in peers}
            ratios = {name: [] for name in peers}
            heed = []
            for _ in range(a.rounds):
                for name, process in peers.items():
                    theirs = json.loads(ask(process))["rate"]
                    heed.append(float(ask(ours).split()[0]))
                    rates[name].append(theirs)
                    ratios[name].append(heed[-1] / theirs)
            for process in [ours] + list(peers.values()):
                process.stdin.close()
                process.wait()
        print(f"{a.data}, {a.layers} layers of {a.heads} x {a.dim}, batches of {a.batch}, {threads} "
              f"thread(s): Heed {spread(heed, 0)} graphs a second")
        for name in peers:
            print(f"  {name:13s} {spread(rates[name], 0):>28s} graphs/s  Heed's, times: "
                  f"{spread(ratios[name])}", flush=True)


if __name__ == "__main__":
    main()
