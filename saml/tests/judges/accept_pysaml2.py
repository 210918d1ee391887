"""Asks pysaml2, as a service provider, whether it accepts a response: arguments IdP metadata, response, request ID, service, ACS URL."""

import base64
import sys

from saml2 import BINDING_HTTP_POST
from saml2.client import Saml2Client
from saml2.config import SPConfig

metadata, response, request, service, acs = sys.argv[1:6]
config = SPConfig().load(
    {
        "entityid": service,
        "service": {
            "sp": {
                "endpoints": {"assertion_consumer_service": [(acs, BINDING_HTTP_POST)]},
                "want_response_signed": True,
                "want_assertions_signed": True,
                "allow_unsolicited": False,
            }
        },
        "metadata": {"local": [metadata]},
        "xmlsec_binary": "/usr/bin/xmlsec1",
        "accepted_time_diff": 60,
        "allow_unknown_attributes": True,
    }
)
with open(response, "rb") as file:
    field = base64.b64encode(file.read()).decode()
answer = Saml2Client(config=config).parse_authn_request_response(field, BINDING_HTTP_POST, {request: "/"})
print(answer.get_subject().text)
