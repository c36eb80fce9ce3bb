"""Writes an initramfs: an archive in the "newc" format of cpio, compressed.

The format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import gzip
import os
import pathlib
import re
import subprocess


class Initramfs:
    """Collects files, then writes them all at once."""

    def __init__(self):
        self._entries = {}

    def add_folder(self, path):
        parent = os.path.dirname(path.rstrip("/"))
        if parent not in ("", "/"):
            self.add_folder(parent)
        self._entries.setdefault(path.strip("/"), (0o040755, b""))

    def add(self, source, path, mode=0o755):
        """Puts the file `source` at `path`; links are followed."""
        self.add_text(pathlib.Path(source).read_bytes(), path, mode)

    def add_text(self, data, path, mode=0o755):
        self.add_folder(os.path.dirname(path))
        self._entries[path.strip("/")] = (0o100000 | mode, data)

    def add_program(self, source, path=None):
        """A program of this host with the libraries that it needs."""
        self.add(source, path or str(source))
        listed = subprocess.run(["ldd", source], capture_output=True, text=True, check=True).stdout
        if "not found" in listed:
            raise SystemExit(f"vm: {source} lacks libraries:\n{listed}")
        for library in re.findall(r"(?:=> )?(/\S+) \(0x", listed):
            self.add(library, library)

    def add_foreign_program(self, root, program, prefix):
        """A program that was unpacked in `root`, with its libraries from there, below `prefix`."""
        folders = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "lib64", "usr/lib64",
                   "usr/lib/x86_64-linux-gnu/pulseaudio")
        wanted, seen = [root / program], set()
        self.add(root / program, f"{prefix}/{pathlib.Path(program).name}")
        while wanted:
            listed = subprocess.run(["readelf", "-d", wanted.pop()], capture_output=True, text=True,
                                    check=True).stdout
            for name in re.findall(r"\(NEEDED\).*\[(.+)\]", listed):
                if name in seen:
                    continue
                seen.add(name)
                found = [root / folder / name for folder in folders
                         if (root / folder / name).exists()]
                if not found:
                    raise SystemExit(f"vm: {program} needs {name}, which is not in {root}")
                self.add(found[0].resolve(), f"{prefix}/lib/{name}")
                wanted.append(found[0])

    def write(self, target):
        out = bytearray()
        entries = sorted(self._entries.items()) + [("TRAILER!!!", (0, b""))]
        for number, (path, (mode, data)) in enumerate(entries, 1):
            name = path.encode() + b"\0"
            fields = (number, mode, 0, 0, 2 if mode & 0o040000 else 1, 0, len(data), 0, 0, 0, 0,
                      len(name), 0)
            out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
            out += b"\0" * (-len(out) % 4)
            out += data
            out += b"\0" * (-len(out) % 4)
        with gzip.open(target, "wb", compresslevel=1) as file:
            file.write(out)
