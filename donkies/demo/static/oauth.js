// A small OAuth 2.1 client for a public client in a browser: code flow with PKCE S256, nothing else.
//
// The access token lives in memory, the refresh token in sessionStorage: it outlives a reload, not the tab.
// Whoever can run a script on this origin can use both, so the page's CSP lets no foreign script in.
// Sources: RFC 6749, RFC 7636 (PKCE), RFC 9207 (iss), RFC 7009 (revocation), RFC 9700 (best practice),
// OpenID Connect RP-Initiated Logout 1.0, Initiating User Registration 1.0 (prompt=create).

const SCOPE = "openid profile email accounts:read transactions:read links:write links:credentials";
const REFRESH_TOKEN = "donkies.refresh_token";
const ID_TOKEN = "donkies.id_token"; // only to show at sign-out whose session is to end
const PENDING = "donkies.sign_in.";
const LEFT = "donkies.signed_out";
const EARLY_MS = 30_000; // an access token is renewed this long before it ends

/** The sign-in is over: the person has to sign in again. */
export class SignedOut extends Error {}

/** The server refused to sign in; `message` is fit to be shown. */
export class SignInFailed extends Error {}

/**
 * One person's sign-in in this tab.
 * @param config api_url (also the issuer), client_id, redirect_uri
 * @param onSignedOut called when another tab signed out, or the server ended the sign-in
 */
export function createSession(config, onSignedOut = () => {}) {
  let access = null; // { token, endsAt }
  let renewing = null; // the one refresh that runs in this tab

  // A duplicated tab starts with a copy of sessionStorage. Refresh tokens are rotated, and using an old one
  // ends the sign-in for all; so whoever rotates tells the others, who listen for the token they hold.
  const tabs = new BroadcastChannel("donkies.tokens");
  tabs.onmessage = ({ data }) => {
    if (data.old !== sessionStorage.getItem(REFRESH_TOKEN)) return;
    if (data.next) return sessionStorage.setItem(REFRESH_TOKEN, data.next);
    forget();
    onSignedOut();
  };

  function keep(answer) {
    const old = sessionStorage.getItem(REFRESH_TOKEN);
    access = { token: answer.access_token, endsAt: Date.now() + answer.expires_in * 1000 - EARLY_MS };
    sessionStorage.setItem(REFRESH_TOKEN, answer.refresh_token);
    if (answer.id_token) sessionStorage.setItem(ID_TOKEN, answer.id_token);
    if (old) tabs.postMessage({ old, next: answer.refresh_token });
  }

  function forget() {
    access = null;
    sessionStorage.removeItem(REFRESH_TOKEN);
    sessionStorage.removeItem(ID_TOKEN);
  }

  async function post(path, parameters) {
    const response = await fetch(config.api_url + path, {
      method: "POST",
      body: new URLSearchParams({ client_id: config.client_id, ...parameters }),
      cache: "no-store",
      credentials: "omit",
    });
    const answer = await response.json().catch(() => ({})); // revocation answers with nothing
    return { response, answer };
  }

  async function rotate() {
    const refresh_token = sessionStorage.getItem(REFRESH_TOKEN);
    if (!refresh_token) throw new SignedOut();
    const { response, answer } = await post("/oauth/token", { grant_type: "refresh_token", refresh_token });
    if (response.ok) return keep(answer);
    if (response.status >= 500 || response.status === 429) throw new TypeError("the token endpoint is busy");
    forget();
    throw new SignedOut();
  }

  return {
    /** Whether there is something to go on with after a reload. */
    isSignedIn: () => sessionStorage.getItem(REFRESH_TOKEN) !== null,

    /**
     * Leave for the login page.
     * @param more parameters of the request, such as { prompt: "create" } for the sign-up page
     */
    async signIn(more = {}) {
      const state = randomText();
      const code_verifier = randomText();
      sessionStorage.setItem(PENDING + state, code_verifier);
      const query = new URLSearchParams({
        response_type: "code",
        client_id: config.client_id,
        redirect_uri: config.redirect_uri,
        scope: SCOPE,
        state,
        code_challenge: await s256(code_verifier),
        code_challenge_method: "S256",
        ...more,
      });
      location.assign(`${config.api_url}/oauth/authorize?${query}`);
    },

    /**
     * Take in the answer in the address, if there is one; call it once, at start.
     * Throws SignInFailed.
     */
    async completeSignIn() {
      const answer = new URLSearchParams(location.search);
      if (!answer.has("state")) return;
      history.replaceState(null, "", location.pathname); // a reload must not send the code again
      const code_verifier = sessionStorage.getItem(PENDING + answer.get("state"));
      sessionStorage.removeItem(PENDING + answer.get("state"));
      // An answer to a question this tab never asked may be an attacker's, who wants you in his account. When you
      // are signed in, it is more likely the browser's Back button, which went through the login page once more.
      if (!code_verifier && this.isSignedIn()) return;
      if (!code_verifier) throw new SignInFailed("This sign-in was not started in this tab. Please sign in again.");
      if (answer.get("iss") !== config.api_url) throw new SignInFailed("The answer came from a strange server.");
      if (answer.has("error")) {
        const refused = answer.get("error") === "access_denied";
        throw new SignInFailed(refused ? "You did not sign in." : answer.get("error_description") ?? answer.get("error"));
      }
      const { response, answer: tokens } = await post("/oauth/token", {
        grant_type: "authorization_code",
        code: answer.get("code") ?? "",
        redirect_uri: config.redirect_uri,
        code_verifier,
      });
      if (!response.ok) throw new SignInFailed(tokens.error_description ?? "Signing in did not work. Please try again.");
      keep(tokens);
    },

    /**
     * A token to call the API with.
     * @param refused one that the API did not accept: it is not given out again
     * Throws SignedOut, or TypeError when the server cannot be reached.
     */
    async accessToken(refused = null) {
      const isGood = () => access && access.token !== refused && Date.now() < access.endsAt;
      if (isGood()) return access.token;
      // one at a time: in this tab by the promise, across tabs by the lock
      renewing ??= navigator.locks.request("donkies.refresh", rotate).finally(() => (renewing = null));
      try {
        await renewing;
      } catch (error) {
        if (error instanceof SignedOut) onSignedOut();
        throw error;
      }
      return access.token;
    },

    /**
     * Revoke the tokens, forget them, and leave for the server, which ends the log-in there and leads back.
     * Resolves to false when the server cannot be reached: then the tokens are forgotten all the same.
     */
    async signOut() {
      const [token, id_token_hint] = [sessionStorage.getItem(REFRESH_TOKEN), sessionStorage.getItem(ID_TOKEN)];
      forget();
      if (token) tabs.postMessage({ old: token, next: null });
      try {
        if (token) await post("/oauth/revoke", { token, token_type_hint: "refresh_token" });
      } catch {
        return false;
      }
      const query = new URLSearchParams({ client_id: config.client_id, post_logout_redirect_uri: config.redirect_uri });
      if (id_token_hint) query.set("id_token_hint", id_token_hint); // without one the server asks first
      sessionStorage.setItem(LEFT, "yes");
      location.assign(`${config.api_url}/oauth/logout?${query}`);
      return true;
    },

    /** Whether this page is where a sign-out led back to; tells it once. */
    hasSignedOut() {
      const has = sessionStorage.getItem(LEFT) !== null;
      sessionStorage.removeItem(LEFT);
      return has;
    },
  };
}

function randomText() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function s256(text) {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
