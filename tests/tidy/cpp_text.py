"""C++ text as the repository lint reads it: without comments and strings, cut into functions."""

import re
from dataclasses import dataclass

_LITERAL = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"
      | "(?:\\.|[^"\\\n])*"
      | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'      # not the separator in 1'000""",
    re.S | re.X,
)
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*", re.M | re.S)
_TYPE = re.compile(r"^(?:template\s*<.*>\s*)?(?:class|struct|union|enum)\b", re.S)
_AFTER_PARAMETERS = re.compile(
    r"\)\s*(?:const|noexcept|override|final|mutable|try|->.*|\s)*$", re.S)
_INITIALIZERS = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)")
_CONTROL = re.compile(r"(?:^|[\s}])(?:if|for|while|switch|else|do|try|catch)\b", re.S)
_NAME = re.compile(r"([~\w:]+|operator\W+)\s*\(")


@dataclass
class Function:
    name: str
    line: int  # of its opening brace
    lines: int  # from the opening to the closing brace
    levels: int  # how deep if, for, while, switch and try stand inside one another


@dataclass
class _Block:
    kind: str  # "namespace", "type", "function", "control", "initializer", "other"
    line: int
    head: str
    parentheses: int  # open where the block begins; inside, they count from zero again


def without_literals(text):
    """The text with comments, strings and characters emptied; lines stay where they are."""

    def emptied(match):
        found = match.group(0)
        filler = "" if found.startswith("/") else '""'
        return filler + "\n" * found.count("\n")

    return _LITERAL.sub(emptied, text)


def functions(text):
    """Every function defined in the text, lambdas counted as part of the function around them."""
    code = _PREPROCESSOR.sub(lambda match: "\n" * match.group(0).count("\n"),
                             without_literals(text))
    found = []
    blocks = []
    head = ""
    line = 1
    parentheses = 0
    levels = 0
    for character in code:
        if character == "\n":
            line += 1
        if character == "(":
            parentheses += 1
        elif character == ")":
            parentheses -= 1
        if character == "{":
            kind = _kind_of(head, blocks, parentheses)
            blocks.append(_Block(kind, line, head, parentheses))
            parentheses = 0
            if kind == "function":
                levels = 0
            if kind == "control":
                levels = max(levels, sum(block.kind == "control" for block in blocks))
            head = head + "{" if kind == "initializer" else ""
        elif character == "}" and blocks:
            block = blocks.pop()
            parentheses = block.parentheses
            if block.kind == "function":
                name = _NAME.search(block.head)
                found.append(Function(name.group(1).strip() if name else "?", block.line,
                                      line - block.line + 1, levels))
            head = block.head + "{}" if block.kind == "initializer" else ""
        elif character == ";" and parentheses == 0:
            head = ""
        else:
            head += character
    return found


def _in_initializer(blocks):
    return bool(blocks) and blocks[-1].kind == "initializer"


def _kind_of(head, blocks, parentheses):
    """What a brace opens that follows `head`, the text since the last statement."""
    head = head.strip()
    if any(block.kind == "function" for block in blocks):
        return "control" if _CONTROL.search(head) else "other"
    if parentheses > 0 or _in_initializer(blocks):
        return "initializer"
    if re.search(r"\bnamespace\b", head) or head.startswith("extern"):
        return "namespace" if "(" not in head else "function"
    if _TYPE.search(head) and not _AFTER_PARAMETERS.search(head):
        return "type"
    if "(" not in head:
        return "initializer"
    if _INITIALIZERS.search(head) and re.search(r"[\w>]$", head):
        return "initializer"  # a member's, in front of a constructor's body
    return "function"
