"""QEMU's own multifd migration of guest memory over the loopback, between two paused guests.

The guests never run. Random bytes get into the first guest's memory by a file in a tmpfs, which
it migrates away, unmeasured, into anonymous memory; from then on each measured migration's
destination is the next one's source, so that both ends have the kind of memory that a guest has.
"""

import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import measuring
from measuring import GB, Failure, Sample

PROGRAM = "qemu-system-x86_64"


@dataclass(frozen=True)
class QemuRam:
    size: int
    channels: int
    prealloc: bool = True

    def name(self):
        return f"QEMU RAM {self.channels}ch prealloc={'on' if self.prealloc else 'off'}"


class Monitor:
    """A QMP connection."""

    def __init__(self, path, process):
        measuring.wait_for(path.exists, process, 120, f"{PROGRAM} has no monitor")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(300)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._events = []
        self._lines.readline()  # the greeting
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self._socket.sendall((json.dumps(request) + "\n").encode())
        while True:
            answer = self._next()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Failure(f"QEMU refuses {command}: {answer['error']['desc']}")
            self._events.append(answer)

    def wait_for_end(self):
        """Of the migration, by its events, so that nothing polls meanwhile."""
        while True:
            event = self._events.pop(0) if self._events else self._next()
            status = event.get("data", {}).get("status")
            if event.get("event") == "MIGRATION" and status in ("completed", "failed"):
                return status

    def _next(self):
        line = self._lines.readline()
        if not line:
            raise Failure("QEMU is gone")
        return json.loads(line)

    def close(self):
        self._lines.close()
        self._socket.close()


class Guest:
    """One paused QEMU process."""
    _count = 0

    def __init__(self, folder, size, memory, incoming):
        Guest._count += 1
        path = Path(folder) / f"monitor{Guest._count}"
        self.log = Path(folder) / f"qemu{Guest._count}.log"
        words = [PROGRAM, "-S", "-accel", "tcg", "-nodefaults", "-no-user-config",
                 "-display", "none", "-m", f"{size >> 20}M",
                 "-object", f"{memory},id=memory,size={size}",
                 "-machine", "pc,memory-backend=memory", "-qmp", f"unix:{path},server=on,wait=off"]
        self.process = measuring.start(words + (["-incoming", "defer"] if incoming else []),
                                       self.log)
        self.monitor = Monitor(path, self.process)

    def set_up(self, channels):
        """Ready for the next migration, in or out; channels 0: without multifd."""
        multifd = {"capability": "multifd", "state": channels > 0}
        events = {"capability": "events", "state": True}
        self.monitor.execute("migrate-set-capabilities", capabilities=[multifd, events])
        self.monitor.execute("migrate-set-parameters",
                             **{"max-bandwidth": 0, "multifd-channels": max(channels, 1)})

    def end(self):
        self.monitor.close()
        measuring.end(self.process)


class GuestChain:
    """The guest whose memory is random now, and its migrations."""

    def __init__(self, folder):
        self._folder, self._holder, self._size = Path(folder), None, 0

    def close(self):
        if self._holder:
            self._holder.end()
        self._holder, self._size = None, 0

    def run(self, case, _folder):
        if self._size != case.size:
            self.close()
            self._fill(case.size)
        return self._migrate(case)

    def _fill(self, size):
        measuring.check_memory(2 * size, "filling a guest's memory")
        path = self._folder / "guest-memory"
        measuring.write_random_file(path, size)
        self._holder = Guest(self._folder, size, f"memory-backend-file,mem-path={path},share=on",
                             incoming=False)
        self._size = size
        self._migrate(QemuRam(size, channels=2))
        path.unlink()

    def _migrate(self, case):
        measuring.check_memory(case.size, case.name())
        prealloc = "on" if case.prealloc else "off"
        source = self._holder
        target = Guest(self._folder, case.size, f"memory-backend-ram,prealloc={prealloc}",
                       incoming=True)
        try:
            sample = measured_migration(source, target, case)
        except Exception:
            target.end()
            self._size = 0  # whatever state the source is in now
            raise
        source.end()
        self._holder = target
        return sample


def measured_migration(source, target, case):
    for guest in (source, target):
        guest.set_up(case.channels)
    target.monitor.execute("migrate-incoming", uri="tcp:127.0.0.1:0")
    port = target.monitor.execute("query-migrate")["socket-address"][0]["port"]
    pids = [source.process.pid, target.process.pid]
    before = sum(measuring.cpu_of_process(pid) for pid in pids)
    began = time.monotonic()
    source.monitor.execute("migrate", uri=f"tcp:127.0.0.1:{port}")
    ends = [guest.monitor.wait_for_end() for guest in (source, target)]
    seconds = time.monotonic() - began
    used = sum(measuring.cpu_of_process(pid) for pid in pids) - before
    if ends != ["completed", "completed"]:
        raise Failure(f"{case.name()}: source {ends[0]}, destination {ends[1]}\n"
                      + measuring.tail_of(source.log, target.log))
    says = source.monitor.execute("query-migrate")
    ram = says["ram"]
    if ram["normal-bytes"] < 0.99 * case.size:
        raise Failure(f"{case.name()}: only {ram['normal-bytes']} bytes were not zero")
    gigabytes = ram["transferred"] / GB
    # QEMU's own time without its setup is a little shorter; where it makes no sense, ours counts.
    own_seconds = (says["total-time"] - says["setup-time"]) / 1000
    if not 0.8 * seconds < own_seconds < seconds:
        own_seconds = seconds
    return Sample(gigabytes / own_seconds, used / gigabytes,
                  {"GB/s from command to both ends' events": gigabytes / seconds,
                   "total ms": says["total-time"], "setup ms": says["setup-time"]})
