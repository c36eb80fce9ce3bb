#!/usr/bin/env python3
"""multifd against the floor and against what else moves such bytes, target by target.

    compare.py --command build/perf/multifd --raw-pipe build/perf/perf/raw_pipe [options]

For each target the best setting of each side is searched first; then the two run A B A B, and the
median of the ratios within the rounds decides. perf/README.md says how to read the output.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import compare_targets
import measuring
import races
import scaling
from measuring import Failure, size_of
from qemu_ram import GuestChain

CONTENDERS = ("multifd", "raw", "iperf3", "mbuffer", "socat", "qemu")
SETTINGS = Path("/proc/sys/net/ipv4")
CLONE_NEWNET = 0x40000000


def words(text):
    return text.split(",")


def numbers(text):
    return [int(word) for word in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--command", type=Path, help="the multifd command to measure")
    parser.add_argument("--raw-pipe", type=Path, help="the raw_pipe to compare with")
    parser.add_argument("--list", action="store_true", help="list the targets and stop")
    parser.add_argument("--target", type=words, default=[], help="default: all that can be run")
    parser.add_argument("--only", type=words, default=[], help="of " + ",".join(CONTENDERS))
    parser.add_argument("--size", type=size_of, help="of the state; default 4GiB")
    parser.add_argument("--largest", type=size_of, default=size_of("16GiB"),
                        help="for the target growth; up to 64GiB")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--quick", action="store_true", help="1GiB and 3 rounds, for a first look")
    parser.add_argument("--channels", type=numbers, default=[1, 2, 4])
    parser.add_argument("--packet-size", type=words, default=["256KiB", "1MiB"])
    parser.add_argument("--congestion-control",
                        help="for all sides, set in a network namespace of its own (root only)")
    parser.add_argument("--our-congestion-controls", type=words, default=["cubic"],
                        help="what multifd may choose from for the target qemu-best")
    parser.add_argument("--send-option", action="append", default=[],
                        help="one more word for multifd send; repeatable")
    parser.add_argument("--receive-option", action="append", default=[])
    parser.add_argument("--folder", default="/dev/shm", help="for files: a tmpfs")
    parser.add_argument("--json", type=Path, help="write all samples there")
    options = parser.parse_args()
    options.size = options.size or size_of("1GiB" if options.quick else "4GiB")
    options.rounds = options.rounds or (3 if options.quick else 5)
    for name in options.only:
        if name not in CONTENDERS:
            parser.error(f"--only knows {', '.join(CONTENDERS)}, not {name}")
    if not options.list and not (options.command and options.raw_pipe):
        parser.error("--command and --raw-pipe are needed")
    return options


def enter_namespace(name):
    """Moves this process to a network namespace whose congestion control is `name`."""
    if os.geteuid() != 0:
        raise Failure("--congestion-control needs root, for a network namespace")
    # A namespace may only choose what its host allows to all; for the moment of choosing.
    with open(SETTINGS / "tcp_allowed_congestion_control", "r+", encoding="ascii") as allowed:
        before = allowed.read().strip()
        write_setting(allowed, before if name in before.split() else f"{before} {name}")
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
                raise Failure(f"no network namespace: {os.strerror(ctypes.get_errno())}")
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            (SETTINGS / "tcp_congestion_control").write_text(name, encoding="ascii")
        except OSError as error:
            raise Failure(f"no congestion control {name}: {error.strerror}") from error
        finally:
            write_setting(allowed, before)


def write_setting(file, text):
    file.seek(0)
    file.write(text)
    file.flush()


def known_controls(options):
    """Congestion controls the command may choose; none where it has no such option."""
    usage = subprocess.run([options.command, "send", "--help"], capture_output=True, check=True,
                           text=True).stdout
    return options.our_congestion_controls if "--congestion-control" in usage else []


def run_target(name, options, available, folder, say):
    """Verdicts and samples; Failure where the target cannot be measured here."""
    if name in scaling.SCALINGS:
        verdicts, found = scaling.SCALINGS[name](options, folder, say)
        for verdict in verdicts:
            say("  " + verdict.line())
        return verdicts, {one.name(): [vars(sample) for sample in one.samples] for one in found}
    race = available[name]
    if not race.ours or not race.theirs:
        raise Failure("its contenders are not installed, or not chosen")
    return races.run_race(race, options.rounds, folder, compare_targets.smaller, say)


def in_memory(options):
    return tempfile.TemporaryDirectory(prefix="multifd-compare-", dir=options.folder)


def compare(options, say):
    options.our_congestion_controls = known_controls(options)
    about = measuring.machine()
    about["command"] = subprocess.run([options.command, "--version"], capture_output=True,
                                      check=True, text=True).stdout.strip()
    for key, value in {**about, "state": measuring.size_text(options.size),
                       "rounds": options.rounds}.items():
        say(f"{key}: {value}")
    verdicts, samples, missing = [], {}, []
    with in_memory(options) as guests, closing(GuestChain(guests)) as chain:
        available = compare_targets.races(options, chain)
        for name in options.target or [*available, *scaling.SCALINGS]:
            if not name.startswith("qemu"):
                chain.close()  # its guest holds memory that others need
            try:
                with in_memory(options) as folder:
                    found, samples[name] = run_target(name, options, available, folder, say)
                verdicts += found
            except Failure as failure:
                missing.append(name)
                say(f"\n{name}: not measured: {failure}")
    say("\nverdicts: median [lowest highest]")
    for verdict in verdicts:
        say(verdict.line())
    if missing:
        say("not measured: " + ", ".join(missing))
    if options.json:
        document = {"machine": about, "verdicts": [vars(verdict) for verdict in verdicts],
                    "samples": samples}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if missing and options.target else 0


def main():
    measuring.unwind_on_signals()
    options = parse()
    known = [*compare_targets.races(options, GuestChain("")), *scaling.SCALINGS]
    if options.list:
        print("\n".join(known))
        return 0
    try:
        for name in options.target:
            if name not in known:
                raise Failure(f"no target {name}; there are {', '.join(known)}")
        if options.congestion_control:
            enter_namespace(options.congestion_control)
        return compare(options, lambda line: print(line, flush=True))
    except Failure as failure:
        print(f"compare: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
