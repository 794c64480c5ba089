#!/usr/bin/env python3
"""An epoch of the GAT paper's model, training and validation, against the same model in PyTorch
Geometric, interleaved; README.md says what is measured. Needs a Python with torch, torch_geometric
and numpy, and a built `heed`.

    python3 training.py --heed build/heed --data cora.npz [--preset gat-cora] [--threads 1,2]

What both do in an epoch: forward with dropout, loss on the training nodes, backward, Adam with weight
decay, forward without dropout, loss and accuracy on the validation nodes.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from peers import VARIANTS, spread

SETTINGS = {  # output heads, learning rate, weight decay
    "gat-cora": (1, 0.005, 0.0005),
    "gat-citeseer": (1, 0.005, 0.0005),
}


def peer(data, preset, threads, epochs):
    """Answers each line of standard input by training `epochs` epochs: JSON with their seconds."""
    import numpy as np
    import torch
    import torch.nn.functional as F
    from torch_geometric.nn import GATConv
    torch.set_num_threads(threads)
    output_heads, rate, decay = SETTINGS[preset]
    archive = np.load(data)
    x = torch.from_numpy(archive["node_features"].astype(np.float32))
    x = x / x.sum(1, keepdim=True).clamp(min=1)
    y = torch.from_numpy(archive["node_labels"].astype(np.int64))
    edges = torch.from_numpy(archive["edges"].astype(np.int64)).t()
    edges = torch.cat([edges, edges.flip(0)], 1).contiguous()
    train, val = (torch.from_numpy(archive[name][0].astype(bool))
                  for name in ("train_masks", "val_masks"))
    classes = int(y.max()) + 1

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = GATConv(x.shape[1], 8, heads=8, dropout=0.6)
            self.conv2 = GATConv(64, classes, heads=output_heads, concat=False, dropout=0.6)

        def forward(self, h):
            h = F.dropout(h, 0.6, self.training)
            h = F.elu(self.conv1(h, edges))
            h = F.dropout(h, 0.6, self.training)
            return self.conv2(h, edges)

    net = Net()
    adam = torch.optim.Adam(net.parameters(), lr=rate, weight_decay=decay)

    def epoch():
        net.train()
        adam.zero_grad()
        F.cross_entropy(net(x)[train], y[train]).backward()
        adam.step()
        net.eval()
        with torch.no_grad():
            out = net(x)[val]
            return float(F.cross_entropy(out, y[val])), float((out.argmax(1) == y[val]).float().mean())

    for _ in range(3):
        epoch()
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(epochs):
            epoch()
        print(json.dumps({"seconds": (time.perf_counter() - start) / epochs}), flush=True)


def run_heed(heed, data, preset, threads, epochs, folder):
    """Seconds of an epoch in one run of `epochs`."""
    subprocess.run([heed, "train", data, "--preset", preset, "--epochs", str(epochs), "--patience", "0",
                    "--seeds", "0", "--threads", str(threads), "--output", folder],
                   check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(folder, "results.json")) as file:
        return json.load(file)["ms_per_epoch"] / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--heed", default="heed", help="the built command")
    parser.add_argument("--data", required=True, help="the data set, .npz")
    parser.add_argument("--preset", default="gat-cora", choices=sorted(SETTINGS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20, help="of the peer, a round (default 20)")
    parser.add_argument("--role", choices=["peer"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "peer":
        return peer(arguments.data, arguments.preset, int(arguments.threads), arguments.epochs)
    for threads in (int(t) for t in arguments.threads.split(",")):
        peers = {}
        for name, environment in VARIANTS.items():
            env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads),
                       **environment)
            command = [sys.executable, os.path.abspath(__file__), "--role", "peer", "--data",
                       arguments.data, "--preset", arguments.preset, "--threads", str(threads),
                       "--epochs", str(arguments.epochs)]
            peers[name] = subprocess.Popen(command, env=env, text=True, stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE)
            peers[name].stdout.readline()
        times = {name: [] for name in peers}
        ratios = {name: [] for name in peers}
        ours = []
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(arguments.rounds):
                for name, process in peers.items():
                    process.stdin.write("go\n")
                    process.stdin.flush()
                    seconds = json.loads(process.stdout.readline())["seconds"]
                    heed = run_heed(arguments.heed, arguments.data, arguments.preset, threads,
                                    20 * arguments.epochs, folder)
                    times[name].append(1e3 * seconds)
                    ratios[name].append(seconds / heed)
                    ours.append(1e3 * heed)
        for process in peers.values():
            process.stdin.close()
            process.wait()
        print(f"{arguments.preset}, {threads} thread(s): Heed {spread(ours, 3)} ms an epoch")
        for name in peers:
            print(f"  {name:13s} {spread(times[name]):>28s} ms  times Heed's: {spread(ratios[name])}",
                  flush=True)


if __name__ == "__main__":
    main()
