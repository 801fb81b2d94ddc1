#!/usr/bin/env python3
"""Writes the software bill of materials of one binary as SPDX 2.3 JSON: what was linked or compiled in, in which version, under
which licence. What is in it is read from the build itself: the linker's map names every archive that gave something. Equal
builds give equal bytes (SOURCE_DATE_EPOCH is the date).

usage: sbom.py --version V --binary FILE --map FILE --usb-ids FILE|no --pci-ids FILE|no --jsmn jsmn.h --cc CC -o FILE
"""
import argparse
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys

LICENSES = {"libusb": "LGPL-2.1-or-later", "musl": "MIT", "libgcc": "GPL-3.0-or-later WITH GCC-exception-3.1", "jsmn": "MIT",
            "usb.ids": "GPL-2.0-or-later OR BSD-3-Clause", "pci.ids": "GPL-2.0-or-later OR BSD-3-Clause"}


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def archives(path):
    """Archives of which a member is linked, by their base names, with their paths."""
    found = {}
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            member = re.match(r"^(/?\S+/([\w.+-]+\.a))\(\S+\.l?o\)", line)
            if member:
                found[member.group(2)] = member.group(1)
    return found


def debian_version(path):
    """Of the package that a file belongs to, or that was unpacked beside it (fetch-deb.sh); None elsewhere."""
    where = os.path.dirname(os.path.realpath(path))
    while where != "/":
        listing = os.path.join(where, "packages")
        if os.path.isfile(listing):
            with open(listing, encoding="utf-8") as f:
                return f.read().split()[1]
        where = os.path.dirname(where)
    try:
        owner = subprocess.run(["dpkg", "-S", os.path.realpath(path)], capture_output=True, text=True, check=True).stdout.split(":")[0]
        return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", owner], capture_output=True, text=True, check=True).stdout or None
    except (OSError, subprocess.CalledProcessError):
        return None


def pkg_config_version():
    try:
        return subprocess.run([os.environ.get("PKG_CONFIG", "pkg-config"), "--modversion", "libusb-1.0"], capture_output=True, text=True,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def ids_date(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            date = re.match(r"#\s*(?:Version|Date):\s*(\S+)", line)
            if date:
                return date.group(1)
            if not line.startswith("#"):
                break
    return None


def package(name, version, relation, **more):
    return {
        "name": name,
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name),
        "versionInfo": version or "NOASSERTION",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": LICENSES.get(name, "Apache-2.0"),
        "licenseDeclared": LICENSES.get(name, "Apache-2.0"),
        "copyrightText": "NOASSERTION",
        **more,
    }, relation


def main():
    parser = argparse.ArgumentParser()
    for option in ("version", "binary", "map", "usb-ids", "pci-ids", "jsmn", "cc"):
        parser.add_argument("--" + option, required=True)
    parser.add_argument("-o", required=True)
    a = parser.parse_args()
    linked = archives(a.map)
    compiler = subprocess.run(a.cc.split() + ["-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    packages = [package("vhotplug", a.version, "DESCRIBES", primaryPackagePurpose="APPLICATION", packageFileName="vhotplug",
                        checksums=[{"algorithm": "SHA256", "checksumValue": sha256(a.binary)}])]
    if "libusb-1.0.a" in linked:
        built_here = os.path.exists(os.path.join(os.path.dirname(linked["libusb-1.0.a"]), "../build.log"))
        packages.append(package("libusb", "1.0.26" if built_here else pkg_config_version(), "STATIC_LINK"))
    if "libc.a" in linked:
        packages.append(package("musl", debian_version(linked["libc.a"]), "STATIC_LINK"))
    if "libgcc.a" in linked:
        packages.append(package("libgcc", compiler, "STATIC_LINK"))
    packages.append(package("jsmn", debian_version(a.jsmn) or "1.1.0", "CONTAINS"))
    for name, path in (("usb.ids", a.usb_ids), ("pci.ids", a.pci_ids)):
        if path != "no":
            packages.append(package(name, ids_date(path), "CONTAINS", checksums=[{"algorithm": "SHA256", "checksumValue": sha256(path)}]))
    for name in ("libusb", "musl"):
        if not any(p["name"] == name for p, _ in packages):
            sys.exit(f"sbom: the map {a.map} names no {name}")
    created = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    root = packages[0][0]["SPDXID"]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "vhotplug-" + a.version,
        "documentNamespace": f"https://spdx.org/spdxdocs/vhotplug-{a.version}-{sha256(a.binary)}",
        "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: vhotplug-sbom", f"Tool: gcc-{compiler}"]},
        "packages": [p for p, _ in packages],
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": root}] +
                         [{"spdxElementId": root, "relationshipType": relation, "relatedSpdxElement": p["SPDXID"]}
                          for p, relation in packages[1:]],
    }
    with open(a.o, "w", encoding="utf-8") as f:
        json.dump(document, f, indent=2)
        f.write("\n")


main()
