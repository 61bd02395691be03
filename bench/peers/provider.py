"""A provider that takes every message at once, and appends ``number|text`` to the file argv[2]."""

# ruff: noqa: INP001

import asyncio
import json
import sys
from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


async def main(port: int, path: Path) -> None:
    """Serve on *port* until the end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next(
                    int(line[15:]) for line in lines if line.startswith(b"content-length:")
                )
                message = json.loads(await reader.readexactly(length))
                with path.open("a") as file:
                    file.write(f"{message['to']}|{message['text'].splitlines()[0]}\n")
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
