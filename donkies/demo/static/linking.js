// Linking a bank: search, the bank's form, live state, questions, the way on from every outcome.
//
// The third way of ways.js, and the only module that touches bank credentials. It sends them through the API, which
// only a trusted first-party client may (scope `links:credentials`). The hosted page does all of this by itself: see
// hosted.js, which is all that most apps need.

import { isAbort, Problem } from "./api.js";
import { badge, syncText } from "./banks.js";
import { busy, button, confirmed, debounce, el } from "./dom.js";
import { hint } from "./hint.js";
import { openBankPage } from "./hosted.js";
import { reasonText } from "./reasons.js";

/** @param onDone called when the person is through, or leaves */
export function createLinking({ api, attempt, signal, onDone }) {
  const stage = el("section", { class: "card stage", "aria-live": "off" });
  const element = el(
    "div",
    { class: "linking" },
    el("div", { class: "hello" }, el("h1", { tabindex: -1 }, "Link a bank"), button("Back to the overview", onDone, { kind: "quiet" })),
    el("div", { class: "with-hint" }, stage, hint()),
  );
  let watching = new AbortController();
  const typed = new Map(); // what was typed, passwords excepted: nobody likes to write their user name twice
  let shownState = ""; // what the stage shows: polling must not wipe a half-filled form

  /** Put a screen on the stage; the heading gets the focus, so that screen readers tell what came. */
  function show(name, title, ...content) {
    const heading = el("h2", { tabindex: -1 }, title);
    stage.dataset.screen = name;
    stage.replaceChildren(heading, ...content.flat().filter(Boolean));
    heading.focus({ preventScroll: true });
    if (stage.getBoundingClientRect().top < 0) stage.scrollIntoView();
  }

  // -- choosing a bank ---------------------------------------------------------------------------------

  function start() {
    let searching = new AbortController();
    const results = el("div", { class: "results" });
    const found = el("p", { class: "small", role: "status" });
    const box = el("input", { type: "search", name: "search", autocomplete: "off", autocapitalize: "none", spellcheck: "false", placeholder: "MX Bank" });

    async function search(cursor = null) {
      searching.abort();
      searching = new AbortController();
      const query = { search: box.value.trim(), limit: 10, cursor };
      const page = await api.get("/v1/institutions", { query, signal: AbortSignal.any([signal, searching.signal]) });
      const banks = page.data.map((bank) =>
        el("li", {}, button(bank.name, () => attempt(() => choose(bank)), { kind: "bank", "data-code": bank.code })));
      if (cursor === null) results.replaceChildren(el("ul", {}, banks));
      else results.querySelector("ul").append(...banks);
      results.querySelector(".quiet")?.remove();
      if (page.next_cursor) results.append(button("More banks", () => attempt(() => search(page.next_cursor)), { kind: "quiet" }));
      if (cursor !== null) banks[0]?.querySelector("button").focus();
      const count = results.querySelectorAll("li").length;
      found.textContent = count ? `${count} bank${count === 1 ? "" : "s"}${page.next_cursor ? " and more" : ""}` : "No bank has a name like this.";
    }

    box.addEventListener("input", debounce(250, () => attempt(search)));
    show("search", "Choose your bank", el("label", { class: "field" }, el("span", {}, "Name of the bank"), box), found, results);
    box.focus({ preventScroll: true });
    return search();
  }

  async function choose(bank) {
    if (bank.supports_oauth) return showOwnSignIn(bank);
    const fields = (await api.get(`/v1/institutions/${encodeURIComponent(bank.code)}/credentials`, { signal })).data;
    // one key for this form: sent again after a broken network, it makes no second link
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const send = (credentials) => api.post("/v1/linked_accounts", { institution_code: bank.code, credentials }, headers);
    show(
      "credentials",
      `Log in to ${bank.name}`,
      el("p", {}, "Your login goes to the bank's data provider and is kept nowhere."),
      form(fields.map((field) => credentialField(field, typed)), "Link", async (credentials) => follow(await createdOrKnown(send, credentials))),
      button("Choose another bank", () => attempt(start), { kind: "plain" }),
    );
  }

  function showOwnSignIn(bank) {
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const create = async () => follow(await api.post("/v1/linked_accounts", { institution_code: bank.code }, headers));
    show(
      "credentials",
      bank.name,
      el("p", {}, "This bank takes no password from apps: you sign in on its own page, in a new window."),
      el("p", { class: "actions" }, button("Continue", () => attempt(create))),
      button("Choose another bank", () => attempt(start), { kind: "plain" }),
    );
  }

  /** The new link; or the old one, when this login is linked already. */
  async function createdOrKnown(send, credentials) {
    try {
      return await send(credentials);
    } catch (error) {
      if (error.code !== "already_linked" || !error.body.linked_account_id) throw error;
      return api.get(`/v1/linked_accounts/${error.body.linked_account_id}`, { signal });
    }
  }

  // -- following a link --------------------------------------------------------------------------------

  /** Show where a link stands now, and keep showing it as it moves. */
  function follow(link) {
    shownState = "";
    showLink(link);
    watching.abort();
    watching = new AbortController();
    const until = AbortSignal.any([signal, watching.signal]);
    api.follow(link.id, showLink, until).catch((error) => {
      if (isAbort(error)) return;
      if (error instanceof Problem && error.status === 404) onDone(); // deleted elsewhere
      else attempt(() => Promise.reject(error));
    });
  }

  /** Do something to a link; when the API says that it has moved on, look where it is. */
  async function command(link, work) {
    try {
      follow(await work());
    } catch (error) {
      if (error instanceof Problem && error.status === 409) follow(await api.get(`/v1/linked_accounts/${link.id}`, { signal }));
      throw error;
    }
  }

  function showLink(link) {
    const state = [link.link_status, link.reason, link.retry_with].join();
    if (state === shownState) {
      const progress = stage.querySelector(".progress");
      if (progress) progress.textContent = syncText(link);
      return;
    }
    shownState = state;
    if (link.retry_with === "challenge") return void attempt(() => showChallenges(link));
    if (link.retry_with === "bank_sign_in") return showBankSignIn(link);
    if (link.retry_with === "credentials") return void attempt(() => showFormAgain(link));
    const screens = { processing: showProcessing, success: showSuccess };
    (screens[link.link_status] ?? showError)(link);
  }

  function showProcessing(link) {
    show(
      "connecting",
      `Connecting to ${link.institution_name}`,
      state(link),
      el("div", { class: "spinner", "aria-hidden": "true" }),
      el("p", {}, "This may take a minute. You can go back meanwhile; it goes on by itself."),
    );
  }

  function showSuccess(link) {
    show(
      "success",
      `${link.institution_name} is linked`,
      state(link),
      el("p", { class: "progress", role: "status" }, syncText(link)),
      el("p", { class: "actions" }, button("See your accounts", onDone)),
    );
  }

  async function showFormAgain(link) {
    const fields = (await api.get(`/v1/institutions/${encodeURIComponent(link.institution_code)}/credentials`, { signal })).data;
    show(
      link.link_status === "wrong_credentials" ? "wrong_credentials" : "error",
      link.link_status === "wrong_credentials" ? "Please check your login" : `Log in to ${link.institution_name} again`,
      state(link),
      form(fields.map((field) => credentialField(field, typed)), "Try again", (credentials) =>
        command(link, () => api.put(`/v1/linked_accounts/${link.id}/credentials`, { credentials }))),
      removeButton(link),
    );
  }

  async function showChallenges(link) {
    const { data } = await api.get(`/v1/linked_accounts/${link.id}/challenges`, { signal });
    if (!data.length) return; // answered or expired meanwhile: the next look tells
    show(
      "challenge",
      `${link.institution_name} asks`,
      state(link),
      form(data.map(challengeField), "Answer", (answers) =>
        command(link, () => api.post(`/v1/linked_accounts/${link.id}/challenges`, { answers }))),
      removeButton(link),
    );
  }

  function showBankSignIn(link) {
    const hasLeft = link.link_status !== "processing";
    show(
      "bank_sign_in",
      `Sign in at ${link.institution_name}`,
      state(link),
      el("p", { class: "actions" }, button(hasLeft ? "Try again at the bank's page" : "Open the bank's page", () => openBank(link))),
      el("p", { class: "small" }, "It opens in a new window. Come back here when you are done; this page notices by itself."),
      removeButton(link),
    );
  }

  async function openBank(link) {
    await attempt(async () => {
      const url = await openBankPage(api, link.id);
      if (url) stage.append(el("p", {}, el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, "Open the bank's page")));
    });
    watching.abort();
    await attempt(async () => follow(await api.get(`/v1/linked_accounts/${link.id}`, { signal })));
  }

  function showError(link) {
    const again = () => command(link, () => api.post(`/v1/linked_accounts/${link.id}/refresh`));
    show(
      "error",
      `${link.institution_name} could not be linked`,
      state(link),
      link.retry_with === "refresh" && el("p", { class: "actions" }, button("Try again", () => attempt(again))),
      removeButton(link),
    );
  }

  /** The state as the API names it, and why in plain words. */
  function state(link) {
    return el("div", { class: "state" }, badge(link), reasonText(link) && el("p", { class: "reason" }, reasonText(link)));
  }

  function removeButton(link) {
    const erase = async () => {
      if (!(await confirmed(`Remove ${link.institution_name}?`, "The link goes, with all that was downloaded.", "Remove"))) return;
      watching.abort();
      await api.delete(`/v1/linked_accounts/${link.id}`);
      onDone();
    };
    return button("Remove this bank", () => attempt(erase), { kind: "plain" });
  }

  /** A form of fields that each give { guid, value }; what was refused is said beside its field. */
  function form(fields, action, send) {
    const submit = el("button", {}, action);
    const made = el("form", { autocomplete: "off", novalidate: true }, fields.map(({ element }) => element), el("p", { class: "actions" }, submit));
    made.addEventListener("change", () => complain(fields, [])); // what is being mended need not be complained of
    made.addEventListener("submit", (event) => {
      event.preventDefault();
      const empty = fields.filter((field) => !field.value()).map((field) => [field.guid, "Please fill this in."]);
      if (complain(fields, empty)) return;
      busy(submit, () => attempt(async () => {
        try {
          await send(fields.map((field) => ({ guid: field.guid, value: field.value() })));
        } catch (error) {
          const refused = error instanceof Problem ? error.fields.map(({ field, detail }) => [field, detail]) : [];
          if (!complain(fields, refused)) throw error;
        }
      }));
    });
    return made;
  }

  return { element, start };
}

/** Write complaints beside their fields and go to the first. Returns whether there were any that fit. */
function complain(fields, complaints) {
  const byGuid = new Map(complaints);
  for (const field of fields) field.complain(byGuid.get(field.guid) ?? "");
  const first = fields.find((field) => byGuid.has(field.guid));
  first?.focus();
  return Boolean(first);
}

/** A label, an input and a place for a complaint. */
function plainField(guid, label, input, ...above) {
  input.id = `field-${guid}`;
  input.name = guid;
  const complaint = el("p", { class: "error", id: `error-${guid}`, hidden: true });
  input.setAttribute("aria-describedby", complaint.id);
  return {
    guid,
    element: el("div", { class: "field" }, el("label", { for: input.id }, label), above, complaint, input),
    value: () => input.value,
    focus: () => input.focus(),
    complain(text) {
      complaint.textContent = text;
      complaint.hidden = !text;
      input.toggleAttribute("aria-invalid", Boolean(text));
    },
  };
}

function credentialField({ guid, label, type, options }, typed) {
  if (type === "OPTIONS") return plainField(guid, label, el("select", {}, options.map(({ label: text, value }) => el("option", { value }, text))));
  const quiet = { autocomplete: "off", autocapitalize: "none", spellcheck: "false" };
  if (type === "PASSWORD") return plainField(guid, label, el("input", { type: "password", ...quiet }));
  const onchange = (event) => typed.set(guid, event.target.value);
  return plainField(guid, label, el("input", { type: "text", value: typed.get(guid), onchange, ...quiet }));
}

/** A bank's question. A type that is not known is asked as text. */
function challengeField(challenge) {
  const { guid, type, label } = challenge;
  if (type === "OPTIONS") return choiceField(guid, label, challenge.options);
  if (type === "IMAGE_OPTIONS") return choiceField(guid, label, challenge.image_options);
  const input = el("input", { type: "text", autocomplete: type === "TOKEN" ? "one-time-code" : "off", inputmode: type === "TOKEN" ? "text" : null, autocapitalize: "none", spellcheck: "false" });
  return plainField(guid, label, input, type === "IMAGE_DATA" && image(challenge.image_data, "The picture that the bank sent"));
}

function choiceField(guid, label, options) {
  const complaint = el("p", { class: "error", hidden: true });
  const element = el(
    "fieldset",
    { class: "choices" },
    el("legend", {}, label),
    complaint,
    options.map((option) => el(
      "label",
      {},
      el("input", { type: "radio", name: guid, value: option.value }),
      option.data_uri && image(option.data_uri, ""),
      el("span", {}, option.label),
    )),
  );
  return {
    guid,
    element,
    value: () => element.querySelector("input:checked")?.value ?? "",
    focus: () => element.querySelector("input").focus(),
    complain(text) {
      complaint.textContent = text;
      complaint.hidden = !text;
    },
  };
}

/** A picture that came inside the answer; addresses of pictures elsewhere are not followed. */
function image(dataUri, alt) {
  return String(dataUri).startsWith("data:image/") && el("img", { src: dataUri, alt });
}
