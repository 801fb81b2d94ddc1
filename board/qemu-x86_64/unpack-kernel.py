#!/usr/bin/env python3
"""Takes the ELF kernel out of a bzImage: unpack-kernel.py VMLINUZ VMLINUX."""
import gzip
import lzma
import subprocess
import sys
import zlib


def xz(data):
    return lzma.LZMADecompressor().decompress(data)


def gz(data):
    return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data)


def zstd(data):
    return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=False).stdout


# The compressed kernel starts with its compressor's magic number; the same bytes may occur elsewhere by chance.
FORMATS = [(b"\xfd7zXZ\0", xz), (b"\x1f\x8b\x08", gz), (b"\x28\xb5\x2f\xfd", zstd)]


def unpack(image):
    for magic, decompress in FORMATS:
        at = image.find(magic)
        while at >= 0:
            try:
                out = decompress(image[at:])
            except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, OSError):
                out = b""
            if out[:4] == b"\x7fELF":
                return out
            at = image.find(magic, at + 1)
    return None


def main():
    with open(sys.argv[1], "rb") as f:
        image = f.read()
    elf = unpack(image)
    if elf is None:
        # Slower to boot, but it boots.
        print("unpack-kernel: no compressor that we know; using the image as it is", file=sys.stderr)
        elf = image
    with open(sys.argv[2], "wb") as f:
        f.write(elf)


main()
