"""The gateway and the proxies it is compared with, each before one upstream."""
import pathlib, shutil, signal, socket, subprocess, tempfile, time

HERE = pathlib.Path(__file__).parent

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream app {{ server 127.0.0.1:{app}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        client_header_timeout 3s; client_body_timeout 3s;
        location / {{
            proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host; proxy_ignore_client_abort on; proxy_read_timeout 1s;
            proxy_next_upstream off;
        }}
    }}
}}
"""

HAPROXY = """
global
    maxconn 1000
defaults
    mode http
    timeout connect 3s
    timeout client 3s
    timeout server 1s
    retries 0
frontend clients
    bind 127.0.0.1:{port}
    default_backend apps
backend apps
    server app 127.0.0.1:{app}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, process):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not listen")


class Proxy:
    """One proxy process before the upstream at `app`; a scope."""

    def __init__(self, name, command, port):
        self.name, self.port = name, port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await_port(port, self.process)
        except BaseException:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Proxies:
    """Makes proxies, with their configurations in a folder that goes with them."""

    def __init__(self, binary):
        self.binary = binary
        self.scratch = tempfile.TemporaryDirectory(prefix="fcctl-peers-")
        self.folder = pathlib.Path(self.scratch.name)
        self.folder.chmod(0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.scratch.cleanup()

    def fcctl(self, app, *flags):
        port = free_port()
        command = [self.binary, "serve", "--upstream", f"127.0.0.1:{app}", "--port", port, "--quiet"]
        command += ["--state-dir", self.folder / f"state-{port}", "--max", 1, "--concurrency", 1000, *flags]
        return Proxy("fcctl", [str(word) for word in command], port)

    def nginx(self, app):
        port = free_port()
        path = self.folder / "nginx.conf"
        path.write_text(NGINX.format(folder=self.folder, port=port, app=app))
        return Proxy("nginx", [shutil.which("nginx") or "/usr/sbin/nginx", "-c", path, "-p", self.folder], port)

    def haproxy(self, app):
        port = free_port()
        path = self.folder / "haproxy.cfg"
        path.write_text(HAPROXY.format(port=port, app=app))
        return Proxy("HAProxy", [shutil.which("haproxy") or "/usr/sbin/haproxy", "-q", "-f", path], port)
