import { inject } from 'vitest';
import type { BuiltChild } from './built-child.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    builtChild: BuiltChild;
  }
}

/** The executor's child, as it was built for the whole run. */
export function childProgram(): { readonly childUrl: string } {
  return { childUrl: inject('builtChild').childUrl };
}

/** The same with the connectors of test-connectors.ts. */
export function testProgram(): { readonly childUrl: string; readonly listUrl: string } {
  return { ...childProgram(), listUrl: inject('builtChild').testListUrl };
}
