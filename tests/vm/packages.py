"""Debian's packages for the virtual machine, downloaded and unpacked below a folder of the build.

Nothing is installed on this host. apt keeps lists and packages of its own in that folder, so that
neither this host's sources nor what it has installed matter.
"""

import os
import pathlib
import re
import subprocess

SOURCES = """\
deb [signed-by={key}] http://deb.debian.org/debian bookworm main
deb [signed-by={key}] http://deb.debian.org/debian-security bookworm-security main
deb [signed-by={key}] http://deb.debian.org/debian bookworm-backports main
"""
KEY = "/usr/share/keyrings/debian-archive-keyring.gpg"
SERIES = "6.12"


class Unavailable(Exception):
    """A package cannot be had; one line."""


class Packages:
    """Ownership: everything below `folder`, which stays for the next run."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.apt_folder = self.folder / "apt"
        self.environment = dict(os.environ, APT_CONFIG=str(self.apt_folder / "apt.conf"),
                                LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
        for part in ("lists/partial", "cache/archives/partial"):
            (self.apt_folder / part).mkdir(parents=True, exist_ok=True)
        (self.apt_folder / "status").touch()
        (self.apt_folder / "sources.list").write_text(SOURCES.format(key=KEY))
        (self.apt_folder / "apt.conf").write_text("".join(
            f'{name} "{value}";\n' for name, value in (
                ("Dir::Etc::sourcelist", self.apt_folder / "sources.list"),
                ("Dir::Etc::sourceparts", "-"),
                ("Dir::State::lists", self.apt_folder / "lists"),
                ("Dir::State::status", self.apt_folder / "status"),
                ("Dir::Cache", self.apt_folder / "cache"),
                ("APT::Sandbox::User", "root"))))

    def _run(self, *command, cwd=None):
        done = subprocess.run(command, env=self.environment, cwd=cwd, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise Unavailable(f"{' '.join(command[:4])} ... failed: {' '.join(last)}")
        return done.stdout

    def update(self):
        """Lists older than a day name packages that may be gone."""
        self._run("apt-get", "-q", "update")

    def kernel_release(self):
        """The newest 6.12 of which image, headers and source have one version: "6.12.117+deb12"."""
        source = self._run("apt-cache", "madison", f"linux-source-{SERIES}")
        versions = re.findall(r"\| *(\S+) *\|", source)
        for version in versions:
            release = version.split("-")[0] + "+deb12"
            names = (f"linux-image-{release}-amd64", f"linux-headers-{release}-amd64")
            listed = [self._run("apt-cache", "madison", name) for name in names]
            if all(f" {version} " in text for text in listed):
                return release, version
        raise Unavailable(f"no Linux {SERIES} with image, headers and source of one version")

    def fetch(self, names):
        """Downloads each "NAME" or "NAME=VERSION", and gives the files."""
        target = self.folder / "packages"
        target.mkdir(exist_ok=True)
        files = []
        for name in names:
            package, _, version = name.partition("=")
            pattern = f"{package}_{version.replace(':', '%3a') or '*'}_*.deb"
            found = sorted(target.glob(pattern))
            if not found:
                self._run("apt-get", "-q", "download", name, cwd=target)
                found = sorted(target.glob(pattern))
            files.append(found[-1])
        return files

    def fetch_with_dependencies(self, name, suite):
        """Downloads a package of `suite` and all that it depends on."""
        options = ("--no-install-recommends", "-y", "-t", suite)
        self._run("apt-get", "-q", *options, "--download-only", "install", name)
        plan = self._run("apt-get", *options, "--simulate", "install", name)
        chosen = re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) .*\[(\w+)\]\)", plan, re.M)
        files = [self.apt_folder / "cache/archives" /
                 f"{package}_{version.replace(':', '%3a')}_{architecture}.deb"
                 for package, version, architecture in chosen]
        missing = [file.name for file in files if not file.exists()]
        if missing or not files:
            raise Unavailable(f"{name}: apt did not download {' '.join(missing) or 'it'}")
        return files

    def unpack(self, files, target):
        """Unpacks into `target`, once: a file beside it names what it was made of."""
        target = pathlib.Path(target)
        made_of = "\n".join(sorted(file.name for file in files))
        mark = target.with_suffix(".contents")
        if mark.exists() and mark.read_text() == made_of:
            return target
        for file in files:
            target.mkdir(parents=True, exist_ok=True)
            self._run("dpkg-deb", "-x", str(file), str(target))
        mark.write_text(made_of)
        return target
