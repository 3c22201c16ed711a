import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const bigqueryRecipe: Recipe = {
  language: 'sh',
  text: `account=gateway@shop-123.iam.gserviceaccount.com
gcloud iam service-accounts create gateway --project=shop-123
gcloud projects add-iam-policy-binding shop-123 --member="serviceAccount:$account" --role=roles/bigquery.jobUser
bq query --project_id=shop-123 --use_legacy_sql=false \\
  "GRANT \\\`roles/bigquery.metadataViewer\\\` ON SCHEMA sales TO 'serviceAccount:$account'"
gcloud iam service-accounts keys create key.json --iam-account="$account"`,
};
