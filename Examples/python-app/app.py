"""A small web app: shows how it was started, keeps uploads, and says which signal ended it."""

import argparse
import json
import os
import pwd
import random
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

UPLOADS = "uploads"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/":
            self.reply(200, "Hello from a Python app. See /info, /healthz, /echo and /uploads.\n")
        elif path == "/healthz":
            self.reply(200, "ok\n")
        elif path == "/info":
            self.reply_json(information() | {"instance": self.server.instance, "draw": random.getrandbits(64)})
        elif path == "/uploads":
            self.reply_json(sorted(os.listdir(UPLOADS)))
        else:
            self.reply(404, "not found\n")

    do_HEAD = do_GET

    def do_POST(self):
        body = self.read_body()
        if self.path == "/hooks/before-snapshot":
            # Nothing that only one process may hold goes into the snapshot: close pools of connections here.
            self.reply(204, "")
        elif self.path == "/hooks/after-restore":
            # Every clone begins with the same generator; the kernel's numbers are its own already.
            random.seed()
            self.server.instance = socket.gethostname()
            self.reply(204, "")
        elif self.path == "/echo":
            self.reply(200, body, self.headers.get("Content-Type", "application/octet-stream"))
        else:
            self.reply(404, "not found\n")

    def do_PUT(self):
        body = self.read_body()
        folder, name = os.path.split(self.path)
        if folder != "/uploads" or not name.replace(".", "").isalnum():
            self.reply(404, "not found\n")
            return
        with open(os.path.join(UPLOADS, name), "wb") as file:
            file.write(body)
        self.reply(201, f"{len(body)} bytes\n")

    def read_body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def reply(self, status, body, kind="text/plain"):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_json(self, value):
        self.reply(200, json.dumps(value) + "\n", "application/json")


def information():
    """Only variables that the image or the user set for this app: an environment can hold secrets."""
    shown = {name: value for name, value in os.environ.items() if name.startswith("APP_")}
    user = pwd.getpwuid(os.getuid())
    return {
        "app": "python", "env": shown, "user": user.pw_name, "uid": os.getuid(), "gid": os.getgid(),
        "groups": os.getgroups(), "home": os.environ.get("HOME"), "cwd": os.getcwd(), "args": sys.argv[1:],
        "pid": os.getpid(),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    server = ThreadingHTTPServer(("", parser.parse_args().port), Handler)

    server.instance = socket.gethostname()

    def stop(number, _frame):
        print(f"python-app: got {signal.Signals(number).name}, stopping", flush=True)
        threading.Thread(target=server.shutdown).start()

    for wanted in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(wanted, stop)
    os.makedirs(UPLOADS, exist_ok=True)
    print(f"python-app: listening on {server.server_port}", flush=True)
    server.serve_forever()


main()
