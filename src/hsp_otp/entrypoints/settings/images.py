"""Images for the pages: SVG files that only draw, and PNG files."""

import re
import struct
import zlib
from typing import Final
from xml.parsers import expat

import attrs

MAX_BYTES: Final = 100_000

_MAX_PIXELS: Final = 4096
"""The most pixels along one side of a PNG, which browsers decode whole."""

_SVG: Final = "http://www.w3.org/2000/svg"

_DRAWING: Final = re.compile(
    "svg|g|defs|title|desc|symbol|use|style|path|rect|circle|ellipse|line|polyline|polygon|text|"
    "tspan|textPath|linearGradient|radialGradient|stop|clipPath|mask|pattern|marker|filter|"
    "fe(?!Image)[A-Za-z]+"
)
"""The elements of SVG that draw, and neither run, load, link nor move anything."""

# A backslash could spell any of these words in another way.
_REFERS: Final = re.compile(
    r"\\|//|@import|\b(?:src|image|image-set|cross-fade)\s*\(|\burl\((?!\s*[\"']?#)",
    re.IGNORECASE,
)
"""A reference in a style or an attribute to something outside the file."""

_LENGTH: Final = re.compile(r"([0-9]{0,6}\.?[0-9]{1,6})(?:px)?")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_HEADER: Final = _PNG + b"\0\0\0\x0dIHDR"
"""The size of the image follows."""


@attrs.frozen
class Image:
    """
    A checked image.

    Attributes:
        kind: ``svg`` or ``png``.
        width: Only its ratio to *height* counts.
    """

    body: bytes = attrs.field(repr=False)
    kind: str
    width: float
    height: float


def read_image(path: str) -> Image:
    """
    Read the SVG or PNG file at *path*.

    Raises:
        ValueError: The file cannot be read, is no such image, is too large, or does more than draw.
            The message says which.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - reads no more than it may have
            body = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError("it cannot be read: this is not a valid file name") from None
    if len(body) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    width, height = _png_size(body) if body.startswith(_PNG) else _svg_size(body)
    return Image(body, "png" if body.startswith(_PNG) else "svg", width, height)


def _png_size(body: bytes) -> tuple[float, float]:
    """Return width and height; every chunk is whole, and nothing follows the last one."""
    names: list[bytes] = []
    at = len(_PNG)
    while at < len(body) and names[-1:] != [b"IEND"]:
        length = int.from_bytes(body[at : at + 4])
        end = at + 12 + length
        if body[end - 4 : end] != struct.pack(">I", zlib.crc32(body[at + 4 : end - 4])):
            raise ValueError("it is a PNG that is damaged or cut off")
        names.append(body[at + 4 : at + 8])
        at = end
    is_whole = body.startswith(_HEADER) and b"IDAT" in names and names[-1] == b"IEND"
    if not is_whole or at != len(body):
        raise ValueError("it is a PNG without an image, or with something else behind it")
    if b"acTL" in names:
        raise ValueError("it has an animation")
    width, height = struct.unpack_from(">II", body, len(_HEADER))
    if not (0 < width <= _MAX_PIXELS and 0 < height <= _MAX_PIXELS):
        raise ValueError(f"it is not from 1 to {_MAX_PIXELS} pixels wide and high")
    return width, height


def _svg_size(body: bytes) -> tuple[float, float]:
    drawing = _Drawing()
    try:
        body.decode("utf-8")
        drawing.parser.Parse(body, True)  # noqa: FBT003 - the library's
    except UnicodeDecodeError:
        raise ValueError("it is neither a PNG nor an SVG in UTF-8") from None
    except expat.ExpatError as error:
        raise ValueError(
            f"it is neither a PNG nor well-formed XML: line {error.lineno}, "
            f"column {error.offset + 1}"
        ) from None
    return drawing.size


class _Drawing:
    """Reads an SVG; raises ValueError at the first thing that does not draw."""

    def __init__(self) -> None:
        self.size = (0.0, 0.0)
        self.parser = expat.ParserCreate("utf-8", " ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.ProcessingInstructionHandler = self._instruction
        self._open: list[str] = []
        self._style = ""

    def _refuse(self, what: str) -> ValueError:
        return ValueError(f"it has {what} in line {self.parser.CurrentLineNumber}")

    def _doctype(self, *_: object) -> None:
        raise self._refuse("a doctype")

    def _instruction(self, *_: object) -> None:
        raise self._refuse("a processing instruction")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, element = name.rpartition(" ")
        if not self._open and (namespace, element) != (_SVG, "svg"):
            raise ValueError(f"it is XML, but its root is not <svg xmlns={_SVG!r}>")
        if namespace != _SVG or not _DRAWING.fullmatch(element):
            raise self._refuse(f"an element that does not draw, {element[:40]!a},")
        if not self._open:
            self.size = _size(attributes)
        self._open.append(element)
        for full, value in attributes.items():
            self._judge(full.rpartition(" ")[2], value)

    def _judge(self, name: str, value: str) -> None:
        if name.lower().startswith("on"):
            raise self._refuse(f"an event handler, {name[:40]!a},")
        if name == "base" or (name in {"href", "src"} and not value.strip().startswith("#")):
            raise self._refuse("a reference to something outside the file")
        if _REFERS.search(value):
            raise self._refuse("a reference to something outside the file")

    def _text(self, text: str) -> None:
        if self._open[-1:] == ["style"]:
            self._style += text

    def _end(self, _: str) -> None:
        if self._open.pop() != "style":
            return
        if _REFERS.search(self._style):
            raise self._refuse("a reference to something outside the file")
        if "@keyframes" in self._style.lower():
            raise self._refuse("an animation")


def _size(attributes: dict[str, str]) -> tuple[float, float]:
    """Return width and height by the view box, or else by the attributes of these names."""
    view = re.split(r"[\s,]+", attributes.get("viewBox", "").strip())
    sides = view[2:] or [attributes.get("width", ""), attributes.get("height", "")]
    width, height, *more = (_length(side) for side in (*sides, ""))
    if not (width > 0 and height > 0 and more == [0.0]):
        raise ValueError("it has neither a viewBox nor a width and height in pixels")
    return width, height


def _length(text: str) -> float:
    found = _LENGTH.fullmatch(text.strip())
    return float(found[1]) if found else 0.0
