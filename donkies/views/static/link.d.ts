// Types of /link.js

export interface LinkEvent {
  type: "ready" | "institution_selected" | "link_created" | "status" | "success" | "exit" | "error";
  linked_account_id?: string;
  institution_code?: string;
  link_status?: "processing" | "success" | "wrong_credentials" | "challenged" | "other_error";
  reason?: string | null;
  /** of an error: a stable word */
  code?: string;
}

export interface LinkOptions {
  /** what POST /v1/link_sessions answered, whole and unchanged */
  url: string;
  /** a bank is linked; the person may still look at what was found */
  onSuccess?: (linked: { linked_account_id: string; institution_code: string }) => void;
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
