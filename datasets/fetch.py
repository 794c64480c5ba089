#!/usr/bin/env python3
"""Downloads public graphs and writes them as .npz archives that heed opens.

    fetch.py cora citeseer             # writes cora.npz and citeseer.npz
    fetch.py --list

Needs Python 3 and NumPy. README.md beside this file says where each set comes from, under which
licence, and whom to cite.

What arrives is checked against the checksum written here before anything looks into it. A download
that broke off goes on where it stopped, in this run or in the next one; a file gets its name only
when it is whole."""

import argparse
import collections
import csv
import fcntl
import hashlib
import http.client
import json
import os
import pickle
import re
import sys
import time
import urllib.error
import urllib.request

import numpy

BASE = "https://raw.githubusercontent.com/"
TRIES = 5  # for each file, each going on where the last one stopped
PAUSE = 1.0  # seconds before the second try, twice as many before each further one
TIMEOUT = 60  # seconds without a byte
CHUNK = 1 << 16
MOST_BYTES = 1 << 30  # of one file: none of them has a tenth of it


class Failure(Exception):
    """What went wrong, as a sentence."""


# --- Downloading --------------------------------------------------------------------------------


def digest(path, kind):
    """The checksum of a file: "sha256", or "git", by which git knows its content."""
    state = hashlib.sha256() if kind == "sha256" else hashlib.sha1()
    if kind == "git":
        state.update(b"blob %d\0" % os.path.getsize(path))
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            state.update(chunk)
    return state.hexdigest()


def is_right(path, checksum):
    kind, _, wanted = checksum.partition(":")
    return digest(path, kind) == wanted


def length_of(response, start):
    """How long the whole file is, or None; whether it comes from `start` on."""
    content_range = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
    if response.status == 206:
        if match is None or int(match[1]) != start:
            raise Failure("the server sent another part than was asked for")
        return (None if match[2] == "*" else int(match[2])), True
    length = response.headers.get("Content-Length")
    return (None if length is None else int(length)), False


def read_on(url, part):
    """Reads what is missing at the end of `part`, an open file. True if it is whole."""
    start = part.seek(0, os.SEEK_END)
    request = urllib.request.Request(url, headers={"User-Agent": "heed-fetch"})
    if start > 0:
        request.add_header("Range", "bytes=%d-" % start)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        whole, goes_on = length_of(response, start)
        if not goes_on:
            part.seek(0)
            part.truncate()
        for chunk in iter(lambda: response.read(CHUNK), b""):
            part.write(chunk)
            if part.tell() > MOST_BYTES:
                part.truncate(0)
                raise Failure("more than %d bytes" % MOST_BYTES)
    return whole is None or part.tell() == whole


def read_whole(url, part, say):
    """Fills `part` in as many tries as it takes, but not more than TRIES."""
    for attempt in range(TRIES):
        if attempt > 0:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            if read_on(url, part):
                return
            reason = "the connection broke off"
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing is left to send: the checksum will tell
                return
            if error.code < 500 and error.code != 429:
                raise Failure("%s: the server says %d %s" % (url, error.code, error.reason))
            reason = "the server says %d" % error.code
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        finally:
            part.flush()
        say("  %s after %d bytes" % (reason, part.seek(0, os.SEEK_END)))
    raise Failure("%s: %s, %d times; run this again to go on" % (url, reason, TRIES))


def sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def download(url, path, checksum, say):
    """Brings `url` to `path`, through path + ".part"."""
    if os.path.exists(path) and is_right(path, checksum):
        return
    say("  %s" % url)
    temporary = path + ".part"
    with open(temporary, "ab+") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failure("%s: somebody else is at it" % temporary)
        resumed = part.seek(0, os.SEEK_END) > 0
        read_whole(url, part, say)
        if not is_right(temporary, checksum) and resumed:
            say("  what was there before does not fit: once more from the start")
            part.truncate(0)
            read_whole(url, part, say)
        if not is_right(temporary, checksum):
            found = digest(temporary, checksum.partition(":")[0])
            part.truncate(0)  # or the next run would add to it
            os.unlink(temporary)
            raise Failure("%s: the checksum is %s, not %s" % (url, found, checksum))
        os.fsync(part.fileno())
        os.replace(temporary, path)
    sync_folder(os.path.dirname(path) or ".")


def write_npz(path, arrays):
    """Writes an archive beside `path` and renames it."""
    temporary = "%s.%d.part" % (path, os.getpid())
    try:
        with open(temporary, "xb") as file:
            numpy.savez_compressed(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    sync_folder(os.path.dirname(path) or ".")


# --- Python 2 pickles, without running what they say ---------------------------------------------


class Dtype:
    """Stands in for numpy.dtype."""

    def __init__(self, text, *_):
        if not isinstance(text, str) or re.fullmatch("[fiub][1248]", text) is None:
            raise Failure("a pickled array of type %r" % (text,))
        self.dtype = numpy.dtype(text)

    def __setstate__(self, state):
        if state[1] not in ("<", "|", "="):
            raise Failure("a pickled array of byte order %r" % (state[1],))


class Array:
    """Stands in for numpy.ndarray: the numbers are in `value`."""

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        if isinstance(data, str):
            data = data.encode("latin1")
        order = "F" if fortran else "C"
        self.value = numpy.frombuffer(data, dtype.dtype).reshape(shape, order=order)


class Sparse:
    """Stands in for SciPy's csr_matrix."""

    def __setstate__(self, state):
        self.shape = state["_shape" if "_shape" in state else "shape"]
        self.indptr = state["indptr"].value.astype(numpy.int64)
        self.indices = state["indices"].value.astype(numpy.int64)
        self.data = state["data"].value
        rows, cols = self.shape
        if (len(self.indptr) != rows + 1 or self.indptr[0] != 0
                or self.indptr[-1] != len(self.indices) or len(self.data) != len(self.indices)
                or (numpy.diff(self.indptr) < 0).any()
                or ((self.indices < 0) | (self.indices >= cols)).any()):
            raise Failure("a pickled sparse matrix whose arrays disagree")

    def dense(self):
        out = numpy.zeros(self.shape, self.data.dtype)
        rows = numpy.repeat(numpy.arange(self.shape[0]), numpy.diff(self.indptr))
        numpy.add.at(out, (rows, self.indices), self.data)
        return out


def make_array(kind, *_):
    if kind is not Array:
        raise Failure("a pickled array of a class of its own")
    return Array()


class Unpickler(pickle.Unpickler):
    """Knows the few names that the Planetoid files use; all others are refused."""

    NAMES = {
        ("collections", "defaultdict"): collections.defaultdict,
        ("__builtin__", "list"): list,
        ("numpy", "dtype"): Dtype,
        ("numpy", "ndarray"): Array,
        ("numpy.core.multiarray", "_reconstruct"): make_array,
        ("scipy.sparse.csr", "csr_matrix"): Sparse,
    }

    def find_class(self, module, name):
        if (module, name) not in self.NAMES:
            raise Failure("a pickle that asks for %s.%s" % (module, name))
        return self.NAMES[module, name]


def unpickle(path, kind):
    try:
        with open(path, "rb") as file:
            value = Unpickler(file, encoding="latin1").load()
    except Failure as failure:
        raise Failure("%s: %s" % (path, failure))
    except Exception as error:  # whatever a broken pickle makes of the stand-ins
        raise Failure("%s: no pickle of %s: %s" % (path, kind.__name__, error))
    if not isinstance(value, kind):
        raise Failure("%s: a pickle of %s, not of %s" % (path, type(value).__name__, kind.__name__))
    return value


# --- Making archives -----------------------------------------------------------------------------


def undirected(pairs, nodes):
    """Every edge once, the smaller node first, in order, without self-loops."""
    pairs = numpy.asarray(pairs, numpy.int64).reshape(-1, 2)
    if len(pairs) > 0 and (pairs.min() < 0 or pairs.max() >= nodes):
        raise Failure("an edge names node %d or %d of %d" % (pairs.min(), pairs.max(), nodes))
    pairs = numpy.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return numpy.unique(pairs, axis=0)


def masks(nodes, rows):
    """One row a split, each a triple of node lists."""
    names = ("train_masks", "val_masks", "test_masks")
    out = {name: numpy.zeros((len(rows), nodes), bool) for name in names}
    for split, parts in enumerate(rows):
        for name, part in zip(names, parts):
            out[name][split, part] = True
    return out


def sparse_features(lists, nodes, columns):
    """The arrays of 0/1 features from a list of columns for every node."""
    rows = [sorted(set(lists.get(str(node), ()))) for node in range(nodes)]
    return {
        "features_indptr": numpy.cumsum([0] + [len(row) for row in rows], dtype=numpy.int64),
        "features_indices": numpy.array([c for row in rows for c in row], numpy.int32),
        "features_data": numpy.ones(sum(map(len, rows)), numpy.uint8),
        "features_shape": numpy.array([nodes, columns], numpy.int64),
    }


def csr_features(dense):
    """The arrays of real features, of which most are zero."""
    rows, columns = numpy.nonzero(dense)
    counts = numpy.bincount(rows, minlength=len(dense))
    return {
        "features_indptr": numpy.concatenate([[0], numpy.cumsum(counts)]).astype(numpy.int64),
        "features_indices": columns.astype(numpy.int32),
        "features_data": dense[rows, columns].astype(numpy.float32),
        "features_shape": numpy.array(dense.shape, numpy.int64),
    }


def planetoid(name, validation=500):
    """The public split: the leading rows train, the next ones validate, the listed ones test."""

    def convert(files):
        path = lambda what: files["ind.%s.%s" % (name, what)]
        tx, allx = (unpickle(path(what), Sparse).dense() for what in ("tx", "allx"))
        y, ty, ally = (unpickle(path(what), Array).value for what in ("y", "ty", "ally"))
        graph = unpickle(path("graph"), dict)
        with open(path("test.index"), encoding="ascii") as file:
            test = numpy.array([int(line) for line in file], numpy.int64)
        first = len(allx)
        if (len(test) == 0 or test.min() != first or len(tx) != len(test) or len(ty) != len(test)
                or len(ally) != first or len(numpy.unique(test)) != len(test)):
            raise Failure("%s: %d nodes, %d in the test from %d on: these do not fit"
                          % (path("test.index"), first, len(test), test.min(initial=0)))
        # Nodes between that no line lists have no features and no known label.
        nodes = int(test.max()) + 1
        features = numpy.zeros((nodes, allx.shape[1]), allx.dtype)
        features[:first], features[test] = allx, tx
        labels = numpy.zeros(nodes, numpy.int64)
        labels[:first], labels[test] = ally.argmax(axis=1), ty.argmax(axis=1)
        binary = ((features == 0) | (features == 1)).all()
        last = min(len(y) + validation, first)
        split = (numpy.arange(len(y)), numpy.arange(len(y), last), test)
        return {
            **({"node_features": features.astype(numpy.uint8)} if binary
               else csr_features(features)),
            "node_labels": labels,
            "edges": undirected([(a, b) for a in graph for b in graph[a]], nodes),
            **masks(nodes, [split]),
        }

    return convert


def musae(name, label_of, node_column, columns=None):
    """Ten splits made by NumPy's generator: 60 % train, 20 % validate, 20 % test."""

    def convert(files):
        def rows(what):
            with open(files[what], encoding="utf-8", newline="") as file:
                yield from csv.DictReader(file)

        labels = {int(row[node_column]): row[label_of] for row in rows(name + "_target.csv")}
        nodes = len(labels)
        if sorted(labels) != list(range(nodes)):
            raise Failure("%s: the nodes are not 0 to %d" % (files[name + "_target.csv"],
                                                             nodes - 1))
        names = sorted(set(labels.values()))
        with open(files[name + ".json"], encoding="utf-8") as file:
            lists = json.load(file)
        found = 1 + max(column for row in lists.values() for column in row)
        splits = []
        for seed in range(10):
            order = numpy.random.default_rng(seed).permutation(nodes)
            cuts = int(0.6 * nodes), int(0.6 * nodes) + int(0.2 * nodes)
            splits.append((order[:cuts[0]], order[cuts[0]:cuts[1]], order[cuts[1]:]))
        return {
            **sparse_features(lists, nodes, columns or found),
            "node_labels": numpy.array([names.index(labels[i]) for i in range(nodes)],
                                       numpy.int64),
            "edges": undirected([[int(x) for x in row.values()]
                                 for row in rows(name + "_edges.csv")], nodes),
            **masks(nodes, splits),
        }

    return convert


# --- The sets ------------------------------------------------------------------------------------

# What a set is made of: the folder of its files, their checksums, and how they become arrays; None
# where the one file is the archive already.
Set = collections.namedtuple("Set", "about folder files convert")

PLANETOID = "kimiyoung/planetoid/af6abf468a772cc055bec88c52e4d6f51b7c37e3/data/"
HETEROPHILOUS = ("yandex-research/heterophilous-graphs/"
                 "a431395582e929d88271309716bea4fe24ce6318/data/")
MUSAE = "benedekrozemberczki/MUSAE/5f901232957b6c9985d750aac48cda39a4b24285/input/"


def planetoid_set(name, about, checksums):
    # The file x is left out: it has the leading rows of allx.
    parts = ("y", "tx", "ty", "allx", "ally", "graph", "test.index")
    files = {"ind.%s.%s" % (name, part): checksum for part, checksum in zip(parts, checksums)}
    return Set(about, PLANETOID, files, planetoid(name))


def archive_set(name, about, checksum):
    return Set(about, HETEROPHILOUS, {name + ".npz": checksum}, None)


SETS = {
    "cora": planetoid_set("cora", "citations, 2,708 nodes, 7 classes, public split", (
        "sha256:94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
        "sha256:b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
        "sha256:41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
        "sha256:9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
        "sha256:2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
        "sha256:58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
        "sha256:297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
    )),
    "citeseer": planetoid_set("citeseer", "citations, 3,327 nodes, 6 classes, public split", (
        "sha256:8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
        "sha256:539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
        "sha256:55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
        "sha256:2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
        "sha256:f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
        "sha256:d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
        "sha256:2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
    )),
    "pubmed": planetoid_set("pubmed", "citations, 19,717 nodes, 3 classes, public split", (
        "sha256:e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3",
        "sha256:4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d",
        "sha256:ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd",
        "git:3b86bccf08111c37c632a9dd8ab63db25ea76361",
        "sha256:0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e",
        "sha256:5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9",
        "sha256:b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5",
    )),
    "roman_empire": archive_set("roman_empire", "words of an article, 22,662 nodes, 18 classes, 10 splits",
        "git:1f9bae5e95b28e529015269e98acb237b65d8d3b"),
    "amazon_ratings": archive_set("amazon_ratings", "products bought together, 24,492 nodes, 5 classes, 10 splits",
        "git:29647a8b0ff0ef856d73d683a8c3595bd5efbd38"),
    "minesweeper": archive_set("minesweeper", "a grid of mines, 10,000 nodes, 2 classes, 10 splits",
        "sha256:e664c8dacf1e8ac466c2c09ed4b237bd2c5541f47a6eae9c6092cb87f16412b3"),
    "tolokers": archive_set("tolokers", "workers of a platform, 11,758 nodes, 2 classes, 10 splits",
        "sha256:dacf3ac94cec53d03cd2adb5255c08b33dee1656c33ca8164a464bd9450a1667"),
    "questions": archive_set("questions", "users of a forum, 48,921 nodes, 2 classes, 10 splits",
        "git:4c7cb65057dbc9771af00fdfdee64a41b3875079"),
    "facebook": Set("pages that like each other, 22,470 nodes, 4 classes, 10 splits", MUSAE, {
        "edges/facebook_edges.csv":
            "sha256:7c50d8f02a75cc0829577814a1fc14535164daa38d79c3612340c9e9cdbd4022",
        "features/facebook.json":
            "sha256:ea870537646a93642a0008d38aa9bfeff02018070ba97b1f3f469d9622626436",
        "target/facebook_target.csv":
            "sha256:7bd96eafea3c2ca40f44bfa9e73642194696c21e38c7b29ed409c32ad14075cd",
    }, musae("facebook", "page_type", "id")),
    # The seven language networks share 3,170 features.
    "twitch_engb": Set("friends among streamers, 7,126 nodes, 2 classes, 10 splits", MUSAE, {
        "edges/ENGB_edges.csv":
            "sha256:5ea4d7f7267454e9523577eb2a9b4dcb7a22dd660a548240f01b815d08e0e3cc",
        "features/ENGB.json":
            "sha256:d55948bd911ab28e0a89c4946562d5a8b363b9a7e4216e1a4986f37c74caa777",
        "target/ENGB_target.csv":
            "sha256:e9d51399878216d2dd662b0a152b602cccde7b5cbb8452cb91d9379f64114443",
    }, musae("ENGB", "mature", "new_id", columns=3170)),
}


def fetch(name, folder, base, force, say):
    what = SETS[name]
    target = os.path.join(folder, name + ".npz")
    if os.path.exists(target) and not force:
        say("%s: is there" % target)
        return
    say("%s: %s" % (name, what.about))
    if what.convert is None:
        (file, checksum), = what.files.items()
        download(base + what.folder + file, target, checksum, say)
    else:
        raw = os.path.join(folder, name + ".raw")
        os.makedirs(raw, exist_ok=True)
        files = {}
        for file, checksum in what.files.items():
            local = os.path.basename(file)
            files[local] = os.path.join(raw, local)
            download(base + what.folder + file, files[local], checksum, say)
        write_npz(target, what.convert(files))
        for path in files.values():
            os.unlink(path)
        if not os.listdir(raw):
            os.rmdir(raw)
    say("%s: sha256 %s" % (target, digest(target, "sha256")))


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description="Downloads public graphs and writes them as .npz archives.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a set, see --list")
    parser.add_argument("--into", default=".", metavar="DIR", help="folder to write to (.)")
    parser.add_argument("--list", action="store_true", help="list the sets")
    parser.add_argument("--force", action="store_true", help="write archives that are there anew")
    parser.add_argument("--base-url", default=BASE, metavar="URL",
                        help="where to find what is at %s" % BASE)
    given = parser.parse_args(arguments)
    if given.list:
        for name, what in SETS.items():
            print("%-15s %s" % (name, what.about))
        return 0
    names = [name.replace("-", "_") for name in given.names]
    unknown = [name for name in names if name not in SETS]
    if not names or unknown:
        parser.error("no set named %s; there are %s" % (", ".join(unknown), ", ".join(SETS))
                     if unknown else "which set? --list lists them")
    base = given.base_url if given.base_url.endswith("/") else given.base_url + "/"
    failed = 0
    for name in names:
        try:
            os.makedirs(given.into, exist_ok=True)
            fetch(name, given.into, base, given.force, lambda line: print(line, flush=True))
        except (Failure, OSError) as failure:
            print("fetch.py: %s: %s" % (name, failure), file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("fetch.py: stopped; run it again to go on")
