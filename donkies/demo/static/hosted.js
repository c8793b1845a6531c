// The backend's own page for linking a bank, over this one: one call, one script, and no password in this app.

import { Unreachable } from "./api.js";

/**
 * Open the page and wait until it is closed.
 * @param body of POST /v1/link_sessions: {} to link a bank, { linked_account_id } to mend a link
 * @param onEvent told of what happens there: { type, linked_account_id?, … }
 * @returns { linked_account_id }, null when nothing was linked; what it says is a hint, the API tells the truth
 */
export async function openHosted(api, body, onEvent) {
  const { url } = await api.post("/v1/link_sessions", body);
  return showHosted(url, onEvent);
}

/** The same for an address that is there already; it counts once. */
export function showHosted(url, onEvent) {
  if (!window.Donkies) throw new Unreachable("The page for linking could not be loaded. Please reload this page and try again.");
  return new Promise((resolve) => window.Donkies.open({ url, onEvent, onExit: resolve }));
}

/** Whether the backend offers MX's widget: the address of its page, or null. */
export async function mxConnectUrl(api) {
  try {
    return (await api.post("/v1/link_sessions", { mode: "mx_connect" })).url;
  } catch (error) {
    if (error.status === 422) return null; // this backend, or its MX account, has none
    throw error;
  }
}

/**
 * Open a bank's own sign-in page in a new window; call it in a click.
 * @returns its address when the browser lets no window open: offer it as a link
 */
export async function openBankPage(api, id) {
  const bankWindow = open("", "_blank"); // by the click itself, so that no pop-up blocker minds; where to comes later
  try {
    const { url } = await api.post(`/v1/linked_accounts/${id}/authorize`);
    if (!bankWindow) return url;
    bankWindow.opener = null;
    bankWindow.location = url;
    return null;
  } catch (error) {
    bankWindow?.close();
    throw error;
  }
}
