/**
 * The script that runs in the browser before GraphiQL does, as text. It exchanges the one-time code in the URL's
 * fragment for a token, keeps that in sessionStorage, puts it into each request to the API, and keeps what is typed out
 * of the URL and out of localStorage. It defines `startGraphiQL`, which is called in the place of GraphiQL's own start.
 */
export const pageScript = `
(() => {
  const TOKEN = 'datastore-gateway:token';
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  history.replaceState(null, '', location.pathname);
  const keepAddress = history.replaceState.bind(history);
  history.replaceState = (state, title) => keepAddress(state, title, location.pathname);

  const plainFetch = globalThis.fetch.bind(globalThis);
  const notice = (text) => {
    const bar = document.createElement('p');
    bar.id = 'notice';
    bar.setAttribute('role', 'alert');
    bar.textContent = text;
    document.body.prepend(bar);
  };

  const readToken = () => {
    const kept = JSON.parse(sessionStorage.getItem(TOKEN) ?? 'null');
    return kept && Date.parse(kept.expiresAt) > Date.now() ? kept.token : null;
  };

  const signIn = async () => {
    if (!code) {
      if (!readToken()) notice('Not signed in. Open the link that the gateway printed, or give a token in the Headers tab: {"authorization": "Bearer dsg_…"}');
      return;
    }
    const answer = await plainFetch('/graphiql/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code }),
    });
    if (answer.ok) sessionStorage.setItem(TOKEN, JSON.stringify(await answer.json()));
    else if (!readToken()) notice('This link was used before, or is older than five minutes. Press Enter where the gateway runs: it prints another one.');
  };
  const signedIn = signIn();

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

/** What the page adds to GraphiQL's looks. */
export const pageStyle = `
  html, body, #root { height: 100%; margin: 0; }
  body { display: flex; flex-direction: column; }
  #root { flex: 1; min-height: 0; }
  #notice { margin: 0; padding: 0.6rem 1rem; background: #7a1f1f; color: #fff; font: 14px/1.4 system-ui, sans-serif; }
`;
