// The journey of a front end, by the client that openapi-typescript makes of /openapi.json.
import createClient from "openapi-fetch";
import type { components, paths } from "./donkies.js";

declare const process: { argv: string[] };
declare const console: { log(line: string): void };

type Link = components["schemas"]["LinkedAccount"];

const [, , baseUrl = "", token = ""] = process.argv;
const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

function there<T>(answer: { data?: T; error?: { code?: string; detail?: string } | unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const me = there(await api.GET("/v1/users/me"));
const banks = there(await api.GET("/v1/institutions", { params: { query: { search: "MX Bank" } } }));
const form = there(await api.GET("/v1/institutions/{code}/credentials", { params: { path: { code: "mxbank" } } }));
const typed = new Map<string, string>([["LOGIN", "test_atrium"], ["PASSWORD", "any"]]);
const credentials = form.data.map((one, at) => ({ guid: one.guid, value: [...typed.values()][at] ?? "" }));

let link: Link = there(
  await api.POST("/v1/linked_accounts", {
    params: { header: { "Idempotency-Key": "journey-1" } },
    body: { institution_code: "mxbank", credentials },
  }),
);
const path = { id: link.id };
while (link.link_status === "processing" || link.transactions_status !== "complete") {
  await new Promise((then) => (globalThis as unknown as { setTimeout(f: unknown, ms: number): void }).setTimeout(then, 50));
  link = there(await api.GET("/v1/linked_accounts/{id}", { params: { path } }));
  if (link.link_status === "other_error") throw new Error(link.reason ?? "other_error");
}

let rows = 0;
let cursor: string | null = null;
do {
  const query: { limit: number; cursor?: string } = cursor === null ? { limit: 100 } : { limit: 100, cursor };
  const page = there(await api.GET("/v1/transactions", { params: { query } }));
  rows += page.data.filter((one) => one.type === "debit" || one.type === "credit").length;
  cursor = page.next_cursor;
} while (cursor !== null);

const refused = await api.GET("/v1/transactions", { params: { query: { limit: 501 } } });
const gone = await api.DELETE("/v1/linked_accounts/{id}", { params: { path } });
console.log(JSON.stringify({
  me: me.id,
  banks: banks.data.map((one) => one.code),
  rows,
  refused: refused.error?.code,
  gone: gone.response.status,
}));
