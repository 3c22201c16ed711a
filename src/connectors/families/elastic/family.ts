import { randomUUID } from 'node:crypto';
import { authenticateCheck } from '../../kit/checks/authenticate.ts';
import { catalogCheck } from '../../kit/checks/catalog.ts';
import { withoutRight } from '../../kit/checks/missing-right.ts';
import { tenancyCheck } from '../../kit/checks/tenancy.ts';
import type { Check } from '../../kit/contract/connector.ts';
import { Failure } from '../../kit/contract/failure.ts';
import { SIGN_IN_LIMIT } from '../../kit/contract/peer-socket.ts';
import { refusalEvidence } from '../../kit/http/answers.ts';
import type { HttpResponse } from '../../kit/http/client.ts';
import { httpBase, write } from '../../kit/http/http-base.ts';
import { elasticColumns, LIST_PATH, MAX_NAMES, readElasticCatalog, resolveNames } from './catalog.ts';
import {
  aboutOf,
  askElastic,
  credentialsPath,
  type ElasticContext,
  type ElasticProduct,
  type ElasticState,
  elasticAccepted,
  errorType,
  refuseIndexInUrl,
} from './client.ts';
import { type ElasticConfig, elasticTarget } from './config.ts';

type ElasticCheck = Check<ElasticConfig, ElasticState>;

/** The API's name of the error when its access control refuses. */
const SECURITY = 'security_exception';

/** The DatastoreType of each product. */
const TYPES: Readonly<Record<ElasticProduct, string>> = { Elasticsearch: 'ELASTICSEARCH', OpenSearch: 'OPENSEARCH' };

const authenticate: ElasticCheck = authenticateCheck(
  'The server takes the user name and the password, the API key, or the signature. No right is needed, but for a collection of Amazon OpenSearch Serverless, whose indices are listed.',
  async (context) => {
    const { config, state } = context;
    if (state.signer?.isServerless) {
      // there is no start page, and this is the one list that every collection gives
      elasticAccepted(await askElastic(context, { method: 'GET', path: LIST_PATH, maxBytes: MAX_NAMES }), context);
      return { evidence: { server: 'Amazon OpenSearch Serverless' } };
    }
    const response = await askElastic(context, { method: 'GET', path: '/', maxBytes: SIGN_IN_LIMIT });
    refuseIndexInUrl(response);
    // a user whom the server knows may still lack the right to ask for the version
    const isKnown = response.status === 403 && errorType(response) === SECURITY;
    if (!isKnown) state.about = aboutOf(elasticAccepted(response, context));
    const server = state.about && `${state.about.product} ${state.about.version}`;
    return { evidence: { server, user: config.username } };
  },
);

function clusterInfo<Config extends ElasticConfig>(
  product: ElasticProduct,
  hasCluster: (config: Config) => boolean,
): Check<Config, ElasticState> {
  return {
    name: 'cluster/info',
    title: 'Look at the cluster',
    description: `The cluster is one of ${product}, and tells its version. Warns where the user may not monitor the cluster (cluster:monitor/main): indices/list shows that it can be used without.`,
    appliesTo: hasCluster,
    async run({ config, state: { about } }) {
      if (!about) return withoutRight('cluster:monitor/main', 'neither product nor version can be told');
      if (about.product !== product) {
        throw new Failure('PROTOCOL_MISMATCH', {
          configPath: elasticTarget(config).hostPath,
          hint: `The server is one of ${about.product}: use the type ${TYPES[about.product]}.`,
        });
      }
      return { evidence: { server: `${about.product} ${about.version}`, cluster: about.cluster } };
    },
  };
}

const listIndices: ElasticCheck = {
  name: 'indices/list',
  title: 'List the indices',
  description:
    'The indices, aliases and data streams can be listed, and the one of the config exists. The user needs view_index_metadata, or indices:admin/resolve/index.',
  async run(context) {
    const names = await resolveNames(context);
    return {
      evidence: {
        index: context.config.index,
        indices: names.indices.length,
        aliases: names.aliases.length,
        dataStreams: names.data_streams.length,
      },
    };
  },
};

const indexDocument: ElasticCheck = {
  name: 'document/index',
  title: 'Index a document',
  description:
    'A document can be put into an index of its own, datastore-gateway-test-…, which is deleted again. The user needs create_index, index and delete_index for it.',
  runsByDefault: false,
  writes: true,
  async run(context) {
    const name = `datastore-gateway-test-${randomUUID()}`;
    const index = `/${name}`;
    const remove = (ended: typeof context) => askElastic(ended, { method: 'DELETE', path: index });
    const made = await write(
      context,
      `The index ${name}`,
      () => askElastic(context, { method: 'PUT', path: index, begins: true }),
      remove,
    );
    allowed(made.written, context);
    const body = JSON.stringify({ written: true });
    const written = await askElastic(context, { method: 'PUT', path: `${index}/_doc/1`, body });
    // the index goes before the answer is judged: it is there whatever the answer says
    const removed = await remove(context);
    if (removed.status === 200) made.removed();
    allowed(written, context);
    allowed(removed, context);
    return { evidence: { written: true, removed: true } };
  },
};

/**
 * What the connectors of both products have in common. A server of the other product answers in the same ways:
 * cluster/info tells them apart. `hasCluster` tells whether a config leads to a cluster that can be asked for; left
 * out: each does.
 */
export function elasticFamily<Config extends ElasticConfig = ElasticConfig>(
  product: ElasticProduct,
  hasCluster: (config: Config) => boolean = () => true,
) {
  const checks: readonly Check<Config, ElasticState>[] = [
    authenticate,
    clusterInfo(product, hasCluster),
    listIndices,
    indexDocument,
    tenancyCheck<Config, ElasticState>(elasticColumns),
  ];
  return {
    category: 'SEARCH' as const,
    leastRights:
      '`indices:admin/resolve/index` on the index, which `view_index_metadata` has; `cluster:monitor/main`, which `monitor` has, without which cluster/info warns.',
    example: {
      serverType: 'SELF_MANAGED' as const,
      url: 'https://search.example.com:9200',
      username: 'app',
      password: 'not-a-real-password',
      index: 'products',
    },
    principalSecret: 'password',
    ...httpBase<Config, Omit<ElasticState, 'http'>>(elasticTarget, checks),
    tenancyLevels: ['TABLE'] as const,
    catalogCheck: catalogCheck<Config, ElasticState>(readElasticCatalog),
  };
}

function allowed(response: HttpResponse, context: Pick<ElasticContext, 'config' | 'state'>): void {
  if (response.status === 403 && errorType(response) === SECURITY) {
    throw new Failure('PERMISSION_DENIED', {
      configPath: credentialsPath(context),
      evidence: refusalEvidence(response, SECURITY),
      hint: 'Grant create_index, index and delete_index on datastore-gateway-test-*.',
    });
  }
  elasticAccepted(response, context);
}
