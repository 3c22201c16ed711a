import type { Change, Database } from '../../platform/database/database.ts';
import { UnsealError } from '../../platform/keys/sealed-box.ts';
import type { Sealer, SecretKey, SecretOwner } from '../../platform/keys/sealer.ts';
import { newSecret } from './signature.ts';
import type { SealedSecrets, WebhookRow } from './store.ts';
import { OVERLAP_MS, type Webhook } from './webhook.ts';

/** A secret that was made, which is shown once, and how it is stored. */
export interface MadeSecret {
  readonly secret: string;
  readonly sealed: SealedSecrets;
}

/** A secret that signs as well for some time. */
interface PreviousSecret {
  readonly secret: string;
  readonly until: string;
}

/** How many secrets sign beside the present one at most: each costs a signature a message. */
const MAX_PREVIOUS = 3;

type Owned = Pick<Webhook, 'id' | 'environmentId'>;

/** Makes and opens the secrets of webhooks. */
export class WebhookSecrets {
  readonly #database: Database;
  readonly #sealer: Sealer;

  constructor(database: Database, sealer: Sealer) {
    this.#database = database;
    this.#sealer = sealer;
  }

  /** Makes the first secret of a webhook. */
  async make(change: Change, webhook: Owned): Promise<MadeSecret> {
    const key = await this.#sealer.newKey(change, secretOwner(webhook));
    const secret = newSecret();
    const own = { key_id: key.id, wrapped: key.wrapped, sealed: key.seal('secret', secret) };
    return { secret, sealed: { ...own, previous_sealed: null, previous_until: null } };
  }

  /**
   * Makes the next secret of a webhook that the caller has locked. Those before it sign as well until their day is
   * over, unless `endsOthers`: a rotation that is sent again because its answer was lost takes no receiver's secret
   * away. What does not open is given up.
   */
  async rotate(change: Change, row: WebhookRow, endsOthers: boolean): Promise<MadeSecret> {
    const { secret, sealed } = await this.make(change, { id: row.id, environmentId: row.environment_id });
    const before = endsOthers ? [] : await this.#stillValid(change, row);
    if (before.length === 0) return { secret, sealed };
    const key = await this.#key(row, sealed, change.query);
    const previous_sealed = key.seal('previous', JSON.stringify(before));
    return { secret, sealed: { ...sealed, previous_sealed, previous_until: before[0]?.until ?? null } };
  }

  /** Opens the secrets that sign now, the present one first. @throws UnsealError */
  async open(row: WebhookRow, now: string): Promise<string[]> {
    const key = await this.#key(row, row, this.#database.query);
    const previous = openPrevious(key, row).filter(({ until }) => until > now);
    return [key.open('secret', row.sealed), ...previous.map(({ secret }) => secret)];
  }

  async #stillValid(change: Change, row: WebhookRow): Promise<PreviousSecret[]> {
    try {
      const key = await this.#key(row, row, change.query);
      const last = { secret: key.open('secret', row.sealed), until: change.clock.timestamp(OVERLAP_MS) };
      const others = openPrevious(key, row).filter(({ until }) => until > change.clock.timestamp());
      return [last, ...others].slice(0, MAX_PREVIOUS);
    } catch (error) {
      if (error instanceof UnsealError) return [];
      throw error;
    }
  }

  #key(
    { id, environment_id: environmentId }: Pick<WebhookRow, 'id' | 'environment_id'>,
    { key_id, wrapped }: SealedSecrets,
    query: Database['query'],
  ): Promise<SecretKey> {
    return this.#sealer.openKey(secretOwner({ id, environmentId }), { id: key_id, wrapped }, query);
  }
}

function openPrevious(key: SecretKey, { previous_sealed: sealed }: SealedSecrets): PreviousSecret[] {
  return sealed === null ? [] : (JSON.parse(key.open('previous', sealed)) as PreviousSecret[]);
}

/** What signs is sent nowhere, so it is bound to its webhook alone, and not to its URL. */
export function secretOwner({ id, environmentId }: Owned): SecretOwner {
  return { environmentId, kind: 'webhook', id, boundTo: 'signature' };
}
