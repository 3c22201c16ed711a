import { z } from 'zod';
import { Failure, type FailureDetails } from '../contract/failure.ts';
import type { HttpResponse } from './client.ts';

/** The failure behind a status that has no meaning of its own in the API that is asked. */
export function statusFailure(status: number, details: FailureDetails = {}): Failure {
  if (status === 429) return new Failure('TOO_MANY_REQUESTS', details);
  if (status >= 500) return new Failure('SERVER_UNAVAILABLE', details);
  if (status >= 300 && status < 400) {
    return new Failure('UNEXPECTED_ANSWER', {
      hint: 'The server sends on to another address, which the gateway does not follow: give that one.',
      ...details,
    });
  }
  return new Failure('UNEXPECTED_ANSWER', details);
}

/**
 * The parts of a JSON answer that a check asks for. Fails with PROTOCOL_MISMATCH when the answer is no JSON, or of
 * another shape.
 */
export function jsonAnswer<Schema extends z.ZodType>(response: HttpResponse, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(response.json());
  if (!parsed.success) throw new Failure('PROTOCOL_MISMATCH');
  return parsed.data;
}

/**
 * The parts of an answer that may be JSON of this shape, as a refusal is; undefined when it is not. Fails with
 * PROTOCOL_MISMATCH when it calls itself JSON and is none.
 */
export function jsonIfAny<Schema extends z.ZodType>(
  response: HttpResponse,
  schema: Schema,
): z.output<Schema> | undefined {
  if (!response.headers['content-type']?.startsWith('application/json')) return undefined;
  return schema.safeParse(response.json()).data;
}

/**
 * The schema of a long array in an answer. It gives up at the first element of another form. A plain z.array() notes
 * every such element: some megabytes of a hostile answer then take gigabytes and half a minute.
 */
export function listOf<Element extends z.ZodType>(element: Element) {
  return z.array(z.unknown()).transform((values, context): z.output<Element>[] => {
    const parsed: z.output<Element>[] = [];
    for (const value of values) {
      const { success, data } = element.safeParse(value);
      if (!success) {
        context.addIssue({ code: 'custom', message: 'An element is of another form.' });
        return z.NEVER;
      }
      parsed.push(data);
    }
    return parsed;
  });
}

/** The product that a server calls itself, with its version where it tells one: the first word of its Server header. */
export function serverProduct(response: HttpResponse): string | undefined {
  return /^[A-Za-z][A-Za-z0-9_.-]{0,39}(\/[A-Za-z0-9_.-]{1,20})?/.exec(response.headers.server ?? '')?.[0];
}
