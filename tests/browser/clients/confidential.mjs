// A confidential client by openid-client, in Node. Each line on standard input is one step's input, each on standard
// output its answer, both JSON: the test plays the browser in between.
import { createInterface } from "node:readline";
import * as openid from "openid-client";
import { importJWK } from "jose";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async () => JSON.parse((await lines.next()).value);
const tell = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");

const { issuer, client_id, client_secret, jwk, method, redirect_uri, own_scope } = await read();
const proofs = {
  client_secret_basic: () => openid.ClientSecretBasic(client_secret),
  client_secret_post: () => openid.ClientSecretPost(client_secret),
  private_key_jwt: async () => openid.PrivateKeyJwt({ key: await importJWK(jwk, jwk.alg), kid: jwk.kid }),
};
const config = await openid.discovery(new URL(issuer), client_id, undefined, await proofs[method](), {
  execute: [openid.allowInsecureRequests],
});
const [verifier, state, nonce] = [openid.randomPKCECodeVerifier(), openid.randomState(), openid.randomNonce()];
const start = openid.buildAuthorizationUrl(config, {
  redirect_uri, state, nonce, max_age: "300", scope: "openid profile email",
  code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
});
tell({ start });

const { back } = await read();
const tokens = await openid.authorizationCodeGrant(config, new URL(back), {
  pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: 300, idTokenExpected: true,
});
const claims = tokens.claims();
const userinfo = await openid.fetchUserInfo(config, tokens.access_token, claims.sub);
const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
const before = await openid.tokenIntrospection(config, refreshed.access_token);
await openid.tokenRevocation(config, refreshed.refresh_token);
const after = await openid.tokenIntrospection(config, refreshed.access_token);
const own = own_scope ? await openid.clientCredentialsGrant(config, { scope: own_scope }) : null;
tell({ claims, userinfo, before, after, own_scope: own && own.scope });
process.exit(0);
