import {
  ConfirmationRequiredError,
  ConflictError,
  ConnectionTestFailedError,
  InUseError,
  type Misfit,
  NameTakenError,
  NotFoundError,
  QuotaExceededError,
  RecordsMisfitError,
  SecretsRequiredError,
  type UserError,
  ValidationError,
} from '../errors/api.ts';
import type { FieldIssue } from '../errors/field-issues.ts';
import { builder } from './builder.ts';

export const FieldIssueRef = builder.objectRef<FieldIssue>('FieldIssue').implement({
  description: 'One input to mend.',
  fields: (t) => ({
    path: t.exposeStringList('path', {
      description:
        'Where the input stands in the field’s arguments, whatever your variables are called: `["input", "config", "s3", "bucket"]`.',
    }),
    configPath: t.exposeString('configPath', {
      nullable: true,
      description: 'Where it stands in the config: `bucket`, `tls.caCertificate`; null when it is outside of it.',
    }),
    code: t.exposeString('code', { description: 'A stable code for programs; docs/errors.md lists them all.' }),
    message: t.exposeString('message', { description: 'What to do, for people. It never holds the value.' }),
    line: t.exposeInt('line', {
      nullable: true,
      description: 'In which line of a manifest it stands, from 1 on; null when it stands in none.',
    }),
    column: t.exposeInt('column', { nullable: true, description: 'At which character of that line, from 1 on.' }),
  }),
});

export const UserErrorRef = builder.interfaceRef<UserError>('UserError').implement({
  description:
    'Every expected failure: `... on UserError { code message issues { path message } }` serves every form. `code` is stable and documented.',
  resolveType: (error) => error.name,
  fields: (t) => ({
    code: t.exposeString('code', { description: 'A stable code for programs; docs/errors.md lists them all.' }),
    message: t.exposeString('message', { description: 'What went wrong, for people. It never holds a value.' }),
    issues: t.field({
      type: [FieldIssueRef],
      description: 'The inputs to mend; empty when the error is not about inputs.',
      resolve: (error) => [...error.issues],
    }),
  }),
});

builder.objectType(ValidationError, {
  name: 'ValidationError',
  description: 'Some inputs are not valid. All that the validation found is in `issues`; nothing was stored.',
  interfaces: [UserErrorRef],
});

builder.objectType(NameTakenError, {
  name: 'NameTakenError',
  description: 'Another environment or datastore has this name already; nothing was stored.',
  interfaces: [UserErrorRef],
});

builder.objectType(SecretsRequiredError, {
  name: 'SecretsRequiredError',
  description:
    'The change points stored secrets at another host, account or tunnel: those that `issues` names must be given again.',
  interfaces: [UserErrorRef],
});

builder.objectType(NotFoundError, {
  name: 'NotFoundError',
  description: 'It does not exist, or the caller may not see it: the two look the same.',
  interfaces: [UserErrorRef],
  fields: (t) => ({
    ids: t.idList({
      description: 'The ids of what was not found; empty when it was not named by an id.',
      resolve: (error) => [...error.ids],
    }),
  }),
});

/** The module that knows datastores adds `current`. */
export const ConflictErrorRef = builder.objectType(ConflictError, {
  name: 'ConflictError',
  description:
    'Another version is stored (`current` is how it is now), or the id or the idempotencyKey was used before (`current` is null).',
  interfaces: [UserErrorRef],
});

/** The module that knows connection tests adds `test`. */
export const ConnectionTestFailedErrorRef = builder.objectType(ConnectionTestFailedError, {
  name: 'ConnectionTestFailedError',
  description: 'The test before the save did not pass, so nothing was stored. `test` says which check failed and why.',
  interfaces: [UserErrorRef],
});

/** The module that knows datastores adds `datastores`. */
export const InUseErrorRef = builder.objectType(InUseError, {
  name: 'InUseError',
  description:
    'Datastores are still in the environment, or use the data structure (`datastores` lists them), so it was not deleted.',
  interfaces: [UserErrorRef],
});

/** The module that knows usages adds `usages`. */
export const ConfirmationRequiredErrorRef = builder.objectType(ConfirmationRequiredError, {
  name: 'ConfirmationRequiredError',
  description:
    'Something depends on what is to be deleted (`usages` lists it), so nothing was deleted. Show that to whoever asked, and send the same with `confirmed: true` once they agree.',
  interfaces: [UserErrorRef],
});

const MisfitRef = builder.objectRef<Misfit>('RecordMisfit').implement({
  description: 'A stored record that would not fit a data structure.',
  fields: (t) => ({
    datastoreId: t.exposeID('datastoreId', { description: 'The managed datastore that holds it.' }),
    key: t.exposeString('key', { description: 'Its key.' }),
    issues: t.field({
      type: [FieldIssueRef],
      description: 'What would be wrong with it, each with its path from the record’s root.',
      resolve: ({ issues }) => [...issues],
    }),
  }),
});

builder.objectType(RecordsMisfitError, {
  name: 'RecordsMisfitError',
  description: 'Stored records would not fit the data structure any more; nothing was changed.',
  interfaces: [UserErrorRef],
  fields: (t) => ({
    misfitCount: t.field({
      type: 'SafeInt',
      description: 'How many records would not fit.',
      resolve: ({ misfits }) => misfits.count,
    }),
    misfits: t.field({
      type: [MisfitRef],
      description: 'The first of them, at most 20. The token needs RECORDS_READ.',
      resolve: ({ misfits }) => [...misfits.shown],
    }),
  }),
});

builder.objectType(QuotaExceededError, {
  name: 'QuotaExceededError',
  description: 'The records of a managed datastore would be more than its maxSizeMb allows; nothing was stored.',
  interfaces: [UserErrorRef],
  fields: (t) => ({
    usedBytes: t.field({
      type: 'SafeInt',
      description: 'What its records have now, in bytes.',
      resolve: ({ usedBytes }) => usedBytes,
    }),
    maxBytes: t.field({
      type: 'SafeInt',
      description: 'What they may have at most, in bytes.',
      resolve: ({ maxBytes }) => maxBytes,
    }),
  }),
});
