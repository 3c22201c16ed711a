import type { UserError } from '../errors/api.ts';
import type { FieldIssue } from '../errors/field-issues.ts';
import { hasChanges, type ManifestPlan } from '../modules/manifests/plan.ts';
import type { GivenSecret } from '../modules/manifests/service.ts';
import { postOperation, readAnswer } from '../platform/ask-gateway.ts';
import type { Saving } from '../saving.ts';
import { operator } from './command.ts';
import { environmentNames } from './environments.ts';

/** A manifest, with the secrets that this machine has for it. */
export interface Given {
  readonly environmentId: string;
  readonly manifest: string;
  readonly secrets: readonly GivenSecret[];
  readonly prune: boolean;
}

/** Where a manifest is compared and applied: the database itself, or a gateway before it. */
export interface ManifestTarget {
  /** How many parts of an issue's path lead to the manifest. */
  readonly pathToManifest: number;
  /** The id of the environment of this name; undefined where there is none. */
  environmentId(name: string): Promise<string | undefined>;
  export(environmentId: string): Promise<string>;
  plan(given: Given): Promise<ManifestPlan>;
  apply(given: Given, isConfirmed: boolean): Promise<ManifestPlan>;
}

export function databaseTarget({ environments, manifests }: Saving): ManifestTarget {
  return {
    pathToManifest: 1,
    async environmentId(name) {
      for await (const [id, each] of environmentNames({ environments })) if (each === name) return id;
      return undefined;
    },
    export: async (environmentId) => (await manifests.export(operator, { environmentId, path: [] })).text,
    plan: (given) => manifests.plan(operator, { ...given, path: [] }),
    apply: (given, isConfirmed) => manifests.apply(operator, { ...given, path: [] }, isConfirmed),
  };
}

/** What a gateway has refused, in the form of what the services throw. */
export class GatewayRefusal extends Error implements Pick<UserError, 'issues'> {
  readonly issues: readonly FieldIssue[];

  constructor(message: string, issues: readonly FieldIssue[] = []) {
    super(message);
    this.issues = issues;
  }
}

const ERRORS = '... on UserError { message issues { path configPath code message line column } }';
const PLAN = `plan { environmentId items { kind name action id keptSecrets missingSecrets changes { path isSecret before after } } }`;
const ENVIRONMENTS = 'query ($name: String!) { environments(search: $name, first: 100) { nodes { id name } } }';
const EXPORT = `query ($id: ID!) { exportManifest(environmentId: $id) { ${ERRORS} ... on ExportManifestSuccess { text } } }`;
const PLAN_MANIFEST = `query ($input: PlanManifestInput!) { planManifest(input: $input) { ${ERRORS} ... on PlanManifestSuccess { ${PLAN} } } }`;
const APPLY = `mutation ($input: ApplyManifestInput!) { applyManifest(input: $input) { ${ERRORS} ... on ApplyManifestSuccess { ${PLAN} } } }`;
/** How long an answer may take, in milliseconds: names are resolved for all that is stored. */
const ANSWER_TIMEOUT_MS = 120_000;

interface Refused {
  readonly message?: string;
  readonly issues?: readonly FieldIssue[];
}

/** A gateway, by its URL and a token. */
export function gatewayTarget(url: URL, token: string): ManifestTarget {
  const ask = async <Result>(query: string, variables: object): Promise<Result> => {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const response = await postOperation({ url, token }, { query, variables }, 'application/json', signal);
    const { data, errors } = await readAnswer(response, url);
    const [result] = Object.values(data ?? {}) as (Result & Refused)[];
    if (errors || result == null) throw new GatewayRefusal(errors?.[0]?.message ?? 'The gateway has answered nothing.');
    if (result.message !== undefined) throw new GatewayRefusal(result.message, result.issues);
    return result;
  };
  return {
    pathToManifest: 2,
    async environmentId(name) {
      const { nodes } = await ask<{ nodes: { id: string; name: string }[] }>(ENVIRONMENTS, { name });
      return nodes.find((node) => node.name === name)?.id;
    },
    export: async (id) => (await ask<{ text: string }>(EXPORT, { id })).text,
    plan: async (input) => (await ask<{ plan: ManifestPlan }>(PLAN_MANIFEST, { input })).plan,
    apply: async (input, confirmed) =>
      (await ask<{ plan: ManifestPlan }>(APPLY, { input: { ...input, confirmed } })).plan,
  };
}

const SIGNS = { CREATE: '+', UPDATE: '~', DELETE: '-', UNCHANGED: ' ' } as const;

/** Writes a plan for people: what stays as it is, is only counted. */
export function planText(plan: ManifestPlan): string {
  const lines = plan.items.flatMap(({ kind, name, action, changes, keptSecrets, missingSecrets }) => {
    const shown = action === 'UPDATE' ? changes : [];
    const told = [
      ...shown.map(({ path, isSecret, before, after }) =>
        isSecret ? `    ${path}: another secret` : `    ${path}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`,
      ),
      ...keptSecrets.map((reference) => `    ${reference} is not given: the stored secret stays`),
      ...missingSecrets.map((reference) => `    ${reference} is missing`),
    ];
    if (action === 'UNCHANGED' && told.length === 0) return [];
    return [`${SIGNS[action]} ${kind === 'DATASTORE' ? 'datastore' : 'data structure'} ${name}`, ...told];
  });
  const count = (wanted: keyof typeof SIGNS) => plan.items.filter(({ action }) => action === wanted).length;
  const sum = `${count('CREATE')} to create, ${count('UPDATE')} to change, ${count('DELETE')} to delete, ${count('UNCHANGED')} as they are`;
  return `${[...lines, hasChanges(plan) ? sum : `Nothing to do: ${sum}`].join('\n')}.\n`;
}
