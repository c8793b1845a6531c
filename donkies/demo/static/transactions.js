// The table of transactions: newest first, searched and filtered by the API, page by page.

import { button, dayText, debounce, el, money } from "./dom.js";

const PAGE = 50;
const LIMIT = 500; // the most that the API gives at once

export function createTransactions({ api, attempt, signal }) {
  const field = (label, input, kind = "") => el("label", { class: `field ${kind}` }, el("span", {}, label), input);
  const option = (value, text) => el("option", { value }, text);
  const q = el("input", { type: "search", name: "q", placeholder: "Coffee", autocomplete: "off" });
  const account = el("select", { name: "account_id" }, option("", "All accounts"));
  const type = el("select", { name: "type" }, option("", "In and out"), option("debit", "Money out"), option("credit", "Money in"));
  const from = el("input", { type: "date", name: "from" });
  const to = el("input", { type: "date", name: "to" });
  const clear = button("Clear", () => (filters.reset(), reload()), { kind: "quiet" });
  const filters = el(
    "form",
    { class: "filters", role: "search", "aria-label": "Transactions", autocomplete: "off", onsubmit: (event) => (event.preventDefault(), reload()) },
    field("Search", q, "broad"), field("Account", account), field("Direction", type), field("From", from), field("To", to), clear,
  );
  filters.addEventListener("change", () => reload());
  q.addEventListener("input", debounce(300, () => reload()));

  const body = el("tbody");
  const shown = el("p", { class: "small", role: "status" });
  const more = button("Load more", () => attempt(loadMore), { kind: "quiet", hidden: true });
  const table = el(
    "table",
    { class: "transactions", hidden: true },
    el("caption", { class: "sr" }, "Transactions, newest first"),
    el("thead", {}, el("tr", {},
      el("th", { scope: "col" }, "Date"),
      el("th", { scope: "col" }, "Description"),
      el("th", { scope: "col", class: "roomy" }, "Category"),
      el("th", { scope: "col", class: "roomy" }, "Account"),
      el("th", { scope: "col", class: "amount" }, "Amount"),
    )),
    body,
  );
  const element = el(
    "section",
    { class: "card", "aria-labelledby": "transactions-title", hidden: true },
    el("h2", { id: "transactions-title" }, "Transactions"),
    filters, table, el("div", { class: "more" }, shown, more),
  );

  let names = new Map(); // account id → name
  let rows = [];
  let cursor = null;
  let asked = 0; // answers to earlier questions are dropped

  const query = () => ({ q: q.value.trim(), account_id: account.value, type: type.value, from: from.value, to: to.value });
  const isFiltered = () => Object.values(query()).some(Boolean);

  function reload() {
    return attempt(async () => {
      const number = ++asked;
      // as many as were on the screen, so that nothing vanishes while a download goes on
      const limit = Math.min(Math.max(PAGE, isFiltered() ? 0 : rows.length), LIMIT);
      const page = await api.get("/v1/transactions", { query: { ...query(), limit }, signal });
      if (number === asked) show(page.data, page.next_cursor);
    });
  }

  async function loadMore() {
    const number = asked;
    const page = await api.get("/v1/transactions", { query: { ...query(), limit: PAGE, cursor }, signal });
    if (number !== asked) return;
    const first = rows.length;
    show([...rows, ...page.data], page.next_cursor);
    body.rows[first]?.focus({ preventScroll: true }); // reading goes on where it stopped
  }

  function show(data, next) {
    [rows, cursor] = [data, next];
    body.replaceChildren(...rows.map(line));
    element.hidden = rows.length === 0 && !isFiltered(); // nothing to search in yet
    table.hidden = rows.length === 0;
    more.hidden = cursor === null;
    clear.hidden = !isFiltered();
    const all = cursor === null ? "That is all." : "There are more.";
    shown.textContent = rows.length ? `${rows.length} shown. ${all}` : "No transaction fits these filters.";
  }

  function line(row) {
    const category = row.category ?? row.top_level_category ?? "";
    const name = names.get(row.account_id) ?? "";
    const isIn = row.type === "credit";
    return el(
      "tr",
      { tabindex: -1 },
      el("td", { class: "date" }, el("time", { datetime: row.date }, dayText(row.date))),
      el(
        "td",
        {},
        row.description ?? row.original_description ?? "",
        row.status === "pending" && el("span", { class: "badge", "data-status": "pending" }, "Pending"),
        el("small", { class: "narrow" }, [category, name].filter(Boolean).join(" · ")),
      ),
      el("td", { class: "roomy" }, category),
      el("td", { class: "roomy" }, name),
      el("td", { class: isIn ? "amount in" : "amount" }, (isIn ? "+" : "−") + money(row.amount, row.currency_code)),
    );
  }

  return {
    element,
    reload,
    setAccounts(accounts) {
      names = new Map(accounts.map((one) => [one.id, one.name]));
      const chosen = account.value;
      const text = (one) => (one.bank ? `${one.name} (${one.bank})` : one.name);
      account.replaceChildren(option("", "All accounts"), ...accounts.map((one) => option(one.id, text(one))));
      account.value = names.has(chosen) ? chosen : "";
    },
  };
}
