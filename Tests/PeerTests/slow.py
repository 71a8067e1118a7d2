"""slowhttptest's attacks: all are closed in time, their machines are free, and another client is served meanwhile."""
import http.client, json, re, shutil, socket, statistics, subprocess, threading, time

COUNT = 100
# Short time-outs, so that the test is; the rules are the same with the defaults.
LIMIT = 2


class Page:
    """Answers with more than the kernel holds for a connection, so that a slow reader is the gateway's business."""

    BODY = b"x" * (4 << 20)

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        held = b""
        try:
            while data := client.recv(65536):
                held += data
                while b"\r\n\r\n" in held:
                    head, _, held = held.partition(b"\r\n\r\n")
                    body = b"xx" if b" /small " in head else self.BODY[:400_000] if b" /medium " in head else self.BODY
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                    if not head.startswith(b"HEAD"):
                        client.sendall(body)
        except OSError:
            pass
        finally:
            client.close()


MODES = {
    "slow heads (-H)": ["small", "-H", "-i", "1", "-t", "GET"],
    "slow bodies (-B)": ["small", "-B", "-i", "1", "-s", "8192", "-t", "POST"],
    "slow reading (-X)": ["large", "-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "200", "-k", "3"],
    "slow reading of little (-X)": ["medium", "-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "200"],
    "many ranges (-R)": ["small", "-R", "-a", "1", "-b", "3000", "-t", "HEAD"],
}


def victim(port, stop, times, wrong):
    while not stop.wait(0.02):
        began = time.monotonic()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/small")
            if connection.getresponse().read() != b"xx":
                wrong.append("another client got a wrong answer")
            connection.close()
        except OSError as error:
            wrong.append(f"another client got {error}")
        times.append(time.monotonic() - began)


def status(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/api/status")
    return json.load(connection.getresponse())


def run(proxies):
    if "--header-timeout" not in subprocess.run([proxies.binary, "serve", "--help"], capture_output=True, text=True).stdout:
        print("  skipped: this build's time-outs cannot be set, and waiting for the defaults takes minutes")
        return 0, []
    if not shutil.which("slowhttptest"):
        return 0, ["slowhttptest is missing: apt-get install slowhttptest"]
    wrong = []
    page = Page()
    flags = ["--header-timeout", f"{LIMIT}s", "--body-timeout", f"{LIMIT}s"]
    for name, (page_name, *mode) in MODES.items():
        with proxies.fcctl(page.port, *flags) as ours:
            stop, times = threading.Event(), []
            watching = threading.Thread(target=victim, args=(ours.port, stop, times, wrong))
            watching.start()
            out = subprocess.run(
                ["slowhttptest", *mode, "-c", str(COUNT), "-r", str(COUNT), "-l", "25", "-p", "2", "-u", f"http://127.0.0.1:{ours.port}/{page_name}"],
                capture_output=True, text=True).stdout
            stop.set()
            watching.join()
            active = status(ours.port)["requests"]["active"]
        plain = re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", out)
        lasted = re.search(r"Test ended on (\d+)th second", plain)
        ended = int(lasted[1]) if lasted and "No open connections left" in plain else None
        p99 = statistics.quantiles(times, n=100)[98] if len(times) > 1 else 0
        print(f"  {name}: {COUNT} connections, {f'all closed after {ended} s' if ended else 'some open after 25 s'} (limit {LIMIT} s); another client meanwhile: {len(times)} requests, p99 {p99 * 1000:.0f} ms")
        # Cut off, a slow reader first reads what its own kernel holds.
        if ended is None or ended > 2 * LIMIT + (14 if "-X" in mode else 4):
            wrong.append(f"{name}: not all were closed in time, {ended} s\n{plain[-800:]}")
        if active:
            wrong.append(f"{name}: {active} requests still hold the instance")
        if p99 > 2:
            wrong.append(f"{name}: another client waited {p99:.2f} s")
    return len(MODES), wrong
