"""A time-stamping authority of OpenSSL (RFC 3161).

usage: tsa.py DIRECTORY

Makes its certificates in DIRECTORY (ca.pem is the one to trust), prints its port, and answers each
query with what `openssl ts -reply` says. While there is DIRECTORY/broken it answers 500.
"""

import http.server
import pathlib
import subprocess
import sys

directory = pathlib.Path(sys.argv[1])
(directory / "tsa.cnf").write_text(
    """[req]
distinguished_name=dn
prompt=no
[dn]
CN=ignored
[ca_ext]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
[tsa_ext]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
[tsa1]
serial=./tsaserial
signer_digest=sha256
default_policy=1.3.6.1.4.1.13762.3
digests=sha256
ess_cert_id_alg=sha256
"""
)


def openssl(words):
    done = subprocess.run(["openssl", *words.split()], cwd=directory, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config tsa.cnf"
openssl(f"req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN=Root -extensions ca_ext")
openssl(f"req -new {key} -keyout tsa.key -out tsa.csr -subj /CN=Authority")
openssl(
    "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30"
    " -extfile tsa.cnf -extensions tsa_ext -out tsa.pem"
)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        query = self.rfile.read(int(self.headers["content-length"]))
        if (directory / "broken").exists():
            self.send_response(500)
            self.end_headers()
            return
        (directory / "query").write_bytes(query)
        openssl(
            "ts -reply -queryfile query -config tsa.cnf -section tsa1 -signer tsa.pem"
            " -inkey tsa.key -out reply"
        )
        reply = (directory / "reply").read_bytes()
        self.send_response(200)
        self.send_header("content-type", "application/timestamp-reply")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
