import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const fireboltRecipe: Recipe = {
  language: 'sql',
  text: `CREATE SERVICE ACCOUNT gateway;
-- answers the client id and the client secret
CALL fb_GENERATESERVICEACCOUNTKEY('gateway');
CREATE USER gateway WITH SERVICE_ACCOUNT = gateway;
CREATE ROLE gateway_reader;
GRANT USAGE ON DATABASE sales TO gateway_reader;
GRANT USAGE ON ENGINE reports TO gateway_reader;
GRANT ROLE gateway_reader TO USER gateway;`,
};
