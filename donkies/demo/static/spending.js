// The numbers behind the picture of spending: sums by month and by category, in cents.
//
// They are added up here from the payments of the last twelve months. A backend that adds up itself may take this
// module's place: whoever draws needs `readSpending` only.

import { monthText, toCents } from "./dom.js";

const MONTHS = 12;
const PAGE = 500; // the most that the API gives at once
const CAP = 5000; // payments that are looked at; more would keep phones busy
const CATEGORIES = 8;
const NOT_SPENT = new Set(["Transfer", "Investments"]); // it is still the person's money

/**
 * @returns { currency, count, months, categories, names, note }: months and categories as [{ label, cents }], the oldest
 *   month and the largest category first; names are the categories that a filter can ask for
 */
export async function readSpending(api, signal) {
  const months = lastMonths(new Date());
  const { rows, isCut } = await readPayments(api, `${months[0]}-01`, signal);
  const spent = rows.filter((row) => row.is_expense !== false && !NOT_SPENT.has(row.top_level_category));
  const currency = mostFrequent(spent.map((row) => row.currency_code)) ?? "USD";
  const counted = spent.filter((row) => row.currency_code === currency);
  const byMonth = sums(counted, (row) => row.date.slice(0, 7));
  const byCategory = [...sums(counted, (row) => row.top_level_category ?? "Uncategorized")].sort((a, b) => b[1] - a[1]);
  const rest = byCategory.slice(CATEGORIES).reduce((sum, [, cents]) => sum + cents, 0);
  const shown = [...byCategory.slice(0, CATEGORIES), ...(rest ? [["Everything else", rest]] : [])];
  const first = months.findIndex((key) => byMonth.has(key)); // no empty months before the first payment
  const notes = [
    "Money out in the last twelve months, without transfers and investments; refunds are not taken off.",
    isCut && `Made of the newest ${rows.length.toLocaleString("en-US")} payments, so the first months may be incomplete.`,
    counted.length < spent.length && `Only what was paid in ${currency}.`,
  ];
  return {
    currency,
    count: counted.length,
    months: months.slice(Math.max(0, first)).map((key) => ({ label: monthText(key), cents: byMonth.get(key) ?? 0 })),
    categories: shown.map(([label, cents]) => ({ label, cents })),
    names: [...new Set(rows.map((row) => row.category).filter(Boolean))],
    note: notes.filter(Boolean).join(" "),
  };
}

async function readPayments(api, from, signal) {
  const rows = [];
  let cursor = null;
  do {
    const page = await api.get("/v1/transactions", { query: { type: "debit", from, limit: PAGE, cursor }, signal });
    rows.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor && rows.length < CAP);
  return { rows, isCut: cursor !== null };
}

/** The last months as the API writes dates, like 2026-11; the oldest first. */
function lastMonths(now) {
  const month = (back) => new Date(Date.UTC(now.getFullYear(), now.getMonth() - back)).toISOString().slice(0, 7);
  return Array.from({ length: MONTHS }, (_, index) => month(MONTHS - 1 - index));
}

function sums(rows, keyOf) {
  const found = new Map();
  for (const row of rows) found.set(keyOf(row), (found.get(keyOf(row)) ?? 0) + toCents(row.amount));
  return found;
}

function mostFrequent(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}
