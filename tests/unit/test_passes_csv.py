"""Reading a CSV file of passes: `docs/contract.md`, section 10, import."""

import csv
import io
from io import BytesIO

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.listed_passes import COLUMNS, ListedPass, ListedUser
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.entrypoints.cli.csv_records import MAX_RECORD, UnreadableError
from hsp_otp.entrypoints.cli.passes_batch import Listing
from hsp_otp.entrypoints.cli.passes_csv import BadLine, Line, read

NOTATION = "is in scientific notation, which loses digits: format the column as text"
DIRECTION = "contains characters that change the direction of text"
ZIP = b"PK\x03\x04" + bytes(26)
SAVE = "not CSV: save the sheet as CSV in UTF-8"
HEADER = "pass_code,payment_status,plan_name,expires_at,email,first_name,last_name,phone_number\n"
GOOD = "HSP-1234-5678,paid,Gold,2099-12-31,asha@example.com,Asha,Rao,+919876543210\n"
OTHER = "HSP-0000-0001,paid,,,ravi@example.com,,,\n"


def lines_of(content: str | bytes) -> list[Line | BadLine]:
    """What a file of *content* holds, header included."""
    raw = content if isinstance(content, bytes) else content.encode()
    return list(read(BytesIO(raw), "IN"))


def row(**changes: str) -> str:
    """A good line with some of its fields changed."""
    fields = {
        "pass_code": "HSP-1234-5678",
        "payment_status": "paid",
        "plan_name": "Gold",
        "expires_at": "2099-12-31",
        "email": "asha@example.com",
        "first_name": "Asha",
        "last_name": "Rao",
        "phone_number": "+919876543210",
    }
    return ",".join((fields | changes).values()) + "\n"


def good(line: str) -> Line:
    """The one line of a file, which must be a good one."""
    (found,) = lines_of(HEADER + line)
    assert isinstance(found, Line)
    return found


def reason(line: str) -> str:
    """Why the one line of a file is bad."""
    (found,) = lines_of(HEADER + line)
    assert isinstance(found, BadLine)
    assert found.number == 2
    return found.reason


def numbers_and_reasons(content: str | bytes) -> list[tuple[int, str]]:
    """Every line's number, and its reason where it is bad."""
    return [
        (line.number, line.reason if isinstance(line, BadLine) else "")
        for line in lines_of(content)
    ]


def take_all(content: str) -> tuple[list[ListedPass], list[ListedUser], list[BadLine]]:
    """What a file comes to, and the lines that are bad beside others."""
    with Listing() as listing:
        refused = [listing.take(line) for line in lines_of(content) if isinstance(line, Line)]
        bad = [*(line for line in refused if line is not None), *listing.disagreeing()]
        found = list(listing.passes())
        assert listing.count() == len(found)
        return found, list(dict.fromkeys(one.user for one in found)), bad


def test_a_line() -> None:
    """Every column ends up in its place."""
    assert lines_of(HEADER + GOOD) == [
        Line(
            2,
            ListedPass(
                code=PassCode("HSP-1234-5678"),
                payment_status=PaymentStatus.PAID,
                plan_name="Gold",
                expires_at=Instant(4_102_444_799_000_000),
                user=ListedUser(
                    email="asha@example.com",
                    first_name="Asha",
                    last_name="Rao",
                    phone=PhoneNumber("+919876543210"),
                ),
            ),
        )
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + (HEADER + GOOD).encode(),
        (HEADER + GOOD).replace("\n", "\r\n").encode(),
        (HEADER + GOOD).rstrip("\n").encode(),
        (HEADER + GOOD).replace("\n", "\r").encode(),
        (HEADER + GOOD).replace(",", ";").encode(),
        (HEADER + GOOD).replace(",", "\t").encode(),
        ("sep=,\n" + HEADER + GOOD).encode(),
        ("sep=;\r\n" + HEADER + GOOD).replace(",", ";").encode(),
        ("\ufeffSEP=\t\r" + HEADER + GOOD).replace(",", "\t").replace("\n", "\r").encode("utf-16"),
        (HEADER + GOOD).encode("utf-16"),
        (HEADER + GOOD).encode("utf-16-le"),
        (HEADER + GOOD).encode("utf-16-be"),
        ("\ufeff" + HEADER + GOOD).encode("utf-16-be"),
        (HEADER + GOOD).replace("\n", ",,\n").encode(),
        (HEADER + ",,,,,,,\n" + GOOD + "\u200b,\u3000, ,,,,,,,\n\t\n").encode(),
        (HEADER + GOOD.replace("\n", ',"",\ufeff\n')).encode(),
        (HEADER + GOOD).replace("pass_code", " Pass_Code ").encode(),
        (HEADER + GOOD).replace("phone_number", "Phone Number").encode(),
        (HEADER + GOOD).replace("expires_at", "EXPIRES\u2011AT\u200b").encode(),
        b'"' + (HEADER + GOOD)[:-1].replace("\n", '"\n"').replace(",", '","').encode() + b'"',
    ],
)
def test_spellings_of_one_file(content: bytes) -> None:
    """Encoding, line end, separator, quotes, empty cells and blank rows make no difference."""
    (found,) = lines_of(content)
    (expected,) = lines_of(HEADER + GOOD)
    assert attrs.evolve(found, number=2) == expected


def test_columns_in_any_order() -> None:
    """The header says where a column is, and columns that nobody asked for do not matter."""
    content = (
        "note,phone_number,last_name,first_name,email,expires_at,plan_name,payment_status,"
        "pass_code,note\n"
        '"two\nlines",+919876543210,Rao,Asha,asha@example.com,2099-12-31,Gold,paid,'
        "HSP-1234-5678,\n"
    )
    assert lines_of(content) == lines_of(HEADER + GOOD)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\n \r\n", "the file is empty"),
        (b"pass_code;payment_status,email,first_name,phone_number\n",
         "the header lacks pass_code, payment_status, plan_name, expires_at, last_name"),
        (HEADER.replace("email,", "").encode(), "the header lacks email"),
        (HEADER.replace(",", ",email,", 1).encode(), "the header has more than one email"),
        (HEADER.replace("email", "e\u00fcmail").encode("latin-1"),
         "the header cannot be read: not UTF-8"),
        (HEADER.encode("utf-16")[:-2] + b"\x00\xd8x\x00\n\x00",
         "the header cannot be read: not UTF-16"),
        (b"sep=,\n", "the file is empty"),
        (b"sep=x\n" + HEADER.encode(),
         "its line sep= names neither a comma, a semicolon nor a tab"),
        (b"sep=;\n" + HEADER.encode(), f"the header lacks {', '.join(COLUMNS)}"),
        (ZIP + b"[Content_Types].xml", f"it is an Excel workbook (.xlsx), {SAVE}"),
        (ZIP + b"xl/workbook.xml", f"it is an Excel workbook (.xlsx), {SAVE}"),
        (ZIP + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
         f"it is an OpenDocument spreadsheet (.ods), {SAVE}"),
        (ZIP + b"passes.csv", f"it is a zip archive, like .xlsx workbooks, {SAVE}"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
         f"it is an Excel workbook (.xls), {SAVE}"),
        (b"x" * 100_000, "the header cannot be read: longer than 65536 bytes"),
        (b'"' + HEADER.encode(),
         "the header cannot be read: its quotes or line breaks are misplaced"),
    ],
)  # fmt: skip
def test_a_file_without_its_header(content: bytes, words: str) -> None:
    """What is no list of passes at all is refused as a whole, by one line."""
    with pytest.raises(UnreadableError) as caught:
        lines_of(content)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("paid", PaymentStatus.PAID),
        (" PAID ", PaymentStatus.PAID),
        ("pending", PaymentStatus.PENDING),
        ("Refunded", PaymentStatus.REFUNDED),
        ("cancelled", PaymentStatus.CANCELLED),
    ],
)
def test_payment_status(text: str, status: PaymentStatus) -> None:
    """There are four of them; letter case and outer space do not matter."""
    assert good(row(payment_status=text)).listed.payment_status is status


@pytest.mark.parametrize(
    ("text", "expires_at"),
    [
        ("", None),
        (" ", None),
        ("2026-01-01", 1_767_311_999_000_000),
        ("20260101", 1_767_311_999_000_000),
        ("'2026\u201101\u201301", 1_767_311_999_000_000),
        ("2026-01-01T00:00:00Z", 1_767_225_600_000_000),
        ("2026-01-01t00:00:00z", 1_767_225_600_000_000),
        ("2026-01-01 00:00", 1_767_225_600_000_000),
        ("2026-01-01T05:30+05:30", 1_767_225_600_000_000),
        ("2025-12-31T19:00:00-05:00", 1_767_225_600_000_000),
        ("2026-01-01T00:00:00.000001Z", 1_767_225_600_000_001),
        ("1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_expiry(text: str, expires_at: int | None) -> None:
    """Nothing, a date (its last second in UTC) or an instant, in UTC unless it says otherwise."""
    assert good(row(expires_at=text)).listed.expires_at == expires_at


@pytest.mark.parametrize(
    "text",
    [
        "31/12/2026",
        "2026-02-30",
        "2026",
        "1767225600",
        "2026-01-01T25:00",
        "2026-01-01T",
        "2026-01-01_10:00",
        "2026-01-01T10:00+99:00",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59-14:00",
        "never",
        "٢٠٢٦-٠١-٠١",
    ],
)
def test_no_expiry(text: str) -> None:
    """Whatever is neither a date nor an ISO 8601 instant of the years 1 to 9999 is refused."""
    assert reason(row(expires_at=text)) == (
        "expires_at is neither a date nor an ISO 8601 instant, "
        "such as 2026-12-31 or 2026-12-31T18:30:00Z"
    )


def test_case_and_outer_space() -> None:
    """Codes are in upper case, addresses in lower case, and outer space is nobody's."""
    line = good(
        row(
            pass_code=" hsp-1234-5678 ",
            email=" ASHA@Example.COM ",
            first_name=" Asha ",
            last_name="\tRao",
            phone_number=" 98765 43210 ",
            plan_name=" Gold ",
            expires_at=" 2099-12-31 ",
        )
    )
    assert line == good(GOOD)


def test_no_phone() -> None:
    """A user may have no number."""
    assert good(row(phone_number="")).listed.user.phone is None


def test_phone_of_any_region() -> None:
    """A number may be of any region; only national form is of the default one."""
    assert good(row(phone_number="+447400123456")).listed.user.phone == PhoneNumber("+447400123456")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pass_code": ""}, "pass_code is not of the form HSP-dddd-dddd"),
        ({"pass_code": "HSP-1234-567"}, "pass_code is not of the form HSP-dddd-dddd"),
        ({"payment_status": ""}, "payment_status is not one of paid, pending, refunded, cancelled"),
        ({"payment_status": "+919876543210"},
         "payment_status is not one of paid, pending, refunded, cancelled"),
        ({"email": ""}, "email is empty"),
        ({"email": "asha"}, "email is not an e-mail address"),
        ({"email": "@example.com"}, "email is not an e-mail address"),
        ({"email": "asha@"}, "email is not an e-mail address"),
        ({"email": "a@b@c"}, "email is not an e-mail address"),
        ({"email": "as ha@example.com"}, "email is not an e-mail address"),
        ({"email": "as\u00a0ha@example.com"}, "email is not an e-mail address"),
        ({"email": "\u200b"}, "email is empty"),
        ({"email": "asha@" + "x" * 250}, "email is longer than 254 characters"),
        ({"first_name": "x" * 201}, "first_name is longer than 200 characters"),
        ({"last_name": "x" * 201}, "last_name is longer than 200 characters"),
        ({"plan_name": "x" * 201}, "plan_name is longer than 200 characters"),
        ({"plan_name": "x" * 70_000}, "longer than 65536 bytes"),
        ({"plan_name": "Go\x00ld"}, "it contains control characters"),
        ({"plan_name": "\x1b[31mGold"}, "it contains control characters"),
        ({"first_name": "A\tB"}, "first_name contains control characters"),
        ({"phone_number": "98765"}, "phone_number is not a valid phone number"),
        ({"phone_number": "hello"}, "phone_number is not a phone number"),
        ({"phone_number": "+911123456789"}, "phone_number is not a mobile number"),
        ({"phone_number": "+919876543210.5"}, "phone_number is not a phone number"),
        ({"phone_number": "9.19877E+11"}, f"phone_number {NOTATION}"),
        ({"phone_number": '"9,19877e+11"'}, f"phone_number {NOTATION}"),
        ({"phone_number": "91987654E4"}, f"phone_number {NOTATION}"),
        ({"phone_number": "+919876543210,,x"}, "10 fields, but the header has 8"),
        ({"first_name": "A\u202esha"}, f"first_name {DIRECTION}"),
        ({"last_name": "\u2067Rao\u2069"}, f"last_name {DIRECTION}"),
        ({"plan_name": "\u202dGold"}, f"plan_name {DIRECTION}"),
        ({"plan_name": '"Gold" x'}, "its quotes or line breaks are misplaced"),
        ({"plan_name": "Go\rld"}, "its quotes or line breaks are misplaced"),
    ],
)  # fmt: skip
def test_bad_lines(changes: dict[str, str], words: str) -> None:
    """A field that will not do makes its line bad, by a reason that names the field."""
    assert reason(row(**changes)) == words


@pytest.mark.parametrize(
    ("changes", "missing"), [({"phone_number": ""}, 1), ({"last_name": "", "phone_number": ""}, 2)]
)
def test_cells_that_are_left_out(changes: dict[str, str], missing: int) -> None:
    """Cells that are missing at the end of a line are empty ones."""
    whole = row(**changes)
    assert good(whole[: -missing - 1] + "\n") == good(whole)
    assert reason("HSP-1234-5678,paid\n") == "email is empty"


@pytest.mark.parametrize(
    "number",
    [
        *("+919876543210.0", "9876543210.00", "'+919876543210", '="+919876543210"', "’98765 43210"),
        *('"=""+919876543210"""', "\u202a\uff0b919876543210\u202c", "0919876543210"),
        *("98765/43210", "\ufeff98765\u201143210"),
    ],
)
def test_numbers_out_of_spreadsheets(number: str) -> None:
    """A decimal point, an apostrophe, a formula and what a clipboard adds are no part of it."""
    assert good(row(phone_number=number)) == good(GOOD)


def test_cells_out_of_spreadsheets() -> None:
    """Every cell may be a formula of its text; an apostrophe belongs to a name, not to a code."""
    line = good(
        row(
            pass_code="'HSP\u20111234\u20115678",
            payment_status='="Paid"',
            plan_name='=\u0020"Gold ""plus"""',
            expires_at="'2099-12-31",
            email="as\u00adha@example.com\u200b",
            first_name="'t",
            last_name="\ufeffRa\u200bo\u00ad",
        )
    )
    expected = good(row(plan_name='"Gold ""plus"""', first_name="'t"))
    assert line == expected
    assert (line.listed.plan_name, line.listed.user.first_name) == ('Gold "plus"', "'t")


def test_joiners_in_names() -> None:
    """They spell Indian words; a name of nothing that can be seen is none."""
    line = good(row(first_name="क\u094d\u200dष", last_name="\u200d\u200b \u3164"))
    assert (line.listed.user.first_name, line.listed.user.last_name) == ("क\u094d\u200dष", "")


CELLS = st.text(st.sampled_from("aé आ\",;\t\n'=.-1"), max_size=5)


@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=4),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    announced=st.booleans(),
    blank=st.booleans(),
)
def test_every_way_to_write_a_file(
    rows: list[tuple[str, str]],
    separator: str,
    end: str,
    encoding: str,
    *,
    announced: bool,
    blank: bool,
) -> None:
    """However a spreadsheet writes a table, the same lines are read."""
    cells = [
        ["HSP-1234-5678", "paid", plan, "", "a@example.com", name, "", "98765 43210"]
        for plan, name in rows
    ]
    plain_file, file = io.StringIO(), io.StringIO()
    csv.writer(plain_file).writerows([COLUMNS, *cells])
    # The writer leaves a line feed unquoted where another character ends lines.
    quoted = blank or end == "\r"
    writer = csv.writer(
        file,
        delimiter=separator,
        lineterminator=end,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
    )
    if announced:
        file.write(f"sep={separator}{end}")
    for one in [COLUMNS, *cells]:
        writer.writerow(one)
        if blank:
            writer.writerow([" "] * 8)
    found = lines_of(file.getvalue().encode(encoding))
    expected = lines_of(plain_file.getvalue().encode())
    assert [attrs.evolve(line, number=0) for line in found] == [
        attrs.evolve(line, number=0) for line in expected
    ]


def test_the_longest_that_will_do() -> None:
    """200 characters of a name and 254 of an address are not too many, whatever their bytes."""
    line = good(row(first_name="आ" * 200, email="a@" + "x" * 252))
    assert len(line.listed.user.first_name) == 200
    assert len(line.listed.user.email) == 254


def test_line_numbers() -> None:
    """A record has the number of its first line; blank lines count and are skipped."""
    content = (
        HEADER
        + "\n"
        + 'HSP-0000-0001,paid,"Gold\nand\r\nmore",,a@example.com,,,\n'
        + "  \r\n"
        + "bad,paid,,,b@example.com,,,\n"
        + "HSP-0000-0002,paid,,,c@example.com,,,"
    )
    assert numbers_and_reasons(content) == [
        (3, ""),
        (7, "pass_code is not of the form HSP-dddd-dddd"),
        (8, ""),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_line_numbers_after_a_line_of_the_separator(end: str, encoding: str) -> None:
    """The first line of the file is line 1, be it sep= or the header, whatever ends lines."""
    content = (
        "sep=;\n"
        + HEADER
        + "bad;paid;;;b@example.com;;;\n"
        + ";;;;;;;\n"
        + "bad;paid;;;b@example.com\n"
    )
    raw = content.replace(",", ";").replace("\n", end).encode(encoding)
    words = "pass_code is not of the form HSP-dddd-dddd"
    assert numbers_and_reasons(raw) == [(3, words), (5, words)]


def test_line_breaks_in_a_text() -> None:
    """A line break within a plan or a name reads as a space."""
    assert good(row(plan_name='"Gold\r\nand more"')).listed.plan_name == "Gold and more"


def test_bytes_that_are_not_utf_8() -> None:
    """They spoil their own line alone."""
    latin = row(last_name="Müller").encode("latin-1")
    content = HEADER.encode() + latin + OTHER.encode()
    assert numbers_and_reasons(content) == [(2, "not UTF-8"), (3, "")]


@pytest.mark.parametrize("count", [1, 3_000])
def test_a_quote_that_nothing_closes(count: int) -> None:
    """It spoils its own line, however many follow; those are read."""
    content = HEADER + row(plan_name='"Gold') + OTHER * count
    assert numbers_and_reasons(content) == [
        (2, "its quotes or line breaks are misplaced"),
        *((number, "") for number in range(3, 3 + count)),
    ]


def test_a_quote_that_a_later_line_closes() -> None:
    """A stray quote does not swallow the lines up to the next one."""
    content = HEADER + row(plan_name='"Gold') + OTHER + row(plan_name='"Gold"')
    assert numbers_and_reasons(content) == [
        (2, "its quotes or line breaks are misplaced"),
        (3, ""),
        (4, ""),
    ]


def test_an_endless_line() -> None:
    """A line above the limit is one bad line, and the next is read; so inside quotes."""
    endless = "आ" * MAX_RECORD
    content = HEADER + endless + "\n" + row(plan_name=f'"\n{endless}"') + OTHER
    assert numbers_and_reasons(content) == [
        (2, "longer than 65536 bytes"),
        (3, "its quotes or line breaks are misplaced"),
        (4, "longer than 65536 bytes"),
        (5, ""),
    ]


def test_the_same_pass_twice() -> None:
    """The same content is as good as once; other content makes the later line bad."""
    same = GOOD.replace("+919876543210", "98765 43210").replace("paid", "Paid")
    other = GOOD.replace("Gold", "Silver")
    found, people, bad = take_all(HEADER + GOOD + OTHER + same + other + other)
    assert [one.plan_name for one in found] == ["Gold", ""]
    assert [user.email for user in people] == ["asha@example.com", "ravi@example.com"]
    assert bad == [
        BadLine(5, "the same pass code is on line 2"),
        BadLine(6, "the same pass code is on line 2"),
    ]


def test_the_same_pass_of_changed_user_data() -> None:
    """The user's data belong to the content of a line."""
    _, people, bad = take_all(HEADER + GOOD + GOOD.replace("Rao", "Roy"))
    assert [user.last_name for user in people] == ["Rao"]
    assert bad == [BadLine(3, "the same pass code is on line 2")]


def test_user_data_of_the_last_good_line() -> None:
    """Where several lines describe a user with one number, the last good one is what counts."""
    content = (
        HEADER
        + row(pass_code="HSP-0000-0001", first_name="One")
        + row(pass_code="HSP-0000-0002", first_name="Two", phone_number="98765 43210")
        + row(pass_code="HSP-0000-0003", first_name="Three", phone_number="1")
        + row(pass_code="HSP-0000-0001", first_name="Four")
    )
    found, people, _ = take_all(content)
    assert [one.code.value for one in found] == ["HSP-0000-0001", "HSP-0000-0002"]
    assert people == [
        ListedUser(
            email="asha@example.com",
            first_name="Two",
            last_name="Rao",
            phone=PhoneNumber("+919876543210"),
        )
    ]


def disagreement(line: int, other: int) -> BadLine:
    """That a line gives a person another number than some other line."""
    return BadLine(line, f"the same email has another phone_number on line {other}")


@pytest.mark.parametrize("number", ["", "98123 45678"])
def test_two_numbers_for_one_address(number: str) -> None:
    """All lines of an address are bad where two of them differ in the number; none is taken in."""
    content = (
        HEADER
        + row(pass_code="HSP-0000-0001")
        + OTHER.replace("0000-0001", "0000-0009")
        + row(pass_code="HSP-0000-0002", email=" ASHA@example.com\u200b", phone_number=number)
        + row(pass_code="HSP-0000-0003")
    )
    found, people, bad = take_all(content)
    assert [one.code.value for one in found] == ["HSP-0000-0009"]
    assert [user.email for user in people] == ["ravi@example.com"]
    assert bad == [disagreement(2, 4), disagreement(4, 2), disagreement(5, 4)]


def test_two_numbers_for_one_address_and_pass() -> None:
    """A line that is bad for its pass code has a say in whose number it is all the same."""
    found, people, bad = take_all(HEADER + row() + row(phone_number="98123 45678") + OTHER)
    assert [one.code.value for one in found] == ["HSP-0000-0001"]
    assert [user.email for user in people] == ["ravi@example.com"]
    assert bad == [BadLine(3, "the same pass code is on line 2"), disagreement(2, 3)]


def test_a_person_on_bad_lines_alone() -> None:
    """Whom only a line names that is bad for its pass code is not taken in."""
    found, people, bad = take_all(HEADER + row() + row(email="ravi@example.com"))
    assert [one.code.value for one in found] == ["HSP-1234-5678"]
    assert [user.email for user in people] == ["asha@example.com"]
    assert bad == [BadLine(3, "the same pass code is on line 2")]


@given(st.binary(max_size=300) | st.text(alphabet='",\r\nHSP-15 @.\x00é', max_size=300))
def test_whatever_a_file_holds(content: bytes | str) -> None:
    """Nothing crashes, numbers rise, every line is accounted for, and good lines stay good."""
    raw = content if isinstance(content, bytes) else content.encode()
    found = lines_of(HEADER.encode() + raw + b'\n"\n' + GOOD.encode())
    numbers = [line.number for line in found]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 2 + raw.count(b"\n") + 2


@given(st.integers(0, 7), st.sampled_from(["+919876543210", "9876543210", "919876543210x"]))
def test_reasons_repeat_nothing(place: int, number: str) -> None:
    """Wherever in a line a number stands, no reason repeats it."""
    fields = GOOD.rstrip("\n").split(",")
    fields[place] = f"{number} "
    (line,) = lines_of(HEADER + ",".join(fields))
    assert "9876543210" not in (line.reason if isinstance(line, BadLine) else "")


# The house's own ids


IDS = HEADER[:-1] + ",User ID\n"


def with_id(house_id: str, **changes: str) -> str:
    """A good line with an id."""
    return f"{row(**changes)[:-1]},{house_id}\n"


@pytest.mark.parametrize(
    ("cell", "house_id"),
    [
        ("4711", "4711"),
        (" 4711\u200b", "4711"),
        ("'0042", "0042"),
        ('="0042"', "0042"),
        ("", None),
        ("~" * 64, "~" * 64),
        ("a:b/c@d", "a:b/c@d"),
    ],
)
def test_an_id(cell: str, house_id: str | None) -> None:
    """The column user_id is optional, and so are its cells; an id is kept as it is written."""
    (line,) = lines_of(IDS + with_id(cell))
    assert isinstance(line, Line)
    assert line.listed.user.house_id == house_id
    assert attrs.evolve(line.listed.user, house_id=None) == good(row()).listed.user


@pytest.mark.parametrize(
    "cell", ["4 711", "~" * 65, "Ä1", "1\u20112", "4\u200b711" + "\xad" * 2 + "é"]
)
def test_ids_that_are_none(cell: str) -> None:
    """An id is 1 to 64 visible ASCII characters."""
    (line,) = lines_of(IDS + with_id(cell))
    assert line == BadLine(2, "user_id is not 1 to 64 visible ASCII characters")


def test_two_columns_of_ids() -> None:
    """A column stands in the header once."""
    with pytest.raises(UnreadableError, match="the header has more than one user_id"):
        lines_of(IDS[:-1] + ",user_id\n" + GOOD)


def test_an_id_on_some_lines() -> None:
    """A line without an id says nothing about it."""
    found, people, bad = take_all(
        IDS
        + with_id("", pass_code="HSP-0000-0001")
        + with_id("7", pass_code="HSP-0000-0002")
        + with_id("", pass_code="HSP-0000-0003")
    )
    assert len(found) == 3
    assert [user.house_id for user in people] == ["7"]
    assert bad == []


def test_two_ids_for_one_address() -> None:
    """All lines of an address are bad where two of them differ in the id; none is taken in."""
    _, people, bad = take_all(
        IDS
        + with_id("7", pass_code="HSP-0000-0001")
        + with_id("8", pass_code="HSP-0000-0002", email="ravi@example.com")
        + with_id("9", pass_code="HSP-0000-0003")
        + with_id("", pass_code="HSP-0000-0004")
    )
    assert [user.email for user in people] == ["ravi@example.com"]
    assert bad == [
        BadLine(2, "the same email has another user_id on line 4"),
        BadLine(4, "the same email has another user_id on line 2"),
        BadLine(5, "the same email has another user_id on line 2"),
    ]


def test_one_id_for_two_addresses() -> None:
    """All lines of both addresses are bad; none is taken in."""
    _, people, bad = take_all(
        IDS
        + with_id("7", pass_code="HSP-0000-0001")
        + with_id("8", pass_code="HSP-0000-0002", email="ravi@example.com")
        + with_id("7", pass_code="HSP-0000-0003", email="asha.rao@example.com")
        + with_id("", pass_code="HSP-0000-0004")
    )
    assert [user.house_id for user in people] == ["8"]
    assert bad == [
        BadLine(2, "the same user_id has another email on line 4"),
        BadLine(4, "the same user_id has another email on line 2"),
        BadLine(5, "the same user_id has another email on line 4"),
    ]


def test_the_same_pass_with_another_id() -> None:
    """The id belongs to the content of a line."""
    _, _, bad = take_all(IDS + with_id("7") + with_id(""))
    assert bad == [BadLine(3, "the same pass code is on line 2")]


def test_users_whom_the_database_refuses() -> None:
    """Every line of such a user is bad, in order, and says why."""
    with Listing() as listing:
        for line in lines_of(
            IDS
            + with_id("7", pass_code="HSP-0000-0001")
            + with_id("8", pass_code="HSP-0000-0002", email="ravi@example.com")
            + with_id("7", pass_code="HSP-0000-0003")
        ):
            assert isinstance(line, Line)
            assert listing.take(line) is None
        words = "its user_id or its email belongs to another user"
        assert list(listing.refused(["ravi@example.com", "asha@example.com"])) == [
            BadLine(2, words),
            BadLine(3, words),
            BadLine(4, words),
        ]
