#!/usr/bin/env python3
"""Repository lint: layout, dependency direction, sizes, words, tests for everything.

    tidy.py [--root DIR] [--clang-format off|auto|required]

Prints one line per finding, "PATH:LINE: RULE: MESSAGE", and exits 1 when there are any.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cpp_text  # noqa: E402
import exceptions  # noqa: E402

TOP_LEVEL = {"CMakeLists.txt", "CMakePresets.json", "README.md", "channels", "reassembly", "engine",
             "tests", "perf", "config"}
PRODUCT = ("channels", "reassembly", "engine")
FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
FUNCTION_LEVELS_MAX = 3
COLUMNS_MAX = 100

# Expensive to compile, so they belong into few sources and into no header.
HEAVY_HEADERS = ("boost/asio", "CLI/", "nlohmann/", "toml", "spdlog/")
LIGHT_HEADERS = ("nlohmann/json_fwd.hpp",)

# The brackets keep these patterns from finding themselves.
FORBIDDEN_WORDS = {
    r"\bT[O]DO\b(?!\((?:perf|test|cleanup)\): \S)": "name its kind: (perf|test|cleanup)",
    r"\bF[I]XME\b": "mend it or leave it out",
    r"\bX[X]X\b": "mend it or leave it out",
    r"(?<![\w.])/(?:h[o]me|r[o]ot|Us[e]rs|w[o]rk|f[a]rm)/\w": "a path of one machine",
    r"\.\./sh[a]red": "a path outside the project",
    r"\bi[s]sue #?\d": "the project speaks for itself",
}


class Tree:
    """The files of the repository: those git knows or would add, else all but build and .git."""

    def __init__(self, root):
        self.root = Path(root).resolve()
        self.paths = sorted(self._from_git() or self._from_disk())
        self._texts = {}

    def _git(self, *arguments):
        return subprocess.run(["git", "-C", str(self.root), *arguments], capture_output=True,
                              check=False, text=True)

    def _from_git(self):
        if shutil.which("git") is None:
            return []
        top = self._git("rev-parse", "--show-toplevel")
        if top.returncode != 0 or Path(top.stdout.strip()).resolve() != self.root:
            return []
        listed = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return [path for path in listed.stdout.split("\0") if path and (self.root / path).is_file()]

    def _from_disk(self):
        found = []
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if name not in (".git", "build", "__pycache__")]
            found += [str((Path(folder) / name).relative_to(self.root)) for name in files]
        return found

    def text(self, path):
        if path not in self._texts:
            try:
                self._texts[path] = (self.root / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                self._texts[path] = None
        return self._texts[path]

    def texts(self):
        """Path and text of every text file that people wrote: recordings are not."""
        for path in self.paths:
            if path.startswith("tests/captures/") or "/corpus/" in path:
                continue
            text = self.text(path)
            if text is not None and "\0" not in text:
                yield path, text

    def sources(self, *suffixes):
        for path, text in self.texts():
            if path.endswith(suffixes or (".cpp", ".hpp")):
                yield path, text


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def check_layout(tree):
    for name in sorted({PurePosixPath(path).parts[0] for path in tree.paths}):
        if name not in TOP_LEVEL and not name.startswith("."):
            yield name, 1, "layout", "not one of the project's top-level entries"


def layer(path):
    """How far down the one way of dependencies a product file stands; empty for the rest."""
    for rank, folder in enumerate(("channels/wire/", "channels/", "reassembly/")):
        if path.startswith(folder):
            return rank
    if path.startswith(("engine/", "multifd/")):
        return 4 if path.startswith("engine/cli/") else 3
    return None


def includes(text):
    for match in re.finditer(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', text, re.M):
        yield line_of(text, match.start()), match.group(1) == "<", match.group(2)


def check_includes(tree):
    known = set(tree.paths)
    for path, text in tree.sources():
        here = layer(path)
        public = path.startswith("engine/include/")
        for line, angled, name in includes(text):
            there = None if angled else layer(name)
            if here is not None and there is not None and there > here:
                yield path, line, "direction", f"{name} lies above this file"
            if here is not None and name.startswith(("tests/", "perf/")):
                yield path, line, "direction", f"the product does not include {name}"
            if public and (re.search(r"[/.]", name) if angled else not name.startswith("multifd/")):
                yield path, line, "public-header", f"{name} is neither standard nor public"
            if not angled and name not in known and f"engine/include/{name}" not in known:
                yield path, line, "include", f"{name} does not exist; includes begin at the root"
            if (path.endswith(".hpp") and name.startswith(HEAVY_HEADERS)
                    and name not in LIGHT_HEADERS):
                yield path, line, "heavy-header", f"{name} belongs into a .cpp file"


def check_own_header_first(tree):
    known = set(tree.paths)
    for path, text in tree.sources(".cpp"):
        own = path[:-4] + ".hpp"
        first = next(includes(text), None)
        if own in known and first is not None and first[2] != own:
            yield path, first[0], "include", f"the first include is {own}"


def check_headers(tree):
    for path, text in tree.sources(".hpp"):
        lines = text.splitlines() or [""]
        if not re.match(r"// \S", lines[0]):
            yield path, 1, "header", "the first line says in a comment what the file is for"
        if "#pragma once" not in lines:
            yield path, 1, "header", "#pragma once is missing"


def check_lines(tree):
    for path, text in tree.texts():
        if path.endswith(".json"):
            continue
        code = path.endswith((".cpp", ".hpp", ".py"))
        for number, line in enumerate(text.split("\n"), 1):
            if "\t" in line:
                yield path, number, "whitespace", "a tab"
            if line != line.rstrip():
                yield path, number, "whitespace", "space at the end of the line"
            if len(line) > COLUMNS_MAX and code:
                yield path, number, "columns", f"{len(line)} columns, at most {COLUMNS_MAX}"
        if text and not text.endswith("\n"):
            yield path, text.count("\n") + 1, "whitespace", "the last line does not end"


def check_sizes(tree):
    for path, text in tree.sources(".cpp", ".hpp", ".py"):
        most = TEST_FILE_LINES_MAX if path.startswith("tests/") else FILE_LINES_MAX
        lines = text.count("\n")
        if lines > most:
            yield path, most, "file-size", f"{lines} lines, at most {most}"
        if path.endswith(".py"):
            continue
        for function in cpp_text.functions(text):
            if function.lines > FUNCTION_LINES_MAX:
                yield (path, function.line, "function-size",
                       f"{function.name} has {function.lines} lines, at most {FUNCTION_LINES_MAX}")
            if function.levels > FUNCTION_LEVELS_MAX:
                yield (path, function.line, "function-depth",
                       f"{function.name} is {function.levels} levels deep, "
                       f"at most {FUNCTION_LEVELS_MAX}")


def check_words(tree):
    for path, text in tree.texts():
        for pattern, reason in FORBIDDEN_WORDS.items():
            for match in re.finditer(pattern, text):
                yield path, line_of(text, match.start()), "word", f"{match.group(0)}: {reason}"


def check_error_codes(tree):
    header = "channels/wire/error.hpp"
    declared = tree.text(header) if header in tree.paths else ""
    body = re.search(r"enum class Errc \{(.*?)\};", declared, re.S)
    names = re.findall(r"^\s*(\w+)(?: = \d+)?,", body.group(1), re.M) if body else []
    tests = "\n".join(text for path, text in tree.sources(".cpp", ".hpp", ".py")
                      if path.startswith("tests/") and not path.startswith("tests/tidy/"))
    for name in names:
        tested = re.search(rf"Errc::{name}\b|\"{name}\"", tests) is not None
        if name != "ok" and not tested and name not in exceptions.UNTESTED_ERROR_CODES:
            yield header, 1, "error-code", f"no test produces {name}"
        if tested and name in exceptions.UNTESTED_ERROR_CODES:
            yield "tests/tidy/exceptions.py", 1, "exception", f"{name} has a test by now"


def listed_sources(tree):
    """Every source that a CMakeLists.txt names; "${NAME}_fuzz.cpp" names all that end so."""
    listed = set()
    for path in tree.paths:
        if PurePosixPath(path).name != "CMakeLists.txt":
            continue
        folder = PurePosixPath(path).parent
        for prefix, name in re.findall(r"(\$\{\w+\}/?)?([\w./-]*\.cpp)\b", tree.text(path)):
            listed.add(os.path.normpath(folder / name))
            if prefix.endswith("/"):
                listed.add(os.path.normpath(name))
            elif prefix:
                listed |= {str(other) for other in map(PurePosixPath, tree.paths)
                           if other.parent == folder and other.name.endswith(name)}
    return listed


def check_listed(tree):
    listed = listed_sources(tree)
    for path, _ in tree.sources(".cpp"):
        if path not in listed:
            yield path, 1, "cmake", "no CMakeLists.txt lists this source"


def check_tests(tree):
    """A source is tested by its mirrored test, or by one in that folder with its header."""
    known = set(tree.paths)
    included = {(str(folder), name) for path, text in tree.sources(".cpp")
                for folder in PurePosixPath(path).parents if path.startswith("tests/")
                for _, _, name in includes(text)}
    for path, text in tree.sources(".cpp"):
        if not path.startswith(PRODUCT):
            continue
        header = path[:-4] + ".hpp"
        if header not in known:  # a part of what its first include declares
            header = next((name for _, angled, name in includes(text) if not angled), header)
        mirrored = f"tests/{path[:-4]}_test.cpp"
        beside = str(PurePosixPath(mirrored).parent)
        tested = mirrored in known or (beside, header) in included
        if not tested and path not in exceptions.TESTED_ELSEWHERE:
            yield path, 1, "test", f"neither {mirrored} nor a test beside it that includes {header}"
    if "tests/tidy/exceptions.py" in known:
        for path, (test, _) in exceptions.TESTED_ELSEWHERE.items():
            for name in (path, test):
                if name not in known:
                    yield "tests/tidy/exceptions.py", 1, "exception", f"{name} does not exist"


def check_format(tree):
    command = shutil.which("clang-format-14") or shutil.which("clang-format")
    paths = [path for path, _ in tree.sources()]
    if command is None or not paths:
        return
    run = subprocess.run([command, "--dry-run", "-Werror", *paths], cwd=tree.root,
                         capture_output=True, check=False, text=True)
    seen = set()
    for match in re.finditer(r"^([^:\n]+):(\d+):\d+: error: ", run.stderr, re.M):
        if match.group(1) not in seen:
            seen.add(match.group(1))
            yield match.group(1), int(match.group(2)), "format", "run clang-format on it"
    if run.returncode != 0 and not seen:
        yield ".clang-format", 1, "format", run.stderr.strip().split("\n")[0]


CHECKS = [check_layout, check_includes, check_own_header_first, check_headers, check_lines,
          check_sizes, check_words, check_error_codes, check_listed, check_tests]


def findings(root, with_format):
    tree = Tree(root)
    for check in CHECKS + ([check_format] if with_format else []):
        yield from check(tree)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", default=Path(__file__).resolve().parents[2])
    parser.add_argument("--clang-format", choices=("off", "auto", "required"), default="auto")
    arguments = parser.parse_args()
    installed = shutil.which("clang-format-14") or shutil.which("clang-format")
    if arguments.clang_format == "required" and not installed:
        print("tidy: clang-format is not installed", file=sys.stderr)
        return 2
    if arguments.clang_format == "auto" and not installed:
        print("tidy: clang-format is not installed, so the format was not looked at")
    count = 0
    for path, line, rule, message in findings(arguments.root, arguments.clang_format != "off"):
        print(f"{path}:{line}: {rule}: {message}")
        count += 1
    print(f"tidy: {count} findings" if count else "tidy: clean")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
