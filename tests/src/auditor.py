"""An auditor of the log, as somebody else would write one: it knows the C2SP formats from the package
`aics-tlog`, and nothing of this project.

usage: auditor.py PACKAGES BASE VKEY

Fetches BASE/checkpoint, verifies it with VKEY, audits every tile and entry of the log, and the proof
of each leaf it is about to sample. Prints what it saw as a line of JSON; fails on anything that does
not hold, and also if something that was tampered with does hold.
"""

import base64
import json
import sys
import urllib.request

packages, base, vkey = sys.argv[1:]
sys.path.insert(0, packages)
import aics_tlog as tlog  # noqa: E402

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(name):
    with opener.open(f"{base}/{name}") as answer:
        return answer.read()


def checkpoint(text):
    return tlog.verify_checkpoint(tlog.parse_note(text), tlog.parse_vkey(vkey))


note = fetch("checkpoint").decode()
head = checkpoint(note)
assert head.ok, head
size = head.size
tampered = note.replace(f"\n{size}\n", f"\n{size + 1}\n", 1)
assert not checkpoint(tampered).ok, "a changed size"

reader = tlog.HttpTileReader(base, proxies={})
report = tlog.audit_tiles(reader, size, head.root)

proved = 0
for index in sorted({0, 1, 255, 256, size // 2, size - 1}):
    if not 0 <= index < size:
        continue
    first, extra, place, *rest = fetch(f"proof/{index}.tlog-proof").decode().split("\n")
    assert first == "c2sp.org/tlog-proof@v1", first
    assert place == f"index {index}", place
    empty = rest.index("")
    path = [base64.b64decode(line) for line in rest[:empty]]
    under = checkpoint("\n".join(rest[empty + 1 :]))
    assert under.ok, under
    leaf = base64.b64decode(extra.removeprefix("extra "))
    root, of = under.root, under.size
    assert tlog.verify_leaf_inclusion(leaf, index, of, path, root), index
    assert not tlog.verify_leaf_inclusion(leaf + b"x", index, of, path, root), index
    if index < size:
        assert leaf == tlog.read_entry(reader, index, size), index
    proved += 1

print(json.dumps({"size": size, "tiles": report.tiles, "bundles": report.bundles, "proved": proved}))
