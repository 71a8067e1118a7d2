"""The servers of the comparison: one worker each, the same duties, logs off, buffers of 64 KiB."""
import os, pathlib, re, shutil, signal, socket, string, subprocess, sys, time

HERE = pathlib.Path(__file__).parent
# How a client reaches a server: scheme for the URL, and whether it speaks HTTP/2.
PROTOCOLS = {"http1": ("http", False), "http1-tls": ("https", False), "http2": ("http", True), "http2-tls": ("https", True)}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        sys.exit(f"{name} is missing; Debian's packages are nginx-light, haproxy, caddy, wrk and nghttp2-client")
    return found


def certificate(folder):
    """A key and a self-signed certificate, and both in one file as HAProxy wants them."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    for name in ("key.pem", "both.pem"):
        (folder / name).chmod(0o644)


class Subject:
    """One server process; `ports` by protocol, `path` before the name of a file."""

    def __init__(self, name, command, ports, path="", environment=None):
        self.name, self.ports, self.path = name, ports, path
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.DEVNULL, env=dict(os.environ, **(environment or {})))
        for port in ports.values():
            self.await_port(port)

    def await_port(self, port):
        for _ in range(400):
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended with status {self.process.returncode}")
            try:
                return socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.05)
        sys.exit(f"{self.name} does not answer on port {port}")

    def url(self, protocol, file):
        return f"{PROTOCOLS[protocol][0]}://127.0.0.1:{self.ports[protocol]}{self.path}/{file}"

    def cpu(self):
        """CPU seconds of the process and its children that run now."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        total = 0
        for one in [pid, *map(int, children)]:
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def signal(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def configured(folder, file, name, **values):
    text = string.Template((HERE / file).read_text()).safe_substitute(FOLDER=folder, **values)
    path = folder / name
    path.write_text(text)
    return path


def ports_for(protocols):
    return {protocol: free_port() for protocol in protocols}


def as_values(ports):
    # A protocol that is not measured still has a port in the configuration files.
    names = {"http1": "HTTP1", "http1-tls": "HTTP1_TLS", "http2": "HTTP2", "http2-tls": "HTTP2_TLS"}
    return {names[protocol]: ports.get(protocol) or free_port() for protocol in PROTOCOLS}


def upstream(folder, protocols):
    ports = {"http1": free_port(), **ports_for(set(protocols) - {"http1"})}
    path = configured(folder, "nginx.conf", "upstream.conf", ROLE="upstream", APP=ports["http1"], **as_values(ports))
    return Subject("direct", [program("nginx"), "-c", path, "-p", folder], ports)


def nginx(folder, app, protocols):
    ports = ports_for(protocols)
    path = configured(folder, "nginx.conf", "proxy.conf", ROLE="proxy", APP=app, **as_values(ports))
    return Subject("nginx", [program("nginx"), "-c", path, "-p", folder], ports, "/proxied")


def haproxy(folder, app, protocols):
    ports = ports_for(protocols)
    path = configured(folder, "haproxy.cfg", "haproxy.cfg", APP=app, **as_values(ports))
    return Subject("HAProxy", [program("haproxy"), "-db", "-q", "-f", path], ports)


def caddy(folder, app, protocols):
    ports = ports_for(protocols)
    path = configured(folder, "Caddyfile", "Caddyfile", APP=app, **as_values(ports))
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "GOMAXPROCS": "1"}
    return Subject("Caddy", [program("caddy"), "run", "--config", path, "--adapter", "caddyfile"], ports, environment=home)


def gateway(command, folder, app, protocols):
    """One process with TLS and one without, where both are measured."""
    words = command.split()
    text = subprocess.run([*words, "--help"], capture_output=True, text=True).stdout
    plain = [p for p in protocols if not p.endswith("-tls")]
    secure = [p for p in protocols if p.endswith("-tls")]
    if "--tls-cert" not in text:
        plain, secure = [p for p in plain if p == "http1"], []
    made = []
    for kinds, flags in ((plain, []), (secure, ["--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem"])):
        if not kinds:
            continue
        port = free_port()
        if "--access-log" in text:
            flags = [*flags, "--access-log", "off"]
        full = [*words, "--upstream", f"127.0.0.1:{app}", "--port", port, "--max", 1, "--concurrency", 4096, "--quiet", *flags]
        full += ["--state-dir", folder / f"state-{port}"]
        made.append(Subject("fcctl", full, dict.fromkeys(kinds, port), environment={"NIO_SINGLETON_GROUP_LOOP_COUNT": "1"}))
    return made
