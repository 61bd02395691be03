"""A stand-in for curl, with the options that the documents use: tests need no more than Python."""

import argparse
import http.client
import sys
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE_SECONDS = 60


def main() -> None:
    """Make one request, as the command line says, and print the body of the answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-o", type=Path)
    parser.add_argument("-c", type=Path)
    parser.add_argument("-b", type=Path)
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    parser.add_argument("-X")
    given = parser.parse_args()
    headers = dict(line.split(": ", 1) for line in given.H)
    if given.b:
        lines = [line.split("\t") for line in given.b.read_text("utf-8").splitlines()]
        headers["cookie"] = "; ".join(f"{name}={value}" for *_, name, value in lines)
    url = urlsplit(given.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=PATIENCE_SECONDS)
    method = given.X or ("GET" if given.d is None else "POST")
    connection.request(method, url.path, given.d, headers)
    answer = connection.getresponse()
    body = answer.read()
    if given.c:
        cookies = answer.headers.get_all("set-cookie", [])
        pairs = [cookie.partition(";")[0].partition("=") for cookie in cookies]
        given.c.write_text(
            "".join(
                f"{url.hostname}\tFALSE\t/\tFALSE\t0\t{name}\t{value}\n" for name, _, value in pairs
            ),
            "utf-8",
        )
    if given.o:
        given.o.write_bytes(body)
    else:
        sys.stdout.buffer.write(body)


if __name__ == "__main__":
    main()
