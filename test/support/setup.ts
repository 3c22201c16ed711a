import { flushCompileCache } from 'node:module';
import { afterAll } from 'vitest';

// a worker is ended by a signal, before Node would write what it has compiled
afterAll(() => flushCompileCache());
