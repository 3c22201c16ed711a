/* Why a check of a connection test failed. Codes are stable: they may be added, never renamed. */

/** The causes of a failed check, from the API's FailureCause. */
export const failureCauses = {
  INVALID_CONFIG: 'The config cannot work as it is.',
  ADDRESS_NOT_ALLOWED: 'The gateway does not connect to this address.',
  DNS: 'The name does not resolve.',
  CONNECTION_REFUSED: 'Nothing listens on that port.',
  NETWORK: 'The connection broke, or no network route leads to the host.',
  TIMEOUT: 'The peer stayed silent or was too slow.',
  SSH: 'The SSH tunnel could not be opened, or does not lead to the target.',
  TLS: 'No secure connection could be agreed on.',
  AUTHENTICATION: 'The peer refused the credentials.',
  AUTHORIZATION: 'The credentials are right but do not allow this.',
  NOT_FOUND: 'The database, bucket, collection or the like does not exist.',
  PROTOCOL: 'What answers does not speak the protocol that this type speaks.',
  SERVER: 'The server is the right one, and reports an error of its own.',
  CANCELLED: 'The test was cancelled.',
  INTERNAL: 'The gateway itself failed; the log has more.',
} as const;
export type FailureCause = keyof typeof failureCauses;

interface FailureText {
  readonly cause: FailureCause;
  readonly message: string;
  readonly hint?: string;
}

/** `code` of a failed check, with its cause and the words shown to the user. A connector may give a hint of its own. */
export const failureCodes = {
  ADDRESS_NOT_ALLOWED: {
    cause: 'ADDRESS_NOT_ALLOWED',
    message: 'The gateway does not connect to this address.',
    hint: 'Use a public address, or ask the operator to allow it in EGRESS_ALLOW, which opens all but the gateway’s own listener and database.',
  },
  NAME_NOT_FOUND: { cause: 'DNS', message: 'The host name does not resolve.', hint: 'Check the spelling of the host.' },
  NAME_LOOKUP_FAILED: { cause: 'DNS', message: 'The name server did not answer.', hint: 'Try again in a moment.' },
  CONNECTION_REFUSED: {
    cause: 'CONNECTION_REFUSED',
    message: 'Nothing listens on that port.',
    hint: 'Check host and port, and that the server is running.',
  },
  HOST_UNREACHABLE: {
    cause: 'NETWORK',
    message: 'No network route leads to the host.',
    hint: 'Check the host, and the routes and firewalls between the gateway and it.',
  },
  CONNECTION_LOST: {
    cause: 'NETWORK',
    message: 'The peer closed the connection.',
    hint: 'Try again; when it happens each time, check the port and the server’s own log.',
  },
  TOO_MUCH_DATA: {
    cause: 'PROTOCOL',
    message: 'The peer sent more than the check takes.',
    hint: 'Check host and port: something else may answer there. Where a catalog is read, it may have more than one answer holds.',
  },
  TIMEOUT: {
    cause: 'TIMEOUT',
    message: 'The peer did not answer in time.',
    hint: 'Check host, port and firewalls; a longer timeoutMs helps with a slow server.',
  },
  NOT_BEGUN: {
    cause: 'TIMEOUT',
    message: 'The test’s time was over before its first check.',
    hint: 'Nothing was connected to: the gateway had too much else to do. Try again, or raise timeoutMs; when it happens each time, look at the load of the machine that the gateway runs on.',
  },
  NO_WORKER: {
    cause: 'TIMEOUT',
    message: 'No worker of the environment’s network took the test in time.',
    hint: 'Nothing was connected to. Start `datastore-gateway worker --network NETWORK` where the datastore is reached from, with the network in the evidence as NETWORK, or change the network of the environment.',
  },
  PROTOCOL_MISMATCH: {
    cause: 'PROTOCOL',
    message: 'What answers there does not speak the expected protocol.',
    hint: 'Check the port, and that the type is the right one.',
  },
  UNEXPECTED_ANSWER: {
    cause: 'PROTOCOL',
    message: 'The server gave an answer that the check does not know.',
    hint: 'Check that the endpoint is of this type, and the server’s own log.',
  },
  SERVER_ERROR: {
    cause: 'SERVER',
    message: 'The server refused with an error of its own.',
    hint: 'Look the code in the evidence up in the manual of the server; its log may say more.',
  },
  SERVER_UNAVAILABLE: {
    cause: 'NETWORK',
    message: 'The server says that it cannot serve now.',
    hint: 'Try again later; check the server’s own log.',
  },
  TOO_MANY_REQUESTS: {
    cause: 'NETWORK',
    message: 'The server limits requests or connections.',
    hint: 'Try again later.',
  },
  SSH_HOST_KEY_UNCONFIRMED: {
    cause: 'SSH',
    message: 'The bastion’s host key has not been confirmed.',
    hint: 'Compare the fingerprint in the evidence with what the bastion’s operator says, then give it as sshTunnel.hostKeyFingerprint.',
  },
  SSH_HOST_KEY_MISMATCH: {
    cause: 'SSH',
    message: 'The bastion shows another host key than the confirmed one.',
    hint: 'Find out why: it may be another machine, or its keys were renewed. Compare the fingerprint in the evidence with what its operator says.',
  },
  SSH_HANDSHAKE_FAILED: {
    cause: 'SSH',
    message: 'The bastion and the gateway could not agree on a secure connection.',
    hint: 'Check which algorithms the bastion offers: those with SHA-1, DSA, CBC or RC4 are not used.',
  },
  SSH_PROTOCOL_MISMATCH: {
    cause: 'SSH',
    message: 'What answers at the bastion’s port does not speak SSH.',
    hint: 'Check sshTunnel.host and sshTunnel.port.',
  },
  SSH_AUTHENTICATION_REFUSED: {
    cause: 'SSH',
    message: 'The bastion refused the credentials.',
    hint: 'Check the user name and the password or key of sshTunnel.',
  },
  SSH_FORWARDING_REFUSED: {
    cause: 'SSH',
    message: 'The bastion does not allow a connection to this host and port.',
    hint: 'Have its operator allow TCP forwarding to them (AllowTcpForwarding, PermitOpen).',
  },
  SSH_TARGET_UNREACHABLE: {
    cause: 'SSH',
    message: 'The bastion cannot reach this host and port.',
    hint: 'Check host and port as the bastion sees them, and that the server is running.',
  },
  TLS_NOT_OFFERED: {
    cause: 'TLS',
    message: 'The server does not offer TLS.',
    hint: 'Turn TLS on at the server, or set tls.mode to DISABLE where clear text is acceptable.',
  },
  TLS_REQUIRED: {
    cause: 'TLS',
    message: 'The server takes only TLS connections.',
    hint: 'Set tls.mode to REQUIRE or stronger.',
  },
  TLS_SELF_SIGNED: {
    cause: 'TLS',
    message: 'The certificate is self-signed and not among the trusted ones.',
    hint: 'Give the certificate, or the CA that signed it, in tls.caCertificate.',
  },
  TLS_UNTRUSTED: {
    cause: 'TLS',
    message: 'The certificate was not signed by a trusted CA.',
    hint: 'Give the CA that signed it in tls.caCertificate.',
  },
  TLS_NAME_MISMATCH: {
    cause: 'TLS',
    message: 'The certificate is for another name.',
    hint: 'Check the host, or give the name in the certificate as tls.serverName.',
  },
  TLS_EXPIRED: { cause: 'TLS', message: 'The certificate has expired.', hint: 'Renew the certificate of the server.' },
  TLS_NOT_YET_VALID: {
    cause: 'TLS',
    message: 'The certificate is not valid yet.',
    hint: 'Check the date from which it is valid, and the clocks of the server and of the gateway.',
  },
  TLS_CLIENT_CERTIFICATE_REQUIRED: {
    cause: 'TLS',
    message: 'The server asks for a client certificate.',
    hint: 'Give tls.clientCertificate and tls.clientKey.',
  },
  TLS_CLIENT_CERTIFICATE_REFUSED: {
    cause: 'TLS',
    message: 'The server refused the client certificate.',
    hint: 'Check that tls.clientCertificate is signed by the CA that the server trusts, and belongs to tls.clientKey.',
  },
  TLS_FAILED: {
    cause: 'TLS',
    message: 'The TLS handshake failed.',
    hint: 'Check that the port speaks TLS, and which protocol versions the server offers.',
  },
  TLS_BAD_MATERIAL: {
    cause: 'INVALID_CONFIG',
    message: 'The certificates or the key in tls cannot be used.',
    hint: 'Give PEM text; the client key must belong to the client certificate.',
  },
  CREDENTIALS_REQUIRED: {
    cause: 'AUTHENTICATION',
    message: 'The server asks for credentials.',
    hint: 'Give a user name and password, or whatever else the server signs its users in with.',
  },
  PASSWORD_REFUSED: {
    cause: 'AUTHENTICATION',
    message: 'The user name or password was refused.',
    hint: 'Check `username` and `password`.',
  },
  SIGN_IN_METHOD_REFUSED: {
    cause: 'AUTHENTICATION',
    message: 'The server does not take this way to sign in.',
    hint: 'Choose another way to sign in, or allow this one at the server.',
  },
  KEY_REFUSED: {
    cause: 'AUTHENTICATION',
    message: 'The key was refused.',
    hint: 'Check the key, and that it has not been revoked.',
  },
  KEY_UNUSABLE: {
    cause: 'INVALID_CONFIG',
    message: 'The private key cannot be read.',
    hint: 'Give the PEM text of the private key, from -----BEGIN to -----END.',
  },
  PASSPHRASE_REQUIRED: {
    cause: 'INVALID_CONFIG',
    message: 'The private key is encrypted.',
    hint: 'Give its passphrase.',
  },
  PASSPHRASE_REFUSED: {
    cause: 'INVALID_CONFIG',
    message: 'The passphrase does not open the private key.',
    hint: 'Check the passphrase, and that it belongs to this key.',
  },
  TOKEN_EXPIRED: {
    cause: 'AUTHENTICATION',
    message: 'The token has expired.',
    hint: 'Make a new token where this one was made, and give that.',
  },
  CLOCK_SKEW: {
    cause: 'AUTHENTICATION',
    message: 'The server’s clock and ours differ too much.',
    hint: 'Set the clocks of the server and of the gateway’s machine by a time server (NTP).',
  },
  PERMISSION_DENIED: {
    cause: 'AUTHORIZATION',
    message: 'The credentials do not allow this.',
    hint: 'Grant the user or key of the config the right that this check needs.',
  },
  DATABASE_NOT_FOUND: {
    cause: 'NOT_FOUND',
    message: 'There is no such database.',
    hint: 'Check `database`; names may be case-sensitive.',
  },
  DATABASE_REQUIRED: {
    cause: 'INVALID_CONFIG',
    message: 'This is about the tables of a database, and the config names none.',
    hint: 'Give `database`.',
  },
  SCHEMA_NOT_FOUND: { cause: 'NOT_FOUND', message: 'There is no such schema.', hint: 'Check `schema`.' },
  CATALOG_NOT_FOUND: { cause: 'NOT_FOUND', message: 'There is no such catalog.', hint: 'Check `catalog`.' },
  BUCKET_NOT_FOUND: { cause: 'NOT_FOUND', message: 'There is no such bucket.', hint: 'Check `bucket` and the region.' },
  COLLECTION_NOT_FOUND: { cause: 'NOT_FOUND', message: 'There is no such collection.', hint: 'Check `collection`.' },
  INDEX_NOT_FOUND: {
    cause: 'NOT_FOUND',
    message: 'There is no such index, alias or data stream.',
    hint: 'Check `index`.',
  },
  OBJECT_NOT_FOUND: { cause: 'NOT_FOUND', message: 'There is no such object.', hint: 'Check `path`.' },
  FILE_MALFORMED: {
    cause: 'INVALID_CONFIG',
    message: 'The file cannot be read as CSV.',
    hint: 'Check the delimiter, the quotes and the encoding.',
  },
  RESOURCE_NOT_FOUND: {
    cause: 'NOT_FOUND',
    message: 'The server has no such resource.',
    hint: 'Check the names in the config.',
  },
  QUOTA_EXCEEDED: {
    cause: 'INVALID_CONFIG',
    message: 'The store is full.',
    hint: 'Delete records, or raise `maxSizeMb`.',
  },
  WRONG_REGION: {
    cause: 'INVALID_CONFIG',
    message: 'What the config names is in another region.',
    hint: 'Check `region`.',
  },
  TENANCY_TABLE_NOT_FOUND: {
    cause: 'NOT_FOUND',
    message: 'The tenancy mapping table does not exist.',
    hint: 'Check `tenancy.schemaName` and `tenancy.tableName`.',
  },
  TENANCY_COLUMN_NOT_FOUND: {
    cause: 'NOT_FOUND',
    message: 'The tenancy mapping table lacks a column.',
    hint: 'Check `tenancy.tableClientNameColumn` and `tenancy.tablePrimaryKeyColumn`.',
  },
  TENANCY_COLUMN_TYPE: {
    cause: 'INVALID_CONFIG',
    message: 'The key column of the tenancy mapping has another type.',
    hint: 'Check `tenancy.clientColumnType` and `tenancy.tablePrimaryKeyColumn`.',
  },
  CANCELLED: { cause: 'CANCELLED', message: 'The test was cancelled.' },
  SECRETS_UNREADABLE: {
    cause: 'INTERNAL',
    message: 'The secrets of the test do not open: it was changed outside of the gateway.',
    hint: 'Start the test again. The gateway’s log has more.',
  },
  INTERRUPTED: { cause: 'INTERNAL', message: 'The gateway stopped while the test ran.', hint: 'Start the test again.' },
  INTERNAL: {
    cause: 'INTERNAL',
    message: 'The check failed in a way that the gateway does not know.',
    hint: 'Ask the operator of the gateway: its log has more.',
  },
} as const satisfies Record<string, FailureText>;
export type FailureCode = keyof typeof failureCodes;
