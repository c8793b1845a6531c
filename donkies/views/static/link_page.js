// The page of a link session: search, the bank's form, live state, questions, the way on from every outcome.
// What is typed goes to this service alone, and the token that lets it stays in this closure.
(() => {
  "use strict";

  const OPENER = document.body.dataset.origin || null; // the only origin that may frame this page
  const HANDLE = new URLSearchParams(location.search).get("s") || "";
  const IS_FRAMED = window.parent !== window;
  const WAIT_MS = 10_000;
  const LEAVE_MS = 3_000;
  const LOGO_AGAIN_MS = 1_500;
  const REASONS = {
    credentials_rejected: "The bank did not accept what you typed. Check it and try again.",
    credentials_incomplete: "The bank needs more than what was filled in.",
    bank_sign_in_abandoned: "You did not finish signing in on your bank's page.",
    user_action_at_bank: "Your bank needs something from you. Sign in at its own website, settle it, then try again here.",
    challenge_rejected: "The bank did not accept the answer.",
    challenge_expired: "The bank's question was open for too long. Try again to get a new one.",
    needs_user: "Your bank asks a question before it gives new data. What you have stays.",
    institution_down: "The bank cannot be reached right now. Try again in a few minutes.",
    institution_discontinued: "This bank can no longer be linked. Choose another one.",
    connection_closed: "This connection was closed at the bank. Link it anew.",
    disconnected: "This bank was disconnected. Link it anew.",
    disabled_by_operator: "This connection was switched off. Please contact support.",
    no_feed: "The bank gives no data for this login.",
    timed_out: "The bank took too long. Try again.",
    member_limit: "You have linked as many banks as is possible.",
    member_gone: "The connection to this bank is gone. Make it anew.",
    already_linked: "This login seems to be linked already. Try again in a minute.",
    job_running: "The bank is still busy with this login. Try again in a minute.",
    unknown_status: "The bank answered something that is not understood here. Try again.",
    aggregator_misbehaved: "The service that talks to banks did not answer as it should. Try again in a few minutes.",
    aggregator_refused_us: "Banks cannot be reached from here right now. Please contact support.",
    aggregator_down: "The service that talks to banks cannot be reached right now. Try again in a few minutes.",
    aggregator_throttled: "There is much to do right now. Try again in a minute.",
  };

  const ENDED = new Set(["connection_closed", "disconnected"]); // the bank is there, and can be linked anew
  const STEPS = ["Signing in at your bank", "Getting your accounts"];
  const OFFLINE = "No connection: the network is down, or we are. ";
  const AT_BANK = "Go on in the bank's window. This page notices by itself when you are done; if that window is gone, open it again.";
  const BANK_WINDOW = "It opens in a new window. Come back here when you are done; this page notices by itself.";

  const stage = document.getElementById("stage");
  const said = document.getElementById("said");
  const typed = new Map(); // what was typed, passwords excepted: nobody likes to write a user name twice
  let session = null;
  let start = location.hash.slice(1);
  let link = null;
  let watching = new AbortController();
  let wake = () => {}; // ends the wait before the next look
  let shown = ""; // the state on the stage: polling must not wipe a half-filled form
  let told = ""; // the state that the opener was told of last
  let focusTo = null;
  let connectingSince = 0;
  let looked = null; // the answer whose accounts were asked for
  let bankWindow = null;
  let isKnown = false; // this login was linked before
  let widget = null; // MX's own, where the session is one with it: see mx_connect.js
  let isSettled = false; // nothing would be lost by leaving

  if (location.hash) history.replaceState(null, "", location.pathname + location.search); // it counts once; no history keeps it

  // -- elements: text is always set as text ------------------------------------------------------------

  function el(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value === false || value === null || value === undefined) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter(Boolean));
    return made;
  }

  function button(label, work, kind = "", more = {}) {
    const made = el("button", { type: "button", class: kind, ...more }, label);
    made.addEventListener("click", () => busy(made, work));
    return made;
  }

  /** Run work once, however often it is asked for; what goes wrong is said on the screen. */
  async function busy(pressed, work) {
    if (pressed.getAttribute("aria-disabled") === "true") return;
    pressed.setAttribute("aria-disabled", "true");
    stage.querySelector("#trouble")?.remove();
    try {
      await work();
    } catch (error) {
      trouble(error);
    } finally {
      pressed.removeAttribute("aria-disabled");
    }
  }

  function show(screen, title, ...content) {
    const heading = el("h1", { tabindex: -1 }, title);
    const section = el("div", { "data-screen": screen }, heading, ...content);
    stage.replaceChildren(bar(), section);
    document.title = title;
    window.scrollTo(0, 0);
    focusOn(heading);
    return section;
  }

  /** A frame that has not got the focus itself may not put it anywhere; then that is made up for. */
  function focusOn(element) {
    focusTo = element;
    element.focus({ preventScroll: true });
  }

  function bar() {
    const who = el("p", {}, el("strong", {}, session.app), " links a bank for ", el("strong", {}, session.person));
    return el("div", { class: "bar" }, who, button("Close", leave, "quiet", { id: "close" }));
  }

  function trouble(error) {
    if (error.name === "AbortError") return;
    if (error.code === "link_session_over") return over();
    tell("error", { code: error.code || "network" });
    alarm(error.code ? error.message : `${OFFLINE}Try again.`);
  }

  function alarm(text) {
    if (stage.querySelector("#trouble")?.textContent === text) return; // said once is enough
    stage.querySelector("#trouble")?.remove();
    stage.querySelector("h1").after(el("p", { class: "summary", role: "alert", id: "trouble" }, text));
  }

  /** Until the first answer: a slow network leaves nobody before an empty page. */
  function moment() {
    stage.replaceChildren(bar(), el("h1", { tabindex: -1 }, "One moment…"), el("div", { class: "spinner", "aria-hidden": "true" }));
    focusOn(stage.querySelector("h1"));
  }

  // -- asking this service, and telling the opener -------------------------------------------------------

  async function ask(method, path, { body, headers = {}, signal, keepalive } = {}) {
    const options = { method, signal, keepalive, cache: "no-store", credentials: path === "session" ? "same-origin" : "omit", headers: { ...headers } };
    if (session) options.headers.Authorization = `Link ${session.token}`;
    if (body !== undefined) {
      options.headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    const response = await fetch(`/link/${path}`, options);
    if (response.status === 304) return null;
    const answer = response.status === 204 ? {} : await response.json();
    if (response.ok) return Object.defineProperty(answer, "tag", { value: response.headers.get("ETag") });
    throw Object.assign(new Error(answer.detail), { code: answer.code, fields: answer.errors || [], location: answer.location });
  }

  function tell(type, more = {}) {
    if (IS_FRAMED && OPENER) parent.postMessage({ source: "donkies", type, ...more }, OPENER);
  }

  // -- beginning ----------------------------------------------------------------------------------------

  /** Ask who frames us, and go on only when that is the origin, and it answers what we asked. */
  function handshake() {
    const nonce = crypto.getRandomValues(new Uint32Array(4)).join("-");
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("nobody answered")), WAIT_MS);
      addEventListener("message", function answered(event) {
        const { source, type, ...more } = event.data ?? {};
        if (event.source !== parent || event.origin !== OPENER || source !== "donkies") return;
        if (type !== "welcome" || more.nonce !== nonce) return;
        removeEventListener("message", answered);
        clearTimeout(timer);
        resolve(String(more.start));
      });
      tell("hello", { nonce });
    });
  }

  async function begin() {
    try {
      if (IS_FRAMED) {
        if (!OPENER) return;
        start = await handshake();
      }
      const opened = await ask("POST", "session", { body: { session: HANDLE, start: start || null, framed: IS_FRAMED } });
      start = "";
      session = opened;
      if (session.mode === "mx_connect") widget = window.DonkiesWidget({ session, el, show, ask, tell, follow, trouble, over, leave, current: () => link });
    } catch (error) {
      if (error.code === "log_in_first") return location.replace(error.location);
      return refused(error);
    }
    if (IS_FRAMED) {
      tell("renewal", { start: session.renewal });
      addEventListener("message", (event) => {
        const { source, type } = event.data ?? {};
        if (event.source === parent && event.origin === OPENER && source === "donkies" && type === "close") leave();
      });
    }
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
      event.preventDefault(); // or the browser would close the question that this asks
      leave();
    });
    addEventListener("focus", () => {
      if (document.activeElement === document.body) focusTo?.focus({ preventScroll: true });
    });
    addEventListener("online", () => wake());
    document.addEventListener("visibilitychange", () => document.hidden || wake());
    moment();
    tell("ready");
    await beginAt();
  }

  async function beginAt() {
    try {
      if (session.linked_account_id) follow(await ask("GET", "account"));
      else if (widget) await widget.open();
      else if (session.institution_code) await choose(session.institution_code);
      else await search();
    } catch (error) {
      if (!stage.querySelector("[data-screen]")) {
        const again = button("Try again", beginAt);
        show("error", "This did not work", el("p", { class: "actions" }, again, button("Choose another bank", search, "quiet")));
      }
      trouble(error);
    }
  }

  /** No session, so nobody is named. */
  function refused(error) {
    const text = error.code ? error.message : "This page could not be opened here. Go back to the app that you came from and begin again.";
    stage.replaceChildren(el("h1", { tabindex: -1 }, "This cannot be opened"), el("p", { class: "detail", role: "alert" }, text));
    tell("error", { code: error.code || "not_opened" });
  }

  function over() {
    watching.abort();
    isSettled = true;
    show("error", "This link session is over", el("p", { class: "detail" }, "Go back to the app and begin again. A bank that was linked stays linked."));
    tell("error", { code: "link_session_over" });
  }

  // -- leaving ------------------------------------------------------------------------------------------

  async function leave() {
    if (document.querySelector("dialog[open]")) return;
    const dirty = [...stage.querySelectorAll("form input, form select")].some((one) => (one.type === "radio" ? one.checked : one.value !== (one.defaultValue ?? "")));
    const isAsked = link && ["challenge", "bank_sign_in"].includes(link.retry_with) && link.link_status !== "success";
    if (!isSettled && (dirty || isAsked) && !(await confirmed(dirty))) return;
    watching.abort();
    const closing = ask("POST", "close", { keepalive: true }).catch(() => ({})); // the frame may be gone before it is sent
    const found = widget && !link ? await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, LEAVE_MS, {}))]) : {};
    const linked = link ? { linked_account_id: link.id } : found;
    if (IS_FRAMED) return tell("exit", linked);
    if (session.return_uri) {
      const back = new URL(session.return_uri);
      for (const [name, value] of Object.entries(linked)) back.searchParams.set(name, value);
      return location.replace(back);
    }
    stage.replaceChildren(el("h1", { tabindex: -1 }, "You can close this window"));
  }

  function confirmed(dirty) {
    const lost = dirty ? "What you typed here is gone then." : "Your bank still waits for you. You can go on later from your app.";
    return new Promise((resolve) => {
      const stay = button("Stay", () => dialog.close(), "quiet");
      const dialog = el("dialog", { class: "ask", "aria-labelledby": "ask-title", onclose: () => (dialog.remove(), focusTo?.focus(), resolve(dialog.returnValue === "yes")) },
        el("h2", { id: "ask-title" }, "Leave without finishing?"),
        el("p", {}, lost),
        el("div", { class: "choice" }, stay, button("Leave", () => dialog.close("yes"))));
      document.body.append(dialog);
      dialog.showModal();
      stay.focus();
    });
  }

  // -- choosing a bank ----------------------------------------------------------------------------------

  async function search() {
    watching.abort();
    link = null;
    if (widget) return widget.open(true);
    let searching = new AbortController();
    let timer;
    const list = el("ul", { class: "banks" });
    const more = el("div");
    const input = el("input", { type: "search", id: "bank", name: "search", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 200 });
    const count = el("p", { class: "small", role: "status" });

    async function look(cursor = null) {
      searching.abort();
      searching = new AbortController();
      const query = new URLSearchParams({ search: input.value.trim(), limit: 10 });
      if (cursor) query.set("cursor", cursor);
      const page = await ask("GET", `institutions?${query}`, { signal: searching.signal });
      const banks = page.data.map((bank) => el("li", {}, bankButton(bank)));
      if (cursor) list.append(...banks);
      else list.replaceChildren(...banks);
      more.replaceChildren(...(page.next_cursor ? [button("More banks", () => look(page.next_cursor), "quiet")] : []));
      if (cursor) banks[0]?.querySelector("button").focus();
      const found = list.children.length;
      count.textContent = found ? `${found}${page.next_cursor ? " and more" : ""} found` : "No bank has a name like this.";
    }

    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => look().catch(trouble), 250);
    });
    show("search", "Choose your bank", el("div", { class: "field spaced" }, el("label", { for: "bank" }, "Name of the bank"), input), count, list, more);
    focusOn(input);
    await look().catch((error) => {
      more.replaceChildren(button("Try again", () => look(), "quiet"));
      throw error;
    });
  }

  function bankButton(bank) {
    const made = button(bank.name, () => choose(bank.code));
    made.prepend(emblem(bank));
    return made;
  }

  /** The bank's logo, which comes from this service alone; its initials until then, and where there is none. */
  function emblem({ name, logo_url }) {
    const initials = name.split(/\s+/).slice(0, 2).map((word) => word[0]).join("").toUpperCase();
    const place = el("span", { class: "initials", "aria-hidden": "true" }, initials);
    if (!logo_url) return place;
    const src = new URL(logo_url).pathname;
    const logo = el("img", { alt: "", src });
    logo.addEventListener("load", () => place.replaceChildren(logo));
    logo.addEventListener("error", () => setTimeout(() => (logo.src = src), LOGO_AGAIN_MS), { once: true }); // many were fetched just then
    return place;
  }

  async function choose(code) {
    const { institution, fields } = await ask("GET", `institutions/${encodeURIComponent(code)}`);
    tell("institution_selected", { institution_code: institution.code });
    const headers = { "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") }; // one for this form: sent again, it makes no second link
    const make = async (credentials) => {
      const body = institution.supports_oauth ? { institution_code: code } : { institution_code: code, credentials };
      const made = await ask("POST", "account", { body, headers });
      isKnown = made.is_known;
      if (!isKnown) tell("link_created", { linked_account_id: made.id });
      follow(made);
    };
    const other = button("Choose another bank", search, "plainly");
    if (institution.supports_oauth) {
      const go = el("form", {}, el("button", {}, "Continue"));
      go.addEventListener("submit", (event) => (event.preventDefault(), busy(go.querySelector("button"), () => make([]))));
      show("credentials", institution.name, el("p", { class: "detail" }, "You sign in on the bank's own page, in a new window. Your password is typed only there."), go, other);
      return;
    }
    show("credentials", `Log in to ${institution.name}`,
      el("p", { class: "detail" }, `Your login goes on to the bank by its data provider. It is kept nowhere here, and ${session.app} never sees it.`),
      form(fields.map(credentialField), "Link", make), other);
  }

  // -- following the link -------------------------------------------------------------------------------

  function follow(now) {
    shown = "";
    bankWindow = null;
    watching.abort();
    watching = new AbortController();
    showLink(now);
    poll(now, watching.signal);
  }

  async function poll(now, signal) {
    let tag = null;
    let failures = 0;
    while (!signal.aborted) {
      await pause(failures ? Math.min(30_000, 1_000 * 2 ** (failures - 1)) : now.poll_after_ms);
      if (signal.aborted) return;
      try {
        const next = await ask("GET", "account", { signal, headers: tag ? { "If-None-Match": tag } : {} });
        if (signal.aborted) return;
        if (failures) stage.querySelector("#trouble")?.remove();
        failures = 0;
        if (next) [tag, now] = [next.tag, next];
        showLink(now); // also when nothing is new: how long it takes is told too
        if (bankWindow?.closed) sayClosed();
      } catch (error) {
        if (signal.aborted) return;
        if (error.code === "link_session_over") return over();
        if (error.code === "not_found") return void search().catch(trouble); // the link was deleted elsewhere
        if (!failures) tell("error", { code: error.code || "network" });
        failures += 1;
        alarm(`${error.code ? `${error.message} ` : OFFLINE}This page tries again by itself.`);
      }
    }
  }

  function pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => (clearTimeout(timer), resolve());
    });
  }

  /** Send something for the link; where it has moved on meanwhile, look where it is. */
  async function command(method, path, body) {
    try {
      follow(await ask(method, path, { body }));
    } catch (error) {
      if (error.code !== "illegal_transition") throw error;
      follow(await ask("GET", "account"));
    }
  }

  function showLink(now) {
    link = now;
    const { id, link_status, reason, retry_with } = now;
    const isConnecting = link_status === "processing" && !retry_with;
    const state = isConnecting ? "connecting" : [link_status, reason, retry_with].join();
    if (told !== [id, link_status, reason].join()) {
      told = [id, link_status, reason].join();
      tell("status", { linked_account_id: id, link_status, reason });
    }
    if (state === shown) return progress(now);
    shown = state;
    isSettled = link_status === "success" && retry_with !== "challenge";
    if (widget?.keeps(now)) return;
    if (retry_with === "challenge") return attempt(showChallenges);
    if (retry_with === "bank_sign_in") return showBankSignIn(now);
    if (retry_with === "credentials") return attempt(showFormAgain);
    if (link_status === "success") return showSuccess(now);
    return isConnecting ? showConnecting(now) : showError(now);
  }

  function attempt(work) {
    const { signal } = watching;
    work(link).catch((error) => {
      if (signal.aborted) return;
      shown = ""; // the next look tries once more
      if (!stage.querySelector("[data-screen]")) show("error", "One moment");
      trouble(error);
    });
  }

  function reasonOf(now) {
    const text = now.reason && (REASONS[now.reason] ?? `Something went wrong (${now.reason}).`);
    return text && el("p", { class: "summary" }, text);
  }

  function showConnecting(now) {
    connectingSince = performance.now();
    show("connecting", `Connecting to ${now.institution_name}`, el("ol", { class: "stepping" }, STEPS.map((step) => el("li", {}, step))),
      el("p", { id: "progress", role: "status" }), el("p", { class: "small" }, "You may close this: it goes on by itself, and nothing is lost."));
    progress(now);
  }

  function progress(now) {
    const place = stage.querySelector("#progress");
    if (!place) return;
    const isDone = now.link_status === "success";
    const at = now.connection_status === "CONNECTED" ? 1 : 0;
    stage.querySelectorAll(".stepping li").forEach((step, i) => {
      step.className = i < at ? "done" : "";
      if (i === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
    const text = isDone ? downloadText(now) : waitText(now, at);
    if (place.textContent !== text) place.textContent = text;
    if (isDone && now !== looked) found(now).catch(() => {});
  }

  /** Why it takes long is not known here, our own part may stand still too: so nobody is blamed. */
  function waitText(now, at) {
    const seconds = (performance.now() - connectingSince) / 1000;
    if (now.reason) return `${REASONS[now.reason] ? REASONS[now.reason].replace(/ Try again.*/, "") : "This takes longer."} It is tried again by itself.`;
    if (seconds > 60) return "This is slow today, and not over yet. Look again later, or wait here.";
    return seconds > 15 ? "This takes longer than usual, and goes on." : `${STEPS[at]}…`;
  }

  function downloadText(now) {
    if (now.transactions_status === "complete") return `${now.transactions_count} transactions are here.`;
    return now.transactions_status === "failed" ? "Your transactions come later; we try again by ourselves." : "Your transactions are on their way.";
  }

  function showSuccess(now) {
    const known = isKnown && el("p", { class: "notice" }, "You had linked this login before, so nothing was linked twice.");
    const done = el("form", {}, el("button", {}, "Done"));
    done.addEventListener("submit", (event) => (event.preventDefault(), busy(done.querySelector("button"), leave)));
    show("success", `${now.institution_name} is linked`, known, el("p", { id: "progress", class: "detail", role: "status" }, downloadText(now)), el("ul", { class: "rows", id: "found" }), done);
    tell("success", { linked_account_id: now.id, institution_code: now.institution_code });
    found(now).catch(() => {});
  }

  async function found(now) {
    looked = now;
    const { data } = await ask("GET", "account/found", { signal: watching.signal });
    const place = stage.querySelector("#found");
    if (!place || now.id !== link?.id) return;
    place.replaceChildren(...data.map((one) => el("li", {}, el("strong", {}, one.name), el("span", { class: "small" }, accountText(one)))));
  }

  const accountText = ({ type, masked_number }) => [type && type.charAt(0) + type.slice(1).toLowerCase().replaceAll("_", " "), masked_number].filter(Boolean).join(" · ");

  async function showFormAgain(now) {
    const { fields } = await ask("GET", `institutions/${encodeURIComponent(now.institution_code)}`, { signal: watching.signal });
    const isWrong = now.link_status === "wrong_credentials";
    show(isWrong ? "wrong_credentials" : "error", isWrong ? "Please check your login" : `Log in to ${now.institution_name} again`, reasonOf(now),
      form(fields.map(credentialField), "Try again", (credentials) => command("PUT", "account/credentials", { credentials })),
      button("Choose another bank", search, "plainly"));
    said.textContent = isWrong ? "Wrong Username/Password" : "";
  }

  async function showChallenges(now) {
    const { data } = await ask("GET", "account/challenges", { signal: watching.signal });
    if (!data.length) return void (shown = ""); // answered or expired meanwhile: the next look tells
    show("challenge", `${now.institution_name} asks`, reasonOf(now),
      form(data.map(challengeField), "Answer", (answers) => command("POST", "account/challenges", { answers })));
  }

  function showBankSignIn(now) {
    const go = el("form", {}, el("button", {}, now.link_status === "processing" ? "Open the bank's page" : "Try again at the bank's page"));
    go.addEventListener("submit", (event) => (event.preventDefault(), busy(go.querySelector("button"), openBank)));
    show("bank_sign_in", `Sign in at ${now.institution_name}`, now.link_status !== "processing" && reasonOf(now),
      el("p", { class: "detail", id: "at-bank", role: "status" }, bankWindow ? AT_BANK : BANK_WINDOW),
      go, button("Choose another bank", search, "plainly"));
  }

  async function openBank() {
    // opened by the click itself, so that no pop-up blocker minds; where to is known a moment later
    const popup = open("", "_blank");
    try {
      const { url } = await ask("POST", "account/authorize");
      if (popup) {
        popup.opener = null;
        popup.location = url;
        bankWindow = popup;
        say(AT_BANK);
      } else {
        const way = el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, "Go to the bank's page");
        stage.querySelector("#at-bank")?.after(el("p", {}, "Your browser opened no window. ", way));
      }
    } catch (error) {
      popup?.close();
      throw error;
    }
  }

  function sayClosed() {
    bankWindow = null; // or it went to a page that cuts the tie: then the person may be there still
    say("The bank's window is closed, or out of sight from here. If you did not finish there, open it again.");
  }

  function say(text) {
    const place = stage.querySelector("#at-bank");
    if (place) place.textContent = text;
  }

  function showError(now) {
    const again = el("form", {}, el("button", {}, "Try again"));
    again.addEventListener("submit", (event) => (event.preventDefault(), busy(again.querySelector("button"), () => command("POST", "account/refresh"))));
    show("error", `${now.institution_name} could not be linked`, reasonOf(now), now.retry_with === "refresh" && again,
      ENDED.has(now.reason) && el("p", { class: "actions" }, button("Link it anew", () => choose(now.institution_code))),
      button("Choose another bank", search, "plainly"));
  }

  // -- forms --------------------------------------------------------------------------------------------

  function form(fields, action, send) {
    const submit = el("button", {}, action);
    const made = el("form", { autocomplete: "off", novalidate: true }, fields.map(({ element }) => element), submit);
    made.addEventListener("submit", (event) => {
      event.preventDefault();
      if (complain(fields, fields.filter((one) => !one.value().trim()).map((one) => [one.guid, "Please fill this in."]))) return;
      busy(submit, async () => {
        try {
          await send(fields.map((one) => ({ guid: one.guid, value: one.value() })));
        } catch (error) {
          if (!complain(fields, (error.fields || []).map(({ field, detail }) => [field, detail]))) throw error;
        }
      });
    });
    return made;
  }

  function complain(fields, complaints) {
    const texts = new Map(complaints);
    for (const one of fields) one.complain(texts.get(one.guid) ?? "");
    const first = fields.find((one) => texts.has(one.guid));
    first?.focus();
    return Boolean(first);
  }

  function field(guid, label, input, picture) {
    const error = el("p", { class: "error", id: `error-${guid}`, hidden: true });
    input.id = `field-${guid}`;
    input.setAttribute("aria-describedby", error.id);
    return {
      guid,
      element: el("div", { class: "field" }, el("label", { for: input.id }, label), picture, error, input),
      value: () => input.value,
      focus: () => input.focus(),
      complain(text) {
        error.textContent = text;
        error.hidden = !text;
        if (text) input.setAttribute("aria-invalid", "true");
        else input.removeAttribute("aria-invalid");
      },
    };
  }

  function credentialField(one) {
    if (one.options.length) {
      const options = one.options.map(({ label, value }) => el("option", { value }, label));
      return field(one.guid, one.label, el("select", { name: one.guid }, el("option", { value: "" }, "Choose"), options));
    }
    const isSecret = one.type === "PASSWORD";
    const input = el("input", { name: one.guid, type: isSecret ? "password" : "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 1000 });
    if (!isSecret) {
      input.value = input.defaultValue = typed.get(one.guid) ?? "";
      input.addEventListener("input", () => typed.set(one.guid, input.value));
    }
    return field(one.guid, one.label, input);
  }

  const picture = (uri, alt) => String(uri).startsWith("data:image/") && el("img", { class: "asked", src: uri, alt });

  function challengeField(one) {
    const pictures = one.image_options.length > 0;
    const options = pictures ? one.image_options : one.options;
    if (!options.length) {
      const input = el("input", { name: one.guid, type: "text", autocomplete: one.type === "TOKEN" ? "one-time-code" : "off", autocapitalize: "none", spellcheck: "false", maxlength: 1000 });
      return field(one.guid, one.label, input, picture(one.image_data, "The picture that the bank shows"));
    }
    const error = el("p", { class: "error", id: `error-${one.guid}`, hidden: true });
    const choices = options.map(({ label, value, data_uri }) => el("label", {}, el("input", { type: "radio", name: one.guid, value }), data_uri && picture(data_uri, ""), label));
    const group = el("fieldset", { class: "options", "aria-describedby": error.id }, el("legend", {}, one.label), error, choices);
    return {
      guid: one.guid,
      element: group,
      value: () => group.querySelector(":checked")?.value ?? "",
      focus: () => group.querySelector("input").focus(),
      complain(text) {
        error.textContent = text;
        error.hidden = !text;
      },
    };
  }

  begin();
})();
