// The table of transactions: newest first, searched and filtered by the API, page by page.

import { button, dayText, debounce, el, money } from "./dom.js";

const PAGE = 50;
const LIMIT = 500; // the most that the API gives at once

export function createTransactions({ api, attempt, signal }) {
  const field = (label, input, kind = "") => el("label", { class: `field ${kind}` }, el("span", {}, label), input);
  const option = (value, text) => el("option", { value }, text);
  const q = el("input", { type: "search", name: "q", placeholder: "Coffee", autocomplete: "off" });
  const account = el("select", { name: "account_id" }, option("", "All"));
  const type = el("select", { name: "type" }, option("", "In and out"), option("debit", "Money out"), option("credit", "Money in"));
  const from = el("input", { type: "date", name: "from" });
  const to = el("input", { type: "date", name: "to" });
  const category = el("select", { name: "category" }, option("", "All"));
  const amount = (name) => el("input", { type: "number", name, min: 0, step: "any", inputmode: "decimal", placeholder: "Any" });
  const [least, most] = [amount("min_amount"), amount("max_amount")];
  const clear = button("Clear", () => (filters.reset(), q.focus(), reload()), { kind: "quiet" });
  const chosen = el("span", { class: "badge", "data-status": "processing" });
  const fields = el(
    "div",
    { class: "fields" },
    field("Account", account), field("Category", category), field("Direction", type),
    field("From", from), field("To", to), field("At least", least), field("At most", most),
  );
  const filters = el(
    "form",
    { class: "filters", role: "search", "aria-label": "Transactions", autocomplete: "off", onsubmit: (event) => (event.preventDefault(), reload()) },
    el("div", { class: "search" }, field("Search", q), clear),
    el("details", { open: matchMedia("(min-width: 48rem)").matches }, el("summary", {}, "Filters ", chosen), fields),
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
      el("th", { scope: "col", class: "roomy" }, "Date"),
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
  let isEmptyShown = false;
  let asked = 0; // answers to earlier questions are dropped

  const query = () => {
    const given = Object.fromEntries(new FormData(filters)); // the fields carry the API's names
    return { ...given, q: given.q.trim() };
  };
  const isFiltered = () => Object.values(query()).some(Boolean);

  /** What cannot be asked for, in words; null when all is well. */
  function complaint({ from, to, min_amount, max_amount }) {
    if ([least, most].some((input) => !input.validity.valid)) return "An amount is a number, 0 or more, such as 12.50.";
    if (from && to && from > to) return "“From” is later than “To”: nothing can be between them.";
    if (min_amount && max_amount && Number(min_amount) > Number(max_amount)) return "“At least” is more than “At most”: nothing can be between them.";
    return null;
  }

  function reload({ hasLinks = false } = {}) {
    isEmptyShown ||= hasLinks;
    const number = ++asked;
    const wrong = complaint(query());
    if (wrong) return refuse(wrong);
    return attempt(async () => {
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
    const isNothing = rows.length === 0 && !isFiltered();
    element.hidden = isNothing && !isEmptyShown; // no bank is linked: that is said elsewhere
    filters.hidden = isNothing; // nothing to search in yet
    table.hidden = rows.length === 0;
    more.hidden = cursor === null;
    tellFilters();
    const all = cursor === null ? "That is all." : "There are more.";
    const nothing = isNothing ? "No transactions yet. They appear here by themselves once the bank has sent them." : "No transaction fits. Change the filters, or clear them.";
    shown.textContent = rows.length ? `${rows.length} shown. ${all}` : nothing;
    setCategories(rows.map((row) => row.category).filter(Boolean));
  }

  /** Say what is wrong with the filters in place of rows that would not fit them. */
  function refuse(text) {
    [rows, cursor] = [[], null];
    table.hidden = more.hidden = true;
    tellFilters();
    shown.textContent = text;
  }

  function tellFilters() {
    const { q: _, ...others } = query();
    const count = Object.values(others).filter(Boolean).length;
    chosen.textContent = count ? `${count} set` : "";
    chosen.hidden = count === 0;
    clear.hidden = !isFiltered();
  }

  /** Offer these too; the API knows no list of categories, so they are those that were seen. */
  function setCategories(seen) {
    const known = [...category.options].map((one) => one.value);
    const added = [...new Set(seen)].filter((name) => !known.includes(name));
    if (!added.length) return;
    const value = category.value;
    const all = [...known.filter(Boolean), ...added].sort((a, b) => a.localeCompare(b));
    category.replaceChildren(option("", "All"), ...all.map((name) => option(name, name)));
    category.value = value;
  }

  function line(row) {
    const category = row.category ?? row.top_level_category ?? "";
    const name = names.get(row.account_id) ?? "";
    const isIn = row.type === "credit";
    return el(
      "tr",
      { tabindex: -1 },
      el("td", { class: "date roomy" }, el("time", { datetime: row.date }, dayText(row.date))),
      el(
        "td",
        {},
        row.description ?? row.original_description ?? "",
        row.status === "pending" && el("span", { class: "badge", "data-status": "pending" }, "Pending"),
        el("small", { class: "narrow" }, [dayText(row.date), category, name].filter(Boolean).join(" · ")),
      ),
      el("td", { class: "roomy" }, category),
      el("td", { class: "roomy" }, name),
      el("td", { class: isIn ? "amount in" : "amount" }, (isIn ? "+" : "−") + money(row.amount, row.currency_code)),
    );
  }

  return {
    element,
    reload,
    setCategories,
    setAccounts(accounts) {
      names = new Map(accounts.map((one) => [one.id, one.name]));
      const before = account.value;
      const text = (one) => (one.bank ? `${one.name} (${one.bank})` : one.name);
      account.replaceChildren(option("", "All"), ...accounts.map((one) => option(one.id, text(one))));
      account.value = names.has(before) ? before : "";
    },
  };
}
