// The banks that are linked, their live state, and their accounts.

import { button, confirmed, el, momentText, money, replace, toCents, words } from "./dom.js";
import { isAbort, Problem } from "./api.js";
import { hint } from "./hint.js";
import { openBankPage, openHosted } from "./hosted.js";
import { adviceText, reasonText } from "./reasons.js";

const DEBTS = new Set(["CREDIT_CARD", "LOAN", "MORTGAGE", "LINE_OF_CREDIT"]);
const isDebt = (account) => DEBTS.has(String(account.type).toUpperCase());

/**
 * @param summary element for one sentence about what the person has and owes
 * @param onOtherWays called when the ways to link a bank are to be shown
 * @param onAccounts called with the accounts whenever they were read
 * @param onData called when there are new transactions, with whether more are coming
 */
export function createBanks({ api, attempt, say, signal, summary, onOtherWays, onAccounts, onData }) {
  const list = el("div", { class: "stack" }, el("p", { class: "waiting" }, "One moment…"));
  const element = el(
    "section",
    { class: "banks", "aria-labelledby": "banks-title" },
    el("div", { class: "head" }, el("h2", { id: "banks-title" }, "Your banks"), button("Link a bank", () => openModal())),
    list,
    el("p", { class: "other-ways" }, button("Other ways to link", onOtherWays, { kind: "plain" })),
  );
  const links = new Map(); // id → { link, card, watch }
  let accounts = [];

  async function load() {
    const { data } = await api.get("/v1/linked_accounts", { signal });
    await loadAccounts();
    for (const link of data.filter(({ duplicate_of }) => !duplicate_of)) {
      links.set(link.id, { link, card: el("article", { class: "card" }) });
      draw(link.id);
      watch(link.id);
    }
    arrange();
    tellData();
  }

  function tellData() {
    onData({ isMore: [...links.values()].some(({ link }) => link.transactions_status === "downloading"), hasLinks: links.size > 0 });
  }

  /** Link a bank on the hosted page, or mend a link there: { linked_account_id }. */
  function openModal(body = {}) {
    const soon = ({ type, linked_account_id: id }) => type === "link_created" && attempt(() => add(id));
    return attempt(async () => {
      const { linked_account_id: id } = await openHosted(api, body, soon);
      if (id) await add(id);
    });
  }

  /** Show a link that may be new, as the API has it. */
  async function add(id) {
    const link = await api.get(`/v1/linked_accounts/${id}`, { signal });
    if (link.duplicate_of) return add(link.duplicate_of); // the login was linked before
    if (links.has(id)) take(link);
    else {
      const rest = [...links];
      links.clear(); // newest first, as the API lists them
      for (const [key, entry] of [[id, { link, card: el("article", { class: "card" }) }], ...rest]) links.set(key, entry);
      await loadAccounts();
      draw(id);
      arrange();
      tellData();
    }
    watch(id);
  }

  async function loadAccounts() {
    accounts = (await api.get("/v1/accounts", { signal })).data.sort(inOrder);
    summary.textContent = inOneSentence(accounts);
    onAccounts(accounts.map((account) => ({ ...account, bank: links.get(account.linked_account_id)?.link.institution_name })));
  }

  function arrange() {
    const cards = [...links.values()].map(({ card }) => card);
    const nothing = el(
      "div",
      { class: "card empty" },
      el("p", {}, "No bank is linked yet."),
      el("p", { class: "small" }, "Link one to see your balances and transactions here."),
    );
    list.replaceChildren(...(cards.length ? cards : [nothing, hint(false)]));
    if (!cards.length) summary.textContent = "Link a bank to get going.";
  }

  /** Follow a link, at once and afresh: something has just been asked of it, or it is new here. */
  function watch(id) {
    const entry = links.get(id);
    entry.watch?.abort();
    entry.watch = new AbortController();
    api.follow(id, (link) => void take(link), AbortSignal.any([signal, entry.watch.signal])).catch((error) => {
      if (isAbort(error)) return;
      if (error instanceof Problem && error.status === 404) remove(id);
      else attempt(() => Promise.reject(error));
    });
  }

  function take(link) {
    if (link.duplicate_of) return remove(link.id);
    const before = links.get(link.id).link;
    links.get(link.id).link = link;
    draw(link.id);
    const seen = ["transactions_status", "transactions_count", "last_synced"];
    if (seen.some((name) => before[name] !== link[name])) attempt(async () => (await loadAccounts(), draw(link.id), tellData()));
  }

  function remove(id) {
    links.get(id).watch.abort();
    links.delete(id);
    arrange();
    attempt(async () => (await loadAccounts(), arrange(), tellData()));
  }

  function draw(id) {
    const { link, card } = links.get(id);
    const own = accounts.filter((account) => account.linked_account_id === id);
    card.dataset.linkStatus = link.link_status;
    replace(
      card,
      el("header", {}, el("h3", {}, link.institution_name), badge(link)),
      (reasonText(link) || adviceText(link)) && el("p", { class: "reason" }, [reasonText(link), adviceText(link)].filter(Boolean).join(" ")),
      el("p", { class: "small" }, syncText(link)),
      own.length > 0 && el("ul", { class: "accounts" }, own.map(accountLine)),
      el("p", { class: "actions small-buttons" }, actions(link)),
    );
  }

  function actions(link) {
    const name = link.institution_name;
    const ask = (what, done) => () =>
      attempt(async () => {
        take(await api.post(`/v1/linked_accounts/${link.id}/${what}`));
        watch(link.id);
        say(done);
      });
    const erase = async () => {
      const text = `Its accounts and all ${link.transactions_count} transactions go, here and at the data provider. This cannot be undone.`;
      if (!(await confirmed(`Delete ${name}?`, text, "Delete"))) return;
      await attempt(async () => {
        await api.delete(`/v1/linked_accounts/${link.id}`);
        remove(link.id);
        say(`${name} is deleted.`);
        element.querySelector("button").focus();
      });
    };
    const stop = async () => {
      const text = "What was downloaded stays; nothing new comes in.";
      if (await confirmed(`Disconnect ${name}?`, text, "Disconnect")) await ask("disconnect", `${name} is disconnected.`)();
    };
    const labelled = (text) => ({ key: text, "aria-label": `${text}: ${name}`, kind: "quiet" });
    const wayOn = {
      credentials: "Enter your login again",
      challenge: "Answer the bank's question",
      bank_sign_in: "Sign in at the bank",
    }[link.retry_with];
    const canRefresh = link.link_status === "success" ? !link.is_refreshing : link.retry_with === "refresh";
    const refresh = link.link_status === "success" ? "Refresh" : "Try again";
    const mend = () => openModal({ linked_account_id: link.id });
    const signInThere = () =>
      attempt(async () => {
        const url = await openBankPage(api, link.id);
        if (url) links.get(link.id).card.append(el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, "Open the bank's page"));
        watch(link.id);
      });
    return [
      wayOn && button(wayOn, link.retry_with === "bank_sign_in" ? signInThere : mend, { ...labelled(wayOn), kind: "" }),
      link.link_status === "processing" && !wayOn && button("Show progress", mend, labelled("Show progress")),
      canRefresh && button(refresh, ask("refresh", `Asking ${name} for fresh data.`), labelled(refresh)),
      link.reason !== "disconnected" && button("Disconnect", stop, labelled("Disconnect")),
      button("Delete", erase, labelled("Delete")),
    ];
  }

  attempt(load);
  return { element };
}

/** A link's state as the API names it. */
export function badge(link) {
  const text = link.reason === "disconnected" ? "Disconnected" : link.link_status_label;
  return el("span", { class: "badge", "data-status": link.link_status }, text, link.is_refreshing && " · refreshing…");
}

/** How far the download is. */
export function syncText(link) {
  const count = `${link.transactions_count.toLocaleString("en-US")} transaction${link.transactions_count === 1 ? "" : "s"}`;
  if (link.transactions_status === "downloading") return `Downloading: ${count} so far`;
  if (link.transactions_status === "failed") return `The download did not finish: ${count} so far. It is tried again by itself.`;
  if (link.last_synced) return `${count}, up to date as of ${momentText(link.last_synced)}`;
  return "Nothing downloaded yet";
}

/** What people have before what they owe, by name. */
function inOrder(a, b) {
  return isDebt(a) - isDebt(b) || String(a.name).localeCompare(b.name);
}

function accountLine(account) {
  const amount = money(account.balance ?? "0", account.currency_code);
  const number = account.masked_number ? ` ·· ${String(account.masked_number).slice(-4)}` : "";
  return el(
    "li",
    {},
    el("span", { class: "name" }, account.name, el("small", {}, words(account.subtype ?? account.type) + number)),
    el("span", { class: "amount" }, amount, isDebt(account) && el("small", {}, "owed")),
  );
}

function inOneSentence(accounts) {
  if (!accounts.length) return "";
  const sums = new Map(); // currency → [has, owes], in cents
  for (const account of accounts.filter((one) => !one.is_closed)) {
    const sum = sums.get(account.currency_code) ?? [0, 0];
    sum[isDebt(account) ? 1 : 0] += toCents(account.balance ?? 0);
    sums.set(account.currency_code, sum);
  }
  const parts = [...sums].map(([currency, [has, owes]]) => {
    const rest = owes ? ` and owe ${money(owes / 100, currency)}` : "";
    return `${money(has / 100, currency)}${rest}`;
  });
  return `You have ${parts.join("; ")}.`;
}
