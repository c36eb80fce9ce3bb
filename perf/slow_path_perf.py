#!/usr/bin/env python3
"""What a slow path beside a fast one costs at the end of a transfer, and what takes that away.

    slow_path_perf.py --command build/perf/multifd [options]

Two network namespaces (needs root) joined by two veth pairs, held to --rates by tc tbf. One memory
device goes over the fast path alone, over both, and over both in small packets, round after round
(A B C A B C); with --against also by another build. It prints the time of state and load, the part
of the bytes that the slow path carried, and the median of the ratios to the fast path alone, each
taken within its round.
perf/README.md says how to read it.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import measuring
from network_links import Links


@dataclass
class Case:
    name: str
    paths: int
    packet_size: str = "1MiB"
    command: str = ""  # empty: --command
    seconds: list = field(default_factory=list)
    slow_parts: list = field(default_factory=list)


def cases(options):
    listed = [Case("fast path alone", 1), Case("both", 2),
              Case("both, packets of 256 KiB", 2, "256KiB")]
    if options.against:
        listed += [Case("both, --against", 2, command=options.against),
                   Case("both, packets of 256 KiB, --against", 2, "256KiB", options.against)]
    return listed


def run(options, case, links, folder):
    command = case.command or options.command
    address, report = folder / "address", folder / "source.json"
    address.unlink(missing_ok=True)
    logs = [folder / "source.log", folder / "destination.log"]
    device = ["--device", f"memory,idstr=gpu0,seed=1,held=on,size={options.size}"]
    common = ["-q", "--state-dir", folder / "state", "--verify", "off"]
    listen = [word for number in range(case.paths)
              for word in ("--listen", f"tcp:{links.address(number)}:0")]
    destination = measuring.start([*links.inside("destination"), command, "receive",
                                   *listen, "--address-file", address, *common, *device], logs[1])
    source = None
    try:
        text = measuring.wait_for_text(address, destination, 60,
                                       "the destination did not say where it listens")
        to = [word for line in text.splitlines() for word in ("--to", line)]
        source = measuring.start(
            [*links.inside("source"), command, "send", *to, "--json", report,
             "--multifd-channels", options.channels, "--packet-size", case.packet_size, *common,
             *options.source_options, *device], logs[0])
        codes = [measuring.reap(source)[0], measuring.reap(destination)[0]]
    finally:
        measuring.end(source, destination)
    if codes != [0, 0]:
        raise measuring.Failure(f"{case.name}: {codes}\n" + measuring.tail_of(*logs))
    found = json.loads(report.read_text(encoding="utf-8"))
    parts, channels = found["downtime-parts"], found["channels"]
    case.seconds.append((parts["state"] + parts["load"]) / 1e6)
    slow = sum(channel["bytes"] for channel in channels[1::2]) if case.paths == 2 else 0
    case.slow_parts.append(slow / sum(channel["bytes"] for channel in channels))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--command", required=True, help="the multifd command to measure")
    parser.add_argument("--against", help="another build of it, to compare with")
    parser.add_argument("--rates", nargs=2, default=["1gbit", "100mbit"],
                        help="of the two links, in tc's words")
    parser.add_argument("--size", default="192MiB")
    parser.add_argument("--channels", default="2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--source-options", type=str.split, default=[])
    return parser.parse_args()


def main():
    measuring.unwind_on_signals()
    options = parse()
    print(", ".join(f"{key}: {value}" for key, value in measuring.machine().items()))
    if os.geteuid() != 0:
        print("NOT MEASURED: network namespaces and tc need root", file=sys.stderr)
        return 1
    measured = cases(options)
    try:
        with tempfile.TemporaryDirectory(prefix="multifd-perf-") as name, \
                Links(*options.rates) as links:
            for _ in range(options.rounds):
                for case in measured:
                    run(options, case, links, Path(name))
    except measuring.Failure as failure:
        print(f"slow_path_perf: {failure}", file=sys.stderr)
        return 1
    print(f"\n| links of {' and '.join(options.rates)}, {options.size}, {options.channels} channels"
          " | state and load, s | over the slow path | x fast path alone |\n|---|---|---|---|")
    for case in measured:
        ratios = [mine / its for mine, its in zip(case.seconds, measured[0].seconds)]
        print(f"| {case.name} | {measuring.spread(case.seconds, 3)} | "
              f"{measuring.spread(case.slow_parts, 3)} | {measuring.spread(ratios, 3)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
