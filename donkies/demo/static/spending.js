// The numbers behind the picture of spending: sums by month and by category, in cents. The API adds up.

import { monthText, toCents } from "./dom.js";

const MONTHS = 12;
const CATEGORIES = 8;
const NOT_SPENT = new Set(["Transfer", "Credit Card Payment", "Investments", "Buy"]); // it is still the person's money

/**
 * @returns { currency, count, months, categories, names, note }: months and categories as [{ label, cents }], the oldest
 *   month and the largest category first; names are the categories that a filter can ask for
 */
export async function readSpending(api, signal) {
  const months = lastMonths(new Date());
  const sums = async (group_by, more = {}) => {
    const query = { group_by, type: "debit", from: `${months[0]}-01`, ...more };
    return (await api.get("/v1/transactions/summary", { query, signal })).data;
  };
  const [inMonths, inCategories] = await Promise.all([sums("month"), sums("category")]);
  const names = [...new Set(inCategories.map(({ key }) => key).filter(Boolean))];
  const left = await Promise.all(names.filter((name) => NOT_SPENT.has(name)).map((category) => sums("month", { category })));

  const spent = inCategories.filter(({ key }) => !NOT_SPENT.has(key));
  const currency = mostUsed(spent);
  const isCounted = (line) => line.currency_code === currency; // currencies are never added up together
  const byMonth = new Map(inMonths.filter(isCounted).map(({ key, debit }) => [key, toCents(debit)]));
  for (const { key, debit } of left.flat().filter(isCounted)) byMonth.set(key, byMonth.get(key) - toCents(debit));
  const counted = spent.filter(isCounted);
  const first = months.findIndex((key) => byMonth.has(key)); // no empty months before the first payment
  const notes = [
    "Money out in the last twelve months, without transfers and investments; refunds are not taken off.",
    counted.length < spent.length && `Only what was paid in ${currency}.`,
  ];
  return {
    currency,
    count: counted.reduce((sum, { count }) => sum + count, 0),
    months: months.slice(Math.max(0, first)).map((key) => ({ label: monthText(key), cents: byMonth.get(key) ?? 0 })),
    categories: largest(counted.map(({ label, debit }) => ({ label: label ?? "Uncategorized", cents: toCents(debit) }))),
    names,
    note: notes.filter(Boolean).join(" "),
  };
}

/** The last months as the API writes dates, like 2026-11; the oldest first. */
function lastMonths(now) {
  const month = (back) => new Date(Date.UTC(now.getFullYear(), now.getMonth() - back)).toISOString().slice(0, 7);
  return Array.from({ length: MONTHS }, (_, index) => month(MONTHS - 1 - index));
}

/** The currency of most payments. */
function mostUsed(lines) {
  const counts = new Map();
  for (const { currency_code, count } of lines) counts.set(currency_code, (counts.get(currency_code) ?? 0) + count);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "USD";
}

function largest(categories) {
  categories.sort((a, b) => b.cents - a.cents);
  const rest = categories.slice(CATEGORIES).reduce((sum, { cents }) => sum + cents, 0);
  return [...categories.slice(0, CATEGORIES), ...(rest ? [{ label: "Everything else", cents: rest }] : [])];
}
