"""What moves bytes besides multifd: the floor, and the tools that a user would pick instead."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import measuring
from measuring import GB, Failure, Sample

FIRST_PORT = 45100  # iperf3, mbuffer and socat cannot pick one themselves


@dataclass(frozen=True)
class RawPipe:
    """perf/raw_pipe.cpp."""
    program: str
    variant: str
    size: int
    connections: int
    piece_kib: int = 1024
    hashes: bool = False
    reuses: bool = False  # one piece for each thread, which stays in cache
    congestion_control: str = ""

    def name(self):
        hashing = (" hashing" if self.hashes else "") + (" in cache" if self.reuses else "")
        other = f" {self.congestion_control}" if self.congestion_control else ""
        return f"raw_pipe {self.variant}{hashing} {self.connections}x {self.piece_kib}KiB{other}"


def run_raw_pipe(pipe, folder):
    measuring.check_memory(2 * pipe.size, pipe.name())
    words = [pipe.program, "--variant", pipe.variant, "--size", pipe.size >> 20, "--connections",
             pipe.connections, "--piece", pipe.piece_kib, "--hash", "on" if pipe.hashes else "off",
             "--reuse", "on" if pipe.reuses else "off"]
    if pipe.congestion_control:
        words += ["--congestion-control", pipe.congestion_control]
    log = Path(folder) / "raw_pipe.log"
    code, _ = measuring.reap(measuring.start(words, log))
    if code != 0:
        raise Failure(f"{pipe.name()}: exit code {code}\n{measuring.tail_of(log)}")
    figures = json.loads(log.read_text(encoding="utf-8"))
    return Sample(figures["gb_per_s"], figures["cpu_s_per_gb"], figures)


@dataclass(frozen=True)
class Iperf3:
    """Several processes with parallel streams each: a process of version 3.12 has one thread."""
    processes: int
    streams: int
    seconds: float = 2.0

    def name(self):
        return f"iperf3 {self.processes} processes -P {self.streams}"


def run_iperf3(pipe, folder):
    folder, running, results = Path(folder), [], []
    ports = range(FIRST_PORT, FIRST_PORT + pipe.processes)
    try:
        servers = [measuring.start(["iperf3", "-s", "-1", "-p", port], folder / f"server{port}")
                   for port in ports]
        running += servers
        for server, port in zip(servers, ports):
            measuring.wait_for(lambda port=port: measuring.listens_on(port), server, 10,
                               "iperf3 does not listen")
        clients = [measuring.start(["iperf3", "-c", "127.0.0.1", "-p", port, "-t", pipe.seconds,
                                    "-P", pipe.streams, "-J"], folder / f"client{port}")
                   for port in ports]
        running += clients
        ends = [measuring.reap(process) for process in (*clients, *servers)]
    finally:
        measuring.end(*running)
    for port in ports:
        text = (folder / f"client{port}").read_text(encoding="utf-8")
        results.append(json.loads(text)["end"]["sum_received"])
    if any(code != 0 for code, _ in ends):
        raise Failure(f"{pipe.name()} failed")
    gigabytes = sum(result["bytes"] for result in results) / GB
    rate = sum(result["bits_per_second"] for result in results) / 8 / GB
    return Sample(rate, sum(measuring.cpu_of(usage) for _, usage in ends) / gigabytes)


@dataclass(frozen=True)
class FilePipe:
    """A file in memory through one TCP connection into another file, by mbuffer or socat."""
    tool: str
    size: int

    def name(self):
        return f"{self.tool}, file to file"

    def words(self, source, target):
        port = FIRST_PORT
        if self.tool == "mbuffer":
            common = ["mbuffer", "-q", "-s", "1M", "-m", "64M"]
            return ([*common, "-I", f"127.0.0.1:{port}", "-o", target],
                    [*common, "-i", source, "-O", f"127.0.0.1:{port}"])
        return (["socat", "-u", "-b", 1 << 20, f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr",
                 f"OPEN:{target},creat,trunc"],
                ["socat", "-u", "-b", 1 << 20, f"OPEN:{source},rdonly", f"TCP:127.0.0.1:{port}"])


def run_file_pipe(pipe, folder):
    folder = Path(folder)
    source, target = folder / "pipe-source", folder / "pipe-target"
    measuring.check_memory(2 * pipe.size, pipe.name())
    if not source.exists() or source.stat().st_size != pipe.size:
        measuring.write_random_file(source, pipe.size)
    target.unlink(missing_ok=True)
    receive, send = pipe.words(source, target)
    receiver, sender = measuring.start(receive, folder / "receiver.log"), None
    try:
        measuring.wait_for(lambda: measuring.listens_on(FIRST_PORT), receiver, 10,
                           f"{pipe.tool} does not listen")
        began = time.monotonic()
        sender = measuring.start(send, folder / "sender.log")
        ends = [measuring.reap(sender), measuring.reap(receiver)]
        seconds = time.monotonic() - began
    finally:
        measuring.end(receiver, sender)
    arrived = target.stat().st_size if target.exists() else 0
    target.unlink(missing_ok=True)
    if any(code != 0 for code, _ in ends) or arrived != pipe.size:
        raise Failure(f"{pipe.name()}: {arrived} bytes arrived\n"
                      + measuring.tail_of(folder / "sender.log", folder / "receiver.log"))
    gigabytes = pipe.size / GB
    used = sum(measuring.cpu_of(usage) for _, usage in ends)
    return Sample(gigabytes / seconds, used / gigabytes)


def installed(program):
    return shutil.which(program) is not None
