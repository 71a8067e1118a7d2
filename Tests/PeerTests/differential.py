"""The same bytes through fcctl, nginx and HAProxy to an app that reads with h11.

What fcctl passes on must be to h11 exactly the message it was: no second one, no other body, nothing that h11 refuses.
Where the proxies differ among themselves, the rule of the case is the reason; `table` prints it.
"""
import collections, random, re, socket, time
import h11_app
import reasons

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
MARKS = b"\r\n\r\n :\t,;=/%#?0\0"


def corpus(path):
    """(rule, verdict, framing, bytes) as the Swift tests wrote them; a body is added to what asks for one."""
    for line in path.read_text().splitlines():
        rule, verdict, framing, data = line.split("\t")
        data = bytes.fromhex(data)
        if framing == "chunked":
            data += b"5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n"
        elif framing.isdigit():
            if int(framing) > 100_000:
                continue
            data += b"x" * int(framing)
        yield rule, verdict, data


EXTRA = [
    ("pipelined: two requests", "forwards", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("pipelined: a body, then a request", "forwards",
     b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("pipelined: chunks, then a request", "forwards",
     b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("smuggling: CL.TE", "refused",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("smuggling: TE.TE with an unknown one", "refused",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("smuggling: a request in the body of a GET", "forwards",
     b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nGET /x HTTP/1.1\r\nHost: evil\r\n\r\n"),
    ("smuggling: a chunk size that wraps", "incomplete",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("smuggling: CR alone ends a chunk", "incomplete",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\rabc\r\n0\r\n\r\n"),
    ("smuggling: LF alone ends a chunk extension", "incomplete",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;\nxx\r\nabc\r\n0\r\n\r\n"),
    ("smuggling: a chunk that is longer than its size", "incomplete",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdGET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a body cut short by the end of the connection", "incomplete",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"),
    ("chunks cut short by the end of the connection", "incomplete",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    ("the last chunk without the line that ends it", "incomplete",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"),
]


def mutate(cases, chance):
    data = bytearray(chance.choice(cases))
    for _ in range(chance.randint(1, 3)):
        if not data:
            break
        at = chance.randrange(len(data))
        kind = chance.randrange(6)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            data[at] = chance.choice(MARKS)
        elif kind == 2:
            del data[at]
        elif kind == 3:
            data.insert(at, chance.choice(MARKS))
        elif kind == 4:
            data[at:at] = data[at:at + 20]
        else:
            other = chance.choice(cases)
            data[at:] = other[len(other) * at // len(data):]
    return bytes(data)


def ask(port, data):
    """Sends, says that nothing more comes, and returns the answers' statuses."""
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.settimeout(10)
        answer = b""
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while chunk := client.recv(65536):
                answer += chunk
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise RuntimeError(f"no end after 10 s: {data!r}") from None
    return [int(status) for status in STATUS.findall(answer) if not status.startswith(b"1")]


class Outcome:
    """What one proxy made of one case."""

    def __init__(self, app, port, data):
        mark = len(app.seen)
        self.statuses = ask(port, data)
        if not 200 in self.statuses:
            # What was sent has arrived, but the app's thread may not have looked at it yet.
            time.sleep(0.003)
        self.seen = app.seen[mark:]
        self.errors = [message.error for message in self.seen if message.error]
        self.messages = [message for message in self.seen if message.is_whole]

    @property
    def label(self):
        if self.errors:
            return "passes on what h11 refuses"
        if self.messages:
            return f"passes on {len(self.messages)}" if len(self.messages) > 1 else "passes on"
        return str(self.statuses[0]) if self.statuses else "closes"


def path_of(target):
    """Origin form, as a proxy sends an absolute-form target on."""
    found = re.match(r"(?i)https?://[^/?]*(.*)", target)
    if not found:
        return target
    return found[1] if found[1].startswith("/") else "/" + found[1]


def faults(data, verdict, outcome):
    """Why what fcctl did is wrong, one sentence each."""
    for error in outcome.errors:
        yield f"h11 refuses what was passed on: {error}"
    if verdict == "refused" and outcome.seen:
        yield f"the rule says refused, the app saw {outcome.seen}"
    # The preface of HTTP/2 is answered in HTTP/2.
    if verdict == "refused" and not outcome.statuses and not data.startswith(b"PRI * HTTP/2.0\r\n\r\nSM"):
        yield "refused without a status"
    if verdict == "forwards" and not outcome.messages:
        yield f"the rule says forwarded, the app saw nothing, the client {outcome.statuses}"
    if verdict == "incomplete" and outcome.messages:
        yield f"the rule says incomplete, the app saw {outcome.messages}"
    direct = h11_app.understand(data)
    for ours, theirs in zip(outcome.messages, direct):
        if theirs.error:
            # h11 wants Host in more cases than it must, and has a smaller alphabet here and there: told, not failed.
            break
        if ours.method != theirs.method or ours.body != theirs.body or not theirs.is_whole:
            yield f"the app saw {ours}, h11 on the same bytes {theirs}"
        if ours.method != "OPTIONS" and ours.target != path_of(theirs.target):
            yield f"the app saw {ours.target}, the client sent {theirs.target}"
    if len(outcome.messages) > len(direct):
        yield f"{len(outcome.messages)} messages of {len(direct)}"


def run(proxies, path, mutations, seed, table):
    """Returns (cases, [fault])."""
    chance = random.Random(seed)
    named = [*corpus(path), *EXTRA]
    small = [data for _, verdict, data in named if len(data) < 2000]
    cases = named + [(f"seed {seed}, mutation {n}", None, mutate(small, chance)) for n in range(mutations)]
    wrong, rows, tallies = [], [], collections.Counter()
    # An app each, so that what one of them is late with is not taken for another's.
    apps = [h11_app.App() for _ in range(3)]
    with proxies.fcctl(apps[0].port) as ours, proxies.nginx(apps[1].port) as nginx, proxies.haproxy(apps[2].port) as haproxy:
        for rule, verdict, data in cases:
            outcomes = [Outcome(app, proxy.port, data) for app, proxy in zip(apps, (ours, nginx, haproxy))]
            for fault in faults(data, verdict, outcomes[0]):
                wrong.append(f"{rule}: {fault}\n    {data[:300]!r}")
            labels = [outcome.label for outcome in outcomes]
            kinds = [bool(outcome.messages) for outcome in outcomes]
            if verdict and len(set(kinds)) > 1:
                rows.append((rule, *labels))
            if not verdict:
                tallies[tuple("passes on" if kind else "refuses" for kind in kinds)] += 1
                if kinds[0] and not any(kinds[1:]):
                    rows.append((f"{data[:80]!r}", *labels))
    if table:
        reasons.table(rows)
    if mutations:
        print(f"  {mutations} mutations, seed {seed}; fcctl, nginx, HAProxy:")
        for kinds, count in tallies.most_common():
            print(f"  {count:6} {', '.join(kinds)}")
    return len(cases), wrong
