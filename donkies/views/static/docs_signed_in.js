// Hands what came back from signing in to the page of /docs that waits for it; nothing of it stays in this address.
"use strict";

const answer = Object.fromEntries(new URLSearchParams(location.search));
history.replaceState(null, "", location.pathname);
new BroadcastChannel("docs-signed-in").postMessage(answer);
window.close();
