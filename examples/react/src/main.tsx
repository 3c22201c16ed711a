import { type FormEvent, StrictMode, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { DatastoreForm } from './datastore-form.tsx';
import { DatastoreList } from './datastore-list.tsx';
import { Gateway, GatewayContext } from './gateway.ts';
import './style.css';

function App() {
  const [token, setToken] = useState('');
  const [version, setVersion] = useState(0);
  const gateway = useMemo(() => (token ? new Gateway(token) : null), [token]);
  if (!gateway) return <SignIn onToken={setToken} />;
  return (
    <GatewayContext value={gateway}>
      {/* another key loads the list again */}
      <DatastoreList key={version} />
      <h2>Register one</h2>
      <DatastoreForm onSaved={() => setVersion(version + 1)} />
    </GatewayContext>
  );
}

/** Stands where your page asks your backend for a token of its user: see createSessionToken. */
function SignIn({ onToken }: { onToken: (token: string) => void }) {
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    onToken(String(new FormData(event.currentTarget).get('token')).trim());
  }
  return (
    <form onSubmit={submit}>
      <label>
        Token <input name="token" type="password" autoComplete="off" required />
      </label>{' '}
      <button type="submit">Sign in</button>
    </form>
  );
}

const root = document.getElementById('root');
if (!root) throw new Error('The page has no root.');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
