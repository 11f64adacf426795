import errno
import gzip
import hashlib
import http.server
import io
import socket
import tarfile
import threading

import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data import archives

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path not in ("/whole", "/short", "/nameless", "/stalled"):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Connection", "close")
        if self.path != "/nameless":
            promised = len(CONTENT) + 7 * (self.path != "/whole")
            self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(CONTENT)
        if self.path == "/stalled":
            self.wfile.flush()
            self.server.released.wait(20)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def url(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.released = threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.released.set()
        server.shutdown()


@pytest.fixture
def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize("page", ["whole", "nameless"])
def test_download_gives_the_file_and_records_its_checksum(tmp_path, url, page):
    path = tmp_path / "new" / "a.bin"
    archives.download(f"{url}/{page}", path, sha256=SHA256.upper())
    assert path.read_bytes() == CONTENT
    assert (tmp_path / "new" / "a.bin.sha256").read_text() == f"{SHA256}  a.bin\n"
    assert len(list(path.parent.iterdir())) == 2
    archives.verify(path, SHA256)


@pytest.mark.parametrize(
    ("page", "options", "message"),
    [
        ("/missing", {}, r"/missing: cannot be downloaded \(HTTP Error 404: Not Found\); HINT"),
        ("/short", {}, r"sent 10240 of 10247 bytes; HINT"),
        ("/nameless", {"size": 9}, r"sent 10240 of 9 bytes; HINT"),
        ("/stalled", {}, r"cannot be downloaded \(.*timed out\); HINT"),
        ("/whole", {"sha256": "0" * 64}, f"has the SHA-256 {SHA256}, expected {'0' * 64}"),
    ],
)
def test_a_failed_download_is_one_line_and_leaves_the_old_file(
    tmp_path, monkeypatch, url, page, options, message
):
    monkeypatch.setattr(archives, "_TIMEOUT", 0.3)
    path = tmp_path / "a.bin"
    path.write_text("old")
    with pytest.raises(InputError, match=message) as error:
        archives.download(url + page, path, hint="HINT", **options)
    assert "\n" not in str(error.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/a", "no address", "http://[/a"])
def test_a_server_that_cannot_be_reached_is_named(tmp_path, closed_port, monkeypatch, address):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    address = address.format(port=closed_port)
    with pytest.raises(InputError) as error:
        archives.download(address, tmp_path / "a.bin", hint="put a.bin there yourself")
    assert str(error.value).startswith(f"{address}: cannot be downloaded (")
    assert str(error.value).endswith("put a.bin there yourself")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_nothing(tmp_path, monkeypatch, url):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.open", lambda *_: Full())
    with pytest.raises(InputError, match=r"a\.bin: cannot be written \(No space left.*free some"):
        archives.download(f"{url}/whole", tmp_path / "a.bin")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path, url):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/a\.bin: cannot be written"):
        archives.download(f"{url}/whole", tmp_path / "file" / "a.bin")


def test_verify_refuses_a_file_that_is_not_the_one_downloaded(tmp_path, url):
    path = tmp_path / "a.bin"
    archives.download(f"{url}/whole", path)
    archives.verify(path)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match=rf"a\.bin: has the SHA-256 .* expected {SHA256}; delete"):
        archives.verify(path)


def test_verify_knows_a_given_checksum_and_accepts_a_file_without_any(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    archives.verify(path)
    archives.verify(path, SHA256)
    with pytest.raises(InputError, match=f"expected {'0' * 64}"):
        archives.verify(path, "0" * 64)


def member(name, content=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def pack(path, *members):
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def test_iterate_members_yields_files_in_the_order_of_the_archive(tmp_path):
    path = pack(
        tmp_path / "a.tar.gz",
        member("set", type=tarfile.DIRTYPE),
        member("set/b.jpg", b"bb"),
        member("./set/a.jpg", CONTENT),
        member("set/empty"),
    )
    assert list(archives.iterate_members(path)) == [
        ("set/b.jpg", b"bb"),
        ("./set/a.jpg", CONTENT),
        ("set/empty", b""),
    ]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("../x.jpg", b"x"), "outside"),
        (member("set/../../x.jpg", b"x"), "outside"),
        (member("/etc/x.jpg", b"x"), "outside"),
        (member("set/..", type=tarfile.DIRTYPE), "outside"),
        (member("link.jpg", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "link"),
        (member("link.jpg", type=tarfile.LNKTYPE, linkname="set/a.jpg"), "link"),
        (member("pipe.jpg", type=tarfile.FIFOTYPE), "device"),
        (member("disk.jpg", type=tarfile.BLKTYPE), "device"),
        (member("large.jpg", bytes(101)), "has 101 bytes, more than the 100 allowed"),
    ],
)
def test_an_unsafe_member_is_refused_by_name(tmp_path, monkeypatch, bad, message):
    monkeypatch.setattr(archives, "_LARGEST_MEMBER", 100)
    path = pack(tmp_path / "a.tar.gz", member("set/a.jpg", b"a"), bad, member("set/b.jpg", b"b"))
    seen = []
    with pytest.raises(InputError, match=rf"a\.tar\.gz: its member .*{bad[0].name}.*{message}"):
        seen.extend(archives.iterate_members(path))
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_that_is_cut_anywhere_is_refused(tmp_path):
    path = pack(tmp_path / "a.tar.gz", *(member(f"{i}.jpg", bytes([i]) * 999) for i in range(3)))
    whole = path.read_bytes()
    assert len(list(archives.iterate_members(path))) == 3
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"a\.tar\.gz: no whole \.tar\.gz archive .*delete it"):
            list(archives.iterate_members(path))


def test_an_archive_with_a_changed_byte_never_gives_other_content(tmp_path):
    path = pack(tmp_path / "a.tar.gz", member("a.jpg", CONTENT[:300]))
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            assert list(archives.iterate_members(path)) == [("a.jpg", CONTENT[:300])]
        except InputError:
            refused += 1
    assert refused > len(whole) - 24  # gzip's header, of time and name, has no checksum


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>please log in</html>", "no whole"),
        (gzip.compress(b"plain text, no tar" * 99), "no whole"),
        (b"", "no whole"),
        (None, r"cannot be read \(No such file"),
    ],
)
def test_what_is_no_archive_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "a.tar.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.tar\.gz: {message}") as error:
        list(archives.iterate_members(path))
    assert "\n" not in str(error.value)
