import type { IssuedCertificate } from '../certificates.ts';
import { goProgram, goPrograms } from './go-programs.ts';
import { type StartedTool, startTool } from './started-tool.ts';

export const FAKE_GCS_SERVER = goPrograms('fake-gcs-server');

/** Starts fake-gcs-server over HTTPS, with the objects of each bucket in memory. It looks at no token. */
export function startFakeGcsServer(
  { certificate, key }: IssuedCertificate,
  buckets: Readonly<Record<string, readonly string[]>>,
): Promise<StartedTool> {
  const objects = Object.entries(buckets).flatMap(([bucket, names]) =>
    names.map((name) => [`data/${bucket}/${name}`, 'something'] as const),
  );
  const files = { certificate, key, ...Object.fromEntries(objects) };
  return startTool(goProgram('fake-gcs-server'), files, (port, file) => [
    '-backend=memory',
    '-host=127.0.0.1',
    `-port=${port}`,
    '-log-level=error',
    `-data=${file('data')}`,
    `-cert-location=${file('certificate')}`,
    `-private-key-location=${file('key')}`,
  ]);
}
