import { type AwsSigned, withRole } from '../families/aws/sts.ts';
import type { ElasticState } from '../families/elastic/client.ts';
import { elasticFamily } from '../families/elastic/family.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { isServerless, type OpensearchConfig, opensearchConfig, signerOf } from './config.ts';
import { opensearchRecipe } from './documentation.ts';
import { elasticSigner } from './signing.ts';
import { opensearchConnectionTexts } from './texts.ts';

type OpensearchState = ElasticState & AwsSigned;

const family = withRole(
  signerOf,
  elasticFamily<OpensearchConfig>('OpenSearch', (config) => !isServerless(config)),
);

export const opensearch = defineConnector({
  type: 'OPENSEARCH',
  title: 'OpenSearch',
  description:
    'An OpenSearch cluster, in a cloud or self-managed, by its REST API; a domain of Amazon OpenSearch Service or a collection of Amazon OpenSearch Serverless by signed requests.',
  provenAgainst:
    'real OpenSearch 2.19 with its security plugin; a fake that verifies password, key and signatures, and that the product’s own Python client 3.2 accepts',
  ...family,
  config: opensearchConfig,
  leastRights: `${family.leastRights.slice(0, -1)}. With \`awsSigV4\` \`es:ESHttpGet\` on the domain, or \`aoss:APIAccessAll\` and a data access policy with \`aoss:DescribeIndex\` on the collection.`,
  createState(test) {
    const state: OpensearchState = family.createState(test);
    const signer = elasticSigner(test.config, state);
    return signer ? Object.assign(state, { signer }) : state;
  },
  recipe: opensearchRecipe,
  texts: opensearchConnectionTexts,
});
