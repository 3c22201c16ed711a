import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const s3Recipe: Recipe = {
  language: 'json',
  text: `{
  "Version": "2012-10-17",
  "Statement": [{ "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::shop-exports" }]
}`,
};
