// Types of /link.js

export interface LinkEvent {
  type: "ready" | "institution_selected" | "link_created" | "status" | "success" | "exit" | "error";
  linked_account_id?: string;
  institution_code?: string;
  link_status?: "processing" | "success" | "wrong_credentials" | "challenged" | "other_error";
  reason?: string | null;
  /** of a success: this login was linked before, linked_account_id is that link, and nothing was linked twice */
  is_duplicate?: boolean;
  /** of an error: a stable word */
  code?: string;
}

export interface LinkOptions {
  /** what POST /v1/link_sessions answered, whole and unchanged */
  url: string;
  /**
   * A bank is linked; the person may still look at what was found. Called again, with is_duplicate, where it only turns
   * out late that the login was linked before: then the first linked_account_id points to this one.
   */
  onSuccess?: (linked: { linked_account_id: string; institution_code: string; is_duplicate: boolean }) => void;
  /** the page is gone, however it went; null where no link was made or mended */
  onExit?: (left: { linked_account_id: string | null }) => void;
  /** everything that happens */
  onEvent?: (event: LinkEvent) => void;
}

declare global {
  const Donkies: {
    /** Open the page; close() takes it away at once. */
    open(options: LinkOptions): { close(): void };
  };
}
