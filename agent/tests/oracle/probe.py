"""Loads rules into the network namespace this runs in, and sends real packets at them.

usage: probe.py LOADER FILE [FILE6]   LOADER: nft; iptables or legacy, with FILE6 for IPv6
Prints, as JSON, whether any packet of IPv4 and of IPv6 arrived.
"""

import json
import select
import socket
import struct
import subprocess
import sys

PORT = 42424
OUTER, INNER = "02:00:00:00:00:01", "02:00:00:00:00:02"
IPV4, IPV6 = "192.0.2.1", "2001:db8::1"


def run(*words):
    subprocess.run(words, check=True)


def interfaces():
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "eth0", "address", INNER, "type", "veth",
        "peer", "name", "wire", "address", OUTER)
    for name in ("eth0", "wire"):
        run("ip", "link", "set", name, "up")
    run("ip", "address", "add", IPV4 + "/24", "dev", "eth0")
    run("ip", "address", "add", IPV6 + "/64", "dev", "eth0", "nodad")
    run("ip", "route", "add", "default", "via", "192.0.2.254", "dev", "eth0")


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(source, port, is_ipv6):
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    source = socket.inet_pton(family, source)
    target = socket.inet_pton(family, IPV6 if is_ipv6 else IPV4)
    udp = struct.pack("!HHHH", port, PORT, 9, 0) + b"x"
    pseudo = source + target + struct.pack("!II", len(udp), 17)
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    if is_ipv6:
        head = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + source + target
    else:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0) + source + target
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    kind = b"\x86\xdd" if is_ipv6 else b"\x08\x00"
    macs = bytes.fromhex((INNER + OUTER).replace(":", ""))
    return macs + kind + head + udp


def arrives(is_ipv6):
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    receiver.bind((IPV6 if is_ipv6 else IPV4, PORT))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("wire", 0))
    sources = ["2001:db8:9::7", "2a00::1"] if is_ipv6 else ["198.51.100.7", "93.184.215.14", "10.1.2.3"]
    # The interface may not be ready for the first ones.
    for _ in range(10):
        for source in sources:
            for port in (53, 40000):
                wire.send(frame(source, port, is_ipv6))
        if select.select([receiver], [], [], 0.1)[0]:
            return True
    return False


def main():
    interfaces()
    loader, *files = sys.argv[1:]
    if loader == "nft":
        run("nft", "-f", files[0])
    else:
        kind = "legacy" if loader == "legacy" else "nft"
        for tool, file in zip((f"iptables-{kind}-restore", f"ip6tables-{kind}-restore"), files):
            with open(file) as rules:
                subprocess.run([tool], stdin=rules, check=True)
    print(json.dumps({"ipv4": arrives(False), "ipv6": arrives(True)}))


main()
