import type { z } from 'zod';
import { ValidationError } from '../errors/api.ts';
import { fieldIssue } from '../errors/field-issues.ts';

/** Tells all that zod found wrong with the arguments of a field, in the API's words and without any value. */
export function validationErrorOf(error: z.core.$ZodError): ValidationError {
  return new ValidationError(error.issues.map((found) => fieldIssue(found, found.path.map(String))));
}
