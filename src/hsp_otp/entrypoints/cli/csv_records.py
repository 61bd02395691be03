"""Reads records of a CSV file in any usual encoding, with line numbers."""

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Final

import attrs

from hsp_otp.domain.typed_text import plain, visible

MAX_RECORD: Final = 65_536
"""Bytes of a line in UTF-8, or of the lines that its quotes join: no file fills the memory."""

SEPARATORS: Final = (",", ";", "\t")

_CHUNK: Final = 65_536
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
_QUOTED: Final = re.compile(r'"[^"]*"')
_LINE_END: Final = re.compile(r"\r\n?|\n")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class UnreadableError(ValueError):
    """The file is no CSV file that can be read. One line for a person."""


@attrs.frozen(kw_only=True)
class Encoding:
    """
    How the bytes of a file are text.

    Attributes:
        errors: What the codec makes of bytes that are no text: something that `wrong` finds.
    """

    name: str
    codec: str
    errors: str
    wrong: re.Pattern[str]


@attrs.frozen
class Record:
    """
    A record of a file.

    Attributes:
        number: Of the line on which it begins; the first line of the file is line 1.
        fields: What it holds; where it cannot be read, the reason instead.
        lines: Which it was read from.
    """

    number: int
    fields: list[str] | str
    lines: list[str] = attrs.field(repr=False)


class Lines:
    """The lines of a file, in bounded memory. Some may be given back to be read again."""

    def __init__(self, file: BinaryIO) -> None:
        """
        Find out how *file* is written.

        Raises:
            UnreadableError: It is a workbook.
        """
        self._file = file
        self._ready: deque[str] = deque()
        self.number = 0
        """Of the line that was taken last."""
        head = file.read(_CHUNK)
        _refuse_workbooks(head)
        self.encoding = _encoding_of(head)
        decoder = codecs.getincrementaldecoder(self.encoding.codec)
        self._decoder = decoder(self.encoding.errors)
        text = self._decoder.decode(head, final=not head).removeprefix("\ufeff")
        end = _LINE_END.search(_QUOTED.sub("", text))
        self._end = "\r" if end and end[0] == "\r" else "\n"
        self._rest = ""
        self._ended = not head
        self._split(text)

    def take(self) -> str:
        """
        The next line with its end; empty at the end of the file.

        One above the limit is cut, but stays above it.
        """
        while not self._ready and not self._ended:
            chunk = self._file.read(_CHUNK)
            self._ended = not chunk
            self._split(self._decoder.decode(chunk, final=self._ended))
        if not self._ready:
            return ""
        self.number += 1
        return self._ready.popleft()

    def give_back(self, lines: list[str]) -> None:
        """Let *lines*, the last that were taken, be taken again."""
        self._ready.extendleft(reversed(lines))
        self.number -= len(lines)

    def _split(self, text: str) -> None:
        *whole, self._rest = (self._rest + text).split(self._end)
        self._ready.extend(line + self._end for line in whole)
        if self._ended and self._rest:
            self._ready.append(self._rest)
        self._rest = self._rest[: MAX_RECORD + 1]


def announced_separator(lines: Lines) -> str | None:
    """
    The separator that a first line as ``sep=;`` names, which is then taken; None without one.

    Raises:
        UnreadableError: It names something else.
    """
    first = lines.take()
    found = _SEPARATOR_LINE.fullmatch(visible(first))
    if found is None:
        lines.give_back([first] if first else [])
        return None
    if found[1] not in SEPARATORS:
        raise UnreadableError("its line sep= names neither a comma, a semicolon nor a tab")
    return found[1]


def next_record(lines: Lines, separator: str) -> Record | None:
    """
    The next record that is not an empty line, or None at the end.

    A quote that nothing closes spoils its own line alone: those after it are read again.
    """
    first = lines.take()
    while first and not plain(first):
        first = lines.take()
    if not first:
        return None
    number, taken = lines.number, [first]
    if _size(first) > MAX_RECORD:
        return Record(number, f"longer than {MAX_RECORD} bytes", taken)
    try:
        fields = next(csv.reader(_feed(lines, taken), delimiter=separator, strict=True))
    except csv.Error:
        lines.give_back(taken[1:])
        return Record(number, "its quotes or line breaks are out of place", taken[:1])
    text = "".join(taken)
    if lines.encoding.wrong.search(text):
        return Record(number, f"not {lines.encoding.name}", taken)
    if _CONTROL.search(text):
        return Record(number, "it holds control characters", taken)
    return Record(number, fields, taken)


def _feed(lines: Lines, taken: list[str]) -> Iterator[str]:
    """The line in *taken*, then as many more as its quotes ask for, which *taken* remembers."""
    yield taken[0]
    size = _size(taken[0])
    while line := lines.take():
        taken.append(line)
        size += _size(line)
        if size > MAX_RECORD:
            return
        yield line


def _size(line: str) -> int:
    return len(line.encode(errors="surrogateescape"))


_UTF8: Final = Encoding(
    name="UTF-8", codec="utf-8", errors="surrogateescape", wrong=re.compile(r"[\udc80-\udcff]")
)
_UTF16_LE: Final = Encoding(
    name="UTF-16", codec="utf-16-le", errors="replace", wrong=re.compile("\ufffd")
)
_UTF16_BE: Final = attrs.evolve(_UTF16_LE, codec="utf-16-be")


def _encoding_of(head: bytes) -> Encoding:
    """By the byte order mark; without one, by the zeros that UTF-16 has between ASCII letters."""
    if head.startswith(codecs.BOM_UTF16_LE) or re.match(rb"[^\0]\0[^\0]\0", head, re.DOTALL):
        return _UTF16_LE
    if head.startswith(codecs.BOM_UTF16_BE) or re.match(rb"\0[^\0]\0[^\0]", head, re.DOTALL):
        return _UTF16_BE
    return _UTF8


def _refuse_workbooks(head: bytes) -> None:
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        kind = "an Excel workbook (.xls)"
    elif not head.startswith(b"PK\x03\x04"):
        return
    elif b"opendocument.spreadsheet" in head:
        kind = "an OpenDocument spreadsheet (.ods)"
    elif b"[Content_Types].xml" in head or b"xl/" in head:
        kind = "an Excel workbook (.xlsx)"
    else:
        kind = "a zip archive, as .xlsx workbooks are"
    raise UnreadableError(f"it is {kind}, not CSV: save the sheet as CSV in UTF-8")
