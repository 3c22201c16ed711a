import { expect, test } from 'vitest';
import type { z } from 'zod';
import { leavesOf } from '../../src/connectors/kit/config/shape.ts';
import { connectorId } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { fieldIssue, issueCodes } from '../../src/errors/field-issues.ts';

/** Each is refused by the one field or the other. */
const HOSTILE = ['\0', ' ', 'a b', 'a\nb', 'ä', '/', '\\\\', '..', '-', '@', '{', '%', '\u202e'];

test.each(connectors.map((connector) => [connectorId(connector), connector] as const))(
  '%s: a text that a field refuses is told what to give instead',
  (_id, { config }) => {
    const mute = leavesOf(config).flatMap(({ path, schema }) =>
      HOSTILE.flatMap((text) => (schema as z.ZodType).safeParse(text).error?.issues ?? [])
        .map((issue) => fieldIssue(issue, []).message)
        .filter((message) => message === issueCodes.INVALID_FORMAT || message === '')
        .map(() => path),
    );
    expect(new Set(mute)).toEqual(new Set());
  },
);
