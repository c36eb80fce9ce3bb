#!/usr/bin/env python3
"""Whole transfers by the real command, as two processes over loopback: GB/s and CPU seconds per GB.

    transfer_perf.py --command build/perf/multifd [options]

Runs every combination of --devices-as, --channels, --packet-size and --verify once per round, round
after round (A B C A B C), and prints medians with the lowest and highest value, and each case's
ratio to the first one, taken within each round. perf/README.md says how to read it.
"""

import argparse
import datetime
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

GB = 1e9
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

# How the memory device of both ends is made.
DEVICES_AS = {
    "generated": "",  # computed while it is read, checked while it is written
    "held": ",held=on",  # stands in memory; goes through read and write calls
    "lent": ",lend=on",  # stands in memory that the engine sends from and receives into
}


@dataclass
class Case:
    devices_as: str
    channels: int
    packet_size: str
    verify: str
    runs: list = field(default_factory=list)

    def name(self):
        digest = "" if self.verify == "on" else " verify=off"
        return f"{self.devices_as} {self.channels}ch {self.packet_size}{digest}"


@dataclass
class Run:
    gb_per_s: float  # the command's own: state bytes over the transfer of device state
    cpu_s_per_gb: float  # user and system time of both processes, start to end
    source_cpu_s: float
    destination_cpu_s: float
    downtime_ms: float
    peak_queued_bytes: int
    destination_resident_bytes: int


class Failure(Exception):
    pass


def size_of(text):
    match = re.fullmatch(r"(\d+)(KiB|MiB|GiB|TiB|)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text} is no size like 512MiB")
    return int(match.group(1)) * UNITS[match.group(2)]


def start(words, log):
    with open(log, "wb") as target:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=target, stderr=target)


def wait_for_file(path, process, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and path.stat().st_size > 0:
            return path.read_text(encoding="utf-8").strip()
        time.sleep(0.002)
    raise Failure("the destination did not say where it listens")


def reap(process):
    """Exit code and resources of exactly this child."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


def device_words(case, options):
    each = options.size // options.devices
    words = []
    for number in range(options.devices):
        words += ["--device", f"memory,idstr=dev{number},size={each},seed={number + 1}"
                              f",compressible=0{DEVICES_AS[case.devices_as]}"]
    return words


def run_once(case, options, folder):
    address = folder / "address"
    address.unlink(missing_ok=True)
    common = ["--multifd-channels", str(case.channels), "--verify", case.verify, "-q",
              *device_words(case, options)]
    destination = start([options.command, "receive", "--listen", options.listen, "--address-file",
                         str(address), "--json", str(folder / "destination.json"), *common,
                         *options.receive_option], folder / "destination.log")
    source = None
    try:
        to = wait_for_file(address, destination, 60)
        source = start([options.command, "send", "--to", to, "--packet-size", case.packet_size,
                        "--json", str(folder / "source.json"), *common, *options.send_option],
                       folder / "source.log")
        source_code, source_usage = reap(source)
        destination_code, destination_usage = reap(destination)
    finally:
        for process in (source, destination):
            if process is not None and process.returncode is None:
                process.kill()
                reap(process)
    if source_code != 0 or destination_code != 0:
        logs = [(folder / name).read_text(encoding="utf-8", errors="replace")
                for name in ("source.log", "destination.log")]
        raise Failure(f"{case.name()}: source {source_code}, destination {destination_code}\n"
                      + "".join(logs))
    return measured(options, folder, source_usage, destination_usage)


def measured(options, folder, source_usage, destination_usage):
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    destination = json.loads((folder / "destination.json").read_text(encoding="utf-8"))
    if source["transferred"] < options.size or destination["transferred"] < options.size:
        raise Failure(f"{source['transferred']} bytes left, {destination['transferred']} arrived")
    if source["downtime"] is None or not source["mbps"]:
        raise Failure("the source's report has no downtime or no rate")
    source_cpu = source_usage.ru_utime + source_usage.ru_stime
    destination_cpu = destination_usage.ru_utime + destination_usage.ru_stime
    return Run(gb_per_s=source["mbps"] / 8000,
               cpu_s_per_gb=(source_cpu + destination_cpu) / (options.size / GB),
               source_cpu_s=source_cpu, destination_cpu_s=destination_cpu,
               downtime_ms=source["downtime"],
               peak_queued_bytes=destination["peak-queued-bytes"],
               destination_resident_bytes=destination_usage.ru_maxrss * 1024)


def spread(values, digits):
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{median:.{digits}f} [{low:.{digits}f} {high:.{digits}f}]"


def ratios(case, base, name):
    return [getattr(mine, name) / getattr(its, name) for mine, its in zip(case.runs, base.runs)
            if getattr(its, name) > 0]


def print_table(cases):
    base = cases[0]
    width = max(len(case.name()) for case in cases)
    print(f"\n{'':{width}}  {'GB/s':>19}  {'CPU s/GB':>19}  {'downtime ms':>21}  "
          f"{'queued':>8}  {'x GB/s':>7}  {'x CPU':>7}")
    for case in cases:
        queued = max(run.peak_queued_bytes for run in case.runs)
        print(f"{case.name():{width}}  "
              f"{spread([run.gb_per_s for run in case.runs], 2):>19}  "
              f"{spread([run.cpu_s_per_gb for run in case.runs], 2):>19}  "
              f"{spread([run.downtime_ms for run in case.runs], 0):>21}  "
              f"{queued / (1 << 20):>4.0f} MiB  "
              f"{statistics.median(ratios(case, base, 'gb_per_s')):>7.2f}  "
              f"{statistics.median(ratios(case, base, 'cpu_s_per_gb')):>7.2f}")
    print("\nmedian [lowest highest]; queued: the destination's highest; "
          f"x: median ratio to \"{base.name()}\" within each round")


def read_or(path, otherwise):
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return otherwise


def machine(options):
    cpu = re.search(r"^model name\s*: (.*)$", read_or("/proc/cpuinfo", ""), re.M)
    version = subprocess.run([options.command, "--version"], capture_output=True, check=True,
                             text=True).stdout.strip()
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "cpu": cpu.group(1) if cpu else "unknown", "processors": os.cpu_count(),
            "kernel": os.uname().release, "load": os.getloadavg()[0],
            "congestion control": read_or("/proc/sys/net/ipv4/tcp_congestion_control", "unknown"),
            "command": version, "listen": options.listen, "state bytes": options.size,
            "devices": options.devices, "rounds": options.rounds}


def check_memory(options, cases):
    if all(case.devices_as == "generated" for case in cases):
        return
    available = re.search(r"^MemAvailable:\s+(\d+) kB", read_or("/proc/meminfo", ""), re.M)
    needed = 2 * options.size + (1 << 30)
    if available is not None and int(available.group(1)) * 1024 < needed:
        raise Failure(f"two ends that hold {options.size} bytes each need {needed} bytes free; "
                      "give a smaller --size")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    listed = {"type": lambda text: text.split(",")}
    parser.add_argument("--command", required=True, help="the multifd command to measure")
    parser.add_argument("--size", type=size_of, default=size_of("1GiB"), help="state in all")
    parser.add_argument("--devices", type=int, default=1, help="that it is spread over")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--devices-as", default=["held", "lent"], **listed,
                        help="of " + ",".join(DEVICES_AS))
    parser.add_argument("--channels", default=["1", "2", "4"], **listed)
    parser.add_argument("--packet-size", default=["1MiB"], **listed)
    parser.add_argument("--verify", default=["off"], **listed, help="on,off")
    parser.add_argument("--listen", default="tcp:127.0.0.1:0")
    parser.add_argument("--send-option", action="append", default=[],
                        help="one more word for the source; repeatable")
    parser.add_argument("--receive-option", action="append", default=[])
    parser.add_argument("--json", type=Path, help="write all runs there")
    options = parser.parse_args()
    for name in options.devices_as:
        if name not in DEVICES_AS:
            parser.error(f"--devices-as knows {', '.join(DEVICES_AS)}, not {name}")
    if options.rounds < 1 or options.devices < 1 or options.size < options.devices:
        parser.error("rounds and devices are at least 1, and each device has a byte")
    return options


def measure(options):
    cases = [Case(kind, int(channels), packet, verify) for kind, packet, verify, channels in
             itertools.product(options.devices_as, options.packet_size, options.verify,
                               options.channels)]
    check_memory(options, cases)
    about = machine(options)
    for key, value in about.items():
        print(f"{key}: {value}")
    with tempfile.TemporaryDirectory(prefix="multifd-perf-") as name:
        run_once(cases[0], options, Path(name))  # warms caches and processor; not counted
        for turn in range(options.rounds):
            for case in cases:
                case.runs.append(run_once(case, options, Path(name)))
            print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
    print_table(cases)
    if options.json:
        rows = [{"case": case.name(), "runs": [asdict(run) for run in case.runs]} for case in cases]
        options.json.write_text(json.dumps({"machine": about, "cases": rows}, indent=1) + "\n",
                                encoding="utf-8")


def main():
    try:
        measure(parse())
    except Failure as failure:
        print(f"transfer_perf: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
