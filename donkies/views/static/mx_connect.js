// MX's own widget inside the page of a link session (mode mx_connect): opens it, and passes on what it tells.
// A message counts only from that frame and from its address's origin, and what it says of a member is a hint to our
// server, which asks MX before anything is believed. Source: ATRIUM.md 7.
(() => {
  "use strict";

  const SCREENS = {
    search: "search", disclosure: "search", enterCreds: "credentials", verifyExistingMember: "credentials", mfa: "challenge",
    loginError: "wrong_credentials", connecting: "connecting", connected: "connecting", verifyOAuth: "bank_sign_in", waitingForOAuth: "bank_sign_in",
  };
  const OF_A_MEMBER = new Set([
    "memberStatusUpdate", "memberStatusUpdated", "submitMFA", "submitMfa", "updateCredentials", "memberConnected",
    "memberError", "memberDeleted", "oauthRequested", "oauthError", "initialDataReady", "invalidData",
  ]);
  const FAILURES = { createMemberError: "member_not_created", memberError: "member_error", oauthError: "bank_sign_in_failed", invalidData: "accounts_do_not_fit" };
  const LAST = new Set(["memberConnected/primaryAction", "connected/primaryAction", "invalidData/primaryAction"]);
  const NEEDS_THE_PERSON = new Set(["credentials", "challenge", "bank_sign_in"]);

  /** What the page lends: its own functions, by their names there. */
  window.DonkiesWidget = ({ session, el, show, ask, tell, follow, trouble, over, leave, current }) => {
    const known = new Set([session.linked_account_id]); // links that nobody need be told of as new
    const claims = new Map(); // by member: whether it was deleted; what is still to be said to our server
    let frame = null;
    let origin = "";
    let isClaiming = false;
    let isOpening = false;
    let end = 0;

    async function open(isAnew = false) {
      if (isOpening) return;
      isOpening = true;
      try {
        const { url, expires_in_s } = await ask("POST", "widget", { body: { is_anew: isAnew } });
        clearTimeout(end);
        end = setTimeout(() => (shut(), over()), expires_in_s * 1000); // nothing is linked where nobody would follow it
        origin = new URL(url).origin;
        frame = el("iframe", {
          class: "widget", title: "Link your bank with MX", referrerpolicy: "origin", src: url,
          sandbox: "allow-forms allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox",
        });
        show("connecting", "Link your bank", frame).querySelector("h1").className = "sr";
      } finally {
        isOpening = false;
      }
    }

    function shut() {
      frame?.remove();
      frame = null;
    }

    function heard(event) {
      if (!frame || event.source !== frame.contentWindow || event.origin !== origin) return;
      const { mx, type, metadata } = event.data ?? {};
      if (mx !== true || typeof type !== "string") return;
      const about = metadata ?? {};
      const name = type.replace(/^mx\/connect\//, "");
      if (name === "stepChange" || name === "loaded") step(about.current ?? about.initial_step);
      if (name === "selectedInstitution") tell("institution_selected", { institution_code: String(about.code) });
      if (name in FAILURES) tell("error", { code: FAILURES[name] });
      const guid = about.member_guid ?? about.member?.guid;
      if (OF_A_MEMBER.has(name) && typeof guid === "string") claim(guid, name === "memberDeleted");
      if (LAST.has(name)) finished();
    }

    function step(name) {
      const place = frame.closest("[data-screen]");
      if (place && Object.hasOwn(SCREENS, name)) place.dataset.screen = SCREENS[name];
    }

    /** One at a time; of many messages about one member the last one is asked about. */
    async function claim(guid, isDeleted) {
      claims.set(guid, isDeleted);
      if (isClaiming) return;
      isClaiming = true;
      try {
        for (const [member_guid, is_deleted] of claims) {
          claims.delete(member_guid);
          await settle({ member_guid, is_deleted });
        }
      } finally {
        isClaiming = false;
      }
    }

    async function settle(body) {
      try {
        const now = await ask("POST", "widget/member", { body });
        if (!now.id) return;
        if (!now.is_known && !known.has(now.id)) tell("link_created", { linked_account_id: now.id });
        known.add(now.id);
        if (isNews(now)) follow(now);
      } catch (error) {
        if (error.code === "unknown_member") tell("error", { code: error.code });
        else trouble(error); // what was linked is found all the same, if later
      }
    }

    /** Whether our own looking at the link has not shown as much already: then its screen stays. */
    function isNews(now) {
      const shown = current();
      return shown?.id !== now.id || (frame && Date.parse(now.updated_at) > Date.parse(shown.updated_at));
    }

    /** The widget's last button: what it linked is shown by us. */
    function finished() {
      shut();
      if (current()) follow(current());
      else leave();
    }

    /** Whether the widget, not our own screens, is what a link in this state needs. */
    function keeps(now) {
      if (now.link_status === "success" && now.retry_with !== "challenge") {
        shut();
        return false;
      }
      if (frame) return true;
      if (!NEEDS_THE_PERSON.has(now.retry_with)) return false;
      open().catch(trouble);
      return true;
    }

    addEventListener("message", heard);
    // the page is closed without a word, or loaded anew: our server looks by itself, and this makes it look now
    addEventListener("pagehide", () => {
      if (frame) fetch("/link/widget/left", { method: "POST", keepalive: true, credentials: "omit", headers: { Authorization: `Link ${session.token}` } }).catch(() => {});
    });
    return { open, keeps };
  };
})();
