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
"""The most bytes (in UTF-8) of a line, or of lines joined by quotes, so that memory is bounded."""

SEPARATORS: Final = (",", ";", "\t")

_CHUNK: Final = 65_536
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
_QUOTED: Final = re.compile(r'"[^"]*"')
_LINE_END: Final = re.compile(r"\r\n?|\n")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class UnreadableError(ValueError):
    """The file is not a readable CSV file; the message is one line for a person."""


@attrs.frozen(kw_only=True)
class Encoding:
    """A text encoding; its *errors* make the codec turn bad bytes into what `wrong` finds."""

    name: str
    codec: str
    errors: str
    wrong: re.Pattern[str]


@attrs.frozen
class Record:
    """
    A record in a file.

    Attributes:
        number: The number of its first line; the file's first line is 1.
        fields: Its fields, or the reason why it cannot be read.
        lines: The lines from which it was read.
    """

    number: int
    fields: list[str] | str
    lines: list[str] = attrs.field(repr=False)


class Lines:
    """The lines of a file, in bounded memory. Lines can be given back to be read again."""

    def __init__(self, file: BinaryIO) -> None:
        """Detect the encoding of *file*; raises UnreadableError if it is a workbook."""
        self._file = file
        self._ready: deque[str] = deque()
        self.number = 0
        """The number of the line that was taken last."""
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
        Return the next line with its line ending; empty at the end of the file.

        A line above the limit is truncated, but stays above the limit.
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
        """Give back *lines*, the last ones taken, so that they are taken again."""
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
    Take a first line such as ``sep=;`` and return its separator; None without such a line.

    Raises:
        UnreadableError: The line names another separator.
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
    Return the next record, skipping empty lines; None at the end.

    An unclosed quote makes only its own line bad; the lines after it are read again.
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
        return Record(number, "its quotes or line breaks are misplaced", taken[:1])
    text = "".join(taken)
    if lines.encoding.wrong.search(text):
        return Record(number, f"not {lines.encoding.name}", taken)
    if _CONTROL.search(text):
        return Record(number, "it contains control characters", taken)
    return Record(number, fields, taken)


def _feed(lines: Lines, taken: list[str]) -> Iterator[str]:
    """Yield the line in *taken*, then the lines that its quotes join, adding them to *taken*."""
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
    """Detect the encoding by the byte order mark or by UTF-16's zeros between ASCII letters."""
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
        kind = "a zip archive, like .xlsx workbooks"
    raise UnreadableError(f"it is {kind}, not CSV: save the sheet as CSV in UTF-8")
