"""Makes the good-*.npz and bad-*.npz beside it; run once with NumPy. README-npz.md describes them."""
import io, os, zipfile
import numpy as np
os.chdir(os.path.dirname(os.path.abspath(__file__)))
X = np.arange(12, dtype=np.float32).reshape(4, 3)
good = dict(node_features=X, node_labels=np.array([0, 1, -1, 1]), edges=np.array([[0, 1], [1, 2]]),
            train_masks=np.eye(1, 4, 0, bool), val_masks=np.eye(1, 4, 1, bool),
            test_masks=np.eye(1, 4, 2, bool))
np.savez_compressed("good-dense.npz", **good)
np.savez("good-fortran.npz", x=np.asfortranarray(X))
csr = {k: v for k, v in good.items() if k in ("edges", "node_labels")}
csr.update(features_indptr=np.array([0, 1, 1, 2, 2]), features_indices=np.array([2, 0], np.int32),
           features_data=np.ones(2, np.uint8), features_shape=np.array([4, 3]))
np.savez("good-sparse.npz", **csr)
def bad(name, base=good, **change): np.savez("bad-%s.npz" % name, **{**base, **change})
Y = X.copy(); Y[2, 1] = np.nan; bad("nan", node_features=Y)
Y = X.copy(); Y[1, 0] = -np.inf; bad("minus-infinity", node_features=Y)
bad("edge", edges=np.array([[0, 1], [1, 4]]))
bad("lengths", node_labels=np.zeros(5, int))
bad("split-length", val_masks=np.zeros((1, 3), bool))
bad("split-count", val_masks=np.zeros((2, 4), bool))
bad("column", base=csr, features_indices=np.array([3, 0], np.int32))
bad("indptr", base=csr, features_indptr=np.array([0, 1, 1, 2, 3]))
bad("pickled", x=np.array([{}], dtype=object))
bad("big-endian", node_labels=np.zeros(4, ">i8"))
def raw(name, members):
    with zipfile.ZipFile("bad-%s.npz" % name, "w", zipfile.ZIP_DEFLATED) as z:
        for member, data in members: z.writestr(member, data)
def npy(text, data=b""):
    text = text.encode().ljust(118 - 1) + b"\n"
    return b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text + data
head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"
raw("four-gigabytes", [("x.npy", npy(head % "1073741824,"))])
raw("size", [("x.npy", npy(head % "3,", bytes(8)))])
raw("overflow", [("x.npy", npy(head % "4611686018427387904, 4"))])
raw("dict", [("x.npy", npy("{'descr': '<f4', 'shape': (1,), }", bytes(4)))])
raw("bomb", [("x.npy", npy(head % "20971520,", bytes(80 << 20)))])
raw("twice", [("x", npy(head % "1,", bytes(4))), ("x.npy", npy(head % "1,", bytes(4)))])
whole = open("good-dense.npz", "rb").read()
open("bad-truncated.npz", "wb").write(whole[:len(whole) // 2])
at = whole.rfind(b"PK\x01\x02")
open("bad-directory.npz", "wb").write(whole[:at] + b"PK\x09\x09" + whole[at + 4:])
b = io.BytesIO(); np.savez(b, **good); b = bytearray(b.getvalue())
at = b.find(X.tobytes()); b[at + 4] ^= 1; open("bad-checksum.npz", "wb").write(b)
