"""Puts programs for several processors into one universal file (mach-o/fat.h): universal.py PROGRAM… FILE"""

import struct
import sys

FAT_MAGIC = 0xCAFEBABE
MACH_O_64 = 0xFEEDFACF
# A page of either processor, as a power of two: parts begin at multiples of it.
ALIGNMENT = 14


def universal(programs: list[bytes]) -> bytes:
    head = struct.pack(">II", FAT_MAGIC, len(programs))
    parts, offset = [], 0
    for program in programs:
        magic, processor, kind = struct.unpack_from("<III", program)
        if magic != MACH_O_64:
            raise ValueError("not a 64-bit Mach-O program")
        offset = ((offset >> ALIGNMENT) + 1) << ALIGNMENT
        head += struct.pack(">IIIII", processor, kind & 0x00FFFFFF, offset, len(program), ALIGNMENT)
        parts.append((offset, program))
        offset += len(program)
    whole = bytearray(head)
    for offset, program in parts:
        whole += bytes(offset - len(whole)) + program
    return bytes(whole)


if __name__ == "__main__":
    *sources, target = sys.argv[1:]
    contents = []
    for source in sources:
        with open(source, "rb") as file:
            contents.append(file.read())
    with open(target, "wb") as file:
        file.write(universal(contents))
