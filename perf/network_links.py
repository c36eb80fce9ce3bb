"""Two network namespaces joined by links that are held to a rate; needs root."""

import os
import subprocess


def run_ip(*words):
    subprocess.run(["ip", *words], check=True)


class Links:
    """One veth pair for each rate, both ends held to it by tc tbf; leaves nothing behind."""

    def __init__(self, *rates):
        self.rates = rates
        self.names = [f"multifd-perf-{os.getpid()}-{end}" for end in ("destination", "source")]

    def __enter__(self):
        try:
            for name in self.names:
                run_ip("netns", "add", name)
                run_ip("-n", name, "link", "set", "lo", "up")
            for number, rate in enumerate(self.rates):
                self.make(f"veth{number}", number, rate)
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self, device, number, rate):
        run_ip("link", "add", device, "netns", self.names[0], "type", "veth", "peer", "name",
               device, "netns", self.names[1])
        for name, address in zip(self.names, (self.address(number), f"10.203.{7 + number}.2")):
            run_ip("-n", name, "address", "add", f"{address}/24", "dev", device)
            run_ip("-n", name, "link", "set", device, "up")
            subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", device, "root", "tbf", "rate",
                            rate, "burst", "256kb", "latency", "50ms"], check=True)

    def __exit__(self, *_):
        for name in self.names:
            if os.path.exists(f"/var/run/netns/{name}"):
                run_ip("netns", "delete", name)

    @staticmethod
    def address(number=0):
        """Of the destination's end of a link."""
        return f"10.203.{7 + number}.1"

    def inside(self, end):
        """What a command is put behind to run at "source" or "destination"."""
        return ["ip", "netns", "exec", self.names[end == "source"]]


class Loopback:
    """The same for no namespaces at all."""

    @staticmethod
    def address(_=0):
        return "127.0.0.1"

    @staticmethod
    def inside(_):
        return []
