// Donkies.open({ url, onSuccess, onExit, onEvent }): the page on which a person links a bank, over your own.
// The bank's password is typed there; nothing that is typed reaches this script. Types: /link.d.ts
(() => {
  "use strict";

  const WIDE = matchMedia("(min-width: 40rem) and (min-height: 30rem)");
  const WAIT_MS = 15_000;
  const TOLD = new Set(["ready", "institution_selected", "link_created", "status", "success", "exit", "error"]);

  function styled(element, style) {
    Object.assign(element.style, style); // by script, which a policy without 'unsafe-inline' lets through
    return element;
  }

  function open({ url, onSuccess, onExit, onEvent }) {
    const address = new URL(url, location.href);
    let start = address.hash.slice(1); // it stays here, and is handed over when the page asks from its own origin
    address.hash = "";
    const before = document.activeElement;
    const dialog = styled(document.createElement("dialog"), {
      position: "fixed", inset: "0", width: "100%", height: "100%", maxWidth: "none", maxHeight: "none", margin: "0",
      padding: "0", border: "0", overflow: "hidden", background: "rgb(0 0 0 / .55)",
    });
    dialog.setAttribute("aria-label", "Link your bank");
    const frame = styled(document.createElement("iframe"), { position: "absolute", border: "0", background: "Canvas", colorScheme: "light dark" });
    frame.title = "Link your bank";
    frame.referrerPolicy = "origin";
    frame.src = address.href;
    const out = styled(document.createElement("button"), { position: "absolute", top: "12px", right: "12px", padding: "8px 14px", font: "16px system-ui" });
    out.type = "button"; // for as long as the page has not come: then it has a button of its own
    out.textContent = "Close";
    out.addEventListener("click", () => close());
    const notice = styled(document.createElement("p"), {
      position: "absolute", left: "50%", top: "40%", transform: "translate(-50%, -50%)", width: "min(20rem, 80%)", margin: "0",
      padding: "20px", boxSizing: "border-box", borderRadius: "16px", font: "16px/1.5 system-ui", textAlign: "center",
      background: "Canvas", color: "CanvasText", colorScheme: "light dark",
    });
    notice.setAttribute("role", "status");
    notice.textContent = "One moment…";
    let isOpen = true;
    let isReady = false;
    let linked = null;
    let isAsked = false; // whether the page said anything yet
    let succeeded = null; // a reload of the page tells once more

    function fit() {
      styled(frame, WIDE.matches
        ? { width: "460px", height: "min(720px, calc(100% - 48px))", left: "calc(50% - 230px)", top: "max(24px, calc(50% - 360px))", borderRadius: "16px" }
        : { width: "100%", height: "100%", left: "0", top: "0", borderRadius: "0" });
    }

    /** A policy, a network or an extension keeps the page from being framed: it can stand by itself. */
    function unframed() {
      if (isAsked || !isOpen) return;
      const way = document.createElement("a");
      way.href = url;
      way.target = "_blank";
      way.rel = "noopener";
      way.textContent = "Open it in a new window";
      frame.style.visibility = "hidden";
      notice.replaceChildren("The page cannot be shown here.", document.createElement("br"), way);
    }

    function violated({ blockedURI, effectiveDirective }) {
      if (effectiveDirective === "frame-src" && blockedURI.startsWith(address.origin)) unframed();
    }

    function post(message) {
      frame.contentWindow?.postMessage({ source: "donkies", ...message }, address.origin);
    }

    function told(event) {
      if (event.source !== frame.contentWindow || event.origin !== address.origin || event.data?.source !== "donkies") return;
      const { source: _, type, ...more } = event.data;
      if (type === "hello") {
        isAsked = true;
        frame.style.visibility = "visible";
        return post({ type: "welcome", nonce: more.nonce, start });
      }
      if (type === "renewal") return void (start = more.start); // so that a reload of the page goes on where it was
      if (!TOLD.has(type)) return;
      notice.remove();
      if (type === "ready") {
        isReady = true;
        out.remove();
        frame.focus();
      }
      if (more.linked_account_id) linked = more.linked_account_id;
      onEvent?.({ type, ...more });
      if (type === "success" && succeeded !== more.linked_account_id) {
        succeeded = more.linked_account_id;
        onSuccess?.(more);
      }
      if (type === "exit") close();
    }

    function close() {
      if (!isOpen) return;
      isOpen = false;
      removeEventListener("message", told);
      document.removeEventListener("securitypolicyviolation", violated);
      clearTimeout(patience);
      WIDE.removeEventListener("change", fit);
      dialog.close();
      dialog.remove();
      before?.focus?.({ preventScroll: true });
      onExit?.({ linked_account_id: linked });
    }

    const patience = setTimeout(unframed, WAIT_MS);
    addEventListener("message", told);
    document.addEventListener("securitypolicyviolation", violated);
    WIDE.addEventListener("change", fit);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (isReady) post({ type: "close" });
      else close();
    });
    dialog.addEventListener("close", close); // a second Escape closes it unasked
    fit();
    dialog.append(frame, notice, out);
    document.body.append(dialog);
    dialog.showModal();
    return { close };
  }

  window.Donkies = Object.freeze({ ...window.Donkies, open });
})();
