"""The kernel and its modules for the virtual machine: Debian's, mtty, and our own sample driver."""

import pathlib
import shutil
import subprocess

from packages import Unavailable

# In the order in which they are loaded.
DEBIAN_MODULES = ("virt/lib/irqbypass", "drivers/vfio/vfio", "drivers/vfio/vfio_iommu_type1",
                  "drivers/vfio/mdev/mdev")


class Kernel:
    """Debian's kernel `release`, unpacked in `root`."""

    def __init__(self, packages, folder):
        self.folder = pathlib.Path(folder)
        self.release, version = packages.kernel_release()
        common = [f"linux-headers-{self.release}-common", f"linux-kbuild-{self.release}"]
        own = [f"linux-{part}-{self.release}-amd64" for part in ("image", "headers")]
        names = own + common
        files = packages.fetch([f"{name}={version}" for name in names])
        self.root = packages.unpack(files, self.folder / f"kernel-{self.release}")
        self._source_package, = packages.fetch([f"linux-source-{'.'.join(version.split('.')[:2])}"
                                                f"={version}"])
        self._prepare_headers()

    @property
    def image(self):
        return self.root / f"boot/vmlinuz-{self.release}-amd64"

    @property
    def _headers(self):
        return self.root / f"usr/src/linux-headers-{self.release}-amd64"

    def _prepare_headers(self):
        """Headers expect to be installed at /usr/src; here they are not."""
        makefile = self._headers / "Makefile"
        text = makefile.read_text()
        if str(self.root) not in text:
            makefile.write_text(text.replace("/usr/src/", f"{self.root}/usr/src/"))
        # With it modules would get type information, which takes a tool more.
        (self._headers / "vmlinux").unlink(missing_ok=True)

    def debian_modules(self):
        """Debian's modules, decompressed."""
        target = self.folder / "modules"
        target.mkdir(exist_ok=True)
        for name in DEBIAN_MODULES:
            packed = self.root / f"lib/modules/{self.release}-amd64/kernel/{name}.ko.xz"
            plain = target / f"{packed.stem}"
            with open(plain, "wb") as file:
                subprocess.run(["xz", "-dc", packed], stdout=file, check=True)
            yield plain

    def mtty_source(self):
        """mtty.c as the kernel's source package has it."""
        target = self.folder / f"mtty-{self.release}"
        if not (target / "mtty.c").exists():
            target.mkdir(exist_ok=True)
            series = self._source_package.name.split("_")[0]
            pipe = (f"dpkg-deb --fsys-tarfile '{self._source_package}' |"
                    f" tar x -O ./usr/src/{series}.tar.xz | xz -dc |"
                    f" tar x -O --occurrence=1 {series}/samples/vfio-mdev/mtty.c")
            with open(target / "mtty.c.new", "wb") as file:
                # tar ends when it has found the file, which the pipe's other end does not like.
                subprocess.run(["bash", "-c", pipe], stdout=file, stderr=subprocess.DEVNULL,
                               check=False)
            if (target / "mtty.c.new").stat().st_size == 0:
                raise Unavailable("the kernel's source package has no samples/vfio-mdev/mtty.c")
            (target / "mtty.c.new").rename(target / "mtty.c")
        (target / "Kbuild").write_text("obj-m := mtty.o\n")
        return target

    def build_module(self, source, name):
        """Builds the module in a copy of `source`, so that the repository stays clean."""
        target = self.folder / f"{name}-build"
        target.mkdir(exist_ok=True)
        for file in ("Kbuild", f"{name}.c"):
            if not (target / file).exists() or (
                    (target / file).read_bytes() != (source / file).read_bytes()):
                shutil.copy(source / file, target / file)
        done = subprocess.run(["make", "-C", self._headers, f"M={target}", "modules"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"vm: {name}.c does not compile:\n{done.stdout}{done.stderr}")
        stripped = self.folder / "modules" / f"{name}.ko"
        subprocess.run(["strip", "-g", "-o", stripped, target / f"{name}.ko"], check=True)
        return stripped
