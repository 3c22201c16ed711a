import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { readInformationSchema } from '../kit/http/information-schema.ts';
import { fireboltChecks, requireDatabase } from './checks.ts';
import { apiTarget, type FireboltState, isTokenHost, queryFirebolt, signInTarget } from './client.ts';
import { type FireboltConfig, fireboltConfig } from './config.ts';
import { fireboltRecipe } from './documentation.ts';
import { fireboltConnectionTexts } from './texts.ts';

export const firebolt = defineConnector({
  type: 'FIREBOLT',
  title: 'Firebolt',
  description: 'A database of a Firebolt account, signed in to as a service account.',
  category: 'WAREHOUSE',
  provenAgainst: 'fake that verifies secret and token, and that firebolt-sdk 1.19 accepts',
  leastRights: 'A service account whose user has `USAGE` on the database and on the engine.',
  recipe: fireboltRecipe,
  config: fireboltConfig,
  example: {
    clientId: 'a1b2c3d4-example',
    clientSecret: 'example-secret',
    account: 'my-account',
    database: 'sales',
    engine: 'reports',
  },
  principalSecret: 'clientSecret',
  ...httpBase(signInTarget, fireboltChecks, { alsoAllow: isTokenHost }),
  // the engine's host is known only later, and is checked then
  targets: () => [signInTarget(), apiTarget()],
  tenancyLevels: ['TABLE', 'DATABASE'],
  catalogCheck: catalogCheck<FireboltConfig, FireboltState>((context) => {
    requireDatabase(context);
    return readInformationSchema((statement) => queryFirebolt(context, statement));
  }),
  texts: fireboltConnectionTexts,
});
