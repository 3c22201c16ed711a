import type { z } from 'zod';
import { type FieldIssue, fieldIssue } from '../../errors/field-issues.ts';

export type Path = readonly string[];

/** How many faults are told at once: whoever has made more begins with these. */
const MAX_FAULTS = 100;

/** Gathers what is wrong with a value that a caller gave, each fault with its path. */
export class Faults {
  readonly list: FieldIssue[] = [];

  add(path: Path, code: FieldIssue['code'], message: string): void {
    if (this.list.length < MAX_FAULTS) this.list.push({ path, configPath: null, code, message });
  }

  addZod(path: Path, found: z.core.$ZodIssue): void {
    const { code, message } = fieldIssue(found, path);
    this.add(path, code, message);
  }
}
