#!/usr/bin/env python3
"""The predicted downtime against the real one, over a range of cases.

    perf/prediction_perf.py --command build/release/multifd [options]

Each case runs --rounds times, round after round; printed are medians with the lowest and highest
value, and the median of real to predicted. perf/README.md says how to read it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MIB = 1 << 20
PRECOPY = "precopy=on,dirty-rate={dirty}"

# name, devices (each: keys at both ends, at the source, at the destination), options of the source
CASES = [
    ("1 device, written to at 64 MiB/s, limit 100 ms",
     [("size=512MiB," + PRECOPY.format(dirty="64MiB"), "", "")], ["--downtime-limit", "100ms"]),
    ("1 device, written to at 64 MiB/s, limit 30 ms",
     [("size=512MiB," + PRECOPY.format(dirty="64MiB"), "", "")], ["--downtime-limit", "30ms"]),
    ("4 devices, written to at 16 MiB/s each, limit 100 ms",
     [("size=128MiB," + PRECOPY.format(dirty="16MiB"), "", "")] * 4,
     ["--downtime-limit", "100ms"]),
    ("1 device, read at 200 MiB/s, written to at 20 MiB/s, limit 300 ms",
     [("size=256MiB," + PRECOPY.format(dirty="20MiB"), "read-rate=200MiB", "")],
     ["--downtime-limit", "300ms"]),
    ("1 device, loaded at 100 MiB/s, written to at 20 MiB/s, limit 300 ms",
     [("size=256MiB," + PRECOPY.format(dirty="20MiB"), "", "write-rate=100MiB")],
     ["--downtime-limit", "300ms"]),
    ("2 devices, one down the main channel, limit 200 ms",
     [("size=128MiB," + PRECOPY.format(dirty="32MiB"), "", ""),
      ("size=128MiB,multifd=off," + PRECOPY.format(dirty="32MiB"), "", "")],
     ["--downtime-limit", "200ms"]),
    ("1 device, --max-bandwidth 200MiB/s, limit 300 ms",
     [("size=256MiB," + PRECOPY.format(dirty="20MiB"), "", "")],
     ["--downtime-limit", "300ms", "--max-bandwidth", "200MiB/s"]),
    ("1 device, --max-switchover-bandwidth 100MiB/s, limit 300 ms",
     [("size=256MiB," + PRECOPY.format(dirty="20MiB"), "", "")],
     ["--downtime-limit", "300ms", "--max-switchover-bandwidth", "100MiB/s"]),
    ("no pre-copy, --avail-switchover-bandwidth 200MiB/s, capped at it",
     [("size=64MiB", "", "")] * 2,
     ["--avail-switchover-bandwidth", "200MiB/s", "--max-switchover-bandwidth", "200MiB/s"]),
    ("no pre-copy, nothing known",
     [("size=64MiB", "", "")] * 2, []),
]


def words_of(devices, at_source):
    words = []
    for number, (both, source, destination) in enumerate(devices):
        own = source if at_source else destination
        words += ["--device", ",".join(filter(None, (f"memory,idstr=dev{number},seed={number + 1}",
                                                     both, own)))]
    return words


def run(command, case, folder):
    _, devices, more = case
    address, report = folder / "address", folder / "report.json"
    address.unlink(missing_ok=True)
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
             "stderr": subprocess.DEVNULL}
    state = ["-q", "--state-dir", str(folder / "state")]
    with subprocess.Popen([command, "receive", "--listen", "tcp:127.0.0.1:0", "--address-file",
                           str(address), *state, *words_of(devices, False)],
                          **quiet) as destination:
        while not (address.exists() and address.read_text().strip()):
            if destination.poll() is not None:
                raise RuntimeError("the destination ended")
            time.sleep(0.005)
        subprocess.run([command, "send", "--to", address.read_text().strip(), "--json", str(report),
                        "--multifd-channels", "4", *state, *more, *words_of(devices, True)],
                       check=True, **quiet)
    found = json.loads(report.read_text())
    parts = found["downtime-parts"]
    real_us = sum(parts[name] for name in ("stop", "state", "load", "verify", "commit"))
    return found["predicted-downtime"], real_us


def span(values):
    return (f"{statistics.median(values) / 1000:8.1f} "
            f"({min(values) / 1000:.1f} to {max(values) / 1000:.1f})")


def bound_of(predicted):
    if not predicted["complete"]:
        return "at least "
    return "at most " if predicted["rate-held"] else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--command", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    runs = {case[0]: [] for case in CASES}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(options.rounds):
            for case in CASES:
                runs[case[0]].append(run(options.command, case, Path(name)))
    print("| case | MiB left | predicted ms | real ms | real / predicted |\n|---|---|---|---|---|")
    for name, found in runs.items():
        bound = bound_of(found[0][0])
        left = statistics.median(one["bytes"] for one, _ in found) / MIB
        ratio = statistics.median(real / max(one["total"], 1) for one, real in found)
        print(f"| {name} | {left:.1f} | {bound}{span([one['total'] for one, _ in found])} | "
              f"{span([real for _, real in found])} | {ratio:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
