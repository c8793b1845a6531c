// Shows /openapi.json. The token lives in this page's memory: nothing is kept in the browser.
"use strict";

const root = document.getElementById("docs");
const { clientId, scopes } = root.dataset; // empty: nobody signs in from here, a token can be pasted

/** Of the ways to sign in, those that work from a page: what else the document has is for servers. */
function withoutServersSignIn(text) {
  const document = JSON.parse(text);
  const schemes = document.components.securitySchemes;
  delete schemes.oauth2.flows.clientCredentials;
  if (!clientId) delete schemes.oauth2;
  return JSON.stringify(document);
}

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  responseInterceptor: (response) => {
    if (response.ok && response.url === `${location.origin}/openapi.json`) response.text = withoutServersSignIn(response.text);
    return response;
  },
  domNode: root,
  deepLinking: true,
  docExpansion: "none",
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  validatorUrl: null, // else it would ask a server of others
  oauth2RedirectUrl: `${location.origin}/docs/signed-in`,
  presets: [SwaggerUIBundle.presets.apis],
});

if (clientId) {
  ui.initOAuth({ clientId, scopes, usePkceWithAuthorizationCodeGrant: true });
}

// The login page cuts the tie between its window and this one (Cross-Origin-Opener-Policy), so /docs/signed-in says on a
// channel what came back. A code is worth nothing to whoever overhears it: its verifier (PKCE) is in this page's memory.
new BroadcastChannel("docs-signed-in").addEventListener("message", ({ data }) => {
  const asked = window.swaggerUIRedirectOauth2; // what Swagger UI leaves for the window that it opens
  if (!asked || data.state !== asked.state) return; // it is another tab that waits for this
  delete window.swaggerUIRedirectOauth2;
  if (!data.code) {
    const message = [data.error, data.error_description].filter(Boolean).join(": ");
    return asked.errCb({ authId: asked.auth.name, source: "auth", level: "error", message });
  }
  asked.auth.code = data.code;
  asked.callback({ auth: asked.auth, redirectUrl: asked.redirectUrl });
});
