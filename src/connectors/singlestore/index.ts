import { defineConnector } from '../kit/contract/connector.ts';
import { singlestoreParts } from './checks.ts';
import { singlestoreConfig } from './config.ts';
import { singlestoreRecipe } from './documentation.ts';
import { singlestoreConnectionTexts } from './texts.ts';

export const singlestore = defineConnector({
  type: 'SINGLESTORE',
  title: 'SingleStore',
  description: 'A database of a SingleStore cluster or workspace, formerly MemSQL. It speaks MySQL’s protocol.',
  category: 'SQL',
  provenAgainst: 'fake; real MariaDB 10.11, Dolt’s engine 0.20 and go-mysql 1.13 for the protocol',
  leastRights: 'Any right on the database or on something in it: `SELECT` on one table.',
  recipe: singlestoreRecipe,
  config: singlestoreConfig,
  example: {
    host: 'svc-1234.svc.singlestore.com',
    username: 'app',
    password: 'not-a-real-password',
    database: 'shop',
    tls: { mode: 'VERIFY_FULL' },
  },
  principalSecret: 'password',
  defaultPort: 3306,
  ...singlestoreParts,
  texts: singlestoreConnectionTexts,
});
