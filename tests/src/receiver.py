"""A receiver of webhooks, as somebody else would write one: it knows Standard Webhooks from the
package `standardwebhooks`, and nothing of this project.

usage: receiver.py WHEEL DIRECTORY SECRET

Prints its port. Appends each request to DIRECTORY/log as a line of JSON. Answers 204 to what is
signed, 401 to what is not; 500 as often as DIRECTORY/fail has bytes; nothing while there is
DIRECTORY/hang.
"""

import http.server
import json
import pathlib
import sys
import threading
import time

wheel, directory, secret = sys.argv[1:]
sys.path.insert(0, wheel)
from standardwebhooks import Webhook, WebhookVerificationError  # noqa: E402

directory = pathlib.Path(directory)
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            Webhook(secret).verify(body, dict(self.headers.items()))
            answer = 204
        except WebhookVerificationError as error:
            print(error, file=sys.stderr)
            answer = 401
        with lock:
            fail = directory / "fail"
            if answer == 204 and fail.exists() and fail.stat().st_size:
                fail.write_bytes(fail.read_bytes()[1:])
                answer = 500
            line = {
                "id": self.headers["webhook-id"],
                "type": self.headers["content-type"],
                "answer": answer,
                "event": json.loads(body),
            }
            with open(directory / "log", "a") as log:
                log.write(json.dumps(line) + "\n")
        while (directory / "hang").exists():
            time.sleep(0.02)
        self.send_response(answer)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
