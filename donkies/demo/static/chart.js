// A picture of spending, by month and by category: SVG made here, with the same numbers in tables.

import { el, money, monthText, svg, toCents } from "./dom.js";

const PAGE = 500;
const CAP = 2000; // payments that are looked at; more would keep phones busy
const CATEGORIES = 8;
const GAP = 40; // between the two pictures, where there is room for both in a row; see style.css
const NOT_SPENT = new Set(["Transfer", "Investments"]); // it is still the person's money

export function createSpending({ api, attempt, signal }) {
  const pictures = el("div", { class: "pictures" });
  const note = el("p", { class: "small" });
  const element = el(
    "section",
    { class: "card", "aria-labelledby": "spending-title", hidden: true },
    el("h2", { id: "spending-title" }, "Where the money goes"),
    pictures, note,
  );
  let spending = null;
  let width = 0;
  let running = false;
  let again = false;

  /** Read the payments and draw them; asked again meanwhile, it starts over once. */
  async function reload() {
    again = running;
    if (running) return;
    running = true;
    await attempt(async () => {
      spending = addUp(await readPayments());
      draw();
    });
    running = false;
    if (again) reload();
  }

  async function readPayments() {
    const rows = [];
    let cursor = null;
    do {
      const page = await api.get("/v1/transactions", { query: { type: "debit", limit: PAGE, cursor }, signal });
      rows.push(...page.data);
      cursor = page.next_cursor;
    } while (cursor && rows.length < CAP);
    return { rows, hasMore: cursor !== null };
  }

  function draw() {
    element.hidden = spending.count === 0;
    if (element.hidden) return;
    const tablesOpen = [...pictures.querySelectorAll("details")].map((details) => details.open);
    const { months, categories, currency } = spending;
    width = pictures.clientWidth;
    const sheet = Math.max(220, width > 640 ? Math.floor((width - GAP) / 2) : width);
    const lastMonths = months.slice(sheet < 420 ? -6 : -12);
    pictures.replaceChildren(
      figure("By month", columns(lastMonths, currency, sheet), table("Month", lastMonths, currency)),
      figure("By category", bars(categories, currency, sheet), table("Category", categories, currency)),
    );
    pictures.querySelectorAll("details").forEach((details, index) => (details.open = tablesOpen[index] ?? false));
    note.textContent = spending.note;
  }

  new ResizeObserver(() => {
    if (spending && pictures.clientWidth !== width) requestAnimationFrame(draw);
  }).observe(element);

  return { element, reload };
}

/** Sums by month and by category, in cents: [{ label, cents }]. */
function addUp({ rows, hasMore }) {
  const spent = rows.filter((row) => row.is_expense !== false && !NOT_SPENT.has(row.top_level_category));
  const currency = mostFrequent(spent.map((row) => row.currency_code));
  const counted = spent.filter((row) => row.currency_code === currency);
  const byMonth = new Map();
  const byCategory = new Map();
  for (const row of counted) {
    const cents = toCents(row.amount);
    const category = row.top_level_category ?? "Uncategorized";
    byMonth.set(row.date.slice(0, 7), (byMonth.get(row.date.slice(0, 7)) ?? 0) + cents);
    byCategory.set(category, (byCategory.get(category) ?? 0) + cents);
  }
  const sorted = [...byCategory].map(([label, cents]) => ({ label, cents })).sort((a, b) => b.cents - a.cents);
  const rest = sorted.slice(CATEGORIES).reduce((sum, { cents }) => sum + cents, 0);
  const notes = [
    `Money out, without transfers and investments; refunds are not taken off.`,
    hasMore && `Made of the newest ${rows.length.toLocaleString("en-US")} payments, so the first month may be incomplete.`,
    counted.length < spent.length && `Only what was paid in ${currency}.`,
  ];
  return {
    currency,
    count: counted.length,
    months: [...byMonth].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, cents]) => ({ label: monthText(key), cents })),
    categories: rest ? [...sorted.slice(0, CATEGORIES), { label: "Everything else", cents: rest }] : sorted,
    note: notes.filter(Boolean).join(" "),
  };
}

function mostFrequent(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "USD";
}

const inFull = (cents, currency) => money((cents / 100).toFixed(2), currency);

function inShort(cents, currency) {
  const style = { style: "currency", currency, notation: "compact", maximumFractionDigits: cents < 1_000_000 ? 1 : 0 };
  return new Intl.NumberFormat("en-US", style).format(cents / 100);
}

function figure(caption, picture, numbers) {
  return el(
    "figure",
    {},
    el("figcaption", {}, caption),
    picture,
    el("details", {}, el("summary", {}, "The same as a table"), numbers),
  );
}

function table(first, entries, currency) {
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, first), el("th", { scope: "col", class: "amount" }, "Spent"))),
    el("tbody", {}, entries.map(({ label, cents }) =>
      el("tr", {}, el("th", { scope: "row" }, label), el("td", { class: "amount" }, inFull(cents, currency))))),
  );
}

/** An SVG that says in words what it shows. */
function picture(name, title, entries, currency, width, height, ...shapes) {
  const all = entries.map(({ label, cents }) => `${label}: ${inFull(cents, currency)}`).join("; ");
  return svg(
    "svg",
    { class: "chart", role: "img", "aria-labelledby": `${name}-title ${name}-desc`, width, height, viewBox: `0 0 ${width} ${height}` },
    svg("title", { id: `${name}-title` }, title),
    svg("desc", { id: `${name}-desc` }, all),
    ...shapes,
  );
}

function columns(entries, currency, width) {
  const [height, top, bottom] = [220, 24, 24];
  const most = Math.max(...entries.map(({ cents }) => cents));
  const slot = width / entries.length;
  const thick = Math.min(56, slot * 0.62);
  const shapes = entries.flatMap(({ label, cents }, index) => {
    const middle = slot * (index + 0.5);
    const tall = Math.max(2, ((height - top - bottom) * cents) / most);
    const y = height - bottom - tall;
    return [
      svg("rect", { class: "bar-fill", x: middle - thick / 2, y, width: thick, height: tall, rx: 4 }),
      svg("text", { class: "value", x: middle, y: y - 7, "text-anchor": "middle" }, inShort(cents, currency)),
      svg("text", { x: middle, y: height - 6, "text-anchor": "middle" }, slot < 70 ? label.slice(0, 3) : label),
    ];
  });
  const ground = svg("line", { class: "ground", x1: 0, x2: width, y1: height - bottom + 0.5, y2: height - bottom + 0.5 });
  return picture("months", "Spending by month", entries, currency, width, height, ...shapes, ground);
}

function bars(entries, currency, width) {
  const row = 38;
  const most = Math.max(...entries.map(({ cents }) => cents));
  const shapes = entries.flatMap(({ label, cents }, index) => {
    const y = index * row;
    return [
      svg("text", { x: 0, y: y + 13 }, label),
      svg("text", { class: "value", x: width, y: y + 13, "text-anchor": "end" }, inFull(cents, currency)),
      svg("rect", { class: "bar-ground", x: 0, y: y + 19, width, height: 10, rx: 5 }),
      svg("rect", { class: "bar-fill", x: 0, y: y + 19, width: Math.max(6, (width * cents) / most), height: 10, rx: 5 }),
    ];
  });
  return picture("categories", "Spending by category", entries, currency, width, entries.length * row, ...shapes);
}
