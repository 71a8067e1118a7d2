"""Ordinary clients and servers through the gateway: curl, h11 and http.client to apps on h11 and http.server."""
import hashlib, http.client, http.server, json, os, pathlib, socket, subprocess, threading
import h11

BIG = 32 << 20


class Mirror:
    """An app on h11 that says what it was asked, as JSON; `/bytes/N` sends N bytes, `/chunks/N` the same in chunks with a trailer."""

    def __init__(self):
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            self.connections += 1
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        connection = h11.Connection(h11.SERVER)
        request = digest = None
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    if connection.they_are_waiting_for_100_continue:
                        client.sendall(connection.send(h11.InformationalResponse(status_code=100, headers=[])))
                    connection.receive_data(client.recv(1 << 18))
                elif isinstance(event, h11.Request):
                    request, digest, size = event, hashlib.sha256(), 0
                elif isinstance(event, h11.Data):
                    digest.update(event.data)
                    size += len(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self.answer(client, connection, request, digest, size, event.headers)
                    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                        return
                    connection.start_next_cycle()
                else:
                    return
        except (h11.RemoteProtocolError, OSError):
            pass
        finally:
            client.close()

    def answer(self, client, connection, request, digest, size, trailers):
        target = request.target.decode()
        kind, _, number = target.strip("/").partition("/")
        if kind in ("bytes", "chunks"):
            left = int(number)
            framing = ("Content-Length", number) if kind == "bytes" else ("Transfer-Encoding", "chunked")
            client.sendall(connection.send(h11.Response(status_code=200, headers=[framing])))
            while left and request.method != b"HEAD":
                piece = min(left, 1 << 16)
                client.sendall(connection.send(h11.Data(data=b"z" * piece)))
                left -= piece
            end = h11.EndOfMessage(headers=[("X-Trailer", "t")] if kind == "chunks" else [])
        else:
            body = json.dumps({
                "method": request.method.decode(), "target": target, "size": size, "sha256": digest.hexdigest(),
                "headers": [[name.decode(), value.decode("latin-1")] for name, value in request.headers],
                "trailers": [[name.decode(), value.decode("latin-1")] for name, value in trailers],
            }).encode()
            head = h11.Response(status_code=200, headers=[("Content-Length", str(len(body))), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
            client.sendall(connection.send(head))
            client.sendall(connection.send(h11.Data(data=body)) or b"")
            end = h11.EndOfMessage()
        client.sendall(connection.send(end) or b"")


class Plain(http.server.BaseHTTPRequestHandler):
    """What Python's own server says: with a length in HTTP/1.1, until the end of the connection in HTTP/1.0."""

    def do_GET(self):
        body = b"plain " * 1000
        self.send_response(200)
        if self.protocol_version == "HTTP/1.1":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Old(Plain):
    protocol_version = "HTTP/1.0"


class New(Plain):
    protocol_version = "HTTP/1.1"


def curl(*words, data=None):
    return subprocess.run(["curl", "-sS", "--max-time", "60", *map(str, words)], input=data, capture_output=True)


def with_curl(url, folder, check):
    big = folder / "big"
    big.write_bytes(os.urandom(1 << 20) * (BIG >> 20))
    digest = hashlib.sha256(big.read_bytes()).hexdigest()

    def asked(name, *words, data=None):
        done = curl(*words, data=data)
        try:
            return json.loads(done.stdout)
        except ValueError:
            check(name, f"curl ended with {done.returncode}: {done.stderr.decode().strip()} {done.stdout[:200]}")
            return {"headers": []}

    check("curl: GET", asked("curl: GET", f"{url}/a?b=c").get("target") == "/a?b=c")
    check("curl: POST", asked("curl: POST", f"{url}/", "-d", "x=1&y=2").get("size") == 7)
    check("curl: a big POST with Expect", asked("big POST", f"{url}/", "-H", "Expect: 100-continue", "--data-binary", f"@{big}").get("sha256") == digest)
    check("curl: a big PUT in chunks", asked("big PUT", f"{url}/", "-T", "-", data=big.read_bytes()).get("sha256") == digest)
    check("curl: multipart", asked("multipart", f"{url}/", "-F", f"file=@{big}").get("size", 0) > BIG)
    check("curl: a method of its own", asked("method", f"{url}/", "-X", "PURGE").get("method") == "PURGE")
    check("curl: HTTP/1.0", asked("HTTP/1.0", "--http1.0", f"{url}/").get("method") == "GET")
    check("curl: OPTIONS *", asked("OPTIONS *", "-X", "OPTIONS", "--request-target", "*", f"{url}/").get("target") == "*")
    check("curl: an absolute target", asked("absolute", "-x", url, "http://app.example/x").get("target") == "/x")
    headers = asked("headers", f"{url}/", "-H", "X-Many: 1", "-H", "X-Many: 2", "-H", "X-Empty;").get("headers")
    check("curl: fields in order, empty ones too", [h for h in headers if h[0] in ("x-many", "x-empty")] == [["x-many", "1"], ["x-many", "2"], ["x-empty", ""]])
    head = curl("-I", f"{url}/bytes/12345").stdout.decode()
    check("curl: HEAD keeps the length", "content-length: 12345" in head.lower())
    check("curl: each Set-Cookie", curl("-i", f"{url}/").stdout.count(b"Set-Cookie: ") == 2)
    for kind in ("bytes", "chunks"):
        body = curl(f"{url}/{kind}/{BIG}").stdout
        check(f"curl: {BIG} {kind}", len(body) == BIG and not body.strip(b"z"))
    check("curl: trailers", b"X-Trailer: t" in curl("-i", "--raw", f"{url}/chunks/10").stdout)
    reused = curl("-v", *[f"{url}/{n}" for n in range(5)]).stderr.decode()
    check("curl: five requests on one connection", reused.count("Re-using existing connection") + reused.count("Reusing existing") == 4)
    upgraded = curl("--http2", f"{url}/a", f"{url}/b")
    check("curl: an h2c upgrade is passed over", upgraded.stdout.count(b'"method"') == 2)
    slow = curl("--limit-rate", "20M", f"{url}/bytes/{BIG}").stdout
    check("curl: a slow reader gets everything", len(slow) == BIG)


def with_http_client(port, check):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(3):
        connection.request("POST", f"/{number}", body=iter([b"abc", b"", b"defg"]), headers={"Transfer-Encoding": "chunked"}, encode_chunked=True)
        answer = json.loads(connection.getresponse().read())
        check(f"http.client: chunks, request {number}", answer["size"] == 7)
    connection.request("GET", "/bytes/100000")
    check("http.client: GET", len(connection.getresponse().read()) == 100_000)
    connection.close()


def with_h11(port, check):
    from hostile import Reader
    reader = Reader(port)
    for number in range(20):
        status, body, whole = reader.ask("GET", f"/{number}") if number == 0 else reader.again("GET", f"/{number}")
        check(f"h11: request {number}", status == 200 and whole and json.loads(body)["target"] == f"/{number}")
    reader.close()


def run(proxies):
    cases, wrong = 0, []

    def check(name, verdict):
        nonlocal cases
        cases += 1
        if verdict is not True:
            wrong.append(name if verdict is False else f"{name}: {verdict}")

    mirror = Mirror()
    with proxies.fcctl(mirror.port) as ours:
        with_curl(f"http://127.0.0.1:{ours.port}", proxies.folder, check)
        with_http_client(ours.port, check)
        with_h11(ours.port, check)
        # The whole of the above took few connections to the app: they are kept.
        check("connections to the app are kept", mirror.connections < 20 or f"{mirror.connections} connections")
    for handler in (Old, New):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with proxies.fcctl(server.server_address[1]) as ours:
            for _ in range(5):
                body = curl(f"http://127.0.0.1:{ours.port}/").stdout
                check(f"http.server in {handler.protocol_version}", body == b"plain " * 1000)
        server.shutdown()
    return cases, wrong
