import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const athenaRecipe: Recipe = {
  language: 'json',
  text: `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "athena:GetWorkGroup",
      "Resource": "arn:aws:athena:eu-central-1:123456789012:workgroup/primary"
    },
    {
      "Effect": "Allow",
      "Action": ["athena:ListDatabases", "athena:GetDatabase"],
      "Resource": "arn:aws:athena:eu-central-1:123456789012:datacatalog/AwsDataCatalog"
    },
    {
      "Effect": "Allow",
      "Action": ["glue:GetDatabases", "glue:GetDatabase"],
      "Resource": [
        "arn:aws:glue:eu-central-1:123456789012:catalog",
        "arn:aws:glue:eu-central-1:123456789012:database/*"
      ]
    }
  ]
}`,
};
