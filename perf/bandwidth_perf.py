#!/usr/bin/env python3
"""Whether --max-bandwidth and --max-switchover-bandwidth hold their rate over any one second.

    unshare -rn perf/bandwidth_perf.py --command build/release/multifd [options]

Alone in a network namespace, it samples the bytes that the loopback interface carried, all
connections and their TCP and IP headers included, every few milliseconds, and prints for each case
the slowest and the fastest second as parts of the rate. perf/README.md says how to read it.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

UNITS = {"Gbit/s": 125_000_000, "Mbit/s": 125_000, "MiB/s": 1 << 20, "KiB/s": 1 << 10}
COUNTERS = "/proc/self/net/dev"  # Of the namespace that this runs in.
WINDOW_S = 1.0


def rate_of(text):
    for unit, scale in UNITS.items():
        if text.endswith(unit):
            return float(text[: -len(unit)]) * scale
    return float(text)


def loopback_bytes(text):
    line = next(line for line in text.split(b"\n") if line.strip().startswith(b"lo:"))
    return int(line.split(b":")[1].split()[8])  # Transmitted.


def sample(process, seconds):
    """(time, bytes carried) every 2 ms while the process runs."""
    samples = []
    with open(COUNTERS, "rb", buffering=0) as counters:
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            counters.seek(0)
            before = time.monotonic()
            value = loopback_bytes(counters.read(4096))
            samples.append(((before + time.monotonic()) / 2, value))
            time.sleep(0.002)
    return samples


def extremes(samples, rate):
    """The slowest and fastest second, as parts of the rate, once data flows and until it ends."""
    flowing = [i for i in range(1, len(samples))
               if samples[i][1] - samples[i - 1][1] > 0.0005 * rate]
    if not flowing:
        return None
    samples = samples[flowing[0]: flowing[-1]]
    parts = []
    first = 0
    for i, (at, value) in enumerate(samples):
        while first + 1 < i and at - samples[first + 1][0] >= WINDOW_S:
            first += 1
        span = at - samples[first][0]
        if span >= WINDOW_S:
            parts.append((value - samples[first][1]) / span / rate)
    return (min(parts), max(parts)) if parts else None


def run(case, options, folder):
    rate = rate_of(case["rate"])
    address = folder / "address"
    address.unlink(missing_ok=True)
    precopy = case["phase"] == "pre-copy"
    # Dirtied faster than the rate, pre-copy lasts until it is cancelled.
    more = f",precopy=on,dirty-rate={int(2 * rate)}" if precopy else ""
    size = int(rate * options.seconds / case["devices"]) // 4096 * 4096
    devices = []
    for number in range(case["devices"]):
        state = max(size, 1 << 20)
        off = ",multifd=off" if case["main"] and number == 0 else ""
        devices += ["--device", f"memory,idstr=dev{number},size={state},seed={number}{more}{off}"]
    common = ["-q", "--state-dir", str(folder / "state"), *devices]
    destination = subprocess.Popen(
        [options.command, "receive", "--listen", "tcp:127.0.0.1:0", "--address-file", str(address),
         *common], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (address.exists() and address.read_text().strip()):
        time.sleep(0.005)
    option = "--max-bandwidth" if precopy else "--max-switchover-bandwidth"
    source = subprocess.Popen(
        [options.command, "send", "--to", address.read_text().strip(), option, case["rate"],
         "--multifd-channels", str(case["channels"]), "--packet-size", case["packet"],
         "--downtime-limit", "0", *common],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    samples = sample(source, options.seconds)
    if source.poll() is None and precopy:
        source.send_signal(signal.SIGINT)
    source.wait()
    destination.wait()
    return extremes(samples, rate)


def cases(options):
    for rate in options.rates.split(","):
        for phase in ("pre-copy", "switchover"):
            for channels, devices, main, packet in ((1, 1, False, "1MiB"), (4, 3, True, "1MiB"),
                                                    (4, 3, False, "16MiB")):
                yield {"rate": rate, "phase": phase, "channels": channels, "devices": devices,
                       "main": main, "packet": packet}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--command", required=True)
    parser.add_argument("--rates", default="1MiB/s,10MiB/s,1Gbit/s,500MiB/s")
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    print(f"{'rate':>10} {'phase':>10} {'channels':>8} {'devices':>7} {'packet':>7} "
          f"{'slowest s':>9} {'fastest s':>9}")
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        for case in cases(options):
            found = run(case, options, Path(name))
            if found is None:
                print(f"{case}: too short to measure")
                continue
            worst = max(worst, 1 - found[0], found[1] - 1)
            print(f"{case['rate']:>10} {case['phase']:>10} {case['channels']:>8} "
                  f"{str(case['devices']) + ('*' if case['main'] else ''):>7} {case['packet']:>7} "
                  f"{found[0]:>9.4f} {found[1]:>9.4f}", flush=True)
    print(f"farthest from the rate: {100 * worst:.2f} %   (* one device down the main channel)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
