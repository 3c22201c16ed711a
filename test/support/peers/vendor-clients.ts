import { homedir } from 'node:os';
import { join } from 'node:path';
import type { PeerPrograms } from './installed.ts';

/** Where `.ci/peers/python` puts them. */
const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'datastore-gateway-peers');

/** The Python that has what is listed in `.ci/peers/NAME.txt`. */
export function pythonOf(name: string): string {
  return join(folder, name, 'bin', 'python');
}

export const vendorPython = pythonOf('vendor-clients');

export const VENDOR_CLIENTS: PeerPrograms = { programs: [vendorPython], script: '.ci/peers/python vendor-clients' };
