"""YAML that says what it means: no conversion by guess, no key twice, no anchors, tags or merges.

PyYAML reads the structure and keeps the places; what a plain word means is decided here. YAML 1.1 takes
`12:30:00` for 45000, `0123` for 83 and `no` for false: all that is refused, not guessed.
"""

from __future__ import annotations

import re

import yaml

from reconcile.config.errors import Problems
from reconcile.config.node import Node, Path, Place, Scalar

DEEPEST = 20
_TOO_DEEP = f"nested deeper than {DEEPEST} levels"

_TAG = "tag:yaml.org,2002:"
_GUESSES = {
    "bool": "YAML takes this for true or false; write one of them, or put it in quotes",
    "timestamp": "YAML takes this for a date; put it in quotes",
}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DIGITS = re.compile(r"-?[1-9][0-9]*")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_SYNTAX = (
    ("found character '\\t'", "a tab cannot indent; use spaces"),
    ("mapping values are not allowed", "a ':' is not allowed here; check the indentation, or quote the text"),
    ("could not find expected ':'", "a key without ':'"),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("found unexpected end of stream", "a quote is not closed"),
    ("expected ',' or", "a ',' or a closing bracket is missing"),
    ("found unknown escape character", "an unknown escape in double quotes; write \\\\ for a backslash"),
    ("that cannot start any token", "text that begins like this must be quoted"),
    ("expected a single document", "a second document; keep one"),
)


def parse(text: str, problems: Problems) -> Node:
    """The whole file as nodes. What is wrong inside goes to `problems`; raises `ConfigError` if nothing can be read."""
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise problems.unreadable(_offset(text, error.position), "a character YAML does not allow") from None
    try:
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or loader.get_mark()
        raise problems.unreadable(_place(mark), _syntax(error, text, mark)) from None
    except (ValueError, OverflowError):
        # PyYAML passes on what chr() and int() say of "\UFFFFFFFF" and of absurd %YAML versions
        raise problems.unreadable(_place(loader.get_mark()), "an escape or number out of range") from None
    if root is None:
        raise problems.unreadable(None, "is empty; `reconcile init` writes one to start from")
    return _Converter(loader.refused, problems).node(root, (), None)


class _Loader(yaml.SafeLoader):
    """Composes nodes, noting by `id` those that use more of YAML than a configuration needs."""

    def __init__(self, text: str) -> None:
        self.refused: dict[int, str] = {}
        self._depth = 0
        super().__init__(text)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave the parser untyped
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]  # as above
            node: yaml.Node | None = yaml.ScalarNode(_TAG + "null", "")
            vars(node).update(start_mark=event.start_mark)
            return self._refuse(node, "an alias (*) is not allowed; write the value again")
        refusal = self._strip(event)
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return self._refuse(node, refusal) if refusal else node

    def _refuse(self, node: yaml.Node | None, why: str) -> yaml.Node | None:
        self.refused[id(node)] = why
        return node

    @staticmethod
    def _strip(event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> str:
        """Take tag and anchor off an event; says what was wrong with them."""
        tagged, anchored = event.tag is not None, event.anchor is not None
        event.tag = event.anchor = None
        if tagged:
            event.implicit = (True, False) if isinstance(event, yaml.ScalarEvent) else True
            return "a tag (!) is not allowed; put text that begins with ! in quotes"
        return "an anchor (&) is not allowed; put text that begins with & in quotes" if anchored else ""


class _Converter:
    """PyYAML's nodes to ours, once: every value with its path and place."""

    def __init__(self, refused: dict[int, str], problems: Problems) -> None:
        self._refused = refused
        self._problems = problems

    def node(self, raw: yaml.Node, path: Path, key_at: Place | None) -> Node:
        """One node and everything below it."""
        why = self._refused.get(id(raw))
        if why:
            return self._broken(Node(None, path, _place(raw.start_mark), key_at), why)
        if isinstance(raw, yaml.MappingNode):
            entries = self._entries(raw, path)
            # with a key refused, what else the mapping seems to lack is no news
            refused = len(entries) < len(raw.value)
            return Node(entries, path, _place(raw.start_mark), key_at, broken=refused)
        if isinstance(raw, yaml.SequenceNode):
            members = tuple(self.node(entry, (*path, i), None) for i, entry in enumerate(raw.value))
            return Node(members, path, _place(raw.start_mark), key_at)
        value, why = _scalar(raw)
        node = Node(value, path, _place(raw.start_mark), key_at)
        return self._broken(node, why) if why else node

    def _entries(self, raw: yaml.MappingNode, path: Path) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for raw_key, raw_value in raw.value:
            key = self._key(raw_key, path)
            if key is None:
                continue
            entry = self.node(raw_value, (*path, key), _place(raw_key.start_mark))
            if key in entries:
                first = (entries[key].key_at or entries[key].at).line
                self._problems.mark(entry, f"is given twice; first in line {first}", at_key=True, show=False)
            else:
                entries[key] = entry
        return entries

    def _key(self, raw: yaml.Node, path: Path) -> str | None:
        """A key's text, or None with a problem said."""
        place = Node(None, path, _place(raw.start_mark))
        if id(raw) in self._refused:
            self._problems.mark(place, self._refused[id(raw)])
        elif raw.tag == _TAG + "merge":
            self._problems.mark(place, "a merge (<<) is not allowed; write the keys out")
        elif raw.tag != _TAG + "str" or not raw.value:
            self._problems.mark(place, "a key must be text; put it in quotes")
        else:
            return str(raw.value)
        return None

    def _broken(self, node: Node, why: str) -> Node:
        self._problems.mark(node, why)
        return Node(node.value, node.path, node.at, node.key_at, broken=True)


def _scalar(raw: yaml.Node) -> tuple[Scalar, str]:
    """A scalar's value, and what is wrong with it."""
    kind, text = raw.tag.removeprefix(_TAG), str(raw.value)
    if kind == "str":
        lone = any("\ud800" <= character <= "\udfff" for character in text)
        return text, "half of a surrogate pair is not a character" if lone else ""
    if kind == "null":
        return None, "is empty; give it a value or leave the key out"
    if kind in {"int", "float"}:
        return _number(text)
    if kind == "bool" and text in {"true", "false"}:
        return text == "true", ""
    return text, _GUESSES.get(kind, "YAML takes this for a sign of its own; put it in quotes")


def _number(text: str) -> tuple[Scalar, str]:
    """A plain decimal number, and what is wrong with any other."""
    if _INTEGER.fullmatch(text):
        return int(text), ""
    if _DECIMAL.fullmatch(text):
        return float(text), ""
    if _DIGITS.fullmatch(text):
        return text, "is too long for a number; put it in quotes if it is text"
    return text, "YAML may take this for another number; write plain digits, or put it in quotes"


def _syntax(error: yaml.MarkedYAMLError, text: str, mark: yaml.Mark) -> str:
    """What is wrong in our words: PyYAML's may quote the file, and with it a secret."""
    said = f"{error.context} {error.problem}"
    if error.problem == _TOO_DEEP:
        return _TOO_DEEP
    if text[: mark.index].endswith("$"):
        return 'inside {} and [] a variable must be quoted: "${NAME}"'
    for beginning, message in _SYNTAX:
        if beginning in said:
            return message
    return "not YAML"


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _offset(text: str, position: int) -> Place:
    before = text[:position]
    return Place(before.count("\n") + 1, position - before.rfind("\n"))
