#!/usr/bin/env bash
# Two service-provider libraries ask for a password and take anything else.
#
# python3-saml 1.16.0 (PyPI) and @node-saml/node-saml 5.1.0 (npm), as they come, put RequestedAuthnContext Comparison="exact" with
# PasswordProtectedTransport into every AuthnRequest. Core 3.3.2.2.1 has an identity provider that can't meet it answer NoAuthnContext. A good guess is
# that a library which insists on a class compares the answer with it. Neither does: a signed Response whose AuthnContextClassRef is another class is
# accepted by both. So an identity provider that takes the request at its word locks out people whom the service would have let in, and one that answers
# with the class that is true locks nobody out.
#
# Fails when a library asks for something else, or refuses the answer. Needs python3, pip, node, npm and openssl; everything is made in a temporary folder.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --root-user-action=ignore --target python 'python3-saml==1.16.0' 'xmlsec==1.3.17' 'lxml==6.1.3'
npm install --silent --no-audit --no-fund '@node-saml/node-saml@5.1.0'
openssl req -x509 -newkey rsa:2048 -nodes -keyout idp.key -out idp.crt -days 2 -subj /CN=idp.example.test 2>/dev/null

cat >service.py <<'PY'
import base64, datetime, sys, urllib.parse, zlib
sys.path.insert(0, "python")
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.utils import OneLogin_Saml2_Utils

key, certificate = open("idp.key").read(), open("idp.crt").read()
SP, ACS, IDP = "https://sp.example.test/metadata", "https://sp.example.test/acs", "https://idp.example.test/metadata"
OTHER = "urn:example:ac:classes:device"
settings = {
    "strict": True,
    "sp": {"entityId": SP, "assertionConsumerService": {"url": ACS}},
    "idp": {"entityId": IDP, "singleSignOnService": {"url": "https://idp.example.test/sso"}, "x509cert": certificate},
}
asked = {"https": "on", "http_host": "sp.example.test", "script_name": "/acs", "get_data": {}, "post_data": {}}


def requested(url):
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["SAMLRequest"][0]
    return zlib.decompress(base64.b64decode(query), -15).decode()


def response(request_id, recipient, audience):
    at = lambda seconds: (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    xml = f"""<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r1" Version="2.0"
 IssueInstant="{at(0)}" Destination="{recipient}" InResponseTo="{request_id}"><saml:Issuer>{IDP}</saml:Issuer><samlp:Status><samlp:StatusCode
 Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion ID="_a1" Version="2.0" IssueInstant="{at(0)}"><saml:Issuer>{IDP}</saml:Issuer>
<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">ada@example.test</saml:NameID><saml:SubjectConfirmation
 Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{at(300)}" Recipient="{recipient}"
 InResponseTo="{request_id}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{at(-60)}" NotOnOrAfter="{at(300)}"><saml:AudienceRestriction>
<saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{at(0)}" SessionIndex="_s1"><saml:AuthnContext>
<saml:AuthnContextClassRef>{OTHER}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="mail"><saml:AttributeValue>ada@example.test</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"""
    signed = OneLogin_Saml2_Utils.add_sign(xml, key, certificate, sign_algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                                           digest_algorithm="http://www.w3.org/2001/04/xmlenc#sha256")
    return base64.b64encode(signed if isinstance(signed, bytes) else signed.encode()).decode()


if len(sys.argv) > 1:
    print(response(sys.argv[1], ACS, SP))
    sys.exit()
auth = OneLogin_Saml2_Auth(asked, settings)
request = requested(auth.login())
assert 'Comparison="exact"' in request and "PasswordProtectedTransport" in request, request
answered = OneLogin_Saml2_Auth({**asked, "post_data": {"SAMLResponse": response(auth.get_last_request_id(), ACS, SP)}}, settings)
answered.process_response(request_id=auth.get_last_request_id())
assert answered.is_authenticated() and not answered.get_errors(), (answered.get_errors(), answered.get_last_error_reason())
print("python3-saml 1.16.0: asks for exact PasswordProtectedTransport, is answered with", OTHER, "and signs in", answered.get_nameid())
PY
python3 service.py

cat >service.mjs <<'JS'
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import { SAML } from "@node-saml/node-saml";
const saml = new SAML({
  issuer: "https://sp.example.test/metadata", callbackUrl: "https://sp.example.test/acs", entryPoint: "https://idp.example.test/sso",
  audience: "https://sp.example.test/metadata", idpCert: readFileSync("idp.crt", "utf8"), wantAssertionsSigned: false, validateInResponseTo: "always",
});
const url = new URL(await saml.getAuthorizeUrlAsync("", "", {}));
const request = inflateRawSync(Buffer.from(url.searchParams.get("SAMLRequest"), "base64")).toString();
if (!request.includes('Comparison="exact"') || !request.includes("PasswordProtectedTransport")) throw new Error(request);
const id = /\bID="([^"]+)"/.exec(request)[1];
const SAMLResponse = execFileSync("python3", ["service.py", id]).toString().trim();
const { profile } = await saml.validatePostResponseAsync({ SAMLResponse });
console.log("node-saml 5.1.0: asks for exact PasswordProtectedTransport, is answered with another class and signs in", profile.nameID);
JS
node service.mjs
