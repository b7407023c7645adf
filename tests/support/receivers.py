"""A mail server or a web server for tests: writes down everything that it is sent.

receivers.py KIND OUT [CERTIFICATE KEY]      prints its port, serves until its standard input ends

KIND is smtp, starttls or smtps; http or https; 500 (a web server that always fails); or silent (takes connections and
says nothing). A mail server takes the user "dcs" with the password "canary-smtp" and nobody else. OUT gets a JSON object a
line: {"mail": ...} or {"method": ..., "path": ..., "body": ...}.
"""

import base64
import json
import socketserver
import ssl
import sys
import threading
import time

kind, out = sys.argv[1:3]
context = None
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
writing = threading.Lock()


def note(what):
    with writing, open(out, "a") as file:
        file.write(json.dumps(what) + "\n")


class Mail(socketserver.StreamRequestHandler):
    encrypted = False

    def say(self, text):
        self.wfile.write((text + "\r\n").encode())
        self.wfile.flush()

    def line(self):
        return self.rfile.readline().decode("utf-8", "replace").rstrip("\r\n")

    def encrypt(self):
        self.request = context.wrap_socket(self.request, server_side=True)
        self.rfile = self.request.makefile("rb")
        self.wfile = self.request.makefile("wb")
        self.encrypted = True

    def handle(self):
        if kind == "smtps":
            self.encrypt()
        self.say("220 mail.test ESMTP")
        user, sender, to = None, None, []
        while True:
            line = self.line()
            verb = line[:4].upper()
            if not line or verb == "QUIT":
                self.say("221 bye")
                return
            if verb == "EHLO":
                self.say("250-mail.test")
                if kind == "starttls" and not self.encrypted:
                    self.say("250-STARTTLS")
                self.say("250-AUTH PLAIN LOGIN")
                self.say("250 8BITMIME")
            elif verb == "STAR" and kind == "starttls":
                self.say("220 go ahead")
                self.encrypt()
            elif verb == "AUTH":
                words = line.split()
                answer = words[2] if len(words) > 2 else (self.say("334 "), self.line())[1]
                _, user, password = base64.b64decode(answer).decode().split("\0")
                if (user, password) != ("dcs", "canary-smtp"):
                    self.say("535 no: " + password)
                    return
                self.say("235 welcome")
            elif verb == "MAIL":
                sender = line[10:]
                self.say("250 ok")
            elif verb == "RCPT":
                to.append(line[8:].strip("<> "))
                self.say("250 ok")
            elif verb == "DATA":
                self.say("354 go on")
                lines = []
                while (text := self.line()) != ".":
                    lines.append(text)
                note({"mail": "\n".join(lines), "to": to, "from": sender, "user": user, "encrypted": self.encrypted})
                self.say("250 kept")
            else:
                self.say("502 unknown")


class Web(socketserver.StreamRequestHandler):
    def handle(self):
        if kind == "https":
            self.request = context.wrap_socket(self.request, server_side=True)
            self.rfile = self.request.makefile("rb")
            self.wfile = self.request.makefile("wb")
        first = self.rfile.readline().decode().split()
        if len(first) < 2:
            return
        length = 0
        while (header := self.rfile.readline().decode().strip()):
            name, value = header.split(":", 1)
            if name.lower() == "content-length":
                length = int(value)
        body = self.rfile.read(length).decode()
        note({"method": first[0], "path": first[1], "body": body})
        status = "500 Internal Server Error" if kind == "500" else "200 OK"
        self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        self.wfile.flush()


class Silent(socketserver.StreamRequestHandler):
    def handle(self):
        time.sleep(1000)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, address):
        pass  # a client that does not like the certificate goes away


handlers = {"smtp": Mail, "starttls": Mail, "smtps": Mail, "silent": Silent}
server = Server(("127.0.0.1", 0), handlers.get(kind, Web))
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
