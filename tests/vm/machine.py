"""Boots the virtual machine and waits for its verdict."""

import pathlib
import re
import shutil
import subprocess
import sys
import threading

from packages import Unavailable

QEMU = "qemu-system-x86_64"


def boot(kernel, initramfs, folder, memory_mib, time_limit_s):
    """Runs until the machine powers off. Gives its exit code, or words for what happened instead.

    Emulated always: a /dev/kvm that is there need not be one that runs a kernel.
    """
    folder = pathlib.Path(folder)
    if shutil.which(QEMU) is None:
        raise Unavailable(f"{QEMU} is not installed")
    verdict = folder / "verdict.log"
    verdict.unlink(missing_ok=True)
    command = [QEMU, "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2",
               "-m", f"{memory_mib}M", "-display", "none", "-nic", "none", "-no-reboot",
               "-monitor", "none", "-serial", "stdio", "-serial", f"file:{verdict}",
               "-kernel", str(kernel), "-initrd", str(initramfs),
               # A kernel that panics ends the machine at once.
               "-append", "console=ttyS0 quiet panic=-1 oops=panic"]
    with open(folder / "console.log", "wb") as console:
        machine = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL)
        timer = threading.Timer(time_limit_s, machine.kill)
        timer.start()
        try:
            for line in machine.stdout:
                console.write(line)
                text = re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|c)", "", line.decode(errors="replace"))
                print(text.rstrip(), file=sys.stderr, flush=True)
            status = machine.wait()
        finally:
            timed_out = not timer.is_alive()
            timer.cancel()
            if machine.poll() is None:
                machine.kill()
                machine.wait()
    if timed_out:
        return f"it did not end within {time_limit_s} s"
    said = re.search(r"^verdict (\d+)\r?$", verdict.read_text() if verdict.exists() else "", re.M)
    if said is None:
        return f"it ended without a verdict ({QEMU} exited with {status})"
    return int(said.group(1))
