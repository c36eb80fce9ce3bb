"""Races: contenders one after the other, round after round, compared by ratios within a round."""

import statistics
from dataclasses import dataclass, field
from typing import Callable

import measuring

SEARCH_PART = 4  # the search for the best settings moves a fourth of the bytes
SEARCH_BYTES_MIN = 512 << 20


@dataclass
class Contender:
    """A case, what runs it, and a smaller one that tells as much about its settings."""
    case: object
    run: Callable
    samples: list = field(default_factory=list)

    def name(self):
        return self.case.name()


@dataclass
class Verdict:
    """One target: what was wanted, what was found; `passed` is None where nothing was wanted."""
    target: str
    quantity: str
    wanted: str
    found: str
    passed: object = None

    def line(self):
        word = {None: "info", True: "PASS", False: "MISS"}[self.passed]
        wanted = f", target {self.wanted}" if self.wanted else ""
        return f"{word}  {self.target}: {self.quantity} {self.found}{wanted}"


@dataclass
class Race:
    """Ours against theirs, each the best of its settings, and what the ratios should be."""
    target: str
    title: str
    ours: list
    theirs: list
    rate_at_least: float = 0  # 0: no target
    cpu_at_most: float = 0


def best_of(contenders, folder, smaller, say):
    """The contender with the highest rate; each is tried once, with fewer bytes."""
    if len(contenders) == 1:
        return contenders[0]
    rates = []
    for contender in contenders:
        sample = contender.run(smaller(contender.case), folder)
        rates.append(sample.gb_per_s)
        say(f"  tried {contender.name()}: {sample.gb_per_s:.2f} GB/s, "
            f"{sample.cpu_s_per_gb:.3f} CPU s/GB")
    return contenders[rates.index(max(rates))]


def interleave(contenders, rounds, folder):
    """A B A B: machines drift, but within a round all meet the same machine."""
    for _ in range(rounds):
        for contender in contenders:
            contender.samples.append(contender.run(contender.case, folder))


def column(contender, name):
    return [getattr(sample, name) for sample in contender.samples]


def ratios(ours, theirs, name):
    return [mine / its for mine, its in zip(column(ours, name), column(theirs, name)) if its > 0]


def print_samples(contenders, say):
    width = max(len(contender.name()) for contender in contenders)
    for contender in contenders:
        say(f"  {contender.name():{width}}  "
            f"{measuring.spread(column(contender, 'gb_per_s'), 2):>19} GB/s  "
            f"{measuring.spread(column(contender, 'cpu_s_per_gb'), 3):>22} CPU s/GB")


def judge(race, ours, theirs):
    for name, quantity, limit, sign in (
            ("gb_per_s", "GB/s ratio", race.rate_at_least, 1),
            ("cpu_s_per_gb", "CPU s/GB ratio", race.cpu_at_most, -1)):
        values = ratios(ours, theirs, name)
        # Three digits decide, as they are printed.
        median = round(statistics.median(values), 3)
        passed = None if not limit else median >= limit if sign > 0 else median <= limit
        wanted = f"{'at least' if sign > 0 else 'at most'} {limit}x" if limit else ""
        yield Verdict(race.target, quantity, wanted, measuring.spread(values, 3), passed)


def run_race(race, rounds, folder, smaller, say):
    """Prints what was compared; returns the verdicts and all samples."""
    say(f"\n{race.target}: {race.title}")
    ours = best_of(race.ours, folder, smaller, say)
    theirs = best_of(race.theirs, folder, smaller, say)
    interleave([ours, theirs], rounds, folder)
    print_samples([ours, theirs], say)
    verdicts = list(judge(race, ours, theirs))
    for verdict in verdicts:
        say("  " + verdict.line())
    samples = {contender.name(): [vars(sample) for sample in contender.samples]
               for contender in (ours, theirs)}
    return verdicts, samples
