"""A server of one archive on the loopback address, for downloads."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROWS = {
    part: b"label,user\n" + f"1,{part}\n0,x\n".encode() * 5000
    for part in ("train", "valid", "test")
}


def archive(rows: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=0) as file:
        for part, data in rows.items():
            file.writestr(f"Set/{part}.csv", data)
    return packed.getvalue()


class Hub(ThreadingHTTPServer):
    """Serves one archive; ``cuts`` says after how many bytes the next answers break off."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.ranges, self.cuts = archive(ROWS), True, list[int]()
        self.requests: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/set.zip"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append(wanted)
        start = 0
        if wanted and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(self.server.data):
                self.send_error(416)
                return
        body = self.server.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(body)
        self.wfile.write(body[:cut])

    def log_message(self, *_: object) -> None:
        """Nothing."""


MD5 = [hashlib.md5(data).hexdigest() for data in ROWS.values()]


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers, until the end of the block."""
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
