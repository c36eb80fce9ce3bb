#!/usr/bin/env python3
"""Whole transfers by the real command, as two processes over loopback: GB/s and CPU seconds per GB.

    transfer_perf.py --command build/perf/multifd [options]

Runs every combination of --devices-as, --channels, --packet-size and --verify once per round, round
after round (A B C A B C), and prints medians with the lowest and highest value, and each case's
ratio to the first one, taken within each round. perf/README.md says how to read it.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import measuring
import multifd_transfer
from measuring import Failure, size_of
from multifd_transfer import DEVICES_AS, Transfer
from races import Contender, column, ratios


def details(contender, name):
    return [sample.details[name] for sample in contender.samples]


def print_table(cases):
    base = cases[0]
    width = max(len(case.name()) for case in cases)
    print(f"\n{'':{width}}  {'GB/s':>19}  {'CPU s/GB':>22}  {'downtime ms':>21}  "
          f"{'queued':>8}  {'x GB/s':>7}  {'x CPU':>7}")
    for case in cases:
        queued = max(details(case, "peak queued bytes"))
        print(f"{case.name():{width}}  "
              f"{measuring.spread(column(case, 'gb_per_s'), 2):>19}  "
              f"{measuring.spread(column(case, 'cpu_s_per_gb'), 3):>22}  "
              f"{measuring.spread(details(case, 'downtime ms'), 0):>21}  "
              f"{queued / (1 << 20):>4.0f} MiB  "
              f"{statistics.median(ratios(case, base, 'gb_per_s')):>7.2f}  "
              f"{statistics.median(ratios(case, base, 'cpu_s_per_gb')):>7.2f}")
    print("\nmedian [lowest highest]; queued: the destination's highest; "
          f"x: median ratio to \"{base.name()}\" within each round")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    listed = {"type": lambda text: text.split(",")}
    parser.add_argument("--command", required=True, help="the multifd command to measure")
    parser.add_argument("--size", type=size_of, default=size_of("1GiB"), help="state in all")
    parser.add_argument("--devices", type=int, default=1, help="that it is spread over")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--devices-as", default=["held", "lent"], **listed,
                        help="of " + ",".join((*DEVICES_AS, "file")))
    parser.add_argument("--channels", default=["1", "2", "4"], **listed)
    parser.add_argument("--packet-size", default=["1MiB"], **listed)
    parser.add_argument("--verify", default=["off"], **listed, help="on,off")
    parser.add_argument("--listen", default="tcp:127.0.0.1:0")
    parser.add_argument("--folder", default="/dev/shm", help="for reports and files: a tmpfs")
    parser.add_argument("--send-option", action="append", default=[],
                        help="one more word for the source; repeatable")
    parser.add_argument("--receive-option", action="append", default=[])
    parser.add_argument("--json", type=Path, help="write all runs there")
    options = parser.parse_args()
    for name in options.devices_as:
        if name not in (*DEVICES_AS, "file"):
            parser.error(f"--devices-as knows {', '.join(DEVICES_AS)}, file, not {name}")
    if options.rounds < 1 or options.devices < 1 or options.size < options.devices:
        parser.error("rounds and devices are at least 1, and each device has a byte")
    return options


def cases_of(options):
    return [Contender(Transfer(command=options.command, devices_as=kind, size=options.size,
                               devices=options.devices, channels=int(channels),
                               packet_size=packet, verify=verify, listen=options.listen,
                               send_options=tuple(options.send_option),
                               receive_options=tuple(options.receive_option)),
                      multifd_transfer.run)
            for kind, packet, verify, channels in itertools.product(
                options.devices_as, options.packet_size, options.verify, options.channels)]


def measure(options):
    cases = cases_of(options)
    about = measuring.machine()
    about["command"] = subprocess.run([options.command, "--version"], capture_output=True,
                                      check=True, text=True).stdout.strip()
    about.update({"listen": options.listen, "state": measuring.size_text(options.size),
                  "devices": options.devices, "rounds": options.rounds})
    for key, value in about.items():
        print(f"{key}: {value}")
    with tempfile.TemporaryDirectory(prefix="multifd-perf-", dir=options.folder) as folder:
        cases[0].run(cases[0].case, folder)  # warms caches and processor; not counted
        for turn in range(options.rounds):
            for case in cases:
                case.samples.append(case.run(case.case, folder))
            print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
    print_table(cases)
    if options.json:
        rows = [{"case": case.name(), "runs": [vars(sample) for sample in case.samples]}
                for case in cases]
        options.json.write_text(json.dumps({"machine": about, "cases": rows}, indent=1) + "\n",
                                encoding="utf-8")


def main():
    measuring.unwind_on_signals()
    try:
        measure(parse())
    except Failure as failure:
        print(f"transfer_perf: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
