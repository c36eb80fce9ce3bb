#!/usr/bin/env python3
"""How much sooner the switchover comes when pre-copy data takes the channels.

    perf/pre_copy_perf.py --command build/release/multifd [options]

Two processes migrate devices that go on changing, over loopback, with --multifd-pre-copy on and off
in turns: A B A B. It prints the time to the switchover (the source's total-time without its
downtime and setup), the downtime, the bytes of pre-copy and the CPU time of both processes: medians
with the lowest and highest value, and the median of the ratios, each taken within its round.
perf/README.md says how to read it.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"


def bytes_of(text):
    for unit, scale in SIZES.items():
        if text.endswith(unit):
            return int(float(text[: -len(unit)]) * scale)
    return int(text)


def run(options, pre_copy, folder):
    address, report = folder / "address", folder / "source.json"
    address.unlink(missing_ok=True)
    share = bytes_of(options.size) // options.devices // 4096 * 4096
    dirty = bytes_of(options.dirty_rate) // options.devices
    devices = []
    for number in range(options.devices):
        devices += ["--device", f"memory,idstr=dev{number},size={share},seed={number},precopy=on,"
                                f"dirty-rate={dirty},read-rate={options.read_rate}"]
    common = ["-q", "--state-dir", str(folder / "state"), "--verify", options.verify,
              "--multifd-pre-copy", pre_copy, *devices]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    destination = subprocess.Popen(
        [options.command, "receive", "--listen", "tcp:127.0.0.1:0", "--address-file", str(address),
         *common], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not (address.exists() and address.read_text().strip()):
        time.sleep(0.005)
    subprocess.run(
        [options.command, "send", "--to", address.read_text().strip(), "--json", str(report),
         "--multifd-channels", str(options.channels), "--downtime-limit", options.downtime_limit,
         *common], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    if destination.wait() != 0:
        raise SystemExit("the destination failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = json.loads(report.read_text())
    return {
        "to switchover ms": said["total-time"] - said["downtime"] - said["setup-time"],
        "downtime ms": said["downtime"],
        "pre-copy GB": sum(d["pre-copy-bytes"] for d in said["devices"]) / 1e9,
        "CPU s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--command", required=True)
    parser.add_argument("--size", default="4GiB", help="of all devices together")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--dirty-rate", default="100MiB", help="of all devices together, a second")
    parser.add_argument("--read-rate", default="0", help="of each device; 0 is without limit")
    parser.add_argument("--downtime-limit", default="50ms")
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--verify", default="on")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{platform.node()}: {os.cpu_count()} processors, kernel {platform.release()}, "
          f"{Path(CONGESTION).read_text().strip()}, load {os.getloadavg()[0]:.2f}")
    print(f"{options.devices} device(s), {options.size} in all, dirtied at {options.dirty_rate}/s, "
          f"read-rate {options.read_rate}, downtime-limit {options.downtime_limit}, "
          f"{options.channels} channels, verify {options.verify}, {options.rounds} rounds")
    runs = {"on": [], "off": []}
    with tempfile.TemporaryDirectory() as name:
        for number in range(options.rounds + 1):
            for pre_copy, found in runs.items():
                result = run(options, pre_copy, Path(name))
                if number > 0:  # The first round warms up.
                    found.append(result)
    print(f"{'':>18} {'on':>26} {'off':>26} {'on/off':>8}")
    for what in runs["on"][0]:
        columns = []
        for found in runs.values():
            values = [result[what] for result in found]
            columns.append(f"{statistics.median(values):.4g} "
                           f"({min(values):.4g} to {max(values):.4g})")
        ratios = [a[what] / b[what] for a, b in zip(runs["on"], runs["off"]) if b[what]]
        ratio = f"{statistics.median(ratios):.2f}" if ratios else "-"
        print(f"{what:>18} {columns[0]:>26} {columns[1]:>26} {ratio:>8}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
