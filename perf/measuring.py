"""What every measurement here needs: processes, memory, the machine's description, statistics."""

import argparse
import datetime
import os
import random
import re
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

GB = 1e9
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


class Failure(Exception):
    """A measurement that could not be taken; its text says why."""


@dataclass
class Sample:
    """One run of one contender."""
    gb_per_s: float
    cpu_s_per_gb: float  # user and system time of both ends
    details: dict = field(default_factory=dict)


def unwind_on_signals():
    """Makes SIGTERM and SIGHUP end the program as an exception does: processes that run are ended,
    and folders and namespaces removed."""
    def leave(number, _):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def size_of(text):
    match = re.fullmatch(r"(\d+)(KiB|MiB|GiB|TiB|)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text} is no size like 512MiB")
    return int(match.group(1)) * UNITS[match.group(2)]


def size_text(size):
    for unit in ("GiB", "MiB", "KiB"):
        if size >= UNITS[unit] and size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]}{unit}"
    return str(size)


def start(words, log):
    with open(log, "wb") as target:
        return subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                                stdout=target, stderr=target)


def reap(process):
    """Exit code and resources of exactly this child."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


def end(*processes):
    """Kills those that still run; for the way out of a failure."""
    for process in processes:
        if process is not None and process.returncode is None:
            process.kill()
            reap(process)


def cpu_of(usage):
    return usage.ru_utime + usage.ru_stime


def cpu_of_process(pid):
    """Seconds that all threads of a running process have used, those that ended included."""
    return time.clock_gettime((~pid << 3) | 2)  # the kernel's clock id for a process's CPU time


def wait_for(condition, process, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    raise Failure(what)


def wait_for_text(path, process, seconds, what):
    return wait_for(lambda: path.exists() and path.read_text(encoding="utf-8").strip(), process,
                    seconds, what)


def listens_on(port):
    """Whether a process listens on a TCP port, without connecting to it."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in read_or(table, "").splitlines()[1:]:
            words = line.split()
            if words[1].endswith(wanted) and words[3] == "0A":
                return True
    return False


def tail_of(*logs):
    texts = [Path(log).read_text(encoding="utf-8", errors="replace") for log in logs]
    return "\n".join(text[-2000:] for text in texts if text)


def read_or(path, otherwise):
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return otherwise


def congestion_control():
    return read_or("/proc/sys/net/ipv4/tcp_congestion_control", "unknown")


def machine():
    cpu = re.search(r"^model name\s*: (.*)$", read_or("/proc/cpuinfo", ""), re.M)
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "cpu": cpu.group(1) if cpu else "unknown", "processors": os.cpu_count(),
            "kernel": os.uname().release, "load": os.getloadavg()[0],
            "congestion control": congestion_control(),
            "free memory GiB": round(available_memory() / (1 << 30), 1)}


def available_memory():
    match = re.search(r"^MemAvailable:\s+(\d+) kB", read_or("/proc/meminfo", ""), re.M)
    return int(match.group(1)) * 1024 if match else 1 << 62


def check_memory(needed, what):
    if available_memory() < needed + (1 << 30):
        raise Failure(f"{what} needs {needed / (1 << 30):.1f} GiB and one to spare, "
                      f"{available_memory() / (1 << 30):.1f} are free; give a smaller --size")


def write_random_file(path, size):
    source = random.Random(size)
    with open(path, "wb") as target:
        for at in range(0, size, 16 << 20):
            target.write(source.randbytes(min(16 << 20, size - at)))


def spread(values, digits):
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{median:.{digits}f} [{low:.{digits}f} {high:.{digits}f}]"
