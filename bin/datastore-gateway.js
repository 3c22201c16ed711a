#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findBundledNode, isRecentEnough, oldestNode } from './node-version.js';

// This is the command. It finds a Node that is recent enough, then starts what is built, or in a checkout the sources.

// SIGUSR1 opens Node's inspector, and with it all that the process may do, unless somebody listens to it
process.on('SIGUSR1', () => undefined);

// graphql-js looks at each type twice elsewhere, in search of a second copy of itself
process.env.NODE_ENV ??= 'production';

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));

if (isRecentEnough(process.versions.node)) start();
else restart();

function start() {
  const source = join(root, 'src', 'main.ts');
  const built = join(root, 'dist', 'main.js');
  // Node strips types nowhere under node_modules
  const isInstalled = /[\\/]node_modules[\\/]/.test(root);
  const main = !isInstalled && existsSync(source) ? source : built;
  if (!existsSync(main)) return giveUp(`${main} is missing: install the package again.`);
  rememberCompiled();
  return import(pathToFileURL(main).href);
}

/**
 * Has Node keep what it compiles in the user's own home, for the next start takes a fifth less time then. Where there
 * is no home, or it may not be written, nothing is kept. HOME does not count: what lies there runs with our rights.
 */
function rememberCompiled() {
  try {
    nodeModule.enableCompileCache(join(userInfo().homedir, '.cache', 'datastore-gateway'));
  } catch (error) {
    // a container's user may be a number that no file knows
    if (error.code !== 'ERR_SYSTEM_ERROR') throw error;
  }
}

function restart() {
  const node = findBundledNode(import.meta.url, process.platform, process.arch);
  if (node === undefined || !existsSync(node)) {
    return giveUp(
      `It needs Node.js ${oldestNode.join('.')} or newer; this is ${process.versions.node}.\n` +
        'Install a newer one from https://nodejs.org, or install this package with its optional dependencies\n' +
        '(npm install --include=optional), which bring one along.',
    );
  }
  const child = spawn(node, [self, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) =>
    giveUp(
      `The Node.js that came along cannot be run (${error.code}): install Node.js ${oldestNode.join('.')} or newer.`,
    ),
  );
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
  return child;
}

function giveUp(message) {
  process.stderr.write(`datastore-gateway: ${message}\n`);
  process.exitCode = 1;
}
