/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
/** All datastores of an environment, but those that are excepted. */
export type AllDatastores = {
  /** The environment. */
  environmentId: string;
  /** The datastores to leave out: at most 30,000. */
  exceptIds?: Array<string> | null | undefined;
};

/** All records of a datastore, but those that are excepted. */
export type AllRecords = {
  /** The records to leave out: at most 1,000. */
  exceptKeys?: Array<string> | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type AthenaConfigInput = {
  /** The id of the access key, at most 256 characters. Leave empty when you sign in with a web identity. Example: AKIAIOSFODNN7EXAMPLE */
  accessKeyId?: string | null | undefined;
  /** The role that is assumed for each test (sts:AssumeRole, for 15 minutes), with the access key or with the role of webIdentity. Leave empty to sign requests with the access key itself. */
  assumeRole?: AwsAssumeRoleInput | null | undefined;
  /** An endpoint other than the region’s own, such as a VPC endpoint. It is always reached over TLS. Leave empty for the region’s own. */
  baseUrl?: string | null | undefined;
  /** The name of the data catalog, at most 256 characters. */
  catalog?: string | null | undefined;
  /** The one database of the catalog to use. Leave empty for all of them. */
  database?: string | null | undefined;
  /** The place in S3 where Athena writes the results of queries. Leave empty where the workgroup has one. Example: s3://my-results/athena/ */
  outputLocation?: string | null | undefined;
  /** The region of AWS. Example: eu-central-1 */
  region: string;
  /** Secret. The secret part of the access key, at most 4,096 characters. Leave empty when you sign in with a web identity. It is never shown again. */
  secretAccessKey?: string | null | undefined;
  /** Secret. The token of temporary credentials, at most 8,192 characters. Leave empty for a long-lived access key. This secret is never shown again. */
  sessionToken?: string | null | undefined;
  /** The endpoint that gives credentials of roles, for services other than AWS and for VPC endpoints. Leave empty for AWS STS of the region. Example: https://minio.example.com:9000 */
  stsUrl?: string | null | undefined;
  /** A token that stands in the place of an access key (sts:AssumeRoleWithWebIdentity). No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with an access key. */
  webIdentity?: AwsWebIdentityInput | null | undefined;
  /** The workgroup that queries run in, at most 128 characters. */
  workgroup?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type AthenaConfigPatch = {
  /** The id of the access key, at most 256 characters. Leave empty when you sign in with a web identity. Example: AKIAIOSFODNN7EXAMPLE */
  accessKeyId?: string | null | undefined;
  /** The role that is assumed for each test (sts:AssumeRole, for 15 minutes), with the access key or with the role of webIdentity. Leave empty to sign requests with the access key itself. */
  assumeRole?: AwsAssumeRolePatch | null | undefined;
  /** An endpoint other than the region’s own, such as a VPC endpoint. It is always reached over TLS. Leave empty for the region’s own. */
  baseUrl?: string | null | undefined;
  /** The name of the data catalog, at most 256 characters. */
  catalog?: string | null | undefined;
  /** The one database of the catalog to use. Leave empty for all of them. */
  database?: string | null | undefined;
  /** The place in S3 where Athena writes the results of queries. Leave empty where the workgroup has one. Example: s3://my-results/athena/ */
  outputLocation?: string | null | undefined;
  /** The region of AWS. Example: eu-central-1 */
  region?: string | null | undefined;
  /** Secret. The secret part of the access key, at most 4,096 characters. Leave empty when you sign in with a web identity. It is never shown again. */
  secretAccessKey?: string | null | undefined;
  /** Secret. The token of temporary credentials, at most 8,192 characters. Leave empty for a long-lived access key. This secret is never shown again. */
  sessionToken?: string | null | undefined;
  /** The endpoint that gives credentials of roles, for services other than AWS and for VPC endpoints. Leave empty for AWS STS of the region. Example: https://minio.example.com:9000 */
  stsUrl?: string | null | undefined;
  /** A token that stands in the place of an access key (sts:AssumeRoleWithWebIdentity). No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with an access key. */
  webIdentity?: AwsWebIdentityPatch | null | undefined;
  /** The workgroup that queries run in, at most 128 characters. */
  workgroup?: string | null | undefined;
};

/** What came of something that somebody wanted done. */
export type AuditOutcome =
  /** It was begun, and failed. */
  | 'FAILED'
  /** The gateway refused it to who may not do it, and changed nothing. `detail.reason` says why; more of the same within a minute is counted, and `detail.more` of a later entry says how many. */
  | 'REFUSED'
  /** It was done; the entry was stored with it, or neither was. */
  | 'SUCCEEDED';

/** A field that may be left out may also be null, which means the same. */
export type AwsAssumeRoleInput = {
  /** The external id that the trust policy of the role asks for, 2 to 1,224 characters. AWS does not take it for a secret, and it is shown. Leave empty where none is asked for. */
  externalId?: string | null | undefined;
  /** The ARN of the role to assume. Example: arn:aws:iam::123456789012:role/datastore-gateway */
  roleArn: string;
  /** The name of the session, 2 to 64 characters, by which AWS CloudTrail shows who has assumed the role. */
  sessionName?: string | null | undefined;
  /** A policy as JSON, at most 2,048 characters, that narrows what the session may do. Leave empty for all that the role may do. */
  sessionPolicy?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type AwsAssumeRolePatch = {
  /** The external id that the trust policy of the role asks for, 2 to 1,224 characters. AWS does not take it for a secret, and it is shown. Leave empty where none is asked for. */
  externalId?: string | null | undefined;
  /** The ARN of the role to assume. Example: arn:aws:iam::123456789012:role/datastore-gateway */
  roleArn?: string | null | undefined;
  /** The name of the session, 2 to 64 characters, by which AWS CloudTrail shows who has assumed the role. */
  sessionName?: string | null | undefined;
  /** A policy as JSON, at most 2,048 characters, that narrows what the session may do. Leave empty for all that the role may do. */
  sessionPolicy?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type AwsRdsIamInput = {
  /** The id of the access key, at most 256 characters. Leave empty when you sign in with a web identity. Example: AKIAIOSFODNN7EXAMPLE */
  accessKeyId?: string | null | undefined;
  /** The role that is assumed for each test (sts:AssumeRole, for 15 minutes), with the access key or with the role of webIdentity. Leave empty to sign requests with the access key itself. */
  assumeRole?: AwsAssumeRoleInput | null | undefined;
  /** The region of the database. Example: eu-central-1 */
  region: string;
  /** Secret. The secret part of the access key, at most 4,096 characters. Leave empty when you sign in with a web identity. It is never shown again. */
  secretAccessKey?: string | null | undefined;
  /** Secret. The token of temporary credentials, at most 8,192 characters. Leave empty for a long-lived access key. This secret is never shown again. */
  sessionToken?: string | null | undefined;
  /** The endpoint that gives credentials of roles, for services other than AWS and for VPC endpoints. Leave empty for AWS STS of the region. Example: https://minio.example.com:9000 */
  stsUrl?: string | null | undefined;
  /** A token that stands in the place of an access key (sts:AssumeRoleWithWebIdentity). No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with an access key. */
  webIdentity?: AwsWebIdentityInput | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type AwsRdsIamPatch = {
  /** The id of the access key, at most 256 characters. Leave empty when you sign in with a web identity. Example: AKIAIOSFODNN7EXAMPLE */
  accessKeyId?: string | null | undefined;
  /** The role that is assumed for each test (sts:AssumeRole, for 15 minutes), with the access key or with the role of webIdentity. Leave empty to sign requests with the access key itself. */
  assumeRole?: AwsAssumeRolePatch | null | undefined;
  /** The region of the database. Example: eu-central-1 */
  region?: string | null | undefined;
  /** Secret. The secret part of the access key, at most 4,096 characters. Leave empty when you sign in with a web identity. It is never shown again. */
  secretAccessKey?: string | null | undefined;
  /** Secret. The token of temporary credentials, at most 8,192 characters. Leave empty for a long-lived access key. This secret is never shown again. */
  sessionToken?: string | null | undefined;
  /** The endpoint that gives credentials of roles, for services other than AWS and for VPC endpoints. Leave empty for AWS STS of the region. Example: https://minio.example.com:9000 */
  stsUrl?: string | null | undefined;
  /** A token that stands in the place of an access key (sts:AssumeRoleWithWebIdentity). No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with an access key. */
  webIdentity?: AwsWebIdentityPatch | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type AwsWebIdentityInput = {
  /** The ARN of the role whose trust policy names the token’s issuer. Example: arn:aws:iam::123456789012:role/datastore-gateway */
  roleArn: string;
  /** The name of the session, 2 to 64 characters, by which AWS CloudTrail shows who has assumed the role. */
  sessionName?: string | null | undefined;
  /** A policy as JSON, at most 2,048 characters, that narrows what the session may do. Leave empty for all that the role may do. */
  sessionPolicy?: string | null | undefined;
  /** Secret, required. The token of an OpenID provider that AWS IAM knows, at most 20,000 characters. It is sent to AWS STS alone. This secret is never shown again. */
  token?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type AwsWebIdentityPatch = {
  /** The ARN of the role whose trust policy names the token’s issuer. Example: arn:aws:iam::123456789012:role/datastore-gateway */
  roleArn?: string | null | undefined;
  /** The name of the session, 2 to 64 characters, by which AWS CloudTrail shows who has assumed the role. */
  sessionName?: string | null | undefined;
  /** A policy as JSON, at most 2,048 characters, that narrows what the session may do. Leave empty for all that the role may do. */
  sessionPolicy?: string | null | undefined;
  /** Secret. The token of an OpenID provider that AWS IAM knows, at most 20,000 characters. It is sent to AWS STS alone. This secret is never shown again. */
  token?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type BigqueryConfigInput = {
  /** The key of a service account. Enter the fields of its JSON file. Leave empty when you sign in by workload identity federation. */
  credentials?: ServiceAccountInput | null | undefined;
  /** The project that holds the data, where that is another one than pays for queries. Leave empty for the same one. Example: bigquery-public-data */
  dataProjectId?: string | null | undefined;
  /** The one dataset of the project that holds the data to use. Leave empty for all of them. Example: sales */
  dataset?: string | null | undefined;
  /** The location where queries run, which has to be that of the dataset. Examples: US, EU, europe-west3 */
  location?: string | null | undefined;
  /** The project that pays for queries, and that holds the data unless dataProjectId names another one. Example: my-project-123 */
  projectId: string;
  /** A token of another provider that stands in the place of a service account’s key. It is exchanged for each test, on the public Google cloud. No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with a key. */
  workloadIdentity?: GoogleWorkloadIdentityInput | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type BigqueryConfigPatch = {
  /** The key of a service account. Enter the fields of its JSON file. Leave empty when you sign in by workload identity federation. */
  credentials?: ServiceAccountPatch | null | undefined;
  /** The project that holds the data, where that is another one than pays for queries. Leave empty for the same one. Example: bigquery-public-data */
  dataProjectId?: string | null | undefined;
  /** The one dataset of the project that holds the data to use. Leave empty for all of them. Example: sales */
  dataset?: string | null | undefined;
  /** The location where queries run, which has to be that of the dataset. Examples: US, EU, europe-west3 */
  location?: string | null | undefined;
  /** The project that pays for queries, and that holds the data unless dataProjectId names another one. Example: my-project-123 */
  projectId?: string | null | undefined;
  /** A token of another provider that stands in the place of a service account’s key. It is exchanged for each test, on the public Google cloud. No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with a key. */
  workloadIdentity?: GoogleWorkloadIdentityPatch | null | undefined;
};

/** What an entry of a catalog is. */
export type CatalogEntryKind =
  /** A collection of documents or of vectors, or a data stream. */
  | 'COLLECTION'
  /** An index of a search engine. */
  | 'INDEX'
  /** Anything else, such as a sequence. */
  | 'OBJECT'
  /** A table, external and foreign ones included. */
  | 'TABLE'
  /** A view, materialized or not, or an alias of a search engine. */
  | 'VIEW';

/** Where a check stands. PASSED, WARNING, FAILED and SKIPPED are final. */
export type CheckStatus =
  /** `failure` says why. */
  | 'FAILED'
  /** It found what it wants to find. */
  | 'PASSED'
  /** Its turn has not come. */
  | 'PENDING'
  /** It runs. */
  | 'RUNNING'
  /** It did not run, for an earlier check failed or the test ended. */
  | 'SKIPPED'
  /** It passed, but something needs attention: `evidence` tells what was found. */
  | 'WARNING';

/** A field that may be left out may also be null, which means the same. */
export type ClickhouseConfigInput = {
  /** The database that holds the tables, at most 255 characters. Upper and lower case differ. */
  database?: string | null | undefined;
  /** The name or address of the server. Example: abc123.eu-central-1.aws.clickhouse.cloud */
  host: string;
  /** Secret. The password of the user, at most 4,096 characters. Leave empty when the user has none. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port of the HTTP interface, 1 to 65535: usually 8443 with TLS and 8123 without. */
  port?: number | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The user to sign in as, at most 256 characters. */
  username?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type ClickhouseConfigPatch = {
  /** The database that holds the tables, at most 255 characters. Upper and lower case differ. */
  database?: string | null | undefined;
  /** The name or address of the server. Example: abc123.eu-central-1.aws.clickhouse.cloud */
  host?: string | null | undefined;
  /** Secret. The password of the user, at most 4,096 characters. Leave empty when the user has none. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port of the HTTP interface, 1 to 65535: usually 8443 with TLS and 8123 without. */
  port?: number | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The user to sign in as, at most 256 characters. */
  username?: string | null | undefined;
};

/** Of what kind the column is that tells clients apart. */
export type ClientColumnType =
  /** Numbers. */
  | 'NUMBER'
  /** Texts, UUIDs included. */
  | 'STRING';

/** Where a copy of a data structure is to be. */
export type CloneDataStructureInput = {
  /** The environment of the copy, which may be the same. */
  environmentId: string;
  /** The data structure to copy. */
  id: string;
  /** The name of the copy, on one line of at most 128 characters. Leave it out for the name of what is copied. */
  name?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type CockroachdbConfigInput = {
  /** With tls.mode DISABLE, a server may ask for the password itself instead of a proof of it, and everybody on the way could read it. True to send it all the same, on a network that you trust. Over TLS and to a server on the same machine it is sent without this. */
  allowCleartextPassword?: boolean | null | undefined;
  /** The routing id of a cluster in CockroachDB Cloud, sent as `--cluster=`: at most 128 letters, digits and hyphens. Leave empty when the host name tells the cluster. Example: happy-koala-123 */
  cluster?: string | null | undefined;
  /** The name of the database, at most 128 characters. Upper and lower case differ. */
  database: string;
  /** The name or address of the server. Example: db.example.com */
  host: string;
  /** Secret. The password of the role, or a token that takes its place, at most 4,096 characters. Leave empty when you sign in with a client certificate, or when the cluster is insecure. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The schema that holds the tables, at most 128 characters. */
  schema?: string | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The role to sign in as, at most 128 characters. */
  username: string;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type CockroachdbConfigPatch = {
  /** With tls.mode DISABLE, a server may ask for the password itself instead of a proof of it, and everybody on the way could read it. True to send it all the same, on a network that you trust. Over TLS and to a server on the same machine it is sent without this. */
  allowCleartextPassword?: boolean | null | undefined;
  /** The routing id of a cluster in CockroachDB Cloud, sent as `--cluster=`: at most 128 letters, digits and hyphens. Leave empty when the host name tells the cluster. Example: happy-koala-123 */
  cluster?: string | null | undefined;
  /** The name of the database, at most 128 characters. Upper and lower case differ. */
  database?: string | null | undefined;
  /** The name or address of the server. Example: db.example.com */
  host?: string | null | undefined;
  /** Secret. The password of the role, or a token that takes its place, at most 4,096 characters. Leave empty when you sign in with a client certificate, or when the cluster is insecure. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The schema that holds the tables, at most 128 characters. */
  schema?: string | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The role to sign in as, at most 128 characters. */
  username?: string | null | undefined;
};

/** How to run a connection test. `{}` runs the type’s default checks. */
export type ConnectionTestOptions = {
  /** Choose a UUID to follow the test’s progress from before it starts. Leave it out to have one chosen for you. */
  testId?: string | null | undefined;
  /** How long the whole test may take, waiting in the queue included, in milliseconds: 1,000 to 300,000. */
  timeoutMs?: number | null | undefined;
  /** Which checks to run, by their names in Connector.checks: `s3/bucket/head`. The checks that they build on run as well. Leave it out to run the type’s default checks. */
  validationMethods?: Array<string> | null | undefined;
};

/** What to test. Give exactly one. */
export type ConnectionTestTarget =
  {   /** Tests a datastore as updateDatastore would store it: what is stored, with your change over it. */
  change: DatastoreChange; datastoreId?: never; draft?: never; }
  |  { change?: never;   /** Tests a datastore as it is stored. */
  datastoreId: string; draft?: never; }
  |  { change?: never; datastoreId?: never;   /** Tests a new datastore before you create it. */
  draft: DatastoreDraft; };

/** What a lasting token may do: nothing beyond what your own may. */
export type CreateApiTokenInput = {
  /** True for every environment, those made later included: your own token has to be for all as well. */
  allEnvironments?: boolean;
  /** Some of your own token’s environments, 100 at most. Give these or `allEnvironments: true`. */
  environmentIds?: Array<string> | null | undefined;
  /** When the token stops working: no later than your own. Left out: together with your own, or never when that never does. */
  expiresAt?: string | null | undefined;
  /** A name that no token of this gateway has, on one line of at most 128 characters: it stands wherever the gateway says who did something. */
  name: string;
  /** Some of your own token’s scopes. */
  scopes: Array<Scope>;
};

/** A new data structure. */
export type CreateDataStructureInput = {
  /** Leave it out when your token has one environment only. */
  environmentId?: string | null | undefined;
  /** The fields. At most 500 in all, with collections in collections at most 5 deep, and 64 KiB of JSON. */
  fields: Array<DataStructureFieldInput>;
  /** A name that is unique within the environment, on one line of at most 128 characters. */
  name: string;
  /** True to refuse a record with a field that the structure does not know. */
  strict?: boolean | null | undefined;
};

/** A new datastore. */
export type CreateDatastoreInput = {
  /** How often the datastore’s default checks run by themselves: every 1 to 1440 minutes, the first time within a minute. Their result is Datastore.health. Null or nothing: never; in an update, nothing leaves it as it is. */
  checkEveryMinutes?: number | null | undefined;
  /** The config. The field that you give decides the type, which never changes. */
  config: DatastoreConfigInput;
  /** The type’s main secret, such as its password: see Connector.principalSecret. Leave it out when it stands in config already, when the type has none, or to keep the stored one. It is judged as if it stood in config. */
  configSecret?: string | null | undefined;
  /** What the datastore is for, for people: at most 2,000 characters, line breaks too. It decides nothing. Null takes it away. */
  description?: string | null | undefined;
  /** Leave it out when your token has one environment only. */
  environmentId?: string | null | undefined;
  /** Choose a UUID that was never used before, but by a deleted datastore of the same environment, or leave it out to have one chosen for you. */
  id?: string | null | undefined;
  /** A text of your own, such as a UUID, of at most 255 characters. The same call with the same key, sent again within 24 hours because its answer was lost, changes nothing more and answers with the same thing, as it is now; another input with that key is a ConflictError. It counts for your token and the environment. A call that is refused leaves nothing: mend it and send it again with the same key. */
  idempotencyKey?: string | null | undefined;
  /** A name for people, of at most 128 characters. Leave it out to use the name or, without one, the type’s title. */
  label?: string | null | undefined;
  /** A name for programs, unique within the environment: 1 to 63 lower-case letters, digits, `-` and `_`. Leave it out to have it made from the label. */
  name?: string | null | undefined;
  /** Whom to ask about the datastore, a person or a team: at most 128 characters. It decides nothing. Null takes it away. */
  ownerName?: string | null | undefined;
  /** True to read the catalog once the datastore is stored. This is a connection test of its own, whose failure undoes nothing. The token needs DATASTORES_TEST. */
  refreshCatalog?: boolean | null | undefined;
  /** Words by which the datastore can be found: at most 20, each key once. They replace the stored ones as a whole; null and `[]` take them away. */
  tags?: Array<TagInput> | null | undefined;
  /** How clients (tenants) are laid out inside the datastore. Leave it out to say nothing of that. */
  tenancy?: TenancyInput | null | undefined;
  /** Tests the connection first, and stores nothing unless the test passes. `{}` runs the type’s default checks. Leave it out to store the datastore untested. The token needs DATASTORES_TEST. */
  test?: ConnectionTestOptions | null | undefined;
};

/** A new environment. */
export type CreateEnvironmentInput = {
  /** Choose a UUID that was never used before, or leave it out to have one chosen for you. */
  id?: string | null | undefined;
  /** A text of your own, such as a UUID, of at most 255 characters. The same call with the same key, sent again within 24 hours because its answer was lost, changes nothing more and answers with the same thing, as it is now; another input with that key is a ConflictError. It counts for your token and the environment. A call that is refused leaves nothing: mend it and send it again with the same key. */
  idempotencyKey?: string | null | undefined;
  /** A unique name: 1 to 63 letters, digits, spaces, ".", "-" and "_", beginning with a letter or digit. */
  name: string;
  /** From which network its datastores are reached: 1 to 63 letters, digits, ".", "-" and "_", beginning with a letter or digit. Their tests then wait for a worker of that name. Leave it out where the gateway reaches them itself. */
  network?: string | null | undefined;
};

/** What the page of one user may do, and for how long. */
export type CreateSessionTokenInput = {
  /** Some of your own token’s environments, 100 at most. Leave it out where there is just one. */
  environmentIds?: Array<string> | null | undefined;
  /** 1 to 720, and no longer than your own token. Left out: 60, or what is left of your own token. */
  expiresInMinutes?: number | null | undefined;
  /** For whom the page acts: the name or the id of its user, on one line of at most 128 characters. It is told of everything that is done with the token. */
  onBehalfOf?: string | null | undefined;
  /** Some of your own token’s scopes: a page that shows datastores needs DATASTORES_READ, one that shows connectors alone needs none. */
  scopes: Array<Scope>;
};

/** A field that may be left out may also be null, which means the same. */
export type CsvConfigInput = {
  /** The one character between two values. In JSON, write a tab as \t. A file whose first line is sep=; (or another character) is read by that one. */
  delimiter?: string | null | undefined;
  /** The encoding of a file that is fetched. Examples: utf-8, windows-1252, shift_jis */
  encoding?: string | null | undefined;
  /** Whether the first row holds the names of the columns. */
  hasHeader?: boolean | null | undefined;
  /** Where the file comes from: a URL, or its content. It is never a path. */
  source: CsvSourceInput;
  /** Secret. The part of the URL behind its question mark. Leave empty when the URL has none. In a pre-signed URL that is the signature, so it is a secret and never shown again. */
  urlQuery?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type CsvConfigPatch = {
  /** The one character between two values. In JSON, write a tab as \t. A file whose first line is sep=; (or another character) is read by that one. */
  delimiter?: string | null | undefined;
  /** The encoding of a file that is fetched. Examples: utf-8, windows-1252, shift_jis */
  encoding?: string | null | undefined;
  /** Whether the first row holds the names of the columns. */
  hasHeader?: boolean | null | undefined;
  /** Where the file comes from: a URL, or its content. It is never a path. */
  source?: CsvSourcePatch | null | undefined;
  /** Secret. The part of the URL behind its question mark. Leave empty when the URL has none. In a pre-signed URL that is the signature, so it is a secret and never shown again. */
  urlQuery?: string | null | undefined;
};

/** Give exactly one of these fields. */
export type CsvSourceInput =
  {   /** The text of the file itself, at most 512 KiB. Nothing is fetched then. */
  content: string; url?: never; }
  |  { content?: never;   /** The URL at which the file is fetched over TLS, without its query. The first 5 MiB are read; up to five redirects are followed, to https:// alone. Example: https://files.example.com/clients.csv */
  url: string; };

/** Give exactly one of these fields. */
export type CsvSourcePatch =
  {   /** The text of the file itself, at most 512 KiB. Nothing is fetched then. */
  content: string; url?: never; }
  |  { content?: never;   /** The URL at which the file is fetched over TLS, without its query. The first 5 MiB are read; up to five redirects are followed, to https:// alone. Example: https://files.example.com/clients.csv */
  url: string; };

/** What a field of a record holds. A field that is not required may hold null as well. */
export type DataFieldType =
  /** A list, of `itemType` where that is given. */
  | 'ARRAY'
  /** True or false. */
  | 'BOOLEAN'
  /** An object, with `fields` where they are given. */
  | 'COLLECTION'
  /** A date, `2026-03-01`, or an instant as RFC 3339 has it, `2026-03-01T12:00:00Z`, as text. */
  | 'DATE'
  /** A number. A whole one has at most ±9,007,199,254,740,991, as JSON can carry no larger one for sure. */
  | 'NUMBER'
  /** A text. */
  | 'TEXT';

/** A field of a record, or of a collection in it. */
export type DataStructureFieldInput = {
  /** The values that a TEXT, a NUMBER or a DATE takes, or each element of an ARRAY of one of them: 1 to 100. Without it, or with null, any. */
  choices?: Array<unknown> | null | undefined;
  /** The value of a record that leaves the field out. It has to be one that the field takes; null is none. */
  default?: unknown;
  /** The fields of a COLLECTION, or of each in an ARRAY of them. Without it, they may be anything. */
  fields?: Array<DataStructureFieldInput> | null | undefined;
  /** What each element of an ARRAY has to be. Without it, elements may be anything but are not judged. */
  itemType?: DataFieldType | null | undefined;
  /** What people call it, on one line of at most 128 characters. */
  label?: string | null | undefined;
  /** The name of the field in the record’s data, on one line of at most 128 characters. Each is there once beside its siblings. */
  name: string;
  /** Whether a record must have it, with a value other than null. */
  required?: boolean | null | undefined;
  /** What the field holds. */
  type: DataFieldType;
};

/** A field that may be left out may also be null, which means the same. */
export type DatabricksAccessTokenInput = {
  /** Secret, required. A personal access token, at most 4,096 characters. This secret is never shown again. */
  token?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type DatabricksAccessTokenPatch = {
  /** Secret. A personal access token, at most 4,096 characters. This secret is never shown again. */
  token?: string | null | undefined;
};

/** Give exactly one of these fields. */
export type DatabricksAuthenticationInput =
  {   /** Sign in with a token of a user or of a service principal. */
  accessToken: DatabricksAccessTokenInput; oauth?: never; }
  |  { accessToken?: never;   /** Sign in as a service principal of the workspace (machine to machine). */
  oauth: DatabricksOauthInput; };

/** Give exactly one of these fields. */
export type DatabricksAuthenticationPatch =
  {   /** Sign in with a token of a user or of a service principal. */
  accessToken: DatabricksAccessTokenPatch; oauth?: never; }
  |  { accessToken?: never;   /** Sign in as a service principal of the workspace (machine to machine). */
  oauth: DatabricksOauthPatch; };

/** A field that may be left out may also be null, which means the same. */
export type DatabricksConfigInput = {
  /** How to sign in: with a token, or as a service principal. */
  authentication: DatabricksAuthenticationInput;
  /** The catalog of Unity Catalog to use. Leave empty for the workspace’s default catalog. Example: main */
  catalog?: string | null | undefined;
  /** The server hostname of the SQL warehouse. Example: dbc-a1b2345c-d6e7.cloud.databricks.com */
  host: string;
  /** The HTTP path of the SQL warehouse, as its connection details show it. Example: /sql/1.0/warehouses/a1b234c567d8e9fa */
  httpPath: string;
  /** The one schema of the catalog to use. Leave empty for all of them. Example: sales */
  schema?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type DatabricksConfigPatch = {
  /** How to sign in: with a token, or as a service principal. */
  authentication?: DatabricksAuthenticationPatch | null | undefined;
  /** The catalog of Unity Catalog to use. Leave empty for the workspace’s default catalog. Example: main */
  catalog?: string | null | undefined;
  /** The server hostname of the SQL warehouse. Example: dbc-a1b2345c-d6e7.cloud.databricks.com */
  host?: string | null | undefined;
  /** The HTTP path of the SQL warehouse, as its connection details show it. Example: /sql/1.0/warehouses/a1b234c567d8e9fa */
  httpPath?: string | null | undefined;
  /** The one schema of the catalog to use. Leave empty for all of them. Example: sales */
  schema?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type DatabricksOauthInput = {
  /** The application id of the service principal. */
  clientId: string;
  /** Secret, required. An OAuth secret of the service principal, at most 4,096 characters. It is never shown again. */
  clientSecret?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type DatabricksOauthPatch = {
  /** The application id of the service principal. */
  clientId?: string | null | undefined;
  /** Secret. An OAuth secret of the service principal, at most 4,096 characters. It is never shown again. */
  clientSecret?: string | null | undefined;
};

/** A change of a stored datastore, written as updateDatastore takes it. */
export type DatastoreChange = {
  /** Give only the fields that you want to change. */
  config?: DatastoreConfigPatch | null | undefined;
  /** The type’s main secret, such as its password: see Connector.principalSecret. Leave it out when it stands in config already, when the type has none, or to keep the stored one. It is judged as if it stood in config. */
  configSecret?: string | null | undefined;
  /** The datastore to change. */
  datastoreId: string;
  /** It replaces the stored one as a whole. Leave it out to keep that, give null to remove it. */
  tenancy?: TenancyInput | null | undefined;
};

/** The config of a new datastore. Give exactly one field: it decides the type. A generic form writes `{ [Connector.configKey]: values }`. */
export type DatastoreConfigInput =
  {   /** A data catalog that Amazon Athena queries, signed in to with an access key, a web identity or a role. */
  athena: AthenaConfigInput; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never;   /** A project of Google BigQuery, or one of its datasets, signed in to with the key of a service account, or by workload identity federation. Reading the catalog runs a query on INFORMATION_SCHEMA for each dataset, which Google bills as 10 MB. */
  bigquery: BigqueryConfigInput; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never;   /** A database of a ClickHouse server or of ClickHouse Cloud, by its HTTP interface. */
  clickhouse: ClickhouseConfigInput; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never;   /** A database of a CockroachDB cluster, in CockroachDB Cloud or self-hosted. */
  cockroachdb: CockroachdbConfigInput; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never;   /** One file of comma-separated values: fetched from a URL, or kept with the datastore. The query of a URL has a field of its own, because the signature of a pre-signed URL stands there: it is a secret, the rest of the URL is not. No file of the gateway’s own machine is ever read. */
  csv: CsvConfigInput; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never;   /** A SQL warehouse of a Databricks workspace with Unity Catalog, signed in to with a token or as a service principal. Queries, and reading the catalog, start a warehouse that sleeps. */
  databricks: DatabricksConfigInput; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never;   /** An Elasticsearch cluster, version 7.9 or newer, in Elastic Cloud or self-managed, by its REST API. */
  elasticsearch: ElasticsearchConfigInput; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never;   /** A database of a Firebolt account, signed in to as a service account. */
  firebolt: FireboltConfigInput; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never;   /** A bucket of Google Cloud Storage, signed in to with the key of a service account, or by workload identity federation. */
  googleCloudStorage: GoogleCloudStorageConfigInput; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never;   /** Records that the gateway keeps itself, in its own database: each a JSON object under a key, which a data structure may judge, up to a size that you set. Nothing is connected to. */
  managed: ManagedConfigInput; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never;   /** A database behind the Data API, which is MongoDB over HTTPS. MongoDB ended its hosted service on 30 September 2025, but compatible servers remain. */
  mongoDataApi: MongoDataApiConfigInput; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never;   /** A database of a MongoDB server, 3.6 or newer, of a hosted cluster (by its SRV name), or of a service that speaks the protocol. A connection string is not kept: its parts are fields, which parseConnection reads from it. */
  mongodb: MongodbConfigInput; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never;   /** A database of a Microsoft SQL Server, 2012 or newer, or of Azure SQL (with the connection policy Proxy). */
  mssql: MssqlConfigInput; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never;   /** A database of a MySQL server, version 5.7 or newer, of MariaDB, or of a service that speaks its protocol. Accounts sign in with `mysql_native_password`, `caching_sha2_password`, `sha256_password`, a client certificate, or a token of AWS IAM. */
  mysql: MysqlConfigInput; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never;   /** An OpenSearch cluster, in a cloud or self-managed, by its REST API; a domain of Amazon OpenSearch Service or a collection of Amazon OpenSearch Serverless by signed requests. */
  opensearch: OpensearchConfigInput; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never;   /** A database of a PostgreSQL server, version 10 or newer, or of a service that speaks its protocol. */
  postgres: PostgresConfigInput; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never;   /** A collection of a Qdrant vector database, in Qdrant Cloud or self-hosted, by its REST API. */
  qdrant: QdrantConfigInput; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never;   /** A database of an Amazon Redshift cluster or workgroup, by its own host and port. Signs in with user name and password; IAM and identity providers are not used. The catalog holds external schemas and late-binding views too. */
  redshift: RedshiftConfigInput; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never;   /** A bucket of Amazon S3, or of a service that speaks its API: Cloudflare R2, MinIO, Ceph, Swift, … */
  s3: S3ConfigInput; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never;   /** A database of a SingleStore cluster or workspace, formerly MemSQL. It speaks MySQL’s protocol. */
  singlestore: SinglestoreConfigInput; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never;   /** A database of a Snowflake account, signed in to with a password, a key pair or an access token. Reading the catalog uses the warehouse. */
  snowflake: SnowflakeConfigInput; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never;   /** A catalog of a Trino cluster, by its REST API. Without TLS, on a private network, no password is sent. */
  trino: TrinoConfigInput; };

/** A change of a config. Give exactly one field, that of the stored type: a type never changes. */
export type DatastoreConfigPatch =
  {   /** A data catalog that Amazon Athena queries, signed in to with an access key, a web identity or a role. */
  athena: AthenaConfigPatch; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never;   /** A project of Google BigQuery, or one of its datasets, signed in to with the key of a service account, or by workload identity federation. Reading the catalog runs a query on INFORMATION_SCHEMA for each dataset, which Google bills as 10 MB. */
  bigquery: BigqueryConfigPatch; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never;   /** A database of a ClickHouse server or of ClickHouse Cloud, by its HTTP interface. */
  clickhouse: ClickhouseConfigPatch; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never;   /** A database of a CockroachDB cluster, in CockroachDB Cloud or self-hosted. */
  cockroachdb: CockroachdbConfigPatch; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never;   /** One file of comma-separated values: fetched from a URL, or kept with the datastore. The query of a URL has a field of its own, because the signature of a pre-signed URL stands there: it is a secret, the rest of the URL is not. No file of the gateway’s own machine is ever read. */
  csv: CsvConfigPatch; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never;   /** A SQL warehouse of a Databricks workspace with Unity Catalog, signed in to with a token or as a service principal. Queries, and reading the catalog, start a warehouse that sleeps. */
  databricks: DatabricksConfigPatch; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never;   /** An Elasticsearch cluster, version 7.9 or newer, in Elastic Cloud or self-managed, by its REST API. */
  elasticsearch: ElasticsearchConfigPatch; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never;   /** A database of a Firebolt account, signed in to as a service account. */
  firebolt: FireboltConfigPatch; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never;   /** A bucket of Google Cloud Storage, signed in to with the key of a service account, or by workload identity federation. */
  googleCloudStorage: GoogleCloudStorageConfigPatch; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never;   /** Records that the gateway keeps itself, in its own database: each a JSON object under a key, which a data structure may judge, up to a size that you set. Nothing is connected to. */
  managed: ManagedConfigPatch; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never;   /** A database behind the Data API, which is MongoDB over HTTPS. MongoDB ended its hosted service on 30 September 2025, but compatible servers remain. */
  mongoDataApi: MongoDataApiConfigPatch; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never;   /** A database of a MongoDB server, 3.6 or newer, of a hosted cluster (by its SRV name), or of a service that speaks the protocol. A connection string is not kept: its parts are fields, which parseConnection reads from it. */
  mongodb: MongodbConfigPatch; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never;   /** A database of a Microsoft SQL Server, 2012 or newer, or of Azure SQL (with the connection policy Proxy). */
  mssql: MssqlConfigPatch; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never;   /** A database of a MySQL server, version 5.7 or newer, of MariaDB, or of a service that speaks its protocol. Accounts sign in with `mysql_native_password`, `caching_sha2_password`, `sha256_password`, a client certificate, or a token of AWS IAM. */
  mysql: MysqlConfigPatch; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never;   /** An OpenSearch cluster, in a cloud or self-managed, by its REST API; a domain of Amazon OpenSearch Service or a collection of Amazon OpenSearch Serverless by signed requests. */
  opensearch: OpensearchConfigPatch; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never;   /** A database of a PostgreSQL server, version 10 or newer, or of a service that speaks its protocol. */
  postgres: PostgresConfigPatch; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never;   /** A collection of a Qdrant vector database, in Qdrant Cloud or self-hosted, by its REST API. */
  qdrant: QdrantConfigPatch; redshift?: never; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never;   /** A database of an Amazon Redshift cluster or workgroup, by its own host and port. Signs in with user name and password; IAM and identity providers are not used. The catalog holds external schemas and late-binding views too. */
  redshift: RedshiftConfigPatch; s3?: never; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never;   /** A bucket of Amazon S3, or of a service that speaks its API: Cloudflare R2, MinIO, Ceph, Swift, … */
  s3: S3ConfigPatch; singlestore?: never; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never;   /** A database of a SingleStore cluster or workspace, formerly MemSQL. It speaks MySQL’s protocol. */
  singlestore: SinglestoreConfigPatch; snowflake?: never; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never;   /** A database of a Snowflake account, signed in to with a password, a key pair or an access token. Reading the catalog uses the warehouse. */
  snowflake: SnowflakeConfigPatch; trino?: never; }
  |  { athena?: never; bigquery?: never; clickhouse?: never; cockroachdb?: never; csv?: never; databricks?: never; elasticsearch?: never; firebolt?: never; googleCloudStorage?: never; managed?: never; mongoDataApi?: never; mongodb?: never; mssql?: never; mysql?: never; opensearch?: never; postgres?: never; qdrant?: never; redshift?: never; s3?: never; singlestore?: never; snowflake?: never;   /** A catalog of a Trino cluster, by its REST API. Without TLS, on a private network, no password is sent. */
  trino: TrinoConfigPatch; };

/** A datastore that is not stored, written as createDatastore takes it. */
export type DatastoreDraft = {
  /** The config. The field that you give decides the type. */
  config: DatastoreConfigInput;
  /** The type’s main secret, such as its password: see Connector.principalSecret. Leave it out when it stands in config already, when the type has none, or to keep the stored one. It is judged as if it stood in config. */
  configSecret?: string | null | undefined;
  /** Leave it out when your token has one environment only. */
  environmentId?: string | null | undefined;
  /** How clients (tenants) are laid out inside the datastore. Leave it out to say nothing of that. */
  tenancy?: TenancyInput | null | undefined;
};

/** What happened to a datastore. New values may be added: keep a default branch. */
export type DatastoreEventKind =
  /** Its catalog was read anew. */
  | 'CATALOG_REFRESHED'
  /** It was stored. */
  | 'CREATED'
  /** It was deleted. */
  | 'DELETED'
  /** Its health changed: see Datastore.health. */
  | 'HEALTH_CHANGED'
  /** It was changed. */
  | 'UPDATED';

/** Which datastores to list: those that fit all that you give. What you leave out leaves none out. */
export type DatastoreFilter = {
  /** The datastores whose health is one of these; one that is never checked is UNKNOWN. */
  health?: Array<HealthStatus> | null | undefined;
  /** The datastores with these ids, of which those that are not there are left out: at most 500. */
  ids?: Array<string> | null | undefined;
  /** True for the datastores that something depends on, false for the others: see Datastore.usages. Leave it out for both. */
  inUse?: boolean | null | undefined;
  /** The datastores whose `lastTest` is in one of these states; one that was never tested is in none. */
  lastTestStatus?: Array<TestStatus> | null | undefined;
  /** The datastores of these names: at most 500. */
  names?: Array<string> | null | undefined;
  /** Give a part of the label or the name. Upper and lower case do not matter, nor do spaces before or behind it. */
  search?: string | null | undefined;
  /** The datastores that have all of these tags: at most 20. */
  tags?: Array<TagFilter> | null | undefined;
  /** Leave it out for datastores of every type. */
  types?: Array<DatastoreType> | null | undefined;
  /** The datastores that were created or changed at this instant or later. */
  updatedSince?: string | null | undefined;
};

/** How a list of datastores is sorted. */
export type DatastoreOrder = {
  /** Which end comes first. */
  direction?: OrderDirection | null | undefined;
  /** What to sort by. */
  field: DatastoreOrderField;
};

/** By what datastores are sorted. Those that are alike in it are sorted by their ids. */
export type DatastoreOrderField =
  /** When it was created. */
  | 'CREATED_AT'
  /** The name for people. Upper and lower case do not matter. */
  | 'LABEL'
  /** The name for programs. */
  | 'NAME'
  /** The datastore type, by its name in DatastoreType. */
  | 'TYPE'
  /** When it was last changed. */
  | 'UPDATED_AT';

/** Which datastores. Give exactly one field. */
export type DatastoreSelection =
  {   /** All datastores of an environment but those that you except. */
  all: AllDatastores; ids?: never; }
  |  { all?: never;   /** The datastores with these ids: 1 to 1,000. */
  ids: Array<string>; };

/** The datastore types that this gateway knows. New values may be added: keep a default branch. */
export type DatastoreType =
  /** Amazon Athena */
  | 'ATHENA'
  /** BigQuery */
  | 'BIGQUERY'
  /** ClickHouse */
  | 'CLICKHOUSE'
  /** CockroachDB */
  | 'COCKROACHDB'
  /** CSV file */
  | 'CSV'
  /** Databricks */
  | 'DATABRICKS'
  /** Elasticsearch */
  | 'ELASTICSEARCH'
  /** Firebolt */
  | 'FIREBOLT'
  /** Google Cloud Storage */
  | 'GOOGLE_CLOUD_STORAGE'
  /** Managed data store */
  | 'MANAGED'
  /** MongoDB */
  | 'MONGODB'
  /** MongoDB Data API */
  | 'MONGO_DATA_API'
  /** SQL Server */
  | 'MSSQL'
  /** MySQL */
  | 'MYSQL'
  /** OpenSearch */
  | 'OPENSEARCH'
  /** PostgreSQL */
  | 'POSTGRES'
  /** Qdrant */
  | 'QDRANT'
  /** Amazon Redshift */
  | 'REDSHIFT'
  /** Amazon S3 */
  | 'S3'
  /** SingleStore */
  | 'SINGLESTORE'
  /** Snowflake */
  | 'SNOWFLAKE'
  /** Trino */
  | 'TRINO';

/** Which datastores to delete. */
export type DeleteDatastoresInput = {
  /** True to delete them although something depends on one of them: see Datastore.usages. Otherwise none is deleted then, and you get a ConfirmationRequiredError that lists it. */
  confirmed?: boolean | null | undefined;
  /** What to do when one of `select.ids` does not exist. */
  missing?: MissingDatastores | null | undefined;
  /** The datastores to delete. */
  select: DatastoreSelection;
};

/** Which records to delete. */
export type DeleteRecordsInput = {
  /** Has to be true, for nothing brings a record back: otherwise you get a ConfirmationRequiredError. */
  confirmed?: boolean | null | undefined;
  /** The managed datastore. */
  datastoreId: string;
  /** The records to delete. */
  select: RecordSelection;
};

/** A field that may be left out may also be null, which means the same. */
export type ElasticsearchConfigInput = {
  /** Secret. An API key in its encoded form, or as id:key, at most 4,096 characters. It takes the place of user name and password. Leave empty when you give those, or with disableAuth. This secret is never shown again. */
  apiKey?: string | null | undefined;
  /** The Cloud ID of the deployment, as its console shows it. ELASTIC_CLOUD and OPEN_CLOUD need it. */
  cloudId?: string | null | undefined;
  /** Whether the gateway sends no credentials but a client certificate, if tls has one. Only SELF_MANAGED can do without. */
  disableAuth?: boolean | null | undefined;
  /** The one index, alias or data stream to use. Leave empty for all that the user may see. */
  index?: string | null | undefined;
  /** Secret. The password of the user, at most 4,096 characters. Leave empty when you sign in with an API key, or with disableAuth. This secret is never shown again. */
  password?: string | null | undefined;
  /** Where the cluster runs. ELASTIC_CLOUD and OPEN_CLOUD need a Cloud ID, SELF_MANAGED needs a URL. */
  serverType: SearchServerType;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The URL at which the REST API answers, with its port. SELF_MANAGED needs it. Example: https://search.example.com:9200 */
  url?: string | null | undefined;
  /** The user to sign in as, at most 1,024 characters, without a colon. Leave empty when you sign in with an API key. */
  username?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type ElasticsearchConfigPatch = {
  /** Secret. An API key in its encoded form, or as id:key, at most 4,096 characters. It takes the place of user name and password. Leave empty when you give those, or with disableAuth. This secret is never shown again. */
  apiKey?: string | null | undefined;
  /** The Cloud ID of the deployment, as its console shows it. ELASTIC_CLOUD and OPEN_CLOUD need it. */
  cloudId?: string | null | undefined;
  /** Whether the gateway sends no credentials but a client certificate, if tls has one. Only SELF_MANAGED can do without. */
  disableAuth?: boolean | null | undefined;
  /** The one index, alias or data stream to use. Leave empty for all that the user may see. */
  index?: string | null | undefined;
  /** Secret. The password of the user, at most 4,096 characters. Leave empty when you sign in with an API key, or with disableAuth. This secret is never shown again. */
  password?: string | null | undefined;
  /** Where the cluster runs. ELASTIC_CLOUD and OPEN_CLOUD need a Cloud ID, SELF_MANAGED needs a URL. */
  serverType?: SearchServerType | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The URL at which the REST API answers, with its port. SELF_MANAGED needs it. Example: https://search.example.com:9200 */
  url?: string | null | undefined;
  /** The user to sign in as, at most 1,024 characters, without a colon. Leave empty when you sign in with an API key. */
  username?: string | null | undefined;
};

/** The group of reasons for which a check failed. New values may be added: keep a default branch. */
export type FailureCause =
  /** The gateway does not connect to this address. */
  | 'ADDRESS_NOT_ALLOWED'
  /** The peer refused the credentials. */
  | 'AUTHENTICATION'
  /** The credentials are right but do not allow this. */
  | 'AUTHORIZATION'
  /** The test was cancelled. */
  | 'CANCELLED'
  /** Nothing listens on that port. */
  | 'CONNECTION_REFUSED'
  /** The name does not resolve. */
  | 'DNS'
  /** The gateway itself failed; the log has more. */
  | 'INTERNAL'
  /** The config cannot work as it is. */
  | 'INVALID_CONFIG'
  /** The connection broke, or no network route leads to the host. */
  | 'NETWORK'
  /** The database, bucket, collection or the like does not exist. */
  | 'NOT_FOUND'
  /** What answers does not speak the protocol that this type speaks. */
  | 'PROTOCOL'
  /** The server is the right one, and reports an error of its own. */
  | 'SERVER'
  /** The SSH tunnel could not be opened, or does not lead to the target. */
  | 'SSH'
  /** The peer stayed silent or was too slow. */
  | 'TIMEOUT'
  /** No secure connection could be agreed on. */
  | 'TLS';

/** A field that may be left out may also be null, which means the same. */
export type FireboltConfigInput = {
  /** The name of the account within the organisation. Example: my-account */
  account: string;
  /** The id of the service account. */
  clientId: string;
  /** Secret, required. The secret of the service account, at most 4,096 characters. It is never shown again. */
  clientSecret?: string | null | undefined;
  /** The name of the database. Upper and lower case differ. The list of tables, the catalog and tenancy need it. */
  database?: string | null | undefined;
  /** The engine that runs queries, which start it when it sleeps. Leave empty for the system engine, which always runs. */
  engine?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type FireboltConfigPatch = {
  /** The name of the account within the organisation. Example: my-account */
  account?: string | null | undefined;
  /** The id of the service account. */
  clientId?: string | null | undefined;
  /** Secret. The secret of the service account, at most 4,096 characters. It is never shown again. */
  clientSecret?: string | null | undefined;
  /** The name of the database. Upper and lower case differ. The list of tables, the catalog and tenancy need it. */
  database?: string | null | undefined;
  /** The engine that runs queries, which start it when it sleeps. Leave empty for the system engine, which always runs. */
  engine?: string | null | undefined;
};

/** The parts of a form, in the order in which it shows them. New values may be added. */
export type FormGroupName =
  /** What most leave as it is. */
  | 'ADVANCED'
  /** What the datastore is and where it is found. */
  | 'BASICS'
  /** Who signs in, and with what. */
  | 'SIGN_IN'
  /** The block `sshTunnel`: the bastion on the way. */
  | 'SSH_TUNNEL'
  /** The block `tls`: how the connection is encrypted. */
  | 'TLS';

/** A field that may be left out may also be null, which means the same. */
export type GoogleCloudStorageConfigInput = {
  /** The name of the bucket, 3 to 222 characters, without gs://. Example: my-data */
  bucket: string;
  /** The key of a service account. Enter the fields of its JSON file. Leave empty when you sign in by workload identity federation. */
  credentials?: ServiceAccountInput | null | undefined;
  /** The project that pays for the requests, by its id or number, as buckets that are set to Requester Pays ask. The account needs serviceusage.services.use on it. Leave empty for other buckets. Example: my-project-123 */
  userProject?: string | null | undefined;
  /** A token of another provider that stands in the place of a service account’s key. It is exchanged for each test, on the public Google cloud. No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with a key. */
  workloadIdentity?: GoogleWorkloadIdentityInput | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type GoogleCloudStorageConfigPatch = {
  /** The name of the bucket, 3 to 222 characters, without gs://. Example: my-data */
  bucket?: string | null | undefined;
  /** The key of a service account. Enter the fields of its JSON file. Leave empty when you sign in by workload identity federation. */
  credentials?: ServiceAccountPatch | null | undefined;
  /** The project that pays for the requests, by its id or number, as buckets that are set to Requester Pays ask. The account needs serviceusage.services.use on it. Leave empty for other buckets. Example: my-project-123 */
  userProject?: string | null | undefined;
  /** A token of another provider that stands in the place of a service account’s key. It is exchanged for each test, on the public Google cloud. No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with a key. */
  workloadIdentity?: GoogleWorkloadIdentityPatch | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type GoogleWorkloadIdentityInput = {
  /** The full name of the pool’s provider that knows the token’s issuer, as `audience` has it in a credential configuration file. Example: //iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/my-pool/providers/my-provider */
  audience: string;
  /** The service account that the token’s owner acts as, which has to let it (Workload Identity User). Leave empty where the owner itself has the rights. Example: reader@my-project-123.iam.gserviceaccount.com */
  serviceAccountEmail?: string | null | undefined;
  /** Secret, required. The token (JWT) of an OpenID provider that the pool knows, at most 20,000 characters. It is sent to Google’s Security Token Service alone. This secret is never shown again. */
  token?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type GoogleWorkloadIdentityPatch = {
  /** The full name of the pool’s provider that knows the token’s issuer, as `audience` has it in a credential configuration file. Example: //iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/my-pool/providers/my-provider */
  audience?: string | null | undefined;
  /** The service account that the token’s owner acts as, which has to let it (Workload Identity User). Leave empty where the owner itself has the rights. Example: reader@my-project-123.iam.gserviceaccount.com */
  serviceAccountEmail?: string | null | undefined;
  /** Secret. The token (JWT) of an OpenID provider that the pool knows, at most 20,000 characters. It is sent to Google’s Security Token Service alone. This secret is never shown again. */
  token?: string | null | undefined;
};

/** What a datastore’s health checks found. */
export type HealthStatus =
  /** The default checks pass. */
  | 'HEALTHY'
  /** A default check fails: `lastTest` says why. */
  | 'UNHEALTHY'
  /** It is not checked, or was not yet. */
  | 'UNKNOWN';

/** How many tests a worker takes. */
export type LeaseTestsInput = {
  /** How many tests it takes at most; never more than 50. */
  limit: number;
  /** The tests that it runs, after an answer was lost: others that it was given it is given again, or they are queued anew where they had begun. Left out: none are. */
  testIds?: Array<string> | null | undefined;
  /** The worker’s own id, of tendWorker. */
  workerId: string;
};

/** A field that may be left out may also be null, which means the same. */
export type ManagedConfigInput = {
  /** The id of the data structure that records have to fit, in the same environment. Leave empty to take any. */
  dataStructureId?: string | null | undefined;
  /** How much all records together may have, in MB of 1,048,576 bytes. Example: 100 */
  maxSizeMb: number;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type ManagedConfigPatch = {
  /** The id of the data structure that records have to fit, in the same environment. Leave empty to take any. */
  dataStructureId?: string | null | undefined;
  /** How much all records together may have, in MB of 1,048,576 bytes. Example: 100 */
  maxSizeMb?: number | null | undefined;
};

/** What to do about selected datastores that do not exist, or that the caller may not see. */
export type MissingDatastores =
  /** Delete those that exist: `deletedIds` says which. It may be sent again and again. */
  | 'IGNORE'
  /** Delete none, and answer with a NotFoundError that names those that are missing. */
  | 'REFUSE';

/** A field that may be left out may also be null, which means the same. */
export type MongoDataApiConfigInput = {
  /** Secret. A token that the gateway sends as Authorization: Bearer, at most 16,384 characters. Leave empty when you sign in with an API key or a password. This secret is never shown again. */
  accessToken?: string | null | undefined;
  /** Secret. The key that the gateway sends as the api-key header, at most 4,096 characters. Leave empty when you sign in with a password or an access token, or when the server asks for nothing. This secret is never shown again. */
  apiKey?: string | null | undefined;
  /** The base URL of the Data API. The gateway appends /action/… to it. Example: https://data.example.com/app/data-abcde/endpoint/data/v1 */
  apiUrl: string;
  /** The name of the collection that a test reads from, at most 255 characters. Leave empty to test the sign-in alone. */
  collection?: string | null | undefined;
  /** The name of the cluster that is linked to the API, at most 128 characters. Example: mongodb-atlas */
  dataSource: string;
  /** The name of the database, at most 63 characters. Upper and lower case differ. */
  database: string;
  /** Secret. The password of the user, at most 4,096 characters. Leave empty when you give no user name. This secret is never shown again. */
  password?: string | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The user to sign in as (HTTP Basic), at most 256 characters, without a colon. Leave empty when you sign in with an API key or an access token. */
  username?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type MongoDataApiConfigPatch = {
  /** Secret. A token that the gateway sends as Authorization: Bearer, at most 16,384 characters. Leave empty when you sign in with an API key or a password. This secret is never shown again. */
  accessToken?: string | null | undefined;
  /** Secret. The key that the gateway sends as the api-key header, at most 4,096 characters. Leave empty when you sign in with a password or an access token, or when the server asks for nothing. This secret is never shown again. */
  apiKey?: string | null | undefined;
  /** The base URL of the Data API. The gateway appends /action/… to it. Example: https://data.example.com/app/data-abcde/endpoint/data/v1 */
  apiUrl?: string | null | undefined;
  /** The name of the collection that a test reads from, at most 255 characters. Leave empty to test the sign-in alone. */
  collection?: string | null | undefined;
  /** The name of the cluster that is linked to the API, at most 128 characters. Example: mongodb-atlas */
  dataSource?: string | null | undefined;
  /** The name of the database, at most 63 characters. Upper and lower case differ. */
  database?: string | null | undefined;
  /** Secret. The password of the user, at most 4,096 characters. Leave empty when you give no user name. This secret is never shown again. */
  password?: string | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The user to sign in as (HTTP Basic), at most 256 characters, without a colon. Leave empty when you sign in with an API key or an access token. */
  username?: string | null | undefined;
};

/** How the user signs in. X509 signs in with tls.clientCertificate. Leave empty for the strongest SCRAM that the server offers the user. */
export type MongodbAuthMechanism =
  /** SCRAM-SHA-1 */
  | 'SCRAM_SHA_1'
  /** SCRAM-SHA-256 */
  | 'SCRAM_SHA_256'
  /** X.509: the client certificate */
  | 'X509';

/** A field that may be left out may also be null, which means the same. */
export type MongodbConfigInput = {
  /** How the user signs in. X509 signs in with tls.clientCertificate. Leave empty for the strongest SCRAM that the server offers the user. */
  authMechanism?: MongodbAuthMechanism | null | undefined;
  /** The database that knows the user, at most 63 characters. Leave empty for admin, or for $external with X509. */
  authSource?: string | null | undefined;
  /** The name of the database, at most 63 bytes. Upper and lower case differ. */
  database: string;
  /** The name or address of the server. With srv it is the name whose SRV records list the servers. Example: db.example.com */
  host: string;
  /** Secret. The password of the user, at most 4,096 characters. Leave empty with X509, or when the server asks for no sign-in. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. Leave empty with srv: the records tell the ports. */
  port?: number | null | undefined;
  /** The name that the server’s replica set must have, at most 128 characters. Leave empty when any will do. The gateway talks to this one server only, whatever its set. */
  replicaSet?: string | null | undefined;
  /** Whether the host is the name of a cluster, as in mongodb+srv://. Its SRV records then list the servers, which are tried in turn and have to belong to the domain of the host. TXT records are not read. */
  srv?: boolean | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The user to sign in as, at most 256 characters. Leave empty when the server asks for no sign-in, or when X509 takes the name from the client certificate. */
  username?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type MongodbConfigPatch = {
  /** How the user signs in. X509 signs in with tls.clientCertificate. Leave empty for the strongest SCRAM that the server offers the user. */
  authMechanism?: MongodbAuthMechanism | null | undefined;
  /** The database that knows the user, at most 63 characters. Leave empty for admin, or for $external with X509. */
  authSource?: string | null | undefined;
  /** The name of the database, at most 63 bytes. Upper and lower case differ. */
  database?: string | null | undefined;
  /** The name or address of the server. With srv it is the name whose SRV records list the servers. Example: db.example.com */
  host?: string | null | undefined;
  /** Secret. The password of the user, at most 4,096 characters. Leave empty with X509, or when the server asks for no sign-in. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. Leave empty with srv: the records tell the ports. */
  port?: number | null | undefined;
  /** The name that the server’s replica set must have, at most 128 characters. Leave empty when any will do. The gateway talks to this one server only, whatever its set. */
  replicaSet?: string | null | undefined;
  /** Whether the host is the name of a cluster, as in mongodb+srv://. Its SRV records then list the servers, which are tried in turn and have to belong to the domain of the host. TXT records are not read. */
  srv?: boolean | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The user to sign in as, at most 256 characters. Leave empty when the server asks for no sign-in, or when X509 takes the name from the client certificate. */
  username?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type MssqlConfigInput = {
  /** The name of the database, at most 128 characters. */
  database: string;
  /** The domain of a Windows account, which signs in by NTLM. Leave empty for a login of SQL Server’s own. Example: CORP */
  domain?: string | null | undefined;
  /** The name or address of the server, without the name of an instance: enter the port of the instance instead. Example: db.example.com */
  host: string;
  /** Secret, required. The password of the login, at most 128 characters. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The schema that holds the tables, at most 128 characters. */
  schema?: string | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted. REQUIRE and stronger encrypt all of it, as SQL Server 2019 does (TDS 7.4) or, where the server takes nothing else, as SQL Server 2022 does with strict encryption (TDS 8.0). DISABLE sends everything in clear text, the password too, and fails where the server demands encryption. */
  tls?: TlsInput | null | undefined;
  /** The login to sign in as, at most 128 characters. A Windows domain has a field of its own. */
  username: string;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type MssqlConfigPatch = {
  /** The name of the database, at most 128 characters. */
  database?: string | null | undefined;
  /** The domain of a Windows account, which signs in by NTLM. Leave empty for a login of SQL Server’s own. Example: CORP */
  domain?: string | null | undefined;
  /** The name or address of the server, without the name of an instance: enter the port of the instance instead. Example: db.example.com */
  host?: string | null | undefined;
  /** Secret. The password of the login, at most 128 characters. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The schema that holds the tables, at most 128 characters. */
  schema?: string | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted. REQUIRE and stronger encrypt all of it, as SQL Server 2019 does (TDS 7.4) or, where the server takes nothing else, as SQL Server 2022 does with strict encryption (TDS 8.0). DISABLE sends everything in clear text, the password too, and fails where the server demands encryption. */
  tls?: TlsPatch | null | undefined;
  /** The login to sign in as, at most 128 characters. A Windows domain has a field of its own. */
  username?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type MysqlConfigInput = {
  /** For a database of Amazon RDS or Aurora: the gateway signs a token for each sign-in, valid for 15 minutes, which takes the place of the password and needs TLS. The host has to be the database’s own endpoint, no other name of it. Leave empty to sign in with a password. */
  awsIam?: AwsRdsIamInput | null | undefined;
  /** The name of the database, at most 64 characters. It depends on the server whether upper and lower case differ. */
  database: string;
  /** The name or address of the server. Example: db.example.com */
  host: string;
  /** Secret. The password of the account, or a token that takes its place, at most 4,096 characters. Leave empty when the account has none, or when you sign in with a client certificate or with awsIam. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The account to sign in as, without its host part, at most 128 characters. */
  username: string;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type MysqlConfigPatch = {
  /** For a database of Amazon RDS or Aurora: the gateway signs a token for each sign-in, valid for 15 minutes, which takes the place of the password and needs TLS. The host has to be the database’s own endpoint, no other name of it. Leave empty to sign in with a password. */
  awsIam?: AwsRdsIamPatch | null | undefined;
  /** The name of the database, at most 64 characters. It depends on the server whether upper and lower case differ. */
  database?: string | null | undefined;
  /** The name or address of the server. Example: db.example.com */
  host?: string | null | undefined;
  /** Secret. The password of the account, or a token that takes its place, at most 4,096 characters. Leave empty when the account has none, or when you sign in with a client certificate or with awsIam. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The account to sign in as, without its host part, at most 128 characters. */
  username?: string | null | undefined;
};

/** The service that requests are signed for: a domain of Amazon OpenSearch Service (ES), or a collection of Amazon OpenSearch Serverless (AOSS), which has no cluster and tells no aliases. */
export type OpensearchAwsService =
  /** A collection of Amazon OpenSearch Serverless */
  | 'AOSS'
  /** A domain of Amazon OpenSearch Service */
  | 'ES';

/** A field that may be left out may also be null, which means the same. */
export type OpensearchConfigInput = {
  /** Secret. An API key in its encoded form, or as id:key, at most 4,096 characters. It takes the place of user name and password. Leave empty when you give those, or with disableAuth. This secret is never shown again. */
  apiKey?: string | null | undefined;
  /** Signs each request (Signature Version 4) in the place of a password or an API key, with an access key, a web identity or a role; serverType is SELF_MANAGED, and url that of the domain or the collection. Leave empty to sign in otherwise. */
  awsSigV4?: OpensearchSigV4Input | null | undefined;
  /** The Cloud ID of the deployment, as its console shows it. ELASTIC_CLOUD and OPEN_CLOUD need it. */
  cloudId?: string | null | undefined;
  /** Whether the gateway sends no credentials but a client certificate, if tls has one. Only SELF_MANAGED can do without. */
  disableAuth?: boolean | null | undefined;
  /** The one index, alias or data stream to use. Leave empty for all that the user may see. */
  index?: string | null | undefined;
  /** Secret. The password of the user, at most 4,096 characters. Leave empty when you sign in with an API key, or with disableAuth. This secret is never shown again. */
  password?: string | null | undefined;
  /** Where the cluster runs. ELASTIC_CLOUD and OPEN_CLOUD need a Cloud ID, SELF_MANAGED needs a URL. */
  serverType: SearchServerType;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The URL at which the REST API answers, with its port. SELF_MANAGED needs it. Example: https://search.example.com:9200 */
  url?: string | null | undefined;
  /** The user to sign in as, at most 1,024 characters, without a colon. Leave empty when you sign in with an API key. */
  username?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type OpensearchConfigPatch = {
  /** Secret. An API key in its encoded form, or as id:key, at most 4,096 characters. It takes the place of user name and password. Leave empty when you give those, or with disableAuth. This secret is never shown again. */
  apiKey?: string | null | undefined;
  /** Signs each request (Signature Version 4) in the place of a password or an API key, with an access key, a web identity or a role; serverType is SELF_MANAGED, and url that of the domain or the collection. Leave empty to sign in otherwise. */
  awsSigV4?: OpensearchSigV4Patch | null | undefined;
  /** The Cloud ID of the deployment, as its console shows it. ELASTIC_CLOUD and OPEN_CLOUD need it. */
  cloudId?: string | null | undefined;
  /** Whether the gateway sends no credentials but a client certificate, if tls has one. Only SELF_MANAGED can do without. */
  disableAuth?: boolean | null | undefined;
  /** The one index, alias or data stream to use. Leave empty for all that the user may see. */
  index?: string | null | undefined;
  /** Secret. The password of the user, at most 4,096 characters. Leave empty when you sign in with an API key, or with disableAuth. This secret is never shown again. */
  password?: string | null | undefined;
  /** Where the cluster runs. ELASTIC_CLOUD and OPEN_CLOUD need a Cloud ID, SELF_MANAGED needs a URL. */
  serverType?: SearchServerType | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The URL at which the REST API answers, with its port. SELF_MANAGED needs it. Example: https://search.example.com:9200 */
  url?: string | null | undefined;
  /** The user to sign in as, at most 1,024 characters, without a colon. Leave empty when you sign in with an API key. */
  username?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type OpensearchSigV4Input = {
  /** The id of the access key, at most 256 characters. Leave empty when you sign in with a web identity. Example: AKIAIOSFODNN7EXAMPLE */
  accessKeyId?: string | null | undefined;
  /** The role that is assumed for each test (sts:AssumeRole, for 15 minutes), with the access key or with the role of webIdentity. Leave empty to sign requests with the access key itself. */
  assumeRole?: AwsAssumeRoleInput | null | undefined;
  /** The region of the domain or the collection. Example: eu-central-1 */
  region: string;
  /** Secret. The secret part of the access key, at most 4,096 characters. Leave empty when you sign in with a web identity. It is never shown again. */
  secretAccessKey?: string | null | undefined;
  /** The service that requests are signed for: a domain of Amazon OpenSearch Service (ES), or a collection of Amazon OpenSearch Serverless (AOSS), which has no cluster and tells no aliases. */
  service?: OpensearchAwsService | null | undefined;
  /** Secret. The token of temporary credentials, at most 8,192 characters. Leave empty for a long-lived access key. This secret is never shown again. */
  sessionToken?: string | null | undefined;
  /** The endpoint that gives credentials of roles, for services other than AWS and for VPC endpoints. Leave empty for AWS STS of the region. Example: https://minio.example.com:9000 */
  stsUrl?: string | null | undefined;
  /** A token that stands in the place of an access key (sts:AssumeRoleWithWebIdentity). No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with an access key. */
  webIdentity?: AwsWebIdentityInput | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type OpensearchSigV4Patch = {
  /** The id of the access key, at most 256 characters. Leave empty when you sign in with a web identity. Example: AKIAIOSFODNN7EXAMPLE */
  accessKeyId?: string | null | undefined;
  /** The role that is assumed for each test (sts:AssumeRole, for 15 minutes), with the access key or with the role of webIdentity. Leave empty to sign requests with the access key itself. */
  assumeRole?: AwsAssumeRolePatch | null | undefined;
  /** The region of the domain or the collection. Example: eu-central-1 */
  region?: string | null | undefined;
  /** Secret. The secret part of the access key, at most 4,096 characters. Leave empty when you sign in with a web identity. It is never shown again. */
  secretAccessKey?: string | null | undefined;
  /** The service that requests are signed for: a domain of Amazon OpenSearch Service (ES), or a collection of Amazon OpenSearch Serverless (AOSS), which has no cluster and tells no aliases. */
  service?: OpensearchAwsService | null | undefined;
  /** Secret. The token of temporary credentials, at most 8,192 characters. Leave empty for a long-lived access key. This secret is never shown again. */
  sessionToken?: string | null | undefined;
  /** The endpoint that gives credentials of roles, for services other than AWS and for VPC endpoints. Leave empty for AWS STS of the region. Example: https://minio.example.com:9000 */
  stsUrl?: string | null | undefined;
  /** A token that stands in the place of an access key (sts:AssumeRoleWithWebIdentity). No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with an access key. */
  webIdentity?: AwsWebIdentityPatch | null | undefined;
};

/** Which end comes first. */
export type OrderDirection =
  /** The smallest, or the oldest. */
  | 'ASC'
  /** The largest, or the newest. */
  | 'DESC';

/** A field that may be left out may also be null, which means the same. */
export type PostgresConfigInput = {
  /** With tls.mode DISABLE, a server may ask for the password itself instead of a proof of it, and everybody on the way could read it. True to send it all the same, on a network that you trust. Over TLS and to a server on the same machine it is sent without this. */
  allowCleartextPassword?: boolean | null | undefined;
  /** For a database of Amazon RDS or Aurora: the gateway signs a token for each sign-in, valid for 15 minutes, which takes the place of the password and needs TLS. The host has to be the database’s own endpoint, no other name of it. Leave empty to sign in with a password. */
  awsIam?: AwsRdsIamInput | null | undefined;
  /** The name of the database, at most 63 characters. Upper and lower case differ. */
  database: string;
  /** The name or address of the server. Example: db.example.com */
  host: string;
  /** Secret. The password of the role, or a token that takes its place, at most 4,096 characters. Leave empty when you sign in with a client certificate or with awsIam, or when the server trusts the connection (trust in pg_hba.conf). This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The schema that holds the tables, at most 63 characters. */
  schema?: string | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The role to sign in as, at most 128 characters. */
  username: string;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type PostgresConfigPatch = {
  /** With tls.mode DISABLE, a server may ask for the password itself instead of a proof of it, and everybody on the way could read it. True to send it all the same, on a network that you trust. Over TLS and to a server on the same machine it is sent without this. */
  allowCleartextPassword?: boolean | null | undefined;
  /** For a database of Amazon RDS or Aurora: the gateway signs a token for each sign-in, valid for 15 minutes, which takes the place of the password and needs TLS. The host has to be the database’s own endpoint, no other name of it. Leave empty to sign in with a password. */
  awsIam?: AwsRdsIamPatch | null | undefined;
  /** The name of the database, at most 63 characters. Upper and lower case differ. */
  database?: string | null | undefined;
  /** The name or address of the server. Example: db.example.com */
  host?: string | null | undefined;
  /** Secret. The password of the role, or a token that takes its place, at most 4,096 characters. Leave empty when you sign in with a client certificate or with awsIam, or when the server trusts the connection (trust in pg_hba.conf). This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The schema that holds the tables, at most 63 characters. */
  schema?: string | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The role to sign in as, at most 128 characters. */
  username?: string | null | undefined;
};

/** What a process is. */
export type ProcessKind =
  /** `serve` or `start`: it answers requests, and takes connection tests unless told not to. */
  | 'GATEWAY'
  /** `worker --gateway`: it takes connection tests from a gateway. */
  | 'REMOTE_WORKER'
  /** `worker` on the database of the gateways. */
  | 'WORKER';

/** A record to store. */
export type PutRecordInput = {
  /** A JSON object of at most 512 KiB, 32 deep, whose whole numbers have at most ±9,007,199,254,740,991. The datastore’s data structure judges it, and fills in defaults. */
  data: unknown;
  /** The managed datastore. */
  datastoreId: string;
  /** DataRecord.version of what you have read: when another one is stored by now, you get a ConflictError. 0: there must be none yet. Leave it out to replace whatever is stored. */
  expectedVersion?: number | null | undefined;
  /** Where to store it: 1 to 256 characters, none of them a control character. Leave it out to have a UUID made. */
  key?: string | null | undefined;
  /** True to keep the fields of the stored record that `data` leaves out. The whole is then judged. */
  merge?: boolean | null | undefined;
};

/** Several records to store in one datastore. */
export type PutRecordsInput = {
  /** True to store all items or none: when one cannot be stored, its result says why, and each other one has neither record nor error. */
  atomic?: boolean | null | undefined;
  /** The managed datastore. */
  datastoreId: string;
  /** The records: 1 to 500. They are put one after the other, so that a key may come twice. */
  items: Array<RecordItemInput>;
};

/** A field that may be left out may also be null, which means the same. */
export type QdrantConfigInput = {
  /** Secret. An API key or a token (JWT), at most 4,096 characters. Leave empty when the server asks for none. This secret is never shown again. */
  apiKey?: string | null | undefined;
  /** The URL at which the REST API answers, with its path if it has one. Example: https://xyz.eu-central.aws.cloud.qdrant.io */
  baseUrl: string;
  /** The name of the collection, at most 255 characters. Upper and lower case differ. */
  collection: string;
  /** The TCP port of the REST API, 1 to 65535. Left out, it is the one in the base URL, or 6333. One in the base URL has to be the same. */
  port?: number | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type QdrantConfigPatch = {
  /** Secret. An API key or a token (JWT), at most 4,096 characters. Leave empty when the server asks for none. This secret is never shown again. */
  apiKey?: string | null | undefined;
  /** The URL at which the REST API answers, with its path if it has one. Example: https://xyz.eu-central.aws.cloud.qdrant.io */
  baseUrl?: string | null | undefined;
  /** The name of the collection, at most 255 characters. Upper and lower case differ. */
  collection?: string | null | undefined;
  /** The TCP port of the REST API, 1 to 65535. Left out, it is the one in the base URL, or 6333. One in the base URL has to be the same. */
  port?: number | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
};

/** A step of what a worker does with the catalog that a test reads. */
export type RecordCatalogInput = {
  /** TestLease.attempt. */
  attempt: number;
  /** For ADD: JSON of at most 4 MiB, packed by gzip, in base64. */
  entries?: string | null | undefined;
  /** What to do. */
  step: RecordCatalogStep;
  /** The test that reads it. */
  testId: string;
  /** The worker’s own id, of tendWorker. */
  workerId: string;
};

/** What to do with the catalog that a test reads. */
export type RecordCatalogStep =
  /** Adds `entries`. */
  | 'ADD'
  /** Forgets what an earlier attempt has put in. */
  | 'BEGIN'
  /** Forgets it. */
  | 'DISCARD'
  /** Puts it into the place of the catalog in use. */
  | 'FINISH';

/** What happened to a record. New values may be added: keep a default branch. */
export type RecordEventKind =
  /** It was deleted. */
  | 'DELETED'
  /** It was stored, as a new one or in the place of another. */
  | 'PUT';

/** What one field of a record has to be. */
export type RecordFilter = {
  /** A text of at most 1,024 characters, a number, true or false, which the field has to be exactly. Null, or left out: the field is null, or not there. */
  equals?: unknown;
  /** Where the field stands: its name, or the names on the way to it, `["address", "city"]`; in an array, a number from 0 on, `["lines", "0", "sku"]`. At most 32. */
  path: Array<string>;
};

/** One of several records to store. */
export type RecordItemInput = {
  /** A JSON object of at most 512 KiB, 32 deep, whose whole numbers have at most ±9,007,199,254,740,991. The datastore’s data structure judges it, and fills in defaults. */
  data: unknown;
  /** DataRecord.version of what you have read: when another one is stored by now, you get a ConflictError. 0: there must be none yet. Leave it out to replace whatever is stored. */
  expectedVersion?: number | null | undefined;
  /** Where to store it: 1 to 256 characters, none of them a control character. Leave it out to have a UUID made. */
  key?: string | null | undefined;
  /** True to keep the fields of the stored record that `data` leaves out. The whole is then judged. */
  merge?: boolean | null | undefined;
};

/** Which records. Give exactly one field. */
export type RecordSelection =
  {   /** All records but those that you except. */
  all: AllRecords; keys?: never; }
  |  { all?: never;   /** The records with these keys: 1 to 1,000. */
  keys: Array<string>; };

/** What happened to the tests of a worker. */
export type RecordTestEventsInput = {
  /** Those of several tests, each test’s in their order; 500 at most. */
  events: Array<WorkerEventInput>;
  /** The worker’s own id, of tendWorker. */
  workerId: string;
};

/** A field that may be left out may also be null, which means the same. */
export type RedshiftConfigInput = {
  /** With tls.mode DISABLE, a server may ask for the password itself instead of a proof of it, and everybody on the way could read it. True to send it all the same, on a network that you trust. Over TLS and to a server on the same machine it is sent without this. */
  allowCleartextPassword?: boolean | null | undefined;
  /** The name of the database, at most 127 characters. Upper and lower case differ. */
  database: string;
  /** The name or address of the server. Example: db.example.com */
  host: string;
  /** Secret. The password of the role, or a token that takes its place, at most 4,096 characters. Leave empty only where a pooler on the way asks for none: Redshift itself always asks for one. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The schema that holds the tables, at most 127 characters. */
  schema?: string | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The role to sign in as, at most 128 characters. */
  username: string;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type RedshiftConfigPatch = {
  /** With tls.mode DISABLE, a server may ask for the password itself instead of a proof of it, and everybody on the way could read it. True to send it all the same, on a network that you trust. Over TLS and to a server on the same machine it is sent without this. */
  allowCleartextPassword?: boolean | null | undefined;
  /** The name of the database, at most 127 characters. Upper and lower case differ. */
  database?: string | null | undefined;
  /** The name or address of the server. Example: db.example.com */
  host?: string | null | undefined;
  /** Secret. The password of the role, or a token that takes its place, at most 4,096 characters. Leave empty only where a pooler on the way asks for none: Redshift itself always asks for one. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The schema that holds the tables, at most 127 characters. */
  schema?: string | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The role to sign in as, at most 128 characters. */
  username?: string | null | undefined;
};

/** Whose catalog to read, and how. */
export type RefreshCatalogInput = {
  /** The datastore whose catalog is read. `supportsCatalog` of its connector says whether it has one. */
  datastoreId: string;
  /** Choose a UUID to follow the test’s progress from before it starts. Leave it out to have one chosen for you. */
  testId?: string | null | undefined;
  /** How long the whole test may take, waiting in the queue included, in milliseconds: 1,000 to 300,000. */
  timeoutMs?: number | null | undefined;
};

/** Something that depends on a datastore. */
export type RegisterUsageInput = {
  /** The datastore that it depends on. */
  datastoreId: string;
  /** What it is, in your own words, on one line of at most 128 characters: `dashboard`. */
  kind: string;
  /** Its name, on one line of at most 128 characters. One of the same kind and name is the same, and gets the url. */
  name: string;
  /** Where people find it: `https://…` or `http://…`, at most 2,048 characters, without a password. */
  url?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type S3ConfigInput = {
  /** The id of the access key, at most 256 characters. Leave empty when you sign in with a web identity. Example: AKIAIOSFODNN7EXAMPLE */
  accessKeyId?: string | null | undefined;
  /** The role that is assumed for each test (sts:AssumeRole, for 15 minutes), with the access key or with the role of webIdentity. Leave empty to sign requests with the access key itself. */
  assumeRole?: AwsAssumeRoleInput | null | undefined;
  /** The endpoint of a service other than AWS, such as R2 or MinIO. Leave empty for AWS. Example: https://minio.example.com:9000 */
  baseUrl?: string | null | undefined;
  /** The name of the bucket, without s3:// and without a path; at a base URL of Ceph a tenant and a colon may stand before it, tenant:bucket. Example: my-data */
  bucket: string;
  /** Whether the bucket stands in the path of a URL instead of its host name. Leave empty for the usual way: in the path when there is a base URL, or a dot in the bucket’s name. */
  forcePathStyle?: boolean | null | undefined;
  /** The key of an object or the name of a folder in the bucket, at most 1,024 characters. Leave empty for the whole bucket. Example: exports/2026 */
  path?: string | null | undefined;
  /** What the path names: one object (FILE), or all objects whose keys begin with it and a slash (FOLDER). Leave empty for all whose keys begin with it. */
  pathKind?: S3PathKind | null | undefined;
  /** The region of the bucket. Enter auto for Cloudflare R2. Example: eu-central-1 */
  region: string;
  /** Whether the owner of the key pays for the requests, as buckets that are set to Requester Pays ask. Leave empty for other buckets. */
  requesterPays?: boolean | null | undefined;
  /** Secret. The secret part of the access key, at most 4,096 characters. Leave empty when you sign in with a web identity. It is never shown again. */
  secretAccessKey?: string | null | undefined;
  /** Secret. The token of temporary credentials, at most 8,192 characters. Leave empty for a long-lived access key. This secret is never shown again. */
  sessionToken?: string | null | undefined;
  /** The endpoint that gives credentials of roles, for services other than AWS and for VPC endpoints. Leave empty for AWS STS of the region. Example: https://minio.example.com:9000 */
  stsUrl?: string | null | undefined;
  /** How the connections to the base URL and to the STS URL are encrypted. AWS itself is always reached with VERIFY_FULL. */
  tls?: TlsInput | null | undefined;
  /** A token that stands in the place of an access key (sts:AssumeRoleWithWebIdentity). No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with an access key. */
  webIdentity?: AwsWebIdentityInput | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type S3ConfigPatch = {
  /** The id of the access key, at most 256 characters. Leave empty when you sign in with a web identity. Example: AKIAIOSFODNN7EXAMPLE */
  accessKeyId?: string | null | undefined;
  /** The role that is assumed for each test (sts:AssumeRole, for 15 minutes), with the access key or with the role of webIdentity. Leave empty to sign requests with the access key itself. */
  assumeRole?: AwsAssumeRolePatch | null | undefined;
  /** The endpoint of a service other than AWS, such as R2 or MinIO. Leave empty for AWS. Example: https://minio.example.com:9000 */
  baseUrl?: string | null | undefined;
  /** The name of the bucket, without s3:// and without a path; at a base URL of Ceph a tenant and a colon may stand before it, tenant:bucket. Example: my-data */
  bucket?: string | null | undefined;
  /** Whether the bucket stands in the path of a URL instead of its host name. Leave empty for the usual way: in the path when there is a base URL, or a dot in the bucket’s name. */
  forcePathStyle?: boolean | null | undefined;
  /** The key of an object or the name of a folder in the bucket, at most 1,024 characters. Leave empty for the whole bucket. Example: exports/2026 */
  path?: string | null | undefined;
  /** What the path names: one object (FILE), or all objects whose keys begin with it and a slash (FOLDER). Leave empty for all whose keys begin with it. */
  pathKind?: S3PathKind | null | undefined;
  /** The region of the bucket. Enter auto for Cloudflare R2. Example: eu-central-1 */
  region?: string | null | undefined;
  /** Whether the owner of the key pays for the requests, as buckets that are set to Requester Pays ask. Leave empty for other buckets. */
  requesterPays?: boolean | null | undefined;
  /** Secret. The secret part of the access key, at most 4,096 characters. Leave empty when you sign in with a web identity. It is never shown again. */
  secretAccessKey?: string | null | undefined;
  /** Secret. The token of temporary credentials, at most 8,192 characters. Leave empty for a long-lived access key. This secret is never shown again. */
  sessionToken?: string | null | undefined;
  /** The endpoint that gives credentials of roles, for services other than AWS and for VPC endpoints. Leave empty for AWS STS of the region. Example: https://minio.example.com:9000 */
  stsUrl?: string | null | undefined;
  /** How the connections to the base URL and to the STS URL are encrypted. AWS itself is always reached with VERIFY_FULL. */
  tls?: TlsPatch | null | undefined;
  /** A token that stands in the place of an access key (sts:AssumeRoleWithWebIdentity). No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with an access key. */
  webIdentity?: AwsWebIdentityPatch | null | undefined;
};

/** What the path names: one object (FILE), or all objects whose keys begin with it and a slash (FOLDER). Leave empty for all whose keys begin with it. */
export type S3PathKind =
  /** One object */
  | 'FILE'
  /** A folder */
  | 'FOLDER';

/** What a token may be used for. `connectors`, `parseConnection`, `viewer` and `environments` need a token, but no scope. */
export type Scope =
  /** Read the audit log. */
  | 'AUDIT_READ'
  /** Read datastores, their versions, tests, catalogs and usages, data structures and manifests; follow datastores and tests. */
  | 'DATASTORES_READ'
  /** Start and cancel connection tests, of drafts as well, and read catalogs anew. */
  | 'DATASTORES_TEST'
  /** Create, change, revert and delete datastores, data structures and webhooks; apply manifests and clone environments; run checks that write. */
  | 'DATASTORES_WRITE'
  /** Create, rename and delete environments. */
  | 'ENVIRONMENTS_WRITE'
  /** Read which processes serve and take tests; for a token for all environments. */
  | 'PROCESSES_READ'
  /** Read, follow and export the records of managed datastores. */
  | 'RECORDS_READ'
  /** Put, delete and import the records of managed datastores. */
  | 'RECORDS_WRITE'
  /** Take connection tests and run them, with the secrets that they need: for `worker --gateway`, and nobody else. */
  | 'TESTS_RUN'
  /** List, make and revoke tokens, none of which allows more than your own. */
  | 'TOKENS_ADMIN'
  /** Register what depends on a datastore, and take it off the list again. */
  | 'USAGES_WRITE';

/** Where the cluster runs. ELASTIC_CLOUD and OPEN_CLOUD need a Cloud ID, SELF_MANAGED needs a URL. */
export type SearchServerType =
  /** Elastic Cloud */
  | 'ELASTIC_CLOUD'
  /** Another cloud with Cloud IDs */
  | 'OPEN_CLOUD'
  /** A server of one’s own */
  | 'SELF_MANAGED';

/** A field that may be left out may also be null, which means the same. */
export type ServiceAccountInput = {
  /** The URL in the key file. The gateway never calls it, and takes no other than Google’s own. */
  authProviderX509CertUrl?: string | null | undefined;
  /** The URL in the key file. The gateway never calls it, and takes no other than Google’s own. */
  authUri?: string | null | undefined;
  /** The name of the account. Example: reader@my-project-123.iam.gserviceaccount.com */
  clientEmail: string;
  /** The number of the account, as in the key file. The gateway does not use it. */
  clientId?: string | null | undefined;
  /** The URL in the key file. The gateway never calls it, and takes no other than Google’s own. */
  clientX509CertUrl?: string | null | undefined;
  /** Secret, required. The RSA private key of the account, as PEM that is not encrypted. This secret is never shown again. */
  privateKey?: string | null | undefined;
  /** The hexadecimal id that tells Google which key of the account signs. */
  privateKeyId?: string | null | undefined;
  /** The id of the project that the account belongs to. Example: my-project-123 */
  projectId?: string | null | undefined;
  /** The URL in the key file. The gateway never calls it, and takes no other than Google’s own. */
  tokenUri?: string | null | undefined;
  /** The kind of credentials, which is always service_account. The gateway refuses every other kind. */
  type?: string | null | undefined;
  /** The domain of the Google cloud that the account belongs to. Leave empty for the public cloud, googleapis.com. */
  universeDomain?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type ServiceAccountPatch = {
  /** The URL in the key file. The gateway never calls it, and takes no other than Google’s own. */
  authProviderX509CertUrl?: string | null | undefined;
  /** The URL in the key file. The gateway never calls it, and takes no other than Google’s own. */
  authUri?: string | null | undefined;
  /** The name of the account. Example: reader@my-project-123.iam.gserviceaccount.com */
  clientEmail?: string | null | undefined;
  /** The number of the account, as in the key file. The gateway does not use it. */
  clientId?: string | null | undefined;
  /** The URL in the key file. The gateway never calls it, and takes no other than Google’s own. */
  clientX509CertUrl?: string | null | undefined;
  /** Secret. The RSA private key of the account, as PEM that is not encrypted. This secret is never shown again. */
  privateKey?: string | null | undefined;
  /** The hexadecimal id that tells Google which key of the account signs. */
  privateKeyId?: string | null | undefined;
  /** The id of the project that the account belongs to. Example: my-project-123 */
  projectId?: string | null | undefined;
  /** The URL in the key file. The gateway never calls it, and takes no other than Google’s own. */
  tokenUri?: string | null | undefined;
  /** The kind of credentials, which is always service_account. The gateway refuses every other kind. */
  type?: string | null | undefined;
  /** The domain of the Google cloud that the account belongs to. Leave empty for the public cloud, googleapis.com. */
  universeDomain?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type SinglestoreConfigInput = {
  /** The name of the database, at most 64 characters. It depends on the server whether upper and lower case differ. */
  database: string;
  /** The name or address of the server. Example: db.example.com */
  host: string;
  /** Secret. The password of the account, or a token that takes its place, at most 4,096 characters. Leave empty when the account has none, or when you sign in with a client certificate. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The account to sign in as, without its host part, at most 128 characters. */
  username: string;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type SinglestoreConfigPatch = {
  /** The name of the database, at most 64 characters. It depends on the server whether upper and lower case differ. */
  database?: string | null | undefined;
  /** The name or address of the server. Example: db.example.com */
  host?: string | null | undefined;
  /** Secret. The password of the account, or a token that takes its place, at most 4,096 characters. Leave empty when the account has none, or when you sign in with a client certificate. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The account to sign in as, without its host part, at most 128 characters. */
  username?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type SnowflakeAccessTokenInput = {
  /** Secret, required. A programmatic access token or an OAuth access token, at most 16,384 characters. This secret is never shown again. */
  token?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type SnowflakeAccessTokenPatch = {
  /** Secret. A programmatic access token or an OAuth access token, at most 16,384 characters. This secret is never shown again. */
  token?: string | null | undefined;
};

/** Give exactly one of these fields. */
export type SnowflakeAuthenticationInput =
  {   /** Sign in with a token that Snowflake or its OAuth server has issued. */
  accessToken: SnowflakeAccessTokenInput; keyPair?: never; password?: never; }
  |  { accessToken?: never;   /** Sign in with a private key. Its public key has to be the RSA_PUBLIC_KEY of the user. */
  keyPair: SnowflakeKeyPairInput; password?: never; }
  |  { accessToken?: never; keyPair?: never;   /** Sign in with a password. Snowflake refuses it for users who have to use a second factor. */
  password: SnowflakePasswordInput; };

/** Give exactly one of these fields. */
export type SnowflakeAuthenticationPatch =
  {   /** Sign in with a token that Snowflake or its OAuth server has issued. */
  accessToken: SnowflakeAccessTokenPatch; keyPair?: never; password?: never; }
  |  { accessToken?: never;   /** Sign in with a private key. Its public key has to be the RSA_PUBLIC_KEY of the user. */
  keyPair: SnowflakeKeyPairPatch; password?: never; }
  |  { accessToken?: never; keyPair?: never;   /** Sign in with a password. Snowflake refuses it for users who have to use a second factor. */
  password: SnowflakePasswordPatch; };

/** A field that may be left out may also be null, which means the same. */
export type SnowflakeConfigInput = {
  /** The account identifier `organisation-account`, an account locator with its region, a private link’s name, or the full host name of any of them. Examples: myorg-account1, xy12345.eu-central-1, myorg-account1.privatelink, xy12345.cn-northwest-1.snowflakecomputing.cn */
  account: string;
  /** How to sign in: with a password, a key pair or an access token. */
  authentication: SnowflakeAuthenticationInput;
  /** The database that holds the tables. Upper and lower case differ only in "double quotes". */
  database: string;
  /** The role to use. Leave empty for the user’s default role. Upper and lower case differ only in "double quotes". */
  role?: string | null | undefined;
  /** The one schema of the database to use. Leave empty for all of them. Upper and lower case differ only in "double quotes". */
  schema?: string | null | undefined;
  /** The user to sign in as, at most 255 characters. */
  username: string;
  /** The virtual warehouse that runs queries. Upper and lower case differ only in "double quotes". */
  warehouse: string;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type SnowflakeConfigPatch = {
  /** The account identifier `organisation-account`, an account locator with its region, a private link’s name, or the full host name of any of them. Examples: myorg-account1, xy12345.eu-central-1, myorg-account1.privatelink, xy12345.cn-northwest-1.snowflakecomputing.cn */
  account?: string | null | undefined;
  /** How to sign in: with a password, a key pair or an access token. */
  authentication?: SnowflakeAuthenticationPatch | null | undefined;
  /** The database that holds the tables. Upper and lower case differ only in "double quotes". */
  database?: string | null | undefined;
  /** The role to use. Leave empty for the user’s default role. Upper and lower case differ only in "double quotes". */
  role?: string | null | undefined;
  /** The one schema of the database to use. Leave empty for all of them. Upper and lower case differ only in "double quotes". */
  schema?: string | null | undefined;
  /** The user to sign in as, at most 255 characters. */
  username?: string | null | undefined;
  /** The virtual warehouse that runs queries. Upper and lower case differ only in "double quotes". */
  warehouse?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type SnowflakeKeyPairInput = {
  /** Secret. The passphrase of the private key, at most 1,024 characters. Leave empty when the key is not encrypted. This secret is never shown again. */
  passphrase?: string | null | undefined;
  /** Secret, required. The RSA key of the user, 2048 bits or more, as PEM, encrypted or not. This secret is never shown again. */
  privateKey?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type SnowflakeKeyPairPatch = {
  /** Secret. The passphrase of the private key, at most 1,024 characters. Leave empty when the key is not encrypted. This secret is never shown again. */
  passphrase?: string | null | undefined;
  /** Secret. The RSA key of the user, 2048 bits or more, as PEM, encrypted or not. This secret is never shown again. */
  privateKey?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type SnowflakePasswordInput = {
  /** Secret, required. The password of the user, at most 4,096 characters. This secret is never shown again. */
  password?: string | null | undefined;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type SnowflakePasswordPatch = {
  /** Secret. The password of the user, at most 4,096 characters. This secret is never shown again. */
  password?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type SshTunnelInput = {
  /** Whether the gateway goes through the bastion. Turn it off to keep the settings but connect directly. */
  enabled?: boolean | null | undefined;
  /** The name or address of the bastion. Example: bastion.example.com */
  host: string;
  /** The fingerprint of the bastion’s host key, `SHA256:…` as OpenSSH prints it. You need it to save: a test without it stops at tunnel/open and shows, as evidence, the fingerprint to confirm. */
  hostKeyFingerprint?: string | null | undefined;
  /** Secret. The passphrase of the private key, at most 1,024 characters. Leave empty when the key is not encrypted. This secret is never shown again. */
  passphrase?: string | null | undefined;
  /** Secret. The password of that user, at most 4,096 characters. Leave empty when you sign in with a private key. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** Secret. The private key of that user, as OpenSSH or PEM text, encrypted or not. Leave empty when you sign in with a password. This secret is never shown again. */
  privateKey?: string | null | undefined;
  /** The user who signs in at the bastion, at most 128 characters. */
  username: string;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type SshTunnelPatch = {
  /** Whether the gateway goes through the bastion. Turn it off to keep the settings but connect directly. */
  enabled?: boolean | null | undefined;
  /** The name or address of the bastion. Example: bastion.example.com */
  host?: string | null | undefined;
  /** The fingerprint of the bastion’s host key, `SHA256:…` as OpenSSH prints it. You need it to save: a test without it stops at tunnel/open and shows, as evidence, the fingerprint to confirm. */
  hostKeyFingerprint?: string | null | undefined;
  /** Secret. The passphrase of the private key, at most 1,024 characters. Leave empty when the key is not encrypted. This secret is never shown again. */
  passphrase?: string | null | undefined;
  /** Secret. The password of that user, at most 4,096 characters. Leave empty when you sign in with a private key. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** Secret. The private key of that user, as OpenSSH or PEM text, encrypted or not. Leave empty when you sign in with a password. This secret is never shown again. */
  privateKey?: string | null | undefined;
  /** The user who signs in at the bastion, at most 128 characters. */
  username?: string | null | undefined;
};

/** What to test, and how. */
export type StartConnectionTestInput = {
  /** Leave it out to run the type’s default checks within 30 seconds. */
  options?: ConnectionTestOptions | null | undefined;
  /** What to test. */
  target: ConnectionTestTarget;
};

/** Finds datastores that have a tag. */
export type TagFilter = {
  /** The tag’s key, exactly. */
  key: string;
  /** Its value, exactly. Leave it out for any value. */
  value?: string | null | undefined;
};

/** A word about a datastore, by which it can be found. */
export type TagInput = {
  /** What the word is about: `team`. 1 to 63 letters, digits, ".", "-", "_" and "/", beginning with a letter or digit. */
  key: string;
  /** The word: `payments`. At most 128 characters, on one line. */
  value: string;
};

/** How your clients (tenants) are laid out inside the datastore. At level TABLE, fill in the five other fields. */
export type TenancyInput = {
  /** Whether clients are told apart by numbers or by texts. Leave empty without a table. */
  clientColumnType?: ClientColumnType | null | undefined;
  /** How clients are told apart. TABLE needs the five other fields, DATABASE none of them. */
  level: TenancyLevel;
  /** The schema, or whatever holds tables in this type, that holds the mapping table, at most 255 characters. Leave empty without a table. */
  schemaName?: string | null | undefined;
  /** The column of the mapping table that holds the client’s name, at most 255 characters. Leave empty without a table. */
  tableClientNameColumn?: string | null | undefined;
  /** The mapping table, which has a row for each client, at most 255 characters. Leave empty without a table. */
  tableName?: string | null | undefined;
  /** The column of the mapping table that tells clients apart, at most 255 characters. Leave empty without a table. */
  tablePrimaryKeyColumn?: string | null | undefined;
};

/** How clients (tenants) are kept apart inside a datastore. */
export type TenancyLevel =
  /** Each client has a database of its own. */
  | 'DATABASE'
  /** One table maps each client to its rows. */
  | 'TABLE';

/** What a worker is and runs. */
export type TendWorkerInput = {
  /** How many tests it runs at once. */
  capacity: number;
  /** The name of its machine. */
  host: string;
  /** A UUID that the worker makes at its start. */
  id: string;
  /** The network whose tests it takes: 1 to 63 letters, digits, ".", "-" and "_", beginning with a letter or digit. Left out: those of environments without one. It stays what it was at first. */
  network?: string | null | undefined;
  /** Its X25519 key, 32 bytes in base64url without padding: what its tests need is sealed to it. It stays what it was at first. */
  publicKey: string;
  /** True when it runs nothing any more and stops: it is no longer in `processes`. */
  stops?: boolean | null | undefined;
  /** The tests that it runs, whose leases are renewed for 15 seconds. */
  testIds: Array<string>;
  /** The version that it runs. */
  version: string;
};

/** What a test is for. New values may be added: keep a default branch. */
export type TestPurpose =
  /** A createDatastore or an updateDatastore waited for it. */
  | 'BEFORE_SAVE'
  /** It read the datastore’s catalog. */
  | 'CATALOG'
  /** It was the datastore’s turn: see checkEveryMinutes. */
  | 'HEALTH'
  /** Somebody started it with startConnectionTest. */
  | 'REQUESTED';

/** Where a test stands. PASSED, FAILED and CANCELLED are final. */
export type TestStatus =
  /** Somebody ended it with cancelConnectionTest. */
  | 'CANCELLED'
  /** A check failed, or the test could not be run: `failure` says why. */
  | 'FAILED'
  /** All of its checks passed; some may be WARNING. */
  | 'PASSED'
  /** It waits for a free place to run in, or to run once more. */
  | 'QUEUED'
  /** Its checks run. */
  | 'RUNNING';

/** A field that may be left out may also be null, which means the same. */
export type TlsInput = {
  /** The certificates of one CA or of several, as PEM of at most 262,144 characters. They are trusted instead of the public CAs: leave empty to trust those. */
  caCertificate?: string | null | undefined;
  /** The certificate that the gateway shows to the server, as PEM with its chain in any order. Leave empty when the server asks for none. */
  clientCertificate?: string | null | undefined;
  /** Secret. The private key that belongs to the client certificate, as PEM, encrypted or not. Leave empty without a client certificate. This secret is never shown again. */
  clientKey?: string | null | undefined;
  /** Secret. The passphrase of the client key, at most 1,024 characters. Leave empty when the key is not encrypted. This secret is never shown again. */
  clientKeyPassphrase?: string | null | undefined;
  /** How the connection is protected. DISABLE sends everything in clear text. REQUIRE encrypts, but takes any certificate. VERIFY_CA also asks that a trusted CA has signed the certificate, VERIFY_FULL that it is for this host as well. */
  mode?: TlsMode | null | undefined;
  /** The host name that the certificate is for. Leave empty when that is the host itself. */
  serverName?: string | null | undefined;
};

/** How the connection is protected. DISABLE sends everything in clear text. REQUIRE encrypts, but takes any certificate. VERIFY_CA also asks that a trusted CA has signed the certificate, VERIFY_FULL that it is for this host as well. */
export type TlsMode =
  /** No TLS: clear text */
  | 'DISABLE'
  /** TLS, any certificate */
  | 'REQUIRE'
  /** TLS, certificate of a trusted CA */
  | 'VERIFY_CA'
  /** TLS, certificate of a trusted CA for this host */
  | 'VERIFY_FULL';

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type TlsPatch = {
  /** The certificates of one CA or of several, as PEM of at most 262,144 characters. They are trusted instead of the public CAs: leave empty to trust those. */
  caCertificate?: string | null | undefined;
  /** The certificate that the gateway shows to the server, as PEM with its chain in any order. Leave empty when the server asks for none. */
  clientCertificate?: string | null | undefined;
  /** Secret. The private key that belongs to the client certificate, as PEM, encrypted or not. Leave empty without a client certificate. This secret is never shown again. */
  clientKey?: string | null | undefined;
  /** Secret. The passphrase of the client key, at most 1,024 characters. Leave empty when the key is not encrypted. This secret is never shown again. */
  clientKeyPassphrase?: string | null | undefined;
  /** How the connection is protected. DISABLE sends everything in clear text. REQUIRE encrypts, but takes any certificate. VERIFY_CA also asks that a trusted CA has signed the certificate, VERIFY_FULL that it is for this host as well. */
  mode?: TlsMode | null | undefined;
  /** The host name that the certificate is for. Leave empty when that is the host itself. */
  serverName?: string | null | undefined;
};

/** A field that may be left out may also be null, which means the same. */
export type TrinoConfigInput = {
  /** Secret. A JSON Web Token or an OAuth 2.0 access token that takes the place of the password, at most 16,384 characters, which needs TLS. Leave empty when you sign in with a password. This secret is never shown again. */
  accessToken?: string | null | undefined;
  /** The name of the catalog as Trino knows it, at most 255 characters. Example: hive */
  catalog: string;
  /** The name or address of the coordinator. Example: trino.example.com */
  host: string;
  /** Secret. The password of the user, at most 4,096 characters, which needs TLS. Leave empty when you give an access token, or when the coordinator asks for none, as on a private network. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The schema that holds the tables, at most 255 characters. Leave empty for every schema of the catalog. */
  schema?: string | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelInput | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsInput | null | undefined;
  /** The user to run queries as, at most 256 characters, without a colon. */
  username: string;
};

/** A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated. */
export type TrinoConfigPatch = {
  /** Secret. A JSON Web Token or an OAuth 2.0 access token that takes the place of the password, at most 16,384 characters, which needs TLS. Leave empty when you sign in with a password. This secret is never shown again. */
  accessToken?: string | null | undefined;
  /** The name of the catalog as Trino knows it, at most 255 characters. Example: hive */
  catalog?: string | null | undefined;
  /** The name or address of the coordinator. Example: trino.example.com */
  host?: string | null | undefined;
  /** Secret. The password of the user, at most 4,096 characters, which needs TLS. Leave empty when you give an access token, or when the coordinator asks for none, as on a private network. This secret is never shown again. */
  password?: string | null | undefined;
  /** The TCP port, 1 to 65535. */
  port?: number | null | undefined;
  /** The schema that holds the tables, at most 255 characters. Leave empty for every schema of the catalog. */
  schema?: string | null | undefined;
  /** The bastion that the gateway goes through. Leave empty to connect directly. */
  sshTunnel?: SshTunnelPatch | null | undefined;
  /** How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full. */
  tls?: TlsPatch | null | undefined;
  /** The user to run queries as, at most 256 characters, without a colon. */
  username?: string | null | undefined;
};

/** A change of a data structure. What is left out stays as it is, and null is the same. */
export type UpdateDataStructureInput = {
  /** All fields, which take the place of those that are stored. At most 500 in all, with collections in collections at most 5 deep, and 64 KiB of JSON. */
  fields?: Array<DataStructureFieldInput> | null | undefined;
  /** True to change it also when stored records do not fit then: they stay as they are, and each is judged when it is put next. */
  force?: boolean | null | undefined;
  /** The data structure to change. */
  id: string;
  /** A new name, unique within the environment, on one line of at most 128 characters. */
  name?: string | null | undefined;
  /** Whether to refuse a record with a field that the structure does not know. */
  strict?: boolean | null | undefined;
};

/** Give only what you want to change: what you leave out stays as it is. */
export type UpdateDatastoreInput = {
  /** How often the datastore’s default checks run by themselves: every 1 to 1440 minutes, the first time within a minute. Their result is Datastore.health. Null or nothing: never; in an update, nothing leaves it as it is. */
  checkEveryMinutes?: number | null | undefined;
  /** Give only the fields of the config that you want to change. */
  config?: DatastoreConfigPatch | null | undefined;
  /** The type’s main secret, such as its password: see Connector.principalSecret. Leave it out when it stands in config already, when the type has none, or to keep the stored one. It is judged as if it stood in config. */
  configSecret?: string | null | undefined;
  /** What the datastore is for, for people: at most 2,000 characters, line breaks too. It decides nothing. Null takes it away. */
  description?: string | null | undefined;
  /** The version that your change is about. When another one is stored by now, you get a ConflictError. Leave it out to change whatever is stored. */
  expectedVersion?: number | null | undefined;
  /** Of a managed datastore: true to give it another data structure also when stored records do not fit that. They stay as they are, and each is judged when it is put next. Left out, or false: you get a RecordsMisfitError. */
  force?: boolean | null | undefined;
  /** The datastore to change. */
  id: string;
  /** A text of your own, such as a UUID, of at most 255 characters. The same call with the same key, sent again within 24 hours because its answer was lost, changes nothing more and answers with the same thing, as it is now; another input with that key is a ConflictError. It counts for your token and the environment. A call that is refused leaves nothing: mend it and send it again with the same key. */
  idempotencyKey?: string | null | undefined;
  /** A new name for people, of at most 128 characters. */
  label?: string | null | undefined;
  /** A new name for programs, unique within the environment: 1 to 63 lower-case letters, digits, `-` and `_`. */
  name?: string | null | undefined;
  /** Whom to ask about the datastore, a person or a team: at most 128 characters. It decides nothing. Null takes it away. */
  ownerName?: string | null | undefined;
  /** True to read the catalog once the change is stored. The token needs DATASTORES_TEST. */
  refreshCatalog?: boolean | null | undefined;
  /** Words by which the datastore can be found: at most 20, each key once. They replace the stored ones as a whole; null and `[]` take them away. */
  tags?: Array<TagInput> | null | undefined;
  /** It replaces the stored one as a whole. Leave it out to keep that, give null to remove it. */
  tenancy?: TenancyInput | null | undefined;
  /** Tests the datastore with your change over it first, and stores nothing unless the test passes. Leave it out to store the change untested. The token needs DATASTORES_TEST. */
  test?: ConnectionTestOptions | null | undefined;
};

/** A change of an environment. */
export type UpdateEnvironmentInput = {
  /** The environment to change. */
  id: string;
  /** A text of your own, such as a UUID, of at most 255 characters. The same call with the same key, sent again within 24 hours because its answer was lost, changes nothing more and answers with the same thing, as it is now; another input with that key is a ConflictError. It counts for your token and the environment. A call that is refused leaves nothing: mend it and send it again with the same key. */
  idempotencyKey?: string | null | undefined;
  /** Leave it out to keep the name. */
  name?: string | null | undefined;
  /** From which network its datastores are reached from now on: 1 to 63 letters, digits, ".", "-" and "_", beginning with a letter or digit. Tests that are queued stay with the network that they were started for. Leave it out to keep it; null takes it away. */
  network?: string | null | undefined;
};

/** What happened to a test. Events of a test come in their order; one that is written already is passed over. */
export type WorkerEventInput = {
  /** When it happened, by the database’s clock; what is later than now counts as now. */
  at: string;
  /** TestLease.attempt. */
  attempt: number;
  /** The name of the check that began or ended. */
  check?: string | null | undefined;
  /** How long the check took. */
  durationMs?: number | null | undefined;
  /** What the check found out, at most 64 things. */
  evidence?: Array<WorkerEvidenceInput> | null | undefined;
  /** Why it failed. */
  failure?: WorkerFailureInput | null | undefined;
  /** What happened. */
  kind: WorkerEventKind;
  /** The number of the event: one more than that of the last one. */
  sequence: number;
  /** How the check or the test ended. */
  status?: WorkerEventStatus | null | undefined;
  /** The test. */
  testId: string;
};

/** What a worker tells of a test. */
export type WorkerEventKind =
  /** The worker runs the test. */
  | 'BEGUN'
  /** A check has ended, with status, duration, evidence and perhaps a failure. */
  | 'CHECK_ENDED'
  /** A check begins. */
  | 'CHECK_STARTED'
  /** The test has ended, with status and perhaps a failure. */
  | 'ENDED'
  /** The worker does not go on with the test, which is queued anew. */
  | 'HANDED_BACK'
  /** All checks begin anew, since the worker lost the process that ran them. */
  | 'RESTARTED';

/** How a check or a test ended. */
export type WorkerEventStatus =
  /** Somebody wanted the test cancelled. */
  | 'CANCELLED'
  /** It failed, for the reason in `failure`. */
  | 'FAILED'
  /** All is well. */
  | 'PASSED'
  /** The check passed, and there is something to look at. */
  | 'WARNING';

/** What a check found out. */
export type WorkerEvidenceInput = {
  /** What it is. */
  name: string;
  /** What it was found to be. */
  value: string;
};

/** Why something failed. Cause and message are the gateway’s own, by the code. */
export type WorkerFailureInput = {
  /** One of the codes of CheckFailure.code. */
  code: string;
  /** The field of the config to mend. */
  configPath?: string | null | undefined;
  /** What to do, where it is otherwise than usual. */
  hint?: string | null | undefined;
};

export type TestedDatastoreSubscriptionVariables = Exact<{
  id: string;
}>;


export type TestedDatastoreSubscription = { connectionTestProgress: { test: { status: TestStatus, datastore:
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
       | null } } };

type UserErrorFields_ConfirmationRequiredError_Fragment = { code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> };

type UserErrorFields_ConflictError_Fragment = { code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> };

type UserErrorFields_ConnectionTestFailedError_Fragment = { code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> };

type UserErrorFields_InUseError_Fragment = { code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> };

type UserErrorFields_NameTakenError_Fragment = { code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> };

type UserErrorFields_NotFoundError_Fragment = { code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> };

type UserErrorFields_QuotaExceededError_Fragment = { code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> };

type UserErrorFields_RecordsMisfitError_Fragment = { code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> };

type UserErrorFields_SecretsRequiredError_Fragment = { code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> };

type UserErrorFields_ValidationError_Fragment = { code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> };

export type UserErrorFieldsFragment =
  | UserErrorFields_ConfirmationRequiredError_Fragment
  | UserErrorFields_ConflictError_Fragment
  | UserErrorFields_ConnectionTestFailedError_Fragment
  | UserErrorFields_InUseError_Fragment
  | UserErrorFields_NameTakenError_Fragment
  | UserErrorFields_NotFoundError_Fragment
  | UserErrorFields_QuotaExceededError_Fragment
  | UserErrorFields_RecordsMisfitError_Fragment
  | UserErrorFields_SecretsRequiredError_Fragment
  | UserErrorFields_ValidationError_Fragment
;

export type TestFieldsFragment = { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> };

type DatastoreFields_AthenaDatastore_Fragment = { __typename: 'AthenaDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_BigqueryDatastore_Fragment = { __typename: 'BigqueryDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_ClickhouseDatastore_Fragment = { __typename: 'ClickhouseDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_CockroachdbDatastore_Fragment = { __typename: 'CockroachdbDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_CsvDatastore_Fragment = { __typename: 'CsvDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_DatabricksDatastore_Fragment = { __typename: 'DatabricksDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_ElasticsearchDatastore_Fragment = { __typename: 'ElasticsearchDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_FireboltDatastore_Fragment = { __typename: 'FireboltDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_GoogleCloudStorageDatastore_Fragment = { __typename: 'GoogleCloudStorageDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_ManagedDatastore_Fragment = { __typename: 'ManagedDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_MongoDataApiDatastore_Fragment = { __typename: 'MongoDataApiDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_MongodbDatastore_Fragment = { __typename: 'MongodbDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_MssqlDatastore_Fragment = { __typename: 'MssqlDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_MysqlDatastore_Fragment = { __typename: 'MysqlDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_OpensearchDatastore_Fragment = { __typename: 'OpensearchDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_PostgresDatastore_Fragment = { __typename: 'PostgresDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_QdrantDatastore_Fragment = { __typename: 'QdrantDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_RedshiftDatastore_Fragment = { __typename: 'RedshiftDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_S3Datastore_Fragment = { __typename: 'S3Datastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_SinglestoreDatastore_Fragment = { __typename: 'SinglestoreDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_SnowflakeDatastore_Fragment = { __typename: 'SnowflakeDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

type DatastoreFields_TrinoDatastore_Fragment = { __typename: 'TrinoDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null };

export type DatastoreFieldsFragment =
  | DatastoreFields_AthenaDatastore_Fragment
  | DatastoreFields_BigqueryDatastore_Fragment
  | DatastoreFields_ClickhouseDatastore_Fragment
  | DatastoreFields_CockroachdbDatastore_Fragment
  | DatastoreFields_CsvDatastore_Fragment
  | DatastoreFields_DatabricksDatastore_Fragment
  | DatastoreFields_ElasticsearchDatastore_Fragment
  | DatastoreFields_FireboltDatastore_Fragment
  | DatastoreFields_GoogleCloudStorageDatastore_Fragment
  | DatastoreFields_ManagedDatastore_Fragment
  | DatastoreFields_MongoDataApiDatastore_Fragment
  | DatastoreFields_MongodbDatastore_Fragment
  | DatastoreFields_MssqlDatastore_Fragment
  | DatastoreFields_MysqlDatastore_Fragment
  | DatastoreFields_OpensearchDatastore_Fragment
  | DatastoreFields_PostgresDatastore_Fragment
  | DatastoreFields_QdrantDatastore_Fragment
  | DatastoreFields_RedshiftDatastore_Fragment
  | DatastoreFields_S3Datastore_Fragment
  | DatastoreFields_SinglestoreDatastore_Fragment
  | DatastoreFields_SnowflakeDatastore_Fragment
  | DatastoreFields_TrinoDatastore_Fragment
;

export type CreateDatastoreMutationVariables = Exact<{
  input: CreateDatastoreInput;
}>;


export type CreateDatastoreMutation = { createDatastore:
    | { __typename: 'ConflictError', code: string, message: string, current:
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
        | { id: string, version: number }
       | null, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ConnectionTestFailedError', code: string, message: string, test: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> }, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'CreateDatastoreSuccess', datastore:
        | { __typename: 'AthenaDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'BigqueryDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'ClickhouseDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'CockroachdbDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'CsvDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'DatabricksDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'ElasticsearchDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'FireboltDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'GoogleCloudStorageDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'ManagedDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'MongoDataApiDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'MongodbDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'MssqlDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'MysqlDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'OpensearchDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'PostgresDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'QdrantDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'RedshiftDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'S3Datastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'SinglestoreDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'SnowflakeDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'TrinoDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
       }
    | { __typename: 'NameTakenError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type UpdateDatastoreMutationVariables = Exact<{
  input: UpdateDatastoreInput;
}>;


export type UpdateDatastoreMutation = { updateDatastore:
    | { __typename: 'ConflictError', code: string, message: string, current:
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
        | { id: string, version: number, label: string }
       | null, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ConnectionTestFailedError', code: string, message: string, test: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> }, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NameTakenError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'QuotaExceededError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'RecordsMisfitError', misfitCount: number, code: string, message: string, misfits: Array<{ datastoreId: string, key: string, issues: Array<{ path: Array<string>, code: string }> }>, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'SecretsRequiredError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'UpdateDatastoreSuccess', datastore:
        | { __typename: 'AthenaDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'BigqueryDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'ClickhouseDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'CockroachdbDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'CsvDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'DatabricksDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'ElasticsearchDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'FireboltDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'GoogleCloudStorageDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'ManagedDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'MongoDataApiDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'MongodbDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'MssqlDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'MysqlDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'OpensearchDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'PostgresDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'QdrantDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'RedshiftDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'S3Datastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'SinglestoreDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'SnowflakeDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
        | { __typename: 'TrinoDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
       }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type DeleteDatastoresMutationVariables = Exact<{
  input: DeleteDatastoresInput;
}>;


export type DeleteDatastoresMutation = { deleteDatastores:
    | { __typename: 'ConfirmationRequiredError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'DeleteDatastoresSuccess', deletedIds: Array<string> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type DeleteConfirmedMutationVariables = Exact<{
  input: DeleteDatastoresInput;
}>;


export type DeleteConfirmedMutation = { deleteDatastores:
    | { __typename: 'ConfirmationRequiredError', code: string, message: string, usages: Array<{ id: string, kind: string, name: string, datastore:
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
          | { id: string }
         }>, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'DeleteDatastoresSuccess', deletedIds: Array<string> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type RegisterUsageMutationVariables = Exact<{
  input: RegisterUsageInput;
}>;


export type RegisterUsageMutation = { registerUsage:
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'RegisterUsageSuccess', usage: { id: string, kind: string, name: string, url: string | null, registeredAt: string } }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type UnregisterUsageMutationVariables = Exact<{
  id: string;
}>;


export type UnregisterUsageMutation = { unregisterUsage:
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'UnregisterUsageSuccess', deletedId: string }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type ReadUsagesQueryVariables = Exact<{
  id: string;
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}>;


export type ReadUsagesQuery = { datastore:
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { usages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, kind: string, name: string, url: string | null, registeredAt: string, datastore:
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
              | { id: string }
             } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
   | null };

export type ReadDatastoreQueryVariables = Exact<{
  id: string;
}>;


export type ReadDatastoreQuery = { datastore:
    | { __typename: 'AthenaDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'BigqueryDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'ClickhouseDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'CockroachdbDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'CsvDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'DatabricksDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'ElasticsearchDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'FireboltDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'GoogleCloudStorageDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'ManagedDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'MongoDataApiDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'MongodbDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'MssqlDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'MysqlDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'OpensearchDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'PostgresDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'QdrantDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'RedshiftDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'S3Datastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'SinglestoreDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'SnowflakeDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'TrinoDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
   | null };

export type ReadDatastoreByNameQueryVariables = Exact<{
  environmentId?: string | null | undefined;
  name: string;
}>;


export type ReadDatastoreByNameQuery = { datastoreByName:
    | { __typename: 'AthenaDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'BigqueryDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'ClickhouseDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'CockroachdbDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'CsvDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'DatabricksDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'ElasticsearchDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'FireboltDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'GoogleCloudStorageDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'ManagedDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'MongoDataApiDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'MongodbDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'MssqlDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'MysqlDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'OpensearchDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'PostgresDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'QdrantDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'RedshiftDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'S3Datastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'SinglestoreDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'SnowflakeDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
    | { __typename: 'TrinoDatastore', id: string, type: DatastoreType, name: string, label: string, version: number, createdAt: string, updatedAt: string, createdBy: string, updatedBy: string, configJson: unknown, environment: { id: string, name: string }, secrets: Array<{ path: string, isSet: boolean, updatedAt: string | null }>, lastTest: { id: string, status: TestStatus, purpose: TestPurpose } | null }
   | null };

export type ReadTypedConfigsQueryVariables = Exact<{
  environmentId: string;
}>;


export type ReadTypedConfigsQuery = { datastores: { nodes: Array<
      | { id: string, config: { __typename: 'AthenaConfig' } }
      | { id: string, config: { __typename: 'BigqueryConfig' } }
      | { id: string, config: { __typename: 'ClickhouseConfig' } }
      | { id: string, config: { __typename: 'CockroachdbConfig' } }
      | { id: string, config: { __typename: 'CsvConfig' } }
      | { id: string, config: { __typename: 'DatabricksConfig' } }
      | { id: string, config: { __typename: 'ElasticsearchConfig' } }
      | { id: string, config: { __typename: 'FireboltConfig' } }
      | { id: string, config: { __typename: 'GoogleCloudStorageConfig', bucket: string | null, credentials: { type: string, clientEmail: string, projectId: string | null } | null } }
      | { id: string, config: { __typename: 'ManagedConfig' } }
      | { id: string, config: { __typename: 'MongoDataApiConfig', apiUrl: string | null, dataSource: string | null, database: string | null, collection: string | null, tls: { mode: TlsMode, serverName: string | null } | null } }
      | { id: string, config: { __typename: 'MongodbConfig' } }
      | { id: string, config: { __typename: 'MssqlConfig' } }
      | { id: string, config: { __typename: 'MysqlConfig' } }
      | { id: string, config: { __typename: 'OpensearchConfig' } }
      | { id: string, postgres: { host: string | null, port: number | null }, config: { __typename: 'PostgresConfig', host: string | null, port: number | null, username: string | null, database: string | null, schema: string | null, tls: { mode: TlsMode, serverName: string | null, caCertificate: string | null, clientCertificate: string | null } | null } }
      | { id: string, config: { __typename: 'QdrantConfig', baseUrl: string | null, port: number | null, collection: string | null, tls: { mode: TlsMode, serverName: string | null } | null } }
      | { id: string, config: { __typename: 'RedshiftConfig' } }
      | { id: string, config: { __typename: 'S3Config', accessKeyId: string | null, region: string | null, bucket: string | null, baseUrl: string | null, forcePathStyle: boolean | null, path: string | null, pathKind: S3PathKind | null, tls: { mode: TlsMode, serverName: string | null } | null } }
      | { id: string, config: { __typename: 'SinglestoreConfig' } }
      | { id: string, config: { __typename: 'SnowflakeConfig' } }
      | { id: string, config: { __typename: 'TrinoConfig' } }
    > } };

export type ListDatastoresQueryVariables = Exact<{
  environmentId?: string | null | undefined;
  filter?: DatastoreFilter | null | undefined;
  orderBy?: DatastoreOrder | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
  offset?: number | null | undefined;
}>;


export type ListDatastoresQuery = { datastores: { totalCount: number, edges: Array<{ cursor: string, node:
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
        | { id: string, name: string, label: string, type: DatastoreType }
       }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } };

export type ListWithRelationsQueryVariables = Exact<{
  environmentId?: string | null | undefined;
  first: number;
}>;


export type ListWithRelationsQuery = { datastores: { nodes: Array<
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
      | { id: string, environment: { id: string, name: string }, lastTest: { id: string, status: TestStatus, checks: Array<{ name: string }>, datastore:
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
            | { id: string }
           | null } | null }
    > } };

export type ListTestsQueryVariables = Exact<{
  id: string;
  purpose?: Array<TestPurpose> | TestPurpose | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}>;


export type ListTestsQuery = { datastore:
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | { lastTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null, connectionTests: { edges: Array<{ cursor: string, node: { id: string, purpose: TestPurpose, status: TestStatus } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
   | null };

export type StartTestMutationVariables = Exact<{
  input: StartConnectionTestInput;
}>;


export type StartTestMutation = { startConnectionTest:
    | { __typename: 'ConflictError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'SecretsRequiredError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'StartConnectionTestSuccess', test: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type CancelTestMutationVariables = Exact<{
  id: string;
}>;


export type CancelTestMutation = { cancelConnectionTest:
    | { __typename: 'CancelConnectionTestSuccess', test: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type ReadTestQueryVariables = Exact<{
  id: string;
}>;


export type ReadTestQuery = { connectionTest: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, datastore:
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
      | { id: string }
     | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } | null };

export type ProgressSubscriptionVariables = Exact<{
  id: string;
  after?: number | null | undefined;
}>;


export type ProgressSubscription = { connectionTestProgress: { sequence: number, at: string, test: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> }, check: { id: string, name: string, status: CheckStatus, durationMs: number | null, failure: { code: string } | null } | null } };

export type DatastoreEventsSubscriptionVariables = Exact<{
  environmentId?: string | null | undefined;
  datastoreId?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type DatastoreEventsSubscription = { datastoreEvents: { cursor: string, at: string, kind: DatastoreEventKind, datastoreId: string, environmentId: string, actor: string, onBehalfOf: string | null, datastore:
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
      | { id: string, label: string, version: number }
     | null } };

export type CreateEnvironmentMutationVariables = Exact<{
  input: CreateEnvironmentInput;
}>;


export type CreateEnvironmentMutation = { createEnvironment:
    | { __typename: 'ConflictError', code: string, message: string, current:
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
       | null, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'CreateEnvironmentSuccess', environment: { id: string, name: string, network: string | null, createdAt: string } }
    | { __typename: 'NameTakenError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NotFoundError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type UpdateEnvironmentMutationVariables = Exact<{
  input: UpdateEnvironmentInput;
}>;


export type UpdateEnvironmentMutation = { updateEnvironment:
    | { __typename: 'ConflictError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NameTakenError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'UpdateEnvironmentSuccess', environment: { id: string, name: string, network: string | null, createdAt: string } }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type DeleteEnvironmentMutationVariables = Exact<{
  id: string;
}>;


export type DeleteEnvironmentMutation = { deleteEnvironment:
    | { __typename: 'DeleteEnvironmentSuccess', deletedId: string }
    | { __typename: 'InUseError', code: string, message: string, datastores: Array<
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
        | { id: string, name: string }
      >, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type ReadEnvironmentQueryVariables = Exact<{
  id: string;
}>;


export type ReadEnvironmentQuery = { environment: { id: string, name: string } | null };

export type ListEnvironmentsQueryVariables = Exact<{
  search?: string | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}>;


export type ListEnvironmentsQuery = { environments: { nodes: Array<{ id: string, name: string }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } };

export type ReadViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ReadViewerQuery = { viewer: { token: { id: string, name: string, prefix: string, scopes: Array<Scope>, onBehalfOf: string | null, expiresAt: string | null, lastUsedAt: string | null, revokedAt: string | null, environments: Array<{ id: string }> | null } } };

export type CreateSessionTokenMutationVariables = Exact<{
  input: CreateSessionTokenInput;
}>;


export type CreateSessionTokenMutation = { createSessionToken:
    | { __typename: 'CreateSessionTokenSuccess', token: string, apiToken: { id: string, name: string, prefix: string, scopes: Array<Scope>, onBehalfOf: string | null, expiresAt: string | null, environments: Array<{ id: string }> | null } }
    | { __typename: 'NotFoundError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type TokenFieldsFragment = { id: string, name: string, prefix: string, scopes: Array<Scope>, createdAt: string, createdBy: string, expiresAt: string | null, lastUsedAt: string | null, revokedAt: string | null, onBehalfOf: string | null, environments: Array<{ id: string }> | null };

export type CreateApiTokenMutationVariables = Exact<{
  input: CreateApiTokenInput;
}>;


export type CreateApiTokenMutation = { createApiToken:
    | { __typename: 'CreateApiTokenSuccess', token: string, apiToken: { id: string, name: string, prefix: string, scopes: Array<Scope>, createdAt: string, createdBy: string, expiresAt: string | null, lastUsedAt: string | null, revokedAt: string | null, onBehalfOf: string | null, environments: Array<{ id: string }> | null } }
    | { __typename: 'NameTakenError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type RevokeApiTokenMutationVariables = Exact<{
  id: string;
}>;


export type RevokeApiTokenMutation = { revokeApiToken:
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'RevokeApiTokenSuccess', apiToken: { id: string, name: string, prefix: string, scopes: Array<Scope>, createdAt: string, createdBy: string, expiresAt: string | null, lastUsedAt: string | null, revokedAt: string | null, onBehalfOf: string | null, environments: Array<{ id: string }> | null } }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type ListApiTokensQueryVariables = Exact<{
  sessionsOf?: string | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}>;


export type ListApiTokensQuery = { apiTokens: { edges: Array<{ cursor: string, node: { id: string, name: string, prefix: string, scopes: Array<Scope>, createdAt: string, createdBy: string, expiresAt: string | null, lastUsedAt: string | null, revokedAt: string | null, onBehalfOf: string | null, environments: Array<{ id: string }> | null } }>, nodes: Array<{ id: string, name: string }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } };

export type ReadAuditLogQueryVariables = Exact<{
  environmentId?: string | null | undefined;
  datastoreId?: string | null | undefined;
  subjectId?: string | null | undefined;
  actor?: string | null | undefined;
  action?: string | null | undefined;
  outcome?: AuditOutcome | null | undefined;
  from?: string | null | undefined;
  until?: string | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}>;


export type ReadAuditLogQuery = { auditLog: { nodes: Array<{ id: string, at: string, actor: string, onBehalfOf: string | null, action: string, environmentId: string | null, subjectId: string | null, subjectType: string, outcome: AuditOutcome, detail: unknown }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } };

export type WhoActedQueryVariables = Exact<{
  id: string;
}>;


export type WhoActedQuery = { datastore:
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
    | { createdBy: string, createdOnBehalfOf: string | null, updatedBy: string, updatedOnBehalfOf: string | null, lastTest: { requestedBy: string, requestedOnBehalfOf: string | null } | null }
   | null };

export type ListConnectorsQueryVariables = Exact<{ [key: string]: never; }>;


export type ListConnectorsQuery = { connectors: Array<{ type: DatastoreType, title: string, configKey: string, configSchema: unknown, tenancySchema: unknown, supportsTenancy: boolean, secretPaths: Array<string>, principalSecret: string | null, defaultPort: number | null, changeSchema: unknown, formLayout: Array<{ name: FormGroupName, title: string, fields: Array<string> }>, checks: Array<{ name: string, title: string, runsByDefault: boolean, writes: boolean }> }> };

export type ReadDocumentationQueryVariables = Exact<{
  type: DatastoreType;
}>;


export type ReadDocumentationQuery = { connector: { documentation: string } };

export type RefreshCatalogMutationVariables = Exact<{
  input: RefreshCatalogInput;
}>;


export type RefreshCatalogMutation = { refreshCatalog:
    | { __typename: 'ConflictError', code: string, message: string, current:
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
       | null, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'RefreshCatalogSuccess', test: { id: string, type: DatastoreType, purpose: TestPurpose, status: TestStatus, attempt: number, requestedBy: string, createdAt: string, startedAt: string | null, finishedAt: string | null, durationMs: number | null, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null, checks: Array<{ id: string, name: string, title: string, status: CheckStatus, durationMs: number | null, evidence: Array<{ name: string, value: string }>, failure: { code: string, cause: FailureCause, message: string, hint: string | null, configPath: string | null } | null }> } }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type ReadCatalogQueryVariables = Exact<{
  id: string;
  search?: string | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}>;


export type ReadCatalogQuery = { datastore:
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
    | { version: number, lastTest: { id: string } | null, catalog: { refreshedAt: string, entryCount: number, entries: { edges: Array<{ cursor: string, node: { namespace: string | null, name: string, kind: CatalogEntryKind, readable: boolean | null, columns: Array<{ name: string, dataType: string, nullable: boolean | null }> } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null }
   | null };

export type ReadTenancyQueryVariables = Exact<{
  id: string;
}>;


export type ReadTenancyQuery = { datastore:
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
    | { version: number, tenancy: { level: TenancyLevel, clientColumnType: ClientColumnType | null, schemaName: string | null, tableName: string | null, tableClientNameColumn: string | null, tablePrimaryKeyColumn: string | null } | null }
   | null };

export type DataStructureFieldsFragment = { id: string, name: string, strict: boolean, environment: { id: string }, fields: Array<{ name: string, type: DataFieldType, label: string | null, required: boolean, default: unknown, choices: Array<unknown> | null, itemType: DataFieldType | null, fields: Array<{ name: string, type: DataFieldType, required: boolean, default: unknown, itemType: DataFieldType | null, fields: Array<{ name: string, type: DataFieldType, fields: Array<{ name: string, fields: Array<{ name: string, fields: Array<{ name: string }> | null }> | null }> | null }> | null }> | null }> };

export type CreateDataStructureMutationVariables = Exact<{
  input: CreateDataStructureInput;
}>;


export type CreateDataStructureMutation = { createDataStructure:
    | { __typename: 'CreateDataStructureSuccess', dataStructure: { id: string, name: string, strict: boolean, environment: { id: string }, fields: Array<{ name: string, type: DataFieldType, label: string | null, required: boolean, default: unknown, choices: Array<unknown> | null, itemType: DataFieldType | null, fields: Array<{ name: string, type: DataFieldType, required: boolean, default: unknown, itemType: DataFieldType | null, fields: Array<{ name: string, type: DataFieldType, fields: Array<{ name: string, fields: Array<{ name: string, fields: Array<{ name: string }> | null }> | null }> | null }> | null }> | null }> } }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type UpdateDataStructureMutationVariables = Exact<{
  input: UpdateDataStructureInput;
}>;


export type UpdateDataStructureMutation = { updateDataStructure:
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'RecordsMisfitError', misfitCount: number, code: string, message: string, misfits: Array<{ datastoreId: string, key: string, issues: Array<{ path: Array<string>, code: string }> }>, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'UpdateDataStructureSuccess', dataStructure: { id: string, name: string, strict: boolean, environment: { id: string }, fields: Array<{ name: string, type: DataFieldType, label: string | null, required: boolean, default: unknown, choices: Array<unknown> | null, itemType: DataFieldType | null, fields: Array<{ name: string, type: DataFieldType, required: boolean, default: unknown, itemType: DataFieldType | null, fields: Array<{ name: string, type: DataFieldType, fields: Array<{ name: string, fields: Array<{ name: string, fields: Array<{ name: string }> | null }> | null }> | null }> | null }> | null }> } }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type DeleteDataStructureMutationVariables = Exact<{
  id: string;
}>;


export type DeleteDataStructureMutation = { deleteDataStructure:
    | { __typename: 'DeleteDataStructureSuccess', deletedId: string }
    | { __typename: 'InUseError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type ReadDataStructureQueryVariables = Exact<{
  id: string;
}>;


export type ReadDataStructureQuery = { dataStructure: { id: string, name: string, strict: boolean, environment: { id: string }, fields: Array<{ name: string, type: DataFieldType, label: string | null, required: boolean, default: unknown, choices: Array<unknown> | null, itemType: DataFieldType | null, fields: Array<{ name: string, type: DataFieldType, required: boolean, default: unknown, itemType: DataFieldType | null, fields: Array<{ name: string, type: DataFieldType, fields: Array<{ name: string, fields: Array<{ name: string, fields: Array<{ name: string }> | null }> | null }> | null }> | null }> | null }> } | null };

export type ListDataStructuresQueryVariables = Exact<{
  environmentId?: string | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}>;


export type ListDataStructuresQuery = { dataStructures: { nodes: Array<{ id: string, name: string }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } };

export type CloneDataStructureMutationVariables = Exact<{
  input: CloneDataStructureInput;
}>;


export type CloneDataStructureMutation = { cloneDataStructure:
    | { __typename: 'CloneDataStructureSuccess', dataStructure: { id: string, name: string, strict: boolean, environment: { id: string }, fields: Array<{ name: string, type: DataFieldType, label: string | null, required: boolean, default: unknown, choices: Array<unknown> | null, itemType: DataFieldType | null, fields: Array<{ name: string, type: DataFieldType, required: boolean, default: unknown, itemType: DataFieldType | null, fields: Array<{ name: string, type: DataFieldType, fields: Array<{ name: string, fields: Array<{ name: string, fields: Array<{ name: string }> | null }> | null }> | null }> | null }> | null }> } }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type PutRecordMutationVariables = Exact<{
  input: PutRecordInput;
}>;


export type PutRecordMutation = { putRecord:
    | { __typename: 'ConflictError', code: string, message: string, current:
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
        | { id: string }
       | null, currentRecord: { key: string, version: number, data: unknown } | null, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'PutRecordSuccess', record: { key: string, data: unknown, version: number, updatedAt: string } }
    | { __typename: 'QuotaExceededError', usedBytes: number, maxBytes: number, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type PutRecordsMutationVariables = Exact<{
  input: PutRecordsInput;
}>;


export type PutRecordsMutation = { putRecords:
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'PutRecordsSuccess', results: Array<{ index: number, record: { key: string, data: unknown, version: number } | null, error:
          | { __typename: 'ConfirmationRequiredError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
          | { __typename: 'ConflictError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
          | { __typename: 'ConnectionTestFailedError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
          | { __typename: 'InUseError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
          | { __typename: 'NameTakenError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
          | { __typename: 'NotFoundError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
          | { __typename: 'QuotaExceededError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
          | { __typename: 'RecordsMisfitError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
          | { __typename: 'SecretsRequiredError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
          | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
         | null }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type RecordEventsSubscriptionVariables = Exact<{
  datastoreId: string;
  after?: string | null | undefined;
}>;


export type RecordEventsSubscription = { recordEvents: { cursor: string, at: string, kind: RecordEventKind, datastoreId: string, key: string, actor: string, record: { data: unknown, version: number } | null } };

export type DeleteRecordsMutationVariables = Exact<{
  input: DeleteRecordsInput;
}>;


export type DeleteRecordsMutation = { deleteRecords:
    | { __typename: 'ConfirmationRequiredError', code: string, message: string, usages: Array<{ id: string }>, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'DeleteRecordsSuccess', deletedCount: number }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type ReadManagedQueryVariables = Exact<{
  id: string;
}>;


export type ReadManagedQuery = { datastore:
    | { usedBytes: number, recordCount: number, dataStructure: { id: string } | null, config: { dataStructureId: string | null, maxSizeMb: number | null } }
    | Record<PropertyKey, never>
   | null };

export type ReadRecordQueryVariables = Exact<{
  id: string;
  key: string;
}>;


export type ReadRecordQuery = { datastore:
    | { record: { key: string, data: unknown, version: number } | null }
    | Record<PropertyKey, never>
   | null };

export type ListRecordsQueryVariables = Exact<{
  id: string;
  filter?: Array<RecordFilter> | RecordFilter | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}>;


export type ListRecordsQuery = { datastore:
    | { records: { nodes: Array<{ key: string, data: unknown }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } }
    | Record<PropertyKey, never>
   | null };

export type ListProcessesQueryVariables = Exact<{
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}>;


export type ListProcessesQuery = { processes: { nodes: Array<{ id: string, kind: ProcessKind, host: string, version: string, network: string | null, capacity: number, running: number, startedAt: string, lastSeenAt: string, isAlive: boolean, tokenName: string | null, tests: Array<{ id: string, status: TestStatus }> }>, pageInfo: { hasNextPage: boolean, startCursor: string | null, endCursor: string | null } } };

export type TendWorkerMutationVariables = Exact<{
  input: TendWorkerInput;
}>;


export type TendWorkerMutation = { tendWorker:
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'TendWorkerSuccess', now: string, cancelled: Array<string> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type LeaseTestsMutationVariables = Exact<{
  input: LeaseTestsInput;
}>;


export type LeaseTestsMutation = { leaseTests:
    | { __typename: 'LeaseTestsSuccess', leases: Array<{ testId: string, attempt: number, sequence: number, sealed: string }> }
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type RecordTestEventsMutationVariables = Exact<{
  input: RecordTestEventsInput;
}>;


export type RecordTestEventsMutation = { recordTestEvents:
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'RecordTestEventsSuccess', lost: Array<string> }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export type RecordCatalogMutationVariables = Exact<{
  input: RecordCatalogInput;
}>;


export type RecordCatalogMutation = { recordCatalog:
    | { __typename: 'NotFoundError', ids: Array<string>, code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
    | { __typename: 'RecordCatalogSuccess', goesOn: boolean }
    | { __typename: 'ValidationError', code: string, message: string, issues: Array<{ path: Array<string>, configPath: string | null, code: string, message: string }> }
   };

export const UserErrorFieldsFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<UserErrorFieldsFragment, unknown>;
export const TestFieldsFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TestFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTest"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"requestedBy"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"startedAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"evidence"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}}]}}]}}]} as unknown as DocumentNode<TestFieldsFragment, unknown>;
export const DatastoreFieldsFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"DatastoreFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Datastore"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"updatedBy"}},{"kind":"Field","name":{"kind":"Name","value":"configJson"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}},{"kind":"Field","name":{"kind":"Name","value":"secrets"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"isSet"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}}]}},{"kind":"Field","name":{"kind":"Name","value":"lastTest"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}}]}}]}}]} as unknown as DocumentNode<DatastoreFieldsFragment, unknown>;
export const TokenFieldsFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TokenFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ApiToken"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"prefix"}},{"kind":"Field","name":{"kind":"Name","value":"scopes"}},{"kind":"Field","name":{"kind":"Name","value":"environments"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastUsedAt"}},{"kind":"Field","name":{"kind":"Name","value":"revokedAt"}},{"kind":"Field","name":{"kind":"Name","value":"onBehalfOf"}}]}}]} as unknown as DocumentNode<TokenFieldsFragment, unknown>;
export const DataStructureFieldsFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"DataStructureFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DataStructure"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"strict"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"default"}},{"kind":"Field","name":{"kind":"Name","value":"choices"}},{"kind":"Field","name":{"kind":"Name","value":"itemType"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"default"}},{"kind":"Field","name":{"kind":"Name","value":"itemType"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<DataStructureFieldsFragment, unknown>;
export const TestedDatastoreDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"TestedDatastore"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"connectionTestProgress"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"test"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"datastore"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]}}]} as unknown as DocumentNode<TestedDatastoreSubscription, TestedDatastoreSubscriptionVariables>;
export const CreateDatastoreDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"CreateDatastore"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"CreateDatastoreInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"createDatastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"CreateDatastoreSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"DatastoreFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTestFailedError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"test"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TestFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConflictError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"current"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"version"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TestFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTest"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"requestedBy"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"startedAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"evidence"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"DatastoreFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Datastore"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"updatedBy"}},{"kind":"Field","name":{"kind":"Name","value":"configJson"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}},{"kind":"Field","name":{"kind":"Name","value":"secrets"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"isSet"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}}]}},{"kind":"Field","name":{"kind":"Name","value":"lastTest"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}}]}}]}}]} as unknown as DocumentNode<CreateDatastoreMutation, CreateDatastoreMutationVariables>;
export const UpdateDatastoreDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"UpdateDatastore"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"UpdateDatastoreInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"updateDatastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UpdateDatastoreSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"DatastoreFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTestFailedError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"test"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TestFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConflictError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"current"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"label"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"RecordsMisfitError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"misfitCount"}},{"kind":"Field","name":{"kind":"Name","value":"misfits"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastoreId"}},{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"code"}}]}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TestFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTest"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"requestedBy"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"startedAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"evidence"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"DatastoreFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Datastore"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"updatedBy"}},{"kind":"Field","name":{"kind":"Name","value":"configJson"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}},{"kind":"Field","name":{"kind":"Name","value":"secrets"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"isSet"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}}]}},{"kind":"Field","name":{"kind":"Name","value":"lastTest"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}}]}}]}}]} as unknown as DocumentNode<UpdateDatastoreMutation, UpdateDatastoreMutationVariables>;
export const DeleteDatastoresDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"DeleteDatastores"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"DeleteDatastoresInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deleteDatastores"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DeleteDatastoresSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deletedIds"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<DeleteDatastoresMutation, DeleteDatastoresMutationVariables>;
export const DeleteConfirmedDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"DeleteConfirmed"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"DeleteDatastoresInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deleteDatastores"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DeleteDatastoresSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deletedIds"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConfirmationRequiredError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"usages"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"datastore"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<DeleteConfirmedMutation, DeleteConfirmedMutationVariables>;
export const RegisterUsageDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"RegisterUsage"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"RegisterUsageInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"registerUsage"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"RegisterUsageSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"usage"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"url"}},{"kind":"Field","name":{"kind":"Name","value":"registeredAt"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<RegisterUsageMutation, RegisterUsageMutationVariables>;
export const UnregisterUsageDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"UnregisterUsage"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"unregisterUsage"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UnregisterUsageSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deletedId"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<UnregisterUsageMutation, UnregisterUsageMutationVariables>;
export const ReadUsagesDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadUsages"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"usages"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"totalCount"}},{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"url"}},{"kind":"Field","name":{"kind":"Name","value":"registeredAt"}},{"kind":"Field","name":{"kind":"Name","value":"datastore"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]}}]} as unknown as DocumentNode<ReadUsagesQuery, ReadUsagesQueryVariables>;
export const ReadDatastoreDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadDatastore"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"DatastoreFields"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"DatastoreFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Datastore"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"updatedBy"}},{"kind":"Field","name":{"kind":"Name","value":"configJson"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}},{"kind":"Field","name":{"kind":"Name","value":"secrets"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"isSet"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}}]}},{"kind":"Field","name":{"kind":"Name","value":"lastTest"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}}]}}]}}]} as unknown as DocumentNode<ReadDatastoreQuery, ReadDatastoreQueryVariables>;
export const ReadDatastoreByNameDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadDatastoreByName"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"name"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastoreByName"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"environmentId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}}},{"kind":"Argument","name":{"kind":"Name","value":"name"},"value":{"kind":"Variable","name":{"kind":"Name","value":"name"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"DatastoreFields"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"DatastoreFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Datastore"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"updatedBy"}},{"kind":"Field","name":{"kind":"Name","value":"configJson"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}},{"kind":"Field","name":{"kind":"Name","value":"secrets"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"isSet"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}}]}},{"kind":"Field","name":{"kind":"Name","value":"lastTest"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}}]}}]}}]} as unknown as DocumentNode<ReadDatastoreByNameQuery, ReadDatastoreByNameQueryVariables>;
export const ReadTypedConfigsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadTypedConfigs"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastores"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"environmentId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}}},{"kind":"Argument","name":{"kind":"Name","value":"orderBy"},"value":{"kind":"ObjectValue","fields":[{"kind":"ObjectField","name":{"kind":"Name","value":"field"},"value":{"kind":"EnumValue","value":"TYPE"}},{"kind":"ObjectField","name":{"kind":"Name","value":"direction"},"value":{"kind":"EnumValue","value":"ASC"}}]}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"config"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"PostgresConfig"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"host"}},{"kind":"Field","name":{"kind":"Name","value":"port"}},{"kind":"Field","name":{"kind":"Name","value":"username"}},{"kind":"Field","name":{"kind":"Name","value":"database"}},{"kind":"Field","name":{"kind":"Name","value":"schema"}},{"kind":"Field","name":{"kind":"Name","value":"tls"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"mode"}},{"kind":"Field","name":{"kind":"Name","value":"serverName"}},{"kind":"Field","name":{"kind":"Name","value":"caCertificate"}},{"kind":"Field","name":{"kind":"Name","value":"clientCertificate"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"S3Config"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"accessKeyId"}},{"kind":"Field","name":{"kind":"Name","value":"region"}},{"kind":"Field","name":{"kind":"Name","value":"bucket"}},{"kind":"Field","name":{"kind":"Name","value":"baseUrl"}},{"kind":"Field","name":{"kind":"Name","value":"forcePathStyle"}},{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"pathKind"}},{"kind":"Field","name":{"kind":"Name","value":"tls"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"mode"}},{"kind":"Field","name":{"kind":"Name","value":"serverName"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"QdrantConfig"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"baseUrl"}},{"kind":"Field","name":{"kind":"Name","value":"port"}},{"kind":"Field","name":{"kind":"Name","value":"collection"}},{"kind":"Field","name":{"kind":"Name","value":"tls"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"mode"}},{"kind":"Field","name":{"kind":"Name","value":"serverName"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"MongoDataApiConfig"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"apiUrl"}},{"kind":"Field","name":{"kind":"Name","value":"dataSource"}},{"kind":"Field","name":{"kind":"Name","value":"database"}},{"kind":"Field","name":{"kind":"Name","value":"collection"}},{"kind":"Field","name":{"kind":"Name","value":"tls"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"mode"}},{"kind":"Field","name":{"kind":"Name","value":"serverName"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"GoogleCloudStorageConfig"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"bucket"}},{"kind":"Field","name":{"kind":"Name","value":"credentials"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"clientEmail"}},{"kind":"Field","name":{"kind":"Name","value":"projectId"}}]}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"PostgresDatastore"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","alias":{"kind":"Name","value":"postgres"},"name":{"kind":"Name","value":"config"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"host"}},{"kind":"Field","name":{"kind":"Name","value":"port"}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<ReadTypedConfigsQuery, ReadTypedConfigsQueryVariables>;
export const ListDatastoresDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ListDatastores"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"filter"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"DatastoreFilter"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"orderBy"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"DatastoreOrder"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"offset"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastores"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"environmentId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}}},{"kind":"Argument","name":{"kind":"Name","value":"filter"},"value":{"kind":"Variable","name":{"kind":"Name","value":"filter"}}},{"kind":"Argument","name":{"kind":"Name","value":"orderBy"},"value":{"kind":"Variable","name":{"kind":"Name","value":"orderBy"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}},{"kind":"Argument","name":{"kind":"Name","value":"offset"},"value":{"kind":"Variable","name":{"kind":"Name","value":"offset"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"type"}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}},{"kind":"Field","name":{"kind":"Name","value":"totalCount"}}]}}]}}]} as unknown as DocumentNode<ListDatastoresQuery, ListDatastoresQueryVariables>;
export const ListWithRelationsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ListWithRelations"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastores"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"environmentId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}},{"kind":"Field","name":{"kind":"Name","value":"lastTest"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}}]}},{"kind":"Field","name":{"kind":"Name","value":"datastore"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<ListWithRelationsQuery, ListWithRelationsQueryVariables>;
export const ListTestsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ListTests"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"purpose"}},"type":{"kind":"ListType","type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"TestPurpose"}}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"lastTest"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TestFields"}}]}},{"kind":"Field","name":{"kind":"Name","value":"connectionTests"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"purpose"},"value":{"kind":"Variable","name":{"kind":"Name","value":"purpose"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}},{"kind":"Field","name":{"kind":"Name","value":"status"}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TestFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTest"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"requestedBy"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"startedAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"evidence"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}}]}}]}}]} as unknown as DocumentNode<ListTestsQuery, ListTestsQueryVariables>;
export const StartTestDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"StartTest"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"StartConnectionTestInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"startConnectionTest"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"StartConnectionTestSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"test"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TestFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TestFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTest"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"requestedBy"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"startedAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"evidence"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}}]}}]}}]} as unknown as DocumentNode<StartTestMutation, StartTestMutationVariables>;
export const CancelTestDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"CancelTest"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cancelConnectionTest"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"CancelConnectionTestSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"test"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TestFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TestFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTest"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"requestedBy"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"startedAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"evidence"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}}]}}]}}]} as unknown as DocumentNode<CancelTestMutation, CancelTestMutationVariables>;
export const ReadTestDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadTest"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"connectionTest"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TestFields"}},{"kind":"Field","name":{"kind":"Name","value":"datastore"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TestFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTest"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"requestedBy"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"startedAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"evidence"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}}]}}]}}]} as unknown as DocumentNode<ReadTestQuery, ReadTestQueryVariables>;
export const ProgressDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"Progress"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"connectionTestProgress"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"sequence"}},{"kind":"Field","name":{"kind":"Name","value":"at"}},{"kind":"Field","name":{"kind":"Name","value":"test"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TestFields"}}]}},{"kind":"Field","name":{"kind":"Name","value":"check"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TestFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTest"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"requestedBy"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"startedAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"evidence"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}}]}}]}}]} as unknown as DocumentNode<ProgressSubscription, ProgressSubscriptionVariables>;
export const DatastoreEventsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"DatastoreEvents"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"datastoreId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastoreEvents"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"environmentId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}}},{"kind":"Argument","name":{"kind":"Name","value":"datastoreId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"datastoreId"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"at"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"datastoreId"}},{"kind":"Field","name":{"kind":"Name","value":"environmentId"}},{"kind":"Field","name":{"kind":"Name","value":"actor"}},{"kind":"Field","name":{"kind":"Name","value":"onBehalfOf"}},{"kind":"Field","name":{"kind":"Name","value":"datastore"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"version"}}]}}]}}]}}]} as unknown as DocumentNode<DatastoreEventsSubscription, DatastoreEventsSubscriptionVariables>;
export const CreateEnvironmentDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"CreateEnvironment"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"CreateEnvironmentInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"createEnvironment"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"CreateEnvironmentSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"network"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConflictError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"current"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<CreateEnvironmentMutation, CreateEnvironmentMutationVariables>;
export const UpdateEnvironmentDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"UpdateEnvironment"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"UpdateEnvironmentInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"updateEnvironment"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UpdateEnvironmentSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"network"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<UpdateEnvironmentMutation, UpdateEnvironmentMutationVariables>;
export const DeleteEnvironmentDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"DeleteEnvironment"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deleteEnvironment"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DeleteEnvironmentSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deletedId"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"InUseError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastores"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<DeleteEnvironmentMutation, DeleteEnvironmentMutationVariables>;
export const ReadEnvironmentDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadEnvironment"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"environment"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]} as unknown as DocumentNode<ReadEnvironmentQuery, ReadEnvironmentQueryVariables>;
export const ListEnvironmentsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ListEnvironments"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"search"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"environments"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"search"},"value":{"kind":"Variable","name":{"kind":"Name","value":"search"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]} as unknown as DocumentNode<ListEnvironmentsQuery, ListEnvironmentsQueryVariables>;
export const ReadViewerDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadViewer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"viewer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"token"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"prefix"}},{"kind":"Field","name":{"kind":"Name","value":"scopes"}},{"kind":"Field","name":{"kind":"Name","value":"onBehalfOf"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastUsedAt"}},{"kind":"Field","name":{"kind":"Name","value":"revokedAt"}},{"kind":"Field","name":{"kind":"Name","value":"environments"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]}}]} as unknown as DocumentNode<ReadViewerQuery, ReadViewerQueryVariables>;
export const CreateSessionTokenDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"CreateSessionToken"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"CreateSessionTokenInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"createSessionToken"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"CreateSessionTokenSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"token"}},{"kind":"Field","name":{"kind":"Name","value":"apiToken"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"prefix"}},{"kind":"Field","name":{"kind":"Name","value":"scopes"}},{"kind":"Field","name":{"kind":"Name","value":"onBehalfOf"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"environments"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<CreateSessionTokenMutation, CreateSessionTokenMutationVariables>;
export const CreateApiTokenDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"CreateApiToken"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"CreateApiTokenInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"createApiToken"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"CreateApiTokenSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"token"}},{"kind":"Field","name":{"kind":"Name","value":"apiToken"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TokenFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TokenFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ApiToken"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"prefix"}},{"kind":"Field","name":{"kind":"Name","value":"scopes"}},{"kind":"Field","name":{"kind":"Name","value":"environments"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastUsedAt"}},{"kind":"Field","name":{"kind":"Name","value":"revokedAt"}},{"kind":"Field","name":{"kind":"Name","value":"onBehalfOf"}}]}}]} as unknown as DocumentNode<CreateApiTokenMutation, CreateApiTokenMutationVariables>;
export const RevokeApiTokenDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"RevokeApiToken"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"revokeApiToken"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"RevokeApiTokenSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"apiToken"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TokenFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TokenFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ApiToken"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"prefix"}},{"kind":"Field","name":{"kind":"Name","value":"scopes"}},{"kind":"Field","name":{"kind":"Name","value":"environments"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastUsedAt"}},{"kind":"Field","name":{"kind":"Name","value":"revokedAt"}},{"kind":"Field","name":{"kind":"Name","value":"onBehalfOf"}}]}}]} as unknown as DocumentNode<RevokeApiTokenMutation, RevokeApiTokenMutationVariables>;
export const ListApiTokensDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ListApiTokens"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"sessionsOf"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"apiTokens"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"sessionsOf"},"value":{"kind":"Variable","name":{"kind":"Name","value":"sessionsOf"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TokenFields"}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TokenFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ApiToken"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"prefix"}},{"kind":"Field","name":{"kind":"Name","value":"scopes"}},{"kind":"Field","name":{"kind":"Name","value":"environments"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastUsedAt"}},{"kind":"Field","name":{"kind":"Name","value":"revokedAt"}},{"kind":"Field","name":{"kind":"Name","value":"onBehalfOf"}}]}}]} as unknown as DocumentNode<ListApiTokensQuery, ListApiTokensQueryVariables>;
export const ReadAuditLogDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadAuditLog"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"datastoreId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"subjectId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"actor"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"action"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"outcome"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"AuditOutcome"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"from"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"DateTime"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"until"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"DateTime"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"auditLog"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"environmentId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}}},{"kind":"Argument","name":{"kind":"Name","value":"datastoreId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"datastoreId"}}},{"kind":"Argument","name":{"kind":"Name","value":"subjectId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"subjectId"}}},{"kind":"Argument","name":{"kind":"Name","value":"actor"},"value":{"kind":"Variable","name":{"kind":"Name","value":"actor"}}},{"kind":"Argument","name":{"kind":"Name","value":"action"},"value":{"kind":"Variable","name":{"kind":"Name","value":"action"}}},{"kind":"Argument","name":{"kind":"Name","value":"outcome"},"value":{"kind":"Variable","name":{"kind":"Name","value":"outcome"}}},{"kind":"Argument","name":{"kind":"Name","value":"from"},"value":{"kind":"Variable","name":{"kind":"Name","value":"from"}}},{"kind":"Argument","name":{"kind":"Name","value":"until"},"value":{"kind":"Variable","name":{"kind":"Name","value":"until"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"at"}},{"kind":"Field","name":{"kind":"Name","value":"actor"}},{"kind":"Field","name":{"kind":"Name","value":"onBehalfOf"}},{"kind":"Field","name":{"kind":"Name","value":"action"}},{"kind":"Field","name":{"kind":"Name","value":"environmentId"}},{"kind":"Field","name":{"kind":"Name","value":"subjectId"}},{"kind":"Field","name":{"kind":"Name","value":"subjectType"}},{"kind":"Field","name":{"kind":"Name","value":"outcome"}},{"kind":"Field","name":{"kind":"Name","value":"detail"}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]} as unknown as DocumentNode<ReadAuditLogQuery, ReadAuditLogQueryVariables>;
export const WhoActedDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"WhoActed"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"createdOnBehalfOf"}},{"kind":"Field","name":{"kind":"Name","value":"updatedBy"}},{"kind":"Field","name":{"kind":"Name","value":"updatedOnBehalfOf"}},{"kind":"Field","name":{"kind":"Name","value":"lastTest"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"requestedBy"}},{"kind":"Field","name":{"kind":"Name","value":"requestedOnBehalfOf"}}]}}]}}]}}]} as unknown as DocumentNode<WhoActedQuery, WhoActedQueryVariables>;
export const ListConnectorsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ListConnectors"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"connectors"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"configKey"}},{"kind":"Field","name":{"kind":"Name","value":"configSchema"}},{"kind":"Field","name":{"kind":"Name","value":"tenancySchema"}},{"kind":"Field","name":{"kind":"Name","value":"supportsTenancy"}},{"kind":"Field","name":{"kind":"Name","value":"secretPaths"}},{"kind":"Field","name":{"kind":"Name","value":"principalSecret"}},{"kind":"Field","name":{"kind":"Name","value":"defaultPort"}},{"kind":"Field","name":{"kind":"Name","value":"formLayout"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"fields"}}]}},{"kind":"Field","alias":{"kind":"Name","value":"changeSchema"},"name":{"kind":"Name","value":"configSchema"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"for"},"value":{"kind":"EnumValue","value":"UPDATE"}}]},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"runsByDefault"}},{"kind":"Field","name":{"kind":"Name","value":"writes"}}]}}]}}]}}]} as unknown as DocumentNode<ListConnectorsQuery, ListConnectorsQueryVariables>;
export const ReadDocumentationDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadDocumentation"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"type"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"DatastoreType"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"connector"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"type"},"value":{"kind":"Variable","name":{"kind":"Name","value":"type"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"documentation"}}]}}]}}]} as unknown as DocumentNode<ReadDocumentationQuery, ReadDocumentationQueryVariables>;
export const RefreshCatalogDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"RefreshCatalog"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"RefreshCatalogInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"refreshCatalog"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"RefreshCatalogSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"test"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"TestFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConflictError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"current"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"TestFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConnectionTest"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"purpose"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"requestedBy"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"startedAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}},{"kind":"Field","name":{"kind":"Name","value":"checks"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"durationMs"}},{"kind":"Field","name":{"kind":"Name","value":"evidence"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"failure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"cause"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"hint"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}}]}}]}}]}}]} as unknown as DocumentNode<RefreshCatalogMutation, RefreshCatalogMutationVariables>;
export const ReadCatalogDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadCatalog"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"search"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"lastTest"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"catalog"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"refreshedAt"}},{"kind":"Field","name":{"kind":"Name","value":"entryCount"}},{"kind":"Field","name":{"kind":"Name","value":"entries"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"search"},"value":{"kind":"Variable","name":{"kind":"Name","value":"search"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"namespace"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"readable"}},{"kind":"Field","name":{"kind":"Name","value":"columns"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"dataType"}},{"kind":"Field","name":{"kind":"Name","value":"nullable"}}]}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<ReadCatalogQuery, ReadCatalogQueryVariables>;
export const ReadTenancyDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadTenancy"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"tenancy"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"level"}},{"kind":"Field","name":{"kind":"Name","value":"clientColumnType"}},{"kind":"Field","name":{"kind":"Name","value":"schemaName"}},{"kind":"Field","name":{"kind":"Name","value":"tableName"}},{"kind":"Field","name":{"kind":"Name","value":"tableClientNameColumn"}},{"kind":"Field","name":{"kind":"Name","value":"tablePrimaryKeyColumn"}}]}}]}}]}}]} as unknown as DocumentNode<ReadTenancyQuery, ReadTenancyQueryVariables>;
export const CreateDataStructureDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"CreateDataStructure"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"CreateDataStructureInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"createDataStructure"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"CreateDataStructureSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"dataStructure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"DataStructureFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"DataStructureFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DataStructure"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"strict"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"default"}},{"kind":"Field","name":{"kind":"Name","value":"choices"}},{"kind":"Field","name":{"kind":"Name","value":"itemType"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"default"}},{"kind":"Field","name":{"kind":"Name","value":"itemType"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<CreateDataStructureMutation, CreateDataStructureMutationVariables>;
export const UpdateDataStructureDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"UpdateDataStructure"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"UpdateDataStructureInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"updateDataStructure"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UpdateDataStructureSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"dataStructure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"DataStructureFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"RecordsMisfitError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"misfitCount"}},{"kind":"Field","name":{"kind":"Name","value":"misfits"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastoreId"}},{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"code"}}]}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"DataStructureFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DataStructure"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"strict"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"default"}},{"kind":"Field","name":{"kind":"Name","value":"choices"}},{"kind":"Field","name":{"kind":"Name","value":"itemType"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"default"}},{"kind":"Field","name":{"kind":"Name","value":"itemType"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<UpdateDataStructureMutation, UpdateDataStructureMutationVariables>;
export const DeleteDataStructureDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"DeleteDataStructure"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deleteDataStructure"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DeleteDataStructureSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deletedId"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<DeleteDataStructureMutation, DeleteDataStructureMutationVariables>;
export const ReadDataStructureDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadDataStructure"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"dataStructure"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"DataStructureFields"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"DataStructureFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DataStructure"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"strict"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"default"}},{"kind":"Field","name":{"kind":"Name","value":"choices"}},{"kind":"Field","name":{"kind":"Name","value":"itemType"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"default"}},{"kind":"Field","name":{"kind":"Name","value":"itemType"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<ReadDataStructureQuery, ReadDataStructureQueryVariables>;
export const ListDataStructuresDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ListDataStructures"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"dataStructures"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"environmentId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"environmentId"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]} as unknown as DocumentNode<ListDataStructuresQuery, ListDataStructuresQueryVariables>;
export const CloneDataStructureDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"CloneDataStructure"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"CloneDataStructureInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cloneDataStructure"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"CloneDataStructureSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"dataStructure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"DataStructureFields"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"DataStructureFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DataStructure"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"strict"}},{"kind":"Field","name":{"kind":"Name","value":"environment"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"label"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"default"}},{"kind":"Field","name":{"kind":"Name","value":"choices"}},{"kind":"Field","name":{"kind":"Name","value":"itemType"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"default"}},{"kind":"Field","name":{"kind":"Name","value":"itemType"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"fields"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<CloneDataStructureMutation, CloneDataStructureMutationVariables>;
export const PutRecordDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"PutRecord"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"PutRecordInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"putRecord"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"PutRecordSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"record"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"data"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"updatedAt"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConflictError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"current"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"currentRecord"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"data"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"QuotaExceededError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"usedBytes"}},{"kind":"Field","name":{"kind":"Name","value":"maxBytes"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<PutRecordMutation, PutRecordMutationVariables>;
export const PutRecordsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"PutRecords"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"PutRecordsInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"putRecords"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"PutRecordsSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"results"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"index"}},{"kind":"Field","name":{"kind":"Name","value":"record"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"data"}},{"kind":"Field","name":{"kind":"Name","value":"version"}}]}},{"kind":"Field","name":{"kind":"Name","value":"error"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}}]}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<PutRecordsMutation, PutRecordsMutationVariables>;
export const RecordEventsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"RecordEvents"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"datastoreId"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"recordEvents"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"datastoreId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"datastoreId"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"at"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"datastoreId"}},{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"actor"}},{"kind":"Field","name":{"kind":"Name","value":"record"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"data"}},{"kind":"Field","name":{"kind":"Name","value":"version"}}]}}]}}]}}]} as unknown as DocumentNode<RecordEventsSubscription, RecordEventsSubscriptionVariables>;
export const DeleteRecordsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"DeleteRecords"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"DeleteRecordsInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deleteRecords"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DeleteRecordsSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deletedCount"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ConfirmationRequiredError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"usages"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<DeleteRecordsMutation, DeleteRecordsMutationVariables>;
export const ReadManagedDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadManaged"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ManagedDatastore"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"usedBytes"}},{"kind":"Field","name":{"kind":"Name","value":"recordCount"}},{"kind":"Field","name":{"kind":"Name","value":"dataStructure"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}},{"kind":"Field","name":{"kind":"Name","value":"config"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"dataStructureId"}},{"kind":"Field","name":{"kind":"Name","value":"maxSizeMb"}}]}}]}}]}}]}}]} as unknown as DocumentNode<ReadManagedQuery, ReadManagedQueryVariables>;
export const ReadRecordDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ReadRecord"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"key"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ManagedDatastore"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"record"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"key"},"value":{"kind":"Variable","name":{"kind":"Name","value":"key"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"data"}},{"kind":"Field","name":{"kind":"Name","value":"version"}}]}}]}}]}}]}}]} as unknown as DocumentNode<ReadRecordQuery, ReadRecordQueryVariables>;
export const ListRecordsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ListRecords"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"filter"}},"type":{"kind":"ListType","type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"RecordFilter"}}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"datastore"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ManagedDatastore"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"records"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"filter"},"value":{"kind":"Variable","name":{"kind":"Name","value":"filter"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"key"}},{"kind":"Field","name":{"kind":"Name","value":"data"}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<ListRecordsQuery, ListRecordsQueryVariables>;
export const ListProcessesDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ListProcesses"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"processes"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"host"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"network"}},{"kind":"Field","name":{"kind":"Name","value":"capacity"}},{"kind":"Field","name":{"kind":"Name","value":"running"}},{"kind":"Field","name":{"kind":"Name","value":"tests"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"status"}}]}},{"kind":"Field","name":{"kind":"Name","value":"startedAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastSeenAt"}},{"kind":"Field","name":{"kind":"Name","value":"isAlive"}},{"kind":"Field","name":{"kind":"Name","value":"tokenName"}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]} as unknown as DocumentNode<ListProcessesQuery, ListProcessesQueryVariables>;
export const TendWorkerDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"TendWorker"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"TendWorkerInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"tendWorker"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"TendWorkerSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"now"}},{"kind":"Field","name":{"kind":"Name","value":"cancelled"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<TendWorkerMutation, TendWorkerMutationVariables>;
export const LeaseTestsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"LeaseTests"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"LeaseTestsInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"leaseTests"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"LeaseTestsSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"leases"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"testId"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"sequence"}},{"kind":"Field","name":{"kind":"Name","value":"sealed"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<LeaseTestsMutation, LeaseTestsMutationVariables>;
export const RecordTestEventsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"RecordTestEvents"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"RecordTestEventsInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"recordTestEvents"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"RecordTestEventsSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"lost"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<RecordTestEventsMutation, RecordTestEventsMutationVariables>;
export const RecordCatalogDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"RecordCatalog"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"RecordCatalogInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"recordCatalog"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"UserErrorFields"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"RecordCatalogSuccess"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"goesOn"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"NotFoundError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"ids"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"UserErrorFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"UserError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"configPath"}},{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]} as unknown as DocumentNode<RecordCatalogMutation, RecordCatalogMutationVariables>;