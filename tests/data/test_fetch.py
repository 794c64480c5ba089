"""Tests of datasets/fetch.py against a server of its own on this machine. Run by fetch.sh."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

import numpy

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ.get("srcdir", "."), "datasets"))
import fetch  # noqa: E402

os.environ["no_proxy"] = "127.0.0.1"
fetch.PAUSE = 0.001
fetch.TIMEOUT = 20


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; takes one entry of `mood` for every request that is left: a number of bytes
    after which it hangs up, or a status to answer with."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.mood, self.asked, self.ranges = {}, [], [], True
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self):
        return "http://127.0.0.1:%d/" % self.server_address[1]

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        path, asked = self.path.lstrip("/"), self.headers.get("Range")
        server.asked.append((path, asked))
        mood = server.mood.pop(0) if server.mood else None
        if isinstance(mood, str):
            self.send_error(int(mood))
            return
        if path not in server.files:
            self.send_error(404)
            return
        content = server.files[path]
        start = int(asked[len("bytes="):-1]) if asked and server.ranges else 0
        if start > 0 and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range",
                             "bytes %d-%d/%d" % (start, len(content) - 1, len(content)))
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:] if mood is None else content[start:start + mood])


def checksum(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def python2(value):
    """A pickle as Python 2 wrote it (protocol 2), of what the Planetoid files have."""
    return b"\x80\x02" + opcodes(value) + b"."


def named(module, name):
    return b"c%s\n%s\n" % (module.encode(), name.encode())


class Csr:
    def __init__(self, dense):
        self.shape = dense.shape
        self.indptr = numpy.cumsum([0] + [int((row != 0).sum()) for row in dense]).astype("<i4")
        self.indices = numpy.nonzero(dense)[1].astype("<i4")
        self.data = dense[dense != 0]


def opcodes(value):
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, bytes):
        return b"T" + struct.pack("<i", len(value)) + value
    if isinstance(value, tuple):
        return b"(" + b"".join(map(opcodes, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(opcodes, value)) + b"e"
    if isinstance(value, dict):  # a defaultdict(list)
        items = b"".join(opcodes(k) + opcodes(v) for k, v in value.items())
        return (named("collections", "defaultdict") + b"(" + named("__builtin__", "list") + b"tR("
                + items + b"u")
    if isinstance(value, numpy.ndarray):
        kind = value.dtype.str.encode()
        dtype = (named("numpy", "dtype") + opcodes((kind[1:], 0, 1)) + b"R"
                 + opcodes((3, kind[:1], None, None, None, -1, -1, 0)) + b"b")
        return (named("numpy.core.multiarray", "_reconstruct") + b"(" + named("numpy", "ndarray")
                + opcodes((0,)) + opcodes(b"b") + b"tR(" + opcodes(1) + opcodes(value.shape)
                + dtype + opcodes(False) + opcodes(value.tobytes()) + b"tb")
    state = b"".join(opcodes(k) + opcodes(v) for k, v in
                     ((b"_shape", value.shape), (b"maxprint", 50), (b"indptr", value.indptr),
                      (b"indices", value.indices), (b"data", value.data)))
    return named("scipy.sparse.csr", "csr_matrix") + b")\x81}(" + state + b"ub"


# Ten nodes: 0 and 1 train, 2 to 4 validate, 5 is left out; 6, 7 and 9 test, listed in disorder; 8 is
# in no list.
TEST = [9, 6, 7]
FEATURES = numpy.array([[1, 0, 0], [0, 1, 0], [0, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 1],
                        [0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0]])
LABELS = numpy.array([0, 1, 1, 0, 1, 0, 1, 0, 0, 1])
GRAPH = {0: [1, 1, 9], 1: [0, 0, 2], 2: [1, 2], 3: [], 4: [3], 5: [4, 9, 5], 9: [0, 5], 6: [],
         7: [2], 8: []}
EDGES = [[0, 1], [0, 9], [1, 2], [2, 7], [3, 4], [4, 5], [5, 9]]


def planetoid_files(factor=1.0):
    """The files of that graph; a factor but 1 makes the features real numbers."""
    one_hot = numpy.eye(2, dtype="<i4")[LABELS]
    features = (FEATURES * factor).astype("<f4")
    parts = {"tx": Csr(features[TEST]), "allx": Csr(features[:6]), "y": one_hot[:2],
             "ty": one_hot[TEST], "ally": one_hot[:6], "graph": GRAPH}
    files = {"ind.tiny." + name: python2(value) for name, value in parts.items()}
    files["ind.tiny.test.index"] = "".join("%d\n" % i for i in TEST).encode()
    return files


MUSAE_FILES = {
    "edges/tiny_edges.csv": b"id_1,id_2\n0,3\n3,0\n2,1\n1,1\n4,0\n",
    "features/tiny.json": json.dumps({"0": [5, 2, 5], "3": [0], "2": []}).encode(),
    "target/tiny_target.csv": "id,name,kind\n3,\"a, \u4e2d\",b\n0,b,b\n1,c,a\n2,d,c\n4,e,a\n"
                              .encode(),
}


class Fetching(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.sets = dict(fetch.SETS)
        self.addCleanup(self.put_back)

    def put_back(self):
        fetch.SETS.clear()
        fetch.SETS.update(self.sets)

    def run_fetch(self, *names):
        """Exit status, and what was said on both."""
        said, wrong = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
            try:
                status = fetch.main([*names, "--into", self.folder, "--base-url", self.server.url])
            except SystemExit as stop:
                status = stop.code
        return status, said.getvalue(), wrong.getvalue()

    def offer(self, content, wanted=None):
        """A set "one" of one file."""
        self.server.files["some/where/one.npz"] = content
        fetch.SETS["one"] = fetch.Set("one file", "some/where/",
                                      {"one.npz": wanted or checksum(content)}, None)
        return os.path.join(self.folder, "one.npz")

    def assert_content(self, path, content):
        with open(path, "rb") as file:
            self.assertEqual(file.read(), content)
        self.assertEqual(os.listdir(self.folder), [os.path.basename(path)])

    def test_goes_on_where_it_broke_off(self):
        content = os.urandom(300000)
        path = self.offer(content)
        self.server.mood = [1000, 200000]
        self.assertEqual(self.run_fetch("one")[0], 0)
        self.assert_content(path, content)
        self.assertEqual([asked for _, asked in self.server.asked],
                         [None, "bytes=1000-", "bytes=201000-"])

    def test_starts_again_where_the_server_knows_no_ranges(self):
        content = os.urandom(50000)
        path = self.offer(content)
        self.server.ranges = False
        self.server.mood = [20000, 30000]
        self.assertEqual(self.run_fetch("one")[0], 0)
        self.assert_content(path, content)

    def test_goes_on_in_the_next_run(self):
        content = os.urandom(50000)
        path = self.offer(content)
        self.server.mood = [5000] + [0] * (fetch.TRIES - 1)
        status, _, wrong = self.run_fetch("one")
        self.assertEqual(status, 1)
        self.assertIn("run this again", wrong)
        self.assertEqual(os.listdir(self.folder), ["one.npz.part"])
        self.server.asked.clear()
        self.assertEqual(self.run_fetch("one")[0], 0)
        self.assertEqual(self.server.asked, [("some/where/one.npz", "bytes=5000-")])
        self.assert_content(path, content)

    def test_a_whole_part_is_taken(self):
        content = os.urandom(5000)
        path = self.offer(content)
        with open(path + ".part", "wb") as file:
            file.write(content)
        self.assertEqual(self.run_fetch("one")[0], 0)
        self.assert_content(path, content)

    def test_a_part_of_something_else_is_dropped(self):
        content = os.urandom(5000)
        path = self.offer(content)
        for other in (b"x" * 100, b"x" * 5000, b"x" * 9000):
            with open(path + ".part", "wb") as file:
                file.write(other)
            self.assertEqual(self.run_fetch("one", "--force")[0], 0)
            self.assert_content(path, content)
            os.unlink(path)

    def test_wrong_content_is_refused(self):
        path = self.offer(b"not what it should be", checksum(b"another"))
        status, _, wrong = self.run_fetch("one")
        self.assertEqual(status, 1)
        self.assertIn("the checksum is %s" % checksum(b"not what it should be")[7:], wrong)
        self.assertEqual(os.listdir(self.folder), [])
        # Nor is what was there before lost.
        with open(path, "wb") as file:
            file.write(b"old")
        self.assertEqual(self.run_fetch("one", "--force")[0], 1)
        self.assert_content(path, b"old")

    def test_what_is_there_stays(self):
        path = self.offer(b"content")
        self.assertEqual(self.run_fetch("one")[0], 0)
        self.server.asked.clear()
        status, said, _ = self.run_fetch("one")
        self.assertEqual((status, self.server.asked), (0, []))
        self.assertIn("is there", said)
        self.assert_content(path, b"content")

    def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(self):
        path = self.offer(b"content")
        self.server.mood = ["503", "429"]
        self.assertEqual(self.run_fetch("one")[0], 0)
        self.assert_content(path, b"content")
        os.unlink(path)
        self.server.files.clear()
        self.server.asked.clear()
        status, _, wrong = self.run_fetch("one")
        self.assertEqual((status, len(self.server.asked)), (1, 1))
        self.assertIn("404", wrong)

    def test_too_much_is_refused(self):
        self.offer(b"x" * 200000)
        most, fetch.MOST_BYTES = fetch.MOST_BYTES, 100000
        self.addCleanup(setattr, fetch, "MOST_BYTES", most)
        status, _, wrong = self.run_fetch("one")
        self.assertEqual(status, 1)
        self.assertIn("more than 100000 bytes", wrong)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "one.npz")))

    def test_one_failure_does_not_stop_the_others(self):
        path = self.offer(b"content")
        fetch.SETS["lost"] = fetch.Set("", "no/", {"lost.npz": checksum(b"")}, None)
        self.assertEqual(self.run_fetch("lost", "one")[0], 1)
        self.assertTrue(os.path.exists(path))

    def test_usage(self):
        self.assertEqual(self.run_fetch()[0], 2)
        status, _, wrong = self.run_fetch("nobody")
        self.assertEqual(status, 2)
        self.assertIn("roman_empire", wrong)
        status, said, _ = self.run_fetch("--list")
        self.assertEqual(status, 0)
        self.assertEqual(len(said.splitlines()), len(fetch.SETS))
        fetch.SETS["a_b"] = fetch.Set("", "", {"a_b.npz": checksum(b"1")}, None)
        self.server.files["a_b.npz"] = b"1"
        self.assertEqual(self.run_fetch("a-b")[0], 0)

    def test_checksums(self):
        path = os.path.join(self.folder, "hello")
        with open(path, "wb") as file:
            file.write(b"hello\n")
        self.assertTrue(fetch.is_right(path, "git:ce013625030ba8dba906f756967f9e9ca394464a"))
        self.assertFalse(fetch.is_right(path, "git:ce013625030ba8dba906f756967f9e9ca394464b"))
        for what in fetch.SETS.values():
            for value in what.files.values():
                self.assertRegex(value, "^(sha256:[0-9a-f]{64}|git:[0-9a-f]{40})$")

    def offer_planetoid(self, **more):
        files = planetoid_files(**more)
        self.server.files = {"p/" + name: content for name, content in files.items()}
        fetch.SETS["tiny"] = fetch.Set(
            "ten nodes", "p/", {name: checksum(content) for name, content in files.items()},
            fetch.planetoid("tiny", validation=3))
        return os.path.join(self.folder, "tiny.npz")

    def test_planetoid(self):
        path = self.offer_planetoid()
        self.server.mood = [100, 50]
        status, _, wrong = self.run_fetch("tiny")
        self.assertEqual((status, wrong), (0, ""))
        self.assertEqual(os.listdir(self.folder), ["tiny.npz"])
        with numpy.load(path) as got:
            self.assertEqual(got["node_features"].dtype, numpy.uint8)
            self.assertEqual(got["node_labels"].dtype, numpy.int64)
            numpy.testing.assert_array_equal(got["node_features"], FEATURES)
            numpy.testing.assert_array_equal(got["node_labels"], LABELS)
            numpy.testing.assert_array_equal(got["edges"], EDGES)
            for name, nodes in (("train_masks", [0, 1]), ("val_masks", [2, 3, 4]),
                                ("test_masks", [6, 7, 9])):
                self.assertEqual(got[name].shape, (1, 10))
                numpy.testing.assert_array_equal(numpy.flatnonzero(got[name]), nodes)
        self.assert_heed_opens(path, nodes=10, edges=7, features=3, classes=2, splits=1)

    def test_planetoid_of_real_numbers(self):
        path = self.offer_planetoid(factor=0.25)
        self.assertEqual(self.run_fetch("tiny")[0], 0)
        with numpy.load(path) as got:
            self.assertNotIn("node_features", got)
            dense = numpy.zeros(got["features_shape"])
            rows = numpy.repeat(numpy.arange(10), numpy.diff(got["features_indptr"]))
            dense[rows, got["features_indices"]] = got["features_data"]
            numpy.testing.assert_array_equal(dense, FEATURES * 0.25)
        self.assert_heed_opens(path, nodes=10, edges=7, features=3, classes=2, splits=1)

    def test_planetoid_that_does_not_fit(self):
        self.offer_planetoid()
        for name, content in (("test.index", b"9\n6\n"), ("test.index", b"9\n5\n7\n"),
                              ("test.index", b""), ("graph", python2({0: [10]})),
                              ("graph", python2([])), ("y", python2({})), ("tx", b"\x80\x02"),
                              ("allx", b"")):
            files = dict(planetoid_files(), **{"ind.tiny." + name: content})
            for file, text in files.items():
                with open(os.path.join(self.folder, file), "wb") as out:
                    out.write(text)
            with self.assertRaises((fetch.Failure, ValueError), msg=(name, content)):
                fetch.planetoid("tiny")({f: os.path.join(self.folder, f) for f in files})

    def test_pickles_run_nothing(self):
        trace = os.path.join(self.folder, "trace")
        command = b"(" + opcodes(b"touch " + trace.encode()) + b"tR."
        array = python2(numpy.zeros(2, "<f4"))
        hostile = [
            b"\x80\x02" + named("os", "system") + command,
            b"\x80\x02" + named("posix", "system") + command,
            b"\x80\x02" + named("__builtin__", "eval") + command,
            b"\x80\x02" + named("builtins", "exec") + command,
            b"\x80\x02" + named("subprocess", "call") + command,
            b"\x80\x02" + named("fetch", "download") + command,
            b"\x80\x02" + named("numpy", "fromfile") + command,
            b"\x80\x02" + named("collections", "defaultdict.__init__") + command,
            b"\x80\x04\x8c\x02os\x8c\x06system\x93" + command,
            array.replace(b"f4", b"O8"),  # objects
            array.replace(b"<", b">"),
            array.replace(b"J\x02\0\0\0", b"J\x40\0\0\0"),  # more numbers than there are
            array[:-30],
        ]
        for content in hostile:
            path = os.path.join(self.folder, "pickle")
            with open(path, "wb") as file:
                file.write(content)
            with self.assertRaises(fetch.Failure, msg=content):
                fetch.unpickle(path, fetch.Array)
            self.assertFalse(os.path.exists(trace), content)
        broken = Csr(numpy.eye(3, dtype="<f4"))
        broken.indices[1] = 3
        with open(path, "wb") as file:
            file.write(python2(broken))
        with self.assertRaises(fetch.Failure):
            fetch.unpickle(path, fetch.Sparse)

    def test_musae(self):
        self.server.files = {"m/" + name: content for name, content in MUSAE_FILES.items()}
        fetch.SETS["tiny"] = fetch.Set(
            "five nodes", "m/", {name: checksum(content) for name, content in MUSAE_FILES.items()},
            fetch.musae("tiny", "kind", "id", columns=9))
        status, _, wrong = self.run_fetch("tiny")
        self.assertEqual((status, wrong), (0, ""))
        path = os.path.join(self.folder, "tiny.npz")
        with numpy.load(path) as got:
            numpy.testing.assert_array_equal(got["node_labels"], [1, 0, 2, 1, 0])
            numpy.testing.assert_array_equal(got["edges"], [[0, 3], [0, 4], [1, 2]])
            numpy.testing.assert_array_equal(got["features_indptr"], [0, 2, 2, 2, 3, 3])
            numpy.testing.assert_array_equal(got["features_indices"], [2, 5, 0])
            numpy.testing.assert_array_equal(got["features_shape"], [5, 9])
            parts = numpy.stack([got[name] for name in ("train_masks", "val_masks", "test_masks")])
            self.assertEqual(parts.shape, (3, 10, 5))
            numpy.testing.assert_array_equal(parts.sum(axis=0), 1)
            numpy.testing.assert_array_equal(parts.sum(axis=2), [[3] * 10, [1] * 10, [1] * 10])
        self.assert_heed_opens(path, nodes=5, edges=3, features=9, classes=3, splits=10)

    def assert_heed_opens(self, path, **wanted):
        heed = os.environ.get("HEED")
        if heed is None:
            return
        run = subprocess.run([heed, "info", path, "--masks", "graph", "--json", "-"],
                             capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        told = json.loads(run.stdout)
        self.assertEqual({key: told[key] for key in wanted}, wanted)


if __name__ == "__main__":
    unittest.main()
