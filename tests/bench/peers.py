#!/usr/bin/env python3
"""Heed's forward pass against PyTorch and PyTorch Geometric, interleaved; README.md says what is
measured. Needs a Python with torch, torch_geometric and numpy, and a built `heed`.

    python3 peers.py --heed build/heed [--cases gat,gatv2,dot,full-1024,...] [--quick]

This process uses the standard library alone and stays small: Linux counts the peak of the process
that starts a program in that program's own peak. The inputs are made, and the peers run, in children.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

THREADS = 2
GRAPH_CASES = ["gat", "gatv2", "dot"]
FULL_CASES = ["full-1024", "full-4096", "full-16384"]
VARIANTS = {
    "as installed": {},
    # The allocator keeps what it once had: no page faults after the first call.
    "tuned": {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4294967296:"
                                "glibc.malloc.trim_threshold=1099511627776:"
                                "glibc.malloc.arena_max=1"},
}
MIB = 1024.0 * 1024.0


# ---------------------------------------------------------------- in a child: the inputs

def power_law_mask(nodes, pairs, seed):
    """`pairs` distinct directed pairs; ends drawn with weights (rank + 10)^(-2/3), so that degrees
    fall as a power law of exponent 2.5; ranks are shuffled over the nodes."""
    import numpy as np
    rng = np.random.default_rng(seed)
    weight = (np.arange(nodes) + 10.0) ** (-2.0 / 3.0)
    cumulative = np.cumsum(weight / weight.sum())
    cells = np.empty(0, np.int64)
    name_query, name_key = rng.permutation(nodes), rng.permutation(nodes)
    while len(cells) < pairs:
        ends = np.searchsorted(cumulative, rng.random((2, pairs // 2)), side="right")
        ends = np.minimum(ends, nodes - 1)
        cells = np.unique(np.concatenate([cells, name_query[ends[0]] * nodes + name_key[ends[1]]]))
    cells = np.sort(rng.permutation(cells)[:pairs])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(cells // nodes, minlength=nodes))])
    return indptr.astype(np.int64), (cells % nodes).astype(np.int32)


def make_inputs(case, path, nodes, pairs):
    import numpy as np
    rng = np.random.default_rng(7)

    def draw(*shape):
        return rng.standard_normal(shape, dtype=np.float32)

    if case.startswith("full-"):
        n = int(case[5:])
        np.savez(path, q=draw(n, 8, 64), k=draw(n, 8, 64), v=draw(n, 8, 64))
        return
    indptr, indices = power_law_mask(nodes, pairs, 11)
    mask = {"indptr": indptr, "indices": indices}
    if case == "gat":
        np.savez(path, h=draw(nodes, 8, 8), a_l=draw(8, 8), a_r=draw(8, 8), **mask)
    elif case == "gatv2":
        np.savez(path, l=draw(nodes, 8, 8), r=draw(nodes, 8, 8), a=draw(8, 8), **mask)
    else:
        np.savez(path, q=draw(nodes, 8, 8), k=draw(nodes, 8, 8), v=draw(nodes, 8, 8), **mask)


# ---------------------------------------------------------------- in a child: a peer

def kib(field):
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise RuntimeError(field)


def peer(case, path):
    """Answers each line of standard input: "memory" or "time", with a line of JSON."""
    import gc
    import numpy as np
    import torch
    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    data = {k: torch.from_numpy(v) for k, v in np.load(path).items()}

    if case.startswith("full-"):
        q, k, v = (data[name].permute(1, 0, 2)[None].contiguous() for name in "qkv")
        attention = torch.nn.functional.scaled_dot_product_attention
        tiny = q[:, :, :64].contiguous()
        attention(tiny, tiny, tiny)

        def whole():
            return attention(q, k, v)

        projections = []
        result = [q.numel() * 4]
    else:
        from torch_geometric.nn import GATConv, GATv2Conv, TransformerConv
        n = len(data["indptr"]) - 1
        target = torch.repeat_interleave(torch.arange(n), torch.diff(data["indptr"]))
        edges = torch.stack([data["indices"].long(), target])  # sorted by target, as Heed's rows
        # The layers project 64 numbers to 8 x 8; what comes out is what Heed is given ready made.
        # Here weights and numbers are random all the same: the time does not depend on them.
        x = torch.randn(n, 64)
        same = {"heads": 8, "bias": False}
        if case == "gat":
            layer = GATConv(64, 8, add_self_loops=False, **same)
            projections = [layer.lin]
        elif case == "gatv2":
            layer = GATv2Conv(64, 8, add_self_loops=False, **same)
            projections = [layer.lin_l, layer.lin_r]
        else:
            layer = TransformerConv(64, 8, root_weight=False, **same)
            projections = [layer.lin_query, layer.lin_key, layer.lin_value]
        layer.eval()
        layer(x[:64], torch.zeros(2, 64, dtype=torch.long))
        # Inputs (the projections) and output are taken off the peak memory, as they are for Heed.
        result = [n * 64 * 4] * (len(projections) + 1)

        def whole():
            return layer(x, edges)

    def clock(call):
        start = time.perf_counter()
        got = call()
        seconds = time.perf_counter() - start
        del got
        return seconds

    def memory():
        gc.collect()
        before = kib("VmRSS")
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        got = whole()
        peak = kib("VmHWM")
        del got
        return max(0, (peak - before) * 1024 - sum(result))

    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            answer = {"bytes": memory()}
        else:
            seconds = clock(whole)
            apart = clock(lambda: [p(x) for p in projections]) if projections else 0.0
            answer = {"seconds": max(seconds - apart, 1e-9), "projections": apart}
        print(json.dumps(answer), flush=True)


# ---------------------------------------------------------------- the driver

class Peer:
    def __init__(self, case, path, environment):
        env = dict(os.environ, OMP_NUM_THREADS=str(THREADS), MKL_NUM_THREADS=str(THREADS),
                   **environment)
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--role", "peer",
                                         "--cases", case, "--inputs", path], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a peer ended early")
        return json.loads(line)

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def run_heed(heed, case, path, repeat):
    """One run of the command: its JSON, and the peak of the whole process in bytes."""
    command = [heed, "attend", "-", "--input", path, "--repeat", str(repeat), "--threads",
               str(THREADS), "--json", "-"]
    if case.startswith("full-"):
        command += ["--score", "dot", "--kernel", "dense", "--mask", "full"]
    else:
        command += ["--score", case, "--kernel", "sparse"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
    # People's text may stand before the JSON.
    answer = json.loads(text[text.index("{"):])
    return answer, usage.ru_maxrss * 1024


def spread(values, digits=1):
    return (f"{statistics.median(values):.{digits}f} "
            f"[{min(values):.{digits}f}..{max(values):.{digits}f}]")


def measure(arguments, case, folder):
    path = os.path.join(folder, case + ".npz")
    subprocess.run([sys.executable, os.path.abspath(__file__), "--role", "inputs", "--cases", case,
                    "--inputs", path, "--nodes", str(arguments.nodes), "--pairs",
                    str(arguments.pairs)], check=True)
    rounds = 3 if arguments.quick else arguments.rounds
    repeat = 3 if arguments.quick else arguments.repeat
    if case == "full-16384":
        repeat = min(repeat, 3)
    peers = {name: Peer(case, path, environment) for name, environment in VARIANTS.items()}
    # Memory first, while even the allocator that keeps memory has none to keep; this warms up too.
    extra = {name: p.ask("memory")["bytes"] for name, p in peers.items()}
    times = {name: [] for name in peers}
    apart = {name: [] for name in peers}
    ratios = {name: [] for name in peers}
    heed_times, heed_peaks = [], []
    for _ in range(rounds):
        for name, p in peers.items():
            answer = p.ask("time")
            heed, peak = run_heed(arguments.heed, case, path, repeat)
            times[name].append(answer["seconds"])
            apart[name].append(answer["projections"])
            ratios[name].append(answer["seconds"] / heed["seconds_median"])
            heed_times.append(heed["seconds_median"])
            heed_peaks.append(peak)
    for p in peers.values():
        p.end()
    os.unlink(path)
    heed_extra = heed["peak_extra_bytes"]
    print(f"{case}: Heed ({heed.get('isa')}, {heed.get('kernel')}, {heed.get('threads')} threads) "
          f"{spread([1e3 * t for t in heed_times], 2)} ms, {heed_extra / MIB:.2f} MiB extra, "
          f"whole process {max(heed_peaks) / MIB:.0f} MiB")
    for name in peers:
        memory = f"{extra[name] / heed_extra:9.1f}" if heed_extra > 0 else "  (Heed 0)"
        print(f"  {name:13s} {spread([1e3 * t for t in times[name]]):>28s} ms  "
              f"(projections taken off: {1e3 * statistics.median(apart[name]):.1f} ms)  "
              f"times Heed's: {spread(ratios[name]):>20s}  extra {extra[name] / MIB:9.1f} MiB, "
              f"times Heed's: {memory}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--heed", default="heed", help="the built command")
    parser.add_argument("--cases", default=",".join(GRAPH_CASES + FULL_CASES),
                        help="some of %(default)s; full-N for any N")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds (default 15)")
    parser.add_argument("--repeat", type=int, default=9, help="heed's --repeat (default 9)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 3")
    parser.add_argument("--nodes", type=int, default=100000)
    parser.add_argument("--pairs", type=int, default=2000000)
    parser.add_argument("--role", choices=["inputs", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--inputs", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "inputs":
        return make_inputs(arguments.cases, arguments.inputs, arguments.nodes, arguments.pairs)
    if arguments.role == "peer":
        return peer(arguments.cases, arguments.inputs)
    cases = arguments.cases.split(",")
    for case in cases:
        if case not in GRAPH_CASES and not (case.startswith("full-") and case[5:].isdigit()):
            parser.error(f"no case '{case}'")
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            measure(arguments, case, folder)


if __name__ == "__main__":
    main()
