"""A WebSocket server direct and through the gateway: the same bytes must end the same way.

The cases follow the sections of RFC 6455; each is a list of raw frames, so that broken ones can be sent as well, and what is
compared is everything the server sends back, to the last byte, and how the connection ends.
"""
import asyncio, base64, os, random, socket, struct, threading

MASK = b"\x01\x02\x03\x04"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode, payload=b"", fin=True, reserved=0, masked=True, length=None):
    """One frame as a client sends it; `length` lies about the payload or chooses a longer form."""
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    size, form = (length or (len(payload), None))
    form = form or (7 if size < 126 else 16 if size < 65536 else 64)
    bit = 0x80 if masked else 0
    head = bytes([first]) + (
        bytes([bit | size]) if form == 7 else
        bytes([bit | 126]) + struct.pack(">H", size) if form == 16 else
        bytes([bit | 127]) + struct.pack(">Q", size))
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))


def close(code=1000, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


END = [close()]


def cases():
    """(name, frames, pieces): the frames go out in pieces of so many bytes, 0: each frame by itself."""
    for size in (0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1 << 18):
        yield f"5.2: text of {size} bytes", [frame(TEXT, b"*" * size), *END], 0
        yield f"5.2: binary of {size} bytes", [frame(BINARY, bytes(size)), *END], 0
    for pieces in (1, 997, 1000, 1460, 4096):
        yield f"5.2: in pieces of {pieces} bytes", [frame(TEXT, b"x" * (300 if pieces == 1 else 65536)), *END], pieces
    yield "5.2: a longer form than needed", [frame(TEXT, b"abc", length=(3, 16)), *END], 0
    yield "5.2: the longest form for little", [frame(TEXT, b"abc", length=(3, 64)), *END], 0
    yield "5.2: a length with the first bit set", [frame(TEXT, b"", length=(1 << 63, 64)), *END], 0
    for size in (0, 1, 125):
        yield f"5.5.2: ping of {size} bytes", [frame(PING, b"p" * size), *END], 0
    yield "5.5: a ping that is too long", [frame(PING, b"p" * 126), *END], 0
    yield "5.5: ten pings", [*[frame(PING, b"%d" % n) for n in range(10)], *END], 0
    yield "5.5.3: a pong nobody asked for", [frame(PONG, b"x"), frame(PING, b"y"), *END], 0
    yield "5.5: a ping byte by byte", [frame(PING, b"slow"), *END], 1
    for bits in range(1, 8):
        yield f"5.2: reserved bits {bits}", [frame(TEXT, b"a"), frame(TEXT, b"b", reserved=bits), *END], 0
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield f"5.2: reserved opcode {opcode}", [frame(TEXT, b"a"), frame(opcode, b"b"), *END], 0
    yield "5.3: a frame without a mask", [frame(TEXT, b"a", masked=False), *END], 0
    for opcode in (TEXT, BINARY):
        start = frame(opcode, b"frag", fin=False)
        rest = frame(CONTINUATION, b"ment")
        yield f"5.4: {opcode} in two", [start, rest, *END], 0
        yield f"5.4: {opcode} in two, a ping between", [start, frame(PING, b"p"), rest, *END], 0
        yield f"5.4: {opcode} in two, byte by byte", [start, frame(PING, b"p"), rest, *END], 1
        yield f"5.4: {opcode} in many", [start, *[frame(CONTINUATION, b"%d" % n, fin=False) for n in range(50)], rest, *END], 0
        yield f"5.4: {opcode}, empty pieces", [frame(opcode, b"", fin=False), frame(CONTINUATION, b"", fin=False),
                                              frame(CONTINUATION, b""), *END], 0
        yield f"5.4: {opcode} begun twice", [start, frame(opcode, b"x"), *END], 0
    yield "5.4: a continuation of nothing", [frame(CONTINUATION, b"x"), *END], 0
    yield "5.4: an unfinished continuation of nothing", [frame(CONTINUATION, b"x", fin=False), frame(TEXT, b"y"), *END], 0
    yield "5.4: a ping in two", [frame(PING, b"x", fin=False), frame(CONTINUATION, b"y"), *END], 0
    texts = {
        "two bytes": "ä".encode(), "three": "€".encode(), "four": "😀".encode(), "the last": b"\xf4\x8f\xbf\xbf",
        "NUL": b"\0", "a noncharacter": b"\xef\xbf\xbf", "past the last": b"\xf4\x90\x80\x80", "a surrogate": b"\xed\xa0\x80",
        "overlong two": b"\xc0\xaf", "overlong three": b"\xe0\x80\xaf", "overlong four": b"\xf0\x80\x80\xaf",
        "a lone continuation": b"\x80", "a lone start": b"\xce", "a cut one": b"\xce\xba\xe1\xbd", "0xff": b"\xff",
        "five bytes": b"\xf8\x88\x80\x80\x80", "good, then bad": "κόσμε".encode() + b"\xed\xa0\x80edited",
    }
    for name, data in texts.items():
        yield f"8.1: UTF-8, {name}", [frame(TEXT, data), *END], 0
        if len(data) > 1:
            parts = [data[at:at + 1] for at in range(len(data))]
            frames = [frame(TEXT, parts[0], fin=False), *[frame(CONTINUATION, part, fin=False) for part in parts[1:]],
                      frame(CONTINUATION, b"")]
            yield f"8.1: UTF-8, {name}, a byte a frame", [*frames, *END], 0
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
        yield f"7.4: close with {code}", [close(code)], 0
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        yield f"7.4: close with {code}, which is not to be sent", [close(code)], 0
    yield "7.1: close without a code", [frame(CLOSE)], 0
    yield "7.1: close with half a code", [frame(CLOSE, b"\x03")], 0
    yield "7.1: close with a reason", [close(1000, b"bye")], 0
    yield "7.1: close with the longest reason", [close(1000, b"x" * 123)], 0
    yield "7.1: close with a reason too long", [close(1000, b"x" * 124)], 0
    yield "7.1: close with a reason that is not UTF-8", [close(1000, b"\xce")], 0
    yield "7.1: text after close", [close(), frame(TEXT, b"late")], 0
    yield "7.1: ping after close", [close(), frame(PING, b"late")], 0
    yield "7.1: close twice", [close(), close()], 0
    yield "7.1: text, then close at once", [frame(TEXT, b"x" * 65536) + close()], 0
    yield "7.1: the end without close", [frame(TEXT, b"a")], 0
    yield "7.1: the end in the middle of a frame", [frame(TEXT, b"abcdef")[:6]], 0
    for count, size in ((1000, 16), (200, 1000), (50, 8192)):
        yield f"9: {count} messages of {size} bytes", [*[frame(BINARY, bytes([n % 256]) * size) for n in range(count)], *END], 0
    for size in (1 << 20, 4 << 20):
        yield f"9: one message of {size} bytes", [frame(BINARY, os.urandom(1024) * (size // 1024)), *END], 0
    chance = random.Random(6455)
    for number in range(60):
        frames = []
        for _ in range(chance.randint(1, 6)):
            kind = chance.choice((TEXT, BINARY, PING))
            payload = bytes(chance.choice(b"abc\xc3\xa4") for _ in range(chance.choice((0, 1, 5, 100, 126, 3000))))
            if kind == PING:
                frames.append(frame(PING, payload[:125]))
            elif chance.random() < 0.5:
                cut = chance.randint(0, len(payload))
                frames += [frame(kind, payload[:cut], fin=False), frame(CONTINUATION, payload[cut:])]
            else:
                frames.append(frame(kind, payload))
        yield f"mixed {number}", [*frames, *END], chance.choice((0, 7, 100, 1460))


async def talk(port, frames, pieces):
    """Everything the server sends after its 101, and how the connection ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    key = base64.b64encode(bytes(16)).decode()
    writer.write((
        f"GET /chat HTTP/1.1\r\nHost: app\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n").encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    if not head.startswith(b"HTTP/1.1 101 "):
        writer.close()
        return head.split(b"\r\n")[0], "refused"
    accept = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-accept:"))

    async def send():
        # A server that has had enough resets: what it said before that is still compared.
        try:
            data = b"".join(frames)
            if pieces:
                for at in range(0, len(data), pieces):
                    writer.write(data[at:at + pieces])
                    await writer.drain()
                    await asyncio.sleep(0)
            else:
                for one in frames:
                    writer.write(one)
                    await writer.drain()
            writer.write_eof()
        except ConnectionError:
            pass

    sending = asyncio.create_task(send())
    said = b""
    try:
        while data := await asyncio.wait_for(reader.read(1 << 16), 15):
            said += data
        end = "closed"
    except ConnectionError:
        end = "reset"
    except TimeoutError:
        end = "open after 15 s"
    sending.cancel()
    writer.close()
    return accept, said, end


class FrameEcho:
    """The protocol of `websockets` without its connection: what it says depends on the bytes alone, not on how they arrive."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        from websockets.server import ServerProtocol
        protocol = ServerProtocol(max_size=None)
        client.settimeout(20)
        try:
            held = b""
            while b"\r\n\r\n" not in held:
                held += client.recv(65536)
            head, _, held = held.partition(b"\r\n\r\n")
            protocol.receive_data(head + b"\r\n\r\n")
            for request in protocol.events_received():
                protocol.send_response(protocol.accept(request))
            message, kind = [], None
            while self.flush(client, protocol):
                piece, held = self.piece(held)
                if piece is None:
                    data = client.recv(1 << 18)
                    held += data
                    if data:
                        continue
                    protocol.receive_data(held)
                    protocol.receive_eof()
                else:
                    protocol.receive_data(piece)
                for one in protocol.events_received():
                    if one.opcode > BINARY:
                        continue
                    kind = kind if one.opcode == CONTINUATION else one.opcode
                    message.append(bytes(one.data))
                    if one.fin:
                        self.echo(protocol, kind, b"".join(message))
                        message = []
        except OSError:
            pass
        finally:
            client.close()

    @staticmethod
    def piece(held):
        """The first frame of what is held, by its own word on its length; None if it is not whole."""
        if len(held) < 2:
            return None, held
        form = held[1] & 127
        at = 2 + {126: 2, 127: 8}.get(form, 0)
        if len(held) < at:
            return None, held
        size = form if form < 126 else int.from_bytes(held[2:at], "big")
        end = at + (4 if held[1] & 128 else 0) + size
        # What is refused for its head alone is refused before the rest has come.
        if size >= 1 << 40:
            return held[:at], held[at:]
        return (held[:end], held[end:]) if len(held) >= end else (None, held)

    @staticmethod
    def echo(protocol, kind, message):
        from websockets.protocol import OPEN
        if protocol.state is not OPEN:
            return
        if kind == BINARY:
            return protocol.send_binary(message)
        try:
            message.decode()
        except UnicodeDecodeError as error:
            return protocol.fail(1007, error.reason)
        protocol.send_text(message)

    @staticmethod
    def flush(client, protocol):
        """False when the last has been said."""
        for data in protocol.data_to_send():
            if not data:
                client.shutdown(socket.SHUT_WR)
                # Until the other side has closed as well: closing on unread bytes would reset.
                while client.recv(1 << 18):
                    pass
                return False
            client.sendall(data)
        return True


class Echo:
    """`websockets` as an echo server, on a thread of its own."""

    def __init__(self, compression=None):
        self.compression = compression
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.main(started)), daemon=True).start()
        started.wait(10)

    async def main(self, started):
        import logging
        from websockets.asyncio.server import serve
        logging.getLogger("websockets.server").setLevel(logging.CRITICAL)

        async def echo(connection):
            async for message in connection:
                await connection.send(message)

        server = await serve(echo, "127.0.0.1", 0, compression=self.compression, max_size=None, ping_interval=None, close_timeout=2)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await asyncio.Future()


async def library(port):
    """The `websockets` client, with compression, subprotocols and many connections at once."""
    from websockets.asyncio.client import connect
    wrong = []

    async def one(number):
        async with connect(f"ws://127.0.0.1:{port}/", max_size=None) as connection:
            for size in (0, 1, 125, 126, 65536, 300_000):
                message = os.urandom(size) if number % 2 else "é" * size
                await connection.send(message)
                if await asyncio.wait_for(connection.recv(), 20) != message:
                    wrong.append(f"client {number}: a message of {size} came back otherwise")
            await asyncio.wait_for(await connection.ping(), 10)

    await asyncio.gather(*[one(number) for number in range(20)])
    return wrong


def run(proxies):
    app, library_app = FrameEcho(), Echo()
    wrong = []
    every = list(cases())
    with proxies.fcctl(app.port) as ours, proxies.fcctl(library_app.port) as for_library:
        async def compare():
            for name, frames, pieces in every:
                direct, through = await asyncio.gather(talk(app.port, frames, pieces), talk(ours.port, frames, pieces))
                if direct != through:
                    wrong.append(f"{name}: direct {direct[1][:40]!r}… {direct[-1]}, through {through[1][:40]!r}… {through[-1]}"
                                 f" ({len(direct[1])} and {len(through[1])} bytes)")
            wrong.extend(await library(for_library.port))

        asyncio.run(compare())
    return len(every) + 1, wrong
