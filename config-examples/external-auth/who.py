"""Answers 200 and the user's name to whoever has a password, and 401 to all others."""

import base64
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PASSWORDS = {"alice": "wonderland", "bob": "builder"}


def user_of(authorization):
    scheme, _, sent = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(sent, validate=True).decode().partition(":")
    except ValueError:
        return None
    return name if PASSWORDS.get(name) == password else None


class Who(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        user = user_of(self.headers.get("Authorization"))
        body = b"" if user else b"Who are you?\n"
        self.send_response(200 if user else 401)
        if user:
            self.send_header("X-User", user)
        else:
            self.send_header("WWW-Authenticate", 'Basic realm="intranet"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer


if __name__ == "__main__":
    server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Who)
    print("ready", flush=True)
    server.serve_forever()
