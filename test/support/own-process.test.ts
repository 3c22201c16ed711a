import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { endProcesses, hasEnded, owned, startPeer } from './peers/own-process.ts';

test('no process outlives its suite, of a start that nobody waits for any more either', async () => {
  const children: ChildProcess[] = [];
  const start = () => {
    const child = owned(spawn('sleep', ['600'], { stdio: 'ignore' }));
    children.push(child);
    return child;
  };
  start();
  const late = startPeer(async () => {
    await once(start(), 'exit');
    await once(start(), 'exit');
    throw new Error('its servers are gone');
  });
  const [ended] = await Promise.all([endProcesses(), expect(late).rejects.toThrow('its servers are gone')]);
  expect(ended).toBeUndefined();
  expect(children.map(hasEnded)).toEqual([true, true, true]);
});
