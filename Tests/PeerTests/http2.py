"""HTTP/2 clients of others through the gateway, to an app that speaks HTTP/1.1: the h2 library, curl, h2load, with TLS and without."""
import hashlib, re, shutil, socket, ssl, subprocess
import h2.config, h2.connection, h2.events
import clients


def certificate(folder):
    paths = folder / "http2.crt", folder / "http2.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", paths[1], "-out", paths[0], "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True)
    return paths


class Client:
    """The h2 library on a socket."""

    def __init__(self, port, context):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.connection.initiate_connection()
        self.streams = {}
        self.scheme = "https" if context else "http"
        self.flush()

    def flush(self):
        self.socket.sendall(self.connection.data_to_send())

    def ask(self, method, path, body=None, trailers=None):
        stream = self.connection.get_next_available_stream_id()
        self.streams[stream] = dict(status=None, headers={}, body=b"", trailers=None, done=False, reset=None)
        fields = [(":method", method), (":scheme", self.scheme), (":path", path), (":authority", "localhost")]
        self.connection.send_headers(stream, fields, end_stream=body is None)
        while body:
            room = min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)
            if not room:
                self.flush()
                self.read()
                continue
            self.connection.send_data(stream, body[:room], end_stream=len(body) <= room and not trailers)
            body = body[room:]
        if trailers:
            self.connection.send_headers(stream, trailers, end_stream=True)
        self.flush()
        return stream

    def read(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the gateway closed the connection")
        for event in self.connection.receive_data(data):
            stream = self.streams.get(getattr(event, "stream_id", None))
            if isinstance(event, h2.events.ResponseReceived):
                stream["headers"] = dict(event.headers)
                stream["status"] = int(stream["headers"][":status"])
            elif isinstance(event, h2.events.DataReceived):
                stream["body"] += event.data
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                stream["trailers"] = dict(event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                stream["done"] = True
            elif isinstance(event, h2.events.StreamReset):
                stream["reset"], stream["done"] = event.error_code, True
        self.flush()

    def result(self, stream):
        while not self.streams[stream]["done"]:
            self.read()
        return self.streams[stream]


def with_h2(port, context, check):
    client = Client(port, context)
    size = 1 << 20
    streams = [client.ask("GET", f"/bytes/{size}") for _ in range(8)]
    check("eight large bodies side by side", all(len(client.result(s)["body"]) == size for s in streams))
    chunked = client.result(client.ask("GET", "/chunks/100000"))
    check("chunks from the app", len(chunked["body"]) == 100_000)
    check("trailers from the app", bool(chunked["trailers"]))
    sent = bytes(range(256)) * 8000
    answer = client.result(client.ask("POST", "/", sent))
    check("a large upload", hashlib.sha256(sent).hexdigest().encode() in answer["body"])
    answer = client.result(client.ask("POST", "/", b"abc", [("x-sum", "6")]))
    check("trailers to the app", b"x-sum" in answer["body"])
    head = client.result(client.ask("HEAD", "/bytes/9"))
    check("HEAD", head["status"] == 200 and head["headers"]["content-length"] == "9" and not head["body"])
    names = client.result(client.ask("GET", "/"))["headers"]
    check("names in lower case, none of the connection", all(n == n.lower() for n in names) and "connection" not in names)
    rounds = [[client.result(s)["body"] for s in [client.ask("GET", "/bytes/10") for _ in range(50)]] for _ in range(5)]
    check("five rounds of 50 requests at once", rounds == [[b"z" * 10] * 50] * 5)
    client.socket.close()


def with_curl(url, check, *flags):
    def curl(*words):
        command = ["curl", "--silent", "--show-error", "--insecure", "--max-time", "60", *flags, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True)

    shown = curl("--output", "/dev/null", "--write-out", "%{http_version} %{http_code} %{size_download}", f"{url}/bytes/1000000")
    check("curl speaks HTTP/2", shown.stdout == "2 200 1000000")
    check("curl uploads", curl("--data-binary", "abc", url).stdout.count(hashlib.sha256(b"abc").hexdigest()) == 1)


def with_h2load(url, check):
    if not shutil.which("h2load"):
        return
    out = subprocess.run(["h2load", "-n", "2000", "-c", "10", "-m", "50", f"{url}/bytes/1000"], capture_output=True, text=True).stdout
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", out)
    check("h2load, 2 000 requests, 10 connections of 50 streams", bool(counts) and counts.groups() == ("2000", "0", "0"))


def run(made):
    cases, wrong = 0, []
    app = clients.Mirror()
    paths = certificate(made.folder)
    context = ssl.create_default_context(cafile=str(paths[0]))
    context.set_alpn_protocols(["h2"])
    for label, flags, tls, curl in [
        ("plain", [], None, ["--http2-prior-knowledge"]),
        ("TLS", ["--tls-cert", paths[0], "--tls-key", paths[1]], context, ["--http2"]),
    ]:
        def check(name, verdict):
            nonlocal cases
            cases += 1
            if not verdict:
                wrong.append(f"http2 over {label}: {name}")

        with made.fcctl(app.port, *flags) as gateway:
            url = f"{'https' if tls else 'http'}://localhost:{gateway.port}"
            for part in (lambda: with_h2(gateway.port, tls, check), lambda: with_curl(url, check, *curl), lambda: with_h2load(url, check)):
                try:
                    part()
                except Exception as error:
                    check(f"{type(error).__name__}: {error}", False)
    return cases, wrong
