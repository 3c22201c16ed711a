import { withRole } from '../families/aws/sts.ts';
import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { readAthenaCatalog } from './catalog.ts';
import { athenaChecks } from './checks.ts';
import { signerOf, targetOf } from './client.ts';
import { athenaConfig } from './config.ts';
import { athenaRecipe } from './documentation.ts';
import { athenaConnectionTexts } from './texts.ts';

export const athena = defineConnector({
  type: 'ATHENA',
  title: 'Amazon Athena',
  description: 'A data catalog that Amazon Athena queries, signed in to with an access key, a web identity or a role.',
  category: 'WAREHOUSE',
  provenAgainst: 'moto 5.2 with IAM, and a fake that verifies signatures and that boto3 1.44 accepts',
  leastRights:
    '`athena:GetWorkGroup` and `athena:ListDatabases`, with a database `athena:GetDatabase`, and `glue:GetDatabases` and `glue:GetDatabase` for AWS Glue.',
  recipe: athenaRecipe,
  config: athenaConfig,
  example: {
    region: 'eu-central-1',
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    outputLocation: 's3://shop-results/athena/',
    database: 'sales',
  },
  principalSecret: 'secretAccessKey',
  ...withRole(signerOf, httpBase(targetOf, athenaChecks)),
  tenancyLevels: ['TABLE', 'DATABASE'],
  catalogCheck: catalogCheck(readAthenaCatalog),
  texts: athenaConnectionTexts,
});
