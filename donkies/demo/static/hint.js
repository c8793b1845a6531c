// What to type at the sandbox's pretended banks; an app for real people has no such module.

import { el } from "./dom.js";

const PASSWORDS = [
  ["anything else", "connects"],
  ["INVALID", "wrong password"],
  ["challenge", "asks a question"],
  ["options", "lets you pick an answer"],
  ["token", "asks for a one-time code"],
  ["image", "shows a word to type"],
  ["image_options", "lets you pick a picture"],
  ["two_rounds", "asks twice"],
  ["two_questions", "asks two things at once"],
  ["LOCKED", "the bank locked you out"],
  ["SERVER_ERROR", "the bank fails"],
];

/** @param isOpen whether it shows its text at once */
export function hint(isOpen = matchMedia("(min-width: 50rem)").matches) {
  return el(
    "details",
    { class: "hint", open: isOpen },
    el("summary", {}, "What to type at the pretended bank"),
    el("p", {}, "At MX Bank, and at all others here, the user name is ", el("code", {}, "test_atrium"), ". The password decides what happens:"),
    el("dl", {}, PASSWORDS.map(([password, outcome]) => el(
      "div", {}, el("dt", {}, password === "anything else" ? password : el("code", {}, password)), el("dd", {}, outcome)))),
    el("p", {}, "The right answer to every question is ", el("code", {}, "correct"), ". MX Bank OAuth has a sign-in page of its own."),
  );
}
