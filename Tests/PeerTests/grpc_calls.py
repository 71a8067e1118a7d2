"""Real gRPC through the gateway: client and server of grpcio, every kind of call, with TLS and without."""
import os, subprocess, sys, tempfile, threading, time
from concurrent import futures
import grpc

RAW = dict(request_serializer=bytes, response_deserializer=bytes)


class Calls(grpc.GenericRpcHandler):
    """`/t/NAME` with bytes as messages."""

    def __init__(self):
        self.cancelled = threading.Event()
        self.metadata = {}

    def service(self, details):
        kinds = {
            "unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "download": grpc.unary_stream_rpc_method_handler(self.download),
            "upload": grpc.stream_unary_rpc_method_handler(self.upload),
            "talk": grpc.stream_stream_rpc_method_handler(self.talk),
            "refuse": grpc.unary_unary_rpc_method_handler(self.refuse),
            "break": grpc.unary_stream_rpc_method_handler(self.half),
            "wait": grpc.unary_unary_rpc_method_handler(self.wait),
            "die": grpc.unary_stream_rpc_method_handler(self.die),
        }
        return kinds.get(details.method.rpartition("/")[2])

    def unary(self, request, context):
        self.metadata = dict(context.invocation_metadata())
        context.set_trailing_metadata((("x-size", str(len(request))), ("x-blob-bin", b"\x00\xff")))
        return request[::-1]

    def download(self, request, context):
        for index in range(int(request)):
            yield b"%d " % index * 100

    def upload(self, requests, context):
        return b"%d" % sum(len(request) for request in requests)

    def talk(self, requests, context):
        for request in requests:
            yield request.upper()

    def refuse(self, request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not ~ now: é")

    def half(self, request, context):
        yield b"one"
        context.abort(grpc.StatusCode.DATA_LOSS, "the rest is gone")

    def wait(self, request, context):
        context.add_callback(self.cancelled.set)
        for _ in range(500):
            if not context.is_active():
                break
            time.sleep(0.02)
        return b"late"

    def die(self, request, context):
        yield b"last words"
        os._exit(1)


def serve():
    """The server as a process of its own, so that it can die. Says its port."""
    server = grpc.server(futures.ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
    calls = Calls()
    server.add_generic_rpc_handlers((calls,))
    port = server.add_insecure_port("127.0.0.1:" + (sys.argv[2] if len(sys.argv) > 2 else "0"))
    server.start()
    print(port, flush=True)
    for line in sys.stdin:
        print(calls.cancelled.is_set(), flush=True)


class Server:
    def __init__(self, port=0):
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
        self.process = subprocess.Popen(
            [sys.executable, __file__, "serve", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL, env=environment)
        self.port = int(self.process.stdout.readline())

    def saw_cancel(self):
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip() == "True"

    def close(self):
        self.process.kill()
        self.process.wait()


def outcome(call):
    try:
        call()
        return grpc.StatusCode.OK, ""
    except grpc.RpcError as error:
        return error.code(), error.details()


def eventually(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def calls(channel, server, label):
    """(name, whether it went right) of each call."""
    def unary(name):
        return channel.unary_unary(f"/t/{name}", **RAW)

    answer, call = unary("unary").with_call(b"abc", metadata=(("x-mine", "1"),))
    trailers = dict(call.trailing_metadata())
    yield "a call is answered", answer == b"cba"
    yield "its trailers arrive", trailers.get("x-size") == "3" and trailers.get("x-blob-bin") == b"\x00\xff"
    yield "a large call is answered", unary("unary")(b"x" * 3_000_000) == b"x" * 3_000_000
    pieces = list(channel.unary_stream("/t/download", **RAW)(b"2000"))
    yield "a server streams", len(pieces) == 2000 and pieces[-1] == b"1999 " * 100
    size = channel.stream_unary("/t/upload", **RAW)(b"y" * 10_000 for _ in range(200))
    yield "a client streams", size == b"2000000"
    turns = []
    said = threading.Semaphore(0)

    def questions():
        for index in range(100):
            yield b"turn %d" % index
            said.acquire()  # the next one only after the answer: both directions are open at once

    for reply in channel.stream_stream("/t/talk", **RAW)(questions()):
        turns.append(reply)
        said.release()
    yield "both stream in turns", turns == [b"TURN %d" % index for index in range(100)]
    yield "an error is that of the app", outcome(lambda: unary("refuse")(b"")) == (
        grpc.StatusCode.FAILED_PRECONDITION, "not ~ now: é")
    yield "an error after messages as well", outcome(
        lambda: list(channel.unary_stream("/t/break", **RAW)(b""))) == (grpc.StatusCode.DATA_LOSS, "the rest is gone")
    yield "an unknown method is unimplemented", outcome(lambda: unary("none")(b""))[0] is grpc.StatusCode.UNIMPLEMENTED
    began = time.monotonic()
    code, _ = outcome(lambda: unary("wait")(b"", timeout=0.5))
    yield "a deadline passes in time", code is grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - began < 3
    future = unary("wait").future(b"")
    time.sleep(0.3)
    future.cancel()
    yield "a cancelled call is cancelled in the app", eventually(server.saw_cancel)
    waiting = [unary("unary").future(b"%d" % index) for index in range(200)]
    yield "200 calls at once are answered", sorted(f.result() for f in waiting) == sorted(
        (b"%d" % index)[::-1] for index in range(200))


def deaths(channel, server):
    """What callers see of an app that dies."""
    code, details = outcome(lambda: list(channel.unary_stream("/t/die", **RAW)(b"")))
    yield "an app that dies is unavailable", code is grpc.StatusCode.UNAVAILABLE
    yield "and the gateway says so", "fcctl" in (details or "")
    server.process.wait()
    code, details = outcome(lambda: channel.unary_unary("/t/unary", **RAW)(b""))
    yield "an app that is gone is unavailable", code is grpc.StatusCode.UNAVAILABLE


def ask(port, server, label, certificate):
    if certificate:
        credentials = grpc.ssl_channel_credentials(open(certificate, "rb").read())
        channel = grpc.secure_channel(f"localhost:{port}", credentials)
    else:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    with channel:
        found = [*calls(channel, server, label), *deaths(channel, server)]
    return len(found), [f"grpc over {label}: {name}" for name, right in found if not right]


def run(made):
    """(cases, faults)"""
    cases, wrong = 0, []
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = f"{folder}/server.crt", f"{folder}/server.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            check=True, capture_output=True)
        for label, flags in [("h2c", ["--app-protocol", "h2c"]), ("auto", ["--app-protocol", "auto"]),
                             ("TLS", ["--app-protocol", "h2c", "--tls-cert", certificate, "--tls-key", key])]:
            server = Server()
            try:
                with made.fcctl(server.port, *flags) as gateway:
                    found, faults = ask(gateway.port, server, label, certificate if label == "TLS" else None)
                    cases += found
                    wrong += faults
            finally:
                server.close()
    return cases, wrong


if __name__ == "__main__" and sys.argv[1:2] == ["serve"]:
    serve()
