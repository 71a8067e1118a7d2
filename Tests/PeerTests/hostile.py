"""A hostile app behind fcctl, nginx and HAProxy, and a client that reads with h11.

What reaches the client is one whole message, or visibly none; and the next request gets its own answer, whatever was said
before it on the connections that are shared.
"""
import collections, random, re, socket, struct, threading
import h11
import reasons
from differential import mutate

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
OPEN = b"HTTP/1.1 200 OK\r\n\r\n"

# (rule, verdict, method, what the app says, how it ends: fin, reset, or stays)
EXTRA = [
    ("cut: nothing at all", "refused", "GET", b"", "fin"),
    ("cut: nothing at all, reset", "refused", "GET", b"", "reset"),
    ("cut: in the status line", "refused", "GET", b"HTTP/1.1 20", "fin"),
    ("cut: in a field", "refused", "GET", b"HTTP/1.1 200 OK\r\nA: b", "fin"),
    ("cut: after the head", "cut", "GET", LENGTH, "fin"),
    ("cut: in a body with a length", "cut", "GET", LENGTH + b"abc", "fin"),
    ("cut: in a body with a length, reset", "cut", "GET", LENGTH + b"abc", "reset"),
    ("cut: before the first chunk", "cut", "GET", CHUNKED, "fin"),
    ("cut: in a chunk size", "cut", "GET", CHUNKED + b"3", "fin"),
    ("cut: in a chunk", "cut", "GET", CHUNKED + b"3\r\nab", "fin"),
    ("cut: between chunks", "cut", "GET", CHUNKED + b"3\r\nabc\r\n", "fin"),
    ("cut: between chunks, reset", "cut", "GET", CHUNKED + b"3\r\nabc\r\n", "reset"),
    ("cut: in the last chunk", "cut", "GET", CHUNKED + b"3\r\nabc\r\n0\r\n", "fin"),
    ("cut: in the trailers", "cut", "GET", CHUNKED + b"3\r\nabc\r\n0\r\nA: b\r\n", "fin"),
    ("cut: a body that ends with the connection, reset", "cut", "GET", OPEN + b"abc", "reset"),
    ("whole: a body that ends with the connection", "forwards", "GET", OPEN + b"abc", "fin"),
    ("whole: chunks and trailers", "forwards", "GET", CHUNKED + b"3\r\nabc\r\n0\r\nA: b\r\n\r\n", "stays"),
    ("bad chunks: no digits", "cut", "GET", CHUNKED + b"x\r\nabc\r\n0\r\n\r\n", "fin"),
    ("bad chunks: longer than said", "cut", "GET", CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", "fin"),
    ("bad chunks: a length among the trailers", "cut", "GET", CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", "fin"),
    ("bad chunks: bare LF", "cut", "GET", CHUNKED + b"3\nabc\n0\n\n", "fin"),
    ("too much: a second response", "forwards", "GET",
     b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "stays"),
    ("too much: bytes after a length", "forwards", "GET",
     b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", "stays"),
    ("too much: bytes after the last chunk", "forwards", "GET", CHUNKED + b"0\r\n\r\nevil", "stays"),
    ("too much: a body for HEAD", "forwards", "HEAD",
     b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "stays"),
    ("too much: a response for HEAD's body", "forwards", "HEAD",
     b"HTTP/1.1 200 OK\r\nContent-Length: 36\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "stays"),
    ("too much: a body for 204", "forwards", "GET", b"HTTP/1.1 204 No Content\r\n\r\nabc", "stays"),
    ("too much: a body for 304", "forwards", "GET",
     b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nabc", "stays"),
    ("interim: 100 and 103, then the answer", "forwards", "GET",
     b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
     b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "stays"),
    ("interim: 103, then nothing", "refused", "GET", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "fin"),
    ("interim: a thousand", "refused", "GET", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, "fin"),
    ("interim: 101 nobody asked for", "refused", "GET",
     b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nevil", "stays"),
]


class Liar:
    """Says to `/case/N` what case N wants said, and answers everything else honestly."""

    def __init__(self, cases):
        self.cases = cases
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        held = b""
        try:
            while True:
                while b"\r\n\r\n" not in held:
                    data = client.recv(65536)
                    if not data:
                        return
                    held += data
                head, _, held = held.partition(b"\r\n\r\n")
                path = head.split(b" ")[1].decode()
                number = re.fullmatch(r"/case/(\d+)", path)
                if not number:
                    body = path.encode()
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                    continue
                _, _, _, said, end = self.cases[int(number[1])]
                client.sendall(said)
                if end == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if end != "stays":
                    return
        except OSError:
            pass
        finally:
            client.close()


class Reader:
    """A client's connection, read with h11."""

    def __init__(self, port, patience=1.5):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.settimeout(patience)
        self.connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=200_000)

    def ask(self, method, path):
        """(status, body, whole). A status of None: the end came before a response; `whole` is None if it never came."""
        request = h11.Request(method=method, target=path, headers=[("Host", "app")])
        self.socket.sendall(self.connection.send(request) + self.connection.send(h11.EndOfMessage()))
        status, body = None, b""
        while True:
            try:
                event = self.connection.next_event()
            except h11.RemoteProtocolError:
                return status, body, False
            if event is h11.NEED_DATA:
                try:
                    self.connection.receive_data(self.socket.recv(65536))
                except (ConnectionError, TimeoutError) as error:
                    return status, body, None if isinstance(error, TimeoutError) else False
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return status, body, True
            elif isinstance(event, h11.ConnectionClosed):
                return status, body, False

    @property
    def is_reusable(self):
        return self.connection.our_state is h11.DONE and self.connection.their_state is h11.DONE

    def again(self, method, path):
        self.connection.start_next_cycle()
        return self.ask(method, path)

    def close(self):
        self.socket.close()


def cases(path):
    for line in path.read_text().splitlines():
        rule, verdict, framing, method, data = line.split("\t")
        data = bytes.fromhex(data)
        if framing == "chunked":
            data += b"5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n"
        elif framing.isdigit() and method == "GET":
            if int(framing) > 100_000:
                continue
            data += b"x" * int(framing)
        # An interim head alone is not a response.
        if re.match(rb"HTTP/1\.1 1\d\d", data):
            verdict = "refused"
        yield rule, "refused" if verdict == "incomplete" else verdict, method, data, "fin"


def label(status, whole):
    if whole is None:
        return "hangs"
    if status is None:
        return "closes"
    return str(status) if whole else f"{status}, breaks off"


def faults(case, outcome, canaries, number):
    _, verdict, _, said, _ = case
    status, body, whole = outcome
    if whole is None:
        yield "the client waits for ever"
    if verdict == "refused" and status not in (502, 504):
        yield f"the rule says refused, the client got {label(status, whole)}"
    if verdict == "cut" and whole and status != 502:
        yield f"the response is cut, the client got a whole {status} of {len(body)} bytes"
    if verdict == "forwards" and (not whole or status is None or status >= 500):
        yield f"the rule says forwarded, the client got {label(status, whole)}"
    # A mutation may make it a part of the body.
    if verdict and b"evil" in body:
        yield "the client got what belongs to no response"
    for canary in canaries:
        if canary != (200, b"/canary/%d" % number, True):
            yield f"the next request got {canary}"


def run(proxies, path, mutations, seed, table):
    chance = random.Random(seed)
    named = [*cases(path), *EXTRA]
    small = [said for _, _, _, said, _ in named if 0 < len(said) < 2000]
    every = named + [
        (f"seed {seed}, mutation {n}", None, "GET", mutate(small, chance), "fin") for n in range(mutations)]
    app = Liar(every)
    wrong, rows, tallies = [], [], collections.Counter()
    with proxies.fcctl(app.port) as ours, proxies.nginx(app.port) as nginx, proxies.haproxy(app.port) as haproxy:
        for number, case in enumerate(every):
            labels = []
            # What the others make of the named cases is worth a table; mutations are for fcctl alone.
            for proxy in (ours, nginx, haproxy) if case[1] else (ours,):
                reader = Reader(proxy.port, 10 if proxy is ours else 1.5)
                outcome = reader.ask(case[2], f"/case/{number}")
                canaries = []
                if reader.is_reusable:
                    canary = reader.again("GET", f"/canary/{number}")
                    # A proxy may close a connection at any time between two requests.
                    if canary[0] is not None:
                        canaries.append(canary)
                reader.close()
                for _ in range(2 if proxy is ours else 0):
                    other = Reader(proxy.port, 10 if proxy is ours else 1.5)
                    canaries.append(other.ask("GET", f"/canary/{number}"))
                    other.close()
                if proxy is ours:
                    for fault in faults(case, outcome, canaries, number):
                        wrong.append(f"{case[0]}: {fault}\n    {case[3][:300]!r}")
                labels.append(label(outcome[0], outcome[2]))
            if case[1] and len(set(labels)) > 1:
                rows.append((case[0], *labels))
            if not case[1]:
                tallies["passed on" if labels[0].isdigit() and labels[0][0] in "234" else "refused or broken off"] += 1
    if table:
        reasons.table(rows)
    if mutations:
        print(f"  {mutations} mutations, seed {seed}: {dict(tallies)}")
    return len(every), wrong
