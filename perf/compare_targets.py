"""The targets of perf/README.md that are races: who runs against whom, and how it should end."""

from dataclasses import replace
from itertools import product

import measuring
import multifd_transfer
import other_pipes
from multifd_transfer import Transfer
from other_pipes import FilePipe, Iperf3, RawPipe
from qemu_ram import QemuRam
from races import SEARCH_BYTES_MIN, SEARCH_PART, Contender, Race

PIECES_KIB = (256, 1024)
IPERF3_PIECE_KIB = 128  # its own default


class Field:
    """Makes contenders from the options; those that are not wanted or not installed are none."""

    def __init__(self, options, chain):
        self._options, self._chain = options, chain

    def has(self, name):
        wanted = not self._options.only or name in self._options.only
        program = {"iperf3": "iperf3", "mbuffer": "mbuffer", "socat": "socat",
                   "qemu": "qemu-system-x86_64"}.get(name)
        return wanted and (program is None or other_pipes.installed(program))

    def multifd(self, devices_as, verify="off", channels=None, congestion_controls=("",)):
        if not self.has("multifd"):
            return []
        options = self._options
        return [Contender(Transfer(command=options.command, devices_as=devices_as,
                                   size=options.size, channels=count, packet_size=packet,
                                   verify=verify, congestion_control=control,
                                   send_options=tuple(options.send_option),
                                   receive_options=tuple(options.receive_option)),
                          multifd_transfer.run)
                for count, packet, control in product(channels or options.channels,
                                                      options.packet_size, congestion_controls)]

    def raw(self, variant, hashes=False, channels=None, reuses=False):
        if not self.has("raw"):
            return []
        return [Contender(RawPipe(self._options.raw_pipe, variant, self._options.size, count,
                                  piece, hashes, reuses), other_pipes.run_raw_pipe)
                for count, piece in product(channels or self._options.channels,
                                            (IPERF3_PIECE_KIB,) if reuses else PIECES_KIB)]

    def iperf3(self):
        shapes = ((1, 1), (1, 2), (1, 4), (2, 1), (4, 1))
        return [Contender(Iperf3(*shape), other_pipes.run_iperf3)
                for shape in shapes if self.has("iperf3")]

    def file_pipes(self):
        return [Contender(FilePipe(tool, self._options.size), other_pipes.run_file_pipe)
                for tool in ("mbuffer", "socat") if self.has(tool)]

    def qemu(self, prealloc=True):
        return [Contender(QemuRam(self._options.size, count, prealloc), self._chain.run)
                for count in (1, 2, 4, 8) if self.has("qemu")]


def smaller(case):
    """The same case with fewer bytes, for the search; a guest keeps its size."""
    if isinstance(case, Iperf3):
        return replace(case, seconds=case.seconds / 2)
    if isinstance(case, QemuRam):
        return case
    size = max(case.size // SEARCH_PART, min(case.size, SEARCH_BYTES_MIN))
    return replace(case, size=size)


def races(options, chain):
    """Every race by name, in the order in which they are worth running."""
    field = Field(options, chain)
    control = measuring.congestion_control()
    found = [
        Race("lending", "a device that lends its memory, against raw_pipe direct",
             field.multifd("lent"), field.raw("direct"), 0.95, 1.08),
        Race("copying", "a device behind read and write calls, against raw_pipe through buffers",
             field.multifd("held"), field.raw("buffered"), 0.95, 1.08),
        Race("copying-file", "a file in a tmpfs, against raw_pipe through buffers",
             field.multifd("file"), field.raw("buffered"), 0.95, 1.08),
        Race("digest", "a lending device with its digest, against raw_pipe direct that hashes",
             field.multifd("lent", verify="on"), field.raw("direct", hashes=True), 0, 1.1),
        Race("qemu", f"a lending device against QEMU's RAM, both under {control}",
             field.multifd("lent"), field.qemu(), 1.0, 1.0),
        Race("qemu-prealloc-off", f"the same without prealloc, both under {control}",
             field.multifd("lent"), field.qemu(prealloc=False)),
        Race("qemu-best", f"our best settings against QEMU as it comes, under {control}",
             field.multifd("lent", congestion_controls=best_controls(options)), field.qemu(), 1.5),
        Race("tools", "a file in a tmpfs, against mbuffer and socat with the same file",
             field.multifd("file"), field.file_pipes()),
        Race("floor", "raw_pipe direct, from and to memory, against iperf3 within its cache",
             field.raw("direct"), field.iperf3(), 0.95),
        Race("floor-in-cache", "raw_pipe direct against iperf3, both within their caches",
             field.raw("direct", reuses=True), field.iperf3(), 0.95),
    ]
    found += [Race(f"channels-{count}", f"{count} channels against raw_pipe with as many",
                   field.multifd("lent", channels=[count]), field.raw("direct", channels=[count]),
                   0.9) for count in (1, 2, 4, 8, 16, 32, 64)]
    return {race.target: race for race in found}


def best_controls(options):
    """Ours is a setting of the command; QEMU has none."""
    return ("", *options.our_congestion_controls)
