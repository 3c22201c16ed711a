import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const googleCloudStorageRecipe: Recipe = {
  language: 'sh',
  text: `account=gateway@shop-123.iam.gserviceaccount.com
gcloud iam service-accounts create gateway --project=shop-123
gcloud storage buckets add-iam-policy-binding gs://shop-exports \\
  --member="serviceAccount:$account" --role=roles/storage.objectViewer
gcloud iam service-accounts keys create key.json --iam-account="$account"`,
};
