// A picture of spending, by month and by category: SVG made here, with the same numbers in tables.

import { el, money, svg } from "./dom.js";
import { readSpending } from "./spending.js";

const GAP = 40; // between the two pictures, where there is room for both in a row; see style.css

/** @param onCategories called with the names of the categories that were seen */
export function createSpending({ api, attempt, signal, onCategories }) {
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

  /**
   * Read the numbers and draw them; asked again meanwhile, it starts over once.
   * @param isMore whether transactions are still coming: then what is drawn will do until they are there
   */
  async function reload({ isMore = false } = {}) {
    if (isMore && spending?.count) return;
    again = running;
    if (running) return;
    running = true;
    await attempt(async () => {
      spending = await readSpending(api, signal);
      onCategories(spending.names);
      draw();
    });
    running = false;
    if (again) reload();
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
      figure("By month", columns(lastMonths, currency, sheet), table("Month", months, currency)),
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

const inFull = (cents, currency) => money((cents / 100).toFixed(2), currency);

function inShort(cents, currency) {
  const style = { style: "currency", currency, notation: "compact", maximumFractionDigits: cents >= 100_000 && cents < 1_000_000 ? 1 : 0 };
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
