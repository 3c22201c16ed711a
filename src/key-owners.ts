import { findTestOwners } from './modules/connection-tests/key-owners.ts';
import { findDatastoreOwners } from './modules/datastores/key-owners.ts';
import { findRevisionOwners } from './modules/revisions/key-owners.ts';
import { findWebhookOwners } from './modules/webhooks/key-owners.ts';
import type { KeyOwners } from './platform/keys/rewrapping.ts';

/** Which modules have keys under the data keys of environments: a rotation asks them to whom each belongs. */
export const keyOwners: KeyOwners = {
  secret_keys: [findDatastoreOwners, findTestOwners],
  revision_keys: [findRevisionOwners],
  webhooks: [findWebhookOwners],
};
