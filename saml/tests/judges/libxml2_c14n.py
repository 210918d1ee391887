"""Canonicalises documents with libxml2, one process for all: the judge of tests/canonical_judge.rs.

Input, repeated: mode (u8: 0 inclusive, 1 exclusive), then prefix list, apex ID and document, each as a u32 length and its octets.
Output, repeated: u32 length and octets, or the length 0xFFFFFFFF where libxml2 refuses.
"""

import ctypes
import ctypes.util
import struct
import sys

xml = ctypes.CDLL(ctypes.util.find_library("xml2") or "libxml2.so.2")
libc = ctypes.CDLL(None)
for name in ("xmlReadMemory", "xmlXPathNewContext", "xmlXPathEvalExpression"):
    getattr(xml, name).restype = ctypes.c_void_p
xml.xmlReadMemory.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]
xml.xmlXPathNewContext.argtypes = [ctypes.c_void_p]
xml.xmlXPathEvalExpression.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
xml.xmlXPathFreeObject.argtypes = [ctypes.c_void_p]
xml.xmlXPathFreeContext.argtypes = [ctypes.c_void_p]
xml.xmlFreeDoc.argtypes = [ctypes.c_void_p]
xml.xmlC14NDocDumpMemory.argtypes = [
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_void_p),
]
libc.free.argtypes = [ctypes.c_void_p]
NO_OUTPUT_NO_NETWORK = 32 | 64 | 2048


class XPathObject(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("nodeset", ctypes.c_void_p)]


def prefixes_of(text):
    names = text.split()
    return (ctypes.c_char_p * (len(names) + 1))(*names, None) if names else None


def canonicalize(mode, prefixes, apex, document):
    doc = xml.xmlReadMemory(document, len(document), None, None, NO_OUTPUT_NO_NETWORK)
    if not doc:
        return None
    context = found = None
    try:
        nodeset = None
        if apex:
            context = xml.xmlXPathNewContext(doc)
            found = xml.xmlXPathEvalExpression(
                b"(//. | //@* | //namespace::*)[ancestor-or-self::*[@ID='" + apex + b"']]", context
            )
            nodeset = ctypes.cast(found, ctypes.POINTER(XPathObject)).contents.nodeset
        out = ctypes.c_void_p()
        length = xml.xmlC14NDocDumpMemory(doc, nodeset, mode, prefixes_of(prefixes), 0, ctypes.byref(out))
        if length < 0:
            return None
        octets = ctypes.string_at(out, length)
        libc.free(out)
        return octets
    finally:
        if found:
            xml.xmlXPathFreeObject(found)
        if context:
            xml.xmlXPathFreeContext(context)
        xml.xmlFreeDoc(doc)


def read_field(stream):
    (length,) = struct.unpack("<I", stream.read(4))
    return stream.read(length)


def main():
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while mode := source.read(1):
        prefixes, apex, document = read_field(source), read_field(source), read_field(source)
        octets = canonicalize(mode[0], prefixes, apex, document)
        if octets is None:
            sink.write(struct.pack("<I", 0xFFFFFFFF))
        else:
            sink.write(struct.pack("<I", len(octets)) + octets)


main()
