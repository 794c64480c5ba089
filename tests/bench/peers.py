#!/usr/bin/env python3
"""Heed's attention, forward and backward, against PyTorch, PyTorch Geometric and, where it is
installed, DGL, interleaved; README.md says what is measured. Needs a Python with torch,
torch_geometric and numpy, and a built `heed`. A whole training epoch is training.py's business.

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

THREADS = 2
SCORES = ["gat", "gatv2", "dot"]
MILLION = "-million"  # the same scores on a graph of a million nodes and ten million pairs
GRAPH_CASES = SCORES + [score + MILLION for score in SCORES]
FULL_CASES = ["full-1024", "full-4096", "full-16384"]
PASSES = ["forward", "both"]
# The allocator keeps what it once had: no page faults after the first call.
KEEPING = ("glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=1099511627776:"
           "glibc.malloc.arena_max=1")
VARIANTS = {
    "as installed": {},
    "tuned": {"GLIBC_TUNABLES": KEEPING},
    # Heed asks for huge pages for arrays of some megabytes; so may anybody.
    "tuned, huge pages": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:" + KEEPING},
}
MIB = 1024.0 * 1024.0


def is_full(case):
    return case.startswith("full-")


def score_of(case):
    return "dot" if is_full(case) else case.replace(MILLION, "")


# ---------------------------------------------------------------- in a child: the graph

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


def make_graph(path, nodes, pairs):
    import numpy as np
    indptr, indices = power_law_mask(nodes, pairs, 11)
    np.savez(path, indptr=indptr, indices=indices)


# ---------------------------------------------------------------- in a child: a peer

def kib(field):
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise RuntimeError(field)


def full_calls(case):
    """Forward and backward of full attention: whole(gradients), no projections."""
    import torch
    n = int(case[5:])
    q, k, v = (torch.randn(1, 8, n, 64, requires_grad=True) for _ in range(3))
    d_out = torch.randn(1, 8, n, 64)
    attention = torch.nn.functional.scaled_dot_product_attention
    tiny = torch.randn(1, 8, 64, 64)
    attention(tiny, tiny, tiny)

    def whole(gradients):
        out = attention(q, k, v)
        if gradients:
            q.grad = k.grad = v.grad = None
            out.backward(d_out)
        return out

    array = q.numel() * 4
    return whole, None, {"forward": array, "both": 4 * array}


def layer_of(library, score, graph):
    """A layer from 64 numbers to 8 x 8 without bias or self-loops, a call of it and its projections."""
    import torch
    n = len(graph["indptr"]) - 1
    source = torch.from_numpy(graph["indices"]).long()
    target = torch.repeat_interleave(torch.arange(n), torch.diff(torch.from_numpy(graph["indptr"])))
    if library == "dgl":
        import dgl
        from dgl.nn import DotGatConv, GATConv, GATv2Conv
        whole_graph = dgl.graph((source, target), num_nodes=n).formats(["coo", "csr", "csc"])
        whole_graph.create_formats_()
        zeros = {"allow_zero_in_degree": True}
        if score == "gat":
            layer = GATConv(64, 8, 8, bias=False, **zeros)
            projections = [layer.fc]
        elif score == "gatv2":
            layer = GATv2Conv(64, 8, 8, bias=False, **zeros)
            projections = [layer.fc_src, layer.fc_dst]
        else:
            layer = DotGatConv(64, 8, 8, **zeros)
            projections = [layer.fc]
        return layer, lambda x: layer(whole_graph, x).flatten(1), projections
    from torch_geometric.nn import GATConv, GATv2Conv, TransformerConv
    edges = torch.stack([source, target])  # sorted by target, as Heed's rows
    same = {"heads": 8, "bias": False}
    if score == "gat":
        layer = GATConv(64, 8, add_self_loops=False, **same)
        projections = [layer.lin]
    elif score == "gatv2":
        layer = GATv2Conv(64, 8, add_self_loops=False, **same)
        projections = [layer.lin_l, layer.lin_r]
    else:
        layer = TransformerConv(64, 8, root_weight=False, **same)
        projections = [layer.lin_query, layer.lin_key, layer.lin_value]
    layer(torch.randn(64, 64), torch.zeros(2, 64, dtype=torch.long))
    return layer, lambda x: layer(x, edges), projections


def layer_calls(library, case, path):
    """The same of a layer; its projections apart, forward and backward. Weights and numbers are random:
    the time does not depend on them."""
    import numpy as np
    import torch
    graph = dict(np.load(path))
    n = len(graph["indptr"]) - 1
    layer, call, projections = layer_of(library, score_of(case), graph)
    layer.eval()
    x, d_out = torch.randn(n, 64, requires_grad=True), torch.randn(n, 64)

    def forget():
        x.grad = None
        layer.zero_grad(set_to_none=True)

    def whole(gradients):
        out = call(x)
        if gradients:
            forget()
            out.backward(d_out)
        return out

    def apart(gradients):
        outs = [project(x) for project in projections]
        if gradients:
            forget()
            for out in outs:
                out.backward(d_out)
        return outs

    # Inputs (the projections), output and gradients are taken off the peak memory, as for Heed.
    array = n * 64 * 4
    return whole, apart, {"forward": array * (len(projections) + 1),
                          "both": array * (2 * len(projections) + 2)}


def peer(library, case, path):
    """Answers each line of standard input, "memory PASS" or "time PASS", with a line of JSON."""
    import gc
    import time
    import torch
    torch.set_num_threads(THREADS)
    whole, apart, result = full_calls(case) if is_full(case) else layer_calls(library, case, path)

    def clock(call, gradients):
        start = time.perf_counter()
        with torch.set_grad_enabled(gradients):
            got = call(gradients)
        seconds = time.perf_counter() - start
        del got
        return seconds

    def memory(which):
        gc.collect()
        before = kib("VmRSS")
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        clock(whole, which == "both")
        return max(0, (kib("VmHWM") - before) * 1024 - result[which])

    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        what, which = line.split()
        if what == "memory":
            answer = {"bytes": memory(which)}
        else:
            seconds = clock(whole, which == "both")
            projections = clock(apart, which == "both") if apart else 0.0
            answer = {"seconds": max(seconds - projections, 1e-9), "projections": projections}
        print(json.dumps(answer), flush=True)


# ---------------------------------------------------------------- the driver

class Peer:
    def __init__(self, library, case, path, environment):
        env = dict(os.environ, OMP_NUM_THREADS=str(THREADS), MKL_NUM_THREADS=str(THREADS),
                   **environment)
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--role", "peer",
                                         "--library", library, "--cases", case, "--inputs", path],
                                        env=env, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a peer ended early")
        return json.loads(line)

    def ask(self, what, which):
        self.process.stdin.write(f"{what} {which}\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def run_heed(heed, case, path, passes, repeat):
    """One run of `heed bench`: its record of each pass, and the peak of the whole process in bytes."""
    command = [heed, "bench", "--threads", str(THREADS), "--repeat", str(repeat), "--budget", "0",
               "--score", score_of(case), "--pass", ",".join(passes), "--json", "-"]
    if is_full(case):
        command += ["--graph", "full:" + case[5:], "--size", "64", "--kernel", "dense"]
    else:
        command += ["--graph", path, "--kernel", "sparse"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
    return {c["pass"]: c for c in json.loads(text)["cases"]}, usage.ru_maxrss * 1024


def spread(values, digits=1):
    return (f"{statistics.median(values):.{digits}f} "
            f"[{min(values):.{digits}f}..{max(values):.{digits}f}]")


def have(module):
    return subprocess.run([sys.executable, "-c", f"import {module}"], stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, check=False).returncode == 0


def tell(case, which, heed, peaks, peers, results):
    """Prints a pass of a case, and keeps it in `results`."""
    extra = heed[-1]["peak_extra_bytes"]
    times = [1e3 * run["seconds_median"] for run in heed]
    print(f"{case}, {which}: Heed ({heed[-1]['kernel']}, {THREADS} threads) {spread(times, 2)} ms, "
          f"{heed[-1]['ns_per_pair']:.1f} ns a pair, {extra / MIB:.2f} MiB extra, whole process "
          f"{max(peaks) / MIB:.0f} MiB")
    for (library, name), p in peers.items():
        seconds = [t["seconds"] for t in p[which]["times"]]
        projections = [t["projections"] for t in p[which]["times"]]
        ratios = [s / h["seconds_median"] for s, h in zip(seconds, heed)]
        # A whole layer of ours is taken to project as fast as the peer does.
        whole = [(s + a) / (h["seconds_median"] + a) for s, a, h in zip(seconds, projections, heed)]
        memory = p[which]["bytes"] / extra if extra > 0 else float("nan")
        print(f"  {library + ', ' + name:24s} {spread([1e3 * s for s in seconds]):>28s} ms, times "
              f"Heed's {spread(ratios):>22s}", end="")
        if max(projections) > 0:
            print(f"; projections, taken off, {1e3 * statistics.median(projections):.1f} ms, whole "
                  f"layers {spread(whole)}", end="")
        print(f"; extra {p[which]['bytes'] / MIB:.1f} MiB, times Heed's {memory:.1f}", flush=True)
        results.append({"case": case, "pass": which, "library": library, "variant": name,
                        "heed_ms": times, "peer_ms": [1e3 * s for s in seconds], "ratios": ratios,
                        "whole_layer_ratios": whole, "peer_extra_bytes": p[which]["bytes"],
                        "heed_extra_bytes": extra})


def measure(arguments, case, folder, libraries, results):
    path = ""
    if not is_full(case):
        nodes, pairs = arguments.nodes, arguments.pairs
        if case.endswith(MILLION):
            nodes, pairs = 10 ** 6, 10 ** 7
        path = os.path.join(folder, f"{nodes}-{pairs}.npz")
        if not os.path.exists(path):
            subprocess.run([sys.executable, os.path.abspath(__file__), "--role", "graph", "--inputs",
                            path, "--nodes", str(nodes), "--pairs", str(pairs)], check=True)
    large = case == "full-16384" or case.endswith(MILLION)
    rounds = arguments.rounds or (3 if arguments.quick or large else 15)
    repeat = arguments.repeat or (3 if arguments.quick or large else 9)
    passes = arguments.passes.split(",")
    names = [n for n in VARIANTS if not arguments.tuned or n != "as installed"]
    peers = {}
    for library in ["torch"] if is_full(case) else libraries:
        for name in names:
            kept = {}
            for which in passes:  # in a process of its own each, whose allocator has nothing to keep
                fresh = Peer(library, case, path, VARIANTS[name])
                kept[which] = {"times": [], "bytes": fresh.ask("memory", which)["bytes"]}
                fresh.end()
            peers[library, name] = kept
    heed, peaks = {which: [] for which in passes}, []
    # A million nodes leave no room for all peers at once: those start anew each round.
    held = {} if large else {key: Peer(key[0], case, path, VARIANTS[key[1]]) for key in peers}
    for p in held.values():
        for which in passes:
            p.ask("time", which)  # warms up
    for _ in range(rounds):
        for key, kept in peers.items():
            p = held[key] if held else Peer(key[0], case, path, VARIANTS[key[1]])
            for which in passes:
                if not held:
                    p.ask("time", which)
                kept[which]["times"].append(p.ask("time", which))
            if not held:
                p.end()
        records, peak = run_heed(arguments.heed, case, path, passes, repeat)
        peaks.append(peak)
        for which in passes:
            heed[which].append(records[which])
    for p in held.values():
        p.end()
    for which in passes:
        tell(case, which, heed[which], peaks, peers, results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--heed", default="heed", help="the built command")
    parser.add_argument("--cases", default=",".join(SCORES + FULL_CASES),
                        help=f"some of {','.join(GRAPH_CASES)} and full-N for any N (default "
                             "%(default)s)")
    parser.add_argument("--passes", default=",".join(PASSES),
                        help="forward, both (forward and backward) or %(default)s, the default")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 15; large cases 3)")
    parser.add_argument("--repeat", type=int, help="heed's --repeat (default 9; large cases 3)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 3")
    parser.add_argument("--tuned", action="store_true", help="leave out the peers as installed")
    parser.add_argument("--nodes", type=int, default=100000)
    parser.add_argument("--pairs", type=int, default=2000000)
    parser.add_argument("--json", help="write every round to this file")
    parser.add_argument("--role", choices=["graph", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--library", default="pyg", help=argparse.SUPPRESS)
    parser.add_argument("--inputs", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "graph":
        return make_graph(arguments.inputs, arguments.nodes, arguments.pairs)
    if arguments.role == "peer":
        return peer(arguments.library, arguments.cases, arguments.inputs)
    cases = arguments.cases.split(",")
    for case in cases:
        if case not in GRAPH_CASES and not (is_full(case) and case[5:].isdigit()):
            parser.error(f"no case '{case}'")
    for which in arguments.passes.split(","):
        if which not in PASSES:
            parser.error(f"no pass '{which}'")
    libraries = ["pyg"]
    if not all(is_full(case) for case in cases):
        if have("dgl.nn"):
            libraries.append("dgl")
        else:
            print("DGL: left out, it cannot be imported")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            measure(arguments, case, folder, libraries, results)
    print("A training epoch, side by side: training.py")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
