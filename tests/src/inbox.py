"""What people and their tools receive with, as somebody else would write it: a mail server
(python3-aiosmtpd) that speaks STARTTLS only and wants a password, and a web server that takes
anything and calls it a ticket.

usage: inbox.py DIRECTORY CERTIFICATE KEY

Prints the ports of mail and web. Appends each message to DIRECTORY/mail and each request to
DIRECTORY/web as a line of JSON. Mail is refused for now while there is DIRECTORY/full.
"""

import asyncio
import email
import email.policy
import http.server
import json
import pathlib
import ssl
import sys
import threading

from aiosmtpd.smtp import SMTP, AuthResult

directory, certificate, key = sys.argv[1:]
directory = pathlib.Path(directory)


def note(name, what):
    with open(directory / name, "a") as file:
        file.write(json.dumps(what) + "\n")


class Mails:
    async def handle_DATA(self, server, session, envelope):
        if (directory / "full").exists():
            return "452 no room"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        note(
            "mail",
            {
                "tls": session.ssl is not None,
                "by": session.auth_data.decode() if session.auth_data else None,
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "headers": {name.lower(): str(value) for name, value in message.items()},
                "body": message.get_content(),
            },
        )
        return "250 taken"


def who(server, session, envelope, mechanism, data):
    if data.login == b"evidenced" and data.password == b"a word":
        return AuthResult(success=True, auth_data=data.login)
    return AuthResult(success=False, handled=False)


class Web(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        note("web", {"path": self.path, "headers": headers, "body": json.loads(body)})
        answer = json.dumps({"issue": {"key": "OPS-7/x"}}).encode()
        self.send_response(201)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_POST

    def log_message(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


def mail_server():
    return SMTP(
        Mails(),
        hostname="localhost",
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=who,
    )


async def serve():
    mails = await asyncio.get_running_loop().create_server(mail_server, "127.0.0.1", 0)
    port = mails.sockets[0].getsockname()[1]
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    print(port, web.server_address[1], flush=True)
    await mails.serve_forever()


asyncio.run(serve())
