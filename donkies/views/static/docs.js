// Shows /openapi.json. The token lives in this page's memory: nothing is kept in the browser.
"use strict";

const root = document.getElementById("docs");
const ui = SwaggerUIBundle({
  url: "/openapi.json",
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
ui.initOAuth({
  clientId: root.dataset.clientId,
  usePkceWithAuthorizationCodeGrant: true,
  scopes: "openid profile email accounts:read transactions:read links:write",
});
