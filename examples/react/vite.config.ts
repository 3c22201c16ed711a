import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where the gateway is; it runs with ALLOWED_HOSTS=localhost:5173, for it sees the page's host. */
const gateway = process.env.GATEWAY_URL ?? 'http://127.0.0.1:4000';

export default defineConfig({
  plugins: [react()],
  server: { proxy: { '/graphql': { target: gateway, ws: true } } },
});
