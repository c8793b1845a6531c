// A page with every way to link a bank, for developers to compare; most apps need the first and no page like this.

import { busy, button, el } from "./dom.js";
import { mxConnectUrl, openHosted, showHosted } from "./hosted.js";

/**
 * @param onForm called when the bank's form is to be shown by this app
 * @param onDone called when the person is through, or leaves
 */
export function createWays({ api, attempt, onForm, onDone }) {
  const way = (title, text, control) => el("li", { class: "card" }, el("h2", {}, title), el("p", {}, text), el("p", { class: "actions" }, control));
  const leave = ({ linked_account_id }) => linked_account_id && onDone();

  const hosted = button("Open the hosted page", () => attempt(async () => leave(await openHosted(api, {}))));
  const form = button("Use this app's form", onForm, { kind: "quiet" });
  const ways = el(
    "ol",
    { class: "ways" },
    way("The hosted page", "The backend's own page over this one. This app never sees the bank's password. What “Link a bank” opens.", hosted),
    way(
      "A form of this app's",
      "This app asks for the bank's login itself and sends it through the API. Only a trusted first-party app may, with the scope links:credentials.",
      form,
    ),
  );

  async function offerMxConnect() {
    let url = await mxConnectUrl(api);
    if (!url) return;
    const openWidget = async () => {
      const once = url ?? (await mxConnectUrl(api));
      url = null;
      leave(await showHosted(once));
    };
    const widget = el("button", { type: "button", class: "quiet", onclick: () => busy(widget, () => attempt(openWidget)) }, "Open MX Connect");
    ways.children[0].after(way("MX Connect", "MX's own widget in the backend's page, with the same events.", widget));
  }

  attempt(offerMxConnect);
  return {
    element: el(
      "div",
      { class: "linking" },
      el("div", { class: "hello" }, el("h1", {}, "Ways to link a bank"), button("Back to the overview", onDone, { kind: "quiet" })),
      ways,
    ),
  };
}
