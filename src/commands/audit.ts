import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { readLoggedHead } from '../platform/journal/heads.ts';
import { holdsLoggedHead, journalChains, readJournal, verifyJournal } from '../platform/journal/journal.ts';
import { options, print } from './command.ts';
import { withDatabase } from './settings.ts';

/** What a chain is called where people read of it. */
const chainName = (environmentId: string) =>
  environmentId === '' ? 'the gateway itself' : `environment ${environmentId}`;

/** Looks whether the journal is as it was written, and whether it still has the ends that logs speak of. */
export async function verifyAudit(args: readonly string[]): Promise<void> {
  const { log: logs = [] } = options(args, { log: { type: 'string', multiple: true } });
  await withDatabase(async ({ database: { query }, keyring }) => {
    const faults: string[] = [];
    for (const id of await journalChains(query)) {
      const { intact, brokenAt } = await verifyJournal(query, keyring, id);
      if (brokenAt === null) print(`${chainName(id)}: ${intact} entries are as they were written.\n`);
      else
        faults.push(
          `${chainName(id)}: entry ${brokenAt} was changed, moved or removed; ${intact} before it are whole.`,
        );
    }
    for (const log of logs) {
      let count = 0;
      for await (const line of createInterface({ input: createReadStream(log) })) {
        const head = readLoggedHead(keyring, line);
        if (!head) continue;
        count += 1;
        if (!(await holdsLoggedHead(query, head)))
          faults.push(`${chainName(head.environmentId)}: entry ${head.sequence}, of which ${log} tells, is not there.`);
      }
      print(`${log}: ${count} ends of chains were looked for.\n`);
    }
    if (faults.length > 0) throw new Error(`The journal is not as it was written.\n${faults.join('\n')}`);
  });
}

/** Prints every entry as a line of JSON, chain by chain, in the order in which they were written. */
export async function exportAudit(args: readonly string[]): Promise<void> {
  options(args, {});
  await withDatabase(async ({ database: { query } }) => {
    for (const id of await journalChains(query)) {
      for await (const {
        environment_id,
        subject_type,
        subject_id,
        on_behalf_of,
        detail,
        kind: _,
        ...entry
      } of readJournal(query, id)) {
        const line = {
          ...entry,
          environmentId: environment_id || null,
          subjectType: subject_type,
          subjectId: subject_id,
          onBehalfOf: on_behalf_of,
          detail: JSON.parse(detail) as unknown,
        };
        // a reader that is slower than the database is waited for
        if (!process.stdout.write(`${JSON.stringify(line)}\n`)) await once(process.stdout, 'drain');
      }
    }
  });
}
