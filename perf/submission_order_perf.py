#!/usr/bin/env python3
"""--submission-order behind against arrival: what the order does to the downtime of many devices.

    submission_order_perf.py --command build/perf/multifd [options]

link:      two network namespaces joined by veth, held to --rate by tc tbf (needs root).
loopback:  at full speed.

Runs both orders of each case in turns (A B A B) and prints the median time of state and load with
the lowest and highest value, and the median of the ratios, each taken within its round.
perf/README.md says how to read it.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import measuring
from network_links import Links, Loopback

ORDERS = ("arrival", "behind")


@dataclass(frozen=True)
class Case:
    name: str
    devices: tuple  # of (keys at both ends, at the source, at the destination)
    source: tuple = ()  # options
    destination: tuple = ()


def one_large(size, small, source="", destination="", kind=",held=on"):
    return ((f"size={size}MiB{kind}", source, destination),
            *((f"size={small}MiB{kind}", "", ""),) * 8)


FOUR_CHANNELS = ("--multifd-channels", "4")
LINK_CASES = (
    Case("96 MiB read at 60 MiB/s, 8 of 12 MiB", one_large(96, 12, "read-rate=60MiB")),
    Case("the same, 4 channels", one_large(96, 12, "read-rate=60MiB"), FOUR_CHANNELS),
    Case("96 MiB loaded at 60 MiB/s, 8 of 12 MiB", one_large(96, 12, "", "write-rate=60MiB")),
    Case("the same, 32 MiB queued at most", one_large(96, 12, "", "write-rate=60MiB"), (),
         ("--max-queued-bytes", "32MiB")),
    Case("96 MiB and 8 of 12 MiB, all fast", one_large(96, 12)),
    Case("96 MiB and 8 of 12 MiB, all lent", one_large(96, 12, kind=",lend=on")),
    Case("8 of 24 MiB", (("size=24MiB,held=on", "", ""),) * 8),
)
LOOPBACK_CASES = (
    Case("1 GiB and 8 of 128 MiB, behind calls", one_large(1024, 128)),
    Case("1 GiB and 8 of 128 MiB, lent", one_large(1024, 128, kind=",lend=on")),
    Case("1 GiB and 128 MiB, lent", one_large(1024, 128, kind=",lend=on")[:2]),
    Case("1 GiB read at 1500 MiB/s, 8 of 256 MiB", one_large(1024, 256, "read-rate=1500MiB")),
    Case("8 of 256 MiB, behind calls", (("size=256MiB,held=on", "", ""),) * 8),
    Case("8 of 256 MiB, lent", (("size=256MiB,lend=on", "", ""),) * 8),
)


def words_of(devices, at_source):
    words = []
    for number, (both, source, destination) in enumerate(devices):
        keys = (f"memory,idstr=dev{number},seed={number + 1}", both,
                source if at_source else destination)
        words += ["--device", ",".join(filter(None, keys))]
    return words


def run(options, case, order, path, folder):
    """Seconds of state and load."""
    address, reports = folder / "address", folder / "source.json"
    address.unlink(missing_ok=True)
    logs = [folder / "source.log", folder / "destination.log"]
    common = ["-q", "--state-dir", folder / "state", "--verify", "off"]
    destination = measuring.start(
        [*path.inside("destination"), options.command, "receive", "--listen",
         f"tcp:{path.address()}:0", "--address-file", address, *common, *case.destination,
         *words_of(case.devices, False)], logs[1])
    source = None
    try:
        to = measuring.wait_for_text(address, destination, 60,
                                     "the destination did not say where it listens")
        source = measuring.start(
            [*path.inside("source"), options.command, "send", "--to", to, "--json", reports,
             "--submission-order", order, *common, *case.source, *words_of(case.devices, True)],
            logs[0])
        codes = [measuring.reap(source)[0], measuring.reap(destination)[0]]
    finally:
        measuring.end(source, destination)
    if codes != [0, 0]:
        raise measuring.Failure(f"{case.name}: {codes}\n" + measuring.tail_of(*logs))
    parts = json.loads(reports.read_text(encoding="utf-8"))["downtime-parts"]
    return (parts["state"] + parts["load"]) / 1e6


def measure(title, cases, options, path, folder):
    print(f"\n| {title} | arrival s | behind s | behind/arrival |\n|---|---|---|---|", flush=True)
    for case in cases:
        if options.cases and not any(word in case.name for word in options.cases):
            continue
        run(options, case, ORDERS[0], path, folder)  # warms caches; not counted
        times = {order: [] for order in ORDERS}
        for _ in range(options.rounds):
            for order in ORDERS:
                times[order].append(run(options, case, order, path, folder))
        ratios = [behind / arrival for arrival, behind in zip(times["arrival"], times["behind"])]
        print(f"| {case.name} | {measuring.spread(times['arrival'], 3)} | "
              f"{measuring.spread(times['behind'], 3)} | {measuring.spread(ratios, 3)} |",
              flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--command", required=True, help="the multifd command to measure")
    parser.add_argument("--only", choices=["link", "loopback"])
    parser.add_argument("--rate", default="1gbit", help="of the link, in tc's words")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", type=lambda text: text.split(";"), default=[],
                        help="words of their names, with a semicolon between; all by default")
    return parser.parse_args()


def main():
    measuring.unwind_on_signals()
    options = parse()
    print(", ".join(f"{key}: {value}" for key, value in measuring.machine().items()))
    try:
        with tempfile.TemporaryDirectory(prefix="multifd-perf-") as name:
            if options.only != "loopback":
                if os.geteuid() == 0:
                    with Links(options.rate) as link:
                        measure(f"link of {options.rate}", LINK_CASES, options, link, Path(name))
                else:
                    print("link: NOT MEASURED: network namespaces and tc need root")
            if options.only != "link":
                measure("loopback", LOOPBACK_CASES, options, Loopback, Path(name))
    except measuring.Failure as failure:
        print(f"submission_order_perf: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
