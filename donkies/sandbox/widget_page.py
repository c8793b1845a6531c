"""The widget's markup and script.

As MX's own it posts messages only when it sits in a frame, and only to the page around it (ATRIUM.md 6.5, 7).
"""

MARKUP = """
<section id="search"><label>Search <input id="name" autocomplete="off"></label><div id="found"></div></section>
<form id="form" hidden></form>
<p id="note" role="status"></p>
<p id="more" hidden></p>
"""

SCRIPT = """
const at = id => document.getElementById(id);
const around = location.ancestorOrigins?.[0] || (document.referrer && new URL(document.referrer).origin);
const say = (type, metadata = {}) => window.parent !== window && around && window.parent.postMessage({mx: true, type,
  metadata: {user_guid: settings.user_guid, session_guid: settings.session_guid, ...metadata}}, around);
let step = "", member = settings.member_guid, bank = null, last = null;

async function ask(method, path, body) {
  const answer = await fetch(`/connect/${settings.session}/api${path}`, {method,
    headers: {"Content-Type": "application/json"}, body: body && JSON.stringify(body)});
  const text = await answer.text();
  const read = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Error(read.error ? read.error.message : answer.status);
  return read;
}
function go(next) {
  say("mx/connect/stepChange", {previous: step, current: next});
  step = next;
  at("search").hidden = next !== "search";
  at("form").hidden = !["enterCreds", "mfa", "loginError"].includes(next);
  at("more").hidden = !["enterCreds", "loginError", "connected"].includes(next);
  at("note").textContent = next === "connecting" ? "Connecting\u2026" : next === "enterCreds" ? bank.name || "" : "";
}
function offer(...ways) {
  at("more").replaceChildren(...ways.map(([label, work, kind]) => {
    const button = document.createElement("button");
    button.textContent = label; button.className = kind || "quiet"; button.onclick = work;
    const line = document.createElement("p"); line.append(button); return line;
  }));
}
async function back() {
  member = last = null;
  say("mx/connect/backToSearch");
  go("search");
  await search();
}
async function remove() {
  await ask("DELETE", `/members/${member}`);
  say("mx/connect/memberDeleted", {member_guid: member});
  await back();
}
async function search() {
  const query = at("name").value;
  if (query) say("mx/connect/institutionSearch", {query});
  const {institutions} = await ask("GET", `/institutions?name=${encodeURIComponent(query)}`);
  at("found").replaceChildren(...institutions.map(i => {
    const button = document.createElement("button");
    button.textContent = i.name; button.className = "quiet"; button.onclick = () => choose(i.code, i.name, i.url);
    const line = document.createElement("p"); line.append(button); return line;
  }));
}
async function choose(code, name, url) {
  bank = {code, guid: null, name};
  say("mx/connect/selectedInstitution", {code, guid: null, name, url});
  await credentials();
}
async function credentials(step = "enterCreds") {
  const asked = (await ask("GET", `/institutions/${bank.code}/credentials`)).credentials;
  if (!asked.length) return bankSignIn();
  const {name, ...institution} = bank;
  go(step);
  offer(["Choose another bank", back], ...(step === "loginError" ? [["Remove this bank", remove]] : []));
  fields(asked, async values => {
    say(member ? "mx/connect/updateCredentials" : "mx/connect/enterCredentials",
        member ? {member_guid: member, institution} : {institution});
    try {
      const body = {member: {institution_code: bank.code, credentials: values}};
      const made = member ? await ask("PUT", `/members/${member}`, body) : await ask("POST", "/members", body);
      member = made.member.guid;
      follow();
    } catch (error) {
      at("note").textContent = error.message;
      say("mx/connect/createMemberError", {institution_guid: null, institution_code: bank.code});
    }
  });
}
async function bankSignIn() {
  const made = member ? (await ask("GET", `/members/${member}/oauth_window_uri`)).member
    : (await ask("POST", "/members", {member: {institution_code: bank.code, is_oauth: true}})).member;
  member = made.guid;
  say("mx/connect/oauthRequested", {url: made.oauth_window_uri, member_guid: member});
  const link = document.createElement("a");
  link.href = made.oauth_window_uri; link.target = "_blank"; link.textContent = "Go to the bank";
  go("connecting");
  at("note").replaceChildren(link);
  follow();
}
function fields(asked, send) {
  const form = at("form");
  form.replaceChildren(...asked.map(one => {
    const label = document.createElement("label");
    label.append(one.label);
    if (one.image_data) label.append(Object.assign(new Image(), {src: one.image_data}));
    const choices = one.options || one.image_options;
    const input = document.createElement(choices ? "select" : "input");
    if (choices) input.append(...choices.map(c => new Option(c.label, c.value)));
    else { input.type = one.type === "PASSWORD" ? "password" : "text"; input.autocomplete = "off"; }
    input.name = one.guid; label.append(input); return label;
  }));
  const button = document.createElement("button"); button.textContent = "Continue"; form.append(button);
  form.onsubmit = event => {
    event.preventDefault();
    send(asked.map(one => ({guid: one.guid, value: form.elements[one.guid].value})));
  };
}
async function follow() {
  if (step !== "connecting") go("connecting");
  const {member: now} = await ask("GET", `/members/${member}/status`);
  const status = now.connection_status;
  if (status !== last) say("mx/connect/memberStatusUpdate",
    {member_guid: member, connection_status: settings.status_ids[status]});
  last = status;
  if (status === "CHALLENGED") {
    go("mfa");
    return fields(now.challenges, async values => {
      say("mx/connect/submitMFA", {member_guid: member});
      await ask("PUT", `/members/${member}/resume`, {member: {challenges: values}});
      follow();
    });
  }
  if (status === "PENDING" && !at("note").querySelector("a")) return bankSignIn();
  if (now.is_being_aggregated || status === "PENDING") return setTimeout(follow, 500);
  if (status === "CONNECTED") {
    say("mx/connect/memberConnected", {member_guid: member});
    go("connected");
    at("note").textContent = "Connected.";
    return offer(["Done", () => say("mx/connect/memberConnected/primaryAction", {member_guid: member}), "primary"]);
  }
  say("mx/connect/memberError", {member: {guid: member, connection_status: settings.status_ids[status]}});
  await credentials("loginError");
  at("note").textContent = `It did not work: ${status}.`;
}
(async () => {
  say("mx/load");
  if (member) {
    bank = {code: settings.institution_code, guid: null, name: settings.institution_name};
    await (settings.update_credentials ? credentials() : follow());
  }
  else if (settings.institution_code) await choose(settings.institution_code, settings.institution_name, null);
  else { go("search"); at("name").oninput = search; await search(); }
  say("mx/connect/loaded", {initial_step: step});
  setInterval(() => say("mx/ping"), 30000);
})();
"""
