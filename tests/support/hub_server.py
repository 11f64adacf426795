"""A stand-in for the Hugging Face hub on this machine, as far as an upload asks for it."""

import base64
import contextlib
import http.server
import json
import threading


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        hub = self.server
        if self.headers["authorization"] != f"Bearer {hub.token}":
            self.answer({"error": "this token may not write"}, 403)
        elif self.path == "/api/repos/create":
            hub.created.append(json.loads(body))
            self.answer({"url": f"{hub.address}/me/maps"})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            plain = {"uploadMode": "regular", "shouldIgnore": False}
            self.answer({"files": [{"path": name, **plain} for name in names]})
        elif "/commit/" in self.path:
            entries = [json.loads(line) for line in body.splitlines()]
            for entry in entries:
                value = entry["value"]
                if entry["key"] == "file":
                    hub.files[value["path"]] = base64.b64decode(value["content"])
            self.answer({"commitUrl": f"{hub.address}/me/maps/commit/1", "commitOid": "1"})
        else:  # the client has the header of README.md checked
            self.answer({"errors": [], "warnings": []})

    def do_GET(self):
        self.answer({"error": "there is no such thing"}, 404)

    def answer(self, content, status=200):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def hub_server(token):
    """Serve a hub that takes one token; yields it, with what was `created` and its `files`."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.token, server.created, server.files = token, [], {}
        server.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
