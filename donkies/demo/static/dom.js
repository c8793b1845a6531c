// Making elements, and writing money and dates. Text is always set as text: nothing here reads markup.

/**
 * Make an element.
 * @param properties attributes; those that start with `on` are listeners, `class` and `data-…` work as in HTML;
 *   false, null and undefined leave the attribute out
 * @param children elements and texts; false, null and undefined are left out
 */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same in SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== false && child !== null && child !== undefined));
  return element;
}

/**
 * Put new content into a place, and the keyboard's focus back to what has the same `data-key`.
 * When that is gone, the focus goes to the place itself instead of getting lost.
 */
export function replace(place, ...content) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  place.replaceChildren(...content.flat().filter(Boolean));
  if (!focused || focused === place) return;
  const key = focused.dataset.key;
  const again = key && [...place.querySelectorAll("[data-key]")].find((element) => element.dataset.key === key);
  if (!again) place.tabIndex = -1;
  (again || place).focus({ preventScroll: true });
}

/** A button; while its work runs it cannot be pressed again, and says so. */
export function button(label, onClick, { key = label, kind = "", ...more } = {}) {
  const made = el("button", { type: "button", class: kind, "data-key": key, ...more }, label);
  made.addEventListener("click", () => busy(made, onClick));
  return made;
}

/** Run work with a button disabled. aria-disabled, so that the focus stays where it is. */
export async function busy(pressed, work) {
  if (!pressed || pressed.getAttribute("aria-disabled") === "true") return;
  pressed.setAttribute("aria-disabled", "true");
  try {
    await work();
  } finally {
    pressed.removeAttribute("aria-disabled");
  }
}

/** Ask before something that cannot be undone. Resolves to true when it was confirmed. */
export function confirmed(title, text, action) {
  return new Promise((resolve) => {
    const dialog = el(
      "dialog",
      { "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text", onclose: () => (dialog.remove(), resolve(dialog.returnValue === "yes")) },
      el("h2", { id: "confirm-title" }, title),
      el("p", { id: "confirm-text" }, text),
      el(
        "p",
        { class: "actions" },
        button(action, () => dialog.close("yes"), { kind: "danger" }),
        button("Cancel", () => dialog.close(), { kind: "quiet", autofocus: true }),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

const currencies = new Map();

/** An amount as the API gives it (a decimal string), for reading. */
export function money(amount, currency) {
  const code = currency || "USD";
  if (!currencies.has(code)) currencies.set(code, new Intl.NumberFormat("en-US", { style: "currency", currency: code }));
  return currencies.get(code).format(amount); // strings are formatted exactly, without a detour over floats
}

/** Cents (or what the currency's hundredth is called), to add up without rounding errors. */
export const toCents = (amount) => Math.round(Number(amount) * 100);

const day = new Intl.DateTimeFormat("en-US", { day: "numeric", month: "short", timeZone: "UTC" });
const dayAndYear = new Intl.DateTimeFormat("en-US", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const moment = new Intl.DateTimeFormat("en-US", { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
const month = new Intl.DateTimeFormat("en-US", { month: "short", year: "numeric", timeZone: "UTC" });

/** A bank's date, which has no time zone; this year's without the year. */
export function dayText(date) {
  const isThisYear = date.startsWith(String(new Date().getFullYear()));
  return (isThisYear ? day : dayAndYear).format(new Date(`${date}T00:00:00Z`));
}

/** A point in time, in the reader's time zone. */
export const momentText = (time) => moment.format(new Date(time));

/** A month like 2026-11. */
export const monthText = (yearMonth) => month.format(new Date(`${yearMonth}-01T00:00:00Z`));

/** Words of MX's, such as CREDIT_CARD, for reading. */
export function words(code) {
  const text = String(code).replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function debounce(ms, work) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(work, ms, ...given);
  };
}
