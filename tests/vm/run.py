#!/usr/bin/env python3
"""Tests against the drivers of a real kernel, in a virtual machine.

    run.py --build BUILD --work FOLDER [--part tests|qemu|perf] [CATCH2-ARGUMENTS...]

BUILD holds the command and vm_test; FOLDER keeps packages and what is made of them. The console is
printed and kept as FOLDER/console.log. Exit code 0: everything passed; 1: something failed, or the
machine gave no verdict; 77: the machine cannot be made here, and standard error says why, loudly.
"""

import argparse
import pathlib
import shlex
import sys

sys.dont_write_bytecode = True
import machine  # noqa: E402
from initramfs import Initramfs  # noqa: E402
from kernel_modules import Kernel  # noqa: E402
from packages import Packages, Unavailable  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
UNAVAILABLE = 77
MEMORY_MIB = 2048
BIOS = ("usr/share/seabios/bios-256k.bin", "usr/share/qemu/linuxboot_dma.bin",
        "usr/share/qemu/kvmvapic.bin")


def make_initramfs(arguments, kernel, packages):
    image = Initramfs()
    for folder in ("/proc", "/sys", "/dev", "/tmp"):
        image.add_folder(folder)
    image.add(HERE / "guest/init", "/init")
    busybox = packages.unpack(packages.fetch(["busybox-static"]),
                              pathlib.Path(arguments.work) / "busybox")
    image.add(busybox / "bin/busybox", "/bin/busybox")
    modules = [*kernel.debian_modules(), kernel.build_module(kernel.mtty_source(), "mtty"),
               kernel.build_module(HERE / "driver", "statebox")]
    for module in modules:
        image.add(module, f"/vm/{module.name}")
    image.add_text("\n".join(module.name for module in modules).encode(), "/vm/modules")
    build = pathlib.Path(arguments.build).resolve()
    image.add_program(build / "multifd")
    image.add_program(build / "tests/vm/vm_test", "/vm/vm_test")
    if arguments.part != "tests":
        add_qemu(image, packages, arguments)
    words = ["/vm/vm_test", "--durations", "yes", *(arguments.catch2 or [f"[{arguments.part}]"])]
    image.add_text((shlex.join(words) + "\n").encode(), "/vm/run")
    target = pathlib.Path(arguments.work) / "initramfs.gz"
    image.write(target)
    return target


def add_qemu(image, packages, arguments):
    """QEMU 10, which moves device state over multifd channels; Debian 12 has it in backports."""
    files = packages.fetch_with_dependencies("qemu-system-x86", "bookworm-backports")
    root = packages.unpack(files, pathlib.Path(arguments.work) / "qemu")
    image.add_foreign_program(root, "usr/bin/qemu-system-x86_64", "/vm/qemu")
    for file in BIOS:
        image.add(root / file, f"/vm/qemu/share/{pathlib.Path(file).name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--part", choices=("tests", "qemu", "perf"), default="tests")
    parser.add_argument("--time-limit", type=int, default=600, help="seconds")
    parser.add_argument("catch2", nargs="*")
    arguments = parser.parse_args()
    pathlib.Path(arguments.work).mkdir(parents=True, exist_ok=True)
    try:
        packages = Packages(arguments.work)
        packages.update()
        kernel = Kernel(packages, pathlib.Path(arguments.work).resolve())
        print(f"vm: Linux {kernel.release}", file=sys.stderr)
        initramfs = make_initramfs(arguments, kernel, packages)
        verdict = machine.boot(kernel.image, initramfs, arguments.work, MEMORY_MIB,
                               arguments.time_limit)
    except Unavailable as problem:
        print(f"vm: NOT RUN, nothing was tested: {problem}", file=sys.stderr)
        return UNAVAILABLE
    if verdict == 0:
        print("vm: passed", file=sys.stderr)
        return 0
    words = f"the tests failed (exit code {verdict})" if isinstance(verdict, int) else verdict
    print(f"vm: FAILED: {words}; the console is in {arguments.work}/console.log", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
