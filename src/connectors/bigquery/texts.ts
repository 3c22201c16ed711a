import { serviceAccountSettings } from '../families/google/texts.ts';
import type { ConnectionTexts, ReadSetting } from '../kit/connection-text/connection-text.ts';

/** The project of a key file is that of its account, and the one that is used unless another one is named. */
const project: ReadSetting = (value, draft, name) => {
  draft.set('credentials.projectId', value, name);
  if (draft.get('projectId') === undefined) draft.set('projectId', value, name);
};

export const bigqueryConnectionTexts: ConnectionTexts = {
  examples: [
    '{"type":"service_account","project_id":"shop-123","client_email":"gateway@shop-123.iam.gserviceaccount.com"}',
    'bigquery://shop-123/sales?location=EU',
  ],
  schemes: ['bigquery'],
  prefixes: ['bq'],
  sharedPrefixes: ['google', 'gcp'],
  settings: {
    ...serviceAccountSettings,
    projectid: project,
    project: 'projectId',
    cloudproject: 'projectId',
    defaultdataset: 'dataset',
    datasetid: 'dataset',
  },
  readUrl({ variant, hosts: [first], path, parameters }, draft) {
    // the host of a JDBC URL is Google's own
    if (variant !== 'https') draft.set('projectId', first?.host ?? '', 'project');
    else draft.set('projectId', parameters.find(({ name }) => name === 'ProjectId')?.value ?? '', 'ProjectId');
    if (variant !== 'https') draft.set('dataset', path[0] ?? '', 'dataset');
  },
};
