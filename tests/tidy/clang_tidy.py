#!/usr/bin/env python3
"""Runs clang-tidy on the sources of some folders, each once for each content.

    clang_tidy.py --build BUILD_FOLDER [--jobs N] [--analyze] FOLDER...

A clean check is remembered in BUILD_FOLDER/clang-tidy under a hash of the rules, the compile
command, the source and every project header it includes, so that only what has changed is checked
again. The analyzer follows paths through functions and takes as long as all other checks together,
so it runs only with --analyze.
"""

import argparse
import concurrent.futures
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def included(path, seen):
    """Every project file that `path` includes, itself included."""
    if path in seen or not path.is_file():
        return
    seen.add(path)
    for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(encoding="utf-8"), re.M):
        included(ROOT / name, seen)
        included(ROOT / "engine/include" / name, seen)


def content_hash(entry, tool):
    files = set()
    included(Path(entry["file"]), files)
    digest = hashlib.sha256((tool + entry["command"]).encode())
    for path in [ROOT / ".clang-tidy", *sorted(files)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def check(words, entry):
    run = subprocess.run([*words, entry["file"]], check=False, capture_output=True, text=True,
                         cwd=ROOT)
    return entry, run.returncode, run.stdout.strip() or run.stderr.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--analyze", action="store_true")
    parser.add_argument("folders", nargs="+")
    arguments = parser.parse_args()
    command = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    if command is None:
        print("clang-tidy is not installed", file=sys.stderr)
        return 2
    version = subprocess.run([command, "--version"], check=True, capture_output=True,
                             text=True).stdout
    words = [command, "-p", str(arguments.build), "--quiet"]
    if not arguments.analyze:
        words.append("--checks=-clang-analyzer-*")
    entries = json.loads((arguments.build / "compile_commands.json").read_text(encoding="utf-8"))
    folders = tuple(f"{ROOT / folder}/" for folder in arguments.folders)
    wanted = {entry["file"]: entry for entry in entries if entry["file"].startswith(folders)}
    if not wanted:
        print("clang-tidy: no source to check", file=sys.stderr)
        return 2
    stamps = arguments.build / "clang-tidy"
    stamps.mkdir(exist_ok=True)
    hashes = {path: content_hash(entry, version + words[-1]) for path, entry in wanted.items()}
    due = [entry for path, entry in sorted(wanted.items()) if not (stamps / hashes[path]).exists()]
    print(f"clang-tidy: {len(due)} of {len(wanted)} sources have changed since their last check")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        runs = pool.map(lambda entry: check(words, entry), due)
        for entry, status, output in runs:
            if status == 0:
                (stamps / hashes[entry["file"]]).touch()
            else:
                failed += 1
                print(output, flush=True)
    print(f"clang-tidy: {failed} of {len(due)} sources have findings" if failed
          else "clang-tidy: clean")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
