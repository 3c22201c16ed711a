import { defineConfig } from 'vitepress';

const page = (text: string, link: string) => ({ text, link });

export default defineConfig({
  title: 'datastore-gateway',
  description: 'Keeps the connections of your datastores, proves that they work, and tells why when they do not.',
  // a folder's page is README.md, as GitHub shows it
  rewrites: { 'connectors/README.md': 'connectors/index.md' },
  cleanUrls: true,
  themeConfig: {
    outline: [2, 3],
    search: { provider: 'local' },
    sidebar: [
      page('Start', '/'),
      page('Concepts', '/concepts'),
      page('Put it into your product', '/put-it-into-your-product'),
      page('Tokens and scopes', '/tokens-and-scopes'),
      page('People', '/people'),
      page('Configuration as files', '/manifests'),
      page('History, revert, usages, idempotency', '/history'),
      page('Managed data stores', '/managed-data-stores'),
      page('Webhooks', '/webhooks'),
      {
        text: 'The types',
        items: [
          page('All types', '/connectors/'),
          page('The least rights', '/rights'),
          page('What a failed test says', '/fault-matrix'),
          page('What was proved against servers of others', '/real-peers'),
        ],
      },
      {
        text: 'Run it',
        items: [
          page('Deploy', '/deploy'),
          page('Health', '/health'),
          page('Metrics', '/metrics'),
          page('Traces', '/traces'),
          page('Back up and restore', '/back-up-and-restore'),
          page('Upgrade', '/upgrade'),
          page('What is kept', '/what-is-kept'),
          page('Security', '/security'),
        ],
      },
      page('Errors', '/errors'),
      page('Architecture', '/architecture'),
      page('Performance', '/performance'),
      page('Further than one Postgres', '/scale'),
      page('Lessons', '/lessons'),
    ],
  },
});
