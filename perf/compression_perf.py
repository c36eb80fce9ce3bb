#!/usr/bin/env python3
"""What compression gains over a slow link, and what it costs where it cannot gain.

    compression_perf.py --command build/perf/multifd [options]

link:      two network namespaces joined by veth, each end held to --rate by tc tbf (needs root);
           ELF files of /usr through the file device, and the memory device's synthetic mix.
loopback:  data that nothing compresses, at full speed: none against auto.

Every case runs once per round, round after round (A B C A B C); ratios are taken within a round.
perf/README.md says how to read it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import measuring
from network_links import Links, Loopback

ELF_FOLDERS = ("/usr/bin", "/usr/lib", "/usr/libexec", "/usr/local")
ELF_BYTES_MIN = 8 << 20
ELF_RATIO = (3.5, 5.0)  # by zstd -1: "about four to one"
ZERO_PAGES_MAX = 0.02
PAGE = 4096
ZERO_PAGE = bytes(PAGE)


class Failure(Exception):
    pass


@dataclass
class Data:
    name: str
    sending: list  # --device words
    receiving: list


@dataclass
class Case:
    data: Data
    options: list
    runs: list = field(default_factory=list)

    def name(self):
        return " ".join(word.removeprefix("--multifd-") for word in self.options)


@dataclass
class Run:
    mb_per_s: float  # raw state, by the source's own clock
    wire_ratio: float  # raw bytes for each byte on the channels
    cpu_s_per_gb: float
    coding_s: float
    unpacking_s: float


def reap(process):
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def wait_for_file(path, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and path.stat().st_size > 0:
            return path.read_text(encoding="utf-8").strip()
        time.sleep(0.002)
    raise Failure("the destination did not say where it listens")


def start(words, log):
    with open(log, "wb") as target:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=target, stderr=target)


def run_once(case, options, path, folder):
    address = folder / "address"
    address.unlink(missing_ok=True)

    def end(role, *words):
        return start([*path.inside(role), options.command, *words, "--verify", options.verify, "-q",
                      "--state-dir", str(folder / "state"), "--json", str(folder / f"{role}.json")],
                     folder / f"{role}.log")

    destination = end("destination", "receive", "--listen", f"tcp:{path.address()}:0",
                      "--address-file", str(address), *case.data.receiving)
    source = None
    try:
        to = wait_for_file(address, destination)
        source = end("source", "send", "--to", to, "--multifd-channels", str(options.channels),
                     "--packet-size", options.packet_size, *case.data.sending, *case.options)
        source_code, source_cpu = reap(source)
        destination_code, destination_cpu = reap(destination)
    finally:
        for process in (source, destination):
            if process is not None and process.returncode is None:
                process.kill()
                reap(process)
    if source_code != 0 or destination_code != 0:
        logs = [(folder / f"{role}.log").read_text(encoding="utf-8", errors="replace")
                for role in ("source", "destination")]
        raise Failure(f"{case.name()}: {source_code}, {destination_code}\n" + "".join(logs))
    return measured(folder, source_cpu + destination_cpu)


def measured(folder, cpu_s):
    source, destination = (json.loads((folder / f"{role}.json").read_text(encoding="utf-8"))
                           for role in ("source", "destination"))
    raw = source["transferred"]
    if destination["transferred"] != raw or not source["mbps"]:
        raise Failure(f"{raw} bytes left, {destination['transferred']} arrived")

    def coding(report):
        return sum(channel["compression-time-us"] for channel in report["channels"]) / 1e6

    return Run(mb_per_s=source["mbps"] / 8, cpu_s_per_gb=cpu_s / (raw / 1e9),
               wire_ratio=raw / sum(channel["bytes"] for channel in source["channels"]),
               coding_s=coding(source), unpacking_s=coding(destination))


def spread(values, digits):
    return (f"{statistics.median(values):.{digits}f} "
            f"[{min(values):.{digits}f} {max(values):.{digits}f}]")


def measure(title, cases, options, path, folder, rounds):
    run_once(cases[0], options, path, folder)  # warms caches; not counted
    for _ in range(rounds):
        for case in cases:
            case.runs.append(run_once(case, options, path, folder))
    print(f"\n{title}")
    width = max(len(case.name()) for case in cases)
    print(f"  {'':{width}}  {'MB/s of state':>24}  {'raw/wire':>8}  {'CPU s/GB':>18}  "
          f"{'packing s':>9}  {'unpacking s':>11}  {'x MB/s':>20}")
    for case in cases:
        ratios = [mine.mb_per_s / its.mb_per_s for mine, its in zip(case.runs, cases[0].runs)]

        def median(name):
            return statistics.median(getattr(run, name) for run in case.runs)

        print(f"  {case.name():{width}}  {spread([run.mb_per_s for run in case.runs], 0):>24}  "
              f"{median('wire_ratio'):>8.2f}  "
              f"{spread([run.cpu_s_per_gb for run in case.runs], 2):>18}  "
              f"{median('coding_s'):>9.3f}  {median('unpacking_s'):>11.3f}  "
              f"{spread(ratios, 3):>20}", flush=True)


def packed_bytes(data):
    return len(subprocess.run(["zstd", "-q", "-1", "-c"], input=data, capture_output=True,
                              check=True).stdout)


def looks_right(path, size):
    """An ELF file of which some pieces compress roughly so: most files need not be read whole."""
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return False
        pieces = b""
        for number in range(8):
            file.seek(number * size // 8)
            pieces += file.read(256 << 10)
    return ELF_RATIO[0] * 0.7 <= len(pieces) / packed_bytes(pieces) <= ELF_RATIO[1] * 1.5


def elf_files(bytes_wanted):
    """Large ELF files that compress about four to one and have hardly a page of zeros."""
    chosen, total = [], 0
    candidates = []
    print("\nlooking for ELF files", flush=True)
    for top in ELF_FOLDERS:
        for folder, _, names in os.walk(top):
            candidates += [Path(folder) / name for name in names]
    sizes = {}
    for path in candidates:
        try:
            if path.is_symlink() or not path.is_file():
                continue
            size = path.stat().st_size
        except OSError:
            continue
        if size >= ELF_BYTES_MIN:
            sizes[path.resolve()] = size
    for path, size in sorted(sizes.items(), key=lambda item: (-item[1], str(item[0]))):
        if not looks_right(path, size):
            continue
        data = path.read_bytes()
        pages = range(0, len(data) - PAGE + 1, PAGE)
        zeros = sum(data[at:at + PAGE] == ZERO_PAGE for at in pages) / max(1, len(pages))
        ratio = size / packed_bytes(data)
        if zeros > ZERO_PAGES_MAX or not ELF_RATIO[0] <= ratio <= ELF_RATIO[1]:
            continue
        chosen.append((path, size, ratio, zeros))
        total += size
        if total >= bytes_wanted:
            break
    return chosen


def elf_data(options, folder):
    files = elf_files(options.size)
    if not files:
        print("no ELF file of /usr compresses about four to one: that case is left out")
        return None
    print("ELF files (bytes, ratio by zstd -1 of the whole file, pages of zeros):")
    for path, size, ratio, zeros in files:
        print(f"  {size:>10}  {ratio:.2f}  {zeros:.3f}  {path}")
    sending, receiving = [], []
    for number, (path, *_) in enumerate(files):
        sending += ["--device", f"file,idstr=elf{number},path={path}"]
        receiving += ["--device", f"file,idstr=elf{number},path={folder}/elf{number}"]
    return Data("ELF files", sending, receiving)


def memory_data(name, size, compressible, kind=""):
    word = f"memory,idstr=dev0,size={size},seed=1,compressible={compressible}{kind}"
    return Data(name, ["--device", word], ["--device", word])


def measure_link(options, folder):
    if os.geteuid() != 0:
        print("\nlink: NOT MEASURED: network namespaces and tc need root")
        return
    levels = [word for level in options.levels for word in (
        ["--multifd-compression", "zstd", "--multifd-zstd-level", level],
        ["--multifd-compression", "auto", "--multifd-zstd-level", level])]
    mix = "synthetic mix, 77% of pages compressible, the others random"
    data = [elf_data(options, folder), memory_data(mix, options.size, 77)]
    with Links(options.rate) as link:
        for each in filter(None, data):
            cases = [Case(each, ["--multifd-compression", "none"]),
                     *(Case(each, words) for words in levels)]
            measure(f"link of {options.rate}, {each.name}:", cases, options, link, folder,
                    options.rounds)


def measure_loopback(options, folder):
    for kind in options.devices_as:
        data = memory_data(f"random data, {kind}", options.loopback_size, 0,
                           {"generated": "", "held": ",held=on", "lent": ",lend=on"}[kind])
        cases = [Case(data, ["--multifd-compression", mode]) for mode in ("none", "auto")]
        measure(f"loopback, {data.name}:", cases, options, Loopback, folder,
                options.loopback_rounds)


def about(options):
    version = subprocess.run([options.command, "--version"], capture_output=True, check=True,
                             text=True).stdout.strip()
    control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text(encoding="utf-8").strip()
    model = [line.split(":", 1)[1].strip()
             for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
             if line.startswith("model name")]
    print(f"date: {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}\n"
          f"machine: {model[0] if model else 'unknown'}, {os.cpu_count()} processors, "
          f"kernel {os.uname().release}, load {os.getloadavg()[0]:.2f}\n"
          f"congestion control: {control}\ncommand: {version}\n"
          f"channels: {options.channels}, packets of {options.packet_size}, "
          f"verify {options.verify}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--command", required=True, help="the multifd command to measure")
    parser.add_argument("--only", choices=["link", "loopback"])
    parser.add_argument("--rate", default="1gbit", help="of the link, in tc's words")
    parser.add_argument("--size", type=int, default=200 << 20, help="bytes over the link")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--levels", type=lambda text: text.split(","), default=["1", "3"])
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--packet-size", default="1MiB")
    parser.add_argument("--verify", choices=["on", "off"], default="off")
    parser.add_argument("--devices-as", type=lambda text: text.split(","), default=["lent", "held"])
    parser.add_argument("--loopback-size", type=int, default=2 << 30)
    parser.add_argument("--loopback-rounds", type=int, default=9)
    return parser.parse_args()


def main():
    measuring.unwind_on_signals()
    options = parse()
    about(options)
    shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
    try:
        with tempfile.TemporaryDirectory(prefix="multifd-perf-", dir=shared) as name:
            if options.only != "loopback":
                measure_link(options, Path(name))
            if options.only != "link":
                measure_loopback(options, Path(name))
    except Failure as failure:
        print(f"compression_perf: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
