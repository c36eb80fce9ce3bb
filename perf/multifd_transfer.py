"""One transfer by the real command: `multifd receive` and `multifd send` over the loopback."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import measuring
from measuring import GB, Failure, Sample

# How the memory device of both ends is made.
DEVICES_AS = {
    "generated": "",  # computed while it is read, checked while it is written
    "held": ",held=on",  # stands in memory; goes through read and write calls
    "lent": ",lend=on",  # stands in memory that the engine sends from and receives into
}


@dataclass(frozen=True)
class Transfer:
    """What is transferred, and how."""
    command: str
    devices_as: str  # of DEVICES_AS, or "file": from a file into a file, in `folder`
    size: int  # in all
    devices: int = 1
    channels: int = 2
    packet_size: str = "1MiB"
    verify: str = "off"
    device_keys: str = ""  # appended to each device
    congestion_control: str = ""  # the command's own setting; empty: the system's
    listen: str = "tcp:127.0.0.1:0"
    send_options: tuple = field(default_factory=tuple)
    receive_options: tuple = field(default_factory=tuple)

    def name(self):
        words = [self.devices_as, f"{self.channels}ch", self.packet_size, f"verify={self.verify}"]
        if self.devices != 1:
            words.append(f"{self.devices} devices")
        if self.congestion_control:
            words.append(self.congestion_control)
        return " ".join(["multifd", *words, *self.send_options, *self.receive_options])

    def memory_needed(self):
        copies = {"generated": 0, "file": 2}.get(self.devices_as, 2)
        return copies * self.size


def device_words(transfer, folder, side):
    each = transfer.size // transfer.devices
    words = []
    for number in range(transfer.devices):
        if transfer.devices_as == "file":
            kind = f"file,idstr=dev{number},path={folder}/{side}{number}.state"
        else:
            kind = (f"memory,idstr=dev{number},size={each},seed={number + 1},compressible=0"
                    f"{DEVICES_AS[transfer.devices_as]}")
        words += ["--device", kind + transfer.device_keys]
    return words


def command_words(transfer, folder):
    common = ["--multifd-channels", transfer.channels, "--verify", transfer.verify, "-q",
              "--state-dir", folder / "records"]
    if transfer.congestion_control:
        common += ["--congestion-control", transfer.congestion_control]
    receive = [transfer.command, "receive", "--listen", transfer.listen, "--address-file",
               folder / "address", "--json", folder / "destination.json", *common,
               *device_words(transfer, folder, "destination"), *transfer.receive_options]
    send = [transfer.command, "send", "--packet-size", transfer.packet_size, "--json",
            folder / "source.json", *common, *device_words(transfer, folder, "source"),
            *transfer.send_options]
    return receive, send


def prepare_files(transfer, folder):
    """Sources of a file device: incompressible, written once, kept for the next run."""
    each = transfer.size // transfer.devices
    for number in range(transfer.devices):
        (folder / f"destination{number}.state").unlink(missing_ok=True)
        path = folder / f"source{number}.state"
        if not path.exists() or path.stat().st_size != each:
            measuring.write_random_file(path, each)


def run(transfer, folder):
    """One transfer in `folder`; returns its Sample."""
    folder = Path(folder)
    measuring.check_memory(transfer.memory_needed(), transfer.name())
    if transfer.devices_as == "file":
        prepare_files(transfer, folder)
    address, logs = folder / "address", [folder / "source.log", folder / "destination.log"]
    address.unlink(missing_ok=True)
    receive, send = command_words(transfer, folder)
    destination, source = measuring.start(receive, logs[1]), None
    try:
        to = measuring.wait_for_text(address, destination, 60,
                                     "the destination did not say where it listens")
        source = measuring.start([*send, "--to", to], logs[0])
        ends = [measuring.reap(source), measuring.reap(destination)]
    finally:
        measuring.end(source, destination)
    codes = [code for code, _ in ends]
    if codes != [0, 0]:
        raise Failure(f"{transfer.name()}: source {codes[0]}, destination {codes[1]}\n"
                      + measuring.tail_of(*logs))
    return measured(transfer, folder, ends[1][1])


def measured(transfer, folder, destination_usage):
    ends = [json.loads((folder / f"{side}.json").read_text(encoding="utf-8"))
            for side in ("source", "destination")]
    for report in ends:
        if report["transferred"] < transfer.size:
            raise Failure(f"{report['role']} reports {report['transferred']} bytes only")
        if not report["transfer"]:
            raise Failure(f"the {report['role']}'s report does not know its transfer")
    spans = [report["transfer"] for report in ends]
    # The destination's span ends when all is loaded, the source's when all is sent.
    seconds = max(span["us"] for span in spans) / 1e6
    cpu = [(span["user-us"] + span["system-us"]) / 1e6 for span in spans]
    gigabytes = transfer.size / GB
    return Sample(gb_per_s=gigabytes / seconds, cpu_s_per_gb=sum(cpu) / gigabytes,
                  details={"source cpu s/GB": cpu[0] / gigabytes,
                           "destination cpu s/GB": cpu[1] / gigabytes,
                           "user s/GB": sum(span["user-us"] for span in spans) / 1e6 / gigabytes,
                           "downtime ms": ends[0]["downtime"],
                           "downtime parts us": ends[0]["downtime-parts"],
                           "peak queued bytes": ends[1]["peak-queued-bytes"],
                           "resident bytes": destination_usage.ru_maxrss * 1024})
