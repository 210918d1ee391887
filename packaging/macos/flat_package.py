"""Writes a product archive for macOS's Installer: flat_package.py ROOT SCRIPTS VERSION FILE

A flat package is a XAR archive; in it the package's payload and scripts as gzipped cpio archives, a bill of materials (BOM), and
two descriptions. No writer of these exists outside macOS; everything belongs to root:wheel, and the only time is SOURCE_DATE_EPOCH.
COUNTERSIGN_INSTALLER_CERTIFICATE and COUNTERSIGN_INSTALLER_KEY name an identity (PEM) that signs it.
"""

import base64
import gzip
import hashlib
import os
import stat
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass
from xml.sax.saxutils import escape

from identity import Identity

IDENTIFIER = "org.countersign.agent"
NAME = "countersign.pkg"
OLDEST_MACOS = "11.0"


@dataclass
class Entry:
    """A file, directory or link; `path` begins with `.`."""

    path: str
    mode: int
    content: bytes

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)


def read_tree(root: str) -> list[Entry]:
    """Everything below `root`, directories before what they hold, in the order of names."""
    found = [Entry(".", stat.S_IFDIR | 0o755, b"")]

    def walk(directory: str, shown: str) -> None:
        for name in sorted(os.listdir(directory)):
            path, shown_path = os.path.join(directory, name), f"{shown}/{name}"
            mode = os.lstat(path).st_mode
            if stat.S_ISDIR(mode):
                found.append(Entry(shown_path, stat.S_IFDIR | 0o755, b""))
                walk(path, shown_path)
            elif stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    executable = 0o755 if mode & stat.S_IXUSR else 0o644
                    found.append(Entry(shown_path, stat.S_IFREG | executable, file.read()))
            else:
                raise ValueError(f"`{path}` is neither file nor directory")

    walk(root, ".")
    return found


def cpio(entries: list[Entry], time: int) -> bytes:
    """The portable ASCII format of cpio (`odc`), gzipped."""

    def member(number: int, name: str, mode: int, content: bytes) -> bytes:
        encoded = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (0, number, mode, 0, 0, links, 0)
        head = "070707" + "".join(f"{field:06o}" for field in fields)
        return (head + f"{time:011o}{len(encoded):06o}{len(content):011o}").encode() + encoded + content

    whole = b"".join(member(number, entry.path, entry.mode, entry.content) for number, entry in enumerate(entries, 1))
    whole += member(0, "TRAILER!!!", 0, b"")
    return gzip.compress(whole, mtime=0)


def posix_checksum(content: bytes) -> int:
    """The CRC of cksum(1), by which a BOM knows a file."""
    length, octets = len(content), bytearray()
    while length:
        octets.append(length & 0xFF)
        length >>= 8
    crc = 0
    for octet in content + bytes(octets):
        crc = (crc << 8 & 0xFFFFFFFF) ^ CRC_TABLE[crc >> 24 ^ octet]
    return crc ^ 0xFFFFFFFF


def _crc_table() -> list[int]:
    table = []
    for number in range(256):
        crc = number << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
        table.append(crc)
    return table


CRC_TABLE = _crc_table()


class Bom:
    """A BOM store: numbered blocks, and names for some of them."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = [b""]
        self.names: list[tuple[str, int]] = []

    def add(self, block: bytes) -> int:
        self.blocks.append(block)
        return len(self.blocks) - 1

    def tree(self, size: int, leaves: list[tuple[int, int]]) -> int:
        leaf = struct.pack(">HHII", 1, len(leaves), 0, 0) + b"".join(struct.pack(">II", *pair) for pair in leaves)
        if len(leaf) > size:
            raise ValueError("more paths than one leaf of the tree holds")
        child = self.add(leaf.ljust(size, b"\0"))
        return self.add(struct.pack(">4sIIIIB", b"tree", 1, child, size, len(leaves), 0))

    def octets(self) -> bytes:
        body, index = bytearray(), []
        for block in self.blocks:
            index.append((512 + len(body), len(block)) if block else (0, 0))
            body += block
        names = struct.pack(">I", len(self.names))
        for name, number in self.names:
            names += struct.pack(">IB", number, len(name)) + name.encode()
        table = struct.pack(">I", len(index)) + b"".join(struct.pack(">II", *pair) for pair in index)
        # An empty list of free blocks, with the two empty places that Apple's own writer leaves.
        table += struct.pack(">I", 0) + bytes(16)
        names_at = 512 + len(body)
        table_at = names_at + len(names)
        head = struct.pack(">8sIIIIII", b"BOMStore", 1, len(self.blocks) - 1, table_at, len(table), names_at, len(names))
        return head.ljust(512, b"\0") + bytes(body) + names + table


def bill_of_materials(entries: list[Entry], time: int) -> bytes:
    bom, numbers, leaves = Bom(), {}, []
    info = bom.add(struct.pack(">III", 1, len(entries) + 1, 1) + bytes(16))
    for number, entry in enumerate(entries, 1):
        numbers[entry.path] = number
        parent, _, name = entry.path.rpartition("/")
        details = struct.pack(
            ">BBHHIIIIBII", 2 if entry.is_directory else 1, 1, 15, entry.mode, 0, 0, time, len(entry.content), 1,
            0 if entry.is_directory else posix_checksum(entry.content), 0,
        )
        about = bom.add(struct.pack(">II", number, bom.add(details)))
        file = bom.add(struct.pack(">I", numbers.get(parent, 0)) + (name or ".").encode() + b"\0")
        leaves.append((about, file))
    paths = bom.tree(4096, leaves)
    links, sizes = bom.tree(4096, []), bom.tree(4096, [])
    versions = bom.add(struct.pack(">IIIB", 1, bom.tree(128, []), 0, 0))
    bom.names = [("BomInfo", info), ("Paths", paths), ("HLIndex", links), ("VIndex", versions), ("Size64", sizes)]
    return bom.octets()


def signature_elements(identity: Identity, rsa_size: int, cms_size: int) -> str:
    """What the table of contents says of both signatures, which follow its checksum in the heap."""
    certificates = "".join(
        f"<X509Certificate>{base64.b64encode(der).decode()}</X509Certificate>" for der in identity.certificates
    )
    key = f'<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>{certificates}</X509Data></KeyInfo>'
    return (
        f'<signature style="RSA"><offset>20</offset><size>{rsa_size}</size>{key}</signature>'
        f'<x-signature style="CMS"><offset>{20 + rsa_size}</offset><size>{cms_size}</size>{key}</x-signature>'
    )


def xar(tree: dict[str, bytes | dict[str, bytes]], time: int, identity: Identity | None = None) -> bytes:
    """An archive of files, and of directories with files, by name."""
    # The heap begins with the checksum of the table of contents and its signatures, whose sizes the table has to name beforehand.
    sizes = (len(identity.rsa(b"")), len(identity.cms(bytes(20)))) if identity else (0, 0)
    heap, count = bytearray(20 + sum(sizes)), 0

    def file_element(name: str, content: bytes) -> str:
        nonlocal count
        count += 1
        packed = zlib.compress(content, 9)
        offset = len(heap)
        heap.extend(packed)
        return (
            f'<file id="{count}"><name>{escape(name)}</name><type>file</type><mode>0644</mode><uid>0</uid><gid>0</gid><data>'
            f'<offset>{offset}</offset><size>{len(content)}</size><length>{len(packed)}</length>'
            f'<encoding style="application/x-gzip"/>'
            f'<extracted-checksum style="sha1">{hashlib.sha1(content).hexdigest()}</extracted-checksum>'
            f'<archived-checksum style="sha1">{hashlib.sha1(packed).hexdigest()}</archived-checksum></data></file>'
        )

    elements = ""
    for name, content in tree.items():
        if isinstance(content, bytes):
            elements += file_element(name, content)
        else:
            inner = "".join(file_element(*item) for item in content.items())
            count += 1
            elements += (
                f'<file id="{count}"><name>{escape(name)}</name><type>directory</type><mode>0755</mode>'
                f"<uid>0</uid><gid>0</gid>{inner}</file>"
            )
    signatures = signature_elements(identity, *sizes) if identity else ""
    toc = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<xar><toc>'
        f'<creation-time>{_iso(time)}</creation-time>'
        f'<checksum style="sha1"><offset>0</offset><size>20</size></checksum>{signatures}{elements}</toc></xar>'
    ).encode()
    packed = zlib.compress(toc, 9)
    checksum = hashlib.sha1(packed).digest()
    heap[:20] = checksum
    if identity:
        rsa, cms = identity.rsa(packed), identity.cms(checksum)
        if (len(rsa), len(cms)) != sizes:
            raise ValueError("a signature is not as long as the one before it")
        heap[20 : 20 + sum(sizes)] = rsa + cms
    # SHA-1 is what Apple's Installer expects of a package here; the signature is what protects it.
    return struct.pack(">4sHHQQI", b"xar!", 28, 1, len(packed), len(toc), 1) + packed + bytes(heap)


def _iso(time: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def product(root: str, scripts: str, version: str, time: int) -> bytes:
    payload, actions = read_tree(root), read_tree(scripts)
    kilobytes = sum(len(entry.content) + 1023 >> 10 for entry in payload)
    info = f"""<?xml version="1.0" encoding="utf-8"?>
<pkg-info format-version="2" identifier="{IDENTIFIER}" version="{escape(version)}" install-location="/" auth="root" overwrite-permissions="false" relocatable="false" postinstall-action="none">
  <payload numberOfFiles="{len(payload)}" installKBytes="{kilobytes}"/>
  <scripts><preinstall file="./preinstall"/><postinstall file="./postinstall"/></scripts>
</pkg-info>
"""
    distribution = f"""<?xml version="1.0" encoding="utf-8"?>
<installer-gui-script minSpecVersion="2">
  <title>Countersign</title>
  <options customize="never" require-scripts="false" rootVolumeOnly="true" hostArchitectures="arm64,x86_64"/>
  <domains enable_anywhere="false" enable_currentUserHome="false" enable_localSystem="true"/>
  <volume-check><allowed-os-versions><os-version min="{OLDEST_MACOS}"/></allowed-os-versions></volume-check>
  <choices-outline><line choice="default"/></choices-outline>
  <choice id="default" title="Countersign"><pkg-ref id="{IDENTIFIER}"/></choice>
  <pkg-ref id="{IDENTIFIER}" version="{escape(version)}" installKBytes="{kilobytes}" auth="root">#{NAME}</pkg-ref>
</installer-gui-script>
"""
    component = {
        "Bom": bill_of_materials(payload, time),
        "PackageInfo": info.encode(),
        "Payload": cpio(payload, time),
        "Scripts": cpio(actions, time),
    }
    return xar({"Distribution": distribution.encode(), NAME: component}, time, Identity.from_environment())


if __name__ == "__main__":
    root, scripts, version, target = sys.argv[1:]
    try:
        package = product(root, scripts, version, int(os.environ["SOURCE_DATE_EPOCH"]))
    except (OSError, ValueError) as fault:
        sys.exit(f"flat_package.py: {fault}")
    except subprocess.CalledProcessError as fault:
        sys.exit(f"flat_package.py: {fault}: {fault.stderr.decode().strip()}")
    with open(target, "wb") as file:
        file.write(package)
