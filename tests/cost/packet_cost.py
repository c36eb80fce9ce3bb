#!/usr/bin/env python3
"""Instructions per packet of framing and reassembly, counted by callgrind, against a record.

    packet_cost.py --subject PROGRAM --build KIND --record FILE [--sanitizer NAME] [--write]
    packet_cost.py --test

KIND names how the subject was compiled: "GNU 12 Release". FILE maps kinds to instructions; --write
puts what was counted there. Exits 1 on growth of over a fifth, 77 (skipped) where it cannot tell.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

GROWTH_MAX = 1.2
FEW, MANY = 4096, 20480  # packets; their difference leaves out the start and the end
SKIPPED = 77


def instructions(subject, packets):
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", subject,
                          str(packets)], capture_output=True, check=False, text=True)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or collected is None:
        raise SystemExit(f"packet_cost: valgrind failed:\n{run.stderr}")
    return int(collected.group(1))


def judge(counted, recorded):
    """Whether the figure is within its limit, and what to say."""
    said = f"{counted:.0f} instructions per packet, recorded {recorded}"
    if counted > recorded * GROWTH_MAX:
        return False, f"{said}: grown by over a fifth. Mend it, or justify it and use --write."
    if counted * GROWTH_MAX < recorded:
        said += "; much better: record it with --write"
    return True, said


class JudgeTest(unittest.TestCase):
    def test_growth_of_over_a_fifth_fails(self):
        self.assertFalse(judge(1201, 1000)[0])
        self.assertTrue(judge(1199, 1000)[0])

    def test_less_passes_and_asks_to_be_recorded(self):
        self.assertTrue(judge(500, 1000)[0])
        self.assertIn("record it", judge(500, 1000)[1])
        self.assertNotIn("record it", judge(950, 1000)[1])


def skip(reason):
    print(f"packet_cost: SKIPPED, nothing was counted: {reason}")
    return SKIPPED


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subject")
    parser.add_argument("--build", default="")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--sanitizer", default="")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--test", action="store_true")
    arguments = parser.parse_args()
    if arguments.test:
        return 0 if unittest.main(argv=[sys.argv[0]], exit=False).result.wasSuccessful() else 1
    if arguments.sanitizer:
        return skip(f"the {arguments.sanitizer} sanitizer's own instructions would count")
    if shutil.which("valgrind") is None:
        return skip("valgrind is not installed")
    records = json.loads(arguments.record.read_text(encoding="utf-8"))
    if arguments.build not in records and not arguments.write:
        return skip(f"no figure is recorded for {arguments.build}; --write records one")
    counted = ((instructions(arguments.subject, MANY) - instructions(arguments.subject, FEW))
               / (MANY - FEW))
    if arguments.write:
        records[arguments.build] = round(counted)
        arguments.record.write_text(json.dumps(records, indent=2, sort_keys=True) + "\n",
                                    encoding="utf-8")
    passed, said = judge(counted, records[arguments.build])
    print(f"packet_cost: {arguments.build}: {said}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
