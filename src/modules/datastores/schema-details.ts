import { z } from 'zod';
import { issue } from '../../connectors/kit/config/marks.ts';
import { builder } from '../../graphql/builder.ts';
import { boundedList, label, labelSought } from '../../graphql/fields.ts';
import { checkEveryMinutes, description, MAX_TAGS, type Tag, tagKey } from './details.ts';

const TAG_KEY_RULE = '1 to 63 letters, digits, ".", "-", "_" and "/", beginning with a letter or digit';

export const TagRef = builder.objectRef<Tag>('Tag').implement({
  description: 'A word about a datastore, by which it can be found.',
  fields: (t) => ({
    key: t.exposeString('key', { description: `What the word is about: \`team\`. ${TAG_KEY_RULE}.` }),
    value: t.exposeString('value', { description: 'The word: `payments`. At most 128 characters.' }),
  }),
});

const TagInput = builder.inputType('TagInput', {
  description: 'A word about a datastore, by which it can be found.',
  fields: (t) => ({
    key: t.string({
      required: true,
      description: `What the word is about: \`team\`. ${TAG_KEY_RULE}.`,
      validate: { schema: tagKey },
    }),
    value: t.string({
      required: true,
      description: 'The word: `payments`. At most 128 characters, on one line.',
      validate: { schema: label },
    }),
  }),
});

const tagList = boundedList(z.object({ key: z.string(), value: z.string() }), { max: MAX_TAGS }).superRefine(
  (tags, context) => {
    const keys = new Set<string>();
    for (const [index, { key }] of tags.entries()) {
      if (keys.has(key))
        context.addIssue({
          code: 'custom',
          path: [index, 'key'],
          ...issue('INVALID_COMBINATION', 'Give each key once: another tag has it already.'),
        });
      keys.add(key);
    }
  },
);

/** What an input may say about a datastore, beside its config. */
export const descriptionField = {
  description:
    'What the datastore is for, for people: at most 2,000 characters, line breaks too. It decides nothing. Null takes it away.',
  validate: { schema: description },
} as const;
export const ownerNameField = {
  description:
    'Whom to ask about the datastore, a person or a team: at most 128 characters. It decides nothing. Null takes it away.',
  validate: { schema: label },
} as const;
export const tagsField = {
  type: [TagInput] as [typeof TagInput],
  description:
    'Words by which the datastore can be found: at most 20, each key once. They replace the stored ones as a whole; null and `[]` take them away.',
  validate: { schema: tagList },
};

export const checkEveryMinutesField = {
  description:
    'How often the datastore’s default checks run by themselves: every 1 to 1440 minutes, the first time within a minute. Their result is Datastore.health. Null or nothing: never; in an update, nothing leaves it as it is.',
  validate: { schema: checkEveryMinutes },
} as const;

export const TagFilter = builder.inputType('TagFilter', {
  description: 'Finds datastores that have a tag.',
  fields: (t) => ({
    key: t.string({ required: true, description: 'The tag’s key, exactly.', validate: { schema: tagKey } }),
    value: t.string({
      description: 'Its value, exactly. Leave it out for any value.',
      validate: { schema: labelSought },
    }),
  }),
});

/** The length of a filter's list of tags. */
export const wantedTags = boundedList(z.object({ key: z.string(), value: z.string().nullish() }), { max: MAX_TAGS });
