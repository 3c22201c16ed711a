import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { mongoDataApiChecks, targetOf } from './checks.ts';
import { mongoDataApiConfig } from './config.ts';
import { mongoDataApiRecipe } from './documentation.ts';
import { mongoDataApiConnectionTexts } from './texts.ts';

export const mongoDataApi = defineConnector({
  type: 'MONGO_DATA_API',
  title: 'MongoDB Data API',
  description:
    'A database behind the Data API, which is MongoDB over HTTPS. MongoDB ended its hosted service on 30 September 2025, but compatible servers remain.',
  category: 'DOCUMENT',
  provenAgainst: 'fake that verifies key, password and token',
  leastRights: 'A key or a user for which a rule of the app lets it read the collection.',
  recipe: mongoDataApiRecipe,
  config: mongoDataApiConfig,
  example: {
    apiUrl: 'https://data.example.com/app/shop/endpoint/data/v1',
    apiKey: 'not-a-real-key',
    dataSource: 'atlas',
    database: 'shop',
    collection: 'orders',
  },
  principalSecret: 'apiKey',
  ...httpBase(targetOf, mongoDataApiChecks),
  texts: mongoDataApiConnectionTexts,
});
