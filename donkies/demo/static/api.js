// Calls to the REST API: Bearer token, one renewed try after a 401, problems as errors, patience with the network.

/** What the API refused; `message` is its own words, fit to be shown. RFC 9457. */
export class Problem extends Error {
  constructor(status, body) {
    const fields = body.errors ?? []; // [{ field, detail }]
    const detail = body.detail ?? `The server answered ${status}. Please try again in a moment.`;
    super(fields.length ? fields.map((one) => `${one.field}: ${one.detail}`).join(" ") : detail);
    this.status = status;
    this.code = body.code ?? "unknown";
    this.fields = fields;
    this.body = body;
  }
}

/** The server could not be reached, or is too busy to answer. */
export class Unreachable extends Error {}

/**
 * @param onNetwork called with false when the network is down, with true when it is back
 */
export function createApi(config, session, onNetwork = () => {}) {
  async function send(method, path, { body, headers, signal } = {}, refused = null) {
    const token = await session.accessToken(refused);
    const response = await fetch(config.api_url + path, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      signal,
    });
    if (response.status === 401 && refused === null) return send(method, path, { body, headers, signal }, token);
    onNetwork(true);
    return response;
  }

  async function read(response) {
    const text = await response.text();
    const body = text.startsWith("{") ? JSON.parse(text) : {}; // what stands between may answer errors in HTML
    if (response.ok) return body;
    throw new Problem(response.status, body);
  }

  /**
   * Reading may be repeated, so it is: while the network is down until `signal` says that nobody waits any more;
   * when the server is busy or fails, as often as `tries` says.
   */
  async function patiently(path, options, tries) {
    for (let pause = 1000; ; pause = Math.min(pause * 2, 15_000)) {
      try {
        const response = await send("GET", path, options);
        const isBusy = response.status >= 500 || response.status === 429;
        if (!isBusy || --tries <= 0) return response;
        await sleep(1000 * (response.headers.get("Retry-After") ?? 2), options.signal);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // fetch says TypeError for every broken network
        onNetwork(false);
        await sleep(pause, options.signal);
      }
    }
  }

  async function once(method, path, body, headers) {
    try {
      return await read(await send(method, path, { body, headers }));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new Unreachable("The server could not be reached. Please try again in a moment.");
    }
  }

  return {
    get: async (path, { query, signal } = {}) => read(await patiently(withQuery(path, query), { signal }, 2)),
    post: (path, body, headers) => once("POST", path, body, headers),
    put: (path, body) => once("PUT", path, body),
    delete: (path) => once("DELETE", path),

    /**
     * Follow a linked account as often as it asks for (`poll_after_ms`), until `signal` ends it or it is gone.
     * An unchanged one costs a 304 without a body; a tab that nobody sees asks nothing, and asks at once when seen.
     * @param onChange called with every new version; when it returns true, following ends
     */
    async follow(id, onChange, signal) {
      let tag = null;
      let pause = 1000;
      while (!signal.aborted) {
        const headers = tag ? { "If-None-Match": tag } : {};
        const response = await patiently(`/v1/linked_accounts/${id}`, { headers, signal }, Infinity);
        if (response.status !== 304) {
          const link = await read(response);
          tag = response.headers.get("ETag");
          pause = link.poll_after_ms;
          if (onChange(link)) return;
        }
        await sleep(pause, signal);
        await seen(signal);
      }
    },
  };
}

export function withQuery(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

/** Resolves when the tab is looked at. */
function seen(signal) {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((resolve, reject) => {
    const once = { once: true, signal };
    document.addEventListener("visibilitychange", () => resolve(), once);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Whether an error only says that what was waited for is not wanted any more. */
export const isAbort = (error) => error?.name === "AbortError";
