"""Verifies the log of an unpacked snapshot by another implementation (PyPI aics-tlog): checkpoint,
every tile, and every proof of the sample. usage: auditor.py DIRECTORY"""

import base64, glob, os, sys
import aics_tlog as tlog

root = sys.argv[1]


def read(name):
    with open(os.path.join(root, name), "rb") as file:
        return file.read()


note = tlog.parse_note(read("log/checkpoint"))
keys = [tlog.parse_vkey(line) for line in read("keys/log.vkeys").decode().split()]
checkpoint = tlog.verify_checkpoint(note, keys[0])
assert checkpoint.ok, checkpoint
head = tlog.parse_checkpoint(note.text)
report = tlog.audit_tiles(
    tlog.FileSystemTileReader(os.path.join(root, "log")), head.size, head.root, entries=False
)
proofs = 0
for path in glob.glob(os.path.join(root, "sample", "*.tlog-proof")):
    text = open(path).read()
    body, rest = text.split("\n\n", 1)
    lines = body.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1", lines[0]
    assert rest == read("log/checkpoint").decode(), "the checkpoint in it is another"
    index = int(lines[1].removeprefix("index "))
    hashes = [base64.b64decode(line) for line in lines[2:]]
    leaf = read(os.path.relpath(path, root).replace(".tlog-proof", ".leaf"))
    assert tlog.verify_leaf_inclusion(leaf, index, head.size, hashes, head.root), path
    assert not tlog.verify_leaf_inclusion(leaf + b"x", index, head.size, hashes, head.root)
    proofs += 1
print(f"{head.size} leaves, {report.tiles} tiles, {proofs} proofs")
