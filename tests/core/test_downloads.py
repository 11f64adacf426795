import errno
import hashlib
import http.server
import io
import logging
import pathlib
import socket
import threading

import pytest

from pix2pix_jax.core import downloads
from pix2pix_jax.core.downloads import download, verify
from pix2pix_jax.core.errors import InputError

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if self.path not in ("/whole", "/short", "/nameless", "/stalled", "/long"):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Connection", "close")
        if self.path != "/nameless":
            more = {"/whole": 0, "/long": -9}.get(self.path, 7)
            self.send_header("Content-Length", str(len(CONTENT) + more))
        self.end_headers()
        self.wfile.write(self.server.content)
        if self.path == "/stalled":
            self.wfile.flush()
            self.server.released.wait(20)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.released, server.content = threading.Event(), CONTENT
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


@pytest.fixture
def url(server):
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize("page", ["whole", "nameless"])
def test_a_download_writes_the_file_and_records_its_checksum(tmp_path, url, page):
    path = tmp_path / "new" / "a.bin"
    download(f"{url}/{page}", path, sha256=SHA256.upper())
    assert path.read_bytes() == CONTENT
    assert (tmp_path / "new" / "a.bin.sha256").read_text() == (
        f"# {len(CONTENT)} bytes from {url}/{page}\n{SHA256}  a.bin\n"
    )
    assert len(list(path.parent.iterdir())) == 2
    verify(path, SHA256)


@pytest.mark.parametrize(
    ("page", "options", "message"),
    [
        ("/missing", {}, r"/missing: cannot be downloaded \(HTTP Error 404: Not Found\); HINT"),
        ("/short", {}, r"sent 10240 of 10247 bytes; HINT"),
        ("/nameless", {"size": 9}, r"sent 10240 of 9 bytes; HINT"),
        ("/stalled", {}, r"cannot be downloaded \(.*timed out\); HINT"),
        ("/whole", {"size": 9}, r"sent 10240 of 9 bytes; HINT"),
        ("/to/file:///etc/hostname", {}, r"file:///etc/hostname.* is not allowed\); HINT"),
        ("/to/ftp://127.0.0.1/a", {}, r"leads to ftp://127\.0\.0\.1/a, which is not safe"),
        ("/whole", {"sha256": "0" * 64}, f"has the SHA-256 {SHA256}, expected {'0' * 64}"),
    ],
)
def test_a_failed_download_is_a_one_line_error_and_leaves_the_old_file(
    tmp_path, url, page, options, message
):
    path = tmp_path / "a.bin"
    path.write_text("old")
    with pytest.raises(InputError, match=message) as error:
        download(url + page, path, hint="HINT", timeout=0.3, **options)
    assert "\n" not in str(error.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/a", "no address", "http://[/a"])
def test_the_error_gives_the_address_of_a_server_that_cannot_be_reached(
    tmp_path, closed_port, monkeypatch, address
):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    address = address.format(port=closed_port)
    with pytest.raises(InputError) as error:
        download(address, tmp_path / "a.bin", hint="put a.bin there yourself")
    assert str(error.value).startswith(f"{address}: cannot be downloaded (")
    assert str(error.value).endswith("put a.bin there yourself")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_nothing(tmp_path, monkeypatch, url):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    whole = pathlib.Path.open
    monkeypatch.setattr(
        "pathlib.Path.open",
        lambda path, mode="r", *rest: Full() if "w" in mode else whole(path, mode, *rest),
    )
    with pytest.raises(InputError, match=r"a\.bin: cannot be written \(No space left.*free some"):
        download(f"{url}/whole", tmp_path / "a.bin")
    assert not list(tmp_path.iterdir())


def test_the_error_gives_the_file_whose_folder_cannot_be_created(tmp_path, url):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/a\.bin: cannot be written"):
        download(f"{url}/whole", tmp_path / "file" / "a.bin")


def test_verify_refuses_a_file_that_differs_from_the_download(tmp_path, url):
    path = tmp_path / "a.bin"
    download(f"{url}/whole", path)
    verify(path)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(
        InputError, match=rf"a\.bin: has the SHA-256 .* expected {SHA256}; delete it and a"
    ):
        verify(path)


def test_verify_checks_a_known_checksum_and_accepts_a_file_without_one(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    verify(path)
    verify(path, SHA256)
    with pytest.raises(InputError, match=f"expected {'0' * 64}; delete it, and HINT"):
        verify(path, "0" * 64, hint="HINT")


def test_the_first_download_without_a_checksum_is_recorded_and_later_ones_must_be_the_same(
    tmp_path, server, url, caplog
):
    caplog.set_level(logging.INFO)
    path = tmp_path / "a.bin"
    download(f"{url}/whole", path)
    (line,) = caplog.messages
    assert f"no checksum is published for it; its SHA-256 {SHA256} is recorded in {path}" in line
    path.unlink()
    caplog.clear()
    download(f"{url}/whole", path)
    assert not caplog.messages
    path.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(
        InputError, match=rf"expected {SHA256} that a\.bin\.sha256 recorded"
    ) as error:
        download(f"{url}/whole", path)
    assert f"delete {path}.sha256" in str(error.value)
    assert not path.exists()
    download(f"{url}/whole", path, sha256=hashlib.sha256(CONTENT[::-1]).hexdigest())
    verify(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"# nothing\n", b"0" * 70, b"g" * 64])
def test_a_record_that_holds_no_checksum_is_an_error_that_names_it(tmp_path, url, content):
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    (tmp_path / "a.bin.sha256").write_bytes(content)
    for use in (verify, lambda path: download(f"{url}/whole", path)):
        with pytest.raises(InputError, match=r"a\.bin\.sha256: holds no SHA-256; delete it"):
            use(path)


def test_http_is_used_only_where_it_is_allowed_and_with_a_warning(
    tmp_path, url, caplog, monkeypatch
):
    address = f"{url.replace('http', 'https')}/whole"  # the server does not speak TLS
    with pytest.raises(InputError, match=r"https://.*cannot be downloaded"):
        download(address, tmp_path / "a.bin", timeout=5.0)
    download(address, tmp_path / "a.bin", timeout=5.0, or_http=True)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert "by http now, where anyone on the way can change it" in caplog.text
    assert f"bytes from {url}/whole" in (tmp_path / "a.bin.sha256").read_text()


def test_a_download_that_does_not_end_is_stopped(tmp_path, url, monkeypatch):
    monkeypatch.setattr(downloads, "_LARGEST", 1000)
    with pytest.raises(InputError, match="sends more than 1000 bytes"):
        download(f"{url}/nameless", tmp_path / "a.bin")
    assert not list(tmp_path.iterdir())
