const NOTICES = {
  withLinks: {
    signedOut: 'Not signed in. Open the link that the gateway printed, or paste a token here.',
    notTaken: 'The provider’s answer was not taken. Sign in again, or paste a token here.',
    usedUp:
      'This link was used before, or is older than five minutes. Press Enter where the gateway runs, which prints another one, or paste a token here.',
  },
  withoutLinks: {
    signedOut: 'Not signed in. Paste a token here.',
    notTaken: 'The provider’s answer was not taken. Sign in again, or paste a token here.',
    usedUp: 'This gateway takes no sign-in codes. Paste a token here.',
  },
} as const;

/**
 * The script that runs in the browser before GraphiQL does, as text. It exchanges the one-time code in the URL's
 * fragment for a token, or takes one that is pasted, or that of another window of this gateway; keeps it in
 * sessionStorage, puts it into each request to the API, and keeps what is typed out of the URL and out of localStorage.
 * It defines `startGraphiQL`, which is called in the place of GraphiQL's own start. It speaks of sign-in links only
 * where the gateway prints any.
 */
export const pageScript = (hasLinks: boolean): string => `
(() => {
  const NOTICES = ${JSON.stringify(hasLinks ? NOTICES.withLinks : NOTICES.withoutLinks)};
  const TOKEN = 'datastore-gateway:token';
  const PENDING = 'datastore-gateway:sign-in';
  // in milliseconds: how long another window may take to answer, and how long it is waited for where none is seen
  const ANSWER_MS = 10000;
  const UNSEEN_ANSWER_MS = 500;
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  const back = new URLSearchParams(location.search);
  history.replaceState(null, '', location.pathname);
  const keepAddress = history.replaceState.bind(history);
  history.replaceState = (state, title) => keepAddress(state, title, location.pathname);

  const plainFetch = globalThis.fetch.bind(globalThis);
  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const notice = (text) => {
    const said = element('span', { role: 'alert' }, text);
    const token = element('input', { type: 'password', autocomplete: 'off', placeholder: 'dsg_…', ariaLabel: 'API token' });
    const bar = element('form', { id: 'notice' }, said, token, element('button', {}, 'Use this token'));
    bar.onsubmit = async (event) => {
      event.preventDefault();
      const refusal = await usePasted(token.value.trim());
      if (refusal) said.textContent = refusal;
      else location.reload();
    };
    document.body.prepend(bar);
    // a provider that does not answer has no button: a token does as well
    addProvider(bar).catch((error) => console.warn(error));
  };

  // at an OpenID provider by code flow with PKCE (RFC 7636): the verifier stays in this tab
  const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/[+]/g, '-').replace(/[/]/g, '_').replace(/=/g, '');
  const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
  const redirectUri = location.origin + location.pathname;
  const addProvider = async (bar) => {
    const provider = await (await plainFetch('/graphiql/provider')).json();
    if (!provider) return;
    const button = element('button', { type: 'button' }, 'Sign in at ' + new URL(provider.endpoint).host);
    button.onclick = async () => {
      const [state, verifier] = [random(), random()];
      const challenge = base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier)));
      sessionStorage.setItem(PENDING, JSON.stringify({ state, verifier }));
      const url = new URL(provider.endpoint);
      const asked = {
        response_type: 'code', client_id: provider.clientId, redirect_uri: redirectUri, scope: 'openid profile email',
        state, code_challenge: challenge, code_challenge_method: 'S256',
      };
      for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
      location.assign(url.href);
    };
    bar.append(button);
  };
  const broughtBack = () => {
    const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? 'null');
    sessionStorage.removeItem(PENDING);
    if (!pending || back.get('state') !== pending.state) return null;
    return { code: back.get('code') ?? '', verifier: pending.verifier, redirectUri };
  };
  const usePasted = async (token) => {
    const answer = await plainFetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer ' + token },
      body: JSON.stringify({ query: '{ viewer { token { expiresAt } } }' }),
    });
    const { data, errors } = await answer.json();
    if (errors) return errors[0].message;
    const expiresAt = data.viewer.token.expiresAt ?? '9999-12-31T23:59:59Z';
    sessionStorage.setItem(TOKEN, JSON.stringify({ token, expiresAt }));
  };

  const readToken = () => {
    const kept = JSON.parse(sessionStorage.getItem(TOKEN) ?? 'null');
    return kept && Date.parse(kept.expiresAt) > Date.now() ? kept.token : null;
  };

  // a window that is signed in tells another one of this gateway, which needs no link of its own then
  const windows = new BroadcastChannel('datastore-gateway');
  let heard = () => undefined;
  windows.onmessage = ({ data }) => {
    if (data.kept) heard(data.kept);
    else if (readToken()) windows.postMessage({ kept: sessionStorage.getItem(TOKEN) });
  };
  // a lock tells at once whether there is one, which may be busy for long with its editors; plain HTTP has no locks
  const isAnotherSignedIn = async () => {
    const { held = [] } = (await navigator.locks?.query()) ?? {};
    return held.some(({ name }) => name === TOKEN);
  };
  const tellWhileOpen = () => navigator.locks?.request(TOKEN, { mode: 'shared' }, () => new Promise(() => undefined));
  const askOtherWindows = async () => {
    const patience = (await isAnotherSignedIn()) ? ANSWER_MS : UNSEEN_ANSWER_MS;
    const answer = new Promise((resolve) => (heard = resolve));
    windows.postMessage({});
    const kept = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, patience))]);
    if (kept) sessionStorage.setItem(TOKEN, kept);
  };

  // it returns what to say where nobody is signed in after it
  const signIn = async () => {
    const exchanged = code ? { code } : back.has('state') ? broughtBack() : null;
    if (!exchanged) {
      if (!readToken()) await askOtherWindows();
      return NOTICES.signedOut;
    }
    const answer = await plainFetch('/graphiql/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(exchanged),
    });
    if (answer.ok) sessionStorage.setItem(TOKEN, JSON.stringify(await answer.json()));
    else if (!readToken()) await askOtherWindows();
    return code ? NOTICES.usedUp : NOTICES.notTaken;
  };
  const signedIn = signIn().then((otherwise) => (readToken() ? void tellWhileOpen() : notice(otherwise)));

  globalThis.fetch = async (input, init = {}) => {
    await signedIn;
    const url = new URL(typeof input === 'string' ? input : input.url, location.href);
    const headers = new Headers(init.headers);
    const token = readToken();
    if (token && url.origin === location.origin && url.pathname === '/graphql' && !headers.has('authorization')) {
      headers.set('authorization', 'Bearer ' + token);
    }
    return plainFetch(input, { ...init, headers });
  };

  // what GraphiQL remembers ends with the tab, for queries may hold secrets
  const storage = {
    getItem: (key) => sessionStorage.getItem(key),
    setItem: (key, value) => sessionStorage.setItem(key, value),
    removeItem: (key) => sessionStorage.removeItem(key),
    get length() {
      return sessionStorage.length;
    },
    clear() {
      for (const key of Object.keys(sessionStorage)) if (key.startsWith('graphiql:')) sessionStorage.removeItem(key);
    },
  };
  // after a reload GraphiQL finds the active tab by its text; it keeps that only once it was edited, and else opens an
  // empty tab
  const tabs = JSON.parse(sessionStorage.getItem('graphiql:tabState') ?? 'null');
  const active = tabs?.tabs[tabs.activeTabIndex];
  for (const part of active ? ['query', 'variables'] : []) sessionStorage.setItem('graphiql:' + part, active[part] ?? '');

  globalThis.startGraphiQL = (root, options) => YogaGraphiQL.renderYogaGraphiQL(root, { ...options, storage });
})();
`;

/**
 * What the page adds to GraphiQL's looks. Its tabs do not slide: at the first press they all do, from where they were
 * first drawn, and the pressed one is gone from under the mouse before it is released.
 */
export const pageStyle = `
  html, body, #root { height: 100%; margin: 0; }
  body { display: flex; flex-direction: column; }
  #root { flex: 1; min-height: 0; }
  .graphiql-tab { transform: none !important; }
  #notice { display: flex; flex-wrap: wrap; gap: 0.6rem; align-items: center; margin: 0; padding: 0.6rem 1rem; background: #7a1f1f; color: #fff; font: 14px/1.4 system-ui, sans-serif; }
  #notice input { min-width: 18rem; }
  #notice input, #notice button { font: inherit; padding: 0.2rem 0.5rem; border: 0; border-radius: 3px; }
  #loading { margin: 0; padding: 40vh 1rem 0; text-align: center; color: #475569; font: 16px/1.4 system-ui, sans-serif; }
`;
