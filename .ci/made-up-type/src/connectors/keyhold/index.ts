import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { keyholdChecks, targetOf } from './checks.ts';
import { keyholdConfig } from './config.ts';

export const keyhold = defineConnector({
  type: 'KEYHOLD',
  title: 'Keyhold',
  description: 'A bucket of a key-value store over HTTP.',
  category: 'DOCUMENT',
  provenAgainst: 'fake that verifies the token',
  leastRights: 'A token that may read the bucket.',
  config: keyholdConfig,
  example: { baseUrl: 'https://keyhold.example.com', token: 'not-a-real-token', bucket: 'settings' },
  principalSecret: 'token',
  ...httpBase(targetOf, keyholdChecks),
});
