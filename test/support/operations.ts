import { graphql } from './gql/gql.ts';

/**
 * What the suites ask the gateway, with the types that the committed schema gives them. Run `npm run codegen` after a
 * change.
 */

export const UserErrorFields = graphql(`
  fragment UserErrorFields on UserError {
    code
    message
    issues { path configPath code message }
  }
`);

export const TestFields = graphql(`
  fragment TestFields on ConnectionTest {
    id type purpose status attempt requestedBy createdAt startedAt finishedAt durationMs
    failure { code cause message hint configPath }
    checks { id name title status durationMs evidence { name value } failure { code cause message hint configPath } }
  }
`);

export const DatastoreFields = graphql(`
  fragment DatastoreFields on Datastore {
    __typename
    id type name label version createdAt updatedAt createdBy updatedBy configJson
    environment { id name }
    secrets { path isSet updatedAt }
    lastTest { id status purpose }
  }
`);

export const CreateDatastore = graphql(`
  mutation CreateDatastore($input: CreateDatastoreInput!) {
    createDatastore(input: $input) {
      __typename
      ...UserErrorFields
      ... on CreateDatastoreSuccess { datastore { ...DatastoreFields } }
      ... on ConnectionTestFailedError { test { ...TestFields } }
      ... on ConflictError { current { id version } }
      ... on NotFoundError { ids }
    }
  }
`);

export const UpdateDatastore = graphql(`
  mutation UpdateDatastore($input: UpdateDatastoreInput!) {
    updateDatastore(input: $input) {
      __typename
      ...UserErrorFields
      ... on UpdateDatastoreSuccess { datastore { ...DatastoreFields } }
      ... on ConnectionTestFailedError { test { ...TestFields } }
      ... on ConflictError { current { id version label } }
      ... on NotFoundError { ids }
      ... on RecordsMisfitError { misfitCount misfits { datastoreId key issues { path code } } }
    }
  }
`);

export const DeleteDatastores = graphql(`
  mutation DeleteDatastores($input: DeleteDatastoresInput!) {
    deleteDatastores(input: $input) {
      __typename
      ...UserErrorFields
      ... on DeleteDatastoresSuccess { deletedIds }
      ... on NotFoundError { ids }
    }
  }
`);

export const DeleteConfirmed = graphql(`
  mutation DeleteConfirmed($input: DeleteDatastoresInput!) {
    deleteDatastores(input: $input) {
      __typename
      ...UserErrorFields
      ... on DeleteDatastoresSuccess { deletedIds }
      ... on NotFoundError { ids }
      ... on ConfirmationRequiredError { usages { id kind name datastore { id } } }
    }
  }
`);

export const RegisterUsage = graphql(`
  mutation RegisterUsage($input: RegisterUsageInput!) {
    registerUsage(input: $input) {
      __typename
      ...UserErrorFields
      ... on RegisterUsageSuccess { usage { id kind name url registeredAt } }
      ... on NotFoundError { ids }
    }
  }
`);

export const UnregisterUsage = graphql(`
  mutation UnregisterUsage($id: ID!) {
    unregisterUsage(id: $id) {
      __typename
      ...UserErrorFields
      ... on UnregisterUsageSuccess { deletedId }
      ... on NotFoundError { ids }
    }
  }
`);

export const ReadUsages = graphql(`
  query ReadUsages($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
    datastore(id: $id) {
      usages(first: $first, after: $after, last: $last, before: $before) {
        totalCount
        edges { cursor node { id kind name url registeredAt datastore { id } } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }
  }
`);

export const ReadDatastore = graphql(`
  query ReadDatastore($id: ID!) {
    datastore(id: $id) { ...DatastoreFields }
  }
`);

export const ReadDatastoreByName = graphql(`
  query ReadDatastoreByName($environmentId: ID, $name: String!) {
    datastoreByName(environmentId: $environmentId, name: $name) { ...DatastoreFields }
  }
`);

/** Selects `tls` and `baseUrl` from several types without aliases. */
export const ReadTypedConfigs = graphql(`
  query ReadTypedConfigs($environmentId: ID!) {
    datastores(environmentId: $environmentId, orderBy: { field: TYPE, direction: ASC }) {
      nodes {
        id
        config {
          __typename
          ... on PostgresConfig { host port username database schema tls { mode serverName caCertificate clientCertificate } }
          ... on S3Config { accessKeyId region bucket baseUrl forcePathStyle path pathKind tls { mode serverName } }
          ... on QdrantConfig { baseUrl port collection tls { mode serverName } }
          ... on MongoDataApiConfig { apiUrl dataSource database collection tls { mode serverName } }
          ... on GoogleCloudStorageConfig { bucket credentials { type clientEmail projectId } }
        }
        ... on PostgresDatastore { postgres: config { host port } }
      }
    }
  }
`);

export const ListDatastores = graphql(`
  query ListDatastores(
    $environmentId: ID, $filter: DatastoreFilter, $orderBy: DatastoreOrder
    $first: Int, $after: String, $last: Int, $before: String, $offset: Int
  ) {
    datastores(
      environmentId: $environmentId, filter: $filter, orderBy: $orderBy
      first: $first, after: $after, last: $last, before: $before, offset: $offset
    ) {
      edges { cursor node { id name label type } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      totalCount
    }
  }
`);

export const ListWithRelations = graphql(`
  query ListWithRelations($environmentId: ID, $first: Int!) {
    datastores(environmentId: $environmentId, first: $first) {
      nodes { id environment { id name } lastTest { id status checks { name } datastore { id } } }
    }
  }
`);

export const ListTests = graphql(`
  query ListTests($id: ID!, $purpose: [TestPurpose!], $first: Int, $after: String, $last: Int, $before: String) {
    datastore(id: $id) {
      lastTest { ...TestFields }
      connectionTests(purpose: $purpose, first: $first, after: $after, last: $last, before: $before) {
        edges { cursor node { id purpose status } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }
  }
`);

export const StartTest = graphql(`
  mutation StartTest($input: StartConnectionTestInput!) {
    startConnectionTest(input: $input) {
      __typename
      ...UserErrorFields
      ... on StartConnectionTestSuccess { test { ...TestFields } }
      ... on NotFoundError { ids }
    }
  }
`);

export const CancelTest = graphql(`
  mutation CancelTest($id: ID!) {
    cancelConnectionTest(id: $id) {
      __typename
      ...UserErrorFields
      ... on CancelConnectionTestSuccess { test { ...TestFields } }
      ... on NotFoundError { ids }
    }
  }
`);

export const ReadTest = graphql(`
  query ReadTest($id: ID!) {
    connectionTest(id: $id) { ...TestFields datastore { id } }
  }
`);

export const Progress = graphql(`
  subscription Progress($id: ID!, $after: Int) {
    connectionTestProgress(id: $id, after: $after) {
      sequence
      at
      test { ...TestFields }
      check { id name status durationMs failure { code } }
    }
  }
`);

export const DatastoreEvents = graphql(`
  subscription DatastoreEvents($environmentId: ID, $datastoreId: ID, $after: String) {
    datastoreEvents(environmentId: $environmentId, datastoreId: $datastoreId, after: $after) {
      cursor at kind datastoreId environmentId actor onBehalfOf
      datastore { id label version }
    }
  }
`);

export const CreateEnvironment = graphql(`
  mutation CreateEnvironment($input: CreateEnvironmentInput!) {
    createEnvironment(input: $input) {
      __typename
      ...UserErrorFields
      ... on CreateEnvironmentSuccess { environment { id name network createdAt } }
      ... on ConflictError { current { id } }
    }
  }
`);

export const UpdateEnvironment = graphql(`
  mutation UpdateEnvironment($input: UpdateEnvironmentInput!) {
    updateEnvironment(input: $input) {
      __typename
      ...UserErrorFields
      ... on UpdateEnvironmentSuccess { environment { id name network createdAt } }
      ... on NotFoundError { ids }
    }
  }
`);

export const DeleteEnvironment = graphql(`
  mutation DeleteEnvironment($id: ID!) {
    deleteEnvironment(id: $id) {
      __typename
      ...UserErrorFields
      ... on DeleteEnvironmentSuccess { deletedId }
      ... on InUseError { datastores { id name } }
      ... on NotFoundError { ids }
    }
  }
`);

export const ReadEnvironment = graphql(`
  query ReadEnvironment($id: ID!) {
    environment(id: $id) { id name }
  }
`);

export const ListEnvironments = graphql(`
  query ListEnvironments($search: String, $first: Int, $after: String, $last: Int, $before: String) {
    environments(search: $search, first: $first, after: $after, last: $last, before: $before) {
      nodes { id name }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`);

export const ReadViewer = graphql(`
  query ReadViewer {
    viewer { token { id name prefix scopes onBehalfOf expiresAt lastUsedAt revokedAt environments { id } } }
  }
`);

export const CreateSessionToken = graphql(`
  mutation CreateSessionToken($input: CreateSessionTokenInput!) {
    createSessionToken(input: $input) {
      __typename
      ...UserErrorFields
      ... on CreateSessionTokenSuccess {
        token
        apiToken { id name prefix scopes onBehalfOf expiresAt environments { id } }
      }
    }
  }
`);

export const TokenFields = graphql(`
  fragment TokenFields on ApiToken {
    id name prefix scopes environments { id } createdAt createdBy expiresAt lastUsedAt revokedAt onBehalfOf
  }
`);

export const CreateApiToken = graphql(`
  mutation CreateApiToken($input: CreateApiTokenInput!) {
    createApiToken(input: $input) {
      __typename
      ...UserErrorFields
      ... on CreateApiTokenSuccess { token apiToken { ...TokenFields } }
      ... on NotFoundError { ids }
    }
  }
`);

export const RevokeApiToken = graphql(`
  mutation RevokeApiToken($id: ID!) {
    revokeApiToken(id: $id) {
      __typename
      ...UserErrorFields
      ... on RevokeApiTokenSuccess { apiToken { ...TokenFields } }
      ... on NotFoundError { ids }
    }
  }
`);

export const ListApiTokens = graphql(`
  query ListApiTokens($sessionsOf: ID, $first: Int, $after: String, $last: Int, $before: String) {
    apiTokens(sessionsOf: $sessionsOf, first: $first, after: $after, last: $last, before: $before) {
      edges { cursor node { ...TokenFields } }
      nodes { id name }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`);

export const ReadAuditLog = graphql(`
  query ReadAuditLog(
    $environmentId: ID, $datastoreId: ID, $subjectId: ID, $actor: String, $action: String, $outcome: AuditOutcome,
    $from: DateTime, $until: DateTime, $first: Int, $after: String, $last: Int, $before: String
  ) {
    auditLog(
      environmentId: $environmentId, datastoreId: $datastoreId, subjectId: $subjectId, actor: $actor, action: $action,
      outcome: $outcome, from: $from, until: $until, first: $first, after: $after, last: $last, before: $before
    ) {
      nodes { id at actor onBehalfOf action environmentId subjectId subjectType outcome detail }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`);

export const WhoActed = graphql(`
  query WhoActed($id: ID!) {
    datastore(id: $id) {
      createdBy createdOnBehalfOf updatedBy updatedOnBehalfOf
      lastTest { requestedBy requestedOnBehalfOf }
    }
  }
`);

export const ListConnectors = graphql(`
  query ListConnectors {
    connectors {
      type title configKey configSchema tenancySchema supportsTenancy secretPaths principalSecret defaultPort
      formLayout { name title fields }
      changeSchema: configSchema(for: UPDATE)
      checks { name title runsByDefault writes }
    }
  }
`);

export const ReadDocumentation = graphql(`
  query ReadDocumentation($type: DatastoreType!) {
    connector(type: $type) { documentation }
  }
`);

export const RefreshCatalog = graphql(`
  mutation RefreshCatalog($input: RefreshCatalogInput!) {
    refreshCatalog(input: $input) {
      __typename
      ...UserErrorFields
      ... on RefreshCatalogSuccess { test { ...TestFields } }
      ... on NotFoundError { ids }
      ... on ConflictError { current { id } }
    }
  }
`);

export const ReadCatalog = graphql(`
  query ReadCatalog($id: ID!, $search: String, $first: Int, $after: String, $last: Int, $before: String) {
    datastore(id: $id) {
      version
      lastTest { id }
      catalog {
        refreshedAt
        entryCount
        entries(search: $search, first: $first, after: $after, last: $last, before: $before) {
          edges { cursor node { namespace name kind readable columns { name dataType nullable } } }
          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
      }
    }
  }
`);

export const ReadTenancy = graphql(`
  query ReadTenancy($id: ID!) {
    datastore(id: $id) {
      version
      tenancy { level clientColumnType schemaName tableName tableClientNameColumn tablePrimaryKeyColumn }
    }
  }
`);

export const DataStructureFieldsFragment = graphql(`
  fragment DataStructureFields on DataStructure {
    id
    name
    strict
    environment { id }
    fields {
      name type label required default choices itemType
      fields { name type required default itemType fields { name type fields { name fields { name fields { name } } } } }
    }
  }
`);

export const CreateDataStructure = graphql(`
  mutation CreateDataStructure($input: CreateDataStructureInput!) {
    createDataStructure(input: $input) {
      __typename
      ...UserErrorFields
      ... on CreateDataStructureSuccess { dataStructure { ...DataStructureFields } }
      ... on NotFoundError { ids }
    }
  }
`);

export const UpdateDataStructure = graphql(`
  mutation UpdateDataStructure($input: UpdateDataStructureInput!) {
    updateDataStructure(input: $input) {
      __typename
      ...UserErrorFields
      ... on UpdateDataStructureSuccess { dataStructure { ...DataStructureFields } }
      ... on NotFoundError { ids }
      ... on RecordsMisfitError { misfitCount misfits { datastoreId key issues { path code } } }
    }
  }
`);

export const DeleteDataStructure = graphql(`
  mutation DeleteDataStructure($id: ID!) {
    deleteDataStructure(id: $id) {
      __typename
      ...UserErrorFields
      ... on DeleteDataStructureSuccess { deletedId }
      ... on NotFoundError { ids }
    }
  }
`);

export const ReadDataStructure = graphql(`
  query ReadDataStructure($id: ID!) {
    dataStructure(id: $id) { ...DataStructureFields }
  }
`);

export const ListDataStructures = graphql(`
  query ListDataStructures($environmentId: ID, $first: Int, $after: String, $last: Int, $before: String) {
    dataStructures(environmentId: $environmentId, first: $first, after: $after, last: $last, before: $before) {
      nodes { id name }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`);

export const CloneDataStructure = graphql(`
  mutation CloneDataStructure($input: CloneDataStructureInput!) {
    cloneDataStructure(input: $input) {
      __typename
      ...UserErrorFields
      ... on CloneDataStructureSuccess { dataStructure { ...DataStructureFields } }
      ... on NotFoundError { ids }
    }
  }
`);

export const PutRecord = graphql(`
  mutation PutRecord($input: PutRecordInput!) {
    putRecord(input: $input) {
      __typename
      ...UserErrorFields
      ... on PutRecordSuccess { record { key data version updatedAt } }
      ... on NotFoundError { ids }
      ... on ConflictError { current { id } currentRecord { key version data } }
      ... on QuotaExceededError { usedBytes maxBytes }
    }
  }
`);

export const PutRecords = graphql(`
  mutation PutRecords($input: PutRecordsInput!) {
    putRecords(input: $input) {
      __typename
      ...UserErrorFields
      ... on PutRecordsSuccess {
        results { index record { key data version } error { __typename ...UserErrorFields } }
      }
      ... on NotFoundError { ids }
    }
  }
`);

export const RecordEvents = graphql(`
  subscription RecordEvents($datastoreId: ID!, $after: String) {
    recordEvents(datastoreId: $datastoreId, after: $after) {
      cursor at kind datastoreId key actor record { data version }
    }
  }
`);

export const DeleteRecords = graphql(`
  mutation DeleteRecords($input: DeleteRecordsInput!) {
    deleteRecords(input: $input) {
      __typename
      ...UserErrorFields
      ... on DeleteRecordsSuccess { deletedCount }
      ... on NotFoundError { ids }
      ... on ConfirmationRequiredError { usages { id } }
    }
  }
`);

export const ReadManaged = graphql(`
  query ReadManaged($id: ID!) {
    datastore(id: $id) {
      ... on ManagedDatastore { usedBytes recordCount dataStructure { id } config { dataStructureId maxSizeMb } }
    }
  }
`);

export const ReadRecord = graphql(`
  query ReadRecord($id: ID!, $key: String!) {
    datastore(id: $id) { ... on ManagedDatastore { record(key: $key) { key data version } } }
  }
`);

export const ListRecords = graphql(`
  query ListRecords(
    $id: ID!, $filter: [RecordFilter!], $first: Int, $after: String, $last: Int, $before: String
  ) {
    datastore(id: $id) {
      ... on ManagedDatastore {
        records(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
          nodes { key data }
          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
      }
    }
  }
`);

export const ListProcesses = graphql(`
  query ListProcesses($first: Int, $after: String, $last: Int, $before: String) {
    processes(first: $first, after: $after, last: $last, before: $before) {
      nodes {
        id kind host version network capacity running tests { id status } startedAt lastSeenAt isAlive tokenName
      }
      pageInfo { hasNextPage startCursor endCursor }
    }
  }
`);

export const TendWorker = graphql(`
  mutation TendWorker($input: TendWorkerInput!) {
    tendWorker(input: $input) {
      __typename
      ...UserErrorFields
      ... on TendWorkerSuccess { now cancelled }
      ... on NotFoundError { ids }
    }
  }
`);

export const LeaseTests = graphql(`
  mutation LeaseTests($input: LeaseTestsInput!) {
    leaseTests(input: $input) {
      __typename
      ...UserErrorFields
      ... on LeaseTestsSuccess { leases { testId attempt sequence sealed } }
      ... on NotFoundError { ids }
    }
  }
`);

export const RecordTestEvents = graphql(`
  mutation RecordTestEvents($input: RecordTestEventsInput!) {
    recordTestEvents(input: $input) {
      __typename
      ...UserErrorFields
      ... on RecordTestEventsSuccess { lost }
      ... on NotFoundError { ids }
    }
  }
`);

export const RecordCatalog = graphql(`
  mutation RecordCatalog($input: RecordCatalogInput!) {
    recordCatalog(input: $input) {
      __typename
      ...UserErrorFields
      ... on RecordCatalogSuccess { goesOn }
      ... on NotFoundError { ids }
    }
  }
`);
