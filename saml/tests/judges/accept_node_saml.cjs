// Asks node-saml, as a service provider, whether it accepts a response: arguments package directory, certificate in base64, response, service, ACS URL.
const [directory, idpCert, response, service, callbackUrl] = process.argv.slice(2);
const { SAML } = require(require("path").join(directory, "node_modules", "@node-saml", "node-saml"));
const saml = new SAML({
  callbackUrl,
  issuer: service,
  audience: service,
  entryPoint: "https://cloud.example.net/saml/sso",
  idpCert,
  wantAuthnResponseSigned: true,
  wantAssertionsSigned: true,
  acceptedClockSkewMs: 60000,
});
const field = require("fs").readFileSync(response).toString("base64");
saml.validatePostResponseAsync({ SAMLResponse: field }).then(
  ({ profile }) => console.log(profile.nameID),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
