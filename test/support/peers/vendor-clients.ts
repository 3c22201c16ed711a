import { homedir } from 'node:os';
import { join } from 'node:path';
import type { PeerPrograms } from './installed.ts';

/** Where `.ci/peers/vendor-clients` puts them. */
const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'datastore-gateway-peers');

/** The Python that has the vendors' clients. */
export const vendorPython = join(folder, 'vendor-clients', 'bin', 'python');

export const VENDOR_CLIENTS: PeerPrograms = { programs: [vendorPython], script: '.ci/peers/vendor-clients' };
