"""An app that answers what h11 takes for a request, and remembers what it saw."""
import re, socket, threading
import h11

# What RFC 9112 wants of a head on the wire; h11 itself forgives bare line feeds and folded lines.
STRICT_HEAD = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/1\.1\r\n"
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?[ \t]*\r\n)*\r\n"
)


class Message:
    """One request as h11 saw it, or the reason why it saw none."""

    def __init__(self, request=None, error=None):
        self.method = request.method.decode() if request else None
        self.target = request.target.decode("latin-1") if request else None
        self.headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers] if request else []
        self.body = b""
        self.is_whole = False
        self.error = error

    @property
    def summary(self):
        return (self.method, self.target, self.body)

    def __repr__(self):
        if self.error:
            return f"<{self.error}>"
        return f"<{self.method} {self.target} {len(self.body)} bytes{'' if self.is_whole else ', unfinished'}>"


def understand(data, at_end=True):
    """The messages in `data` according to h11, without any network."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=200_000)
    messages = []
    try:
        connection.receive_data(data)
        if at_end:
            connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if event is h11.PAUSED:
                answer(connection)
                if connection.our_state is not h11.DONE:
                    break
                connection.start_next_cycle()
            elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                break
            else:
                note(event, messages)
                if isinstance(event, h11.EndOfMessage):
                    answer(connection)
                    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                        break
                    connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        if not messages or messages[-1].is_whole:
            messages.append(Message(error=str(error)))
    return messages


def note(event, messages):
    if isinstance(event, h11.Request):
        messages.append(Message(event))
    elif isinstance(event, h11.Data):
        messages[-1].body += bytes(event.data)
    elif isinstance(event, h11.EndOfMessage):
        messages[-1].is_whole = True


def answer(connection):
    if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return b""
    # An upgrade or CONNECT is turned down, and the connection stays what it is.
    status = 404 if connection.their_state is h11.MIGHT_SWITCH_PROTOCOL else 200
    data = connection.send(h11.Response(status_code=status, headers=[("Content-Length", "2")]))
    # h11 leaves out what a HEAD does not get.
    data += connection.send(h11.Data(data=b"ok")) or b""
    return data + (connection.send(h11.EndOfMessage()) or b"")


class App:
    """Listens on a free port of the loopback; `seen` grows by a message for each request or error."""

    def __init__(self):
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=200_000)
        head = b""
        messages = []
        try:
            while True:
                data = client.recv(65536)
                if not data and connection.their_state is h11.IDLE:
                    return
                head += data if connection.their_state is h11.IDLE else b""
                connection.receive_data(data)
                while True:
                    event = connection.next_event()
                    if event is h11.NEED_DATA:
                        break
                    if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                        return
                    note(event, messages)
                    if isinstance(event, h11.Request):
                        self.seen.append(messages[-1])
                        if not STRICT_HEAD.match(head):
                            self.seen.append(Message(error=f"not strict: {head!r}"))
                        head = b""
                    if isinstance(event, h11.EndOfMessage):
                        client.sendall(answer(connection))
                        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                            return
                        left, _ = connection.trailing_data
                        connection.start_next_cycle()
                        head = left
        except h11.RemoteProtocolError as error:
            # A request whose sender went away in the middle is not a message, and no offence.
            if not messages or messages[-1].is_whole:
                self.seen.append(Message(error=str(error)))
        except OSError:
            pass
        finally:
            client.close()
