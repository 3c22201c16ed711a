import { describe, expect, test } from 'vitest';
import { label, labelSought } from '../../../../src/connectors/kit/config/label.ts';

const between = (hidden: string) => `Sa${hidden}les`;

describe('a label', () => {
  test.each([
    ['an override of the direction of writing', between('\u202e')],
    ['an embedding', between('\u202a')],
    ['an isolate', between('\u2066')],
    ['the end of an isolate', between('\u2069')],
    ['a mark of the direction of writing', between('\u200f')],
    ['a zero-width space', between('\u200b')],
    ['a joiner between letters that have no other form', between('\u200d')],
    ['a non-joiner between them', between('\u200c')],
    ['a word joiner', between('\u2060')],
    ['a byte order mark', between('\ufeff')],
    ['a soft hyphen', between('\u00ad')],
    ['a variation selector', between('\ufe0f')],
    ['letters of tags', between('\u{e0041}')],
    ['a filler of Hangul', between('\u3164')],
    ['an empty pattern of Braille', between('\u2800')],
    ['a line separator', between('\u2028')],
    ['a joiner that an emoji ends with', '👩\u200d'],
    ['two variation selectors behind an emoji', '❤\ufe0f\ufe0f'],
    ['two joiners in an emoji', '👩\u200d\u200d💻'],
  ])('has no %s', (_title, text) => {
    expect(label.safeParse(text).error?.issues).toMatchObject([{ params: { code: 'INVALID_FORMAT' } }]);
    // what was stored before is still found
    expect(labelSought.safeParse(text).success).toBe(true);
  });

  test.each([
    ['accents, as one character or two', 'Café Cafe\u0301'],
    ['emojis of several parts', '👩\u200d💻 👍🏽 ❤\ufe0f 🏳\ufe0f\u200d🌈 1\ufe0f\u20e3 🇩🇪'],
    ['flags of tags', '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}'],
    ['Persian with a non-joiner', 'می\u200cخواهم'],
    ['Hindi with a joiner', 'क्\u200dष'],
    ['a variant of a Japanese name', '葛\u{e0100}飾'],
    ['Hebrew and English', 'מכירות Sales'],
    ['Korean', '한국어 \u1112\u1161\u11ab'],
  ])('has %s', (_title, text) => {
    expect(label.parse(text)).toBe(text);
  });
});
