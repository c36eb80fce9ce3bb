#!/usr/bin/env python3
"""The repository lint finds what it forbids: a mistake of each kind in a small clean tree."""

import shutil
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cpp_text  # noqa: E402
import exceptions  # noqa: E402
import tidy  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
HEADER = "// What this is for.\n#pragma once\n"
CLEAN = {
    "CMakeLists.txt": "project(small)\n",
    "README.md": "# small\n",
    ".clang-format": (ROOT / ".clang-format").read_text(encoding="utf-8"),
    "channels/wire/error.hpp": HEADER + "\nenum class Errc {\n    ok = 0,\n    broken = 100,\n};\n",
    "channels/wire/bytes.hpp": HEADER + "#include <cstddef>\n",
    "channels/wire/bytes.cpp": '#include "channels/wire/bytes.hpp"\n',
    "channels/CMakeLists.txt": "add_library(wire wire/bytes.cpp)\n",
    "engine/include/multifd/device.hpp": HEADER + "#include <span>\n",
    "tests/channels/wire/bytes_test.cpp": "// Errc::broken\n",
    "tests/CMakeLists.txt": "add_executable(t ${PROJECT_SOURCE_DIR}/tests/channels/wire/"
                            "bytes_test.cpp)\n",
}


def long_function(lines):
    return "void f() {\n" + "    g();\n" * (lines - 2) + "}\n"


DEEP = "void f() { if (a) { for (;;) { while (b) { if (c) { g(); } } } } }\n"

# Rule, path, and what is appended to the file; None empties it.
PLANTED = [
    ("layout", "utils/x.md", "# x\n"),
    ("direction", "channels/wire/bytes.hpp", '#include "engine/include/multifd/device.hpp"\n'),
    ("direction", "channels/wire/bytes.cpp", '#include "tests/channels/wire/bytes_test.cpp"\n'),
    ("public-header", "engine/include/multifd/device.hpp", "#include <boost/any.hpp>\n"),
    ("public-header", "engine/include/multifd/device.hpp", '#include "channels/wire/bytes.hpp"\n'),
    ("include", "channels/wire/bytes.cpp", '#include "channels/wire/nothing.hpp"\n'),
    ("heavy-header", "channels/wire/bytes.hpp", "#include <boost/asio/io_context.hpp>\n"),
    ("heavy-header", "channels/wire/bytes.hpp", "#include <CLI/CLI.hpp>\n"),
    ("heavy-header", "channels/wire/bytes.hpp", "#include <nlohmann/json.hpp>\n"),
    ("heavy-header", "channels/wire/bytes.hpp", "#include <toml++/toml.h>\n"),
    ("header", "channels/wire/other.hpp", "#pragma once\n// Too late.\n"),
    ("header", "channels/wire/other.hpp", "// Included twice.\n"),
    ("whitespace", "channels/wire/bytes.hpp", "\tint x;\n"),
    ("whitespace", "README.md", "two spaces  \n"),
    ("whitespace", "README.md", "no end"),
    ("columns", "channels/wire/bytes.hpp", "// " + "x" * 98 + "\n"),
    ("file-size", "channels/wire/bytes.hpp", "\n" * 400),
    ("file-size", "tests/channels/wire/bytes_test.cpp", "\n" * 600),
    ("function-size", "channels/wire/bytes.hpp", long_function(71)),
    ("function-depth", "channels/wire/bytes.hpp", DEEP),
    ("word", "README.md", "TO" + "DO: later\n"),
    ("word", "README.md", "FIX" + "ME\n"),
    ("word", "README.md", "see /ho" + "me/somebody\n"),
    ("error-code", "tests/channels/wire/bytes_test.cpp", None),
    ("cmake", "channels/wire/forgotten.cpp", "int x;\n"),
    ("test", "channels/wire/forgotten.cpp", "int x;\n"),
]


class SmallTree:
    """The clean tree on disk, in a folder of its own, as long as the `with` block."""

    def __init__(self, changes=None):
        self.texts = CLEAN | (changes or {})

    def __enter__(self):
        self.root = Path(tempfile.mkdtemp(prefix="multifd-tidy-"))
        for path, text in self.texts.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text, encoding="utf-8")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def found(self, with_format=False):
        return [(path, rule) for path, _, rule, _ in tidy.findings(self.root, with_format)]


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.elsewhere = exceptions.TESTED_ELSEWHERE
        exceptions.TESTED_ELSEWHERE = {}

    def tearDown(self):
        exceptions.TESTED_ELSEWHERE = self.elsewhere

    def test_a_clean_tree_has_no_findings(self):
        with SmallTree() as tree:
            self.assertEqual(tree.found(with_format=True), [])

    def test_each_rule_finds_its_planted_mistake_and_no_other_rule_does(self):
        for rule, path, text in PLANTED:
            changed = "" if text is None else CLEAN.get(path, "") + text
            with self.subTest(rule=rule, path=path, text=(text or "")[:40]):
                with SmallTree({path: changed}) as tree:
                    found = tree.found()
                where = {"layout": path.split("/")[0],
                         "error-code": "channels/wire/error.hpp"}.get(rule, path)
                self.assertIn((where, rule), found)
                if path not in CLEAN and path.endswith(".cpp"):
                    found = [finding for finding in found if finding[1] not in ("test", "cmake")]
                self.assertLessEqual(set(found), {(where, rule)})

    def test_an_exception_that_is_no_longer_needed_is_a_finding(self):
        exceptions.UNTESTED_ERROR_CODES.add("broken")
        self.addCleanup(exceptions.UNTESTED_ERROR_CODES.clear)
        with SmallTree() as tree:
            self.assertEqual(tree.found(), [("tests/tidy/exceptions.py", "exception")])

    def test_a_source_listed_by_a_pattern_of_cmake_counts_as_listed(self):
        changes = {"tests/fuzz/hello_fuzz.cpp": "int x;\n",
                   "tests/fuzz/CMakeLists.txt": "add_executable(x ${name}_fuzz.cpp)\n"}
        with SmallTree(changes) as tree:
            self.assertEqual(tree.found(), [])

    @unittest.skipUnless(shutil.which("clang-format"), "clang-format is not installed")
    def test_a_badly_formatted_file_is_a_finding(self):
        with SmallTree({"channels/wire/bytes.hpp": HEADER + "int   x ;\n"}) as tree:
            self.assertEqual(tree.found(with_format=True), [("channels/wire/bytes.hpp", "format")])


class FunctionsTest(unittest.TestCase):
    def names_and_lines(self, text):
        return [(function.name, function.lines) for function in cpp_text.functions(text)]

    def test_functions_are_told_from_types_namespaces_and_initializers(self):
        text = """
            namespace n {
            struct A : B { int x = 1; int y{2}; void inside() const { f(); } };
            enum class E { a, b };
            constexpr auto kTable = std::to_array<Entry>({ {1, "}"}, {2, "{"} });
            constexpr std::array<int, 2> kPair{f(1), 2};
            A::A(int x) : B(x), y{x}, z{std::move(x)} {
                run([] { return '{'; });  // }
            }
            auto g() -> std::vector<int> { return {1'000, 2}; }
            }  // namespace n
        """
        self.assertEqual(self.names_and_lines(text), [("inside", 1), ("A::A", 3), ("g", 1)])

    def test_levels_count_control_blocks_and_not_plain_ones(self):
        levels = [function.levels for function in cpp_text.functions(
            "void a() { { auto f = [] { if (x) { y(); } }; } }\n" + DEEP)]
        self.assertEqual(levels, [1, 4])

    def test_raw_strings_and_comments_hide_braces(self):
        self.assertEqual(self.names_and_lines('void f() { g(R"x(}}})x"); /* } */\n}\n'), [("f", 2)])


if __name__ == "__main__":
    unittest.main()
