import { z } from 'zod';
import { googleSignInFields, googleSignInRules, withGoogleSignIn } from '../families/google/config.ts';
import { rules } from '../kit/config/rules.ts';
import { anyText, matching } from '../kit/config/text.ts';

function project() {
  return matching(
    anyText(100).min(6, { abort: true }),
    /^([a-z0-9][a-z0-9.-]*[a-z0-9]:)?[a-z][a-z0-9-]*[a-z0-9]$/,
    'Give the project’s id: small letters, digits and hyphens. Its name and number are not taken.',
  );
}

export const bigqueryConfig = withGoogleSignIn(
  z.object({
    projectId: project().meta({
      title: 'Project id',
      description:
        'The project that pays for queries, and that holds the data unless dataProjectId names another one. Example: my-project-123',
    }),
    dataProjectId: project().optional().meta({
      title: 'Data project id',
      description:
        'The project that holds the data, where that is another one than pays for queries. Leave empty for the same one. Example: bigquery-public-data',
    }),
    ...googleSignInFields,
    dataset: matching(
      anyText(1024),
      /^\w+$/,
      'A dataset’s id has letters, digits and underscores; it stands without its project.',
    )
      .optional()
      .meta({
        title: 'Dataset',
        description:
          'The one dataset of the project that holds the data to use. Leave empty for all of them. Example: sales',
      }),
    location: matching(
      anyText(64).min(2, { abort: true }),
      /^[A-Za-z]+(-[A-Za-z0-9]+)*$/,
      'Give a location of BigQuery, such as US, EU or europe-west3.',
    )
      .default('US')
      .meta({
        title: 'Location',
        description:
          'The location where queries run, which has to be that of the dataset. Examples: US, EU, europe-west3',
      }),
  }),
).meta(rules(...googleSignInRules));

export type BigqueryConfig = z.output<typeof bigqueryConfig>;

/** The project that holds the data. */
export function dataProject({ dataProjectId, projectId }: BigqueryConfig): string {
  return dataProjectId ?? projectId;
}
