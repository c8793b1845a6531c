// What the API's stable codes mean, in plain words.

import { momentText } from "./dom.js";

const REASONS = {
  credentials_rejected: "The bank did not accept the user name or password.",
  credentials_incomplete: "The bank needs more than what was filled in.",
  bank_sign_in: "Your bank wants you to sign in on its own page.",
  bank_sign_in_abandoned: "You did not finish signing in on your bank's page.",
  user_action_at_bank: "Your bank needs something from you. Sign in at its own website, settle it, then try again here.",
  challenge_rejected: "The bank did not accept the answer.",
  challenge_expired: "The bank's question was open for too long. Try again to get a new one.",
  needs_user: "The bank asks a question before it gives new data. What you have stays.",
  institution_down: "The bank cannot be reached right now.",
  institution_discontinued: "This bank can no longer be linked.",
  connection_closed: "This connection was closed at the bank.",
  disconnected: "You disconnected this bank. What was downloaded stays; nothing new comes in.",
  disabled_by_operator: "This connection was switched off. Please contact support.",
  no_feed: "The bank gives no data for this login.",
  timed_out: "The bank took too long.",
  already_linked: "This login is linked already.",
  member_gone: "The connection no longer exists at the data provider.",
  member_limit: "You have linked as many banks as is possible.",
  job_running: "The bank is still busy with an earlier request.",
  aggregator_down: "The data provider cannot be reached right now.",
  aggregator_throttled: "The data provider asks us to wait a little.",
  aggregator_refused_us: "The data provider refused the request. Please contact support.",
  aggregator_misbehaved: "The data provider sent something that could not be read.",
  unknown_status: "The bank said something that is not known here. Please contact support if it stays.",
};

/** Why a link is where it is, or null when there is nothing to say. */
export function reasonText(link) {
  if (link.reason === null) return link.link_status === "challenged" ? "The bank asks a question before it goes on." : null;
  return REASONS[link.reason] ?? `Something went wrong (${link.reason}).`;
}

/** What the person can do now, or null when there is nothing to do. */
export function adviceText(link) {
  const again = link.next_attempt_at && link.act_by !== "user" && `It is tried again by itself, next at ${momentText(link.next_attempt_at)}.`;
  if (link.retry_with === "bank_sign_in") return "Sign in there; this page notices when you are done.";
  if (link.retry_with === "challenge") return "Answer it to go on.";
  if (link.retry_with === "credentials") return "Enter your login again; the password goes to the bank's data provider only.";
  if (link.link_status === "processing") return "This may take a minute, and goes on by itself.";
  if (link.link_status === "success") return null;
  if (link.reason === "disconnected") return "Link it again to get new data, or delete it.";
  if (again) return again;
  return link.retry_with === "refresh" ? "Try again in a few minutes." : "Delete it, then link the bank again.";
}
