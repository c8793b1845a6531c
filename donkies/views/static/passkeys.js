// Passkeys: asks this service what to ask the browser, and sends the browser's answer by a form, so that what
// follows is a page like after any form. Boxes marked with data-passkey are hidden until this file has run.
"use strict";

(() => {
  if (!window.PublicKeyCredential) return;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // by hand: parseCreationOptionsFromJSON and toJSON are missing in browsers that people still use
  function readable(options) {
    const withBytes = (one) => ({ ...one, id: bytes(one.id) });
    const read = { ...options, challenge: bytes(options.challenge) };
    if (options.user) read.user = withBytes(options.user);
    for (const list of ["allowCredentials", "excludeCredentials"]) {
      if (options[list]) read[list] = options[list].map(withBytes);
    }
    return read;
  }

  function written(credential) {
    const { id, type, response } = credential;
    const told = { clientDataJSON: text(response.clientDataJSON) };
    for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[part]) told[part] = text(response[part]);
    }
    if (response.getTransports) told.transports = response.getTransports();
    return JSON.stringify({ id, rawId: text(credential.rawId), type, response: told });
  }

  function fields(box) {
    return [...box.querySelectorAll("input")].map((input) => [input.name, input.value]);
  }

  async function asked(box) {
    const response = await fetch(box.dataset.options, { method: "POST", body: new URLSearchParams(fields(box)) });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail);
    return { challenge: answer.challenge, publicKey: readable(answer.options) };
  }

  function send(box, challenge, credential) {
    const form = document.createElement("form");
    form.method = "post";
    form.action = box.dataset.action;
    for (const [name, value] of [...fields(box), ["challenge", challenge], ["passkey", written(credential)]]) {
      const input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = value;
      form.append(input);
    }
    document.body.append(form);
    form.submit();
  }

  function words(error) {
    if (error.name === "InvalidStateError") return "This device holds a passkey of this account already.";
    if (error.name === "NotAllowedError") return "No passkey was used. Try again, or go on another way.";
    if (error instanceof TypeError || error instanceof SyntaxError) return "This did not work. Try again.";
    return error.message || "This did not work. Try again.";
  }

  function bring(box) {
    const button = box.querySelector("button");
    const problem = box.querySelector("[role=alert]");
    let waiting = null; // for a passkey that is picked among the suggestions of the e-mail field

    async function use() {
      button.disabled = true;
      problem.textContent = "";
      if (waiting) waiting.abort();
      try {
        const { challenge, publicKey } = await asked(box);
        send(box, challenge, await navigator.credentials[box.dataset.passkey]({ publicKey }));
      } catch (error) {
        problem.textContent = words(error);
        button.disabled = false;
        button.focus();
      }
    }

    async function suggest() {
      if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
      waiting = new AbortController();
      try {
        const { challenge, publicKey } = await asked(box);
        const { signal } = waiting;
        send(box, challenge, await navigator.credentials.get({ publicKey, signal, mediation: "conditional" }));
      } catch {
        // nobody asked for it, so nobody is told
      }
    }

    box.hidden = false;
    button.addEventListener("click", use);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) use();
    });
    if ("autofill" in box.dataset) suggest();
  }

  document.querySelectorAll("[data-passkey]").forEach(bring);
  document.querySelectorAll("[data-without-passkeys]").forEach((words) => words.remove());
})();
