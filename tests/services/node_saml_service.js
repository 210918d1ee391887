// A web application that signs people in by node-saml: `/private/` is for whom it knows.
// Arguments: port, directory with `idp.xml`, TLS certificate, its key, directory of the package.
"use strict";
const [port, place, tlsCertificate, tlsKey, packages] = process.argv.slice(2);
const { randomBytes } = require("crypto");
const { readFileSync } = require("fs");
const { createServer } = require("https");
const { join } = require("path");
const { SAML } = require(join(packages, "node_modules", "@node-saml", "node-saml"));

const base = `https://localhost:${port}`;
const idp = readFileSync(join(place, "idp.xml"), "utf8");
const entryPoint = /SingleSignOnService[^>]*HTTP-(?:Redirect|POST)"[^>]*Location="([^"]+)"/.exec(idp)[1];
const saml = new SAML({
  callbackUrl: `${base}/acs`,
  issuer: `${base}/metadata`,
  audience: `${base}/metadata`,
  entryPoint,
  idpCert: /X509Certificate>([^<]+)</.exec(idp)[1],
  authnRequestBinding: idp.includes("HTTP-Redirect") ? "HTTP-Redirect" : "HTTP-POST",
  // Without it the package deflates what it posts, as the POST binding does not (Bindings §3.5.4).
  skipRequestCompression: !idp.includes("HTTP-Redirect"),
  validateInResponseTo: "always",
});
const people = new Map();
const tells = "<script>if (window.opener) window.opener.postMessage('signed in', location.origin)</script>";
const popup = `<p>nobody is in yet</p><script>addEventListener("message", (event) => {
  document.body.textContent = "the pop-up says: " + event.data;
});</script>`;

function answer(response, status, headers, body = "") {
  response.writeHead(status, { "Content-Type": "text/html; charset=utf-8", ...headers }).end(body);
}

async function get(request, response) {
  if (request.url === "/metadata") return answer(response, 200, {}, saml.generateServiceProviderMetadata(null, null));
  // A page that opens the protected one in a pop-up, which tells it when the person is in.
  if (request.url === "/popup/") return answer(response, 200, {}, popup);
  if (request.url !== "/private/") return answer(response, 404, {}, "there is nothing here");
  const session = /node-saml=([0-9a-f]+)/.exec(request.headers.cookie ?? "");
  const person = session && people.get(session[1]);
  if (person) return answer(response, 200, { "X-Person": person }, `the protected page${tells}`);
  if (idp.includes("HTTP-Redirect")) {
    return answer(response, 303, { Location: await saml.getAuthorizeUrlAsync(request.url, undefined, {}) });
  }
  // As strict as a service's page can be: Chromium holds every redirect after the form to it.
  const policy = { "Content-Security-Policy": `form-action 'self' ${new URL(entryPoint).origin}` };
  return answer(response, 200, policy, await saml.getAuthorizeFormAsync(request.url));
}

async function post(request, response) {
  let body = "";
  for await (const part of request) body += part;
  const fields = Object.fromEntries(new URLSearchParams(body));
  const { profile } = await saml.validatePostResponseAsync(fields);
  const session = randomBytes(16).toString("hex");
  people.set(session, profile.nameID);
  answer(response, 303, { Location: fields.RelayState, "Set-Cookie": `node-saml=${session}; Path=/; Secure; HttpOnly` });
}

const tls = { cert: readFileSync(tlsCertificate), key: readFileSync(tlsKey) };
const server = createServer(tls, (request, response) => {
  const way = request.method === "POST" ? post : get;
  way(request, response).catch((error) => answer(response, 403, {}, `refused: ${error.message}`));
});
server.listen(Number(port), "127.0.0.1", () => console.log("serving"));
