// Asks the browser for a passkey and sends what comes of it. Without this file the page says what to do instead.
"use strict";

const form = document.querySelector("form[data-passkey]");
const options = JSON.parse(form.dataset.passkey);
const octets = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), letter => letter.charCodeAt(0));
const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function ask() {
  const publicKey = structuredClone(options);
  publicKey.challenge = octets(options.challenge);
  for (const known of publicKey.excludeCredentials ?? []) known.id = octets(known.id);
  if (publicKey.user) {
    publicKey.user.id = octets(options.user.id);
    const made = await navigator.credentials.create({ publicKey });
    return { client_data: made.response.clientDataJSON, attestation_object: made.response.attestationObject };
  }
  const used = await navigator.credentials.get({ publicKey });
  return {
    credential: used.rawId,
    client_data: used.response.clientDataJSON,
    authenticator_data: used.response.authenticatorData,
    signature: used.response.signature,
    user_handle: used.response.userHandle ?? new ArrayBuffer(0),
  };
}

async function go() {
  const told = document.getElementById("told");
  told.hidden = true;
  try {
    for (const [name, value] of Object.entries(await ask())) form.elements[name].value = text(value);
    form.submit();
  } catch (error) {
    told.hidden = false;
    const is_known = error.name === "InvalidStateError";
    told.firstElementChild.textContent = is_known
      ? "This device or key holds a passkey of yours already."
      : "Your browser gave no passkey (" + error.name + "). Press the button to try once more.";
  }
}

document.getElementById("without").hidden = true;
const button = document.getElementById("ask");
if (window.PublicKeyCredential) {
  button.hidden = false;
  button.addEventListener("click", go);
  go();
} else {
  const told = document.getElementById("told");
  told.hidden = false;
  told.firstElementChild.textContent = "This browser knows no passkeys.";
}
