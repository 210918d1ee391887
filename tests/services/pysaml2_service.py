"""A web application that signs people in by pysaml2: `/private/` is for whom it knows, `/passive/` for whom it knows without asking anybody.

Arguments: port, directory with `idp.xml`, `sp.key` and `sp.pem`, TLS certificate, its key.
"""

import http.server
import secrets
import ssl
import sys
from urllib.parse import parse_qs

from saml2 import BINDING_HTTP_POST
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.metadata import entity_descriptor
from saml2.response import StatusError
from saml2.saml import NAMEID_FORMAT_PERSISTENT
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

port, place, tls_certificate, tls_key = sys.argv[1:5]
base = f"https://localhost:{port}"
config = SPConfig().load(
    {
        "entityid": f"{base}/metadata",
        "service": {
            "sp": {
                "endpoints": {"assertion_consumer_service": [(f"{base}/acs", BINDING_HTTP_POST)]},
                "name_id_format": [NAMEID_FORMAT_PERSISTENT],
                "name_id_policy_format": NAMEID_FORMAT_PERSISTENT,
                "authn_requests_signed": True,
                "want_response_signed": True,
                "want_assertions_signed": True,
                "allow_unsolicited": False,
            }
        },
        "metadata": {"local": [f"{place}/idp.xml"]},
        "key_file": f"{place}/sp.key",
        "cert_file": f"{place}/sp.pem",
        "signing_algorithm": SIG_RSA_SHA256,
        "digest_algorithm": DIGEST_SHA256,
        "xmlsec_binary": "/usr/bin/xmlsec1",
        "accepted_time_diff": 60,
        "allow_unknown_attributes": True,
    }
)
client = Saml2Client(config=config)
outstanding = {}
people = {}


class Application(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body="", **headers):
        body = body.encode()
        self.send_response(status)
        headers = {"Content_Type": "text/html; charset=utf-8", "Content_Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def person(self):
        for pair in self.headers.get("Cookie", "").split("; "):
            name, _, value = pair.partition("=")
            if name == "pysaml2" and value in people:
                return people[value]
        return None

    def do_GET(self):
        if self.path == "/metadata":
            return self.answer(200, str(entity_descriptor(config)))
        if self.path not in ("/private/", "/passive/"):
            return self.answer(404, "there is nothing here")
        person = self.person()
        if person is not None:
            mail, name = person
            return self.answer(200, "the protected page", X_Person=mail, X_Format=name.format)
        passive = {"is_passive": "true"} if self.path == "/passive/" else {}
        request, _, asked = client.prepare_for_negotiated_authenticate(
            relay_state=self.path,
            sign=True,
            sigalg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
            response_binding=BINDING_HTTP_POST,
            **passive,
        )
        outstanding[request] = self.path
        headers = {name.replace("-", "_"): value for name, value in asked["headers"]}
        headers.pop("Content_type", None)
        return self.answer(303 if "Location" in headers else 200, "".join(asked["data"]), **headers)

    def do_POST(self):
        fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        try:
            response = client.parse_authn_request_response(fields["SAMLResponse"][0], BINDING_HTTP_POST, outstanding)
        except StatusError as error:
            return self.answer(200, f"nobody is signed in: {type(error).__name__}, {fields['RelayState'][0]}")
        session = secrets.token_hex(16)
        people[session] = (response.ava["mail"][0], response.get_subject())
        cookie = f"pysaml2={session}; Path=/; Secure; HttpOnly"
        return self.answer(303, Location=fields["RelayState"][0], Set_Cookie=cookie)


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Application)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(tls_certificate, tls_key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("serving", flush=True)
server.serve_forever()
