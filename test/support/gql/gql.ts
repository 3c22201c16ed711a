/* eslint-disable */
import * as types from './graphql.ts';
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';

/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  fragment UserErrorFields on UserError {\n    code\n    message\n    issues { path configPath code message }\n  }\n": typeof types.UserErrorFieldsFragmentDoc,
    "\n  fragment TestFields on ConnectionTest {\n    id type purpose status requestedBy createdAt startedAt finishedAt durationMs\n    failure { code cause message hint configPath }\n    checks { id name title status durationMs evidence { name value } failure { code cause message hint configPath } }\n  }\n": typeof types.TestFieldsFragmentDoc,
    "\n  fragment DatastoreFields on Datastore {\n    __typename\n    id type name label version createdAt updatedAt createdBy updatedBy configJson\n    environment { id name }\n    secrets { path isSet updatedAt }\n    lastTest { id status purpose }\n  }\n": typeof types.DatastoreFieldsFragmentDoc,
    "\n  mutation CreateDatastore($input: CreateDatastoreInput!) {\n    createDatastore(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateDatastoreSuccess { datastore { ...DatastoreFields } }\n      ... on ConnectionTestFailedError { test { ...TestFields } }\n      ... on ConflictError { current { id version } }\n      ... on NotFoundError { ids }\n    }\n  }\n": typeof types.CreateDatastoreDocument,
    "\n  mutation UpdateDatastore($input: UpdateDatastoreInput!) {\n    updateDatastore(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on UpdateDatastoreSuccess { datastore { ...DatastoreFields } }\n      ... on ConnectionTestFailedError { test { ...TestFields } }\n      ... on ConflictError { current { id version label } }\n      ... on NotFoundError { ids }\n    }\n  }\n": typeof types.UpdateDatastoreDocument,
    "\n  mutation DeleteDatastores($input: DeleteDatastoresInput!) {\n    deleteDatastores(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on DeleteDatastoresSuccess { deletedIds }\n      ... on NotFoundError { ids }\n    }\n  }\n": typeof types.DeleteDatastoresDocument,
    "\n  query ReadDatastore($id: ID!) {\n    datastore(id: $id) { ...DatastoreFields }\n  }\n": typeof types.ReadDatastoreDocument,
    "\n  query ReadDatastoreByName($environmentId: ID, $name: String!) {\n    datastoreByName(environmentId: $environmentId, name: $name) { ...DatastoreFields }\n  }\n": typeof types.ReadDatastoreByNameDocument,
    "\n  query ReadTypedConfigs($environmentId: ID!) {\n    datastores(environmentId: $environmentId, orderBy: { field: TYPE, direction: ASC }) {\n      nodes {\n        id\n        config {\n          __typename\n          ... on PostgresConfig { host port username database schema tls { mode serverName caCertificate clientCertificate } }\n          ... on S3Config { accessKeyId region bucket baseUrl forcePathStyle path pathKind tls { mode serverName } }\n          ... on QdrantConfig { baseUrl port collection tls { mode serverName } }\n          ... on MongoDataApiConfig { apiUrl dataSource database collection tls { mode serverName } }\n          ... on GoogleCloudStorageConfig { bucket credentials { type clientEmail projectId } }\n        }\n        ... on PostgresDatastore { postgres: config { host port } }\n      }\n    }\n  }\n": typeof types.ReadTypedConfigsDocument,
    "\n  query ListDatastores(\n    $environmentId: ID, $filter: DatastoreFilter, $orderBy: DatastoreOrder\n    $first: Int, $after: String, $last: Int, $before: String, $offset: Int\n  ) {\n    datastores(\n      environmentId: $environmentId, filter: $filter, orderBy: $orderBy\n      first: $first, after: $after, last: $last, before: $before, offset: $offset\n    ) {\n      edges { cursor node { id name label type } }\n      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n      totalCount\n    }\n  }\n": typeof types.ListDatastoresDocument,
    "\n  query ListWithRelations($environmentId: ID, $first: Int!) {\n    datastores(environmentId: $environmentId, first: $first) {\n      nodes { id environment { id name } lastTest { id status checks { name } datastore { id } } }\n    }\n  }\n": typeof types.ListWithRelationsDocument,
    "\n  query ListTests($id: ID!, $purpose: [TestPurpose!], $first: Int, $after: String, $last: Int, $before: String) {\n    datastore(id: $id) {\n      lastTest { ...TestFields }\n      connectionTests(purpose: $purpose, first: $first, after: $after, last: $last, before: $before) {\n        edges { cursor node { id purpose status } }\n        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n      }\n    }\n  }\n": typeof types.ListTestsDocument,
    "\n  mutation StartTest($input: StartConnectionTestInput!) {\n    startConnectionTest(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on StartConnectionTestSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n    }\n  }\n": typeof types.StartTestDocument,
    "\n  mutation CancelTest($id: ID!) {\n    cancelConnectionTest(id: $id) {\n      __typename\n      ...UserErrorFields\n      ... on CancelConnectionTestSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n    }\n  }\n": typeof types.CancelTestDocument,
    "\n  query ReadTest($id: ID!) {\n    connectionTest(id: $id) { ...TestFields datastore { id } }\n  }\n": typeof types.ReadTestDocument,
    "\n  subscription Progress($id: ID!, $after: Int) {\n    connectionTestProgress(id: $id, after: $after) {\n      sequence\n      at\n      test { ...TestFields }\n      check { id name status durationMs failure { code } }\n    }\n  }\n": typeof types.ProgressDocument,
    "\n  subscription DatastoreEvents($environmentId: ID, $datastoreId: ID, $after: String) {\n    datastoreEvents(environmentId: $environmentId, datastoreId: $datastoreId, after: $after) {\n      cursor at kind datastoreId environmentId actor onBehalfOf\n      datastore { id label version }\n    }\n  }\n": typeof types.DatastoreEventsDocument,
    "\n  mutation CreateEnvironment($input: CreateEnvironmentInput!) {\n    createEnvironment(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateEnvironmentSuccess { environment { id name createdAt } }\n      ... on ConflictError { current { id } }\n    }\n  }\n": typeof types.CreateEnvironmentDocument,
    "\n  mutation UpdateEnvironment($input: UpdateEnvironmentInput!) {\n    updateEnvironment(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on UpdateEnvironmentSuccess { environment { id name createdAt } }\n      ... on NotFoundError { ids }\n    }\n  }\n": typeof types.UpdateEnvironmentDocument,
    "\n  mutation DeleteEnvironment($id: ID!) {\n    deleteEnvironment(id: $id) {\n      __typename\n      ...UserErrorFields\n      ... on DeleteEnvironmentSuccess { deletedId }\n      ... on InUseError { datastores { id name } }\n      ... on NotFoundError { ids }\n    }\n  }\n": typeof types.DeleteEnvironmentDocument,
    "\n  query ReadEnvironment($id: ID!) {\n    environment(id: $id) { id name }\n  }\n": typeof types.ReadEnvironmentDocument,
    "\n  query ListEnvironments($search: String, $first: Int, $after: String, $last: Int, $before: String) {\n    environments(search: $search, first: $first, after: $after, last: $last, before: $before) {\n      nodes { id name }\n      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n    }\n  }\n": typeof types.ListEnvironmentsDocument,
    "\n  query ReadViewer {\n    viewer { token { id name prefix scopes onBehalfOf expiresAt lastUsedAt revokedAt environments { id } } }\n  }\n": typeof types.ReadViewerDocument,
    "\n  mutation CreateSessionToken($input: CreateSessionTokenInput!) {\n    createSessionToken(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateSessionTokenSuccess {\n        token\n        apiToken { id name prefix scopes onBehalfOf expiresAt environments { id } }\n      }\n    }\n  }\n": typeof types.CreateSessionTokenDocument,
    "\n  query WhoActed($id: ID!) {\n    datastore(id: $id) {\n      createdBy createdOnBehalfOf updatedBy updatedOnBehalfOf\n      lastTest { requestedBy requestedOnBehalfOf }\n    }\n  }\n": typeof types.WhoActedDocument,
    "\n  query ListConnectors {\n    connectors {\n      type title configKey configSchema tenancySchema supportsTenancy secretPaths principalSecret defaultPort\n      formLayout { name title fields }\n      checks { name title runsByDefault writes }\n    }\n  }\n": typeof types.ListConnectorsDocument,
    "\n  mutation RefreshCatalog($input: RefreshCatalogInput!) {\n    refreshCatalog(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on RefreshCatalogSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n      ... on ConflictError { current { id } }\n    }\n  }\n": typeof types.RefreshCatalogDocument,
    "\n  query ReadCatalog($id: ID!, $search: String, $first: Int, $after: String, $last: Int, $before: String) {\n    datastore(id: $id) {\n      version\n      lastTest { id }\n      catalog {\n        refreshedAt\n        entryCount\n        entries(search: $search, first: $first, after: $after, last: $last, before: $before) {\n          edges { cursor node { namespace name kind readable columns { name dataType nullable } } }\n          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n        }\n      }\n    }\n  }\n": typeof types.ReadCatalogDocument,
    "\n  query ReadTenancy($id: ID!) {\n    datastore(id: $id) {\n      version\n      tenancy { level clientColumnType schemaName tableName tableClientNameColumn tablePrimaryKeyColumn }\n    }\n  }\n": typeof types.ReadTenancyDocument,
};
const documents: Documents = {
    "\n  fragment UserErrorFields on UserError {\n    code\n    message\n    issues { path configPath code message }\n  }\n": types.UserErrorFieldsFragmentDoc,
    "\n  fragment TestFields on ConnectionTest {\n    id type purpose status requestedBy createdAt startedAt finishedAt durationMs\n    failure { code cause message hint configPath }\n    checks { id name title status durationMs evidence { name value } failure { code cause message hint configPath } }\n  }\n": types.TestFieldsFragmentDoc,
    "\n  fragment DatastoreFields on Datastore {\n    __typename\n    id type name label version createdAt updatedAt createdBy updatedBy configJson\n    environment { id name }\n    secrets { path isSet updatedAt }\n    lastTest { id status purpose }\n  }\n": types.DatastoreFieldsFragmentDoc,
    "\n  mutation CreateDatastore($input: CreateDatastoreInput!) {\n    createDatastore(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateDatastoreSuccess { datastore { ...DatastoreFields } }\n      ... on ConnectionTestFailedError { test { ...TestFields } }\n      ... on ConflictError { current { id version } }\n      ... on NotFoundError { ids }\n    }\n  }\n": types.CreateDatastoreDocument,
    "\n  mutation UpdateDatastore($input: UpdateDatastoreInput!) {\n    updateDatastore(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on UpdateDatastoreSuccess { datastore { ...DatastoreFields } }\n      ... on ConnectionTestFailedError { test { ...TestFields } }\n      ... on ConflictError { current { id version label } }\n      ... on NotFoundError { ids }\n    }\n  }\n": types.UpdateDatastoreDocument,
    "\n  mutation DeleteDatastores($input: DeleteDatastoresInput!) {\n    deleteDatastores(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on DeleteDatastoresSuccess { deletedIds }\n      ... on NotFoundError { ids }\n    }\n  }\n": types.DeleteDatastoresDocument,
    "\n  query ReadDatastore($id: ID!) {\n    datastore(id: $id) { ...DatastoreFields }\n  }\n": types.ReadDatastoreDocument,
    "\n  query ReadDatastoreByName($environmentId: ID, $name: String!) {\n    datastoreByName(environmentId: $environmentId, name: $name) { ...DatastoreFields }\n  }\n": types.ReadDatastoreByNameDocument,
    "\n  query ReadTypedConfigs($environmentId: ID!) {\n    datastores(environmentId: $environmentId, orderBy: { field: TYPE, direction: ASC }) {\n      nodes {\n        id\n        config {\n          __typename\n          ... on PostgresConfig { host port username database schema tls { mode serverName caCertificate clientCertificate } }\n          ... on S3Config { accessKeyId region bucket baseUrl forcePathStyle path pathKind tls { mode serverName } }\n          ... on QdrantConfig { baseUrl port collection tls { mode serverName } }\n          ... on MongoDataApiConfig { apiUrl dataSource database collection tls { mode serverName } }\n          ... on GoogleCloudStorageConfig { bucket credentials { type clientEmail projectId } }\n        }\n        ... on PostgresDatastore { postgres: config { host port } }\n      }\n    }\n  }\n": types.ReadTypedConfigsDocument,
    "\n  query ListDatastores(\n    $environmentId: ID, $filter: DatastoreFilter, $orderBy: DatastoreOrder\n    $first: Int, $after: String, $last: Int, $before: String, $offset: Int\n  ) {\n    datastores(\n      environmentId: $environmentId, filter: $filter, orderBy: $orderBy\n      first: $first, after: $after, last: $last, before: $before, offset: $offset\n    ) {\n      edges { cursor node { id name label type } }\n      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n      totalCount\n    }\n  }\n": types.ListDatastoresDocument,
    "\n  query ListWithRelations($environmentId: ID, $first: Int!) {\n    datastores(environmentId: $environmentId, first: $first) {\n      nodes { id environment { id name } lastTest { id status checks { name } datastore { id } } }\n    }\n  }\n": types.ListWithRelationsDocument,
    "\n  query ListTests($id: ID!, $purpose: [TestPurpose!], $first: Int, $after: String, $last: Int, $before: String) {\n    datastore(id: $id) {\n      lastTest { ...TestFields }\n      connectionTests(purpose: $purpose, first: $first, after: $after, last: $last, before: $before) {\n        edges { cursor node { id purpose status } }\n        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n      }\n    }\n  }\n": types.ListTestsDocument,
    "\n  mutation StartTest($input: StartConnectionTestInput!) {\n    startConnectionTest(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on StartConnectionTestSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n    }\n  }\n": types.StartTestDocument,
    "\n  mutation CancelTest($id: ID!) {\n    cancelConnectionTest(id: $id) {\n      __typename\n      ...UserErrorFields\n      ... on CancelConnectionTestSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n    }\n  }\n": types.CancelTestDocument,
    "\n  query ReadTest($id: ID!) {\n    connectionTest(id: $id) { ...TestFields datastore { id } }\n  }\n": types.ReadTestDocument,
    "\n  subscription Progress($id: ID!, $after: Int) {\n    connectionTestProgress(id: $id, after: $after) {\n      sequence\n      at\n      test { ...TestFields }\n      check { id name status durationMs failure { code } }\n    }\n  }\n": types.ProgressDocument,
    "\n  subscription DatastoreEvents($environmentId: ID, $datastoreId: ID, $after: String) {\n    datastoreEvents(environmentId: $environmentId, datastoreId: $datastoreId, after: $after) {\n      cursor at kind datastoreId environmentId actor onBehalfOf\n      datastore { id label version }\n    }\n  }\n": types.DatastoreEventsDocument,
    "\n  mutation CreateEnvironment($input: CreateEnvironmentInput!) {\n    createEnvironment(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateEnvironmentSuccess { environment { id name createdAt } }\n      ... on ConflictError { current { id } }\n    }\n  }\n": types.CreateEnvironmentDocument,
    "\n  mutation UpdateEnvironment($input: UpdateEnvironmentInput!) {\n    updateEnvironment(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on UpdateEnvironmentSuccess { environment { id name createdAt } }\n      ... on NotFoundError { ids }\n    }\n  }\n": types.UpdateEnvironmentDocument,
    "\n  mutation DeleteEnvironment($id: ID!) {\n    deleteEnvironment(id: $id) {\n      __typename\n      ...UserErrorFields\n      ... on DeleteEnvironmentSuccess { deletedId }\n      ... on InUseError { datastores { id name } }\n      ... on NotFoundError { ids }\n    }\n  }\n": types.DeleteEnvironmentDocument,
    "\n  query ReadEnvironment($id: ID!) {\n    environment(id: $id) { id name }\n  }\n": types.ReadEnvironmentDocument,
    "\n  query ListEnvironments($search: String, $first: Int, $after: String, $last: Int, $before: String) {\n    environments(search: $search, first: $first, after: $after, last: $last, before: $before) {\n      nodes { id name }\n      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n    }\n  }\n": types.ListEnvironmentsDocument,
    "\n  query ReadViewer {\n    viewer { token { id name prefix scopes onBehalfOf expiresAt lastUsedAt revokedAt environments { id } } }\n  }\n": types.ReadViewerDocument,
    "\n  mutation CreateSessionToken($input: CreateSessionTokenInput!) {\n    createSessionToken(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateSessionTokenSuccess {\n        token\n        apiToken { id name prefix scopes onBehalfOf expiresAt environments { id } }\n      }\n    }\n  }\n": types.CreateSessionTokenDocument,
    "\n  query WhoActed($id: ID!) {\n    datastore(id: $id) {\n      createdBy createdOnBehalfOf updatedBy updatedOnBehalfOf\n      lastTest { requestedBy requestedOnBehalfOf }\n    }\n  }\n": types.WhoActedDocument,
    "\n  query ListConnectors {\n    connectors {\n      type title configKey configSchema tenancySchema supportsTenancy secretPaths principalSecret defaultPort\n      formLayout { name title fields }\n      checks { name title runsByDefault writes }\n    }\n  }\n": types.ListConnectorsDocument,
    "\n  mutation RefreshCatalog($input: RefreshCatalogInput!) {\n    refreshCatalog(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on RefreshCatalogSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n      ... on ConflictError { current { id } }\n    }\n  }\n": types.RefreshCatalogDocument,
    "\n  query ReadCatalog($id: ID!, $search: String, $first: Int, $after: String, $last: Int, $before: String) {\n    datastore(id: $id) {\n      version\n      lastTest { id }\n      catalog {\n        refreshedAt\n        entryCount\n        entries(search: $search, first: $first, after: $after, last: $last, before: $before) {\n          edges { cursor node { namespace name kind readable columns { name dataType nullable } } }\n          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n        }\n      }\n    }\n  }\n": types.ReadCatalogDocument,
    "\n  query ReadTenancy($id: ID!) {\n    datastore(id: $id) {\n      version\n      tenancy { level clientColumnType schemaName tableName tableClientNameColumn tablePrimaryKeyColumn }\n    }\n  }\n": types.ReadTenancyDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 *
 *
 * @example
 * ```ts
 * const query = graphql(`query GetUser($id: ID!) { user(id: $id) { name } }`);
 * ```
 *
 * The query argument is unknown!
 * Please regenerate the types.
 */
export function graphql(source: string): unknown;

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment UserErrorFields on UserError {\n    code\n    message\n    issues { path configPath code message }\n  }\n"): (typeof documents)["\n  fragment UserErrorFields on UserError {\n    code\n    message\n    issues { path configPath code message }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment TestFields on ConnectionTest {\n    id type purpose status requestedBy createdAt startedAt finishedAt durationMs\n    failure { code cause message hint configPath }\n    checks { id name title status durationMs evidence { name value } failure { code cause message hint configPath } }\n  }\n"): (typeof documents)["\n  fragment TestFields on ConnectionTest {\n    id type purpose status requestedBy createdAt startedAt finishedAt durationMs\n    failure { code cause message hint configPath }\n    checks { id name title status durationMs evidence { name value } failure { code cause message hint configPath } }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment DatastoreFields on Datastore {\n    __typename\n    id type name label version createdAt updatedAt createdBy updatedBy configJson\n    environment { id name }\n    secrets { path isSet updatedAt }\n    lastTest { id status purpose }\n  }\n"): (typeof documents)["\n  fragment DatastoreFields on Datastore {\n    __typename\n    id type name label version createdAt updatedAt createdBy updatedBy configJson\n    environment { id name }\n    secrets { path isSet updatedAt }\n    lastTest { id status purpose }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateDatastore($input: CreateDatastoreInput!) {\n    createDatastore(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateDatastoreSuccess { datastore { ...DatastoreFields } }\n      ... on ConnectionTestFailedError { test { ...TestFields } }\n      ... on ConflictError { current { id version } }\n      ... on NotFoundError { ids }\n    }\n  }\n"): (typeof documents)["\n  mutation CreateDatastore($input: CreateDatastoreInput!) {\n    createDatastore(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateDatastoreSuccess { datastore { ...DatastoreFields } }\n      ... on ConnectionTestFailedError { test { ...TestFields } }\n      ... on ConflictError { current { id version } }\n      ... on NotFoundError { ids }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UpdateDatastore($input: UpdateDatastoreInput!) {\n    updateDatastore(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on UpdateDatastoreSuccess { datastore { ...DatastoreFields } }\n      ... on ConnectionTestFailedError { test { ...TestFields } }\n      ... on ConflictError { current { id version label } }\n      ... on NotFoundError { ids }\n    }\n  }\n"): (typeof documents)["\n  mutation UpdateDatastore($input: UpdateDatastoreInput!) {\n    updateDatastore(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on UpdateDatastoreSuccess { datastore { ...DatastoreFields } }\n      ... on ConnectionTestFailedError { test { ...TestFields } }\n      ... on ConflictError { current { id version label } }\n      ... on NotFoundError { ids }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DeleteDatastores($input: DeleteDatastoresInput!) {\n    deleteDatastores(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on DeleteDatastoresSuccess { deletedIds }\n      ... on NotFoundError { ids }\n    }\n  }\n"): (typeof documents)["\n  mutation DeleteDatastores($input: DeleteDatastoresInput!) {\n    deleteDatastores(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on DeleteDatastoresSuccess { deletedIds }\n      ... on NotFoundError { ids }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ReadDatastore($id: ID!) {\n    datastore(id: $id) { ...DatastoreFields }\n  }\n"): (typeof documents)["\n  query ReadDatastore($id: ID!) {\n    datastore(id: $id) { ...DatastoreFields }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ReadDatastoreByName($environmentId: ID, $name: String!) {\n    datastoreByName(environmentId: $environmentId, name: $name) { ...DatastoreFields }\n  }\n"): (typeof documents)["\n  query ReadDatastoreByName($environmentId: ID, $name: String!) {\n    datastoreByName(environmentId: $environmentId, name: $name) { ...DatastoreFields }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ReadTypedConfigs($environmentId: ID!) {\n    datastores(environmentId: $environmentId, orderBy: { field: TYPE, direction: ASC }) {\n      nodes {\n        id\n        config {\n          __typename\n          ... on PostgresConfig { host port username database schema tls { mode serverName caCertificate clientCertificate } }\n          ... on S3Config { accessKeyId region bucket baseUrl forcePathStyle path pathKind tls { mode serverName } }\n          ... on QdrantConfig { baseUrl port collection tls { mode serverName } }\n          ... on MongoDataApiConfig { apiUrl dataSource database collection tls { mode serverName } }\n          ... on GoogleCloudStorageConfig { bucket credentials { type clientEmail projectId } }\n        }\n        ... on PostgresDatastore { postgres: config { host port } }\n      }\n    }\n  }\n"): (typeof documents)["\n  query ReadTypedConfigs($environmentId: ID!) {\n    datastores(environmentId: $environmentId, orderBy: { field: TYPE, direction: ASC }) {\n      nodes {\n        id\n        config {\n          __typename\n          ... on PostgresConfig { host port username database schema tls { mode serverName caCertificate clientCertificate } }\n          ... on S3Config { accessKeyId region bucket baseUrl forcePathStyle path pathKind tls { mode serverName } }\n          ... on QdrantConfig { baseUrl port collection tls { mode serverName } }\n          ... on MongoDataApiConfig { apiUrl dataSource database collection tls { mode serverName } }\n          ... on GoogleCloudStorageConfig { bucket credentials { type clientEmail projectId } }\n        }\n        ... on PostgresDatastore { postgres: config { host port } }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ListDatastores(\n    $environmentId: ID, $filter: DatastoreFilter, $orderBy: DatastoreOrder\n    $first: Int, $after: String, $last: Int, $before: String, $offset: Int\n  ) {\n    datastores(\n      environmentId: $environmentId, filter: $filter, orderBy: $orderBy\n      first: $first, after: $after, last: $last, before: $before, offset: $offset\n    ) {\n      edges { cursor node { id name label type } }\n      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n      totalCount\n    }\n  }\n"): (typeof documents)["\n  query ListDatastores(\n    $environmentId: ID, $filter: DatastoreFilter, $orderBy: DatastoreOrder\n    $first: Int, $after: String, $last: Int, $before: String, $offset: Int\n  ) {\n    datastores(\n      environmentId: $environmentId, filter: $filter, orderBy: $orderBy\n      first: $first, after: $after, last: $last, before: $before, offset: $offset\n    ) {\n      edges { cursor node { id name label type } }\n      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n      totalCount\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ListWithRelations($environmentId: ID, $first: Int!) {\n    datastores(environmentId: $environmentId, first: $first) {\n      nodes { id environment { id name } lastTest { id status checks { name } datastore { id } } }\n    }\n  }\n"): (typeof documents)["\n  query ListWithRelations($environmentId: ID, $first: Int!) {\n    datastores(environmentId: $environmentId, first: $first) {\n      nodes { id environment { id name } lastTest { id status checks { name } datastore { id } } }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ListTests($id: ID!, $purpose: [TestPurpose!], $first: Int, $after: String, $last: Int, $before: String) {\n    datastore(id: $id) {\n      lastTest { ...TestFields }\n      connectionTests(purpose: $purpose, first: $first, after: $after, last: $last, before: $before) {\n        edges { cursor node { id purpose status } }\n        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n      }\n    }\n  }\n"): (typeof documents)["\n  query ListTests($id: ID!, $purpose: [TestPurpose!], $first: Int, $after: String, $last: Int, $before: String) {\n    datastore(id: $id) {\n      lastTest { ...TestFields }\n      connectionTests(purpose: $purpose, first: $first, after: $after, last: $last, before: $before) {\n        edges { cursor node { id purpose status } }\n        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation StartTest($input: StartConnectionTestInput!) {\n    startConnectionTest(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on StartConnectionTestSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n    }\n  }\n"): (typeof documents)["\n  mutation StartTest($input: StartConnectionTestInput!) {\n    startConnectionTest(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on StartConnectionTestSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CancelTest($id: ID!) {\n    cancelConnectionTest(id: $id) {\n      __typename\n      ...UserErrorFields\n      ... on CancelConnectionTestSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n    }\n  }\n"): (typeof documents)["\n  mutation CancelTest($id: ID!) {\n    cancelConnectionTest(id: $id) {\n      __typename\n      ...UserErrorFields\n      ... on CancelConnectionTestSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ReadTest($id: ID!) {\n    connectionTest(id: $id) { ...TestFields datastore { id } }\n  }\n"): (typeof documents)["\n  query ReadTest($id: ID!) {\n    connectionTest(id: $id) { ...TestFields datastore { id } }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription Progress($id: ID!, $after: Int) {\n    connectionTestProgress(id: $id, after: $after) {\n      sequence\n      at\n      test { ...TestFields }\n      check { id name status durationMs failure { code } }\n    }\n  }\n"): (typeof documents)["\n  subscription Progress($id: ID!, $after: Int) {\n    connectionTestProgress(id: $id, after: $after) {\n      sequence\n      at\n      test { ...TestFields }\n      check { id name status durationMs failure { code } }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription DatastoreEvents($environmentId: ID, $datastoreId: ID, $after: String) {\n    datastoreEvents(environmentId: $environmentId, datastoreId: $datastoreId, after: $after) {\n      cursor at kind datastoreId environmentId actor onBehalfOf\n      datastore { id label version }\n    }\n  }\n"): (typeof documents)["\n  subscription DatastoreEvents($environmentId: ID, $datastoreId: ID, $after: String) {\n    datastoreEvents(environmentId: $environmentId, datastoreId: $datastoreId, after: $after) {\n      cursor at kind datastoreId environmentId actor onBehalfOf\n      datastore { id label version }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateEnvironment($input: CreateEnvironmentInput!) {\n    createEnvironment(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateEnvironmentSuccess { environment { id name createdAt } }\n      ... on ConflictError { current { id } }\n    }\n  }\n"): (typeof documents)["\n  mutation CreateEnvironment($input: CreateEnvironmentInput!) {\n    createEnvironment(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateEnvironmentSuccess { environment { id name createdAt } }\n      ... on ConflictError { current { id } }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UpdateEnvironment($input: UpdateEnvironmentInput!) {\n    updateEnvironment(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on UpdateEnvironmentSuccess { environment { id name createdAt } }\n      ... on NotFoundError { ids }\n    }\n  }\n"): (typeof documents)["\n  mutation UpdateEnvironment($input: UpdateEnvironmentInput!) {\n    updateEnvironment(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on UpdateEnvironmentSuccess { environment { id name createdAt } }\n      ... on NotFoundError { ids }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DeleteEnvironment($id: ID!) {\n    deleteEnvironment(id: $id) {\n      __typename\n      ...UserErrorFields\n      ... on DeleteEnvironmentSuccess { deletedId }\n      ... on InUseError { datastores { id name } }\n      ... on NotFoundError { ids }\n    }\n  }\n"): (typeof documents)["\n  mutation DeleteEnvironment($id: ID!) {\n    deleteEnvironment(id: $id) {\n      __typename\n      ...UserErrorFields\n      ... on DeleteEnvironmentSuccess { deletedId }\n      ... on InUseError { datastores { id name } }\n      ... on NotFoundError { ids }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ReadEnvironment($id: ID!) {\n    environment(id: $id) { id name }\n  }\n"): (typeof documents)["\n  query ReadEnvironment($id: ID!) {\n    environment(id: $id) { id name }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ListEnvironments($search: String, $first: Int, $after: String, $last: Int, $before: String) {\n    environments(search: $search, first: $first, after: $after, last: $last, before: $before) {\n      nodes { id name }\n      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n    }\n  }\n"): (typeof documents)["\n  query ListEnvironments($search: String, $first: Int, $after: String, $last: Int, $before: String) {\n    environments(search: $search, first: $first, after: $after, last: $last, before: $before) {\n      nodes { id name }\n      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ReadViewer {\n    viewer { token { id name prefix scopes onBehalfOf expiresAt lastUsedAt revokedAt environments { id } } }\n  }\n"): (typeof documents)["\n  query ReadViewer {\n    viewer { token { id name prefix scopes onBehalfOf expiresAt lastUsedAt revokedAt environments { id } } }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateSessionToken($input: CreateSessionTokenInput!) {\n    createSessionToken(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateSessionTokenSuccess {\n        token\n        apiToken { id name prefix scopes onBehalfOf expiresAt environments { id } }\n      }\n    }\n  }\n"): (typeof documents)["\n  mutation CreateSessionToken($input: CreateSessionTokenInput!) {\n    createSessionToken(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on CreateSessionTokenSuccess {\n        token\n        apiToken { id name prefix scopes onBehalfOf expiresAt environments { id } }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query WhoActed($id: ID!) {\n    datastore(id: $id) {\n      createdBy createdOnBehalfOf updatedBy updatedOnBehalfOf\n      lastTest { requestedBy requestedOnBehalfOf }\n    }\n  }\n"): (typeof documents)["\n  query WhoActed($id: ID!) {\n    datastore(id: $id) {\n      createdBy createdOnBehalfOf updatedBy updatedOnBehalfOf\n      lastTest { requestedBy requestedOnBehalfOf }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ListConnectors {\n    connectors {\n      type title configKey configSchema tenancySchema supportsTenancy secretPaths principalSecret defaultPort\n      formLayout { name title fields }\n      checks { name title runsByDefault writes }\n    }\n  }\n"): (typeof documents)["\n  query ListConnectors {\n    connectors {\n      type title configKey configSchema tenancySchema supportsTenancy secretPaths principalSecret defaultPort\n      formLayout { name title fields }\n      checks { name title runsByDefault writes }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation RefreshCatalog($input: RefreshCatalogInput!) {\n    refreshCatalog(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on RefreshCatalogSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n      ... on ConflictError { current { id } }\n    }\n  }\n"): (typeof documents)["\n  mutation RefreshCatalog($input: RefreshCatalogInput!) {\n    refreshCatalog(input: $input) {\n      __typename\n      ...UserErrorFields\n      ... on RefreshCatalogSuccess { test { ...TestFields } }\n      ... on NotFoundError { ids }\n      ... on ConflictError { current { id } }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ReadCatalog($id: ID!, $search: String, $first: Int, $after: String, $last: Int, $before: String) {\n    datastore(id: $id) {\n      version\n      lastTest { id }\n      catalog {\n        refreshedAt\n        entryCount\n        entries(search: $search, first: $first, after: $after, last: $last, before: $before) {\n          edges { cursor node { namespace name kind readable columns { name dataType nullable } } }\n          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query ReadCatalog($id: ID!, $search: String, $first: Int, $after: String, $last: Int, $before: String) {\n    datastore(id: $id) {\n      version\n      lastTest { id }\n      catalog {\n        refreshedAt\n        entryCount\n        entries(search: $search, first: $first, after: $after, last: $last, before: $before) {\n          edges { cursor node { namespace name kind readable columns { name dataType nullable } } }\n          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ReadTenancy($id: ID!) {\n    datastore(id: $id) {\n      version\n      tenancy { level clientColumnType schemaName tableName tableClientNameColumn tablePrimaryKeyColumn }\n    }\n  }\n"): (typeof documents)["\n  query ReadTenancy($id: ID!) {\n    datastore(id: $id) {\n      version\n      tenancy { level clientColumnType schemaName tableName tableClientNameColumn tablePrimaryKeyColumn }\n    }\n  }\n"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;