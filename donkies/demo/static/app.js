// The pages of the app and what leads from one to the next.

import { createApi, isAbort, Problem, Unreachable } from "./api.js";
import { createBanks } from "./banks.js";
import { createSpending } from "./chart.js";
import { button, el } from "./dom.js";
import { createLinking } from "./linking.js";
import { createSession, SignedOut, SignInFailed } from "./oauth.js";
import { createTransactions } from "./transactions.js";
import { createWays } from "./ways.js";

const main = document.getElementById("main");
const who = document.getElementById("who");
const message = document.getElementById("message");
const offline = document.getElementById("offline");

let config, session, api, person;
let view = new AbortController(); // ends what a page has running when the next one comes

/** Say something in the page's live region; errors stay until they are dismissed, or the next page comes. */
function say(text, isError = false) {
  clearTimeout(say.timer);
  say.isAboutNetwork = false;
  if (!text) return message.replaceChildren();
  message.replaceChildren(
    el("div", { class: isError ? "toast bad" : "toast" }, el("p", {}, text), button("Dismiss", () => say(""), { kind: "plain" })),
  );
  if (!isError) say.timer = setTimeout(say, 6000, "");
}

/** Do something for the person, and tell them when it did not work. Resolves to whether it did. */
async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    if (isAbort(error) || error instanceof SignedOut) return false; // nobody waits for it any more
    const isKnown = error instanceof Problem || error instanceof Unreachable || error instanceof SignInFailed;
    if (!isKnown) console.error(error);
    say(isKnown ? error.message : "Something went wrong in this page. Please reload it.", true);
    say.isAboutNetwork = error instanceof Unreachable;
    return false;
  }
}

function showNetwork(isThere) {
  const text = isThere ? "" : "The server cannot be reached. Trying again…";
  if (offline.textContent !== text) offline.textContent = text;
  if (isThere && say.isAboutNetwork) say("");
}

/**
 * Go to a page; what the last one had running ends.
 * @param build makes the page's elements, given the signal that will end it
 */
function turnPage(title, build) {
  say("");
  view.abort();
  view = new AbortController();
  document.title = `${title} · Donkies demo`;
  main.replaceChildren(...[build(view.signal)].flat());
  const heading = main.querySelector("h1");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function showStart(notice) {
  person = null;
  who.replaceChildren();
  const step = (title, text) => el("li", {}, el("strong", {}, title), el("span", {}, text));
  turnPage("Welcome", () =>
    el(
      "section",
      { class: "start" },
      notice && el("div", { class: "notice" }, notice),
      el("h1", {}, "Your money, in one place"),
      el("p", { class: "lead" }, "Link your bank and see your accounts, every transaction, and where the money goes."),
      el(
        "p",
        { class: "actions" },
        button("Sign in", () => attempt(() => session.signIn())),
        button("Create an account", () => attempt(() => session.signIn({ prompt: "create" })), { kind: "quiet" }),
      ),
      el(
        "ol",
        { class: "steps" },
        step("Sign in", "The login page belongs to the backend: this app never sees your password."),
        step("Link a bank", "There is a pretended one to try it with; no real account is needed."),
        step("Look around", "See balances, transactions, and a picture of your spending."),
      ),
      el(
        "p",
        { class: "small" },
        "A demo front end for donkies: a few plain HTML, CSS and JavaScript files, made to be copied. All it knows comes from the public API.",
      ),
    ),
  );
}

async function signOut() {
  view.abort(); // what still runs must not ask for tokens that are going
  if (await session.signOut()) return;
  showStart([
    el("p", {}, "You are signed out in this tab, but the server could not be reached to be told."),
    el("p", { class: "small" }, "On a shared computer, sign in and out once more when the network is back."),
  ]);
}

function sessionEnded() {
  showStart([el("p", {}, "Your sign-in has ended. Please sign in again.")]);
}

async function showHome() {
  person ??= await api.get("/v1/users/me");
  who.replaceChildren(
    el("span", { class: "email" }, person.email ?? ""),
    button("Sign out", () => attempt(signOut), { kind: "quiet" }),
  );
  turnPage("Overview", (signal) => {
    const summary = el("p", { class: "lead" });
    const transactions = createTransactions({ api, attempt, signal });
    const spending = createSpending({ api, attempt, signal, onCategories: transactions.setCategories });
    const banks = createBanks({
      api, attempt, say, signal, summary,
      onOtherWays: showWays,
      onAccounts: (accounts) => transactions.setAccounts(accounts),
      onData: (data) => (transactions.reload(data), spending.reload(data)),
    });
    return [
      el("div", { class: "hello" }, el("div", {}, el("h1", {}, person.first_name ? `Hello, ${person.first_name}` : "Hello"), summary)),
      el("div", { class: "columns" }, banks.element, el("div", { class: "wide" }, spending.element, transactions.element)),
    ];
  });
}

function showWays() {
  turnPage("Ways to link a bank", () =>
    createWays({ api, attempt, onForm: showLinking, onDone: () => attempt(showHome) }).element);
}

function showLinking() {
  turnPage("Link a bank", (signal) => {
    const linking = createLinking({ api, attempt, signal, onDone: () => attempt(showHome) });
    queueMicrotask(() => attempt(linking.start));
    return linking.element;
  });
}

async function begin() {
  const response = await fetch("config.json");
  config = await response.json();
  // sign-in leads back to one origin, and storage belongs to one: so start there (localhost, not 127.0.0.1)
  if (location.origin !== new URL(config.redirect_uri).origin) return location.replace(config.redirect_uri);
  session = createSession(config, sessionEnded);
  api = createApi(config, session, showNetwork);
  let failure = null;
  await session.completeSignIn().catch((error) => (failure = error));
  if (session.isSignedIn()) await attempt(showHome);
  else showStart(session.hasSignedOut() && el("p", {}, "You are signed out, here and at the login page."));
  if (failure) attempt(() => Promise.reject(failure));
}

begin().catch((error) => {
  console.error(error);
  say("This page could not start: its configuration cannot be read. Please reload it.", true);
});
