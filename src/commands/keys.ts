import { type Env, readEnv } from '../env.ts';
import type { OpenedDatabase } from '../open-database.ts';
import { appendJournal } from '../platform/journal/journal.ts';
import {
  createKeyFile,
  newKeys,
  readKeyFile,
  replaceKeyFile,
  withFreshKey,
  withoutKey,
} from '../platform/keys/key-file.ts';
import {
  countWrapped,
  logUnreadable,
  needsRotation,
  type RotationStep,
  rotate,
} from '../platform/keys/key-rotation.ts';
import { keySourceOf } from '../platform/keys/key-source.ts';
import { Keyring } from '../platform/keys/keyring.ts';
import { keySetting, withSetting } from '../setting-error.ts';
import { operator, options, print, UsageError } from './command.ts';
import { withDatabase } from './settings.ts';

export async function createKey(args: readonly string[]): Promise<void> {
  const { print: isPrinted } = options(args, { print: { type: 'boolean' } });
  if (isPrinted) return printKeys(newKeys());
  const keyFile = writableFile(readEnv('serve'), 'key create --print');
  await withSetting({ variable: 'KEY_FILE', value: keyFile }, () => createKeyFile(keyFile));
  print(`Made ${keyFile}. Keep a copy in a safe place: without it no stored secret can be read.\n`);
}

/** Prints a line for each key, with tabs between what it says. */
export async function listKeys(args: readonly string[]): Promise<void> {
  options(args, {});
  await withDatabase(async ({ database, keyring }) => {
    const counts = await countWrapped(database);
    for (const id of [keyring.activeKeyId, ...keyring.otherKeyIds]) {
      const state = id === keyring.activeKeyId ? 'active' : 'former';
      print(`${id}\t${state}\twraps ${counts.get(id) ?? 0}\n`);
    }
  });
}

export async function rotateKey(args: readonly string[]): Promise<void> {
  const { print: isPrinted } = options(args, { print: { type: 'boolean' } });
  const env = readEnv('serve');
  if (isPrinted) {
    const source = keySourceOf(env);
    return printKeys(withFreshKey(await withSetting(keySetting(env), () => source.read())));
  }
  const { keyOwners } = await import('../key-owners.ts');
  await withDatabase(async (opened, logger) => {
    const { database, keyring } = opened;
    if (keyring.opensOldForm)
      throw new Error('Run "datastore-gateway key upgrade" first: older versions sealed otherwise.');
    // a rotation that was ended half way comes to its end before another one begins
    const goesOn = await needsRotation(database, keyring);
    if (!goesOn) await addKey(env, opened);
    const { activeKeyId } = keyring;
    print(goesOn ? `Going on with ${activeKeyId}.\n` : `Added ${activeKeyId}.\n`);
    const onProgress = (step: RotationStep, done: number, all: number) => print(`${step}: ${done} of ${all}\n`);
    const unreadable = await rotate({ database, keyring, owners: keyOwners, onProgress });
    logUnreadable(logger, unreadable);
    print(
      `Everything${unreadable.length > 0 ? ' that opens' : ''} is wrapped by ${activeKeyId}, under new data keys. ` +
        'Gateways that read the same keys have taken it up by themselves; bring the keys to those that have a copy of ' +
        'their own, and keep the former ones as long as backups from before.\n',
    );
    if (unreadable.length > 0) {
      throw new Error(
        `${unreadable.length} keys of secrets do not open beside their configs, which the log names: restore those rows, ` +
          'or delete their datastores. Until the next rotation their old data keys stay.',
      );
    }
  });
}

/** Puts one more key into the key file, which wraps from now on. */
async function addKey(env: Env, opened: OpenedDatabase): Promise<void> {
  const keyFile = writableFile(env, 'key rotate --print');
  const setting = keySetting(env);
  const next = await withSetting(setting, async () => withFreshKey(await readKeyFile(keyFile)));
  await journalKey(opened, 'key.rotate', next.activeKeyId);
  await withSetting(setting, async () => {
    await replaceKeyFile(keyFile, next);
    await opened.keyring.reload();
  });
}

/** Enters what is about to be done to the keys: when that cannot be entered, it is not done. */
async function journalKey({ database, keyring }: OpenedDatabase, action: string, subjectId: string): Promise<void> {
  const entry = {
    environmentId: '',
    kind: '',
    action,
    actor: operator.actor,
    subjectType: 'key',
    subjectId,
    detail: {},
  };
  await database.change((change) => appendJournal(change, keyring, entry));
}

export async function forgetKey(args: readonly string[]): Promise<void> {
  const { id } = options(args, { id: { type: 'string' } });
  if (id === undefined) throw new UsageError('Give --id ID, which "key list" prints first.');
  const keyFile = writableFile(readEnv('serve'), 'key list');
  await withDatabase(async (opened) => {
    const wrapped = (await countWrapped(opened.database)).get(id) ?? 0;
    if (wrapped > 0) throw new Error(`The key ${id} still wraps ${wrapped}: "key rotate" goes on with the rotation.`);
    const setting = { variable: 'KEY_FILE', value: keyFile } as const;
    const rest = await withSetting(setting, async () => withoutKey(await readKeyFile(keyFile), id));
    await journalKey(opened, 'key.forget', id);
    await withSetting(setting, () => replaceKeyFile(keyFile, rest));
    print(`Forgot ${id}. A backup from before the rotation opens with a key file from before alone.\n`);
  });
}

export async function upgradeKey(args: readonly string[]): Promise<void> {
  options(args, {});
  const env = readEnv('serve');
  const { keyFile, keyCommand } = env;
  const keys = await withSetting(keySetting(env), () => Keyring.load(keySourceOf(env)));
  const place = keyCommand === undefined ? keyFile : 'What KEY_COMMAND prints';
  if (!keys.opensOldForm) return print(`${place} is up to date.\n`);
  const { upgradeSeals } = await import('../upgrade.ts');
  await withDatabase(async (opened, logger) => {
    const { database, keyring } = opened;
    await journalKey(opened, 'key.upgrade', keyring.activeKeyId);
    const { resealed, unreadable } = await upgradeSeals({
      database,
      keyring,
      keyFile: keyCommand === undefined ? keyFile : undefined,
      logger,
    });
    if (unreadable > 0) {
      throw new Error(
        `The secrets of ${unreadable} datastores do not open, which the log names: restore or delete them, then try again.`,
      );
    }
    const done = `Sealed the secrets of ${resealed} datastores anew`;
    if (keyCommand !== undefined) return print(`${done}. Put "version": 2 into the keys that KEY_COMMAND prints.\n`);
    print(`${done}, and marked ${keyFile}: start every gateway with this file.\n`);
  });
}

function printKeys(keys: object): void {
  print(`${JSON.stringify(keys, null, 2)}\n`);
}

/** The path of the key file. @throws where a command fetches the keys, which nobody can write to, saying what to do */
function writableFile({ keyFile, keyCommand }: Env, instead: string): string {
  if (keyCommand === undefined) return keyFile;
  throw new Error(
    `KEY_COMMAND fetches the keys, and cannot be written to: change them at the key service; "${instead}" prints what it needs.`,
  );
}
